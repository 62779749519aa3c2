"""Which small nets the study of labels reads, and what it measures of them.

Results are dictionaries by arm, a triple of loss, level and treatment (``lib.encoders.label_settings.Arm``), with one
number a seed.
"""

from dataclasses import asdict, dataclass, replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lib.encoders import label_stacks
from lib.encoders.deep_coreset_settings import CoresetUnit
from lib.encoders.label_level_settings import LevelSettings, LevelUnit
from lib.encoders.label_settings import CLASSED, KEPT, LABELLED, NOISE, READINGS, RIGHT, LabelSettings, LabelUnit
from lib.images.sets import Images
from lib.intervals import estimate
from lib.strata import label_noise, noisy_labels
from lib.studies.shared import deep_coresets
from lib.studies.shared.deep_coresets import STACK, BySeed
from lib.studies.shared.words import listed

BATCH_OF_TWO = 24  # images a step of the triplet loss, whose terms are the triples of a batch
DRAWS = 200  # of the noise, on one batch
Values = dict[tuple, np.ndarray]


@dataclass(frozen=True)
class Labels:
    """The nets of each experiment, one unit each, and those at further levels.

    coresets: a unit a seed where they are no small nets, GraNd among them, and then grand is none.
    sets: with the loss of lemma 7; grand: coresets by GraNd; more_noise: further shares of wrong labels; heads: by the
    share of right labels in the head; more_labelled: further shares of labels.  The last three may be none.
    """

    noise: LabelUnit
    two_classes: LabelUnit
    coresets: LabelUnit | BySeed
    few_labels: LabelUnit
    sets: LevelUnit
    grand: LevelUnit | None
    more_noise: LevelUnit | None
    heads: dict[float, LevelUnit]
    more_labelled: LevelUnit | None

    @property
    def units(self) -> list[LabelUnit | CoresetUnit]:
        choosing = self.coresets.units if isinstance(self.coresets, BySeed) else (self.coresets, self.grand)
        more = [u for u in (self.more_noise, *self.heads.values(), self.more_labelled) if u]
        return [self.noise, self.two_classes, self.few_labels, self.sets, *choosing, *more]

    def kept(self) -> Values:
        """Accuracy on the held-out images of nets that learn from a coreset, by who keeps and the share, (seeds,)."""
        found = self.coresets.accuracy() | (self.grand.accuracy() if self.grand else {})
        return {(keeper, share): values for (_, share, keeper), values in found.items()}


def plan(p: SimpleNamespace) -> Labels:
    """All seeds of an experiment are one unit.  Where labels are few, the head has the share ``few_labels`` of them.

    ValueError: further levels that are no shares, or are there already; what ``by_seed`` refuses.
    """
    names = ("data", "images_per_class", "steps", "batch_size", "learning_rate", "temperature", "alpha")
    noise = LabelSettings("noise", **{name: getattr(p, name) for name in names})
    settings = (
        noise,
        replace(noise, experiment="two_classes", batch_size=BATCH_OF_TWO),
        replace(noise, experiment="coresets", head=p.few_labels),
        replace(noise, experiment="few_labels", head=p.few_labels),
    )
    noisy, heads = further(p, "more_noise", NOISE), further(p, "more_heads", (noise.head,))
    labelled = further(p, "more_labelled", LABELLED)

    def unit(like: LabelSettings, levels: tuple[float, ...], **changes) -> LevelUnit:
        s = LevelSettings(**(asdict(like) | changes), levels=levels, points=p.sum_points)
        return LevelUnit(s, p.seed, p.seeds)

    small = p.coreset_net == STACK
    own = [LabelUnit(s, p.seed, p.seeds) for s in settings]
    return Labels(
        noise=own[0],
        two_classes=own[1],
        coresets=own[2] if small else deep_coresets.by_seed(p),
        few_labels=own[3],
        sets=unit(settings[1], RIGHT),
        grand=unit(settings[2], KEPT) if small else None,
        more_noise=unit(noise, noisy) if noisy else None,
        heads={head: unit(noise, tuple(sorted(NOISE + noisy)), head=head) for head in heads},
        more_labelled=unit(settings[3], labelled) if labelled else None,
    )


def further(p: SimpleNamespace, name: str, taken: tuple[float, ...]) -> tuple[float, ...]:
    """The shares that a parameter lists beside those ``taken``, rising; ValueError: no share, or one of them."""
    words = listed(getattr(p, name)) if getattr(p, name).strip() else []
    try:
        found = [float(word) for word in words]
    except ValueError:
        raise ValueError(f"{name}={getattr(p, name)!r}: write shares separated by commas, as 0.3,0.4") from None
    if not all(0 < share < 1 for share in found) or len({*found, *taken}) < len(found) + len(taken):
        have = ", ".join(f"{share:g}" for share in taken)
        raise ValueError(f"{name}={getattr(p, name)!r}: give shares between 0 and 1, each once, beside {have}")
    return tuple(sorted(found))


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
