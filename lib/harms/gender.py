"""Gender in a representation: spread within and between, the gap of the means, what a probe reads, whom it serves.

Unit vectors throughout: features are divided by their length.  D(A, B) = mean of 1 - cos over the pairs of A x B.
With m_A the mean unit vector, D(A, B) = 1 - m_A · m_B exactly, self-pairs included, so no loop over pairs is needed;
hence D(A, B) = (D(A, A) + D(B, B) + |m_A - m_B|²) / 2.  Unbiased: the n self-pairs, whose distance is 0, are left
out of D(A, A), which is then n / (n - 1) (1 - |m_A|²).
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

FLAT = 1e-12  # a spread below it is rounding: its ratio is undefined
STATISTICS = ("grh_f", "grh_m", "mean_gap")


def within_between(z: Tensor, mask_a: Tensor, mask_b: Tensor, unbiased: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """(D(a, a), D(a, b), D(b, b)) of two groups.

    z: (..., n, d) features of any length; mask_a, mask_b: (n,) bool, without a common member.  Returns three (...)
    float64.  ValueError: masks that overlap, a group without a member (unbiased: without two), a feature that is zero
    or not finite.
    """
    if (mask_a & mask_b).any():
        raise ValueError(f"the two groups share {int((mask_a & mask_b).sum())} members; give disjoint masks")
    counts = torch.stack([mask_a.sum(), mask_b.sum()])
    if (counts < 1 + unbiased).any():
        raise ValueError(f"groups of {counts.tolist()}; each needs {1 + unbiased} members or more")
    x = _unit(z)
    means = torch.stack([x[..., mask, :].mean(-2) for mask in (mask_a, mask_b)], -2)  # (..., 2, d)
    within, between = _distances(means, counts, unbiased)
    return within[..., 0], between, within[..., 1]


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
    within, between = _by_occupation(z, occupation, gender, unbiased, num_occupations)
    return _ratios(within, between)


def mean_gap(
    z: Tensor, occupation: Tensor, gender: Tensor, unbiased: bool = False, num_occupations: int | None = None
) -> Tensor:
    """|m_oF - m_oM|, the distance between the mean unit vectors of the two genders of each occupation: (..., K).

    Plug-in: above 0 for small groups even of one distribution.  unbiased: the square is 2 D(F, M) - D(F, F) - D(M, M)
    without self-pairs, whose mean is the true square; the root is given, with a minus sign where the square is
    negative.  Arguments, NaN and errors as in ``gender_representation_harm``.
    """
    within, between = _by_occupation(z, occupation, gender, unbiased, num_occupations)
    return _gap(within, between)


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
    members = [(gender == g).nonzero()[:, 0] for g in (0, 1)]
    m = min(map(len, members))
    if m < 2 or draws < 1:
        found = f"{[len(x) for x in members]} members, {draws} draws"
        raise ValueError(f"{found}; at least two of each gender and one draw are needed")
    generator = np.random.default_rng(rng)
    kept = torch.cat([x[torch.from_numpy(generator.permutation(len(x))[:m])] for x in members])
    x = _unit(z)[..., kept, :]  # (..., 2m, d), the first m of gender 0
    order = generator.permuted(np.tile(np.arange(2 * m), (draws, 1)), axis=1)
    side = torch.zeros(1 + draws, 2 * m, dtype=torch.float64)
    side[0, :m] = 1
    side[1:].scatter_(1, torch.from_numpy(order[:, :m]), 1.0)
    means = torch.stack([side @ x, (1 - side) @ x], -2) / m  # (..., 1 + draws, 2, d)
    within, between = _distances(means, torch.tensor([m, m]), unbiased)
    values = torch.cat([_ratios(within, between), _gap(within, between)[..., None]], -1).movedim(-2, 0)
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
    cell, classes = cells(y_true, group, num_classes)
    right = (y_pred == y_true).double() @ cell  # (..., 2K)
    rate = (right / cell.sum(0)).unflatten(-1, (classes, 2))
    return rate[..., 0] - rate[..., 1]


def _unit(z: Tensor) -> Tensor:
    length = z.norm(dim=-1)
    if not (torch.isfinite(length) & (length > 0)).all():
        raise ValueError("a feature vector is zero or not finite: its cosine is undefined")
    return F.normalize(z.double(), dim=-1)


def cells(occupation: Tensor, gender: Tensor, num_occupations: int | None) -> tuple[Tensor, int]:
    """Membership (n, 2K) float64 of occupation x gender, gender the faster, and K."""
    classes = num_occupations or int(occupation.max()) + 1
    if int(occupation.min()) < 0 or int(occupation.max()) >= classes or ((gender != 0) & (gender != 1)).any():
        raise ValueError(f"codes 0..{classes - 1} and groups 0, 1 are expected")
    return F.one_hot(2 * occupation + gender, 2 * classes).double(), classes


def _by_occupation(z, occupation, gender, unbiased, num_occupations) -> tuple[Tensor, Tensor]:
    """D within (..., K, 2) and between (..., K) the genders; NaN where one has fewer than two members."""
    cell, classes = cells(occupation, gender, num_occupations)
    counts = cell.sum(0)
    means = ((cell / counts).nan_to_num().T @ _unit(z)).unflatten(-2, (classes, 2))
    within, between = _distances(means, counts.view(classes, 2), unbiased)
    few = (counts.view(classes, 2) < 2).any(1)
    return within.masked_fill(few[:, None], torch.nan), between.masked_fill(few, torch.nan)


def _distances(means: Tensor, counts: Tensor, unbiased: bool) -> tuple[Tensor, Tensor]:
    """D within (..., 2) and between (...), from the mean unit vectors (..., 2, d) of groups of these sizes (..., 2)."""
    within = 1 - means.square().sum(-1)
    if unbiased:
        within = within * counts / (counts - 1).clamp(min=1)
    return within, 1 - (means[..., 0, :] * means[..., 1, :]).sum(-1)


def _ratios(within: Tensor, between: Tensor) -> Tensor:
    return torch.where(within > FLAT, between[..., None] / within, torch.nan)


def _gap(within: Tensor, between: Tensor) -> Tensor:
    square = 2 * between - within.sum(-1)
    return square.sign() * square.abs().sqrt()
