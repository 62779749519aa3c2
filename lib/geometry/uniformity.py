"""Exact values of the uniformity measure of Wang & Isola (2020), and of their Theorem 1 at finitely many negatives.

The measure of a distribution on unit vectors is U_t = log E exp(-t ||u - v||^2), u and v drawn apart.
"""

import math

import numpy as np
import torch
from scipy import special
from torch import Tensor

from lib.geometry.newton import Certificate, Optimum

STEP, LOWEST, HIGHEST = 0.02, -45.0, 8.0  # grid over log u of the integral in ``mean_log_sum``


def uniformity_of_sphere(dim: int, t: float = 2.0) -> float:
    """U_t of the uniform distribution on the unit vectors of R^dim: log 0F1(; dim/2; t^2) - 2t.

    dim >= 1 (1: the two points, each with probability 1/2); t > 0.  The series of 0F1 is summed in logarithms, so that
    nothing under- or overflows: tested up to dim = 10^6 and t = 100.
    """
    return log_mgf(dim, 2 * _positive("t", t)) - 2 * t


def log_mgf(dim: int, kappa: float) -> float:
    """log E exp(kappa u.v) for u uniform on the unit vectors of R^dim and v any unit vector: log 0F1(; d/2; kappa^2/4).

    Equal to log[Gamma(d/2) (2/kappa)^(d/2 - 1) I_{d/2 - 1}(kappa)].  dim >= 1; kappa >= 0.
    """
    d = _at_least("dim", dim, 1)
    if kappa == 0:
        return 0.0
    z = _positive("kappa", kappa) ** 2 / 4
    k = np.arange(1, int(4 * math.sqrt(z)) + 60)  # ratios of terms are below 1/4 from there on
    terms = np.concatenate([[0.0], np.cumsum(np.log(z) - np.log(k) - np.log(d / 2 + k - 1))])
    return float(special.logsumexp(terms))


def uniformity_of_simplex(n: int, t: float = 2.0) -> float:
    """Mean over pairs i != j of n >= 2 unit vectors in a regular simplex, log of it: -2 t n / (n - 1), the optimum."""
    return -2 * _positive("t", t) * _at_least("n", n, 2) / (n - 1)


def uniformity_of_classes(classes: int, t: float = 2.0, per_class: float = math.inf) -> float:
    """As ``uniformity_of_simplex``, with per_class points on each of so many corners of a simplex.

    log[s + (1 - s) exp(-2 t K / (K - 1))], s = (m - 1) / (K m - 1) the share of pairs of one class (1/K for m = inf).
    """
    far = uniformity_of_simplex(_at_least("classes", classes, 2), t)
    m = _at_least("per_class", per_class, 1)
    same = 1 / classes if math.isinf(m) else (m - 1) / (classes * m - 1)
    return float(np.logaddexp(math.log(same) if same else -math.inf, math.log1p(-same) + far))


def uniformity_of_spikes(n: int, t: float = 2.0) -> float:
    """U_t of n >= 1 equal, evenly spaced atoms on the circle: log (1/n) sum_k exp(-2 t (1 - cos(2 pi k / n)))."""
    turn = 2 * np.pi * np.arange(_at_least("n", n, 1)) / n
    return float(special.logsumexp(-2 * _positive("t", t) * (1 - np.cos(turn))) - math.log(n))


def spikes_gap(n: int, t: float = 2.0) -> float:
    """What the measure sees of n spikes: U_t(spikes) - U_t(circle) = log(1 + 2 sum_{m >= 1} I_{mn}(2t) / I_0(2t)).

    The kernel exp(-t ||u - v||^2) has the Fourier coefficients exp(-2t) I_m(2t), and n spikes have only those whose
    order is a multiple of n; the gap is computed from them, so that it is exact where it is far below 1.
    """
    _at_least("n", n, 1)
    orders = n * np.arange(1, int(20 * (1 + math.sqrt(_positive("t", t)) + t) / n) + 3)
    return float(np.log1p(2 * special.ive(orders, 2 * t).sum() / special.ive(0, 2 * t)))


def limit(dim: int, tau: float, positive: float = 1.0) -> float:
    """Theorem 1's limit of L - log M for uniform features in R^dim: -positive / tau + log E exp(u.v / tau).

    positive: the cosine of every positive pair.
    """
    return -_cosine("positive", positive) / _positive("tau", tau) + log_mgf(dim, 1 / tau)


