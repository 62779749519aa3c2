"""Which small nets the study of labels reads, and what it measures of them.

Results are dictionaries by arm, a triple of loss, level and treatment (``lib.encoders.label_settings.Arm``), with one
number a seed.
"""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lib.encoders import label_stacks
from lib.encoders.label_settings import CLASSED, LABELLED, NOISE, READINGS, LabelSettings, LabelUnit
from lib.images.sets import Images
from lib.intervals import estimate
from lib.strata import label_noise, noisy_labels

BATCH_OF_TWO = 24  # images a step of the triplet loss, whose terms are the triples of a batch
DRAWS = 200  # of the noise, on one batch
Values = dict[tuple, np.ndarray]


@dataclass(frozen=True)
class Labels:
    """The nets of each experiment, one unit each."""

    noise: LabelUnit
    two_classes: LabelUnit
    coresets: LabelUnit
    few_labels: LabelUnit

    @property
    def units(self) -> list[LabelUnit]:
        return [self.noise, self.two_classes, self.coresets, self.few_labels]


def plan(p: SimpleNamespace) -> Labels:
    """All seeds of an experiment are one unit.  Where labels are few, the head has the share ``few_labels`` of them."""
    names = ("data", "images_per_class", "steps", "batch_size", "learning_rate", "temperature", "alpha")
    noise = LabelSettings("noise", **{name: getattr(p, name) for name in names})
    settings = (
        noise,
        replace(noise, experiment="two_classes", batch_size=BATCH_OF_TWO),
        replace(noise, experiment="coresets", head=p.few_labels),
        replace(noise, experiment="few_labels", head=p.few_labels),
    )
    return Labels(*(LabelUnit(s, p.seed, p.seeds) for s in settings))


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


def whole(unit: LabelUnit) -> np.ndarray:
    """Held-out accuracy of nets that saw all images by cross-entropy, (seeds,)."""
    kept = unit.tensors()
    return (kept["called_whole"] == kept["held_y"]).double().mean(-1).numpy()


def times_right(unit: LabelUnit, share: float) -> dict[str, float]:
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
