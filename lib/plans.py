"""Which encoders a study needs.  No torch here: the graph is planned with this module."""

from dataclasses import dataclass, fields, replace
from types import SimpleNamespace

from lib.application_plans import strata_applications
from lib.encoders import BALANCED, CLASSES, METHODS, WEIGHTINGS, Settings, Unit
from lib.jobs import TOGETHER
from lib.spread_plans import PAPER_SETS, lspread_strata
from lib.text_plans import NULL_SHIFT, bios_gender_harm, listed, seeds_of

REFERENCE_SHIFT = 200  # and these choose the look-alikes on data without a published pairing

PAPER_DATA = dict.fromkeys(("cifar10_undersampling", "mediation", "methods_and_mitigations"), ("cifar10",))
PAPER_DATA["strata_applications"] = ("waterbirds", "isic")
PAPER_DATA["lspread_strata"] = PAPER_SETS
PAPER_ORDER = ("airplane", "ship", "automobile", "truck", "bird", "deer", "horse", "cat", "dog", "frog")
PAPER_PAIRS = (("airplane", "ship"), ("automobile", "truck"), ("deer", "horse"), ("cat", "dog"))

# The settings of the public code of each method (Maity et al. 2024) where they are not those of SimCLR.
PUBLISHED = {
    "simclr": {},
    "simsiam": {
        "net": "resnet18",
        "pretrained": False,
        "head_out": 2048,
        "feature": "projection",
        "learning_rate": 0.06,
        "final_learning_rate": 0.0,
        "squared_learning_rate": False,
        "nesterov": False,
        "weight_decay": 0.0005,
        "clamp": False,
        "normalise": True,
        "augment": "simsiam",
    },
    "bcl": {
        "net": "resnet18",
        "epochs": 300,
        "learning_rate": 0.5,
        "final_learning_rate": 0.000001,
        "squared_learning_rate": False,
        "warmup_epochs": 10,
        "nesterov": False,
        "weight_decay": 0.0005,
        "temperature": 0.2,
        "clamp": False,
        "augment": "bcl",
    },
}
EQUAL_STEPS, CLAMP, START = "simclr, equal steps", "simclr, clamp switched", "simclr, start switched"  # controls


@dataclass(frozen=True)
class Arms:
    """The encoders of an undersampling study, one list entry a seed; an entry lists the units of that seed.

    balanced: all images; under, mild: each class cut to ``ratio`` or ``milder``, in the order of ``treated``;
    null, reference: balanced encoders of other seeds; untrained: the nets at their random start.
    """

    classes: tuple[str, ...]
    treated: tuple[str, ...]
    balanced: list[list[Unit]]
    under: list[list[Unit]]
    mild: list[list[Unit]]
    null: list[list[Unit]]
    reference: list[list[Unit]]
    untrained: list[list[Unit]]

    @property
    def units(self) -> list[Unit]:
        arms = (self.balanced, self.under, self.mild, self.null, self.reference, self.untrained)
        return [unit for arm in arms for seed in arm for unit in seed]


def units(study: str, values: dict) -> list[Unit]:
    """The encoders a study reads with these parameters; ValueError where the parameters contradict each other."""
    return PLANS[study](SimpleNamespace(**values)).units


def cifar10_undersampling(p: SimpleNamespace) -> Arms:
    """Balanced control, every treated class at one or two ratios, null, reference and untrained encoders."""
    classes, treated = _classes(p)
    if p.embeddings:
        return Arms(classes, treated, [], [], [], [], [], [])
    s = _settings(p, classes)
    arms = _with_mild(p, _arms(p, s, classes, treated))
    return replace(arms, null=_control(s, p.seed + NULL_SHIFT, p.null_seeds))


def mediation(p: SimpleNamespace) -> Arms:
    """Balanced control, every treated class at one or two ratios, look-alike reference and untrained encoders."""
    classes, treated = _classes(p)
    return _with_mild(p, _arms(p, _settings(p, classes), classes, treated))