def contrastive(dim: int, tau: float, negatives: int, positive: float = 1.0) -> float:
    """L - log M at M negatives, exactly, for features uniform on the unit vectors of R^dim, dim >= 2.

    L = E log[exp(s/tau) + sum_{i <= M} exp(u_i.v / tau)] - s / tau with s the cosine of every positive pair.
    """
    nodes, weights = _cosines(dim)
    extra = math.exp(_cosine("positive", positive) / _positive("tau", tau))
    return mean_log_sum(np.exp(nodes / tau), weights, extra, negatives) - positive / tau


def mean_log_sum(values, weights, extra, m: int, extra_weights=(1.0,)) -> float:
    """E log[(Y + X_1 + ... + X_m) / m], independent: X > 0 takes values (k,) with probabilities weights (k,).

    extra: the value of Y, or its values (l,) with probabilities extra_weights (l,).  From
    log S = int_0^inf (exp(-u) - exp(-u S)) du / u, the expectations of exp(-u X) and exp(-u Y) are sums, and the
    integral over log u is taken by the trapezoidal rule, which converges exponentially here.
    ValueError: m < 1, a value of X not above 0, one of Y below 0, probabilities that do not sum to 1.
    """
    values, weights = np.asarray(values, float), np.asarray(weights, float)
    extra, chances = np.atleast_1d(np.asarray(extra, float)), np.asarray(extra_weights, float)
    m = _at_least("m", m, 1)
    if values.min() <= 0 or extra.min() < 0:
        raise ValueError(f"values from {values.min()} and extra={extra} are expected above 0; exponentiate the cosines")
    for given in (weights, chances):
        if abs(given.sum() - 1) > 1e-9:
            raise ValueError(f"weights sum to {given.sum()}, not to 1; divide by their sum")
    scale = float(weights @ values)  # of the mean: keeps the integrand where the grid is
    u = np.exp(np.arange(LOWEST, HIGHEST, STEP))
    with np.errstate(under="ignore"):
        one = np.expm1(-u[:, None] / (m * scale) * values) @ weights  # E exp(-uX) - 1
        first = np.exp(-u[:, None] / (m * scale) * extra) @ chances  # E exp(-uY)
        inside = np.exp(-u) - first * np.exp(m * np.log1p(np.maximum(one, -1 + 1e-15)))
    return float(inside.sum() * STEP + math.log(scale))


def first_order(dim: int, tau: float, positive: float = 1.0) -> float:
    """The constant c of L - log M - limit = c / M + O(M^-2): exp(s/tau) / mu - Var / (2 mu^2).

    mu and Var are those of exp(u.v / tau); the first term is the positive pair's own place in the sum, the second the
    bias of the logarithm of a mean (second-order delta method).
    """
    log_mu, log_square = log_mgf(dim, 1 / _positive("tau", tau)), log_mgf(dim, 2 / tau)
    return math.exp(_cosine("positive", positive) / tau - log_mu) - math.expm1(log_square - 2 * log_mu) / 2


def measured(x: Tensor, y: Tensor, tau: float, ms: list[int], draws: int = 32, seed: int = 0) -> tuple[Tensor, Tensor]:
    """L - log M less Theorem 1's limit, on features, with M negatives drawn with replacement from the rows of x.

    x, y: (n, d) unit features of two views; every y_i is an anchor with the positive x_i, so that the rows of x are the
    whole distribution and the limit is a finite sum.  ms: numbers of negatives, rising.  The first-order part of each
    draw, (mean - its expectation) / its expectation, has expectation 0 and is taken off: what is left has little noise.
    Returns the gap (len(ms),) and the root mean square (len(ms),) of what a single anchor and draw is off.
    """
    _positive("tau", tau)
    e = (y.double() @ x.double().mT / tau).exp()  # (anchors, n)
    own, mean = e.diagonal()[:, None], e.mean(1)[:, None, None]  # (anchors, 1), (anchors, 1, 1)
    picked = torch.randint(len(x), (len(y), draws * max(ms)), generator=torch.Generator().manual_seed(seed))
    sums = e.gather(1, picked).view(len(y), draws, max(ms)).cumsum(2)[..., [m - 1 for m in ms]]  # (anchors, draws, ms)
    m = torch.tensor(ms, dtype=torch.float64)
    off = ((sums + own[:, None]) / m / mean).log()
    return (off - (sums / m / mean - 1)).mean((0, 1)), off.square().mean((0, 1)).sqrt()


