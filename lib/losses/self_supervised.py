"""Losses of contrastive learning, each its formula."""

import math
from collections.abc import Iterator

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from lib import checks


def nt_xent(
    z1: Tensor,
    z2: Tensor,
    temperature: float | Tensor = 0.5,
    clamp: float | None = None,
    weights: Tensor | None = None,
    anchors_only: bool = False,
    block: int | None = None,
    each: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """Normalised temperature-scaled cross-entropy, the SimCLR loss (Chen et al. 2020, equation 1).

    With s_ij the cosine of views i and j among the 2N views and j(i) the other view of the same image,
    loss = mean over i of  l_i = -s_ij(i) / t + log sum over m != i of exp(s_im / t).

    z1, z2: (..., N, d) two views of the same N images, not yet normalised, of one net or of many (...); temperature
    t > 0, a number or one a net.
    clamp: lower bound put on every cosine before the division, as in the public code of Maity et al. (2024), which
    uses 1e-7: pairs at 90 degrees or more then give no gradient.  None leaves the cosines alone.
    weights: (N,) positive and finite, one an image.  The mean over anchors becomes sum w_i l_i / sum w_i and view m
    counts w_m / mean(w) times in the sum inside the logarithm; anchors_only leaves that sum alone.  With weights
    inverse to the classes' shares, classes count alike as anchors and as negatives.
    block: None holds the (2N, 2N) matrix of cosines, the formula as it stands.  A number computes the same value and
    gradient from tiles of block x block cosines, in memory that does not grow with N beyond the views themselves, and
    in fewer passes; 512 suits a CPU.

    Returns the loss (...), a scalar for one net; with each=True the pair of it and the images' own losses (..., N), the
    mean of l_i over the two views of an image, without gradient.
    ValueError: shapes that differ, N < 1, temperature <= 0 (with block: < 0.003), unfit weights, block < 1.
    """
    z1, z2 = _views(z1, z2, stacked=True)
    t = _above_zero("temperature", temperature, z1)
    t = temperature if t.ndim == 0 else t[..., None]  # (..., 1)
    n = z1.shape[-2]
    w = torch.ones_like(z1[..., 0]) if weights is None else _unit_mean(weights, z1)
    w = torch.cat([w, w], -1)
    counts = torch.ones_like(w) if anchors_only else w  # how often a view counts among the others
    z = F.normalize(torch.cat([z1, z2], -2), dim=-1)  # (..., 2N, d)
    positive = (z[..., :n, :] * z[..., n:, :]).sum(-1)
    positive = torch.cat([positive, positive], -1)
    if clamp is not None:
        positive = positive.clamp(min=clamp)
    if block is None:
        cosine = z @ z.mT  # (..., 2N, 2N)
        if clamp is not None:
            cosine = cosine.clamp(min=clamp)
        logits = cosine / (t if isinstance(t, float | int) else t[..., None]) + counts.log()[..., None, :]
        others = logits.masked_fill(torch.eye(2 * n, dtype=torch.bool, device=z.device), float("-inf")).logsumexp(-1)
    else:
        others = _others_by_block(z, counts, t, clamp, block)
    terms = others - positive / t
    loss = (w * terms).mean(-1)
    return (loss, terms.detach().unflatten(-1, (2, n)).mean(-2)) if each else loss


def clip(z1: Tensor, z2: Tensor, temperature: float | Tensor = 0.07) -> Tensor:
    """The loss of CLIP (Radford et al. 2021, section 2.3 and figure 3), over pairs of an image and a caption.

    With s_ij the cosine of image i and caption j of the batch's N pairs,
    loss = -(1/2N) sum over i of [log softmax_j(s_ij / t)_i + log softmax_j(s_ji / t)_i]:
    each image must find its caption among all N, and each caption its image.

    z1, z2: (N, d) embeddings of the images and of the captions, not yet normalised; temperature t > 0, a number or a
    learned scalar.  Returns a scalar.  ValueError: shapes that differ, N < 1, temperature <= 0.
    """
    z1, z2 = _views(z1, z2)
    cosine = F.normalize(z1, dim=-1) @ F.normalize(z2, dim=-1).mT  # (N, N)
    logits = cosine / _above_zero("temperature", temperature, z1)
    return ((logits.logsumexp(0) + logits.logsumexp(1)) / 2 - logits.diagonal()).mean()


def simsiam(p1: Tensor, z1: Tensor, p2: Tensor, z2: Tensor) -> Tensor:
    """Symmetrised negative cosine (Chen & He 2021, equations 1 to 4): -(cos(p1, sg z2) + cos(p2, sg z1)) / 2.

    p1, p2: (N, d) predictions; z1, z2: (N, d) projections, through which no gradient passes (sg).
    Returns the scalar mean over the images, from -1 to 1.  ValueError: shapes that differ, N < 1.
    """
    p1, z2 = _views(p1, z2)
    p2, z1 = _views(p2, z1)
    return -(F.cosine_similarity(p1, z2.detach()).mean() + F.cosine_similarity(p2, z1.detach()).mean()) / 2


def vicreg(z1: Tensor, z2: Tensor, invariance: float = 25.0, variance: float = 25.0, covariance: float = 1.0) -> Tensor:
    """Variance-invariance-covariance regularisation (Bardes, Ponce & LeCun 2022, equation 6 and Algorithm 1).

    loss = invariance s + variance (v(z1) + v(z2)) + covariance (c(z1) + c(z2)), with s the mean over images and
    features of (z1 - z2)^2, v the mean over features of max(0, 1 - sqrt(Var + 1e-4)), c the sum over pairs of
    different features of Cov^2, divided by d; Var and Cov divide by N - 1.

    s is that of Algorithm 1, to which the default coefficients belong; equation 5 sums over the features instead.
    The authors' program and lightly halve v: variance=12.5 here is their 25.
    z1, z2: (N, d), not normalised.  Returns a scalar.  ValueError: shapes that differ, N < 2.
    """
    z1, z2 = _views(z1, z2, least=2)
    loss = invariance * F.mse_loss(z1, z2)
    for z in (z1, z2):
        centred = z - z.mean(0)
        cov = centred.T @ centred / (len(z) - 1)
        spread = (cov.diagonal() + 1e-4).sqrt()
        loss = loss + variance * F.relu(1 - spread).mean()
        loss = loss + covariance * (cov - cov.diagonal().diag()).square().sum() / z.shape[1]
    return loss


def barlow_twins(z1: Tensor, z2: Tensor, redundancy: float = 0.005) -> Tensor:
    """Barlow Twins (Zbontar et al. 2021, equations 1 and 2).

    loss = sum_i (1 - C_ii)^2 + redundancy sum over i != j of C_ij^2, with C_ij the correlation over the batch of
    feature i of one view with feature j of the other; a feature that does not vary has correlation 0.

    lightly adds 1e-5 to every variance, which counts only where features hardly vary; the paper's Algorithm 1 makes
    C smaller by (N - 1) / N, its standard deviations being unbiased.
    z1, z2: (N, d), not normalised.  Returns a scalar.  ValueError: shapes that differ, N < 2.
    """
    z1, z2 = _views(z1, z2, least=2)
    c = F.normalize(z1 - z1.mean(0), dim=0).T @ F.normalize(z2 - z2.mean(0), dim=0)
    square = c.square()
    off_diagonal = square.sum() - square.diagonal().sum()
    return (1 - c.diagonal()).square().sum() + redundancy * off_diagonal


def alignment(x: Tensor, y: Tensor, alpha: float | Tensor = 2.0) -> Tensor:
    """Mean over positive pairs of ||x_i - y_i||^alpha (Wang & Isola 2020, section 4.1.1).

    x, y: (..., N, d) unit features of two views of the same N images, of one net or of many (...); alpha > 0, a number
    or one a net.  Returns (...), a scalar for one net, 0 to 2^alpha.
    ValueError: shapes that differ, N < 1, alpha <= 0.
    """
    x, y = _views(x, y, stacked=True)
    _above_zero("alpha", alpha, x)
    power = alpha[..., None] if isinstance(alpha, Tensor) else alpha
    return (x - y).norm(dim=-1).pow(power).mean(-1)


def uniformity(x: Tensor, t: float | Tensor = 2.0, block: int | None = None) -> Tensor:
    """log of the mean over pairs i < j of exp(-t ||x_i - x_j||^2) (Wang & Isola 2020, section 4.1.2).

    x: (N, d) unit features, N >= 2; t > 0.  A feature is no pair with itself, as in the public code.  Returns a
    scalar, from -2 t N / (N - 1) (a regular simplex) to 0 (all in one place).  ValueError: N < 2, t <= 0.
    block: a number computes the same from tiles, as in ``nt_xent``, of one net or of many: x (..., N, d), t one a net.
    """
    (x,) = wide(x=x)
    if x.ndim < 2 or x.shape[-2] < 2 or (block is None and x.ndim > 2):
        raise ValueError(f"features of shape (N, d) with N >= 2 are expected, got {tuple(x.shape)}")
    _above_zero("t", t, x)
    if block is not None:  # -t ||x - y||^2 = 2 t x.y - 2 t of unit vectors
        scale = 2 * torch.as_tensor(t, dtype=x.dtype)[..., None]
        others = _others_by_block(x, torch.ones_like(x[..., 0]), 1 / scale, None, block)
        return (others - scale).logsumexp(-1) - math.log(x.shape[-2] * (x.shape[-2] - 1))
    distances = torch.pdist(x)  # (N (N - 1) / 2,)
    return (-t * distances.square()).logsumexp(0) - math.log(len(distances))


def gather(z: Tensor) -> Tensor:
    """The rows of every process of a torch.distributed run, in the order of ranks; z itself where there is none.

    z: (n, d), the same shape in every process.  Returns (n x processes, d).

    Every process then computes one and the same loss over all rows, and has a gradient for its own rows alone.
    DistributedDataParallel averages the processes' gradients; the own rows' gradient is therefore multiplied by the
    number of processes, so that the average is the gradient that one process with all rows would have.
    """
    return _Gather.apply(z) if dist.is_available() and dist.is_initialized() else z


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z: Tensor) -> Tensor:
        parts = [torch.empty_like(z, memory_format=torch.contiguous_format) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, z.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        return grad.chunk(dist.get_world_size())[dist.get_rank()] * dist.get_world_size()


class _LogSumOfOthers(torch.autograd.Function):
    """log sum over m != i of counts_m exp(max(x_i . x_m, floor)) for every row i of x, and its gradient to x.

    E_im = exp(x_i . x_m) is symmetric: only the tiles on and above the diagonal are made, once in either direction,
    which costs 2/3 of the multiplications that the whole matrix takes forwards and backwards.
    x: (..., n, d); counts: (..., n); floor: a number, (..., 1, 1), or None.
    """

    @staticmethod
    def forward(ctx, x: Tensor, counts: Tensor, floor: float | Tensor | None, block: int) -> Tensor:
        total = torch.zeros_like(counts)
        for rows, columns, e in _exponentials(x, block, floor):
            total[..., rows] += (e @ counts[..., columns, None])[..., 0]
            if rows != columns:
                total[..., columns] += (e.mT @ counts[..., rows, None])[..., 0]
        ctx.save_for_backward(x, counts, total)
        ctx.floor, ctx.block = floor, block
        return total.log()

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, counts, total = ctx.saved_tensors
        share = grad / total
        left, right = torch.stack([share, counts], dim=-1), torch.stack([counts, share], dim=-2)
        result = torch.zeros_like(x)
        for rows, columns, e in _exponentials(x, ctx.block, ctx.floor, cut=True):
            e *= left[..., rows, :] @ right[..., columns]  # the gradients of x_i . x_m as anchor i and as anchor m
            result[..., rows, :] += e @ x[..., columns, :]
            if rows != columns:
                result[..., columns, :] += e.mT @ x[..., rows, :]
        return result, None, None, None


def _exponentials(
    x: Tensor, block: int, floor: float | Tensor | None, cut: bool = False
) -> Iterator[tuple[slice, slice, Tensor]]:
    """exp(x x^T) on and above the diagonal, tile by tile in one buffer: 0 on it; products below the floor are raised
    to it, or their exponentials cut to 0."""
    n = x.shape[-2]
    slices = [slice(i, min(i + block, n)) for i in range(0, n, block)]
    buffer = x.new_empty(x.shape[:-2].numel() * min(block, n) ** 2)
    for k, rows in enumerate(slices):
        for columns in slices[k:]:
            shape = *x.shape[:-2], rows.stop - rows.start, columns.stop - columns.start
            tile = torch.matmul(x[..., rows, :], x[..., columns, :].mT, out=buffer[: math.prod(shape)].view(shape))
            if floor is not None:
                _ = tile.masked_fill_(tile < floor, float("-inf")) if cut else tile.clamp_(min=floor)
            tile.exp_()
            if rows == columns:
                tile.diagonal(dim1=-2, dim2=-1).zero_()
            yield rows, columns, tile


def _others_by_block(z: Tensor, counts: Tensor, temperature, clamp: float | None, block: int) -> Tensor:
    """log sum over m != i of counts_m exp(max(z_i . z_m, clamp) / temperature), (..., 2N), for unit vectors z.

    z: (..., 2N, d); temperature: a number, or (..., 1).
    """
    checks.number("block", block, 1, whole=True)
    t = torch.as_tensor(temperature, dtype=torch.float64)[..., None]  # (..., 1, 1)
    if (t < 0.003).any():
        raise ValueError(f"temperature={temperature} is below 0.003, where exponentials overflow; use block=None")
    # exponents lie within 1/t of 0: no maximum is taken off, but single precision has no room below t = 0.023
    kind = torch.float64 if 2 / float(t.min()) > math.log(torch.finfo(z.dtype).max) else z.dtype
    floor = None if clamp is None else (clamp / t).to(z)
    return _LogSumOfOthers.apply(z.to(kind) / t.sqrt().to(z.device, kind), counts.to(kind), floor, block).to(z.dtype)


def _unit_mean(weights: Tensor, z: Tensor) -> Tensor:
    """The weights divided by their mean, without gradient, of z's type and place."""
    shape = tuple(weights.shape) if isinstance(weights, Tensor) else type(weights).__name__
    if shape != tuple(z.shape[:-1]) or weights.is_complex():
        raise ValueError(f"weights of shape {tuple(z.shape[:-1])}, one an image, are expected, got {shape}")
    w = weights.detach().to(z)
    if not (torch.isfinite(w) & (w > 0)).all():
        raise ValueError(f"weights must be positive and finite, got some from {float(w.min())} to {float(w.max())}")
    return w / w.mean(-1, keepdim=True)


def wide(**views: Tensor) -> tuple[Tensor, ...]:
    """Views (..., N, d) of one float dtype; half precision as float32, where sums of exponentials have room."""
    checks.tensors(**{name: (z, "... N d", checks.FLOATS) for name, z in views.items()})
    if len(kinds := {z.dtype for z in views.values()}) > 1:
        raise ValueError(f"{', '.join(views)} are of several dtypes: {', '.join(sorted(map(str, kinds)))}; give one")
    return tuple(z.float() if z.dtype in (torch.float16, torch.bfloat16) else z for z in views.values())


def _above_zero(name: str, given: float | Tensor, z: Tensor) -> Tensor:
    """A number, or one a net, as a tensor."""
    if not isinstance(given, Tensor):
        checks.number(name, given, 0, inside=True)
    elif given.ndim > z.ndim - 2 or z.shape[z.ndim - 2 - given.ndim : -2] != given.shape or not (given > 0).all():
        raise ValueError(f"{name} must be above 0, a number or one a net {tuple(z.shape[:-2])}, got {str(given)[:80]}")
    return torch.as_tensor(given)


def _views(z1: Tensor, z2: Tensor, least: int = 1, stacked: bool = False) -> tuple[Tensor, Tensor]:
    for z in (z1, z2):
        if not isinstance(z, Tensor):
            raise ValueError(f"two (N, d) views are expected as tensors, got a {type(z).__name__}")
    if z1.shape != z2.shape or z1.ndim < 2 or (z1.ndim > 2 and not stacked) or z1.shape[-2] < least:
        wanted = f"two (N, d) views of the same N >= {least} images"
        raise ValueError(f"{wanted} are expected, got {tuple(z1.shape)}, {tuple(z2.shape)}")
    return wide(z1=z1, z2=z2)