@dataclass(frozen=True)
class Comparison:
    """The arms of a study that compares methods and mitigations, by label.

    A label is a method, a method with a weighting ("simclr_groups"), one of the controls, or SimCLR on fewer images
    ("simclr, 60 images a class").  Mitigations and the equal-steps control share SimCLR's balanced encoders.
    """

    arms: dict[str, Arms]

    @property
    def units(self) -> list[Unit]:
        return list({unit.name: unit for arms in self.arms.values() for unit in arms.units}.values())


def methods_and_mitigations(p: SimpleNamespace) -> Comparison:
    """Every method on balanced and undersampled data, SimCLR's mitigations and controls, and SimCLR on fewer images."""
    classes, treated = _classes(p)
    rates, base = _rates(p), _settings(p, classes)
    methods, weightings = listed(p.methods), listed(p.mitigations)
    for name, given, known in (("methods", methods, METHODS[:-1]), ("mitigations", weightings, WEIGHTINGS[1:])):
        if wrong := [word for word in given if word not in known]:
            raise ValueError(f"{name}={getattr(p, name)!r}: {wrong[0]!r} is unknown; there are {', '.join(known)}")
    if methods[:1] != ("simclr",):
        raise ValueError(f"methods={p.methods!r} must begin with simclr, to which the others are compared")
    if p.published and (wrong := [m for m in methods if m not in PUBLISHED]):
        raise ValueError(f"published=True: {wrong[0]!r} has no public code; there are {', '.join(PUBLISHED)}")

    def tuned(label: str, **other) -> Settings:
        return replace(base, **{"learning_rate": rates.get(label, base.learning_rate), **other})

    arms = {}
    for method in methods:
        s = Settings(data=base.data, classes=base.classes, method=method, **PUBLISHED[method]) if p.published else None
        s = s or tuned(method, method=method)
        # small nets train every class of SimCLR at once, as the other studies do, so that they share the encoders
        every = classes if method == "simclr" and s.net in TOGETHER else treated
        arms[method] = _arms(p, s, classes, every, reference=method == "simclr")
    simclr = arms["simclr"]
    plain = simclr.balanced[0][0].settings
    extra = {f"simclr_{w}": tuned(f"simclr_{w}", weighting=w) for w in weightings}
    if p.equal_steps:
        extra[EQUAL_STEPS] = replace(plain, equal_steps=True)
    for label, s in extra.items():
        under = [_treated(s, treated, p.ratio, seed) for seed in seeds_of(p)]
        arms[label] = replace(simclr, treated=treated, under=under, reference=[], untrained=[])
    switched = {CLAMP: p.clamp_control and {"clamp": not plain.clamp}}
    switched |= {START: p.start_control and {"pretrained": not plain.pretrained}}
    for label, change in switched.items():
        if change:
            _check_start(replace(plain, **change))
            arms[label] = _arms(p, replace(plain, **change), classes, treated, reference=False)
    for size in (int(word) for word in listed(p.sizes)):
        s = replace(plain, images_per_class=size)
        arms[f"simclr, {size} images a class"] = _arms(p, s, classes, treated, reference=False)
    return Comparison(arms)


def _settings(p: SimpleNamespace, classes: tuple[str, ...]) -> Settings:
    chosen = {f.name: getattr(p, f.name) for f in fields(Settings) if hasattr(p, f.name)}
    # ``equal_steps`` may be a study's own parameter
    s = Settings(**chosen | {"classes": classes if p.classes != "all" else (), "equal_steps": False})
    _check_start(s)
    return s


def _check_start(s: Settings) -> None:
    if s.pretrained and s.net not in ("resnet18", "resnet34"):
        raise ValueError(f"pretrained=True: net {s.net!r} has no ImageNet weights; use resnet18 or resnet34")


