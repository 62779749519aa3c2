"""Area under the ROC curve of two classes, group by group: how ISIC is judged (Sohoni et al. 2020, section 5)."""

import torch
from scipy.stats import rankdata
from torch import Tensor

from lib import checks


def areas(score: Tensor, y: Tensor, group: Tensor) -> Tensor:
    """Area under the ROC curve of each group against the whole other class, (..., G), groups in sorted order of codes.

    With R the sum of the ranks of the m images of class 1 among n, the area is (R - m (m + 1) / 2) / (m (n - m)): the
    chance that an image of class 1 has the higher score, ties counting half (Mann and Whitney).
    score: (..., n), higher for class 1; y: (n,) codes 0 and 1; group: (n,) codes, each group inside one class.
    The worst group is the least of them.  ValueError: a class that is missing, a group of two classes, a score that is
    not finite.
    """
    checks.tensors(score=(score, "... n", checks.REAL), y=(y, "n", checks.codes(2)), group=(group, "n", checks.codes()))
    if len(y.unique()) < 2:
        raise ValueError(f"all {len(y)} images are of class {int(y[0])}; both are needed for an area")
    found = []
    for code in group.unique().tolist():
        own = y[group == code].unique()
        if len(own) > 1:
            raise ValueError(f"group {code} has images of both classes; give each group one class")
        found.append(_area(score, y, (group == code) | (y != own)))
    return torch.stack(found, -1)


def _area(score: Tensor, y: Tensor, mask: Tensor) -> Tensor:
    one = y[mask] == 1
    m, n = int(one.sum()), int(mask.sum())
    ranks = torch.from_numpy(rankdata(score[..., mask].numpy(), axis=-1))
    return (ranks[..., one].sum(-1) - m * (m + 1) / 2) / (m * (n - m))
