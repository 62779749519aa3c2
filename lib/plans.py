"""Which encoders a study needs.  No torch here: the graph is planned with this module."""

from dataclasses import dataclass, fields, replace
from types import SimpleNamespace

from lib.encoders import BALANCED, Settings, Unit

NULL_SHIFT = 100  # balanced encoders of these seeds stand against the study's balanced ones: RH without a treatment
REFERENCE_SHIFT = 200  # and these choose the look-alikes on data without a published pairing
TOGETHER = ("convnet",)  # nets so small that all treatments of one seed share a job

CLASSES = {
    "digits": tuple("0123456789"),
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
}
PAPER_DATA = {"cifar10_undersampling": "cifar10"}
PAPER_ORDER = ("airplane", "ship", "automobile", "truck", "bird", "deer", "horse", "cat", "dog", "frog")
PAPER_PAIRS = (("airplane", "ship"), ("automobile", "truck"), ("deer", "horse"), ("cat", "dog"))

# seconds to train on 1,000 images for one epoch: on one CPU core, and on a data-centre GPU
CPU_SECONDS = {"convnet": 0.1, "resnet_small": 1.0, "resnet18": 25.0, "resnet34": 50.0}
GPU_SECONDS = {"convnet": 0.05, "resnet_small": 0.01, "resnet18": 0.05, "resnet34": 0.09}
TRAIN_IMAGES = {"digits": 1197, "cifar10": 50_000}
DOWNLOAD_MIB = {"cifar10": 163}


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
    paired = [k for k, _ in known_pairs(classes) if classes[k] in treated]
    if not paired and not p.reference_seeds:
        raise ValueError("reference_seeds=0: encoders of other seeds must choose the look-alikes here; set 1 or more")
    if p.pretrained and p.net not in ("resnet18", "resnet34"):
        raise ValueError(f"pretrained=True: net {p.net!r} has no ImageNet weights; use resnet18 or resnet34")
    chosen = {f.name: getattr(p, f.name) for f in fields(Settings) if hasattr(p, f.name)}
    s = Settings(**chosen | {"classes": classes if p.classes != "all" else ()})
    seeds = range(p.seed, p.seed + p.seeds)

    def control(shift: int, count: int) -> list[list[Unit]]:
        return [[Unit(s, (BALANCED,), 1.0, p.seed + shift + i)] for i in range(count)]

    return Arms(
        classes,
        treated,
        control(0, p.seeds),
        [_treated(s, treated, p.ratio, seed) for seed in seeds],
        [_treated(s, treated, p.milder, seed) for seed in seeds] if p.milder > p.ratio else [],
        control(NULL_SHIFT, p.null_seeds),
        [] if paired else control(REFERENCE_SHIFT, p.reference_seeds),
        [[Unit(replace(s, method="untrained"), (BALANCED,), 1.0, seed)] for seed in seeds],
    )


def known_pairs(classes: tuple[str, ...]) -> list[tuple[int, int]]:
    """The look-alike cells of CIFAR-10, both ways, among the given classes; none on other data."""
    both = [pair for a, b in PAPER_PAIRS for pair in ((a, b), (b, a))]
    return [(classes.index(a), classes.index(b)) for a, b in both if a in classes and b in classes]


def cost(wanted: list[Unit], workers: int, gpu: bool) -> tuple[float, float]:
    """Rough (seconds, MiB on disk) to train the units: images x epochs at a measured rate, on so many workers."""
    rate, seconds, disk = GPU_SECONDS if gpu else CPU_SECONDS, 0.0, 0.0
    for unit in wanted:
        s = unit.settings
        per_class = s.images_per_class or TRAIN_IMAGES[s.data] / len(CLASSES[s.data])
        images = per_class * len(s.classes or CLASSES[s.data])
        epochs = 0 if s.method == "untrained" else s.epochs
        seconds += len(unit.members) * images / 1000 * epochs * rate[s.net] + 4
        disk += len(unit.members) * {"convnet": 0.7, "resnet_small": 4, "resnet18": 67, "resnet34": 108}[s.net]
    return seconds / (1 if gpu else workers), disk


def _classes(p: SimpleNamespace) -> tuple[tuple[str, ...], tuple[str, ...]]:
    known = CLASSES[p.data]
    kept = known if p.classes == "all" else _names(p.classes)
    treated = kept if p.undersampled == "all" else _names(p.undersampled)
    for name, these, among in (("classes", kept, known), ("undersampled", treated, kept)):
        wrong = [c for c in these if c not in among]
        if wrong or len(set(these)) != len(these):
            raise ValueError(f"{name}={getattr(p, name)!r}: {wrong or 'a class twice'}; there are {', '.join(among)}")
    if len(kept) < 3:
        raise ValueError(f"classes={p.classes!r}: at least three are needed, for a pair and another class")
    return kept, treated


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


def _treated(s: Settings, treated: tuple[str, ...], ratio: float, seed: int) -> list[Unit]:
    together = s.net in TOGETHER
    return [Unit(s, treated, ratio, seed)] if together else [Unit(s, (c,), ratio, seed) for c in treated]


PLANS = {"cifar10_undersampling": cifar10_undersampling}
