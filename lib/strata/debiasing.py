"""Losses of points with wrong labels, drawn and corrected: what lemmas 5 to 7 of Details Matter (2022) promise.

No torch.  Two balanced classes are two pools of unit vectors; every label is wrong with probability 1 - p.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from lib.strata.label_noise import debias_weights, lemma7_weights


@dataclass(frozen=True)
class Pools:
    """Two classes of n points each.

    cosines: (2n, 2n) between all points over tau; the first n are class 0.
    """

    cosines: np.ndarray

    @property
    def size(self) -> int:
        return len(self.cosines) // 2

    def draw(self, rng: np.random.Generator, label: np.ndarray, p: float) -> np.ndarray:
        """Points that carry the given labels, each of which is right with probability p: indices of label's shape."""
        true = np.where(rng.random(label.shape) < p, label, 1 - label)
        return true * self.size + rng.integers(self.size, size=label.shape)

    def clean_loss(self) -> float:
        """E[-sigma(x, x+) + log(exp sigma(x, x+) + exp sigma(x, x-))] over all triplets, with true labels."""
        n, total = self.size, 0.0
        for own, other in ((slice(0, n), slice(n, None)), (slice(n, None), slice(0, n))):
            same, across = self.cosines[own, own], self.cosines[own, other]
            total += np.logaddexp(same[:, :, None], across[:, None, :]).mean() - same.mean()
        return total / 2

    def noisy_loss(self, p: float, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """The loss of drawn noisy triplets, plain and with the weights of lemma 6, each (draws,)."""
        rng, w = np.random.default_rng(seed), debias_weights(p)
        label = rng.integers(2, size=draws)
        x, a, b, c, d = (self.draw(rng, y, p) for y in (label, label, label, 1 - label, 1 - label))
        pos, pos2, neg, neg2 = (self.cosines[x, other] for other in (a, b, c, d))
        pair = np.logaddexp(pos, neg)
        alike = np.logaddexp(pos, pos2) + np.logaddexp(neg, neg2)
        return pair - pos, w.w1 * pair - w.w2 * alike - w.w_plus * pos + w.w_minus * neg

    def noisy_sum(self, m: int, p: float, draws: int, seed: int) -> np.ndarray:
        """log sum of exp sigma over one positive and m - 1 negatives, from noisy labels by lemma 7, (draws,).

        A draw has m + 1 sets of m points; j of set j are labelled positive.
        """
        rng, w = np.random.default_rng(seed), lemma7_weights(m, p)
        label = rng.integers(2, size=draws)
        x = self.draw(rng, label, p)
        found = np.zeros(draws)
        for j in range(m + 1):
            labels = np.where(np.arange(m) < j, label[:, None], 1 - label[:, None])  # (draws, m)
            found += w[j] * special.logsumexp(self.cosines[x[:, None], self.draw(rng, labels, p)], axis=1)
        return found

    def clean_sum(self, m: int, draws: int, seed: int) -> np.ndarray:
        """The same log sum with true labels, one set a draw, (draws,)."""
        rng = np.random.default_rng(seed)
        label = rng.integers(2, size=draws)
        labels = np.where(np.arange(m) < 1, label[:, None], 1 - label[:, None])
        return special.logsumexp(self.cosines[self.draw(rng, label, 1)[:, None], self.draw(rng, labels, 1)], axis=1)


def pools(concentration: float, dim: int, size: int, tau: float, seed: int = 0) -> Pools:
    """Two classes drawn from von Mises-Fisher distributions around opposite poles of the unit vectors of R^dim."""
    pole = np.eye(dim)[0]
    rng = np.random.default_rng(seed)
    z = np.concatenate([stats.vonmises_fisher(s * pole, concentration).rvs(size, random_state=rng) for s in (1, -1)])
    return Pools(z @ z.T / tau)
