"""The encoders of the study of methods and mitigations, by label."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

from lib.encoders.further_settings import REMEDIES
from lib.encoders.settings import CLASSES, SIZES, WEIGHTINGS, Settings, Unit
from lib.encoders.store import TOGETHER
from lib.studies.shared import further, heads
from lib.studies.shared.arms import HARM, Arms, arms_of, check_start, classes_of, settings_of, treated_units
from lib.studies.shared.published import PRINTED, PUBLISHED
from lib.studies.shared.words import chosen, listed, seeds_of

FASTEST = 1000  # learning rate, as the range of the parameter learning_rate has it
MEASURED = HARM | {"untrained": (*HARM["untrained"], "means")}  # random features are a measure of similarity
EQUAL_STEPS, CLAMP, START = "simclr, equal steps", "simclr, clamp switched", "simclr, start switched"  # controls
LABEL = "simsiam, chosen epoch"  # of SimSiam at the epoch that test labels choose


@dataclass(frozen=True)
class Comparison:
    """The arms of a study that compares methods and mitigations, by label.

    A label is a method, a method with a weighting ("simclr_groups"), one of the controls, SimCLR on fewer images
    ("simclr, 60 images a class"), or SimSiam at the epoch that test labels choose.  Mitigations and the equal-steps
    control share SimCLR's balanced encoders.
    """

    arms: dict[str, Arms]

    @property
    def units(self) -> list[Unit]:
        return list({unit.name: unit for arms in self.arms.values() for unit in arms.units}.values())

    @property
    def asks(self) -> dict[Unit, set[str]]:
        """What the study measures of each encoder, see ``Arms.asks``."""
        found: dict[Unit, set[str]] = {}
        for unit, names in (pair for arms in self.arms.values() for pair in arms.asks.items()):
            found.setdefault(unit, set()).update(names)
        return found


def plan(p: SimpleNamespace) -> Comparison:
    """Every method on balanced and undersampled data, SimCLR's mitigations and controls, and SimCLR on fewer images.

    ValueError: parameters that contradict each other, or ImageNet weights asked for that are not there.
    """
    if p.imagenet_similarity:
        from lib.studies.shared import similarity

        similarity.weights()
    classes, treated = classes_of(p)
    few = treated[: p.further_classes or None]
    rates, base = _rates(p), settings_of(p, classes)
    methods, weightings = chosen(p, "methods", further.METHODS), chosen(p, "mitigations", further.MITIGATIONS)
    if methods[:1] != ("simclr",):
        raise ValueError(f"methods={p.methods!r} must begin with simclr, to which the others are compared")
    if p.published and (wrong := [m for m in methods if m not in PUBLISHED]):
        raise ValueError(f"published=True: {wrong[0]!r} has no public code; there are {', '.join(PUBLISHED)}")

    def tuned(label: str, **other) -> Settings:
        return replace(base, **{"learning_rate": rates.get(label, base.learning_rate), **other})

    arms = {}
    for method in methods:
        s = Settings(data=base.data, classes=base.classes, method=method, **PUBLISHED[method]) if p.published else None
        if method == further.MASKED:
            arms[method] = further.masked(
                arms_of(p, base, classes, few, reference=False), tuned(method, epochs=base.epochs * p.masked_epochs)
            )
            continue
        s = s or tuned(method, method=method)
        # small nets train every class of SimCLR at once, as the other studies do, so that they share the encoders
        every = classes if method == "simclr" and s.net in TOGETHER else treated
        arms[method] = arms_of(p, s, classes, every, reference=method == "simclr")
    simclr = arms["simclr"]
    plain = simclr.balanced[0][0].settings
    extra = {f"simclr_{w}": tuned(f"simclr_{w}") for w in weightings}
    if p.equal_steps:
        extra[EQUAL_STEPS] = replace(plain, equal_steps=True)
    for label, s in extra.items():
        weighting, mine = label.removeprefix("simclr_"), few if kind(label) == "remedy" else treated
        s = replace(s, weighting=weighting) if weighting in WEIGHTINGS else s
        under = [treated_units(s, mine, p.ratio, seed) for seed in seeds_of(p)]
        arms[label] = replace(simclr, treated=mine, under=under, reference=[], untrained=[])
        if kind(label) == "remedy":
            arms[label] = further.remedied(arms[label], s, weighting)
    switched = {CLAMP: p.clamp_control and {"clamp": not plain.clamp}}
    switched |= {START: p.start_control and {"pretrained": not plain.pretrained}}
    for label, change in switched.items():
        if change:
            check_start(replace(plain, **change))
            arms[label] = arms_of(p, replace(plain, **change), classes, treated, reference=False)
    for size in _sizes(p):
        s = replace(plain, images_per_class=size)
        arms[f"simclr, {size} images a class"] = arms_of(p, s, classes, treated, reference=False)
    if p.look_every and "simsiam" in arms:
        s = arms["simsiam"].balanced[0][0].settings
        arms[LABEL] = further.chosen(arms_of(p, s, classes, few, reference=False), p.look_every)
    measures = {label: MEASURED if label == "simclr" else HARM for label in arms}
    measures |= {LABEL: HARM | {arm: (*HARM[arm], "looks") for arm in ("balanced", "under")}}
    codes = tuple(map(classes.index, treated))
    measures |= {label: heads.asked(codes, p.ratio, kinds=("paper",)) for label in PRINTED if label in arms}
    return Comparison({label: replace(one, measures=measures[label]) for label, one in arms.items()})


def _rates(p: SimpleNamespace) -> dict[str, float]:
    """The learning rates written as "simclr=0.1,vicreg=0.3".

    ValueError: a word that is not label=number, a label that is unknown or comes twice, a rate outside (0, FASTEST].
    """
    found, known = {}, (*further.METHODS, *(f"simclr_{w}" for w in further.MITIGATIONS))
    for word in listed(p.learning_rates):
        label, _, rate = (part.strip() for part in word.partition("="))
        if label in found or (label not in known and rate):
            wrong = (
                "stands there twice; name each once" if label in found else f"is unknown; there are {', '.join(known)}"
            )
            raise ValueError(f"learning_rates={p.learning_rates!r}: {label!r} {wrong}")
        try:
            found[label] = float(rate)
        except ValueError:
            wanted = "write label=rate, as simclr=0.1,vicreg=0.3"
            raise ValueError(f"learning_rates={p.learning_rates!r}: {word!r}; {wanted}") from None
        if not 0 < found[label] <= FASTEST:
            raise ValueError(f"learning_rates={p.learning_rates!r}: {word!r} is out of range; expected (0, {FASTEST}]")
    return found


def _sizes(p: SimpleNamespace) -> list[int]:
    """The numbers of images a class; ValueError: not whole, given twice, or not below all that there are."""
    every = SIZES[p.data] // len(CLASSES[p.data])
    most = min(p.images_per_class or every, every)
    if any(not word.isdecimal() or len(word) > 9 or not 0 < int(word) <= most for word in listed(p.sizes)):
        raise ValueError(f"sizes={p.sizes!r}: write whole numbers from 1 to {most}, separated by commas, as 60,90")
    found = [int(word) for word in listed(p.sizes)]
    if len(set(found)) < len(found):
        raise ValueError(f"sizes={p.sizes!r}: a number stands there twice; name each once")
    return found


def kind(label: str) -> str:
    """Whether a label is a "method", a "mitigation" by weights, a "remedy", a "control" or the "choice" of an epoch."""
    if label == LABEL:
        return "choice"
    if label.startswith("simclr_"):
        return "remedy" if label.removeprefix("simclr_") in REMEDIES else "mitigation"
    return "control" if "," in label else "method"
