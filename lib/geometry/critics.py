"""Bounds on mutual information by InfoNCE, from critics of rising freedom on one encoder (Tschannen et al. 2020).

For any critic s of two codes and batches of N pairs,
I(x; y) >= log N + E mean_i [s(f(x_i), f(y_i)) - log sum_j exp s(f(x_i), f(y_j))]: a freer critic can be tighter.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lib.geometry.perceptrons import Perceptrons, Training, descend, seeded

CRITICS = ("inner product", "bilinear", "perceptron")
WIDTH = 32  # of the critic that is a perceptron


@dataclass(frozen=True)
class Pair:
    """Encoders and critics of E seeds; a critic: none, matrices (E, d, d), or perceptrons of two codes side by side."""

    encoder: Perceptrons
    critic: Tensor | Perceptrons | None

    @staticmethod
    def drawn(kind: str, seeds: list[int], size: int, settings: Training) -> "Pair":
        """Untrained; a bilinear critic starts as the inner product.  ValueError: a critic that is not in CRITICS."""
        if kind not in CRITICS:
            raise ValueError(f"critic {kind!r} is unknown; known are {', '.join(CRITICS)}")
        encoder, d = Perceptrons.drawn(seeds, size, settings), settings.features
        if kind == "inner product":
            return Pair(encoder, None)
        if kind == "bilinear":
            return Pair(encoder, torch.eye(d).repeat(len(seeds), 1, 1))
        return Pair(encoder, Perceptrons.drawn(seeds, 2 * d, replace(settings, width=WIDTH, features=1)))

    @property
    def layers(self) -> list[Tensor]:
        """All that is trained."""
        own = self.critic.layers if isinstance(self.critic, Perceptrons) else [self.critic]
        return [*self.encoder.layers, *([] if self.critic is None else own)]

    def scores(self, x: Tensor, y: Tensor) -> Tensor:
        """s(f(x_i), f(y_j)) of points (E, N, D), (E, N, N)."""
        a, b = self.encoder(x), self.encoder(y)
        if isinstance(self.critic, Perceptrons):
            n = a.shape[1]
            both = torch.cat([a[:, :, None].expand(-1, -1, n, -1), b[:, None].expand(-1, n, -1, -1)], -1)
            return self.critic(both.flatten(1, 2)).reshape(-1, n, n)
        return (a if self.critic is None else a @ self.critic) @ b.mT


def bound(scores: Tensor) -> Tensor:
    """The InfoNCE bound in nats (E,), at most log N, of scores (E, N, N) whose diagonal are the pairs."""
    return math.log(scores.shape[-1]) + (scores.diagonal(dim1=1, dim2=2) - scores.logsumexp(-1)).mean(-1)


def train(kind: str, views: Tensor, seeds: list[int], settings: Training) -> Pair:
    """Encoder and critic that maximise the bound on pairs of views of one point.

    views: (V, n, D), V >= 2 views of n points, not fewer than a batch; a step draws so many points by each seed, and
    two different views, the same for all seeds.
    """
    if len(views) < 2 or views.shape[1] < settings.batch:
        raise ValueError(f"views of shape {tuple(views.shape)}: 2 or more of {settings.batch} or more points, a batch")
    pair = Pair.drawn(kind, seeds, views.shape[-1], settings)
    points, which = [seeded(seed) for seed in seeds], seeded(0)

    def loss() -> Tensor:
        rows = torch.stack([torch.randperm(views.shape[1], generator=g)[: settings.batch] for g in points])
        first, second = torch.randperm(len(views), generator=which)[:2].tolist()
        return -bound(pair.scores(views[first][rows], views[second][rows]))

    descend(pair.layers, loss, settings)
    return pair


@torch.no_grad()
def held(pair: Pair, x: Tensor, y: Tensor, batch: int) -> Tensor:
    """The bound on pairs (n, D) that were not trained on, (E,), mean over batches; a rest that is too short is left."""
    seeds, n = len(pair.encoder.layers[0]), len(x) // batch * batch
    parts = zip(x[:n].split(batch), y[:n].split(batch), strict=True)
    return torch.stack([bound(pair.scores(*(v.expand(seeds, -1, -1) for v in part))) for part in parts]).mean(0)
