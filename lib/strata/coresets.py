"""Which images to keep: by how often small nets get them right, by forgetting, by the error vector, or at random."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lib import checks


def coreset(correct_counts: Tensor, y: Tensor, size: int, seed: int = 0) -> Tensor:
    """Positions of the points that stay when the fullest bucket of every class loses a point, again and again.

    A bucket is the points of a class that equally many nets got right (Details Matter 2022, section 5.3): what stays
    of a class has its counts as evenly spread as may be.  Each round takes one point from each class until ``size`` are
    left.  Ties, which the paper leaves open: of equally full buckets the one with the higher count, the easier points,
    loses first; its points leave in an order drawn from ``seed``; the last, incomplete round takes from the
    classes with the most points left, of equal ones the lower code first.  A class never loses its last point.
    correct_counts: (n,) whole numbers from 0; y: (n,) codes from 0.  Returns sorted positions (size,).
    ValueError: lengths that differ, counts or codes that are negative or not whole, size above n or below the classes.
    """
    points = {"correct_counts": (correct_counts, "n", checks.codes()), "y": (y, "n", checks.codes())}
    checks.tensors(**points)
    checks.number("size", size, 1, whole=True)
    checks.number("seed", seed, 0, whole=True)
    present = y.unique()
    if not len(present) <= size <= len(y):
        raise ValueError(f"size={size}: from {len(present)}, the classes, to {len(y)}, the points, is expected")
    sizes = _class_sizes(torch.bincount(y)[present].tolist(), size)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    kept = []
    for code, stay in zip(present, sizes, strict=True):
        mine = order[y[order] == code]
        levels = _drain(torch.bincount(correct_counts[mine]).tolist(), stay)
        kept += [mine[correct_counts[mine] == c][:n] for c, n in enumerate(levels) if n]
    return torch.cat(kept).sort().values


def _class_sizes(counts: list[int], size: int) -> list[int]:
    """How many points of each class are left, a point a class and round taken away."""
    extra = sum(counts) - size
    while extra:
        able = sorted((k for k, n in enumerate(counts) if n > 1), key=lambda k: -counts[k])
        for k in able[:extra]:
            counts[k] -= 1
        extra -= len(able[:extra])
    return counts


def _drain(buckets: list[int], stay: int) -> list[int]:
    for _ in range(sum(buckets) - stay):
        fullest = max(range(len(buckets)), key=lambda c: (buckets[c], c))
        buckets[fullest] -= 1
    return buckets


def forgetting_events(correct: Tensor) -> Tensor:
    """How often each point was right at one check and wrong at the next (Toneva et al. 2019, section 3).

    correct: (..., checks, n) bool, in the order of training; leading dimensions are nets.  A point that is never right
    has checks events, one more than can be counted: it was never learned, and ranks as the most forgotten.
    Toneva et al. look at a point when its mini-batch comes; here all points are looked at together.
    Returns (..., n).  ValueError: fewer than two checks, or not bool.
    """
    if correct.dtype != torch.bool or correct.ndim < 2 or correct.shape[-2] < 2:
        raise ValueError(f"bool (..., checks >= 2, n) expected, got {correct.dtype} of shape {tuple(correct.shape)}")
    lost = (correct[..., :-1, :] & ~correct[..., 1:, :]).sum(-2)
    return torch.where(correct.any(-2), lost, correct.shape[-2])


def el2n(probabilities: Tensor, y: Tensor) -> Tensor:
    """Length of the error vector, ||p(x) - onehot(y)||_2, averaged over nets (Paul et al. 2021, definition 2.4).

    probabilities: (nets, n, K), early in training; y: (n,) codes.  Returns (n,), from 0 to sqrt(2).
    ValueError: rows that are no probabilities, labels out of range.
    """
    classes = probabilities.shape[-1]
    if probabilities.ndim != 3 or probabilities.shape[1] != len(y):
        raise ValueError(f"probabilities (nets, {len(y)}, K) are expected, got {tuple(probabilities.shape)}")
    if int(y.min()) < 0 or int(y.max()) >= classes:
        raise ValueError(f"labels from {int(y.min())} to {int(y.max())}: codes 0 to {classes - 1} expected")
    off = (probabilities.sum(-1) - 1).abs().max()
    if probabilities.min() < 0 or off > 1e-3:
        raise ValueError(
            f"rows must be probabilities; least {probabilities.min():.3g}, sums differ from 1 by {off:.3g}"
        )
    return (probabilities - F.one_hot(y, classes)).norm(dim=-1).mean(0)


def grand(norms: Tensor) -> Tensor:
    """GraNd: length of the gradient of a point's loss by all weights, mean over nets (Paul et al. 2021, 2.2).

    norms: (..., nets, n), early in training.  Returns (..., n).  ValueError: a length below 0, or not finite.
    """
    checks.tensors(norms=(norms, "... nets n", checks.REAL))
    if norms.min() < 0:
        raise ValueError(f"norms from {norms.min():.3g}: lengths of gradients are 0 or more")
    return norms.mean(-2)


def highest(scores: Tensor, size: int, seed: int = 0) -> Tensor:
    """Positions (size,), sorted, of the highest scores (n,); equals stand in an order drawn from ``seed``.

    Forgetting events, EL2N and GraNd keep these; constant scores keep points at random.
    ValueError: size outside 1 to n.
    """
    if not 1 <= size <= len(scores):
        raise ValueError(f"size={size}: from 1 to {len(scores)}, the points, is expected")
    order = torch.randperm(len(scores), generator=torch.Generator().manual_seed(seed))
    return order[scores[order].argsort(descending=True, stable=True)[:size]].sort().values
