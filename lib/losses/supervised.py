"""Contrastive losses with labels: SupCon, and the attraction, repulsion and spread of Chen et al. (2022)."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

Term = Callable[[Tensor, Tensor, Tensor, Tensor, float | None], Tensor]


def sup_con(
    z1: Tensor,
    z2: Tensor,
    y: Tensor,
    temperature: float = 0.5,
    *,
    one_view: bool = False,
    clamp: float | None = None,
    block: int | None = None,
) -> Tensor:
    """Supervised contrastive loss, the "out" form (Khosla et al. 2020, equation 2); L_SC of Chen et al. (2022).

    With s_ia = cosine / t, P(i) the other views of the class of anchor i, its own augmentation among them, and N(i) the
    views of other classes,
    loss = mean over i of  -1/|P(i)| sum over p in P(i) of log[exp(s_ip) / sum over a in P(i) and N(i) of exp(s_ia)].

    z1, z2: (N, d) two views of the same N samples, not yet normalised; y: (N,) integer classes; temperature t > 0.
    All 2N views are anchors and candidates; a class of one sample has its augmentation as the only positive, and a
    batch of one class has no negatives.
    one_view: the released code's batch: anchors are the N rows of z1, candidates those of z2, and P(i) holds the
    candidates of the class of i, that of the same sample among them.
    clamp: the released code's upper bound, there 1, put on s_ip in the numerator alone: a pair whose cosine exceeds
    clamp * t is not pulled any more, and the denominator still pushes it apart.
    block: None holds the matrix of all logits.  A number computes the same value and gradient from so many anchors at
    a time, in memory that grows as block * N.

    Returns the scalar loss.  ValueError: shapes that differ, classes that are not (N,) whole numbers, temperature <= 0,
    block < 1.
    """
    return _mean(_sup_con, z1, z2, y, temperature, one_view, clamp, block)


def attract(
    z1: Tensor,
    z2: Tensor,
    y: Tensor,
    temperature: float = 0.5,
    *,
    one_view: bool = False,
    clamp: float | None = None,
    block: int | None = None,
) -> Tensor:
    """L_attract (Chen et al. 2022): SupCon with one positive at a time in the denominator.

    loss = mean over i of  -1/|P(i)| sum over p in P(i) of log[exp(s_ip) / (exp(s_ip) + sum over a in N(i) of
    exp(s_ia))].  An anchor without negatives has loss 0.  The released code computes this, with one_view and clamp=1,
    where its configuration says "sup_con".  Arguments, result and errors: see ``sup_con``.
    """
    return _mean(_attract, z1, z2, y, temperature, one_view, clamp, block)


def repel(
    z1: Tensor,
    z2: Tensor,
    y: Tensor,
    temperature: float = 0.5,
    *,
    one_view: bool = False,
    block: int | None = None,
) -> Tensor:
    """L_repel (Chen et al. 2022), InfoNCE within the class: a sample's two views against the views of its class.

    loss = mean over i of  -log[exp(s_ij(i)) / sum over p in P(i) of exp(s_ip)], j(i) the other view of the sample of i.
    A class of one sample has loss 0.  Arguments, result and errors: see ``sup_con``.
    """
    return _mean(_repel, z1, z2, y, temperature, one_view, None, block)


def spread(
    z1: Tensor,
    z2: Tensor,
    y: Tensor,
    temperature: float = 0.5,
    alpha: float = 0.5,
    *,
    one_view: bool = False,
    clamp: float | None = None,
    block: int | None = None,
) -> Tensor:
    """L_spread (Chen et al. 2022): alpha L_attract + (1 - alpha) L_repel, alpha in [0, 1].

    clamp bounds the numerator of L_attract alone, as in the released code.  Other arguments, result and errors: see
    ``sup_con``; and ValueError for an alpha outside [0, 1].
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha={alpha} is outside [0, 1]; 1 is attraction alone, 0 repulsion alone")

    def term(*parts) -> Tensor:
        return alpha * _attract(*parts) + (1 - alpha) * _repel(*parts)

    return _mean(term, z1, z2, y, temperature, one_view, clamp, block)


def _sup_con(logits: Tensor, same: Tensor, other: Tensor, own: Tensor, clamp: float | None) -> Tensor:
    return _log_sum(logits, same | other) - _mean_over(same, _bounded(logits, clamp))


def _attract(logits: Tensor, same: Tensor, other: Tensor, own: Tensor, clamp: float | None) -> Tensor:
    pairs = torch.logaddexp(logits, _log_sum(logits, other)[:, None]) - _bounded(logits, clamp)
    return _mean_over(same, pairs)


def _repel(logits: Tensor, same: Tensor, other: Tensor, own: Tensor, clamp: float | None) -> Tensor:
    return _log_sum(logits, same) - logits.gather(1, own[:, None])[:, 0]


def _bounded(logits: Tensor, clamp: float | None) -> Tensor:
    return logits if clamp is None else logits.clamp(max=clamp)


def _log_sum(logits: Tensor, mask: Tensor) -> Tensor:
    """log of the sum of exp(logits) (b, C) over the mask, (b,); -inf, with gradient 0, where it is empty."""
    return logits.masked_fill(~mask, float("-inf")).logsumexp(1)


def _mean_over(mask: Tensor, values: Tensor) -> Tensor:
    return values.masked_fill(~mask, 0.0).sum(1) / mask.sum(1)


def _mean(term: Term, z1, z2, y, temperature: float, one_view: bool, clamp: float | None, block: int | None) -> Tensor:
    """Mean of a term over the anchors, all at once or in blocks whose logits are made again for the gradient."""
    _check(z1, z2, y, temperature, block)
    n, z1, z2 = len(z1), F.normalize(z1, dim=1), F.normalize(z2, dim=1)
    if one_view:
        anchors, candidates, own, labels = z1, z2, torch.arange(n, device=z1.device), y
    else:
        anchors = candidates = torch.cat([z1, z2])
        own, labels = torch.arange(2 * n, device=z1.device).roll(n), y.repeat(2)

    def rows(some: Tensor, places: Tensor, mine: Tensor, candidates: Tensor) -> Tensor:
        logits = some @ candidates.T / temperature  # (b, C)
        same = labels[places, None] == labels  # (b, C)
        other = ~same
        if not one_view:  # an anchor is no candidate of its own
            same = same & (places[:, None] != torch.arange(len(labels), device=places.device))
        return term(logits, same, other, mine, clamp).sum()

    places = torch.arange(len(anchors), device=z1.device)
    if block is None:
        return rows(anchors, places, own, candidates) / len(anchors)
    parts = zip(anchors.split(block), places.split(block), own.split(block), strict=True)
    return sum(checkpoint(rows, *part, candidates, use_reentrant=False) for part in parts) / len(anchors)


def _check(z1: Tensor, z2: Tensor, y: Tensor, temperature: float, block: int | None) -> None:
    if z1.shape != z2.shape or z1.ndim != 2 or len(z1) < 1:
        raise ValueError(
            f"two (N, d) views of the same N >= 1 samples are expected, got {tuple(z1.shape)}, {tuple(z2.shape)}"
        )
    if y.shape != z1.shape[:1] or y.is_floating_point():
        raise ValueError(f"classes of shape ({len(z1)},), whole numbers, are expected, got {tuple(y.shape)}, {y.dtype}")
    if not temperature > 0:
        raise ValueError(f"temperature={temperature} must be above 0")
    if block is not None and block < 1:
        raise ValueError(f"block={block} must be at least 1, or None for all anchors at once")
