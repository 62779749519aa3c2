"""The encoders of an undersampling study, by arm and seed, and what is measured of their features."""

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from lib import harms, probe
from lib.encoders import pretrain, recorded
from lib.encoders.settings import Unit
from lib.studies.shared.arms import ARMS, Arms

SPLITS = (0, 1)  # the public code's seeds of the 75/25 split of the test images


@dataclass(frozen=True)
class Embedded:
    """One encoder, by what is measured of its features.  A measure is taken once, or comes from a run of record.

    load: (z, y) of the "test" or "train" split, features (n, d) and codes (n,); known: the measures taken so far.
    unit, member, record: whose encoder it is, and what made it; None, 0 and {}: a reader's.
    """

    load: Callable[[str], tuple[Tensor, Tensor]]
    known: dict[str, Tensor] = field(default_factory=dict)
    unit: Unit | None = None
    member: int = 0
    record: dict = field(default_factory=dict)

    def measure(self, name: str, of: Callable[[Tensor], Tensor]) -> Tensor:
        """What ``of`` makes of the features of the test images (n, d), float64."""
        if name not in self.known:
            self.known[name] = of(self.load("test")[0].double())
        return self.known[name]


Row = list[Embedded]


@dataclass(frozen=True)
class Evidence:
    """Every encoder of an undersampling study, judged on the evaluation images.

    y: (n,) codes; classes: all class names; treated: codes of the undersampled classes (T of them).
    balanced, null, reference, untrained, second: an encoder a seed; under, mild: T a seed; an arm not run is empty.
    """

    classes: tuple[str, ...]
    treated: tuple[int, ...]
    y: Tensor
    balanced: Row
    under: list[Row]
    mild: list[Row] = field(default_factory=list)
    null: Row = field(default_factory=list)
    reference: Row = field(default_factory=list)
    untrained: Row = field(default_factory=list)
    second: Row = field(default_factory=list)

    def each(self, arm: str, name: str, of: Callable[[Tensor], Tensor]) -> Tensor:
        """A measure of every encoder of an arm: (seeds, ...), or (seeds, T, ...)."""
        rows = [part if isinstance(part, list) else [part] for part in getattr(self, arm)]
        if not rows:
            return torch.empty(0)
        found = torch.stack([torch.stack([e.measure(name, of) for e in row]) for row in rows])
        return found if isinstance(getattr(self, arm)[0], list) else found[:, 0]

    def plain(self, arm: str, name: str) -> Tensor:
        """One of ``MEASURES`` of every encoder of an arm, as ``each``."""
        return self.each(arm, name, lambda z: MEASURES[name](z, self.y, len(self.classes)))

    def cosines(self, arm: str) -> Tensor:
        """Class cosines of an arm: (seeds, K, K), or (seeds, T, K, K)."""
        means = self.plain(arm, "means")
        return means @ means.mT

    def confusion(self, arm: str) -> Tensor:
        """Confusion under heads trained on balanced labels, averaged over the splits: (seeds, [T,] K, K)."""
        return self.plain(arm, "confusion")

    def accuracy(self, arm: str) -> Tensor:
        """Balanced accuracy of these heads, a share: (seeds, [T])."""
        return self.confusion(arm).diagonal(dim1=-2, dim2=-1).mean(-1)

    def allocation_harm(self) -> Tensor:
        """AH(k, l): change of the share of class k called l, from the balanced encoder to the one that undersampled k.

        (seeds, T, K), the rows of the undersampled classes.
        """
        rows, own = torch.arange(len(self.treated)), list(self.treated)
        return self.confusion("under")[:, rows, own] - self.confusion("balanced")[:, own]

    @property
    def sampled(self) -> Tensor:
        """Positions of the images of ``sample``: the first 300 of each class, or 100 of more than four."""
        count = 100 if len(self.classes) > 4 else 300
        return torch.cat([(self.y == c).nonzero()[:count, 0] for c in range(len(self.classes))])

    def own(self, matrix: Tensor) -> Tensor:
        """The cells (k, k) of the undersampled classes: (..., T, K) to (..., T)."""
        return matrix[..., torch.arange(len(self.treated)), list(self.treated)]

    def of_pixels(self, x: Tensor) -> "Evidence":
        """The same images judged on their raw pixels x (n, c, h, w), in place of the balanced features."""
        return replace(self, balanced=[embedded(x.flatten(1), self.y)])

    def measures(self) -> recorded.Measures:
        """Every measure taken, by unit, for the run's file of them."""
        return measures([self])


