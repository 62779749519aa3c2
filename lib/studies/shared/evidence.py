"""The embeddings that an undersampling study judges: those of its own encoders, or a reader's."""

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lib import checks, harms, intervals, probe
from lib.encoders import pretrain, recorded
from lib.encoders.settings import Unit
from lib.studies.shared import vectors
from lib.studies.shared.arms import ARMS, Arms, known_pairs

SPLITS = (0, 1)  # the public code's seeds of the 75/25 split of the test images
READ = checks.Kind("finite floats", checks.FLOATS.dtypes)
WHOLE = checks.Kind("whole numbers", ("uint8", "int8", "int16", "int32", "int64"))


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
    balanced, null, reference, untrained: an encoder a seed; under, mild: T a seed; an arm not run is empty.
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
    controls = (one(arm) for arm in (arms.null, arms.reference, arms.untrained))
    return Evidence(arms.classes, treated, y, one(arms.balanced), read(arms.under), read(arms.mild), *controls)


def _of_unit(unit: Unit, member: int, asks: set[str]) -> Embedded:
    def load(split: str) -> tuple[Tensor, Tensor]:
        z, y = unit.embeddings(split)
        return z[member], y

    found = None if unit.done else recorded.of(unit, asks)
    known, record = (found.measures(member), found.record) if found else ({}, unit.record)
    return Embedded(load, known, unit, member, record)


def read(p: SimpleNamespace, arms: Arms) -> Evidence:
    """The features that a study judges: a reader's, where the parameters name some, or those of its own encoders.

    ValueError: a reader's file that cannot be used, see ``of_file``, or that has no undersampled encoder.
    """
    found = of_file(p.embeddings, arms.classes) if p.embeddings else of_arms(arms)
    if not found.treated:
        raise ValueError(
            f"embeddings={p.embeddings!r}: 'group' names no undersampled class, so there is no harm to judge"
        )
    return found


def checked(p: SimpleNamespace, classes: tuple[str, ...], treated: tuple[str, ...]) -> Arms:
    """The plan of a study that judges a reader's embeddings: nothing is trained; these are read before any work."""
    arms = Arms(classes, treated, [], [], [], [], [], [])
    read(p, arms)
    return arms


def of_file(path: str | Path, classes: tuple[str, ...]) -> Evidence:
    """Read a reader's embeddings, see ``vectors.read`` for the ways to write them.

    vectors: (n, d) finite floats; labels: (n,) names of ``classes``, or their codes of any integer type; optional
    group: (n,), "balanced" or -1 for rows embedded by the balanced encoder, and a class or its code for rows embedded
    by the encoder that undersampled it; optional seed: (n,).  Every encoder must embed the same images in the same
    order.  Without ``group`` all rows are the balanced encoder's.  Classes without an image are left out.
    ValueError: a file that is missing or damaged, an array that is missing or of another kind (labels that are floats),
    rows that were saved column by column, encoders that do not match, or fewer than three classes.
    """
    try:
        return _of_arrays(vectors.read(path), classes)
    except ValueError as error:
        raise ValueError(f"embeddings={str(path)!r} {error}") from None


def _of_arrays(given: dict[str, np.ndarray], classes: tuple[str, ...]) -> Evidence:
    if "vectors" not in given or "labels" not in given:
        raise ValueError(f"holds {', '.join(sorted(given)) or 'nothing'}; expected at least 'vectors' and 'labels'")
    if given["vectors"].dtype.kind != "f":
        raise ValueError(
            f"vectors is {given['vectors'].dtype} of shape {given['vectors'].shape}: finite floats are expected"
        )
    y = vectors.codes("labels", given["labels"], classes)
    group = vectors.codes("group", given["group"], classes) if "group" in given else np.full_like(y, vectors.CONTROL)
    seed = given.get("seed", np.zeros_like(y))
    if seed.dtype.kind not in "iu":
        raise ValueError(f"seed is {seed.dtype} of shape {seed.shape}: whole numbers are expected")
    z, *index = map(torch.from_numpy, (given["vectors"].astype(np.float64), y, group, seed.astype(np.int64)))
    y, group, seed = index
    checks.tensors(
        vectors=(z, "n d", READ), **{k: (v, "n", WHOLE) for k, v in zip(vectors.NAMES[1:], index, strict=True)}
    )
    if vectors.read_by_columns(z.numpy(), y.numpy()):
        raise ValueError(
            "looks as if 'vectors' was saved column by column, as safetensors saves a NumPy array in Fortran's order: "
            "its labels fit what is read by columns, and not the rows; save numpy.ascontiguousarray(vectors)"
        )
    return _by_encoder(z, y, group, seed, classes)


