"""Small perceptrons side by side, each what it would be alone: weights, what they make of points, training."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Generator, Tensor

from lib.losses.descent import optimise


@dataclass(frozen=True)
class Training:
    """Settings of the networks: a perceptron with two hidden layers, Adam with a cosine schedule."""

    width: int = 64  # of both hidden layers
    features: int = 8  # of the unit vector that comes out
    batch: int = 16  # points a step, of each class where classes are drawn alike
    steps: int = 1000
    learning_rate: float = 0.01
    nonnegative: bool = False  # features through a softplus, as after a last rectifier


@dataclass(frozen=True)
class Perceptrons:
    """Weights and biases (E, in, out) and (E, 1, out), a layer an entry."""

    weights: list[Tensor]
    biases: list[Tensor]

    @staticmethod
    def drawn(seeds: list[int], size: int, settings: Training, dtype: torch.dtype = torch.float32) -> "Perceptrons":
        """Normal weights of variance 2 / in, each network's drawn by its seed; size: coordinates of a point."""
        widths, starts = (size, settings.width, settings.width, settings.features), [seeded(seed) for seed in seeds]
        weights = [
            torch.stack([torch.randn(a, b, generator=g) * math.sqrt(2 / a) for g in starts]).to(dtype)
            for a, b in pairwise(widths)
        ]
        return Perceptrons(weights, [torch.zeros(len(seeds), 1, b, dtype=dtype) for b in widths[1:]])

    def __call__(self, x: Tensor) -> Tensor:
        """(E, n, D) to (E, n, d), not normalised."""
        for i, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(b, x if i == 0 else x.relu(), w)
        return x

    @property
    def layers(self) -> list[Tensor]:
        """All that is trained."""
        return [*self.weights, *self.biases]

    def train(self, losses: Callable[[], Tensor], settings: Training) -> Tensor:
        """Lower the losses (E,) of batches drawn by each call; those of every step, (steps, E)."""
        return descend(self.layers, losses, settings)


def descend(layers: list[Tensor], losses: Callable[[], Tensor], settings: Training) -> Tensor:
    """Lower the losses (E,) of batches drawn by each call, by Adam on the layers; those of every step, (steps, E)."""
    adam = torch.optim.Adam([layer.requires_grad_() for layer in layers], lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, max(1, settings.steps))

    def each():
        for _ in range(settings.steps):
            yield losses()
            schedule.step()

    seen = list(optimise(adam, each()))
    for layer in layers:
        layer.requires_grad_(False)
    return torch.stack(seen) if seen else torch.empty(0, len(layers[0]))


def seeded(seed: int) -> Generator:
    """A generator with its seed."""
    return Generator().manual_seed(seed)