def measures(seen: Iterable[Evidence]) -> recorded.Measures:
    """Every measure taken in several, by unit."""
    found: recorded.Measures = {}
    for arm in (getattr(one, name) for one in seen for name in ARMS):
        for e in (e for part in arm for e in (part if isinstance(part, list) else [part])):
            if e.unit:
                found.setdefault(e.unit, (e.record, [{} for _ in e.unit.members]))[1][e.member].update(e.known)
    return found


def confusion(z: Tensor, y: Tensor, num_classes: int) -> Tensor:
    """Row-normalised confusion (K, K) of the features z (n, d) under balanced heads, mean over the splits."""
    found = []
    for seed in SPLITS:
        train, test = (torch.from_numpy(part) for part in probe.split(len(y), seed))
        kept = torch.zeros(1, len(y), dtype=torch.bool)
        kept[0, train] = True
        found.append(harms.allocation(y[test], probe.predict(z, y, kept, z[test]).codes[0], num_classes))
    return torch.stack(found).mean(0)


def pair_variances(z: Tensor, y: Tensor, num_classes: int) -> Tensor:
    """Variance, divisor n, of the cosine over the pairs of images of every two classes: (K, K).

    The mean of (x · y)² over x in i and y in j is the inner product of the second moments of the classes.
    """
    unit = torch.nn.functional.normalize(z, dim=-1)
    moments = torch.stack([unit[y == k].mT @ unit[y == k] / (y == k).sum() for k in range(num_classes)]).flatten(1)
    return (moments @ moments.mT - harms.class_cosines(z, y, num_classes) ** 2).clamp(min=0)


# of features (n, d), codes (n,) and the number of classes
MEASURES = {"means": harms.class_means, "confusion": confusion, "variance": pair_variances}


def embedded(z: Tensor, y: Tensor) -> Embedded:
    """An encoder of which nothing but its features of the test images is known."""
    return Embedded(lambda split: {"test": (z, y)}[split])


def losses(encoder: Embedded) -> list[float]:
    """The mean training loss of every epoch, six digits."""
    if "loss" not in encoder.known:
        own = encoder.unit.members[encoder.member] or "balanced"
        with open(encoder.unit.file("loss.csv"), encoding="utf-8", newline="") as f:
            values = [float(row["loss"]) for row in csv.DictReader(f) if row["undersampled"] == own]
        encoder.known["loss"] = torch.tensor(values, dtype=torch.float64)
    return encoder.known["loss"].tolist()


def sample(seen: Evidence, encoder: Embedded) -> Tensor | None:
    """Features (m, d) float16 of the images ``seen.sampled``; None where a run of record kept others' alone."""
    if "sample" not in encoder.known and encoder.unit and not encoder.unit.done:
        return None
    return encoder.measure("sample", lambda z: z[seen.sampled].half())


def of_arms(arms: Arms) -> Evidence:
    """The encoders of a plan's units: trained here, or as runs of record keep them."""

    asks = arms.asks

    def read(arm: list[list[Unit]]) -> list[Row]:
        return [[_of_unit(unit, m, asks[unit]) for unit in units for m in range(len(unit.members))] for units in arm]

    def one(arm: list[list[Unit]]) -> Row:
        return [e for row in read(arm) for e in row]

    treated, first = tuple(arms.classes.index(c) for c in arms.treated), arms.balanced[0][0]
    y = first.embeddings()[1] if first.done else pretrain.images_of(first.settings, "test").y
    controls = (one(arm) for arm in (arms.null, arms.reference, arms.untrained, arms.second))
    return Evidence(arms.classes, treated, y, one(arms.balanced), read(arms.under), read(arms.mild), *controls)


def _of_unit(unit: Unit, member: int, asks: set[str]) -> Embedded:
    def load(split: str) -> tuple[Tensor, Tensor]:
        z, y = unit.embeddings(split)
        return z[member], y

    found = None if unit.done else recorded.of(unit, asks)
    known, record = (found.measures(member), found.record) if found else ({}, unit.record)
    return Embedded(load, known, unit, member, record)
