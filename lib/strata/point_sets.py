"""The contrastive loss with m points in the log-sum, corrected for wrong labels by lemma 7 of Details Matter (2022).

Two balanced classes, each label right with probability p, independently.  ``noisy_labels.triplet`` is the case m = 2.
"""

import math
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from lib import checks
from lib.strata import label_noise


def drawn(batch: int, points: int, most: int, generator: Generator) -> Tensor:
    """Sets (S, points) of positions among the batch - 1 points that are not the anchor: all, or ``most`` drawn evenly.

    ValueError: fewer than two points, or more than there are others.
    """
    checks.number("points", points, 2, batch - 1, whole=True)
    if math.comb(batch - 1, points) <= most:
        return torch.tensor(list(combinations(range(batch - 1), points)))
    return torch.rand(most, batch - 1, generator=generator).argsort(1)[:, :points]


def loss(z: Tensor, y: Tensor, temperature: float, sets: Tensor, right: Tensor) -> Tensor:
    """-sigma(x, x+) + log of a sum over one positive and m - 1 negatives, corrected so that its mean over the noise is
    the loss on the right labels, (E,), a net each.

    With sigma the cosine over the temperature, T_j the sum of the log-sum-exp over the sets of m points of which j are
    labelled as the anchor is, and S_i the same under right labels, E T_j = sum over i of P[j, i] S_i, with P the matrix
    of lemma 7: points flip one by one, so that it is the law of the number labelled positive too.  The weights
    v_j = m w_j / C(m, j), with P w = e, therefore give sum over j of v_j T_j the mean S_1.  The numerator has the
    weights of lemma 6.  Divisors count the right pairs and sets of a batch with half of its points in each class.

    z: (E, N, d) features; y: (E, N) labels, 0 or 1; sets: (S, m) of ``drawn``, the same for every anchor and net;
    right: (E,) p of each net, 1 for the loss as labelled.  ValueError: temperature <= 0, shapes that differ.
    """
    if z.shape[:-1] != y.shape or len(right) != len(z) or not temperature > 0:
        raise ValueError(
            f"z {tuple(z.shape)}, y {tuple(y.shape)}, right {tuple(right.shape)}, temperature={temperature}: "
            "(E, N, d), (E, N), (E,) and a temperature above 0 are expected"
        )
    n, m = y.shape[1], sets.shape[1]
    f = F.normalize(z, dim=-1)
    s = (f @ f.mT / temperature).flatten(1)[:, 1:].unflatten(1, (n - 1, n + 1))[..., :-1].reshape(len(z), n, n - 1)
    same = (y[..., None] == y[..., None, :]).flatten(1)[:, 1:].unflatten(1, (n - 1, n + 1))[..., :-1]
    same = same.reshape(len(z), n, n - 1)  # (E, N, N - 1): the diagonal is left out
    plus, minus, weights = (v.to(z) for v in _weights(m, right))
    pairs = (s * torch.where(same, -plus[:, None, None], minus[:, None, None])).sum((1, 2)) / (n / 2 - 1)
    count = same[:, :, sets].sum(-1)  # (E, N, S) labelled positives in each set
    part = weights.gather(1, count.flatten(1)).view(count.shape) * s[:, :, sets].logsumexp(-1)
    scale = math.comb(n - 1, m) / len(sets) / ((n / 2 - 1) * math.comb(n // 2, m - 1))
    return (pairs + part.sum((1, 2)) * scale) / n


def _weights(m: int, right: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """w_plus (E,), w_minus (E,) and v (E, m + 1) of each p."""
    found = {p: (label_noise.debias_weights(p), label_noise.lemma7_weights(m, p)) for p in set(right.tolist())}
    sets = torch.tensor([math.comb(m, j) for j in range(m + 1)])
    rows = [found[p] for p in right.tolist()]
    pair = torch.tensor([[w.w_plus, w.w_minus] for w, _ in rows])
    return pair[:, 0], pair[:, 1], m * torch.stack([torch.from_numpy(w) for _, w in rows]) / sets
