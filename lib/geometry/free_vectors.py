"""Unit vectors without an encoder: K classes of n images, both views of an image equal, moved to minimise a loss.

The losses of ``lib.losses`` for equal views, batched over settings and float64: a pair of images is made once and
counts as often as it has views.  L_spread = α L_attract + (1 − α) L_repel and SupCon, in the multi-view form, or as the
released code has them, with one view of candidates and a clamp.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from scipy.optimize import brentq
from torch import Tensor

from lib.losses import supervised

MEMORY = 8  # losses among whose largest a step's must not rise
TINY = -1e-9  # an eigenvalue below is negative; rounding is of order 1e-14


@dataclass(frozen=True)
class Objective:
    """S settings side by side, each field a tensor (S,): L_spread with weight α, or SupCon.

    views: 2, anchors and candidates are all views; 1, the released code: candidates are one view of every image, the
    anchor's own among the positives.  clamp: upper bound of the positive logit in the numerator; inf is none.
    """

    temperature: Tensor
    alpha: Tensor
    sup_con: Tensor
    views: Tensor
    clamp: Tensor

    @staticmethod
    def of(temperature, alpha=1.0, sup_con=False, views=2, clamp=torch.inf) -> "Objective":
        """From numbers or tensors, broadcast.  ValueError: τ ≤ 0, α outside [0, 1], views that are not 1 or 2."""
        tau, alpha, views, clamp = (torch.as_tensor(v, dtype=torch.float64) for v in (temperature, alpha, views, clamp))
        if not (tau > 0).all():
            raise ValueError(f"temperature={temperature!r} must be above 0")
        if not ((alpha >= 0) & (alpha <= 1)).all():
            raise ValueError(f"alpha={alpha.tolist()} must lie from 0 to 1")
        if not ((views == 1) | (views == 2)).all():
            raise ValueError(f"views={views.tolist()} must be 1 or 2")
        parts = torch.broadcast_tensors(tau, alpha, torch.as_tensor(sup_con), views, clamp)
        return Objective(*(part.reshape(-1) for part in parts))

    def __len__(self) -> int:
        return len(self.temperature)

    def loss(self, z: Tensor) -> Tensor:
        """Mean over anchors, (S,), of unit vectors z (S, K, n, d)."""
        attract, repel, sup_con = self.parts(z)
        return torch.where(self.sup_con, sup_con, self.alpha * attract + (1 - self.alpha) * repel)

    def parts(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """L_attract, L_repel and SupCon, (S,) each."""
        k, n = z.shape[1:3]
        flat = z.flatten(1, 2)
        tau, views, clamp = (v[:, None, None] for v in (self.temperature, self.views, self.clamp))
        own = torch.eye(k * n, dtype=torch.bool)
        same = torch.eye(k, dtype=torch.bool).repeat_interleave(n, 0).repeat_interleave(n, 1)
        logit = (flat @ flat.mT).masked_fill(own, 1.0) / tau  # (S, N, N), N = K n
        many = torch.where(own, 1.0, views)  # an image other than the anchor's counts once a view
        pairs = supervised.Pairs(logit, many * same, many * ~same, torch.arange(k * n), clamp)
        return pairs.attract.mean(-1), pairs.repel.mean(-1), pairs.sup_con.mean(-1)


def simplex(classes: int, dim: int) -> Tensor:
    """K unit vectors (K, dim), cosine −1/(K − 1) between any two.  ValueError: dim < K − 1."""
    if dim < classes - 1 or classes < 2:
        raise ValueError(f"dim={dim} holds no simplex of {classes} classes; at least {max(classes - 1, 1)} is needed")
    centred = torch.eye(classes, dtype=torch.float64) - 1 / classes
    u, s, _ = torch.linalg.svd(centred)
    rows = F.normalize(u[:, : classes - 1] * s[: classes - 1], dim=1)
    return F.pad(rows, (0, dim - classes + 1))


def collapsed(classes: int, per_class: int, dim: int, noise: float = 0.0, seed: int = 0) -> Tensor:
    """Vectors (K, n, d) at the collapsed simplex, each moved by ``noise`` times a Gaussian, back on the sphere."""
    generator = torch.Generator().manual_seed(seed)
    step = torch.randn(classes, per_class, dim, generator=generator, dtype=torch.float64)
    return F.normalize(simplex(classes, dim)[:, None] + noise * step, dim=-1)


def scattered(classes: int, per_class: int, dim: int, seed: int = 0) -> Tensor:
    """Vectors (K, n, d) drawn uniformly on the sphere, whatever their class."""
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(classes, per_class, dim, generator=generator, dtype=torch.float64), dim=-1)


def within(z: Tensor) -> Tensor:
    """Mean cosine of different images of a class, (...), over all K classes: z (..., K, n, d) unit vectors."""
    n = z.shape[-2]
    total = z.sum(-2).square().sum(-1)  # (..., K)
    return ((total - n) / (n * (n - 1))).mean(-1)


def descend(objective: Objective, start: Tensor, steps: int = 2000, tolerance: float = 1e-9) -> tuple[Tensor, Tensor]:
    """Move start (S, K, n, d) along the spheres until every gradient is small: vectors, and its length (S,).

    Barzilai and Borwein's step of each setting; a step that raises the loss above the last few is taken back and cut.
    """
    z = F.normalize(start, dim=-1)
    loss, grad = _slope(objective, z)
    recent = loss[None]
    size = torch.full_like(loss, 0.5)
    for _ in range(steps):
        if (grad.flatten(1).norm(dim=1) < tolerance).all():
            break
        new = F.normalize(z - size[:, None, None, None] * grad, dim=-1)
        new_loss, new_grad = _slope(objective, new)
        good = new_loss <= recent.max(0).values + 1e-14
        moved, turned = (new - z).flatten(1), (new_grad - grad).flatten(1)
        both = (moved * turned).sum(1).abs().clamp(min=1e-300)
        step = (moved.square().sum(1) / both).clamp(1e-3, 1e4)
        size = torch.where(good, step, size / 4)
        keep = good[:, None, None, None]
        z, grad = torch.where(keep, new, z), torch.where(keep, new_grad, grad)
        loss = torch.where(good, new_loss, loss)
        recent = torch.cat([recent, loss[None]])[-MEMORY:]
    return z, grad.flatten(1).norm(dim=1)


def _slope(objective: Objective, z: Tensor) -> tuple[Tensor, Tensor]:
    """Loss (S,), and its gradient times the number of vectors, along the spheres."""
    z = z.detach().requires_grad_()
    loss = objective.loss(z)
    (grad,) = torch.autograd.grad(loss.sum(), z)
    grad = grad * (z.shape[1] * z.shape[2])
    return loss.detach(), grad - (grad * z.detach()).sum(-1, keepdim=True) * z.detach()


def hessians(objective: Objective, classes: int, per_class: int, dim: int) -> tuple[Tensor, Tensor, Tensor]:
    """Exact Hessians of L_attract, L_repel and SupCon at the collapsed simplex, along the spheres, by autograd.

    objective: one setting.  Each is (N (d − 1), N (d − 1)), in an orthonormal basis of the tangent spaces.
    """
    v = collapsed(classes, per_class, dim).flatten(0, 1)  # (N, d)
    basis = torch.linalg.svd(v[:, None])[2][:, 1:]  # (N, d - 1, d), orthogonal to each vector

    def of(part: int):
        def f(u: Tensor) -> Tensor:
            moved = v + (u.view(len(v), 1, dim - 1) @ basis)[:, 0]
            z = F.normalize(moved, dim=-1).view(1, classes, per_class, dim)
            return objective.parts(z)[part][0] * len(v)

        return torch.autograd.functional.hessian(f, torch.zeros(len(v) * (dim - 1), dtype=torch.float64))

    return of(0), of(1), of(2)


def stability_root(objective: Objective, classes: int, per_class: int, dim: int) -> float:
    """The α at which the smallest eigenvalue of the Hessian of L_spread becomes negative; ``inf`` if it is at α = 1.

    Uses no formula for α*.  Turning all vectors together has eigenvalue 0 throughout.
    """
    attract, repel, _ = hessians(objective, classes, per_class, dim)

    def lowest(alpha: float) -> float:
        return float(torch.linalg.eigvalsh(alpha * attract + (1 - alpha) * repel)[0]) - TINY

    if lowest(1.0) < 0:
        return torch.inf
    return brentq(lowest, 0.0, 1.0, xtol=1e-10)
