"""Contrastive learning on a stochastic block model: the optimal geometry, of the population and of one graph.

Nodes have blocks k = 1..K of shares π_k, and an edge, a positive pair, between blocks k and l has probability α_kl.
Unit vectors h minimise the contrastive loss of Maity et al. (2024, section 3.2).  In the population the loss is convex
in the cosines G = h hᵀ, which range over all correlation matrices where the dimension is at least K: a solution is
certified by the dual matrix of that convex problem.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import brentq
from torch import Tensor

from lib import checks
from lib.geometry.newton import Certificate, Optimum, minimise

OBJECTIVES = ("population", "as_coded", "groups", "anchors")


@dataclass(frozen=True)
class Terms:
    """L(G) = Σ_k p_k [−Σ_l A_kl G_kl / τ + log Σ_l q_l exp(G_kl / τ)]: p, q (..., K); A (..., K, K)."""

    p: Tensor
    a: Tensor
    q: Tensor
    tau: Tensor

    def loss(self, g: Tensor) -> Tensor:
        """The loss (...) of cosines (..., K, K)."""
        scaled = g / self.tau[..., None, None]
        return (self.p * (torch.logsumexp(scaled + self.q.log()[..., None, :], -1) - (self.a * scaled).sum(-1))).sum(-1)

    def softmax(self, g: Tensor) -> Tensor:
        """q_l exp(G_kl / τ), every row divided by its sum."""
        return (g / self.tau[..., None, None] + self.q.log()[..., None, :]).softmax(-1)

    def slope(self, g: Tensor) -> Tensor:
        """∂L/∂G + its transpose: half the gradient in h is this matrix times h, over two."""
        d = self.p[..., None] * (self.softmax(g) - self.a) / self.tau[..., None, None]
        return d + d.mT

    def change(self, g: Tensor, dg: Tensor) -> Tensor:
        """The derivative of ``slope`` in the direction dg (..., K, K)."""
        s = self.softmax(g)
        d = self.p[..., None] * s * (dg - (s * dg).sum(-1, keepdim=True)) / self.tau[..., None, None] ** 2
        return d + d.mT

    def of(self, rows: Tensor) -> "Terms":
        """The problems of a flat batch that are marked."""
        return Terms(self.p[rows], self.a[rows], self.q[rows], self.tau[rows])


def terms(shares, connectivity, tau=1.0, objective: str = "population") -> Terms:
    """The problem of block shares π (..., K), connectivity α (..., K, K) and temperature τ (...), float64.

    "population": p = q = π, A_kl = α_kl π_l / w_k with w_k = Σ_l α_kl π_l: the limit of the loss on a graph.
    "as_coded": q = 1 and A_kl = π_k α_kl / w_k: what the public theory script minimises, where π multiplies rows.
    "groups": anchors, neighbours and negatives weighted by 1/π, so that all shares become 1/K.
    "anchors": the anchors alone weighted by 1/π, p = 1/K.
    ValueError: shares that are not positive or do not sum to 1, a connectivity that is not symmetric, leaves [0, 1] or
    leaves a block without edges, τ that is not positive, an unknown objective.
    """
    given = {"shares": shares, "connectivity": connectivity, "tau": tau}
    pi, alpha, tau = (torch.as_tensor(checks.numbers(name, v)) for name, v in given.items())
    if pi.ndim < 1 or alpha.ndim < 2 or 0 in (*pi.shape, *alpha.shape, *tau.shape):
        raise ValueError(f"shares {tuple(pi.shape)}, connectivity {tuple(alpha.shape)}: (..., K), (..., K, K) expected")
    if objective not in OBJECTIVES:
        raise ValueError(f"objective={objective!r} is unknown; known are {', '.join(OBJECTIVES)}")
    if not (pi > 0).all() or ((pi.sum(-1) - 1).abs() > 1e-9).any():
        raise ValueError(f"shares={str(pi.tolist())[:80]} must be positive and sum to 1")
    if alpha.shape[-2:] != (pi.shape[-1],) * 2 or not torch.equal(alpha, alpha.mT):
        raise ValueError(f"connectivity of shape {tuple(alpha.shape)} must be symmetric, one row a block of shares")
    if not ((alpha >= 0) & (alpha <= 1)).all():
        raise ValueError(f"connectivity={str(alpha.tolist())[:80]} must lie in [0, 1]")
    if not (tau > 0).all() or not torch.isfinite(tau).all():
        raise ValueError(f"tau={str(tau.tolist())[:80]} must be positive and finite")
    batch = np.broadcast_shapes(pi.shape[:-1], alpha.shape[:-2], tau.shape)
    pi, alpha, tau = pi.expand(*batch, -1), alpha.expand(*batch, -1, -1), tau.expand(batch)
    uniform = torch.full_like(pi, 1 / pi.shape[-1])
    if objective == "groups":
        pi = uniform
    weight = (alpha * pi[..., None, :]).sum(-1, keepdim=True)
    if not (weight > 0).all():
        raise ValueError("a block has no edge to any block; give each row of connectivity a positive entry")
    if objective == "as_coded":
        return Terms(pi, pi[..., None] * alpha / weight, torch.ones_like(pi), tau)
    return Terms(uniform if objective == "anchors" else pi, alpha * pi[..., None, :] / weight, pi, tau)


def population_optimum(
    shares, connectivity, tau=1.0, objective: str = "population", dim: int | None = None, starts: int = 5
) -> Optimum:
    """The unit vectors h_1..h_K that minimise the population loss (Maity et al. 2024, section 3.2), batched.

    shares (..., K), connectivity (..., K, K), tau (...), objective: see ``terms``; leading axes are broadcast.
    dim: of the vectors, K by default; from K on nothing is gained.  starts: random starts; a problem that is certified
    needs no further one, below dimension K the best of all is kept.
    Newton's method on the product of spheres, in directions of negative curvature too.  ValueError: see ``terms``;
    dim below 1.
    """
    problem = terms(shares, connectivity, tau, objective)
    batch, k = problem.p.shape[:-1], problem.p.shape[-1]
    dim = k if dim is None else dim
    checks.number("dim", dim, 1, whole=True)
    checks.number("starts", starts, 1, whole=True)
    flat = Terms(
        problem.p.reshape(-1, k), problem.a.reshape(-1, k, k), problem.q.reshape(-1, k), problem.tau.reshape(-1)
    )
    found = minimise(flat, (len(flat.p), k, dim), starts)
    shaped = {name: value.reshape(batch) for name, value in vars(found.certificate).items()}
    return Optimum(found.vectors.reshape(*batch, k, dim), found.loss.reshape(batch), Certificate(**shaped))


def vanishing_share_cosine(alpha_ratio, tau=1.0) -> np.ndarray:
    """cos(h_1, h_2) as the share of block 1 goes to 0, for three blocks.

    Blocks 2 and 3 of equal share and equal α_22 = α_33, α_13 = α_23 = 0, alpha_ratio r = α_12 / α_22 in (0, 1]: then
    h_3 = −h_2 and the cosine c solves 1 + r = tanh(c/τ) + sinh(c/τ) / cosh(1/τ), or is 1 where c would exceed it:
    from r = 2 tanh(1/τ) − 1 on, block 1 collapses into block 2.  At r = 0 block 1 has only its own edges and c = 0:
    the limit jumps there.  Broadcast over both arguments.  ValueError: a ratio outside [0, 1], τ not positive.
    """
    ratio, tau = np.broadcast_arrays(checks.numbers("alpha_ratio", alpha_ratio), checks.numbers("tau", tau))
    if not ((ratio >= 0) & (ratio <= 1)).all() or not (tau > 0).all():
        raise ValueError(f"alpha_ratio={alpha_ratio!r} must lie in [0, 1] and tau={tau!r} above 0")

    def excess(c: float, r: float, t: float) -> float:  # sinh(c/t) / cosh(1/t) without overflow
        return math.tanh(c / t) + (math.exp((c - 1) / t) - math.exp(-(c + 1) / t)) / (1 + math.exp(-2 / t)) - 1 - r

    def solve(r: float, t: float) -> float:
        if r == 0:
            return 0.0
        return 1.0 if excess(1, r, t) <= 0 else brentq(excess, 0, 1, (r, t), xtol=1e-15)

    return np.vectorize(solve, otypes=[float])(ratio, tau)


def full_collapse_ratio(tau=1.0) -> np.ndarray:
    """The least α_12 / α_22 at which a vanishing block collapses into its neighbour: 2 tanh(1/τ) − 1, at least 0."""
    tau = checks.numbers("tau", tau)
    if not (tau > 0).all():
        raise ValueError(f"tau={str(tau.tolist())[:80]} must be above 0")
    return np.maximum(2 * np.tanh(1 / tau) - 1, 0)


def descend(gradient, v: Tensor, steps: int, rate: float, power: float) -> Tensor:
    """Plain gradient steps of size rate (i + 1)^−power, divided by the length after each, as the public scripts take.

    gradient: from unit vectors (..., n, d) to the Euclidean gradient of the same shape.
    """
    checks.tensors(v=(v, "... n d", checks.REAL))
    checks.number("steps", steps, 0, whole=True)
    checks.number("rate", rate)
    checks.number("power", power)
    for i in range(steps):
        v = F.normalize(v - rate * (i + 1) ** -power * gradient(v), dim=-1)
    return v
