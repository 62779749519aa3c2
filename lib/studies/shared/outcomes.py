"""What mediation is computed from: the decisions of heads in the four cells of treatment T and mediator M."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import stats
from torch import Tensor

from lib import harms, images, mediation, probe
from lib.studies.shared.evidence import MEASURES, SPLITS, Embedded, Evidence
from lib.studies.shared.heads import HEADS, measure_name

BESIDE = ("loss", "looks")  # measures of what a training keeps beside the features


@dataclass(frozen=True)
class Outcomes:
    """Predictions for every undersampled class k in the cells y00, y01, y10, y11 (T first, M second).

    codes: four (splits, seeds, T, n) predicted codes, -1 where a split did not score the image or it is not of class k;
    treated: codes of the T classes; classes: K; heads: how many decided.
    """

    codes: tuple[Tensor, Tensor, Tensor, Tensor]
    treated: tuple[int, ...]
    classes: int
    heads: int

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


def of(seen: Evidence, kind: str, ratio: float, arm: str = "under") -> Outcomes:
    """The decisions of one kind of head for every class that ``arm`` ("under", "mild") undersampled to ``ratio``.

    "paper": trained on 75 % of the evaluation images and scored on the rest, for both seeds of the split; at T = 1 the
    training images of class k are cut to floor(n_k ratio), at least 1, drawn by split and class.  "weighted": the same,
    class-weighted.  "train": trained on the training split, at T = 1 without what the undersampled encoder did not see
    of class k, scored on all evaluation images.
    """
    y, own, seeds = seen.y, seen.treated, len(seen.balanced)
    splits = 1 if kind == "train" else len(SPLITS)
    codes = torch.full((4, splits, seeds, len(own), len(y)), -1)
    for s in range(seeds):
        cut = ((1, encoder, (k,)) for encoder, k in zip(getattr(seen, arm)[s], own, strict=True))
        for mediator, encoder, mine in [(0, seen.balanced[s], own), *cut]:
            name = measure_name(kind, ratio, () if mediator else own)
            found = decisions(name, encoder, y, kind, ratio, mine)
            places = torch.isin(y, torch.tensor(mine)).nonzero()[:, 0]
            for k in mine:
                at = y[places] == k
                codes[mediator::2, :, s, own.index(k), places[at]] = found[:, :, at].long()
    return Outcomes(tuple(codes), own, len(seen.classes), splits * seeds * (1 + 3 * len(own)))


def decisions(name: str, encoder: Embedded, y: Tensor, kind: str, ratio: float, own: tuple[int, ...]) -> Tensor:
    """What an encoder's heads call the images of the classes ``own``: its measure ``name``.

    (2, splits, images of own) int8, -1 where a split did not score the image: by the head on balanced labels, and by
    the head for which the image's own class was cut.
    """
    mine = torch.isin(y, torch.tensor(own))

    def of(z: Tensor) -> Tensor:
        x = encoder.load("train")[0] if kind == "train" else z
        tasks = _train_tasks(encoder, own, ratio, len(y)) if kind == "train" else _split_tasks(y, own, ratio)
        codes = torch.full((2, len(tasks), len(y)), -1, dtype=torch.int8)
        for split, (labels, kept, scored) in enumerate(tasks):
            made = probe.predict(x, labels, kept, z[scored], kind == "weighted")
            codes[0, split, scored] = made.codes[0].to(torch.int8)
            for head, k in enumerate(own, 1):
                places = scored[y[scored] == k]
                codes[1, split, places] = made.codes[head][y[scored] == k].to(torch.int8)
        return codes[:, :, mine].contiguous()

    return encoder.measure(name, of)


def own_of(name: str, member: str, classes: tuple[str, ...]) -> tuple[int, ...]:
    """The classes whose decisions a measure holds: those in its name, or the member's own.  () of other measures.

    ValueError: a name that is neither one of ``evidence.MEASURES``, nor of what a training keeps beside the features,
    nor of ``measure_name``.
    """
    heads = HEADS.fullmatch(name)
    if not heads and name not in (*MEASURES, *BESIDE):
        known = ", ".join((*MEASURES, *BESIDE))
        raise ValueError(f"measure {name!r} is none of {known} and of heads; its study takes it of embeddings alone")
    if not heads:
        return ()
    return tuple(map(int, heads["own"].split())) if heads["own"] else (classes.index(member),)


def take(encoder: Embedded, name: str, y: Tensor, num_classes: int, own: tuple[int, ...] = ()) -> Tensor:
    """A measure of an encoder by its name, none of BESIDE; own: see ``own_of``."""
    if not own:
        return encoder.measure(name, lambda z: MEASURES[name](z, y, num_classes))
    heads = HEADS.fullmatch(name)
    return decisions(name, encoder, y, heads["kind"], float(heads["ratio"]), own)


def joined(parts: dict[int, Tensor], y: Tensor) -> Tensor:
    """``decisions`` of several classes from those of each, by its code."""
    mine = y[torch.isin(y, torch.tensor(list(parts)))]
    found = torch.empty(*next(iter(parts.values())).shape[:2], len(mine), dtype=torch.int8)
    for k, part in parts.items():
        found[:, :, mine == k] = part
    return found


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


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Pearson's along the last axis: (..., n) twice to (...); a constant gives 0."""
    a, b = (x.double() - x.double().mean(-1, keepdim=True) for x in (a, b))
    return (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1)).clamp(min=1e-12)


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


def _train_tasks(encoder: Embedded, own: tuple[int, ...], ratio: float, scored: int):
    """The same of the training split; what is cut is what an encoder of the same seed did not see of the class."""
    labels = encoder.load("train")[1]
    kept = torch.zeros(1 + len(own), len(labels), dtype=torch.bool)
    kept[0] = True
    for mask, k in zip(kept[1:], own, strict=True):
        mask[images.undersample(labels, k, ratio, encoder.unit.seed)] = True
    return [(labels, kept, torch.arange(scored))]
