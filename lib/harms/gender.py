"""Gender in a representation: spread within and between, the gap of the means, what a probe reads, whom it serves.

Unit vectors throughout: features are divided by their length.  D(A, B) = mean of 1 - cos over the pairs of A x B.
With m_A the mean unit vector, D(A, B) = 1 - m_A · m_B exactly, self-pairs included: no loop over pairs is needed, and
D(A, B) = (D(A, A) + D(B, B) + |m_A - m_B|²) / 2.  Unbiased: the n self-pairs, whose distance is 0, are left out of
D(A, A), which is then n / (n - 1) (1 - |m_A|²).
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lib import checks

FLAT = 1e-12  # a spread below it is rounding: its ratio is undefined
STATISTICS = ("grh_f", "grh_m", "mean_gap")


def group_distances(z: Tensor, group: Tensor, size: int, unbiased: bool = False) -> Tensor:
    """D(A, B) = mean of 1 - cos over the pairs of groups A and B, (..., size, size) float64; unbiased: no self-pairs.

    z: (..., n, d) features of any length, group: (n,) codes below size.  NaN where a group has no member, and on the
    diagonal, unbiased, where it has one alone.  ValueError: a feature that is zero or not finite.
    """
    checks.number("size", size, 1, whole=True)
    checks.tensors(z=(z, "... n d", checks.GAPPY), group=(group, "n", checks.codes(size)))
    return _group_distances(z, group, size, unbiased)


def _group_distances(z: Tensor, group: Tensor, size: int, unbiased: bool) -> Tensor:
    member = F.one_hot(group, size).double()
    counts = member.sum(0)
    return _distances((member / counts).T @ _unit(z), counts, unbiased)


def within_between(z: Tensor, mask_a: Tensor, mask_b: Tensor, unbiased: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """(D(a, a), D(a, b), D(b, b)) of two groups.

    z: (..., n, d) features of any length; mask_a, mask_b: (n,) bool, without a common member.  Returns three (...)
    float64.  ValueError: masks that overlap, a group without a member (unbiased: without two), a feature that is zero
    or not finite.
    """
    masks = {"mask_a": (mask_a, "n", checks.MASK), "mask_b": (mask_b, "n", checks.MASK)}
    checks.tensors(z=(z, "... n d", checks.GAPPY), **masks)
    if (mask_a & mask_b).any():
        raise ValueError(f"the two groups share {int((mask_a & mask_b).sum())} members; give disjoint masks")
    counts = torch.stack([mask_a.sum(), mask_b.sum()])
    if (counts < 1 + unbiased).any():
        raise ValueError(f"groups of {counts.tolist()}; each needs {1 + unbiased} members or more")
    found = _group_distances(z, 2 - 2 * mask_a.long() - mask_b.long(), 3, unbiased)  # the rest is the third group
    return found[..., 0, 0], found[..., 0, 1], found[..., 1, 1]


def ratios(distances: Tensor) -> Tensor:
    """GRH(o, g) = D(og, og') / D(og, og), groups coded 2 o + g: (..., 2K, 2K) to (..., 2K); NaN without any spread."""
    own = torch.arange(distances.shape[-1])
    within = distances[..., own, own]
    return torch.where(within > FLAT, distances[..., own, own ^ 1] / within, torch.nan)


def dispersion(distances: Tensor) -> Tensor:
    """log D(g, g) / D(g', g'), above 0 where the group is more spread out than the other gender: (..., 2K)."""
    spread = distances.diagonal(dim1=-2, dim2=-1).log()
    return spread - spread[..., torch.arange(spread.shape[-1]) ^ 1]


def gaps(distances: Tensor) -> Tensor:
    """The mean gap of each occupation from distances: the root of 2 D(F, M) - D(F, F) - D(M, M), its sign kept.

    (..., 2K, 2K) to (..., K).  Without self-pairs the square has the true one as its mean, and can be below 0.
    """
    f, m = torch.arange(distances.shape[-1]).view(-1, 2).T
    square = 2 * distances[..., f, m] - distances[..., f, f] - distances[..., m, m]
    return square.sign() * square.abs().sqrt()


def gender_representation_harm(
    z: Tensor, occupation: Tensor, gender: Tensor, unbiased: bool = False, num_occupations: int | None = None
) -> Tensor:
    """GRH(o, g) = D(X_og, X_og') / D(X_og, X_og): between the genders over within gender g.  Below 1 is called harm.

    A working definition, as the paper's formula is not public.  By the identity above GRH(o, g) < 1 exactly where
    D(g, g) > D(g', g') + |m_g - m_g'|²: g is the more spread-out gender.  Both ratios are never below 1 together,
    unless unbiased.
    z: (..., n, d); occupation: (n,) codes; gender: (n,) 0 = F, 1 = M.  Returns (..., K, 2) float64, the last axis the
    gender g.  NaN where either gender has fewer than two members, or where g has no spread at all.
    ValueError: codes out of range, a feature that is zero or not finite.
    """
    return ratios(_by_occupation(z, occupation, gender, unbiased, num_occupations)).unflatten(-1, (-1, 2))


def mean_gap(
    z: Tensor, occupation: Tensor, gender: Tensor, unbiased: bool = False, num_occupations: int | None = None
) -> Tensor:
    """|m_oF - m_oM|, the distance between the mean unit vectors of the two genders of each occupation: (..., K).

    Plug-in: above 0 for small groups even of one distribution.  unbiased: the square is 2 D(F, M) - D(F, F) - D(M, M)
    without self-pairs, whose mean is the true square; the root is given, with a minus sign where the square is
    negative.  Arguments, NaN and errors as in ``gender_representation_harm``.
    """
    return gaps(_by_occupation(z, occupation, gender, unbiased, num_occupations))


@dataclass(frozen=True)
class Null:
    """A permutation test.  observed: (..., 3), in the order of ``STATISTICS``; drawn: (draws, ..., 3) under permuted
    genders; p: (..., 3), (1 + draws as extreme) / (1 + draws): as low for the ratios, as high for the gap;
    size: members of each gender.
    """

    observed: Tensor
    drawn: Tensor
    p: Tensor
    size: int


def permutation_null(z: Tensor, gender: Tensor, draws: int, rng: int, unbiased: bool = False) -> Null:
    """Both ratios and the mean gap of one occupation, with their distribution if the gender were dealt by chance.

    Plug-in values depend on the sizes of the groups, so the larger gender is first cut, at random and unseen by the
    features, to the size m of the smaller; then the genders of the 2m members are permuted.  Under exchangeability p is
    valid: P(p <= a) <= a.  The same draws serve all leading axes.
    z: (..., n, d); gender: (n,) 0 or 1; rng: seed.  ValueError: a gender with fewer than two members, draws below 1.
    """
    checks.number("draws", draws, 1, whole=True)
    checks.number("rng", rng, 0, whole=True)
    checks.tensors(z=(z, "... n d", checks.GAPPY), gender=(gender, "n", checks.codes(2)))
    members = [(gender == g).nonzero()[:, 0] for g in (0, 1)]
    m = min(map(len, members))
    if m < 2:
        raise ValueError(f"{[len(x) for x in members]} members; at least two of each gender are needed")
    generator = np.random.default_rng(rng)
    kept = torch.cat([x[torch.from_numpy(generator.permutation(len(x))[:m])] for x in members])
    x = _unit(z)[..., kept, :]  # (..., 2m, d), the first m of gender 0
    order = generator.permuted(np.tile(np.arange(2 * m), (draws, 1)), axis=1)
    side = torch.zeros(1 + draws, 2 * m, dtype=torch.float64)
    side[0, :m] = 1
    side[1:].scatter_(1, torch.from_numpy(order[:, :m]), 1.0)
    means = torch.stack([side @ x, (1 - side) @ x], -2) / m  # (..., 1 + draws, 2, d)
    d = _distances(means, torch.tensor([m, m]), unbiased)
    values = torch.cat([ratios(d), gaps(d)], -1).movedim(-2, 0)
    observed, drawn = values[0], values[1:]
    low, high = drawn <= observed + FLAT, drawn >= observed - FLAT
    extreme = torch.cat([low[..., :2], high[..., 2:]], -1).sum(0)
    return Null(observed, drawn, (1 + extreme.double()) / (1 + draws), m)


def tpr_gap(y_true: Tensor, y_pred: Tensor, group: Tensor, num_classes: int | None = None) -> Tensor:
    """Gap of the true positive rates, group 0 minus group 1, a class: P(ŷ = k | y = k, 0) - P(ŷ = k | y = k, 1).

    De-Arteaga et al. (2019), with 0 = F: negative where the women of an occupation are recognised less often.
    y_true, group: (n,); y_pred: (..., n).  Returns (..., K) float64, NaN where a group has no member of the class.
    ValueError: codes out of range.
    """
    of = known(num_classes)
    people = {"y_true": (y_true, "n", of), "group": (group, "n", checks.codes(2))}
    checks.tensors(**people, y_pred=(y_pred, "... n", of))
    cell, classes = cells(y_true, group, num_classes)
    right = (y_pred == y_true).double() @ cell  # (..., 2K)
    rate = (right / cell.sum(0)).unflatten(-1, (classes, 2))
    return rate[..., 0] - rate[..., 1]


def _unit(z: Tensor) -> Tensor:
    has_direction(z)
    return F.normalize(z.double(), dim=-1)


def has_direction(z: Tensor) -> None:
    """ValueError: a vector (..., d) that is zero, shorter than 1e-12 (which ``F.normalize`` divides by), not finite."""
    length = z.norm(dim=-1)
    if not (torch.isfinite(length) & (length > 1e-12)).all():
        raise ValueError("a feature vector is zero or not finite: its cosine is undefined")


def known(classes: int | None) -> checks.Kind:
    """Codes below a number of classes, or any codes where none is given."""
    if classes is None:
        return checks.codes()
    checks.number("number of classes", classes, 1, whole=True)
    return checks.codes(classes)


def cells(occupation: Tensor, gender: Tensor, num_occupations: int | None) -> tuple[Tensor, int]:
    """Membership (n, 2K) float64 of occupation x gender, gender the faster, and K."""
    classes = num_occupations or int(occupation.max()) + 1
    return F.one_hot(2 * occupation + gender, 2 * classes).double(), classes


def _by_occupation(z, occupation, gender, unbiased, num_occupations) -> Tensor:
    """Distances (..., 2K, 2K) of occupation x gender; NaN rows of an occupation with fewer than two of a gender."""
    people = {"occupation": (occupation, "n", known(num_occupations)), "gender": (gender, "n", checks.codes(2))}
    checks.tensors(z=(z, "... n d", checks.GAPPY), **people)
    cell, classes = cells(occupation, gender, num_occupations)
    few = (cell.sum(0).view(classes, 2) < 2).any(1).repeat_interleave(2)
    return _group_distances(z, 2 * occupation + gender, 2 * classes, unbiased).masked_fill(few[:, None], torch.nan)


def _distances(means: Tensor, counts: Tensor, unbiased: bool) -> Tensor:
    """D (..., size, size) from the mean unit vectors (..., size, d) of groups of these sizes, (size,)."""
    d = 1 - means @ means.mT
    if not unbiased:
        return d
    larger = torch.where(counts > 1, counts / (counts - 1), torch.nan)
    return d * torch.where(torch.eye(len(counts), dtype=torch.bool), larger, 1.0)
