"""What the study of worst groups measures of its encoders and robust classifiers."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from lib.encoders import robust
from lib.encoders.coarse_settings import CoarseUnit
from lib.encoders.robust_settings import RobustUnit
from lib.images import spurious
from lib.images.strata import Strata
from lib.losses import group_dro
from lib.strata import areas, matching, measures, recovery
from lib.studies.plans.worst_group import LOSSES, OTHER, PLAIN, SPREAD, TRUE, Applications

MEANS = {"class": "mean of the class", "all": "mean of all points", "none": "nothing subtracted"}
NO_GROUPS, TRUE_GROUPS = "cross-entropy, no groups", "GroupDRO, true groups"
DRAWN = 150  # points of a class on a map, beside all that are rare
RARE = 0.25  # below this share of its class a stratum is rare
Found = dict[tuple[str, str], list[Tensor]]  # by centre and loss: groups (n,) of the training images, one entry a seed


def sizes(train: Strata, test: Strata) -> pd.DataFrame:
    """Images of each group: group, train, share (of the training images, three decimals), test."""
    counts = [torch.bincount(part.stratum, minlength=len(train.names)).tolist() for part in (train, test)]
    shares = [f"{n / len(train.y):.3f}" for n in counts[0]]
    return pd.DataFrame({"group": train.names, "train": counts[0], "share": shares, "test": counts[1]})


def whole_classes(train: Strata) -> tuple[float, float]:
    """Macro F1 of one group a class: of the training images, and of Waterbirds with the published counts."""
    birds = torch.repeat_interleave(torch.arange(4), torch.tensor(spurious.WATERBIRDS_TRAIN))
    return matching.matched_f1(train.y, train.stratum), matching.matched_f1(birds // 2, birds)


def recovered(p: SimpleNamespace, arms: Applications, y: Tensor) -> Found:
    """The groups recovered from the features of each loss about both centres, the first the one of the claims.

    Groups that a classifier was trained with are read from it; the others are recovered here, from the classes y (n,).
    """
    found = {(p.recovery_centre, label): [unit.groups() for unit in arms.robust[label]] for label in arms.encoders}
    for label, units in arms.encoders.items():
        if label == SPREAD:
            found[p.recovery_second, label] = [unit.groups() for unit in arms.robust[OTHER]]
        else:
            found[p.recovery_second, label] = [recovered_from(unit, p, y) for unit in units]
    return found


def recovered_from(unit: CoarseUnit, p: SimpleNamespace, y: Tensor) -> Tensor:
    """Groups (n,) recovered from an encoder about the second centre."""
    options = {"reduce": p.recovery_reduce, "k_max": p.recovery_k_max, "centre": p.recovery_second, "seed": unit.seed}
    return recovery.recover(unit.embeddings("train")[0][0], y, robust.point_losses(unit), **options)


def by_hardness(p: SimpleNamespace, arms: Applications, y: Tensor) -> dict[str, list[Tensor]]:
    """Groups (n,) of the training images by hardness alone, by loss, one entry a seed; see ``recovery.by_hardness``."""
    return {
        label: [recovery.by_hardness(margins(unit), y, k_max=p.recovery_k_max, seed=unit.seed) for unit in units]
        for label, units in arms.encoders.items()
    }


def margins(unit: CoarseUnit) -> Tensor:
    """log p / (1 - p) (n,), p of the class y that each training image has, by the head or a linear probe."""
    loss = robust.point_losses(unit).double().clamp(min=1e-12)
    return -loss - torch.log(-torch.expm1(-loss))


def of_pixels(p: SimpleNamespace, train: Strata) -> list[Tensor]:
    """Groups (n,) of the training images by their pixels alone, 32 a side at most, one entry a seed."""
    z = F.adaptive_avg_pool2d(train.x.float(), min(32, train.x.shape[-1])).flatten(1)
    options = {"reduce": p.recovery_reduce, "k_max": p.recovery_k_max, "centre": p.recovery_centre}
    return [recovery.recover(z, train.y, **options, seed=seed) for seed in range(p.seed, p.seed + p.seeds)]


def f1(found: list[Tensor], truth: Tensor) -> np.ndarray:
    """Macro F1 of the groups of each seed against the strata (n,), (seeds,)."""
    return np.array([matching.matched_f1(groups, truth) for groups in found])


def chance(found: list[Tensor], train: Strata) -> np.ndarray:
    """Mean macro F1 of the groups of each seed, shuffled within classes, (seeds,)."""
    draws = [matching.chance_f1(groups, train.stratum, train.y, seed=i) for i, groups in enumerate(found)]
    return np.array([f1s.mean().item() for f1s in draws])


def maps(p: SimpleNamespace, arms: Applications, train: Strata, found: Found) -> pd.DataFrame:
    """What the clustering sees of the first class under the first seed: panel, group, found, x, y.

    All points of rare strata, a sample of the others.
    """
    mine, draws = (train.y == 0).nonzero()[:, 0], np.random.default_rng(0)
    share = torch.bincount(train.stratum[mine], minlength=len(train.names)).double() / len(mine)
    rare = (share[train.stratum[mine]] < RARE).numpy()
    keep = np.flatnonzero(rare | (draws.random(len(mine)) < DRAWN / len(mine)))
    panels = []
    for label, units in arms.encoders.items():
        for centre in dict.fromkeys(centre for centre, _ in found):
            z = recovery.centred(units[0].embeddings("train")[0][0], mine, centre)
            x, y = recovery.reduced(z, p.recovery_reduce, units[0].seed)[keep].round(3).T
            groups = [train.names[s] for s in train.stratum[mine][keep].tolist()]
            codes = found[centre, label][0][mine][keep].tolist()
            panel = f"{label}, {MEANS[centre]}"
            panels.append(pd.DataFrame({"panel": panel, "group": groups, "found": codes, "x": x, "y": y}))
    return pd.concat(panels)


def trainings(arms: Applications, second: str) -> dict[str, list[CoarseUnit]]:
    """The classifiers by name: without groups, with those of each encoder, with the true ones."""
    named = {f"GroupDRO, groups of {name}": arms.robust[label] for label, name in given(second).items()}
    return {NO_GROUPS: arms.encoders[PLAIN]} | named | {TRUE_GROUPS: arms.robust[TRUE]}


def given(second: str) -> dict[str, str]:
    """Whose groups GroupDRO is given, in words, by arm.  second: the other centre."""
    return {label: label for label in LOSSES} | {OTHER: f"{SPREAD}, {MEANS[second]}"}


@dataclass(frozen=True)
class Reached:
    """What a training reaches on test images, one number a seed: groups (seeds, G), the others (seeds,).

    groups, worst: accuracy of each group, the lowest; mean: groups weighted as in training; whole: all images alike.
    area, worst_area: under the ROC curve, of both classes whole, and of the worst group (``lib.strata.areas``).
    """

    groups: np.ndarray
    worst: np.ndarray
    mean: np.ndarray
    whole: np.ndarray
    area: np.ndarray
    worst_area: np.ndarray

    def judged(self, data: str) -> tuple[np.ndarray, np.ndarray]:
        """The worst group and the whole test set by the measure of the paper's table: on ISIC areas, else accuracy."""
        return (self.worst_area, self.area) if data == "isic" else (self.worst, self.whole)