def _by_encoder(z: Tensor, labels: Tensor, group: Tensor, seed: Tensor, classes: tuple[str, ...]) -> Evidence:
    """The rows (n, d) of every encoder, by seed and by the class that it undersampled."""
    codes, seeds = sorted(set(group.tolist())), sorted(set(seed.tolist()))
    blocks = {(s, g): (seed == s) & (group == g) for s in seeds for g in codes}
    y = labels[blocks[seeds[0], vectors.CONTROL]] if vectors.CONTROL in codes else labels[:0]
    if any(not torch.equal(labels[rows], y) for rows in blocks.values()) or len(y) == 0:
        raise ValueError("does not fit: every (seed, group), -1 among the groups, must embed the same images in order")
    here = sorted(set(y.tolist()))
    treated = [g for g in codes if g != vectors.CONTROL]
    if lacking := [classes[g] for g in treated if g not in here]:
        raise ValueError(f"does not fit: 'group' has {lacking[0]!r}, of which there is no image")
    if len(here) < 3:
        raise ValueError(f"has images of {len(here)} classes; at least 3 are needed, a pair and another")
    kept = tuple(classes[k] for k in here)
    own, y = tuple(here.index(g) for g in treated), torch.searchsorted(torch.tensor(here), y)
    balanced = [embedded(z[blocks[s, vectors.CONTROL]], y) for s in seeds]
    under = [[embedded(z[blocks[s, g]], y) for g in treated] for s in seeds] if treated else []
    return Evidence(kept, own, y, balanced, under)


def harm_matrix(evidence: Evidence, arm: str = "under") -> tuple[Tensor, Tensor]:
    """RH(k, j; k) of every treated class: the ratio of seed averages (T, K), and each seed's ratio (seeds, T, K)."""
    pooled, each = all_pairs(evidence, arm)
    rows = torch.arange(len(evidence.treated))
    own = torch.tensor(evidence.treated)
    return pooled[rows, own], each[:, rows, own]


def all_pairs(evidence: Evidence, arm: str = "under") -> tuple[Tensor, Tensor]:
    """RH(i, j; k) of all pairs of classes: (T, K, K) and (seeds, T, K, K)."""
    under, balanced = evidence.cosines(arm), evidence.cosines("balanced")
    each = torch.stack([harms.representation_harm(c, balanced, per_seed=True) for c in under.unbind(1)], 1)
    return torch.stack([harms.representation_harm(c, balanced) for c in under.unbind(1)]), each


def null_matrix(evidence: Evidence) -> tuple[Tensor, Tensor]:
    """RH without a treatment: balanced encoders of other seeds over the study's: (K, K), (seeds, K, K)."""
    null, balanced = evidence.cosines("null"), evidence.cosines("balanced")
    n = min(len(null), len(balanced))
    each = harms.representation_harm(null[:n], balanced[:n], per_seed=True)
    return harms.representation_harm(null, balanced), each


def printed_spread(evidence: Evidence) -> Tensor:
    """The ± printed in the paper's RH figure, (T, K), as its public code computes it.

    sqrt(a² + b²), a the SD over seeds of c_kj under undersampling, b the mean over seeds of the standard error, over
    the pairs of images, of the balanced c_kj.  Both SDs have the divisor n.  Memory grows with n, not with n².
    """
    rows, own, pairs = torch.arange(len(evidence.treated)), list(evidence.treated), torch.bincount(evidence.y)
    under = evidence.cosines("under")[:, rows, own].std(0, correction=0)
    variances = evidence.plain("balanced", "variance")[:, own]
    return (under**2 + (variances / torch.outer(pairs[own], pairs)).sqrt().mean(0) ** 2).sqrt()


def pair_variances(z: Tensor, y: Tensor, num_classes: int) -> Tensor:
    """Variance, divisor n, of the cosine over the pairs of images of every two classes: (K, K).

    The mean of (x · y)² over x in i and y in j is the inner product of the second moments of the classes.
    """
    unit = torch.nn.functional.normalize(z, dim=-1)
    moments = torch.stack([unit[y == k].mT @ unit[y == k] / (y == k).sum() for k in range(num_classes)]).flatten(1)
    return (moments @ moments.mT - harms.class_cosines(z, y, num_classes) ** 2).clamp(min=0)


# of features (n, d), codes (n,) and the number of classes
MEASURES = {"means": harms.class_means, "confusion": confusion, "variance": pair_variances}


def square(matrix: Tensor, treated: tuple[int, ...]) -> Tensor:
    """Rows (..., T, K) of the treated classes at their places in (..., K, K); NaN where a class was not treated."""
    full = torch.full((*matrix.shape[:-2], matrix.shape[-1], matrix.shape[-1]), torch.nan, dtype=matrix.dtype)
    full[..., list(treated), :] = matrix
    return full


def look_alikes(evidence: Evidence) -> list[tuple[int, int]]:
    """The cells (k, j) of each undersampled class k and its look-alike j.

    Those that the paper names; on other data the nearest class under balanced encoders of other seeds, or of the
    study's own where there are no others.
    """
    pairs = [(k, j) for k, j in known_pairs(evidence.classes) if k in evidence.treated]
    nearest = "reference" if len(evidence.reference) else "balanced"
    return pairs or [(k, j) for k, j in harms.nearest_classes(evidence.cosines(nearest)) if k in evidence.treated]


def cells(evidence: Evidence, each: Tensor, value: Tensor | None = None) -> pd.DataFrame:
    """Rows of the treated classes as a table: row, column (class names), value, low, high.

    each: (seeds, T, K), of which the mean and its interval are taken; value: (T, K) to stand in place of the mean.
    """
    mean, low, high = intervals.over_seeds(each)
    mean, names = mean if value is None else value, evidence.classes
    return pd.DataFrame(
        [
            (names[k], names[j], *(float(part[t, j]) for part in (mean, low, high)))
            for t, k in enumerate(evidence.treated)
            for j in range(len(names))
        ],
        columns=["row", "column", "value", "low", "high"],
    )
