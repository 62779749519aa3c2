"""What mediation is computed from: the decisions of heads in the four cells of treatment T and mediator M."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import stats
from torch import Tensor

from lib import harms, mediation, probe
from lib.studies.shared.arms import Arms
from lib.studies.shared.evidence import SPLITS, Evidence

KINDS = ("paper", "weighted", "train")


@dataclass(frozen=True)
class Outcomes:
    """Predictions for every undersampled class k in the cells y00, y01, y10, y11 (T first, M second).

    codes: four (splits, seeds, T, n) predicted codes, -1 where a split did not score the image or it is not of class k;
    treated: codes of the T classes; classes: K; heads, iterations: regressions solved, and steps of the slowest.
    """

    codes: tuple[Tensor, Tensor, Tensor, Tensor]
    treated: tuple[int, ...]
    classes: int
    heads: int
    iterations: int

    def cells(self, t: int) -> tuple[Tensor, ...]:
        """One-hot predictions (splits, seeds, n_k, K) of the t-th undersampled class's images, zero if unscored."""
        mine = (self.codes[0][:, 0, t] >= 0).any(0)
        return tuple(F.one_hot(c[:, :, t, mine] + 1, self.classes + 1)[..., 1:].double() for c in self.codes)

    def means(self) -> tuple[Tensor, ...]:
        """Row k of the confusion in the four cells, mean over splits: (seeds, T, K) each."""
        found = []
        for codes in self.codes:
            hits = F.one_hot(codes + 1, self.classes + 1)[..., 1:].double().sum(-2)  # (splits, seeds, T, K)
            found.append((hits / hits.sum(-1, keepdim=True)).mean(0))
        return tuple(found)

    def effects(self) -> mediation.Effects:
        """The effects on row k, fields (seeds, T, K)."""
        return mediation.effects(*self.means())


def of(seen: Evidence, arms: Arms, kind: str, ratio: float, arm: str = "under") -> Outcomes:
    """The decisions of one kind of head for every class that ``arm`` ("under", "mild") undersampled to ``ratio``.

    "paper": trained on 75 % of the evaluation images and scored on the rest, for both seeds of the split; at T = 1 the
    training images of class k are cut to floor(n_k ratio), at least 1, drawn by split and class.  "weighted": the same,
    class-weighted.  "train": trained on the training split, at T = 1 without what the undersampled encoder did not see
    of class k, scored on all evaluation images.
    """
    features, y, own = getattr(seen, arm), seen.y, seen.treated
    seeds, n, splits = len(seen.balanced), len(y), 1 if kind == "train" else len(SPLITS)
    codes = torch.full((4, splits, seeds, len(own), n), -1)
    solved, slowest = 0, 0
    for s in range(seeds):
        tasks = _train_tasks(arms, s, y, own, arm) if kind == "train" else _split_tasks(y, own, ratio)
        for split, (labels, kept, scored) in enumerate(tasks):
            for t in (-1, *range(len(own))):  # the balanced encoder, then each undersampled one
                z = seen.balanced[s] if t < 0 else features[s, t]
                x = _train_features(arms, s, t, arm) if kind == "train" else z
                masks = kept if t < 0 else kept[[0, t + 1]]
                made = probe.predict(x, labels, masks, z[scored], kind == "weighted")
                solved, slowest = solved + made.fits, max(slowest, made.iterations)
                for i in range(len(own)) if t < 0 else (t,):
                    mine = y[scored] == own[i]
                    places = scored[mine]
                    mediator = int(t >= 0)
                    codes[mediator, split, s, i, places] = made.codes[0][mine]
                    codes[2 + mediator, split, s, i, places] = made.codes[i + 1 if t < 0 else 1][mine]
    return Outcomes(tuple(codes), own, len(seen.classes), solved, slowest)


def placebo(balanced: Tensor, under: Tensor, treated: tuple[int, ...]) -> Tensor:
    """Mean change of recall of class k under encoders that had *another* class undersampled: (seeds, T).

    A(0, M_j)[k, k] - A(0, M_0)[k, k], mean over the undersampled classes j other than k.  balanced: (seeds, K, K),
    under: (seeds, T, K, K) confusions of heads with balanced labels.  NIE minus this is what class k loses to its own
    undersampling, if that of j reaches class k only through damage that undersampling k does as well.
    """
    own = torch.tensor(treated)
    change = under[:, :, own, own] - balanced[:, None, own, own]  # (seeds, j, k)
    others = ~torch.eye(len(own), dtype=torch.bool)
    return (change * others).sum(1) / others.sum(0)


