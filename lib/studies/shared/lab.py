"""Small encoders of pairs: how an experiment trains them, and what is measured of each."""

from collections import namedtuple
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np

from lib import disentangle as di
from lib.disentangle import Process, Recipe, Training

FOUR = ("nce", "info_nce", "scl", "nwj")  # the losses of the paper
NAMES = {
    "nce": "δ-NCE",
    "info_nce": "δ-INCE",
    "info_nce_reversed": "δ-INCE reversed",
    "decoupled": "δ-INCE without the positive below",
    "scl": "δ-SCL",
    "nwj": "δ-NWJ",
    "order_0.75": "order 3/4",
    "order_0.5": "order 1/2",
}
RARE = [Recipe("info_nce"), Recipe("info_nce", alpha_tilde=True), Recipe("info_nce_reversed")]
BOTH = {"alpha": True, "alpha_tilde": True}
POINTS = 4096  # fresh points on which codes are measured
FRESH = 1_000_000  # added to a seed for them
B, SIGMA, WIDE = 0.1, 0.15, 0.15  # b at four factors; σ there; b at two factors
# Arrays (recipes, seeds).  mcc and r2 on fresh points; gap, scale: of distances; broken: encoders with NaN.
# start: MCC of the same encoders untrained (seeds,).
Scores = namedtuple("Scores", "mcc r2 gap scale broken start")


@dataclass(frozen=True)
class Lab:
    """Training and measuring with the settings of a run; seeds: the run's, or the first so many from its first.

    broken: which of the encoders trained so far have NaN or infinite weights, an array (recipes, seeds) a training.
    """

    p: SimpleNamespace
    broken: list[np.ndarray] = field(default_factory=list)

    def seeds(self, count: int | None = None) -> list[int]:
        """So many seeds, by default the run's."""
        return list(range(self.p.seed, self.p.seed + (self.p.seeds if count is None else count)))

    def train(
        self, process: Process | di.Walk, recipes: Sequence[Recipe], count: int | None = None, **kind
    ) -> di.Encoders:
        """Encoders of the recipes; kind: sizes and rate if not the run's, and what ``di.train`` takes."""
        sizes = {name: kind.pop(name, getattr(self.p, name)) for name in ("batch", "steps", "width")}
        rate, seeds = kind.pop("learning_rate", self.p.learning_rate), self.seeds(count)
        seen = di.Masks() if isinstance(process, di.Walk) else getattr(di.Mixing, self.p.mixing)(process.n, seeds)
        found = di.train(process, seen, list(recipes), seeds, Training(learning_rate=rate, **sizes), **kind)
        self.broken.append(found.broken)
        return found

    def scores(self, process: Process | di.Walk, recipes: Sequence[Recipe], count: int | None = None, **kind) -> Scores:
        """What encoders of the recipes recover on uniform points of the process's rooms."""
        return measured(self.train(process, recipes, count, **kind), process, self.start(process, count, **kind))

    def start(self, process: Process | di.Walk, count: int | None = None, at=None, **kind) -> np.ndarray:
        """MCC of the untrained encoders of the seeds, (seeds,), on points ``at``, else uniform ones of the rooms."""
        found = replace(self, broken=[]).train(process, [Recipe("info_nce")], count, **kind | {"steps": 0})
        s = points(process.rooms, found.seeds[0]) if at is None else at
        return np.array([di.mcc(s, z) for z in found.codes(s)[0]])


def points(rooms: np.ndarray, seed: int, count: int = POINTS) -> np.ndarray:
    """Fresh uniform points of the rooms, (count, n)."""
    return di.uniform(rooms, count, np.random.default_rng(FRESH + seed))


def measured(found: di.Encoders, process: Process | di.Walk, start: np.ndarray) -> Scores:
    """Scores on uniform points.  A broken encoder counts as one that maps all points to one: MCC 0, gap 1."""
    s, p = points(process.rooms, found.seeds[0]), process.order
    codes = found.codes(s).reshape(-1, *s.shape)
    rows = [(di.mcc(s, z), di.r2(s, z), di.isometry_gap(s, z, p), di.scale_of(s, z, p)) for z in codes]
    return Scores(*np.reshape(rows, (*found.broken.shape, 4)).transpose(2, 0, 1), found.broken, start)
