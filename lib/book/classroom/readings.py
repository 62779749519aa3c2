"""What hidden tests of several studies share: equality of plain results, and the rule of verdicts by another route."""

import numpy as np
from scipy import stats

HOLDS, FAILS, UNDECIDED = VERDICTS = ("holds", "does not hold", "not decided at this scale")


def same(found, wanted, tolerance: float = 1e-6) -> bool:
    """Whether two numbers, lists or arrays have one shape and one value, relative to 1 or to the larger of them."""
    found, wanted = np.asarray(found, float), np.asarray(wanted, float)
    return found.shape == wanted.shape and bool(np.allclose(found, wanted, rtol=tolerance, atol=tolerance))


def interval(values) -> tuple[float, float]:
    """Student's 95 % interval for the mean of one number a seed, (seeds,), from SciPy's test of one sample."""
    found = stats.ttest_1samp(np.asarray(values, float), 0).confidence_interval(0.95)
    return float(found.low), float(found.high)


def verdict(low: float, high: float, threshold: float, side: str) -> str:
    """The book's rule for an interval that ends nowhere on the threshold; side: "above" or "below"."""
    passes, fails = (low > threshold, high < threshold) if side == "above" else (high < threshold, low > threshold)
    return HOLDS if passes else FAILS if fails else UNDECIDED


def table(
    rng: np.random.Generator, wanted: str, threshold: float, side: str, seeds: int = 5, spread: float = 0.02
) -> list[float]:
    """Simulated numbers, one a seed, of which the rule makes the wanted verdict, and a wrong interval mostly the same.

    Their standard deviation is the spread; the mean lies 3 to 5 of it beyond the threshold, or at most 0.4 from it.
    """
    z = rng.normal(size=seeds)
    away = {HOLDS: 1, FAILS: -1, UNDECIDED: 0}[wanted] * (1 if side == "above" else -1)
    shift = away * rng.uniform(3, 5) if away else rng.choice([-1, 1]) * rng.uniform(0.1, 0.4)
    return (threshold + spread * (shift + (z - z.mean()) / z.std(ddof=1))).round(4).tolist()
