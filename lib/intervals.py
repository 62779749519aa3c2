"""Intervals over seeds: one rule for the whole book."""

import numpy as np
from scipy import stats

SMALL = 10  # below so many seeds a percentile bootstrap covers too little; Student's t is used
FEWEST = 3  # below so many seeds nothing is judged
DRAWS = 10_000


def over_seeds(values, level: float = 0.95, rng: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over the first axis and a two-sided interval for it.

    values: (seeds, ...) one number a seed, in any unit; pair by seed before calling (differences, ratios).
    Below 10 seeds: mean ± t(level; seeds - 1) · sd / sqrt(seeds).  From 10 seeds on: percentile bootstrap over seeds,
    10,000 draws, all cells of ``values`` resampled together.  With one seed the ends are NaN.
    Returns (mean, low, high), each of shape values.shape[1:].  ValueError: no seed at all, or a NaN (a run that is
    missing must not vanish in an average).
    """
    values = np.asarray(values, float)
    if values.ndim == 0 or len(values) == 0:
        raise ValueError("values over at least one seed are expected, got none")
    if np.isnan(values).any():
        raise ValueError("a value is NaN: a run is missing or failed; an average over the rest would hide it")
    n, mean = len(values), values.mean(0)
    if n == 1:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    if n < SMALL:
        half = stats.t.ppf(0.5 + level / 2, n - 1) * values.std(0, ddof=1) / np.sqrt(n)
        return mean, mean - half, mean + half
    counts = np.random.default_rng(rng).multinomial(n, np.full(n, 1 / n), DRAWS)  # (draws, seeds)
    draws = np.tensordot(counts, values, 1) / n
    low, high = np.quantile(draws, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    return mean, low, high
