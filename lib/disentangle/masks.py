"""Pairs of frames of a moving ellipse: a stand-in for the masks of pedestrians in KITTI."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from lib import checks
from lib.disentangle.latents import box

SIDE = 16  # pixels of a mask


@dataclass(frozen=True)
class Walk:
    """Row, column and size of an ellipse, each a walk of reflected Laplace steps; a pair lies some frames apart.

    longest: the gap is uniform from 1 to it; scale: b of a step, and the c of the score's taxicab distance.
    """

    longest: int = 1
    scale: float = 0.03
    order: float = 1
    rooms: np.ndarray = field(default_factory=lambda: box(3))
    n: int = 3

    def __post_init__(self) -> None:
        checks.number("longest", self.longest, 1, whole=True)
        checks.number("scale", self.scale, 0, inside=True)

    def draw(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """So many pairs of factors, (count, 3) each; the first is uniform."""
        s = rng.random((count, self.n))
        gap, later = rng.integers(1, self.longest + 1, count), s
        for frame in range(self.longest):
            step = rng.laplace(0, self.scale, s.shape) * (frame < gap)[:, None]
            later = 1 - np.abs((later + step) % 2 - 1)  # reflected at 0 and 1
        return s, later


@dataclass(frozen=True)
class Masks:
    """The observation of a walk: 16 x 16 pixels of an ellipse with soft edge, flat, (S, m, 3) to (S, m, 256)."""

    def __call__(self, s: Tensor) -> Tensor:
        line = (torch.arange(SIDE) + 0.5) / SIDE
        row, column, size = (s[..., i, None, None] for i in range(3))
        height = 0.08 + 0.17 * size  # half the height of the ellipse; it stands upright, twice as high as wide
        across, along = 0.2 + 0.6 * column, 0.25 + 0.5 * row
        apart = ((line[:, None] - along) / height) ** 2 + ((line - across) / (height / 2)) ** 2
        return torch.sigmoid(6 * (1 - apart.sqrt())).flatten(-2)