def reached(units: list[CoarseUnit], train: Strata, test: Strata) -> Reached:
    """What a training reaches, one unit a seed: by its head, or by a linear probe of features where it has none."""
    logits = torch.stack([unit.logits("test") if unit.settings.joint else probed(unit) for unit in units])
    right = logits.argmax(-1) == test.y
    mean = group_dro.average(right, test.stratum, spurious.stratum_shares(train))
    score = (logits[..., 1] - logits[..., 0]).double()
    area, worst = areas.areas(score, test.y, test.y)[:, 0], areas.areas(score, test.y, test.stratum).amin(-1)
    each = group_dro.accuracies(right, test.stratum)
    found = (each, each.amin(-1), mean, right.double().mean(-1), area, worst)
    return Reached(*(v.numpy() for v in found))


def probed(unit: CoarseUnit) -> Tensor:
    """Logits (n, 2) on the test images of a logistic regression on the unit features of the training images."""
    from sklearn.linear_model import LogisticRegression

    (z, y), (held, _) = unit.embeddings("train"), unit.embeddings("test")
    one, two = (F.normalize(v[0], dim=1).double().numpy() for v in (z, held))
    chance = LogisticRegression(max_iter=1000).fit(one, y.numpy()).predict_log_proba(two)
    return torch.from_numpy(chance)


def to_centre(arms: Applications, test: Strata) -> dict[str, np.ndarray]:
    """Mean cosine (seeds, strata) of the test images of each stratum to the centre of its class, strata alike in it."""
    found = {}
    for label, units in arms.encoders.items():
        z = torch.stack([unit.embeddings("test")[0][0] for unit in units]).double()
        found[label] = measures.to_centre(z, test.y, test.stratum, even=True).numpy()
    return found


def lag(cosine: np.ndarray, train: Strata, test: Strata) -> np.ndarray:
    """Cosine of the commonest stratum of a class less that of the rarest, (seeds,), mean over classes with strata.

    cosine: (seeds, strata) of ``to_centre``; how common a stratum is, the training images say.
    """
    size, owner = torch.bincount(train.stratum, minlength=len(train.names)), measures.owners(test.y, test.stratum)
    gaps = []
    for k in range(len(test.classes)):
        mine = (owner == k).nonzero()[:, 0]
        if len(mine) > 1:
            gaps.append(cosine[:, mine[size[mine].argmax()]] - cosine[:, mine[size[mine].argmin()]])
    return np.mean(gaps, 0)


def rare_points(train: Strata) -> Tensor:
    """bool (n,): the training images whose stratum is a small share of its class."""
    share = torch.bincount(train.stratum).double()
    of_class = torch.stack([train.y[train.stratum == s][0] for s in range(len(train.names))])
    return (share / torch.bincount(train.y)[of_class])[train.stratum] < RARE


def rare_weight(units: list[CoarseUnit], rare: Tensor) -> np.ndarray:
    """The weight that reaches the rare points at the end, sum_g q_g rho_g, (seeds,); without groups their share."""
    if not isinstance(units[0], RobustUnit):
        return np.full(len(units), rare.double().mean().item())
    means = [group_dro.group_means(rare.float(), unit.groups(), len(unit.weights()))[0] for unit in units]
    return np.array([float(unit.weights() @ part) for unit, part in zip(units, means, strict=True)])
