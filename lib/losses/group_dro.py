"""Distributionally robust training over groups, and accuracy by group (Sagawa, Koh, Hashimoto & Liang 2020)."""

import torch
from torch import Tensor

from lib import checks


def group_dro(
    loss: Tensor, group: Tensor, weights: Tensor, step: float = 0.01, margin: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """One step of Algorithm 1: the loss to minimise, and the group weights q after their own step.

    With L_g the mean loss of group g in the batch, q_g <- q_g exp(step (L_g + margin_g)), divided by their sum; the
    loss is sum over g of q_g L_g, with the new q, through which no gradient passes.  A group without a point in the
    batch has exponent 0, and no loss; the public code adds its margin all the same, and so raises it.

    loss: (n,) of the batch's points; group: (n,) codes 0 to G - 1; weights: (G,) q, which sum to 1; step: the paper's
    eta_q, above 0; margin: (G,) from ``margins``, none by default.  Returns a scalar and (G,).
    ValueError: a code outside 0 to G - 1, shapes that differ, no point, step <= 0, a loss that is not finite: all
    weights would be NaN from then on.
    """
    sums = {} if margin is None else {"margin": (margin, "G", checks.REAL)}
    groups = checks.tensors(weights=(weights, "G", checks.SHARES), **sums)["G"]
    checks.tensors(loss=(loss, "n", checks.REAL), group=(group, "n", checks.codes(groups)))
    checks.number("step", step, 0, inside=True)
    mean, size = group_means(loss, group, len(weights))
    with torch.no_grad():
        raised = mean if margin is None else mean + margin * (size > 0)
        new = (weights.log() + step * raised).softmax(0)  # in logarithms, so that a large step does not overflow
    return new @ mean, new


def margins(sizes: Tensor, adjustment: float) -> Tensor:
    """C / sqrt(n_g), the margin of a group of n_g training points (section 3.3); sizes: (G,), all above 0; C >= 0."""
    if (sizes <= 0).any() or adjustment < 0:
        raise ValueError(
            f"sizes={sizes.tolist()}, adjustment={adjustment}: sizes above 0 and C of 0 or more are expected"
        )
    return adjustment / sizes.double().sqrt().to(torch.float32)


def group_means(values: Tensor, group: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Means (G,) of values (n,) over each group, 0 for an empty one, and the groups' sizes (G,).

    ValueError: a code outside 0 to G - 1.
    """
    if len(group) and not 0 <= int(group.min()) <= int(group.max()) < groups:
        raise ValueError(f"group codes run from {int(group.min())} to {int(group.max())}; expected 0 to {groups - 1}")
    size = torch.bincount(group, minlength=groups)
    total = values.new_zeros(groups).index_add(0, group, values)
    return total / size.clamp(min=1), size


def evenly(group: Tensor, size: int, steps: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """``steps`` batches of ``size`` positions, every draw first of a group, then of a point in it, all equally likely.

    group: (n,) codes; the draws are with replacement, as with the public code's weighted sampler.
    """
    share = 1 / torch.bincount(group).clamp(min=1)[group].double()  # (n,)
    return torch.multinomial(share, steps * size, replacement=True, generator=generator).split(size)


def accuracies(correct: Tensor, group: Tensor) -> Tensor:
    """Share of right answers in each group (..., G), codes in sorted order; correct: (..., n) bool, group: (n,).

    ValueError: no point, or lengths that differ.
    """
    if group.ndim != 1 or correct.shape[-1:] != group.shape or len(group) == 0:
        raise ValueError(f"correct {tuple(correct.shape)}, group {tuple(group.shape)}: give one code a point")
    member = group == group.unique()[:, None]  # (G, n)
    return correct.double() @ member.double().T / member.sum(1)


def worst_group(correct: Tensor, group: Tensor) -> Tensor:
    """The lowest accuracy of any group, (...,); correct: (..., n) bool, group: (n,)."""
    return accuracies(correct, group).amin(-1)


def average(correct: Tensor, group: Tensor, shares: Tensor) -> Tensor:
    """Accuracy (...,) where groups weigh as in training: sum over g of shares_g accuracy_g, shares (G,) that sum to 1.

    The test sets here have other shares of groups than the training sets; Sagawa et al. (2020) report this mean.
    """
    return accuracies(correct, group) @ shares.double()
