"""Intervals over seeds: Student's t for the mean of a quantity, a rule that needs no normal law for a share."""

from dataclasses import dataclass

import numpy as np

from lib import checks


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
    """Mean and interval of one number a seed, (seeds,): see ``over_seeds``; or one number with given ends.

    The interval over seeds is cut at ends that are given, where the quantity ends.
    """
    values = np.asarray(values, float)
    if values.ndim:
        mean, least, most = (float(v) for v in over_seeds(values))
        return Estimate(mean, low if least < low else least, high if most > high else most, len(values))
    return Estimate(float(values), float(low), float(high), seeds)


def over_seeds(values, level: float = 0.95) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over the first axis and Student's two-sided interval for it: mean ± t(level; seeds - 1) · sd / sqrt(seeds).

    values: (seeds, ...) one number a seed, in any unit; pair by seed before calling (differences, ratios).
    With one seed the ends are NaN.
    Returns (mean, low, high), each of shape values.shape[1:].  ValueError: no seed at all, a level outside (0, 1), or
    a value that is NaN or infinite (a run that is missing must not vanish in an average).
    """
    checks.number("level", level, 0, 1, inside=True)
    values = checks.numbers("values", values, "a run is missing or failed; an average over the rest would hide it")
    if values.ndim == 0:
        raise ValueError("values over at least one seed are expected, got none")
    n, mean = len(values), values.mean(0)
    if n == 1:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    from scipy import stats  # takes half a second, and the graph is planned without

    half = stats.t.ppf(0.5 + level / 2, n - 1) * values.std(0, ddof=1) / np.sqrt(n)
    return mean, mean - half, mean + half


def of_share(values, level: float = 0.95) -> tuple[float, float, float]:
    """Mean and Gaffke's two-sided interval for the mean of what lies in [0, 1], whatever its law.

    values: (seeds,) one share a seed: of its cells, which may depend on each other in any way, or 0 and 1.
    high is the quantile (1 + level) / 2 of Σ_i D_i x_i over the n values and one more, 1, under weights D uniform on
    the simplex; low is the quantile (1 - level) / 2 with one more 0.  Where all values are 0 or 1 this is the exact
    binomial interval of Clopper and Pearson.  For other laws no proof is known; ``benchmarks.coverage`` simulates it.
    Gaffke, N. (2005), Three test statistics for a nonparametric one-sided hypothesis on the mean of a nonnegative
    variable, Mathematical Methods of Statistics 14.
    Returns (mean, low, high).  ValueError: as ``over_seeds``, or a value outside [0, 1].
    """
    checks.number("level", level, 0, 1, inside=True)
    values = checks.numbers("values", values, "a run is missing or failed; an average over the rest would hide it")
    if values.ndim != 1 or values.min() < 0 or values.max() > 1:
        raise ValueError(f"values={values}: shares are expected, (seeds,), each from 0 to 1")
    low, high = (_mixed(np.append(values, end), 0.5 + side * level / 2) for end, side in ((0.0, -1), (1.0, 1)))
    return float(values.mean()), low, high


def _mixed(points: np.ndarray, chance: float) -> float:
    """The quantile of Σ_i D_i points_i with D uniform on the simplex."""
    from scipy import optimize

    first, last = float(points.min()), float(points.max())
    if first == last:
        return first
    return optimize.brentq(lambda x: 1 - chance - float(_above(points, x)), first, last, xtol=1e-12)


def share_beyond(values, x: float, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Whether the whole interval ``of_share`` of each experiment lies above x, and whether below; no end is computed.

    values: (..., seeds) shares, an experiment a row.  Returns two of shape (...,), bool.
    """
    values, most = np.asarray(values, float), 0.5 + level / 2
    ends = [np.concatenate([values, np.full((*values.shape[:-1], 1), end)], -1) for end in (0.0, 1.0)]
    return _above(ends[0], x) >= most, _above(ends[1], x) <= 1 - most


def _above(points: np.ndarray, x: float) -> np.ndarray:
    """P(Σ_i D_i points_i > x), D uniform on the simplex: P(Σ_i a_i E_i > Σ_j b_j E_j) of independent exponentials E.

    a, b: distances from x of the points above and of the others.  The larger of two terms a E and b E' exceeds the
    other by an exponential of its own scale, so that P(i, j) = (a_i P(i, j - 1) + b_j P(i - 1, j)) / (a_i + b_j).
    points: (..., n).  Returns (...,).
    """
    above, below = (np.sort(np.clip(side * (points - x), 0, None), -1)[..., ::-1] for side in (1, -1))
    i, j = ((part > 0).sum(-1).max() for part in (above, below))  # a distance of 0 changes nothing
    found = [np.zeros(points.shape[:-1])] * (1 + j)
    for a in np.moveaxis(above[..., :i], -1, 0):
        last = np.where(a > 0, 1.0, found[0])
        row = [last]
        for b, before in zip(np.moveaxis(below[..., :j], -1, 0), found[1:], strict=True):
            total = a + b
            last = np.where(total > 0, (a * last + b * before) / np.where(total > 0, total, 1), before)
            row.append(np.where(a > 0, last, before))
            last = row[-1]
        found = row
    return found[-1]
