"""What an encoder sees in place of the factors: x = g(s), g injective, a small random network."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lib import checks

SLOPE = 0.2  # of the leaky rectifier between layers


@dataclass(frozen=True)
class Mixing:
    """g(s): square layers with leaky rectifiers between them, of input 2s - 1.  weights: (S, n, n) a layer."""

    weights: list[Tensor]

    @staticmethod
    def orthogonal(n: int, seeds: list[int], layers: int = 3) -> "Mixing":
        """Random orthogonal layers, one mixing a seed."""
        drawn = [_orthogonal(n, layers, np.random.default_rng([seed, 1])) for seed in seeds]
        return Mixing([torch.tensor(np.stack(each), dtype=torch.float32) for each in zip(*drawn, strict=True)])

    @staticmethod
    def conditioned(n: int, seeds: list[int], layers: int = 3, draws: int = 25_000) -> "Mixing":
        """Layers as in the public code of Zimmermann et al. (2021), one mixing a seed.

        Entries uniform in [-1, 1], columns of length 1; each layer is the first draw whose condition number is at or
        below the least among so many draws.
        """
        checks.number("draws", draws, 1, whole=True)
        drawn = [_conditioned(n, layers, draws, np.random.default_rng([seed, 1])) for seed in seeds]
        return Mixing([torch.tensor(np.stack(each), dtype=torch.float32) for each in zip(*drawn, strict=True)])

    def __call__(self, s: Tensor) -> Tensor:
        """Observations (S, m, n) of latents (S, m, n), or of the same latents (m, n) for every seed."""
        x = 2 * s - 1
        for i, w in enumerate(self.weights):
            x = (x if i == 0 else torch.nn.functional.leaky_relu(x, SLOPE)) @ w
        return x


def _orthogonal(n: int, layers: int, rng: np.random.Generator) -> list[np.ndarray]:
    found = []
    for _ in range(layers):
        q, r = np.linalg.qr(rng.standard_normal((n, n)))
        found.append(q * np.sign(np.diag(r)))  # Haar's measure
    return found


def _conditioned(n: int, layers: int, draws: int, rng: np.random.Generator) -> list[np.ndarray]:
    def batch(count: int) -> tuple[np.ndarray, np.ndarray]:
        w = rng.uniform(-1, 1, (count, n, n))
        w /= np.linalg.norm(w, axis=1, keepdims=True)
        return w, np.linalg.cond(w)

    least, found = batch(draws)[1].min(), []
    while len(found) < layers:
        w, condition = batch(draws)
        found += list(w[condition <= least][: layers - len(found)])
    return found
