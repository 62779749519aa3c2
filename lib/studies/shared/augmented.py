"""Augmentation as an instrument: balanced encoders of a second policy, which differ from the others in it alone."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lib import mediation
from lib.studies.shared import outcomes
from lib.studies.shared.evidence import Evidence


@dataclass(frozen=True)
class Moved:
    """What an instrument moves, (seeds,): the distance 1 - cos of a class to its look-alike, and the recall of the
    class under a head with balanced labels, means over the classes; slope: of recall on the distance."""

    distance: Tensor
    recall: Tensor
    slope: Tensor

    @property
    def strength(self) -> float:
        """F of the first stage, 1 and seeds - 1 degrees of freedom: the squared t of the change of the distance.

        Below 10 an instrument counts as weak (Staiger and Stock 1997).
        """
        return float(self.distance.mean() ** 2 / (self.distance.var() / len(self.distance)))

    def interval(self) -> tuple[float, float, float]:
        """The slope of the means, with Fieller's interval, which is that of Anderson and Rubin (1949) here.

        NaN ends: the change of the distance is not clear of 0, or there are fewer than two seeds.
        """
        return outcomes.share_interval(self.recall, self.distance)


def by_policy(seen: Evidence, pairs: list[tuple[int, int]]) -> Moved:
    """What the second policy moves; pairs: class and look-alike (k, j)."""
    return _moved(*(_of(seen, arm, pairs) for arm in ("balanced", "second")))


def by_cut(seen: Evidence, recall: Tensor, pairs: list[tuple[int, int]]) -> Moved:
    """What undersampling the encoder moves, in each pair its class k; recall: (seeds, T) NIE on the diagonal."""
    k, j = (list(axis) for axis in zip(*pairs, strict=True))
    t = [seen.treated.index(code) for code in k]
    distance, before = _of(seen, "balanced", pairs)
    return _moved((distance, before), (1 - seen.cosines("under")[:, t, k, j], before + recall[:, t]))


def _of(seen: Evidence, arm: str, pairs: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
    """Distance to the look-alike and recall, (seeds, pairs)."""
    k, j = (list(axis) for axis in zip(*pairs, strict=True))
    return 1 - seen.cosines(arm)[:, k, j], seen.confusion(arm)[:, k, k]


def _moved(off: tuple[Tensor, Tensor], on: tuple[Tensor, Tensor]) -> Moved:
    switch = torch.tensor([0.0, 1.0], dtype=torch.float64).repeat_interleave(off[0].shape[1]).expand(len(off[0]), -1)
    m, y = (torch.cat(pair, 1) for pair in zip(off, on, strict=True))
    distance, recall = ((b - a).mean(1) for a, b in zip(off, on, strict=True))
    return Moved(distance, recall, mediation.instrument(switch, m, y))
