"""What an encoder recovers of the factors: codes z (m, k) beside factors s (m, n) of the same fresh points."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import rankdata

from lib import checks


def _both(s, z) -> tuple[np.ndarray, np.ndarray]:
    s, z = checks.numbers("s", s), checks.numbers("z", z)
    if s.ndim != 2 or z.ndim != 2 or len(s) != len(z) or len(s) < 4 or z.shape[1] < s.shape[1]:
        raise ValueError(
            f"s of shape {s.shape}, z of shape {z.shape}: factors (m, n) and codes (m, k) of the same m >= 4 "
            "points are expected, k >= n"
        )
    return s, z


def correlations(s, z, ranks: bool = False) -> np.ndarray:
    """|Pearson| correlation of every factor with every code, (n, k); of their ranks: |Spearman|; 0 of a constant."""
    s, z = _both(s, z)
    s, z = (np.apply_along_axis(rankdata, 0, v) if ranks else v for v in (s, z))
    s, z = (v - v.mean(0) for v in (s, z))
    size = np.linalg.norm(s, axis=0)[:, None] * np.linalg.norm(z, axis=0)
    return np.abs(np.divide(s.T @ z, size, out=np.zeros_like(size), where=size > 1e-12))


def matching(s, z) -> np.ndarray:
    """The code of each factor, (n,): the assignment with the largest sum of |correlations|."""
    return linear_sum_assignment(-correlations(s, z))[1]


def mcc(s, z, ranks: bool = False) -> float:
    """Mean correlation coefficient: the mean |correlation| of factors and codes, matched for the largest sum.

    As in the public code of Zimmermann et al. (2021); ranks: of Spearman.
    """
    found = correlations(s, z, ranks)
    return float(found[linear_sum_assignment(-found)].mean())


def r2(s, z) -> float:
    """Share of variance of the factors that an affine map of the codes explains, fitted on one half of the points.

    Scored on the other half, mean over factors; 1 at best, below 0 where the map is worse than the mean.
    """
    s, z = _both(s, z)
    half = len(s) // 2
    z = np.column_stack([z, np.ones(len(z))])
    fit = np.linalg.lstsq(z[:half], s[:half], rcond=None)[0]
    left = ((s[half:] - z[half:] @ fit) ** 2).sum(0)
    return float((1 - left / ((s[half:] - s[half:].mean(0)) ** 2).sum(0)).mean())


def between_halves(x, order: float) -> np.ndarray:
    """Σ_i |x_i - x'_i|^p of each point of the first half with the one at its place in the second, (m // 2,)."""
    x = np.asarray(x, float)
    half = len(x) // 2
    return (np.abs(x[:half] - x[half : 2 * half]) ** order).sum(1)


def isometry_gap(s, z, order: float = 1) -> float:
    """Relative root mean square of d(z, z') - d(s, s') over pairs of points; 0 where distances are kept.

    The theorems state this, and a correlation cannot see it.
    """
    s, z = _both(s, z)
    true, found = between_halves(s, order), between_halves(z, order)
    return float(np.sqrt(((found - true) ** 2).mean() / (true**2).mean()))


def scale_of(s, z, order: float = 1) -> float:
    """Mean d(z, z') over mean d(s, s'), over pairs of points; 1 where distances are kept."""
    s, z = _both(s, z)
    return float(between_halves(z, order).mean() / between_halves(s, order).mean())
