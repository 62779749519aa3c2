"""How often each rule for an interval holds the true value, by simulation: ``python -m benchmarks.coverage``.

Writes ``benchmarks/coverage.csv``, which the page "How to read this book" shows; it takes a few minutes.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from lib import intervals
from lib.hashing import ROOT
from lib.studies.shared import outcomes

TABLE = ROOT / "benchmarks/coverage.csv"
SEEDS = (3, 5, 8, 10, 20)
REPEATS = 5000
DRAWS = 2000  # of the bootstrap
NEAR = 1e-9  # to the true value is there
Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


@dataclass(frozen=True)
class Law:
    """Draws of one number a seed, (seeds, repeats), their true mean, and whether they lie in [0, 1].

    Of a ratio: part and total, (2, seeds, repeats), and the ratio of their means.
    """

    draw: Draw
    truth: float
    share: bool = False


def cells(count: int, mean: float, alike: float) -> Draw:
    """Shares of ``count`` cells that occur, beta-binomial: any two cells of one seed correlate by ``alike``."""
    sizes = (mean * (1 / alike - 1), (1 - mean) * (1 / alike - 1))
    return lambda rng, shape: rng.binomial(count, rng.beta(*sizes, shape)) / count


def pair(noise: Draw) -> Draw:
    """A part and its total over seeds: total -0.8 ± 0.1, part a quarter of it ± 0.05."""

    def draw(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        total = -0.8 + 0.1 * noise(rng, shape)
        return np.stack([0.25 * total + 0.05 * noise(rng, shape), total])

    return draw


def normal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.standard_normal(shape)


def skewed(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.exponential(1, shape) - 1


LAWS = {
    "normal": Law(normal, 0),
    "skewed: exponential": Law(skewed, 0),
    "difference of two skewed, paired": Law(lambda rng, shape: skewed(rng, shape) - skewed(rng, shape), 0),
    "heavy tails: t with 3 degrees": Law(lambda rng, shape: rng.standard_t(3, shape), 0),
    "near its end: Beta(19, 1)": Law(lambda rng, shape: rng.beta(19, 1, shape), 0.95, True),
    "0 or 1, 1 with chance 0.5": Law(lambda rng, shape: rng.binomial(1, 0.5, shape) * 1.0, 0.5, True),
    "0 or 1, 1 with chance 0.9": Law(lambda rng, shape: rng.binomial(1, 0.9, shape) * 1.0, 0.9, True),
    "share of 4 cells, mean 0.8, alike 0.1": Law(cells(4, 0.8, 0.1), 0.8, True),
    "share of 10 cells, mean 0.9, alike 0.5": Law(cells(10, 0.9, 0.5), 0.9, True),
    "share of 90 cells, mean 0.95, alike 0.5": Law(cells(90, 0.95, 0.5), 0.95, True),
}
RATIOS = {"ratio of two normal": Law(pair(normal), 0.25), "ratio of two skewed": Law(pair(skewed), 0.25)}


def within(truth: float, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Whether each interval holds the true value."""
    return (low <= truth + NEAR) & (truth - NEAR <= high)


def student(x: np.ndarray, truth: float) -> np.ndarray:
    return within(truth, *intervals.over_seeds(x)[1:])


def bootstrap(x: np.ndarray, truth: float) -> np.ndarray:
    """The percentile bootstrap of the mean over seeds, the same draws for all repeats."""
    n = len(x)
    counts = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), DRAWS)
    return within(truth, *np.quantile(counts @ x / n, [0.025, 0.975], axis=0))


def gaffke(x: np.ndarray, truth: float) -> np.ndarray:
    """Without the ends, each of which takes a root: the interval lies neither above the true value nor below it."""
    return ~(intervals.share_beyond(x.T, truth + NEAR)[0] | intervals.share_beyond(x.T, truth - NEAR)[1])


def fieller(x: np.ndarray, truth: float) -> np.ndarray:
    """No finite ends, where the total is not clear of 0, hold every value."""
    ends = [outcomes.share_interval(*both)[1:] for both in torch.from_numpy(x).permute(2, 0, 1)]
    low, high = np.transpose(ends)
    return within(truth, np.nan_to_num(low, nan=-np.inf), np.nan_to_num(high, nan=np.inf))


RULES = {
    "Student's t": (student, LAWS),
    "percentile bootstrap, not used": (bootstrap, LAWS),
    "Gaffke's, for shares": (gaffke, {name: law for name, law in LAWS.items() if law.share}),
    "Fieller": (fieller, RATIOS),
}


def coverage(rule: str, law: str, seeds: int, repeats: int = REPEATS, rng: int = 0) -> float:
    """The share of ``repeats`` samples of so many seeds whose 95 % interval by the rule holds the true value."""
    holds, laws = RULES[rule]
    drawn = laws[law].draw(np.random.default_rng([rng, seeds]), (seeds, repeats))
    return float(holds(drawn, laws[law].truth).mean())


def main() -> int:
    """Simulate every rule under every law and write the table, a row a rule, law and number of seeds."""
    rows = [
        (rule, law, n, coverage(rule, law, n), REPEATS)
        for rule, (_, laws) in RULES.items()
        for law in laws
        for n in SEEDS
    ]
    pd.DataFrame(rows, columns=["rule", "law", "seeds", "coverage", "repeats"]).to_csv(TABLE, index=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