def row_maximum_share(nie: Tensor, treated: tuple[int, ...], pairs: list[tuple[int, int]]) -> Tensor:
    """Share of the pairs (k, j) in which j gains most of class k, off the diagonal.  nie: (seeds, T, K) to (seeds,)."""
    rows = torch.tensor([treated.index(k) for k, _ in pairs])
    off = nie.clone()
    off[:, torch.arange(len(treated)), list(treated)] = -torch.inf
    return (off[:, rows].argmax(-1) == torch.tensor([j for _, j in pairs])).double().mean(-1)


def row_rank_correlation(a: Tensor, b: Tensor, treated: tuple[int, ...]) -> Tensor:
    """Mean over the rows of Spearman's correlation of a and b (seeds, T, K), the cell of class k itself left out."""
    keep = torch.arange(a.shape[-1]) != torch.tensor(treated)[:, None]
    shape = (*a.shape[:-1], a.shape[-1] - 1)
    return harms.rank_correlation(a[:, keep].view(shape), b[:, keep].view(shape)).mean(-1)


def share_interval(part: Tensor, total: Tensor, level: float = 0.95) -> tuple[float, float, float]:
    """mean(part) / mean(total) over paired seeds (seeds,), and Fieller's interval of that ratio.

    NaN ends where there are fewer than two seeds, or the total is not clear of 0 at this level: no finite interval.
    """
    a, b, n = part.mean(), total.mean(), len(part)
    ratio = float(a / b)
    if n < 2:
        return ratio, np.nan, np.nan
    (aa, ab), (_, bb) = torch.cov(torch.stack([part, total])) / n
    t2 = stats.t.ppf(0.5 + level / 2, n - 1) ** 2
    g = t2 * bb / b**2
    if not g < 1:
        return ratio, np.nan, np.nan
    middle = (a / b - g * ab / bb) / (1 - g) if bb > 0 else a / b
    inside = aa - 2 * (a / b) * ab + (a / b) ** 2 * bb - g * (aa - ab**2 / bb) if bb > 0 else aa
    half = t2**0.5 / abs(b) * inside.clamp(min=0).sqrt() / (1 - g)
    return ratio, float(middle - half), float(middle + half)


def _split_tasks(y: Tensor, own: tuple[int, ...], ratio: float) -> list[tuple[Tensor, Tensor, Tensor]]:
    """For each split: labels (n,), training masks (1 + T, n) with balanced labels and each class cut, scored places."""
    found = []
    for seed in SPLITS:
        train, test = (torch.from_numpy(part) for part in probe.split(len(y), seed))
        kept = torch.zeros(1 + len(own), len(y), dtype=torch.bool)
        kept[:, train] = True
        for i, k in enumerate(own):
            mine = train[y[train] == k]
            stays = max(1, int(len(mine) * ratio + 1e-9))
            kept[i + 1, mine[np.random.default_rng([seed, k]).permutation(len(mine))[stays:]]] = False
        found.append((y, kept, test))
    return found


def _train_tasks(arms: Arms, s: int, y: Tensor, own: tuple[int, ...], arm: str):
    """The same of the training split; what is cut is what the encoders of the arm did not see."""
    labels = arms.balanced[s][0].embeddings("train")[1]
    kept = torch.zeros(1 + len(own), len(labels), dtype=torch.bool)
    kept[0] = True
    seen = [unit.kept(member) for unit in getattr(arms, arm)[s] for member in unit.members]
    for mask, positions in zip(kept[1:], seen, strict=True):
        mask[positions] = True
    return [(labels, kept, torch.arange(len(y)))]


def _train_features(arms: Arms, s: int, t: int, arm: str) -> Tensor:
    """Features of the training split under the balanced encoder of a seed (t = -1) or the t-th undersampled one."""
    units = arms.balanced[s] if t < 0 else getattr(arms, arm)[s]
    return torch.cat([unit.embeddings("train")[0] for unit in units])[max(t, 0)]
