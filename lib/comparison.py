"""What a study of several methods measures of each: harms, accuracy and cost, one number a seed."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lib import evidence, harms, intervals
from lib.encoders import Unit
from lib.evidence import Evidence
from lib.plans import Arms


@dataclass(frozen=True)
class Measured:
    """One label of a comparison.  T classes were undersampled, of K.

    rh: (seeds, T, K) RH(k, j; k); nie: (seeds, T, K) change of row k of the confusion under heads with balanced labels;
    accuracy, accuracy_under: (seeds,) balanced accuracy of the balanced encoders, and mean over the undersampled ones;
    steps, seconds: of one undersampled encoder; treated: codes of the T classes.
    """

    rh: Tensor
    nie: Tensor
    accuracy: Tensor
    accuracy_under: Tensor
    steps: int
    seconds: float
    treated: tuple[int, ...]

    def paired_rh(self, pairs: list[tuple[int, int]]) -> Tensor:
        """Mean RH over the look-alike cells, (seeds,)."""
        return harms.paired_mean(self._square(self.rh), self._mine(pairs))

    def pair_gap(self, pairs: list[tuple[int, int]]) -> Tensor:
        """Mean RH of the look-alike cells minus that of the other cells of their rows, (seeds,)."""
        return harms.pair_gap(self._square(self.rh), self._mine(pairs))

    def compactness(self) -> Tensor:
        """Mean of RH(k, k; k), (seeds,)."""
        return harms.diagonal_mean(self._square(self.rh))

    def nie_diagonal(self) -> Tensor:
        """NIE of the recall of each undersampled class, (seeds, T)."""
        return self.nie[:, torch.arange(len(self.treated)), list(self.treated)]

    def off_diagonal(self) -> Tensor:
        """RH(k, j; k), j != k, in one row: (seeds, T (K - 1))."""
        keep = torch.ones(self.rh.shape[1:], dtype=torch.bool)
        keep[torch.arange(len(self.treated)), list(self.treated)] = False
        return self.rh[:, keep]

    def _square(self, matrix: Tensor) -> Tensor:
        return evidence.square(matrix, self.treated)

    def _mine(self, pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
        return [(k, j) for k, j in pairs if k in self.treated]


def measure(arms: Arms, seen: Evidence, treated: tuple[str, ...]) -> Measured:
    """Everything that the comparison shows of one label; ``treated`` are the undersampled classes that count."""
    mine = [seen.treated.index(seen.classes.index(name)) for name in treated]
    seen = replace(seen, treated=tuple(seen.treated[t] for t in mine), under=seen.under[:, mine])
    balanced, under = seen.confusion("balanced"), seen.confusion("under")
    own = list(seen.treated)
    units = [unit for units in arms.under for unit in units]
    return Measured(
        evidence.harm_matrix(seen)[1],
        under[:, torch.arange(len(own)), own] - balanced[:, own],
        balanced.diagonal(dim1=-2, dim2=-1).mean(-1),
        under.diagonal(dim1=-2, dim2=-1).mean((-2, -1)),
        _steps(units[0]),
        sum(u.record["seconds"] for u in units) / sum(len(u.members) for u in units),
        seen.treated,
    )


def _steps(unit: Unit) -> int:
    """Optimiser steps of an undersampled encoder of the unit; oversampling fills every class to the largest."""
    s, kept = unit.settings, unit.record["samples"][-1]
    whole = s.equal_steps or s.weighting == "oversample"
    return s.epochs * ((unit.embeddings("train")[1].numel() if whole else kept) // s.batch_size)


def similarity(seen: Evidence, rh: Tensor) -> tuple[Tensor, Tensor]:
    """Balanced class cosine and 1 - RH of every cell (k, j), j != k: (seeds, T (K - 1)) each, cells in one order."""
    own = torch.tensor(seen.treated)
    cosine = seen.cosines("balanced")[:, own]  # (seeds, T, K)
    keep = torch.arange(len(seen.classes)) != own[:, None]
    return cosine[:, keep], 1 - rh[:, keep]


def summary(values: Tensor) -> tuple[float, float, float]:
    """Mean and interval over seeds of one number a seed (seeds,)."""
    return tuple(float(v) for v in intervals.over_seeds(values.numpy()))
