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

from lib import harms, mediation, probe
from lib.encoders import simcse
from lib.encoders.store import BALANCED
from lib.encoders.text_settings import TextSettings, TextUnit
from lib.harms import gender
from lib.harms.predictability import gender_predictability
from lib.text.corpora import Biographies

RECALL = ("NIE of recall", "NIE, other gender", "change of the gap of recall")
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

    distances: (repeats, m, 2K, 2K), see ``lib.harms.gender``, without self-pairs; calls: (repeats, m, 2K, K) shares of
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
    return simcse.texts_of(settings, split, fold)


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
        found = harms.allocation(seen.group.expand_as(called), called, size)[..., : size // 2]
        balanced.append(found[0])
        cut += [*found[1:]]
    return gender.group_distances(test, seen.group, size, unbiased=True), torch.stack(balanced), torch.stack(cut)


def predictability(arm: list[list[TextUnit]], seen: list[Labels]) -> Tensor:
    """How well each occupation shows the gender, (repeats, K): see ``lib.harms.predictability``; 0.5 is chance."""
    return torch.stack(
        [
            gender_predictability(features(units, one)[1], one.gender, one.occupation).mean(0)
            for units, one in zip(arm, seen, strict=True)
        ]
    )


def own(values: Tensor, groups: tuple[int, ...]) -> Tensor:
    """Of a value for each group under the encoder of each treated one, (repeats, T or 1, 2K, ...), the treated
    group's own: (repeats, T, ...)."""
    t = torch.arange(len(groups)) if values.shape[1] > 1 else torch.zeros(len(groups), dtype=torch.long)
    return values[:, t, list(groups)]


def moved(under: Reading, balanced: Reading, groups: tuple[int, ...]) -> Tensor:
    """RH(G, H; G) = D(G, H) with G undersampled over D(G, H) balanced, (repeats, T, 2K); below 1 they came closer."""
    return own(under.distances, groups) / own(balanced.distances, groups)


def changes(under: Reading, balanced: Reading, groups: tuple[int, ...]) -> dict[str, Tensor]:
    """Change of each measure of the treated groups, (repeats, T), from balanced encoders to undersampled ones.

    Of GRH: of the treated gender; of dispersion: log D(g, g) / D(g', g'); of mean gap: of its occupation; of log RH to
    the other gender: D(g, g') over that under balanced encoders.
    """
    measures = {"GRH": (gender.ratios, groups), "dispersion": (gender.dispersion, groups)}
    measures["mean gap"] = gender.gaps, tuple(g // 2 for g in groups)
    found = {
        f"change of {name}": own(measure(under.distances), which) - own(measure(balanced.distances), which)
        for name, (measure, which) in measures.items()
    }
    rh = moved(under, balanced, groups)[:, range(len(groups)), [g ^ 1 for g in groups]]
    return found | {"change of log RH to the other gender": rh.log()}


def identity(units: list[TextUnit], seen: Labels) -> tuple[float, bool]:
    """How far the identity of the distances is from holding on these embeddings, and whether both ratios are below 1.

    The largest difference of 2 D(F, M) - D(F, F) - D(M, M) and |m_F - m_M|² in any occupation.
    """
    z, size = F.normalize(features(units, seen)[1], dim=-1), 2 * int(seen.occupation.max()) + 2
    d = gender.group_distances(z, seen.group, size)
    means = torch.stack([z[:, seen.group == g].mean(1) for g in range(size)], 1).unflatten(1, (-1, 2))
    error = gender.gaps(d).square() - means.diff(dim=2).square().sum((2, 3))
    return float(error.abs().max()), bool((gender.ratios(d).unflatten(-1, (-1, 2)) < 1).all(-1).any())


def nulls(
    arm: list[list[TextUnit]], seen: list[Labels], groups: tuple[int, ...], draws: int
) -> list[list[gender.Null]]:
    """A permutation test for the occupation of each treated group, under each repeat's encoder of it: T lists."""

    def one(t: int, s: int) -> gender.Null:
        mine = seen[s].occupation == groups[t] // 2
        return gender.permutation_null(features(arm[s], seen[s])[1][t, mine], seen[s].gender[mine], draws, s)

    return [[one(t, s) for s in range(len(arm))] for t in range(len(groups))]


def with_few(arm: list[list[TextUnit]], seen: list[Labels], group: int, ratio: float) -> tuple[Tensor, int]:
    """GRH of a group of which this share of the held-out texts is left, plug-in and without self-pairs, (2,): means
    over the repeats of a balanced arm.  Second, the texts that are left in the last one, at least two.
    """
    found = []
    for units, one in zip(arm, seen, strict=True):
        mine, other = ((one.group == g).nonzero()[:, 0] for g in (group, group ^ 1))
        left = max(2, round(ratio * len(mine)))
        keep = torch.cat([mine[:left], other])
        z, sex = features(units, one)[1][0, keep], one.gender[keep]
        both = [gender.ratios(gender.group_distances(z, sex, 2, unbiased)) for unbiased in (False, True)]
        found.append(torch.stack(both)[:, group % 2])
    return torch.stack(found).mean(0), left


def effects(under: Reading, balanced: Reading, groups: tuple[int, ...]) -> mediation.Effects:
    """Mediation on what a group for each treated one is called, fields (repeats, T, K): T the labels, M the encoder."""
    return mediation.effects(*(own(c, groups) for c in (balanced.calls, under.calls, balanced.cut, under.cut)))


def recall_changes(under: Reading, balanced: Reading, groups: tuple[int, ...]) -> dict[str, Tensor]:
    """What undersampling does to recall, (repeats, T) each.

    NIE of recall: of the treated gender, with the encoder alone undersampled; NIE, other gender: of the other one of
    its occupation; change of the gap of recall: of the first minus the second, encoder and labels undersampled.
    """
    mine, other = (effects(under, balanced, which) for which in (groups, tuple(g ^ 1 for g in groups)))
    found = zip(RECALL, (mine.NIE, other.NIE, mine.TE - other.TE), strict=True)
    return {name: values[:, range(len(groups)), [g // 2 for g in groups]] for name, values in found}


def training_share(groups: tuple[int, ...], size: int, ratio: float) -> Tensor:
    """Share of each group among the training texts of its occupation when a treated one is cut: (T, size)."""
    share = torch.full((len(groups), size), 0.5, dtype=torch.float64)
    for row, g in zip(share, groups, strict=True):
        row[g], row[g ^ 1] = ratio / (1 + ratio), 1 / (1 + ratio)
    return share
