"""How contestants are measured: in turn, in one process, by the median; and what a measured line says."""

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from statistics import median

IMPORTED = ["benchmarks.loss", "benchmarks.blocks"]  # once, by the process from which those that are measured begin


@dataclass(frozen=True)
class Line:
    """Ours against one peer.

    case, size: what was done, and on how much; against: the peer; unit: of ours and peer, medians over the rounds.
    low, high: the smallest and the largest ratio of a single round.  aim: the ratio that was aimed at.
    difference: how far the two results lie apart, and measured how; note: what else must be known.
    peer is None where nothing stands against ours, or where the peer could not be run.
    """

    case: str
    size: str
    against: str
    unit: str
    ours: float
    peer: float | None = None
    low: float | None = None
    high: float | None = None
    aim: float | None = None
    difference: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times better ours is: above 1 ours does more a second, or takes less time or memory."""
        return None if self.peer is None else better(self.unit, self.ours, self.peer)

    def record(self) -> dict:
        """The line as it is kept, with ``ratio`` and ``met``: whether the ratio reaches the aim."""
        met = None if self.aim is None or self.ratio is None else self.ratio >= self.aim
        return asdict(self) | {"ratio": self.ratio, "met": met}


def better(unit: str, ours: float, peer: float) -> float:
    """The ratio that is above 1 where ours is ahead: of rates (units "x/s") ours to peer, of costs peer to ours."""
    return ours / peer if unit.endswith("/s") else peer / ours


def alone(work: Callable, *arguments):
    """What ``work`` returns in a process of its own, which has the imports behind it and has done nothing else."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(work, *arguments).result()


def timed(work: Callable[[], object], least: float = 0.05) -> Callable[[], float]:
    """A measurement of ``work``: the seconds of one call, the mean over as many calls as last ``least`` seconds."""

    def measure() -> float:
        start, calls, spent = time.perf_counter(), 0, 0.0
        while spent < least:
            work()
            calls += 1
            spent = time.perf_counter() - start
        return spent / calls

    return measure


def in_turn(contestants: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """The figures of every contestant, measured A B A B …, after one measurement each that does not count.

    A single round is measured cold: it shows that everything runs, and no more.
    """
    for measure in contestants.values() if rounds > 1 else ():
        measure()
    figures = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, measure in contestants.items():
            figures[name].append(measure())
    return figures


def lines(case: str, size: str, unit: str, figures: dict[str, list[float]], **more: dict) -> list[Line]:
    """A line for each peer from the figures of ``in_turn``, of which the first are ours.

    more: further fields of the lines, each a dict from peer to value.
    """
    (_, ours), *peers = figures.items()
    found = []
    for name, theirs in peers:
        ratios = [better(unit, a, b) for a, b in zip(ours, theirs, strict=True)]
        fields = {field: values[name] for field, values in more.items() if name in values}
        ends = {"low": min(ratios), "high": max(ratios)}
        found.append(Line(case, size, name, unit, median(ours), median(theirs), **ends, **fields))
    return found
