"""Multinomial logistic regressions on one design matrix, all solved together."""

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from lib import checks

TOLERANCE = 1e-5  # of a logit: probabilities then lie within half of it
MEMORY, LONG, PATIENCE = 10, 100, 64  # pairs that L-BFGS keeps; from an iteration on more, which hard heads need
ROOM = 2**25  # numbers in the steps of all pairs kept, but for MEMORY of them
HALVINGS = 30  # of a step, before it is not taken
REBUILT = (0, 1, 4, 16, 64, 256)  # iterations at which the preconditioner is
SMALL, LARGE = 2**17, 2**19  # logits of a block of heads: enough to fill the processor, not so many as to spill memory


@dataclass(frozen=True)
class Report:
    """How each head was solved.  iterations: (heads,); gradient: (heads,), the norm it stopped at, in logits."""

    iterations: Tensor
    gradient: Tensor


def fit_heads(
    x: Tensor,
    y: Tensor,
    weights: Tensor,
    C: float | Tensor,
    tolerance: float | Tensor = TOLERANCE,
    iterations: int = 1000,
) -> tuple[Tensor, Tensor, Report]:
    """Ridge-penalised multinomial logistic regressions that share their samples and differ in weights and strength.

    Head h minimises C_h sum_i w_hi · CE(softmax(W x_i + b), y_i) + ||W||² / 2, scikit-learn's objective.
    x: (n, d); y: (n,) int64 codes below K; weights: (heads, n) >= 0; C: > 0, a number or (heads,).
    Returns coefficients (heads, K, d), intercepts (heads, K), float64 on the device of x, and a ``Report``.  A class
    without weight in a head has coefficient 0 and intercept -inf: its probability is exactly 0.  Where two classes
    are left scikit-learn penalises the difference of their coefficients, which is this objective at half the C; so
    here.
    tolerance: a number or (heads,), the error of a logit at which a head stops: the norm of the gradient in W times
    the largest distance of a sample from their mean, which bounds that error since the objective is 1-strongly convex
    in W, and of the gradient in b over the weight C sum of w of each class, about the curvature there, or over 1.
    Method: L-BFGS in the eigenbasis of the samples' scatter, which leaves the ridge unchanged and gives every head a
    good inverse Hessian to start from; in float32 as far as that resolves the gradient, then in float64 from there.
    Solved heads leave the batch.  Fastest where neighbouring heads use the same samples and the same C.
    ValueError: shapes, codes, weights or C that do not fit.  RuntimeError: heads that did not converge, by position.
    """
    of = {"x": (x, "n d", checks.REAL), "y": (y, "n", checks.codes()), "weights": (weights, "heads n", checks.SHARES)}
    heads = checks.tensors(**of)["heads"]
    checks.number("iterations", iterations, 1, whole=True)
    if (weights.sum(1) == 0).any():
        raise ValueError("weights: each head needs a positive one")
    number = {"dtype": torch.float64, "device": x.device}
    strength, tolerance = (_positive(name, v, heads, number) for name, v in (("C", C), ("tolerance", tolerance)))
    classes, weights = int(y.max()) + 1, weights.to(**number)
    centre, basis, scatter, rotated = _rotate(x.double())
    present = weights @ F.one_hot(y, classes).double() > 0  # (heads, K)
    strength = torch.where(present.sum(1) == 2, strength / 2, strength)
    reach = max(1.0, float(rotated[:, :-1].norm(dim=1).max()))
    theta = torch.zeros(len(weights), classes, rotated.shape[1], **number)
    count, norm = torch.zeros(len(weights), dtype=torch.int64, device=x.device), torch.zeros(len(weights), **number)
    for block in _blocks(weights > 0, classes):
        rows = (weights[block] > 0).any(0)
        mass = strength[block, None] * weights[block][:, rows]
        problem = _Problem.of(rotated[rows], y[rows], classes, mass, scatter, reach)
        noise = 5e-6 * reach * problem.target.norm(dim=(1, 2)).clamp_min(1)  # about what float32 resolves
        rough = problem.to(torch.float32)
        found, steps, least = _minimise(rough, theta[block].float(), torch.maximum(noise, tolerance[block]), 100)
        left = (noise > tolerance[block]) | (least > tolerance[block])
        found, (limit, more) = found.double(), (tolerance[block][left], torch.zeros_like(steps))
        found[left], more[left], least[left] = _minimise(problem.keep(left), found[left], limit, iterations)
        theta[block], count[block], norm[block] = found, steps + more, least
    stuck = (norm > tolerance).nonzero()[:, 0].tolist()
    if stuck:
        raise RuntimeError(
            f"heads {stuck} of {len(weights)} did not converge in {iterations} iterations (gradient up to "
            f"{float(norm.max()):.1e}, tolerance {float(tolerance.min()):g}); raise iterations, "
            "or, if that leaves the gradient where it is, lower C, scale the features down, or raise the tolerance"
        )
    coefficients = theta[..., :-1] @ basis.T
    intercepts = theta[..., -1] - coefficients @ centre
    mean = intercepts.where(present, 0).sum(1, keepdim=True) / present.sum(1, keepdim=True)
    return coefficients, (intercepts - mean).where(present, -torch.inf), Report(count, norm)


