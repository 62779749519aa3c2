"""The encoders of a study that undersamples classes, arm by arm.  No torch here: the graph is planned with these."""

from dataclasses import dataclass, field, fields, replace
from types import SimpleNamespace

from lib.encoders.clip_settings import ClipSettings, ClipUnit
from lib.encoders.image_sets import CLASSES
from lib.encoders.settings import Settings, Unit
from lib.encoders.store import BALANCED, TOGETHER
from lib.studies.shared.words import chosen, seeds_of

NULL_SHIFT = 100  # balanced encoders of these seeds stand against the study's balanced ones: RH without a treatment
REFERENCE_SHIFT = 200  # and these choose the look-alikes on data without a published pairing

ARMS = ("balanced", "under", "mild", "null", "reference", "untrained", "second")
HARM = {"balanced": ("means", "confusion"), "under": ("means", "confusion"), "mild": ("means",), "null": ("means",)}
HARM |= {
    "reference": ("means",),
    "untrained": ("confusion",),
    "second": ("means", "confusion"),
}  # the measures of RH and AH

PAPER_ORDER = ("airplane", "ship", "automobile", "truck", "bird", "deer", "horse", "cat", "dog", "frog")
PAPER_PAIRS = (("airplane", "ship"), ("automobile", "truck"), ("deer", "horse"), ("cat", "dog"))


@dataclass(frozen=True)
class Arms:
    """The encoders of an undersampling study, one list entry a seed; an entry lists the units of that seed.

    balanced: all images; under, mild: each class cut to ``ratio`` or ``milder``, in the order of ``treated``;
    null, reference: balanced encoders of other seeds; untrained: the nets at their random start;
    second: balanced encoders of another policy of augmentation.
    measures: the names of those that the study takes of the encoders of an arm, see ``evidence.Embedded``.
    """

    classes: tuple[str, ...]
    treated: tuple[str, ...]
    balanced: list[list[Unit]]
    under: list[list[Unit]]
    mild: list[list[Unit]]
    null: list[list[Unit]]
    reference: list[list[Unit]]
    untrained: list[list[Unit]]
    measures: dict[str, tuple[str, ...]] = field(default_factory=dict, compare=False)
    second: list[list[Unit]] = field(default_factory=list)

    @property
    def units(self) -> list[Unit]:
        return [unit for arm in ARMS for seed in getattr(self, arm) for unit in seed]

    @property
    def asks(self) -> dict[Unit, set[str]]:
        """What the study measures of each encoder: where a run of record has all of it, no encoder is trained."""
        found: dict[Unit, set[str]] = {}
        for arm in ARMS:
            for unit in (unit for seed in getattr(self, arm) for unit in seed):
                found.setdefault(unit, set()).update(self.measures[arm])
        return found


def settings_of(p: SimpleNamespace, classes: tuple[str, ...]) -> Settings:
    chosen = {f.name: getattr(p, f.name) for f in fields(Settings) if hasattr(p, f.name)}
    # ``equal_steps`` may be a study's own parameter
    s = Settings(**chosen | {"classes": classes if p.classes != "all" else (), "equal_steps": False})
    check_start(s)
    return s


def check_start(s: Settings) -> None:
    if s.pretrained and s.net not in ("resnet18", "resnet34"):
        raise ValueError(f"pretrained=True: net {s.net!r} has no ImageNet weights; use resnet18 or resnet34")


def arms_of(p, s: Settings, classes: tuple[str, ...], treated: tuple[str, ...], reference: bool = True) -> Arms:
    paired = any(classes[k] in treated for k, _ in known_pairs(classes))
    if reference and not paired and not p.reference_seeds:
        raise ValueError("reference_seeds=0: encoders of other seeds must choose the look-alikes here; set 1 or more")
    return Arms(
        classes,
        treated,
        control(s, p.seed, p.seeds),
        [treated_units(s, treated, p.ratio, seed) for seed in seeds_of(p)],
        [],
        [],
        control(s, p.seed + REFERENCE_SHIFT, p.reference_seeds) if reference and not paired else [],
        control(replace(s, method="untrained", weighting="none"), p.seed, p.seeds) if reference else [],
    )


def with_mild(p: SimpleNamespace, arms: Arms) -> Arms:
    s = arms.balanced[0][0].settings
    mild = [treated_units(s, arms.treated, p.milder, seed) for seed in seeds_of(p)] if p.milder > p.ratio else []
    return replace(arms, mild=mild)


def with_second(p: SimpleNamespace, arms: Arms) -> Arms:
    """The same encoders, and those of ``second_augment``; none where it is the policy of all, or nothing is trained."""
    if not arms.balanced or p.second_augment == p.augment:
        return arms
    s = replace(arms.balanced[0][0].settings, augment=p.second_augment)
    return replace(arms, second=control(s, p.seed, p.seeds))


def control(s: Settings | ClipSettings, first: int, count: int) -> list[list[Unit | ClipUnit]]:
    return [[_unit(s)(s, (BALANCED,), 1.0, seed)] for seed in range(first, first + count)]


def known_pairs(classes: tuple[str, ...]) -> list[tuple[int, int]]:
    """The look-alike cells of CIFAR-10, both ways, among the given classes; none on other data."""
    both = [pair for a, b in PAPER_PAIRS for pair in ((a, b), (b, a))]
    return [(classes.index(a), classes.index(b)) for a, b in both if a in classes and b in classes]


def treated_classes(p: SimpleNamespace) -> tuple[str, ...]:
    """The names of the classes that the parameters undersample, in order."""
    return classes_of(p)[1]


def classes_of(p: SimpleNamespace) -> tuple[tuple[str, ...], tuple[str, ...]]:
    kept = CLASSES[p.data] if p.classes == "all" else chosen(p, "classes", CLASSES[p.data], 3)  # a pair and another
    return kept, treated_of(p, kept)


def treated_of(p: SimpleNamespace, kept: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the classes, of those kept, that the parameters undersample; ValueError where there is none."""
    return kept if p.undersampled == "all" else chosen(p, "undersampled", kept, 1)


def treated_units(s: Settings | ClipSettings, treated: tuple[str, ...], ratio: float, seed: int):
    parts = [treated] if s.net in TOGETHER else [(c,) for c in treated]
    return [_unit(s)(s, part, ratio, seed) for part in parts]


def _unit(s: Settings | ClipSettings) -> type[Unit | ClipUnit]:
    return ClipUnit if isinstance(s, ClipSettings) else Unit
