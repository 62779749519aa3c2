"""What names small nets on labels at further levels and treatments.  No torch here: the graph is planned with this.

The experiments are those of ``lib.encoders.label_settings``, whose nets and folders stay what they are: other shares of
wrong labels, of labels, and of labels in the head; the loss of lemma 7; coresets by GraNd.
"""

import json
from dataclasses import dataclass
from typing import ClassVar

from lib.encoders.label_settings import CLASSED, READINGS, SCORERS, Arm, LabelSettings, LabelUnit

SETS, GRAND = "sets", "GraNd"  # the loss of lemma 7, and who keeps


@dataclass(frozen=True)
class LevelSettings(LabelSettings):
    """``LabelSettings`` with the levels of the experiment's arms, and the points in the log-sum of "two_classes".

    ValueError: as there; a level outside (0, 1), for "two_classes" outside (1/2, 1); fewer than two points.
    """

    levels: tuple[float, ...] = ()
    points: int = 4

    def __post_init__(self):
        super().__post_init__()
        least = 0.5 if self.experiment == "two_classes" else 0.0
        if not all(least < level < 1 for level in self.levels):
            raise ValueError(f"levels={self.levels} are expected between {least:g} and 1 in {self.experiment!r}")
        if not 2 <= self.points < self.batch_size:
            raise ValueError(f"points={self.points} is out of range; it must be from 2 to {self.batch_size - 1}")

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The nets: a correction is by class centres."""
        if self.experiment == "noise":
            wrong = [Arm(loss, v, arm) for loss in CLASSED for v in self.levels for arm in ("none", READINGS[0])]
            return (*(Arm(loss, 0.0) for loss in CLASSED), *wrong, Arm("cross_entropy", 0.0))
        if self.experiment == "two_classes":
            return (Arm(SETS, 1.0), *(Arm(SETS, v, arm) for v in self.levels for arm in ("none", "weights")))
        if self.experiment == "coresets":
            return tuple(Arm("cross_entropy", v, GRAND) for v in self.levels)
        return tuple(Arm(loss, v) for loss in CLASSED for v in self.levels)

    @property
    def method(self) -> str:
        """The experiment, "at further levels"."""
        return f"{self.experiment}_levels"


@dataclass(frozen=True)
class LevelUnit(LabelUnit):
    """All nets of an experiment at further levels: settings, first seed, number of seeds."""

    settings: LevelSettings
    trainer: ClassVar[str] = "lib.encoders.label_levels"

    @property
    def arms(self) -> tuple[Arm, ...]:
        return self.settings.arms

    @property
    def members(self) -> tuple[str, ...]:
        helpers = SCORERS if self.settings.experiment == "coresets" else 0
        names = [*(" ".join(map(str, arm)) for arm in self.arms), *(f"helper {i}" for i in range(helpers))]
        return tuple(f"{name}, seed {seed}" for name in names for seed in self.seeds)

    @property
    def name(self) -> str:
        s = self.settings
        return f"{s.data}-labels_{s.method}-s{self.seed}n{self.count}-{self.key}"

    @staticmethod
    def from_json(text: str) -> "LevelUnit":
        d = json.loads(text)
        settings = d["settings"] | {"levels": tuple(d["settings"]["levels"])}
        return LevelUnit(LevelSettings(**settings), d["seed"], d["count"])
