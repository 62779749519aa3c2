"""What hidden tests of several studies share: equality of plain results, and the rule of verdicts by another route."""

from collections.abc import Callable

import numpy as np
from scipy import stats

from lib.book.classroom.exercise import Answers, Plain

Ask = Callable[[Answers, np.random.Generator, list[float], float, str], Plain]
Test = Callable[[Answers, np.random.Generator, dict[str, Plain]], bool]

HOLDS, FAILS, UNDECIDED = VERDICTS = ("holds", "does not hold", "not decided at this scale")
STUDENT = "stats.t.ppf(0.975, n - 1) * sd / n**0.5"  # half an interval, in an answer's words
MISTAKES = {
    "the normal law in place of Student's": "1.96 * sd / n**0.5",
    "no square root of the number of seeds": "stats.t.ppf(0.975, n - 1) * sd / n",
    "a spread of the seeds in place of an interval of their mean": "2 * sd",
}
BEYOND = "low > threshold if side == 'above' else high < threshold"
SHORT = "high < threshold if side == 'above' else low > threshold"
ON_SIDE = "(mean > threshold) == (side == 'above')"  # a mistake: the mean decides


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


def intervals(ask: Ask, threshold: float, side: str = "below") -> Test:
    """Whether the interval of tables of three to eight seeds is right.

    ask: from (answers, generator, values, threshold, side) to the answer's (low, high, verdict) on arguments of which
    the numbers over seeds are these values.
    """

    def test(answers: Answers, rng: np.random.Generator, data: dict[str, Plain]) -> bool:
        tables = [table(rng, wanted, threshold, side, seeds) for wanted in VERDICTS for seeds in (3, 5, 8)]
        return all(same(ask(answers, rng, t, threshold, side)[:2], interval(t)) for t in tables)

    return test


def verdicts(ask: Ask, thresholds: tuple[float, ...], sides: tuple[str, ...] = ("below", "above")) -> Test:
    """Whether each verdict is found where it is right, at every threshold and on every side; ask: as ``intervals``."""

    def test(answers: Answers, rng: np.random.Generator, data: dict[str, Plain]) -> bool:
        cases = [(wanted, x, side) for wanted in VERDICTS for x in thresholds for side in sides]
        return all(ask(answers, rng, table(rng, w, x, side), x, side)[2] == w for w, x, side in cases)

    return test


def answer(arguments: str, values: str, half: str = STUDENT, holds: str = BEYOND, fails: str = SHORT) -> str:
    """Source of an answer ``reading(arguments)`` that gives (low, high, verdict) of the values, in words.

    Expressions know values (seeds,), n, mean, sd, low, high, the arguments, and HOLDS, FAILS, UNDECIDED of the setup.
    """
    return f"""def reading({arguments}):
    values = np.asarray({values})
    n, mean, sd = len(values), values.mean(), values.std(ddof=1)
    low, high = mean - ({half}), mean + ({half})
    return low, high, HOLDS if ({holds}) else FAILS if ({fails}) else UNDECIDED
"""