def _arms(p, s: Settings, classes: tuple[str, ...], treated: tuple[str, ...], reference: bool = True) -> Arms:
    paired = any(classes[k] in treated for k, _ in known_pairs(classes))
    if reference and not paired and not p.reference_seeds:
        raise ValueError("reference_seeds=0: encoders of other seeds must choose the look-alikes here; set 1 or more")
    return Arms(
        classes,
        treated,
        _control(s, p.seed, p.seeds),
        [_treated(s, treated, p.ratio, seed) for seed in seeds_of(p)],
        [],
        [],
        _control(s, p.seed + REFERENCE_SHIFT, p.reference_seeds) if reference and not paired else [],
        _control(replace(s, method="untrained", weighting="none"), p.seed, p.seeds) if reference else [],
    )


def _with_mild(p: SimpleNamespace, arms: Arms) -> Arms:
    s = arms.balanced[0][0].settings
    mild = [_treated(s, arms.treated, p.milder, seed) for seed in seeds_of(p)] if p.milder > p.ratio else []
    return replace(arms, mild=mild)


def _control(s: Settings, first: int, count: int) -> list[list[Unit]]:
    return [[Unit(s, (BALANCED,), 1.0, seed)] for seed in range(first, first + count)]


def _rates(p: SimpleNamespace) -> dict[str, float]:
    """The learning rates written as "simclr=0.1,vicreg=0.3"; ValueError where a word is not label=number."""
    try:
        return {label: float(rate) for label, rate in (word.split("=") for word in listed(p.learning_rates))}
    except ValueError:
        raise ValueError(f"learning_rates={p.learning_rates!r}: write label=rate, as simclr=0.1,vicreg=0.3") from None


def known_pairs(classes: tuple[str, ...]) -> list[tuple[int, int]]:
    """The look-alike cells of CIFAR-10, both ways, among the given classes; none on other data."""
    both = [pair for a, b in PAPER_PAIRS for pair in ((a, b), (b, a))]
    return [(classes.index(a), classes.index(b)) for a, b in both if a in classes and b in classes]


def treated_classes(p: SimpleNamespace) -> tuple[str, ...]:
    """The names of the classes that the parameters undersample, in order."""
    return _classes(p)[1]


def _classes(p: SimpleNamespace) -> tuple[tuple[str, ...], tuple[str, ...]]:
    known = CLASSES[p.data]
    kept = known if p.classes == "all" else listed(p.classes)
    treated = kept if p.undersampled == "all" else listed(p.undersampled)
    for name, these, among in (("classes", kept, known), ("undersampled", treated, kept)):
        wrong = [c for c in these if c not in among]
        if wrong or len(set(these)) != len(these):
            raise ValueError(f"{name}={getattr(p, name)!r}: {wrong or 'a class twice'}; there are {', '.join(among)}")
    if len(kept) < 3:
        raise ValueError(f"classes={p.classes!r}: at least three are needed, for a pair and another class")
    return kept, treated


def _treated(s: Settings, treated: tuple[str, ...], ratio: float, seed: int) -> list[Unit]:
    together = s.net in TOGETHER
    return [Unit(s, treated, ratio, seed)] if together else [Unit(s, (c,), ratio, seed) for c in treated]


def sbm_theory(p: SimpleNamespace) -> Arms:
    """The encoders that the block model's prediction is read from and judged on: balanced, treated, reference."""
    classes, treated = _classes(p)
    arms = _arms(p, _settings(p, classes), classes, treated, reference=False)
    return replace(arms, reference=_control(arms.balanced[0][0].settings, p.seed + REFERENCE_SHIFT, p.reference_seeds))


def theory(p: SimpleNamespace) -> SimpleNamespace:
    """No encoders: the study trains its own small nets, or none."""
    return SimpleNamespace(units=[])


PLANS = {
    "lspread_strata": lspread_strata,
    "bios_gender_harm": bios_gender_harm,
    "cifar10_undersampling": cifar10_undersampling,
    "mediation": mediation,
    "methods_and_mitigations": methods_and_mitigations,
    "sbm_theory": sbm_theory,
    "minority_collapse": theory,
    "alignment_uniformity": theory,
    "strata_applications": strata_applications,
    "strata_theory": theory,
}
