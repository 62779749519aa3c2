"""The study of undersampled classes: what is measured of its encoders beside the harms."""

import pandas as pd
import torch
from torch import Tensor

from lib import harms, images, intervals
from lib.encoders import pretrain
from lib.studies.shared import evidence, null
from lib.studies.shared.arms import Arms
from lib.studies.shared.evidence import Evidence


def drawn(arms: Arms) -> dict[str, tuple[Tensor, Tensor]]:
    """Training images of each undersampled class, by its name: those that stay and those that go.

    Each is (n, channels, height, width) uint8, for encoders of the first seed.
    """
    train = pretrain.images_of(arms.balanced[0][0].settings, "train")
    found = {}
    for unit in arms.under[0]:
        for name in unit.members:
            code = arms.classes.index(name)
            mine, stays = train.y == code, torch.zeros(len(train), dtype=torch.bool)
            stays[images.undersample(train.y, code, unit.ratio, unit.seed)] = True
            found[name] = train.x[mine & stays], train.x[mine & ~stays]
    return found


def accuracies(arms: Arms, seen: Evidence) -> dict[str, Tensor]:
    """Balanced accuracy (seeds,) of heads on the balanced encoders, the same nets untrained, and raw pixels.

    Of a reader's encoders the first alone is known.
    """
    found = {"balanced encoders": seen.accuracy("balanced")}
    if arms.balanced:
        pixels = seen.of_pixels(pretrain.images_of(arms.balanced[0][0].settings, "test").x)
        found["the same nets untrained"] = seen.accuracy("untrained")
        found["raw pixels"] = pixels.accuracy("balanced")
    return found


def null_cells(seen: Evidence) -> pd.DataFrame:
    """RH without a treatment, of every pair of classes: class_i, class_j, value, low, high, seeds."""
    pooled, each = evidence.null_matrix(seen)
    _, low, high = intervals.over_seeds(each)
    at = torch.triu_indices(*pooled.shape).T.tolist()
    cells = [
        (seen.classes[i], seen.classes[j], *(float(part[i, j]) for part in (pooled, low, high)), len(each))
        for i, j in at
    ]
    return pd.DataFrame(cells, columns=["class_i", "class_j", "value", "low", "high", "seeds"])


def third_parties(seen: Evidence) -> tuple[Tensor, pd.DataFrame]:
    """RH(i, j; k) of the pairs that do not contain the undersampled class k.

    Returns the mean over pairs of different classes (seeds,), and a frame of all pairs with the ratio of averages:
    undersampled, class_i, class_j, value.
    """
    pooled, each = evidence.all_pairs(seen)  # (T, K, K)
    i, j = torch.arange(len(seen.classes))[:, None], torch.arange(len(seen.classes))
    k = torch.tensor(seen.treated)[:, None, None]
    away = (i >= j) & (i != k) & (j != k)
    names, own = seen.classes, seen.treated
    cells = [(names[own[t]], names[a], names[b], float(pooled[t, a, b])) for t, a, b in away.nonzero().tolist()]
    return each[:, away & (i > j)].mean(1), pd.DataFrame(cells, columns=["undersampled", "class_i", "class_j", "value"])


def effects(rh: Tensor, mild: Tensor | None, pairs: list[tuple[int, int]]) -> dict[str, Tensor]:
    """What the claims are about, by claim, (...,).

    rh, mild: (..., K, K) RH at the severer and the milder share, NaN in rows of classes that were not undersampled;
    mild: None where there is none, and then no claim about the dose.  pairs: the look-alike cells.
    """
    found = {
        "harms-1": harms.paired_mean(rh, pairs),
        "harms-2a": harms.pair_gap(rh, pairs),
        "harms-2b": harms.row_minimum_share(rh, pairs),
        "harms-15": harms.diagonal_mean(rh),
    }
    return found if mild is None else found | {"harms-3": harms.dose_share(rh, mild)}


def untreated(seen: Evidence, pairs: list[tuple[int, int]]) -> dict[str, Tensor]:
    """``effects`` of encoders of which none was undersampled, (N,) by claim: see ``null``."""
    found = null.harm(seen)
    return effects(*(evidence.square(rh, seen.treated) for rh in found), pairs) if found else {}
