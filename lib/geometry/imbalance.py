"""The optimal geometry of supervised contrastive learning for any class proportions, and where minorities collapse.

Class k has the share π_k and one unit vector; a negative has the label j with probability q_kj given an anchor of class
k; M negatives are drawn.  The least loss

    L(G) = Σ_k π_k E_{j ~ q_k^M} ψ(G_kj₁ − G_kk, …, G_kj_M − G_kk)

over correlation matrices G is a convex problem (Nguyen et al. 2026 have one; this form is derived here).  The programme
is solved by vectors on the spheres and certified by its dual; ``lib.geometry.convex`` solves it again by cvxpy.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.stats import binom
from torch import Tensor

from lib import checks
from lib.geometry.newton import Certificate, Optimum, minimise

LAWS = ("label_aware", "iid")
LOSSES = ("infonce", "triplet", "linear", "exponential")
MARGIN = 1.0  # of the triplet loss
ROUNDING = 0.01  # width δ at which the solver rounds the corner of the triplet loss; its value moves by at most δ log 2
STEP = 0.25  # of the trapezoidal rule in log s: its error is of order exp(−π² / STEP)


@dataclass(frozen=True)
class Programme:
    """L(G) = Σ_k p_k L_k(t), t_kj = G_kj − 1, for a flat or shaped batch: p (..., K), q (..., K, K), tau (...).

    InfoNCE with M negatives: ψ = log(1 + Σ_i e^{t_i/τ}); M = ∞: the limit of ψ − log M, log Σ_j q_kj e^{t_kj/τ}.
    The other losses are means over the negatives, so that L does not depend on M: triplet max(0, t + margin), here with
    its corner rounded, δ log(1 + e^{(t + margin)/δ}); linear t; exponential e^{t/τ}.
    """

    p: Tensor
    q: Tensor
    tau: Tensor
    negatives: float
    kind: str
    margin: float = MARGIN

    def loss(self, g: Tensor) -> Tensor:
        """L (...) of cosines (..., K, K)."""
        t, tau = g - 1, self.tau[..., None, None]
        if self.kind != "infonce" or self.negatives == 1:
            return (self.p * (self.q * self._psi(t, tau)[0]).sum(-1)).sum(-1)
        if math.isinf(self.negatives):
            return (self.p * torch.logsumexp(t / tau + self.q.log(), -1)).sum(-1)
        s, weight = self._nodes()
        rest = self._short(t, s)
        return (self.p * -(torch.expm1(self.negatives * torch.log1p(-rest)) * weight).sum(-1)).sum(-1)

    def slope(self, g: Tensor) -> Tensor:
        """∂L/∂G + its transpose, (..., K, K)."""
        d = self.partial(g)
        return d + d.mT

    def partial(self, g: Tensor) -> Tensor:
        """∂L/∂G_kj as if row k were free, (..., K, K): entry (k, j) is what anchor k adds."""
        t, tau = g - 1, self.tau[..., None, None]
        if self.kind != "infonce" or self.negatives == 1:
            return self.p[..., None] * self.q * self._psi(t, tau)[1]
        if math.isinf(self.negatives):
            return self.p[..., None] * (t / tau + self.q.log()).softmax(-1) / tau
        return self.p[..., None] * self._moments(t)[0]

    def change(self, g: Tensor, dg: Tensor) -> Tensor:
        """The derivative of ``slope`` in the directions dg (..., K, K)."""
        t, tau = g - 1, self.tau[..., None, None]
        if self.kind != "infonce" or self.negatives == 1:
            d = self.q * self._psi(t, tau)[2] * dg
        elif math.isinf(self.negatives):
            s = (t / tau + self.q.log()).softmax(-1)
            d = s * (dg - (s * dg).sum(-1, keepdim=True)) / tau**2
        else:
            _, own, cross = self._moments(t)
            d = own * dg - (cross @ dg[..., None])[..., 0]
        d = self.p[..., None] * d
        return d + d.mT

    def of(self, rows: Tensor) -> "Programme":
        """The problems of a flat batch that are marked or listed."""
        return Programme(self.p[rows], self.q[rows], self.tau[rows], self.negatives, self.kind, self.margin)

    def flat(self) -> "Programme":
        """The problems of a shaped batch in one row."""
        p, q = self.p.reshape(-1, self.p.shape[-1]), self.q.reshape(-1, *self.q.shape[-2:])
        return Programme(p, q, self.tau.reshape(-1), self.negatives, self.kind, self.margin)

    def _psi(self, t: Tensor, tau: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """ψ of one negative and its first two derivatives."""
        if self.kind == "linear":
            return t, torch.ones_like(t), torch.zeros_like(t)
        if self.kind == "exponential":
            e = (t / tau).exp()
            return e, e / tau, e / tau**2
        shift, width = (self.margin, torch.full_like(tau, ROUNDING)) if self.kind == "triplet" else (0.0, tau)
        x = (t + shift) / width
        first, scale = x.sigmoid(), width if self.kind == "triplet" else 1.0
        slope = first if self.kind == "triplet" else first / width
        return scale * torch.nn.functional.softplus(x, threshold=40), slope, slope * (1 - first) / width

    def _nodes(self) -> tuple[Tensor, Tensor]:
        """Points s and weights of ∫₀^∞ e^{−s} (…)/s ds by the trapezoidal rule in log s, (S,) each."""
        low = -37.0 - math.log(self.negatives)
        u = torch.arange(low, 4.0, STEP, dtype=torch.float64)
        return u.exp(), STEP * (-u.exp()).exp()

    def _short(self, t: Tensor, s: Tensor) -> Tensor:
        """1 − φ(s) with φ(s) = Σ_j q_kj exp(−s e^{t_kj/τ}): (..., K, S)."""
        x = (t / self.tau[..., None, None]).exp()
        return -(self.q[..., None] * torch.expm1(-s * x[..., None])).sum(-2).clamp(min=2**-53 - 1)

    def _moments(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of ∫ e^{−s} (1 − φ^M) / s ds: gradient (..., K, K), second derivatives, own and cross (..., K, K, K)."""
        s, weight = self._nodes()
        m, tau = self.negatives, self.tau[..., None, None, None]
        log_phi = torch.log1p(-self._short(t, s))[..., None, :]  # (..., K, 1, S)
        sx = s * (t[..., None] / tau).exp()
        a = self.q[..., None] * sx * (-sx).exp() / tau  # −∂φ/∂t, (..., K, K, S)
        first = weight * m * ((m - 1) * log_phi).exp()
        second = weight * m * (m - 1) * ((m - 2) * log_phi).exp()
        return (first * a).sum(-1), (first * a * (1 - sx) / tau).sum(-1), (second * a) @ a.mT


