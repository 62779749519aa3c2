"""Intervals over seeds: one rule for the whole book."""

from dataclasses import dataclass

import numpy as np

from lib import checks

SMALL = 10  # below so many seeds a percentile bootstrap covers too little; Student's t is used
FEWEST = 3  # below so many seeds nothing is judged
DRAWS = 10_000


@dataclass(frozen=True)
class Estimate:
    """A number with its interval; low and high are NaN where there is none.  Its text is "0.612 [0.590, 0.634]".

    seeds: over how many the interval is; None: the number brings no seeds of its own.
    A format such as ``f"{e:+.2f}"`` holds for the number, and without its sign for both ends.
    """

    value: float
    low: float = np.nan
    high: float = np.nan
    seeds: int | None = None

    def __format__(self, spec: str) -> str:
        spec = spec or ".3f"
        low, high = (format(end, spec.lstrip("+")) for end in (self.low, self.high))
        return format(self.value, spec) + ("" if np.isnan(self.low) else f" [{low}, {high}]")

    def __str__(self) -> str:
        return format(self)


def estimate(values, low: float = np.nan, high: float = np.nan, seeds: int | None = None) -> Estimate:
    """Mean and interval of one number a seed, (seeds,): see ``over_seeds``; or one number with given ends."""
    values = np.asarray(values, float)
    if values.ndim:
        return Estimate(*(float(v) for v in over_seeds(values)), len(values))
    return Estimate(float(values), float(low), float(high), seeds)


def over_seeds(values, level: float = 0.95, rng: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over the first axis and a two-sided interval for it.

    values: (seeds, ...) one number a seed, in any unit; pair by seed before calling (differences, ratios).
    Below 10 seeds: mean ± t(level; seeds - 1) · sd / sqrt(seeds).  From 10 seeds on: percentile bootstrap over seeds,
    10,000 draws, all cells of ``values`` resampled together.  With one seed the ends are NaN.
    Returns (mean, low, high), each of shape values.shape[1:].  ValueError: no seed at all, a level outside (0, 1), or
    a value that is NaN or infinite (a run that is missing must not vanish in an average).
    """
    checks.number("level", level, 0, 1, inside=True)
    checks.number("rng", rng, 0, whole=True)
    values = checks.numbers("values", values, "a run is missing or failed; an average over the rest would hide it")
    if values.ndim == 0:
        raise ValueError("values over at least one seed are expected, got none")
    n, mean = len(values), values.mean(0)
    if n == 1:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    if n < SMALL:
        from scipy import stats  # takes half a second, and the graph is planned without

        half = stats.t.ppf(0.5 + level / 2, n - 1) * values.std(0, ddof=1) / np.sqrt(n)
        return mean, mean - half, mean + half
    counts = np.random.default_rng(rng).multinomial(n, np.full(n, 1 / n), DRAWS)  # (draws, seeds)
    draws = np.tensordot(counts, values, 1) / n
    low, high = np.quantile(draws, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    return mean, low, high
