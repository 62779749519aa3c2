"""What an encoder recovers of the factors: codes z (m, k) beside factors s (m, n) of the same fresh points."""

from collections import namedtuple

import numpy as np
from scipy import special
from scipy.optimize import linear_sum_assignment
from scipy.stats import rankdata

from lib import checks

DCI = namedtuple("DCI", "disentanglement completeness")
PENALTY = 0.01  # of the lasso of ``dci``, on variables of variance 1
BINS = 20  # of a variable in ``mig``, of one width


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


def dci(s, z) -> DCI:
    """How far each code serves one factor, and each factor is served by one code; 1 at best, 0 for equal shares.

    Of the absolute weights W (n, k) of a lasso from codes to factors, both standardised: 1 - entropy of a column over
    log n, its mean over codes weighted by the columns' sums; and 1 - entropy of a row over log k, mean over factors;
    of a single variable 1.  Eastwood and Williams (2018); their third number, the prediction, is ``r2``.
    """
    from sklearn.linear_model import Lasso

    s, z = (np.divide(v - v.mean(0), v.std(0), out=np.zeros_like(v), where=v.std(0) > 1e-12) for v in _both(s, z))
    w = np.abs([Lasso(alpha=PENALTY).fit(z, factor).coef_ for factor in s.T])
    whole = max(w.sum(), 1e-12)
    return DCI(float((w.sum(0) / whole) @ _certainty(w.T)), float(_certainty(w).mean()))


def _certainty(w: np.ndarray) -> np.ndarray:
    """1 - entropy of each row's shares over that of equal shares, (rows,); 0 of a row of zeros."""
    if w.shape[1] == 1:
        return np.ones(len(w))
    whole = w.sum(1, keepdims=True)
    share = np.divide(w, whole, out=np.full_like(w, 1 / w.shape[1]), where=whole > 0)
    return 1 - special.entr(share).sum(1) / np.log(w.shape[1])


def sap(s, z) -> float:
    """Squared correlation of a factor with its best code less that with the second best, mean over factors.

    Kumar et al. (2018), for linear prediction.
    """
    return _lead(correlations(s, z) ** 2)


def mig(s, z) -> float:
    """Mutual information gap: (I of a factor and its best code - I of it and the second best) / its entropy, mean over
    factors; every variable in 20 bins of one width.  Chen et al. (2018).
    """
    s, z = _both(s, z)
    bins = [np.stack([_bin(x) for x in v.T]) for v in (s, z)]
    entropy = [_entropy(factor) for factor in bins[0]]
    gain = [
        [h + _entropy(code) - _entropy(factor * BINS + code) for code in bins[1]]
        for h, factor in zip(entropy, bins[0], strict=True)
    ]
    return _lead(np.array(gain) / np.maximum(entropy, 1e-12)[:, None])


def _lead(found: np.ndarray) -> float:
    best = np.sort(np.column_stack([found, np.zeros(len(found))]), 1)  # of one code the second best is none
    return float((best[:, -1] - best[:, -2]).mean())


def _bin(x: np.ndarray) -> np.ndarray:
    return np.digitize(x, np.linspace(x.min(), x.max(), BINS + 1)[1:-1])


def _entropy(codes: np.ndarray) -> float:
    return float(special.entr(np.bincount(codes) / len(codes)).sum())


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
