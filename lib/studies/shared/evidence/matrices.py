"""What is drawn from the encoders of a study: representation harm of every pair of classes, over seeds."""

import pandas as pd
import torch
from torch import Tensor

from lib import harms, intervals
from lib.studies.shared.arms import known_pairs
from lib.studies.shared.evidence.encoders import Evidence


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
