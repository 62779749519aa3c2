"""The step that every training takes."""

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor


def optimise(
    optimiser: torch.optim.Optimizer, losses: Iterable[Tensor], backward: Callable[[Tensor], None] = Tensor.backward
) -> Iterator[Tensor]:
    """One step of the optimiser for each loss, computed after the step before; yields the losses, without gradient.

    losses: scalars, or losses (...) of nets side by side, whose sum is lowered.  An iterator that computes the next
    loss from the weights as they stand sets the learning rate before, and steps a schedule after, its ``yield``.
    """
    for loss in losses:
        optimiser.zero_grad(set_to_none=True)
        backward(loss.sum())
        optimiser.step()
        yield loss.detach()
