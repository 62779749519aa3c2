"""What a study of gender in texts reads from its encoders: distances between groups, and what heads call their members.

A group is a gender of an occupation, coded 2 o + g with 0 = F; there are 2K of them.  A repeat is a seed, which may
hold out a fold of its own.  Everything is float64.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lib import mediation, probe
from lib.encoders import simcse
from lib.encoders.store import BALANCED
from lib.encoders.text_settings import TextSettings, TextUnit
from lib.probe.gender import gender_predictability
from lib.text.corpora import Biographies

FEWEST = 30  # held-out texts of a gender, over all folds, below which an occupation is marked as undecided


@dataclass(frozen=True)
class Labels:
    """The codes of one repeat's texts.

    occupation, gender: (n,) of the held-out texts that are judged, both genders of an occupation equally often;
    rows: (n,) their positions among all held-out texts; train: (N,) occupations of the training texts;
    kept: (1 + T, N) bool, the training texts of a head with balanced labels, and with each treated group cut.
    """

    occupation: Tensor
    gender: Tensor
    rows: Tensor
    train: Tensor
    kept: Tensor

    @property
    def group(self) -> Tensor:
        return 2 * self.occupation + self.gender


@dataclass(frozen=True)
class Reading:
    """What was measured of one arm: one encoder a repeat (m = 1), or one for each of the T treated groups (m = T).

    distances: (repeats, m, 2K, 2K), see ``group_distances``, without self-pairs; calls: (repeats, m, 2K, K) shares of
    each group that a head with balanced labels calls each occupation; cut: (repeats, T, 2K, K) the same under a head
    whose labels of the t-th treated group were cut.
    """

    distances: Tensor
    calls: Tensor
    cut: Tensor

    def accuracy(self) -> Tensor:
        """Mean recall over the groups, (repeats,), the mean over the arm's encoders."""
        return self._recall(self.calls).mean((-2, -1))

    def tpr_gap(self, cut: bool = False) -> Tensor:
        """Recall of the women of each occupation minus that of its men, (repeats, m or T, K)."""
        return -self._recall(self.cut if cut else self.calls).unflatten(-1, (-1, 2)).diff(dim=-1)[..., 0]

    @staticmethod
    def _recall(calls: Tensor) -> Tensor:
        groups = torch.arange(calls.shape[-2])
        return calls[..., groups, groups // 2]


def even(occupation: Tensor, gender: Tensor, seed: int = 0) -> Tensor:
    """Sorted positions in which each occupation has as many texts of either gender: the larger is cut at random."""
    found, rng = [], np.random.default_rng(seed)
    for o in occupation.unique().tolist():
        both = [((occupation == o) & (gender == g)).nonzero()[:, 0] for g in (0, 1)]
        fewest = min(map(len, both))
        found += [rows[torch.from_numpy(rng.permutation(len(rows))[:fewest])] for rows in both]
    return torch.cat(found).sort().values


def labels(unit: TextUnit, treated: tuple[str, ...], ratio: float) -> Labels:
    """The codes of the texts that a unit was trained and is judged on, the cut ones as an encoder of its seed saw."""
    train, test = (_load(unit.settings, split, unit.fold) for split in ("train", "test"))
    rows = even(test.occupation, test.gender)
    kept = torch.zeros(1 + len(treated), len(train), dtype=torch.bool)
    for mask, member in zip(kept, (BALANCED, *treated), strict=True):
        mask[simcse.kept(train, member, ratio, unit.seed)] = True
    return Labels(test.occupation[rows], test.gender[rows], rows, train.occupation, kept)


@cache
def _load(settings: TextSettings, split: str, fold: int) -> Biographies:
    return simcse.load(settings, split, fold)


def read(arm: list[list[TextUnit]], seen: list[Labels]) -> Reading:
    """Measure an arm, one entry of units and one of labels a repeat; ValueError where their numbers differ."""
    if len(arm) != len(seen):
        raise ValueError(f"{len(arm)} repeats of encoders and {len(seen)} of labels; give one of each a repeat")
    made = [_repeat(units, one) for units, one in zip(arm, seen, strict=True)]
    return Reading(*(torch.stack(part) for part in zip(*made, strict=True)))


def features(units: list[TextUnit], seen: Labels) -> tuple[Tensor, Tensor]:
    """Of the units' encoders: (m, N, d) of the training texts and (m, n, d) of the judged ones."""
    train, test = (torch.cat([u.embeddings(split)[0] for u in units]).double() for split in ("train", "test"))
    return train, test[:, seen.rows]


def _repeat(units: list[TextUnit], seen: Labels) -> tuple[Tensor, Tensor, Tensor]:
    train, test = features(units, seen)
    size = 2 * (int(seen.train.max()) + 1)
    balanced, cut = [], []
    for t, (x, z) in enumerate(zip(train, test, strict=True)):
        masks = seen.kept if len(train) == 1 else seen.kept[[0, t + 1]]
        called = probe.predict(x, seen.train, masks, z).codes  # (heads, n)
        found = shares(called, seen.group, size)
        balanced.append(found[0])
        cut += [*found[1:]]
    return group_distances(test, seen.group, size, unbiased=True), torch.stack(balanced), torch.stack(cut)


def predictability(arm: list[list[TextUnit]], seen: list[Labels]) -> Tensor:
    """How well the gender can be read within each occupation, (repeats, K): see ``lib.probe.gender``; 0.5 is chance."""
    return torch.stack(
        [
            gender_predictability(features(units, one)[1], one.gender, one.occupation).mean(0)
            for units, one in zip(arm, seen, strict=True)
        ]
    )


def shares(called: Tensor, group: Tensor, size: int) -> Tensor:
    """Row-normalised table of groups (size) by occupation called (size / 2): called (..., n), group (n,) codes.

    Returns (..., size, size / 2); NaN rows of groups without a member.
    """
    member = F.one_hot(group, size).double()
    return member.T @ F.one_hot(called, size // 2).double() / member.sum(0)[:, None]


def group_distances(z: Tensor, group: Tensor, size: int, unbiased: bool = False) -> Tensor:
    """D(A, B) = mean of 1 - cos over the pairs of groups A and B, (..., size, size); unbiased: without self-pairs.

    z: (..., n, d), group: (n,) codes below size.  NaN where a group has no member, or unbiased one alone.
    """
    member = F.one_hot(group, size).double()
    counts = member.sum(0)
    means = (member / counts).T @ F.normalize(z.double(), dim=-1)
    d = 1 - means @ means.mT
    if unbiased:
        d = d * torch.where(torch.eye(size, dtype=torch.bool), counts / (counts - 1), 1.0)
    return torch.where((counts >= 1 + unbiased)[:, None] & (counts >= 1), d, torch.nan)


def ratios(distances: Tensor) -> Tensor:
    """GRH(o, g) = D(og, og') / D(og, og): (..., 2K, 2K) to (..., 2K)."""
    own = torch.arange(distances.shape[-1])
    return distances[..., own, own ^ 1] / distances[..., own, own]


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


def own(values: Tensor, groups: tuple[int, ...]) -> Tensor:
    """Of a value for each group under the encoder of each treated one, (repeats, T or 1, 2K, ...), the treated
    group's own: (repeats, T, ...)."""
    t = torch.arange(len(groups)) if values.shape[1] > 1 else torch.zeros(len(groups), dtype=torch.long)
    return values[:, t, list(groups)]


def moved(under: Reading, balanced: Reading, groups: tuple[int, ...]) -> Tensor:
    """RH(G, H; G) = D(G, H) with G undersampled over D(G, H) balanced, (repeats, T, 2K); below 1 they came closer."""
    return own(under.distances, groups) / own(balanced.distances, groups)


def effects(under: Reading, balanced: Reading, groups: tuple[int, ...]) -> mediation.Effects:
    """Mediation on what the treated group is called, fields (repeats, T, K): T the labels, M the encoder."""
    rows = torch.arange(len(groups))

    def cut(r: Reading) -> Tensor:
        return r.cut[:, rows, list(groups)]

    return mediation.effects(own(balanced.calls, groups), own(under.calls, groups), cut(balanced), cut(under))


def recall_changes(under: Reading, balanced: Reading, groups: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """What undersampling does to recall, (repeats, T) each: of the treated gender and of the other one of its
    occupation, with the encoder alone undersampled (NIE); and of the first minus the second, encoder and labels too.
    """
    t, both = torch.arange(len(groups)), (groups, tuple(g ^ 1 for g in groups))
    here = [g // 2 for g in groups]

    def own_recall(calls: Tensor, which: tuple[int, ...]) -> Tensor:
        return own(calls, which)[:, t, here]

    before, nie, te = (
        [own_recall(calls, which) for which in both] for calls in (balanced.calls, under.calls, under.cut)
    )
    return nie[0] - before[0], nie[1] - before[1], (te[0] - before[0]) - (te[1] - before[1])


def training_share(groups: tuple[int, ...], size: int, ratio: float) -> Tensor:
    """Share of each group among the training texts of its occupation when a treated one is cut: (T, size)."""
    share = torch.full((len(groups), size), 0.5, dtype=torch.float64)
    for row, g in zip(share, groups, strict=True):
        row[g], row[g ^ 1] = ratio / (1 + ratio), 1 / (1 + ratio)
    return share


def sizes(seen: list[Labels]) -> Tensor:
    """Judged texts of each gender in each occupation, over repeats that hold out different texts, (K,)."""
    return sum(torch.bincount(one.occupation) // 2 for one in seen)
