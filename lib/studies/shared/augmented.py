"""Augmentation as an instrument: balanced encoders of a second policy, which differ from the others in it alone."""

from dataclasses import dataclass, field, fields, replace
from types import SimpleNamespace

import torch
from torch import Tensor

from lib import mediation
from lib.encoders.settings import Unit
from lib.studies.shared import evidence, outcomes
from lib.studies.shared.arms import HARM, Arms, control
from lib.studies.shared.evidence import Evidence


@dataclass(frozen=True)
class TwoPolicies(Arms):
    """The encoders of an undersampling study; second: balanced ones of the same seeds, of another policy, or none."""

    second: list[list[Unit]] = field(default_factory=list)

    @property
    def units(self) -> list[Unit]:
        return [*super().units, *(unit for seed in self.second for unit in seed)]

    @property
    def asks(self) -> dict[Unit, set[str]]:
        return super().asks | {unit: set(HARM["balanced"]) for seed in self.second for unit in seed}


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


def with_second(p: SimpleNamespace, arms: Arms) -> TwoPolicies:
    """The same encoders, and those of ``second_augment``; none where it is the policy of all, or nothing is trained."""
    second = []
    if arms.balanced and p.second_augment != p.augment:
        second = control(replace(arms.balanced[0][0].settings, augment=p.second_augment), p.seed, p.seeds)
    return TwoPolicies(**{f.name: getattr(arms, f.name) for f in fields(Arms)}, second=second)


def read(arms: TwoPolicies) -> Evidence:
    """The encoders of the second policy, in the place of the balanced ones."""
    alone = {name: [] for name in ("under", "mild", "null", "reference", "untrained")}
    return evidence.of_arms(replace(arms, balanced=arms.second, **alone))


def by_policy(seen: Evidence, second: Evidence, pairs: list[tuple[int, int]]) -> Moved:
    """What the second policy moves; pairs: class and look-alike (k, j)."""
    return _moved(_of_balanced(seen, pairs), _of_balanced(second, pairs))


def by_cut(seen: Evidence, recall: Tensor, pairs: list[tuple[int, int]]) -> Moved:
    """What undersampling the encoder moves, in each pair its class k; recall: (seeds, T) NIE on the diagonal."""
    k, j = (list(axis) for axis in zip(*pairs, strict=True))
    t = [seen.treated.index(code) for code in k]
    distance, before = _of_balanced(seen, pairs)
    return _moved((distance, before), (1 - seen.cosines("under")[:, t, k, j], before + recall[:, t]))


def _of_balanced(seen: Evidence, pairs: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
    """Distance to the look-alike and recall, (seeds, pairs)."""
    k, j = (list(axis) for axis in zip(*pairs, strict=True))
    return 1 - seen.cosines("balanced")[:, k, j], seen.confusion("balanced")[:, k, k]


def _moved(off: tuple[Tensor, Tensor], on: tuple[Tensor, Tensor]) -> Moved:
    switch = torch.tensor([0.0, 1.0], dtype=torch.float64).repeat_interleave(off[0].shape[1]).expand(len(off[0]), -1)
    m, y = (torch.cat(pair, 1) for pair in zip(off, on, strict=True))
    distance, recall = ((b - a).mean(1) for a, b in zip(off, on, strict=True))
    return Moved(distance, recall, mediation.instrument(switch, m, y))