def programme(
    shares, tau=1.0, negatives: float = math.inf, law: str = "label_aware", loss: str = "infonce"
) -> Programme:
    """The problem of class shares π (..., K) and temperature τ (...), float64; leading axes are broadcast.

    negatives: M ≥ 1, or ``math.inf``.  law: "label_aware", q_kj = π_j / (1 − π_k) for j ≠ k; "iid", q_kj = π_j with the
    anchor's own class.  ValueError: shares that are not positive or do not sum to 1, fewer than two classes, τ ≤ 0,
    M < 1 or not whole, an unknown law or loss.
    """
    pi, tau = (torch.as_tensor(checks.numbers(name, v)) for name, v in (("shares", shares), ("tau", tau)))
    check(law=law, loss=loss, negatives=negatives, tau=tau)
    if pi.ndim == 0 or pi.shape[-1] < 2 or 0 in (*pi.shape, *tau.shape):
        raise ValueError(f"shares={pi.tolist()} must hold at least two classes, tau={tau.tolist()} a temperature")
    if not (pi > 0).all() or ((pi.sum(-1) - 1).abs() > 1e-9).any():
        raise ValueError(f"shares={str(pi.tolist())[:80]} must be positive and sum to 1; divide them by their sum")
    batch = np.broadcast_shapes(pi.shape[:-1], tau.shape)  # ValueError where they do not fit
    pi, tau = pi.expand(*batch, -1), tau.expand(batch)
    k = pi.shape[-1]
    q = pi[..., None, :].expand(*batch, k, k)
    if law == "label_aware":
        q = q * (1 - torch.eye(k, dtype=torch.float64))
        q = q / q.sum(-1, keepdim=True)
    return Programme(pi, q, tau, negatives, loss)


def check(law: str, loss: str, negatives: float, tau) -> None:
    """ValueError for an unknown law or loss, M < 1 or not whole, τ that is not positive and finite."""
    for name, value, known in (("law", law, LAWS), ("loss", loss, LOSSES)):
        if value not in known:
            raise ValueError(f"{name}={value!r} is unknown; known are {', '.join(known)}")
    if negatives != math.inf:
        checks.number("negatives", negatives, 1, whole=True)
    tau = checks.numbers("tau", tau)
    if not (tau > 0).all():
        raise ValueError(f"tau={str(tau.tolist())[:80]} must be positive and finite")


def optimum(
    shares,
    tau=1.0,
    negatives: float = math.inf,
    law: str = "label_aware",
    loss: str = "infonce",
    dim: int | None = None,
    starts: int = 5,
) -> Optimum:
    """The unit vectors of the classes that minimise the loss, batched: see ``programme``; dim is K by default.

    Newton's method on the product of spheres; the certificate's gap bounds the loss above that of any representation in
    any dimension (of the rounded loss, for the triplet).  ValueError: see ``programme``; dim or starts below 1.
    """
    problem = programme(shares, tau, negatives, law, loss)
    batch, k = problem.p.shape[:-1], problem.p.shape[-1]
    dim = k if dim is None else dim
    checks.number("dim", dim, 1, whole=True)
    checks.number("starts", starts, 1, whole=True)
    flat = problem.flat()
    found = minimise(flat, (len(flat.p), k, dim), starts)
    shaped = {name: value.reshape(batch) for name, value in vars(found.certificate).items()}
    return Optimum(found.vectors.reshape(*batch, k, dim), found.loss.reshape(batch), Certificate(**shaped))