@dataclass(frozen=True)
class _Problem:
    """The heads still to be solved, in the eigenbasis, the intercept as a last feature that is always 1.

    x: (n, p); y: (n,); scatter, ridge: (p,); mass: (h, n) weights times C; target: (h, K, p) sum of mass · one-hot · x;
    floor: (h, K, 1), -inf for an absent class; scale: (h, 1, p) from a gradient to the logits it may move.
    """

    x: Tensor
    y: Tensor
    scatter: Tensor
    ridge: Tensor
    mass: Tensor
    target: Tensor
    floor: Tensor
    scale: Tensor

    @staticmethod
    def of(x: Tensor, y: Tensor, classes: int, mass: Tensor, scatter: Tensor, reach: float) -> "_Problem":
        ridge = torch.ones_like(scatter)
        ridge[-1] = 0
        members = [y == k for k in range(classes)]
        target = torch.stack([mass[:, m] @ x[m] for m in members], 1)
        own = torch.stack([mass[:, m].sum(1) for m in members], 1)  # (h, K), the curvature in a rare class's intercept
        absent = own == 0
        scale = torch.where(ridge > 0, reach, 1 / own.where(~absent, 1).clamp_max(1)[..., None])
        floor = torch.where(absent, -torch.inf, 0.0).to(x)[..., None]
        return _Problem(x, y, scatter, ridge, mass, target, floor, scale)

    def to(self, dtype: torch.dtype) -> "_Problem":
        every = (getattr(self, f.name) for f in fields(self))
        return _Problem(*(t.to(dtype) if t.is_floating_point() else t for t in every))

    def keep(self, mask: Tensor) -> "_Problem":
        """The heads of the mask alone."""
        of_heads = (t[mask] for t in (self.mass, self.target, self.floor, self.scale))
        return _Problem(self.x, self.y, self.scatter, self.ridge, *of_heads)

    def scores(self, theta: Tensor) -> Tensor:
        """(h, K, p) to (h, K, n)."""
        return (theta.flatten(0, 1) @ self.x.T).unflatten(0, theta.shape[:2])

    def value(self, logits: Tensor, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The objective (h,), about how well rounding lets it be known (h,), and the probabilities (h, K, n)."""
        top, own = logits.amax(1, keepdim=True), logits.gather(1, self.y.expand(len(logits), 1, -1))
        if self.floor.any():
            own = own.where(self.mass[:, None] > 0, 0)  # an absent class has none
        p = (logits - top).exp_()
        total = p.sum(1, keepdim=True)
        f = _dot(self.mass, (total.log() + (top - own))[:, 0]) + _dot(theta, theta * self.ridge) / 2
        known = f + self.mass.norm(dim=1) * top.flatten(1).abs().amax(1)  # rounding errors of logits add as squares
        return f, 100 * torch.finfo(f.dtype).eps * known, p.div_(total)

    def gradient(self, p: Tensor, theta: Tensor) -> Tensor:
        """(h, K, p) from the probabilities (h, K, n)."""
        moments = ((self.mass[:, None] * p).flatten(0, 1) @ self.x).unflatten(0, theta.shape[:2])
        return moments - self.target + theta * self.ridge


@dataclass(frozen=True)
class _Preconditioner:
    """An inverse Hessian (h, K, p) -> (h, K, p), exact in the r leading directions, the last of p.

    In the others it is a Kronecker product, as if probabilities and x were independent; so it is in all of them where
    theta is 0.  vectors: (h, K, K); inverse: (h, K, p) in their basis; factor: (h, K r, K r), Cholesky.
    """

    vectors: Tensor
    inverse: Tensor
    factor: Tensor

    @staticmethod
    def of(problem: _Problem, p: Tensor, theta: Tensor) -> "_Preconditioner":
        weighted = problem.mass[:, None] * p
        spread = torch.diag_embed(weighted.sum(2)) - weighted @ p.mT
        values, vectors = torch.linalg.eigh(spread)
        inverse = 1 / (values.clamp_min(1e-6)[..., None] * problem.scatter + problem.ridge)
        r = 1 + round((theta.shape[2] / 8) ** 0.5) if theta.any() else 0  # costs no more than an iteration
        hessian = _leading_hessian(problem.x[:, theta.shape[2] - r :], weighted, p)
        shift = spread.diagonal(dim1=1, dim2=2).mean(1)  # moving all intercepts alike changes nothing: any value does
        hessian[:, :, r - 1 :, :, r - 1 :] += shift[:, None, None, None, None]
        hessian = hessian.flatten(3).flatten(1, 2) + torch.diag(
            problem.ridge[len(problem.ridge) - r :].repeat(p.shape[1])
        )
        factor, failed = torch.linalg.cholesky_ex(hessian)
        plain = hessian.diagonal(dim1=1, dim2=2).clamp_min(1e-6).sqrt().diag_embed()
        return _Preconditioner(vectors, inverse, torch.where(failed[:, None, None] > 0, plain, factor))

    def keep(self, mask: Tensor) -> "_Preconditioner":
        return _Preconditioner(self.vectors[mask], self.inverse[mask], self.factor[mask])

    def __call__(self, q: Tensor) -> Tensor:
        out = self.vectors @ (self.inverse * (self.vectors.mT @ q))
        if r := self.factor.shape[1] // q.shape[1]:
            lead = torch.cholesky_solve(q[..., -r:].flatten(1)[..., None], self.factor)
            out[..., -r:] = lead.view(*q.shape[:2], r)
        return out


def _leading_hessian(x: Tensor, weighted: Tensor, p: Tensor) -> Tensor:
    """Sum of mass · (diag p - p pᵀ) ⊗ x xᵀ over the samples: x (n, r), weighted and p (h, K, n) to (h, K, r, K, r)."""
    (heads, classes, _), r = p.shape, x.shape[1]
    i, j = torch.triu_indices(r, r, device=x.device)
    place = i.new_zeros(r, r)
    place[i, j] = place[j, i] = torch.arange(len(i), device=x.device)
    products = x[:, i] * x[:, j]  # (n, r (r + 1) / 2)
    hessian = x.new_empty(heads, classes, r, classes, r)
    for k in range(classes):
        block = -((weighted[:, k : k + 1] * p[:, k:]) @ products)
        block[:, 0] += weighted[:, k] @ products
        block = block[..., place]  # (h, K - k, r, r)
        hessian[:, k:, :, k], hessian[:, k, :, k:] = block, block.transpose(1, 2)
    return hessian


def _minimise(problem: _Problem, theta: Tensor, limit: Tensor, iterations: int) -> tuple[Tensor, Tensor, Tensor]:
    """L-BFGS from theta (heads, K, p) to the gradient norm ``limit`` (heads,): theta, iterations and norms.

    A head that does not arrive has the theta of its lowest value.
    """
    heads, best, final = torch.arange(len(theta), device=theta.device), theta.clone(), torch.full_like(limit, torch.inf)
    count, pairs, inverse = torch.full_like(heads, iterations), [], None
    logits = problem.scores(theta) + problem.floor
    f, slack, p = problem.value(logits, theta)
    g, lowest, stuck = problem.gradient(p, theta), torch.full_like(f, torch.inf), heads < 0
    for step in range(iterations + 1):
        norm = (g * problem.scale).flatten(1).norm(dim=1)
        live, lower = ~(norm <= limit), f < lowest
        lower |= ~live
        best[heads[lower]], final[heads[lower]] = theta[lower], norm[lower].to(final)
        lowest = torch.minimum(f, lowest)
        if not live.all():
            count[heads[~live]] = step
            problem, pairs = problem.keep(live), [tuple(t[live] for t in pair) for pair in pairs]
            of_heads = (heads, limit, theta, logits, f, slack, g, p, lowest, stuck)
            heads, limit, theta, logits, f, slack, g, p, lowest, stuck = (t[live] for t in of_heads)
            inverse = inverse.keep(live) if inverse else None
        if len(heads) == 0 or step == iterations:
            break
        if step in REBUILT or stuck.any():
            inverse = _Preconditioner.of(problem, p, theta)
        direction = _direction(g, inverse, pairs)
        along, descent, length = problem.scores(direction), _dot(g, direction), torch.ones_like(f)
        for _ in range(HALVINGS):
            there, moved = theta + length[:, None, None] * direction, logits + length[:, None, None] * along
            f_there, known, p = problem.value(moved, there)
            stuck = ~(f_there <= f + 1e-4 * length * descent + slack)
            if not stuck.any():
                break
            length = torch.where(stuck, length / 2, length)
        if stuck.any():  # the pairs mislead: such a head stays, and begins anew without them
            there[stuck], moved[stuck] = theta[stuck], logits[stuck]
            pairs = [(s, change, scale.where(~stuck, 0)) for s, change, scale in pairs]
            f_there, known, p = problem.value(moved, there)
        g_there = problem.gradient(p, there)
        s, change = there - theta, g_there - g
        curvature = _dot(s, change)
        useful = curvature > torch.finfo(f.dtype).eps * _dot(change, change)
        kept = MEMORY if step < PATIENCE else max(MEMORY, min(LONG, ROOM // theta.numel()))
        pairs = [*pairs, (s, change, torch.where(useful, 1 / curvature, 0))][-kept:]
        theta, logits, f, slack, g = there, moved, f_there, known, g_there
    return best, count, final


def _direction(gradient: Tensor, inverse_hessian: _Preconditioner, pairs: list[tuple[Tensor, ...]]) -> Tensor:
    """The L-BFGS descent direction by the two-loop recursion (Nocedal 1980)."""
    q, factors = -gradient, []
    for s, change, inverse in reversed(pairs):
        factors.append(inverse * _dot(s, q))
        q = q - factors[-1][:, None, None] * change
    q = inverse_hessian(q)
    for (s, change, inverse), factor in zip(pairs, reversed(factors), strict=True):
        q = q + (factor - inverse * _dot(change, q))[:, None, None] * s
    return q


def _rotate(x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mean (d,), eigenvectors (d, d), mean squares (d + 1,) and coordinates (n, d + 1), a 1 behind each sample."""
    centre = x.mean(0)
    moved = x - centre
    rough = moved.float()  # any orthogonal basis is exact; this one need only be nearly the eigenbasis
    basis = torch.linalg.eigh((rough.T @ rough).double()).eigenvectors
    coordinates = F.pad(moved @ basis, (0, 1), value=1.0)
    return centre, basis, coordinates.square().mean(0), coordinates


def _blocks(used: Tensor, classes: int) -> list[slice]:
    """Runs of heads to solve together: a run ends where it is large, or where the next head uses other samples."""
    cuts, rows = [0], used[0]
    for h in range(1, len(used)):
        union = rows | used[h]
        size, grown = classes * (h - cuts[-1]) * int(rows.sum()), int(union.sum()) > 1.1 * int(rows.sum())
        if size > LARGE or (size > SMALL and grown):
            cuts, union = [*cuts, h], used[h]
        rows = union
    return [slice(a, b) for a, b in zip(cuts, [*cuts[1:], len(used)], strict=True)]


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner products by head."""
    return torch.linalg.vecdot(a.flatten(1), b.flatten(1))


def _positive(name: str, given: float | Tensor, heads: int, kind: dict) -> Tensor:
    """A number, or one for each head, as (heads,) of that dtype and device; ValueError: not positive and finite."""
    if not isinstance(given, Tensor):
        checks.number(name, given, 0, inside=True)
    found = torch.as_tensor(given, **kind)
    if found.shape not in ((), (heads,)) or not (torch.isfinite(found) & (found > 0)).all():
        raise ValueError(f"{name}={str(found.tolist())[:80]}: a positive number or ({heads},) of them are expected")
    return found.expand(heads)
