"""What the study of labels measures of its nets.

Results are dictionaries by arm, a triple of loss, level and treatment (``lib.encoders.label_settings.Arm``), with one
number a seed.
"""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lib.encoders import label_stacks
from lib.encoders.label_level_settings import LevelUnit
from lib.encoders.label_settings import CLASSED, LABELLED, NOISE, READINGS, LabelUnit
from lib.images.sets import Images
from lib.intervals import estimate
from lib.strata import label_noise, noisy_labels
from lib.studies.plans.label_noise_and_coresets import BATCH_OF_TWO
from lib.studies.shared.deep_coresets import BySeed

DRAWS = 200  # of the noise, on one batch
Values = dict[tuple, np.ndarray]


def at_all_levels(unit: LabelUnit, more: LevelUnit | None) -> Values:
    """Accuracy by arm of an experiment and of its further levels, (seeds,)."""
    return (more.accuracy() if more else {}) | unit.accuracy()


def detection(unit: LabelUnit, y: Tensor, classes: int) -> Values:
    """Detection AUC of the scores of all training images at the end of training, by arm with wrong labels, (seeds,).

    y: the right labels (n,).  Uncorrected nets are read with class centres.
    """
    arms = {arm: z for arm, z in unit.features().items() if arm.loss in CLASSED and arm.level}
    return {
        arm: _auc(z, y, classes, arm.level, unit, READINGS[0] if arm.treatment == "none" else arm.treatment)
        for arm, z in arms.items()
    }


def detection_of_pixels(unit: LabelUnit, data: Images) -> dict[float, np.ndarray]:
    """Detection AUC of the same scores on raw pixels, centred, by share of wrong labels, (seeds,)."""
    x = data.x.flatten(1).float()
    z = torch.nn.functional.normalize(x - x.mean(0), dim=1).expand(unit.count, -1, -1)
    return {share: _auc(z, data.y, len(data.classes), share, unit, READINGS[0]) for share in NOISE}


def _auc(z: Tensor, y: Tensor, classes: int, share: float, unit: LabelUnit, average: str) -> np.ndarray:
    found = []
    for features, seed in zip(z, unit.seeds, strict=True):
        noisy = noisy_labels.symmetric_noise(y, share, classes, seed)
        scores = noisy_labels.batch_scores(features, noisy, unit.settings.batch_size, average, seed)
        found.append(noisy_labels.detection_auc(scores, noisy != y))
    return np.array(found)


def lost(accuracy: Values, share: float) -> dict[str, np.ndarray]:
    """Accuracy lost to a share of wrong labels without correction, by loss, (seeds,)."""
    return {loss: accuracy[loss, 0.0, "none"] - accuracy[loss, share, "none"] for loss in CLASSED}


def regained(accuracy: Values, share: float, reading: str = "centres") -> dict[str, np.ndarray]:
    """Accuracy that the correction recovers at a share of wrong labels, by loss, (seeds,)."""
    return {loss: accuracy[loss, share, reading] - accuracy[loss, share, "none"] for loss in CLASSED}


def by_head(heads: dict[float, LevelUnit]) -> list[tuple]:
    """Accuracy where the head sees another share of right labels, a row a share, loss and share of wrong labels.

    A row: head, loss, noise, then estimates: the head alone, without noise, uncorrected, corrected by centres.
    """
    rows = []
    for head, unit in heads.items():
        found = unit.accuracy()
        for loss in CLASSED:
            for nu in unit.settings.levels:
                arms = (("cross_entropy", 0.0, "none"), (loss, 0.0, "none"), (loss, nu, "none"), (loss, nu, "centres"))
                rows.append((head, loss, nu, *(estimate(found[arm]) for arm in arms)))
    return rows


def share_back(back: np.ndarray, gone: np.ndarray) -> str:
    """Accuracy recovered over accuracy lost, means over seeds; a ratio by seed would divide by noise."""
    return f"{back.mean() / gone.mean():.2f}" if estimate(gone).low > 0 else "no certain loss to recover"


def swings(z: Tensor, y: Tensor, rights: tuple[float, ...], temperature: float) -> dict[float, tuple[float, float]]:
    """Mean and standard deviation of the corrected triplet loss of one batch over draws of the noise.

    z: features (n, d) of one net, y: codes 0 and 1, (n,); the batch is the first twelve images of each class.
    rights: probabilities that a label is right.
    """
    batch = torch.cat([(y == c).nonzero()[: BATCH_OF_TWO // 2, 0] for c in (0, 1)])
    points = z.double()[batch].expand(DRAWS, -1, -1)
    found = {}
    for right in rights:
        drawn = torch.stack([noisy_labels.symmetric_noise(y[batch], 1 - right, 2, i) for i in range(DRAWS)])
        loss = noisy_labels.triplet(points, drawn, temperature, label_noise.debias_weights(right))
        found[right] = (float(loss.mean()), float(loss.std()))
    return found


def whole(unit: LabelUnit | BySeed) -> np.ndarray:
    """Held-out accuracy of nets that saw all images by cross-entropy, (seeds,)."""
    kept = unit.tensors()
    return (kept["called_whole"] == kept["held_y"]).double().mean(-1).numpy()


def times_right(unit: LabelUnit | BySeed, share: float) -> dict[str, float]:
    """How often the nine nets of the first seed call an image right, mean over what each method keeps."""
    kept = unit.tensors()
    often = kept["right_often"][0].double()
    masks = zip(unit.arms, kept["kept"], strict=True)
    return {arm.treatment: float(often[mask[0]].mean()) for arm, mask in masks if arm.level == share}


def gains(accuracy: Values) -> dict[tuple[str, float], np.ndarray]:
    """Accuracy of L_spread minus that of another loss, by that loss and the share of labels, (seeds,)."""
    others = {("simclr", share): accuracy["simclr", 0.0, "none"] for share in LABELLED}
    others |= {("sup_con", share): accuracy["sup_con", share, "none"] for share in LABELLED}
    return {(loss, share): accuracy["spread", share, "none"] - other for (loss, share), other in others.items()}


def authors(stated: pd.Series, topic: str) -> dict[str, float]:
    """The numbers by which the paper judges its claims on a topic, "N", "C" or "S", by claim; shares, not percent.

    stated: the values of the statements by their numbers.  The paper gives what a correction recovers as a fraction of
    what was lost, so 12c and 12d are in units of that.
    """
    value = stated.str.strip("~")
    found = {
        "N": {
            "lspread-12c": float(value["N5"]) - 0.6,
            "lspread-12d": float(value["N6"]) - 0.55,
            "lspread-12e": float(value["N1"]) / 100,
            "lspread-12f": float(value["N3"]) / 100,
        },
        "C": {"lspread-13c": float(value["C1"]) / 100},
        "S": {f"lspread-15{letter}": float(value[f"S{i}"]) / 100 for i, letter in enumerate("abcd", 1)},
    }
    return found[topic]


def images_of(p: SimpleNamespace) -> Images:
    """The training images, as the nets see them."""
    return label_stacks.small_images(p.data, p.images_per_class)[0]