def between(x: Tensor, y: Tensor, t: float = 2.0) -> Tensor:
    """log of the mean over pairs of exp(-t ||x_i - y_j||^2): the measure across two sets of features (n, d), (m, d)."""
    near = -_positive("t", t) * torch.cdist(x, y).square()
    return near.flatten().logsumexp(0) - math.log(near.numel())


def stable_share(correlation: float, t: float = 2.0) -> float:
    """The share w below which collapse is locally stable under (1 - w) alignment(2) + w uniformity(t).

    w* = (1 - rho) / (t + 1 - rho), rho the largest correlation between two views of any way the features can move.
    """
    return (1 - _cosine("correlation", correlation)) / (_positive("t", t) + 1 - correlation)


def linear_correlation(x: Tensor, y: Tensor, ridge: float = 1e-6) -> float:
    """Largest correlation between two views x, y (n, d) of one linear function of the pixels, the same in both.

    The top eigenvalue of the symmetrised cross-covariance relative to the mean covariance, to whose diagonal ``ridge``
    times its mean is added.
    """
    a, b = (v.double() - v.double().mean(0) for v in (x, y))
    within = (a.T @ a + b.T @ b) / 2
    within += ridge * within.diagonal().mean() * torch.eye(len(within), dtype=torch.float64)
    root = torch.linalg.inv(torch.linalg.cholesky(within))
    return float(torch.linalg.eigvalsh(root @ ((a.T @ b + b.T @ a) / 2) @ root.T)[-1])


def optimal_points(n: int, dim: int, t: float = 2.0, seed: int = 0, steps: int = 2000) -> Optimum:
    """n >= 2 unit vectors of R^dim, dim >= 2, that minimise log of the mean over pairs of exp(-t ||x_i - x_j||^2).

    L-BFGS from a random start: a critical point.  Its certificate holds the norm of the Riemannian gradient and the
    gap to -2 t n / (n - 1), which no n unit vectors of any dimension get below; converged: gradient below 1e-6.
    """
    start = torch.randn(_at_least("n", n, 2), _at_least("dim", dim, 2), generator=torch.Generator().manual_seed(seed))
    free, t = start.double().requires_grad_(), _positive("t", t)
    settings = {"max_iter": steps, "tolerance_grad": 1e-9, "tolerance_change": 0, "line_search_fn": "strong_wolfe"}
    search = torch.optim.LBFGS([free], **settings)

    def evaluate() -> Tensor:
        length = free.detach().norm(dim=1, keepdim=True)
        value, slope = _with_slope(free.detach() / length, t)
        free.grad = slope / length
        return value

    search.step(evaluate)
    vectors = torch.nn.functional.normalize(free.detach(), dim=1)
    value, slope = _with_slope(vectors, t)
    nan = torch.tensor(math.nan, dtype=torch.float64)
    gap, size = value - uniformity_of_simplex(n, t), slope.norm()
    return Optimum(vectors, value, Certificate(size, nan, gap, torch.linalg.matrix_rank(vectors), size < 1e-6))


def _with_slope(x: Tensor, t: float) -> tuple[Tensor, Tensor]:
    """log of the mean over pairs i != j of exp(-t ||x_i - x_j||^2) of unit x (n, d), and its Riemannian gradient."""
    near = (2 * t * (x @ x.mT) - 2 * t).exp_().fill_diagonal_(0)
    total = near.sum()
    slope = 4 * t / total * (near @ x)
    slope -= (slope * x).sum(1, keepdim=True) * x
    return total.log() - math.log(len(x) * (len(x) - 1)), slope


def _cosines(dim: int, nodes: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Gegenbauer nodes and probabilities of the cosine of a uniform unit vector of R^dim with a fixed one."""
    x, w = special.roots_jacobi(nodes, *[(_at_least("dim", dim, 2) - 3) / 2] * 2)
    return x, w / w.sum()


def _positive(name: str, value: float) -> float:
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name}={value} is expected above 0 and finite; give a number such as 2.0")
    return float(value)


def _at_least(name: str, value: float, least: int) -> float:
    if not value >= least or (not math.isinf(value) and value != int(value)):
        raise ValueError(f"{name}={value} is expected to be a whole number of at least {least}; give {least} or more")
    return value if math.isinf(value) else int(value)


def _cosine(name: str, value: float) -> float:
    if not -1 <= value <= 1:
        raise ValueError(f"{name}={value} is expected from -1 to 1; divide by the lengths of the features")
    return float(value)