def optimal_gram(
    shares, tau=1.0, negatives: float = math.inf, law: str = "label_aware", loss: str = "infonce"
) -> Tensor:
    """The cosines (..., K, K) of the optimal class vectors: see ``optimum``.

    RuntimeError: an optimum that could not be certified (where it matters less, take ``optimum`` and its certificate).
    """
    found = optimum(shares, tau, negatives, law, loss)
    if not found.certificate.converged.all():
        gap = float(found.certificate.gap.max())
        raise RuntimeError(f"the optimum is certified only to {gap:.1e}; use geometry.optimum with more starts")
    return found.cosines


def slope_ratio(tau: float, loss: str = "infonce") -> float:
    """r = ψ'(−2) / ψ'(0) of one negative: how much of the loss's pull is left between antipodes."""
    check(LAWS[0], loss, 1, tau)
    checks.number("tau", tau)
    if loss == "linear":
        return 1.0
    if loss == "triplet":
        return 1.0 if MARGIN >= 2 else 0.0
    e = math.exp(-2 / tau)
    return e if loss == "exponential" else 2 * e / (1 + e)


def collapse_threshold(
    minorities: int, tau: float, negatives: float, law: str = "label_aware", loss: str = "infonce"
) -> float:
    """R*: one majority class, R times as frequent as each of B minority classes, collapses these from R* on.

    Closed forms at M = 1 and M = ∞ and for losses that are means over negatives, the root of exact binomial sums
    otherwise; ``math.inf`` where no R does.  ValueError: B < 2 (one minority has nothing to collapse with), and see
    ``programme``.
    """
    check(law, loss, negatives, tau)
    b = minorities
    checks.number("minorities", b, 2, whole=True)
    checks.number("tau", tau)
    if loss != "infonce" or negatives == 1:
        r = slope_ratio(tau, loss)
        if r == 0:
            return math.inf
        half = (2 * b - 1) / 2
        return b / r if law == "iid" else 2 * b * b / r / (half + math.sqrt(half**2 + 2 * b * b / r))
    e = math.exp(-2 / tau)
    if math.isinf(negatives) and law == "label_aware":  # εR² + (B − 1 + Bε)R = 2B²
        half = (b - 1 + b * e) / 2
        return 2 * b * b / (half + math.sqrt(half**2 + 2 * b * b * e))
    if math.isinf(negatives):  # 2 − ρε = ρε(1 + ρε)/(ρ + ε), ρ = R/B
        half = (2 - e - e * e) / 2
        if e == 0:
            return math.inf
        return b * (half + math.sqrt(half**2 + 2 * e * e * (1 + e))) / (e * (1 + e))

    def excess(log_r: float) -> float:
        away, together = pulls(b, math.exp(log_r), tau, int(negatives), law)
        return together - (b - 1) / (2 * b) * away

    return ratio_at(excess, 600)


def ratio_at(excess, highest: float) -> float:
    """R at the root log R of ``excess``, positive below it; ``math.inf`` where none is found up to ``highest``."""
    high = 1.0
    while excess(high) > 0:
        high *= 2
        if high > highest:
            return math.inf
    return math.exp(brentq(excess, 0.0, high, xtol=1e-14, rtol=1e-14))


def pulls(minorities: int, ratio: float, tau: float, negatives: int, law: str) -> tuple[float, float]:
    """∂L/∂c and ∂L/∂b of InfoNCE at the collapse (b, c) = (1, −1), times τ/p, by sums over the binomial law.

    Among M negatives n are of minority classes; those beyond 12 standard deviations and 40 of the mean are left out.
    """
    b, e = minorities, math.exp(-2 / tau)
    share = (b - 1) / (ratio + b - 1) if law == "label_aware" else b / (ratio + b)
    mean, sd = negatives * share, math.sqrt(negatives * share * (1 - share))
    n = np.arange(max(0, math.floor(mean - 12 * sd - 40)), min(negatives, math.ceil(mean + 12 * sd + 40)) + 1)
    chance, m = binom.pmf(n, negatives, share), negatives - n
    if law == "label_aware":
        others, of_majority = 1.0, negatives * e / (1 + negatives * e)
    else:
        others, of_majority = (b - 1) / b, float((chance * n * e / (1 + n * e + m)).sum())
    away = ratio * of_majority + b * float((chance * m * e / (1 + n + m * e)).sum())
    return away, b * others * float((chance * n / (1 + n + m * e)).sum())
