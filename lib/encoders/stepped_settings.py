"""What names a classifier whose learning rate falls in steps.  No torch here: the graph is planned with this module.

The settings and units are those of a constant rate and one field more, so that their names say it and others' stay.
"""

import json
from dataclasses import dataclass
from typing import ClassVar

from lib.encoders.coarse_settings import CoarseSettings, CoarseUnit
from lib.encoders.robust_settings import RobustSettings, RobustUnit

FACTOR = 0.1  # of the rate at each drop (Sohoni et al. 2020, public code, ISIC)


@dataclass(frozen=True)
class Drops:
    """A step schedule: in epoch e = 0, 1, … the rate is learning_rate x FACTOR^floor(e / drop_every).

    ValueError: no drop within the epochs, or a cosine (period) beside it.
    """

    drop_every: int = 15

    def __post_init__(self):
        super().__post_init__()
        if not 1 <= self.drop_every < self.epochs:
            raise ValueError(
                f"drop_every={self.drop_every} is out of range; it must be 1 or more and below epochs={self.epochs}"
            )
        if self.period:
            raise ValueError(f"period={self.period}: a rate that falls in steps has no cosine; set period=0")

    @property
    def stages(self) -> list[tuple[int, float]]:
        """Each constant rate and the epoch before which it ends: (end, rate), in order."""
        starts = range(0, self.epochs, self.drop_every)
        ends = [*starts[1:], self.epochs]
        return [(end, self.learning_rate * FACTOR**i) for i, end in enumerate(ends)]


@dataclass(frozen=True)
class SteppedSettings(Drops, CoarseSettings):
    """``CoarseSettings`` with a step schedule."""


@dataclass(frozen=True)
class SteppedRobustSettings(Drops, RobustSettings):
    """``RobustSettings`` with a step schedule.  ValueError: even batches, which no published step schedule has."""

    def __post_init__(self):
        super().__post_init__()
        if self.even:
            raise ValueError("even=True: batches drawn evenly are not trained with drop_every; leave one of them out")


@dataclass(frozen=True)
class SteppedUnit(CoarseUnit):
    """One encoder: settings and seed."""

    settings: SteppedSettings
    trainer: ClassVar[str] = "lib.encoders.stepped"

    @staticmethod
    def from_json(text: str) -> "SteppedUnit":
        d = json.loads(text)
        return SteppedUnit(SteppedSettings(**d["settings"]), d["seed"])


@dataclass(frozen=True)
class SteppedRobustUnit(RobustUnit):
    """One robust classifier: settings, seed, and the encoder whose features the groups are recovered from."""

    settings: SteppedRobustSettings
    trainer: ClassVar[str] = "lib.encoders.stepped_robust"

    @staticmethod
    def from_json(text: str) -> "SteppedRobustUnit":
        d = json.loads(text)
        base = d["base"]
        if base:
            read = SteppedUnit if "drop_every" in base["settings"] else CoarseUnit
            base = read.from_json(json.dumps(base))
        return SteppedRobustUnit(SteppedRobustSettings(**d["settings"]), d["seed"], base)
