"""The same convex programmes by a general solver, cvxpy: the check of ``lib.geometry``, and two relatives of it.

The Gram matrix itself is the variable, so there are no vectors, no starts and no dimension.
"""

import math
import warnings

import cvxpy as cp
import numpy as np

from lib.geometry import imbalance

TOLERANCES = {"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12, "reduced_tol_gap_abs": 1e-9}


def gram(
    shares,
    tau: float = 1.0,
    negatives: float = math.inf,
    law: str = "label_aware",
    loss: str = "infonce",
    nonnegative: bool = False,
) -> tuple[np.ndarray, float]:
    """The optimal Gram matrix (K, K) and the loss by Clarabel, for M = 1 and M = ∞, and the other losses.

    nonnegative: cosines of non-negative features; G ≥ 0 is necessary for these.  The triplet's corner is not rounded.
    ValueError: a finite M above 1 with InfoNCE, and see ``geometry.programme``.  RuntimeError: not solved.
    """
    if loss == "infonce" and not math.isinf(negatives) and negatives != 1:
        raise ValueError(f"negatives={negatives!r}: cvxpy has InfoNCE for 1 and math.inf alone")
    problem = imbalance.programme(shares, tau, negatives, law, loss)
    p, q = problem.p.numpy(), problem.q.numpy()
    k = len(p)
    g = cp.Variable((k, k), PSD=True)
    t = g - 1
    if loss == "infonce" and math.isinf(negatives):
        rows = [[j for j in range(k) if q[i, j] > 0] for i in range(k)]
        terms = [p[i] * cp.log_sum_exp(t[i, rows[i]] / tau + np.log(q[i, rows[i]])) for i in range(k)]
        total = cp.sum(cp.hstack(terms))
    else:
        psi = {
            "infonce": lambda x: cp.logistic(x / tau),
            "triplet": lambda x: cp.pos(x + imbalance.MARGIN),
            "linear": lambda x: x,
            "exponential": lambda x: cp.exp(x / tau),
        }[loss]
        total = cp.sum(cp.multiply(p[:, None] * q, psi(t)))
    constraints = [cp.diag(g) == 1] + ([g >= 0] if nonnegative else [])
    value = _solve(cp.Problem(cp.Minimize(total), constraints))
    return np.asarray(g.value), value


def layer_peeled(
    shares, features: float, classifiers: float, adjusted: bool = False
) -> tuple[np.ndarray, np.ndarray, float]:
    """The layer-peeled model of cross-entropy (Fang et al. 2021): cosines of features and of classifiers, and the loss.

    min Σ_k π_k [log Σ_j exp X_{k,K+j} − X_{k,K+k}] over X ⪰ 0 of 2K rows, the features first, with
    tr X_HH ≤ K·features and tr X_WW ≤ K·classifiers.  Exact in dimension 2K and more.  adjusted: log π_j is added to
    the logit of class j in the loss (Menon et al. 2021).  Returns two (K, K) matrices; a vector of length 0 has cosines
    NaN.  ValueError: shares that do not sum to 1, budgets that are not positive.
    """
    p = np.asarray(shares, float)
    if not (p > 0).all() or abs(p.sum() - 1) > 1e-9:
        raise ValueError(f"shares={p.tolist()} must be positive and sum to 1; divide them by their sum")
    if not (features > 0 and classifiers > 0):
        raise ValueError(f"features={features!r}, classifiers={classifiers!r}: both budgets must be positive")
    k = len(p)
    x = cp.Variable((2 * k, 2 * k), PSD=True)
    logits = x[:k, k:] + np.log(p)[None].repeat(k, 0) if adjusted else x[:k, k:]
    total = cp.sum(cp.hstack([p[i] * (cp.log_sum_exp(logits[i]) - logits[i, i]) for i in range(k)]))
    budgets = [cp.trace(x[:k, :k]) <= k * features, cp.trace(x[k:, k:]) <= k * classifiers]
    value = _solve(cp.Problem(cp.Minimize(total), budgets))
    return _cosines(x.value[:k, :k]), _cosines(x.value[k:, k:]), value


def seli(shares) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of features and of classifiers (K, K) where logits are simplex-encoded labels, at class shares π (K,).

    Thrampoulidis et al. (2022): cross-entropy that is minimised without a penalty ends in the direction of the logits
    Z of least nuclear norm whose margins are 1 or more, and these are the one-hot labels less 1 / K, whatever the
    shares.  With Z = U Λ Vᵀ the features have the Gram matrix V Λ Vᵀ, the classifiers U Λ Uᵀ: with one column a class,
    times √π, the roots of ZᵀZ and of ZZᵀ.  ValueError: shares that are not positive or do not sum to 1.
    """
    p = np.asarray(shares, float)
    if not (p > 0).all() or abs(p.sum() - 1) > 1e-9:
        raise ValueError(f"shares={p.tolist()} must be positive and sum to 1; divide them by their sum")
    z = (np.eye(len(p)) - 1 / len(p)) * np.sqrt(p)
    u, size, v = np.linalg.svd(z)
    return _cosines(v.T * size @ v), _cosines(u * size @ u.T)


def _solve(problem: cp.Problem) -> float:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Solution may be inaccurate")  # of tolerances below the solver's own
        problem.solve(solver=cp.CLARABEL, **TOLERANCES)
    if problem.status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE):
        raise RuntimeError(f"cvxpy ended with status {problem.status!r}; the programme is not solved")
    return float(problem.value)


def _cosines(gram_: np.ndarray) -> np.ndarray:
    length = np.sqrt(np.clip(np.diag(gram_), 0, None))
    length = np.where(length > 1e-6 * max(length.max(), 1e-300), length, np.nan)
    return gram_ / np.outer(length, length)
