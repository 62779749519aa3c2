"""The embeddings that an undersampling study judges: those of its own encoders, or a reader's."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lib import checks, harms, intervals, probe
from lib.studies.shared import vectors
from lib.studies.shared.arms import Arms, known_pairs

SPLITS = (0, 1)  # the public code's seeds of the 75/25 split of the test images
READ = checks.Kind("finite floats", checks.FLOATS.dtypes)
WHOLE = checks.Kind("whole numbers", ("uint8", "int8", "int16", "int32", "int64"))
ROWS = 256  # images whose cosines to all others are held at once


@dataclass(frozen=True)
class Evidence:
    """Features of the evaluation images under every encoder, float64.

    y: (n,) codes; classes: all class names; treated: codes of the undersampled classes (T of them).
    balanced, null, reference, untrained: (seeds, n, d); under, mild: (seeds, T, n, d); an arm not run is empty.
    """

    classes: tuple[str, ...]
    treated: tuple[int, ...]
    y: Tensor
    balanced: Tensor
    under: Tensor
    mild: Tensor
    null: Tensor
    reference: Tensor
    untrained: Tensor
    _confusions: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)

    def cosines(self, arm: str) -> Tensor:
        """Class cosines of an arm: (seeds, K, K), or (seeds, T, K, K)."""
        return harms.class_cosines(getattr(self, arm), self.y, len(self.classes))

    def confusion(self, arm: str) -> Tensor:
        """Confusion under heads trained on balanced labels, averaged over the splits: (seeds, [T,] K, K)."""
        if arm not in self._confusions:
            features, k = getattr(self, arm), len(self.classes)
            found = [confusion(z, self.y, k) for z in features.reshape(-1, *features.shape[-2:])]
            self._confusions[arm] = torch.stack(found).reshape(*features.shape[:-2], k, k)
        return self._confusions[arm]

    def accuracy(self, arm: str) -> Tensor:
        """Balanced accuracy of these heads, a share: (seeds, [T])."""
        return self.confusion(arm).diagonal(dim1=-2, dim2=-1).mean(-1)

    def allocation_harm(self) -> Tensor:
        """AH(k, l): change of the share of class k called l, from the balanced encoder to the one that undersampled k.

        (seeds, T, K), the rows of the undersampled classes.
        """
        rows, own = torch.arange(len(self.treated)), list(self.treated)
        return self.confusion("under")[:, rows, own] - self.confusion("balanced")[:, own]

    def own(self, matrix: Tensor) -> Tensor:
        """The cells (k, k) of the undersampled classes: (..., T, K) to (..., T)."""
        return matrix[..., torch.arange(len(self.treated)), list(self.treated)]

    def of_pixels(self, x: Tensor) -> "Evidence":
        """The same images judged on their raw pixels x (n, c, h, w), in place of the balanced features."""
        return replace(self, balanced=x.flatten(1).double()[None])


def confusion(z: Tensor, y: Tensor, num_classes: int) -> Tensor:
    """Row-normalised confusion (K, K) of the features z (n, d) under balanced heads, mean over the splits."""
    found = []
    for seed in SPLITS:
        train, test = (torch.from_numpy(part) for part in probe.split(len(y), seed))
        kept = torch.zeros(1, len(y), dtype=torch.bool)
        kept[0, train] = True
        found.append(harms.allocation(y[test], probe.predict(z, y, kept, z[test]).codes[0], num_classes))
    return torch.stack(found).mean(0)


def of_arms(arms: Arms) -> Evidence:
    """Read the embeddings of a plan's units."""

    def read(arm):
        return (
            torch.stack([torch.cat([u.embeddings()[0] for u in units]) for units in arm]).double() if arm else _none()
        )

    def one(arm):
        return read(arm).flatten(0, 1) if arm else _none()

    treated = tuple(arms.classes.index(c) for c in arms.treated)
    controls = (one(arm) for arm in (arms.null, arms.reference, arms.untrained))
    y = arms.balanced[0][0].embeddings()[1]
    return Evidence(arms.classes, treated, y, one(arms.balanced), read(arms.under), read(arms.mild), *controls)


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
    balanced = torch.stack([z[blocks[s, vectors.CONTROL]] for s in seeds])
    under = torch.stack([torch.stack([z[blocks[s, g]] for g in treated]) for s in seeds]) if treated else _none()
    kept = tuple(classes[k] for k in here)
    own, y = tuple(here.index(g) for g in treated), torch.searchsorted(torch.tensor(here), y)
    return Evidence(kept, own, y, balanced, under, _none(), _none(), _none(), _none())


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
    y, own = evidence.y, list(evidence.treated)
    under = evidence.cosines("under")[:, torch.arange(len(own)), own].std(0, correction=0)
    counts = torch.bincount(y, minlength=len(evidence.classes)).double()
    errors = []
    for z, means in zip(
        torch.nn.functional.normalize(evidence.balanced, dim=-1), evidence.cosines("balanced"), strict=True
    ):
        squares = torch.zeros(
            len(own), len(counts), dtype=z.dtype
        )  # summed over pairs, about the mean of the two classes
        for row, k in zip(squares, own, strict=True):
            for some in z[y == k].split(ROWS):
                row.index_add_(0, y, (some @ z.T - means[k, y]).square().sum(0))
        errors.append(squares.sqrt() / torch.outer(counts[own], counts))
    return (under**2 + torch.stack(errors).mean(0) ** 2).sqrt()


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


def _none() -> Tensor:
    return torch.empty(0)
