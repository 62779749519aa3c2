"""Contrastive losses with labels: SupCon, and the attraction, repulsion and spread of Details Matter (2022).

Details Matter is the text "The Details Matter: Preventing Class Collapse in Supervised Contrastive Learning".
Each loss is one line of ``Pairs``, for any number of nets at once; ``Formulas`` has the lines as the paper writes them,
to read and to hold the others against.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from lib import checks
from lib.losses.self_supervised import wide

Term = Callable[["Pairs"], Tensor]


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
    """Supervised contrastive loss, the "out" form (Khosla et al. 2020, equation 2); L_SC of Details Matter (2022).

    With s_ia = cosine / t, P(i) the other views of the class of anchor i, its own augmentation among them, and N(i) the
    views of other classes,
    loss = mean over i of  -1/|P(i)| sum over p in P(i) of log[exp(s_ip) / sum over a in P(i) and N(i) of exp(s_ia)].

    z1, z2: (..., N, d) two views of the same N samples, not yet normalised, of one net or of many (...); y: (N,) or
    (..., N) integer classes; temperature t > 0.
    All 2N views are anchors and candidates; a class of one sample has its augmentation as the only positive, and a
    batch of one class has no negatives.
    one_view: the released code's batch: anchors are the N rows of z1, candidates those of z2, and P(i) holds the
    candidates of the class of i, that of the same sample among them.
    clamp: the released code's upper bound, there 1, put on s_ip in the numerator alone: a pair whose cosine exceeds
    clamp * t is not pulled any more, and the denominator still pushes it apart.
    block: None holds the matrix of all logits.  A number computes the same value and gradient from so many anchors at
    a time, in memory that grows as block * N, and in fewer passes over it.

    Returns the loss (...), a scalar for one net.  ValueError: shapes that differ, classes that are not (N,) whole
    numbers, temperature <= 0 (with block: one whose exponentials overflow), block < 1.
    """
    return _mean(lambda p: p.sup_con, z1, z2, y, temperature, one_view, clamp, block)


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
    """L_attract (Details Matter 2022): SupCon with one positive at a time in the denominator.

    loss = mean over i of  -1/|P(i)| sum over p in P(i) of log[exp(s_ip) / (exp(s_ip) + sum over a in N(i) of
    exp(s_ia))].  An anchor without negatives has loss 0.  The released code computes this, with one_view and clamp=1,
    where its configuration says "sup_con".  Arguments, result and errors: see ``sup_con``.
    """
    return _mean(lambda p: p.attract, z1, z2, y, temperature, one_view, clamp, block)


def repel(
    z1: Tensor,
    z2: Tensor,
    y: Tensor,
    temperature: float = 0.5,
    *,
    one_view: bool = False,
    block: int | None = None,
) -> Tensor:
    """L_repel (Details Matter 2022), InfoNCE within the class: a sample's two views against the views of its class.

    loss = mean over i of  -log[exp(s_ij(i)) / sum over p in P(i) of exp(s_ip)], j(i) the other view of the sample of i.
    A class of one sample has loss 0.  Arguments, result and errors: see ``sup_con``.
    """
    return _mean(lambda p: p.repel, z1, z2, y, temperature, one_view, None, block)


def spread(
    z1: Tensor,
    z2: Tensor,
    y: Tensor,
    temperature: float = 0.5,
    alpha: float | Tensor = 0.5,
    *,
    one_view: bool = False,
    clamp: float | None = None,
    block: int | None = None,
) -> Tensor:
    """L_spread (Details Matter 2022): alpha L_attract + (1 - alpha) L_repel.

    alpha in [0, 1], a number or one a net (...).
    clamp bounds the numerator of L_attract alone, as in the released code.  Other arguments, result and errors: see
    ``sup_con``; and ValueError for an alpha outside [0, 1].
    """
    if not isinstance(alpha, Tensor):
        checks.number("alpha", alpha, 0, 1)
    each = torch.as_tensor(alpha)
    if not ((each >= 0) & (each <= 1)).all():
        raise ValueError(f"alpha={alpha} is outside [0, 1]; 1 is attraction alone, 0 repulsion alone")
    alpha = alpha[..., None] if isinstance(alpha, Tensor) else alpha
    return _mean(lambda p: alpha * p.attract + (1 - alpha) * p.repel, z1, z2, y, temperature, one_view, clamp, block)


@dataclass(frozen=True)
class Pairs:
    """Anchors against candidates: the losses of each anchor (..., A), in few passes, from exponentials as they are.

    logits: (..., A, C) cosines over the temperature, so that they lie within 1 / t of 0; same, other: how often each
    candidate counts as a positive and as a negative of the anchor, 0 for not at all; own: (A,) place among the
    candidates of the other view of the anchor's sample; clamp: upper bound of a logit in a numerator, None without.
    """

    logits: Tensor
    same: Tensor
    other: Tensor
    own: Tensor
    clamp: float | Tensor | None = None

    @cached_property
    def sup_con(self) -> Tensor:
        return (self.exp * (self.same + self.other)).sum(-1).log() - self.pull

    @cached_property
    def attract(self) -> Tensor:
        negatives = (self.exp * self.other).sum(-1, keepdim=True)
        return ((self.exp + negatives).log() * self.same).sum(-1) / self.count - self.pull

    @cached_property
    def repel(self) -> Tensor:
        return (self.exp * self.same).sum(-1).log() - self.own_logit

    @cached_property
    def exp(self) -> Tensor:
        return self.logits.exp()

    @cached_property
    def count(self) -> Tensor:
        return self.same.sum(-1)

    @cached_property
    def pull(self) -> Tensor:
        """(..., A) mean over the positives of the logit in the numerator."""
        return (self.bounded * self.same).sum(-1) / self.count

    @property
    def own_logit(self) -> Tensor:
        return self.logits.gather(-1, self.own[:, None].expand(*self.logits.shape[:-1], 1))[..., 0]

    @property
    def bounded(self) -> Tensor:
        return self.logits if self.clamp is None else self.logits.clamp(max=self.clamp)


class Formulas(Pairs):
    """The same losses as the paper writes them, for any temperature; same and other are masks."""

    @property
    def sup_con(self) -> Tensor:
        return _log_sum(self.logits, self.same | self.other) - self.pull

    @property
    def attract(self) -> Tensor:
        inside = torch.logaddexp(self.logits, _log_sum(self.logits, self.other)[..., None])
        return self._mean(inside - self.bounded)

    @property
    def repel(self) -> Tensor:
        return _log_sum(self.logits, self.same) - self.own_logit

    @property
    def pull(self) -> Tensor:
        return self._mean(self.bounded)

    def _mean(self, values: Tensor) -> Tensor:
        return values.masked_fill(~self.same, 0.0).sum(-1) / self.count


def _log_sum(logits: Tensor, mask: Tensor) -> Tensor:
    """log of the sum of exp(logits) (..., C) over the mask, (...); -inf, with gradient 0, where it is empty."""
    return logits.masked_fill(~mask, float("-inf")).logsumexp(-1)


def _mean(term: Term, z1, z2, y, temperature: float, one_view: bool, clamp: float | None, block: int | None) -> Tensor:
    """Mean of a term over the anchors, all at once or in blocks whose logits are made again for the gradient."""
    z1, z2 = wide(z1=z1, z2=z2)
    _check(z1, z2, y, temperature, block)
    z1, z2 = F.normalize(z1, dim=-1), F.normalize(z2, dim=-1)
    if one_view:
        anchors, candidates, labels, shift = z1, z2, y, 0
    else:
        anchors = candidates = torch.cat([z1, z2], -2)
        labels, shift = torch.cat([y, y], -1), z1.shape[-2]  # of the other view among the candidates
    count = anchors.shape[-2]

    def rows(some: Tensor, places: Tensor, candidates: Tensor) -> Tensor:
        logits = some @ candidates.mT / temperature  # (..., b, C)
        same = labels[..., places, None] == labels[..., None, :]  # (..., b, C)
        other = ~same
        if not one_view:  # an anchor is no candidate of its own
            same = same & (places[:, None] != torch.arange(count, device=places.device))
        own = (places + shift) % count
        if block is None:
            return term(Formulas(logits, same, other, own, clamp)).sum(-1)
        return term(Pairs(logits, same.to(logits.dtype), other.to(logits.dtype), own, clamp)).sum(-1)

    places = torch.arange(count, device=z1.device)
    if block is None or block >= count:
        return rows(anchors, places, candidates) / count
    parts = zip(anchors.split(block, -2), places.split(block), strict=True)
    return sum(checkpoint(rows, *part, candidates, use_reentrant=False) for part in parts) / count


def _check(z1: Tensor, z2: Tensor, y: Tensor, temperature: float, block: int | None) -> None:
    if z1.shape != z2.shape:
        raise ValueError(f"two (N, d) views of the same samples are expected, got {tuple(z1.shape)}, {tuple(z2.shape)}")
    if not isinstance(y, Tensor) or y.is_complex() or y.dtype == torch.bool:
        raise ValueError(f"y: a tensor of whole numbers is expected, got {str(y)[:80]}")
    if y.shape not in (z1.shape[-2:-1], z1.shape[:-1]) or y.is_floating_point():
        raise ValueError(
            f"classes of shape ({z1.shape[-2]},), whole numbers, are expected, got {tuple(y.shape)}, {y.dtype}"
        )
    checks.number("temperature", temperature, 0, inside=True)
    if block is not None:
        checks.number("block", block, 1, whole=True)
    if block is not None and 1 / temperature > math.log(torch.finfo(z1.dtype).max) - 20:
        raise ValueError(f"temperature={temperature}: its exponentials leave {z1.dtype}; use block=None, or doubles")
