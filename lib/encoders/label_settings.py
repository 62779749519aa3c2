"""What names a stack of small nets trained on labels.  No torch here: the graph is planned with this module.

A unit is one experiment of Details Matter (2022) with all of its arms and seeds: its nets are trained at once, each on
images and labels of its own.  Its folder holds ``labels.safetensors`` beside the record, with what the study reads.
"""

import json
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from lib.encoders.coarse_settings import PACKAGES
from lib.encoders.store import Stored

READINGS = ("centres", "points")  # of the average in ``noisy_labels.noise_scores``
NOISE = (0.2, 0.5)  # shares of wrong labels
RIGHT = (0.8, 0.6)  # probabilities that a label of two is right
CORRECTIONS = ("none", "weights", "geometric")  # of the triplet loss
KEEPERS = ("fullest buckets", "random", "forgetting", "EL2N")  # who chooses the images that are kept
KEPT = (0.1, 0.3, 0.5)  # shares of the images
SUBSAMPLES = (0.1, 0.2, 0.5)  # of the nets that count how often an image is called right, three nets each
SCORERS = 3  # nets a seed that forgetting events and EL2N read
LABELLED = (0.1, 0.3, 1.0)  # shares of the images that have a label in the contrastive loss
CLASSED = ("sup_con", "spread")  # the contrastive losses that read labels


class Arm(NamedTuple):
    """Nets that differ in their seed alone: their loss, and a level and a treatment, whose meaning is the experiment's.

    noise: the share of wrong labels, and "none" or the reading by which they are corrected.  two_classes: the
    probability that a label is right, and one of CORRECTIONS, or "alone" without a contrastive loss.  coresets: the
    share of images kept, and by whom.  few_labels: the share of labels in the contrastive loss.
    """

    loss: str
    level: float
    treatment: str = "none"


ARMS = {
    "noise": (
        *(Arm(loss, 0.0) for loss in CLASSED),
        *(Arm(loss, share, arm) for loss in CLASSED for share in NOISE for arm in ("none", *READINGS)),
        Arm("cross_entropy", 0.0),
    ),
    "two_classes": (
        Arm("triplet", 1.0),
        Arm("cross_entropy", 1.0, "alone"),
        *(Arm("triplet", right, arm) for right in RIGHT for arm in CORRECTIONS),
    ),
    "coresets": tuple(Arm("cross_entropy", share, keeper) for keeper in KEEPERS for share in KEPT),
    "few_labels": (
        Arm("simclr", 0.0),
        Arm("cross_entropy", 0.0),
        *(Arm(loss, share) for loss in CLASSED for share in LABELLED),
    ),
}


@dataclass(frozen=True)
class LabelSettings:
    """How the small nets of an experiment are trained, see ``lib.encoders.label_stacks.Course``.

    experiment: a word of ARMS.  images_per_class: the first so many of the training split (0: all).  steps of Adam with
    batch_size images, learning_rate at the start of the cosine; temperature; alpha: of "spread".  head: share of the
    images whose right label the linear head sees.  ValueError: an unknown experiment, a number out of range.
    """

    experiment: str
    data: str = "digits"
    images_per_class: int = 0
    steps: int = 150
    batch_size: int = 64
    learning_rate: float = 0.01
    temperature: float = 0.5
    alpha: float = 0.5
    head: float = 0.2
    net: ClassVar[str] = "label_stack"

    def __post_init__(self):
        if self.experiment not in ARMS:
            raise ValueError(f"experiment={self.experiment!r} is unknown; known are {', '.join(ARMS)}")
        for name, fits, wanted in (
            ("steps", self.steps >= 20, "20 or more"),
            ("batch_size", self.batch_size >= 4, "4 or more"),
            ("temperature", self.temperature > 0, "above 0"),
            ("alpha", 0 <= self.alpha <= 1, "in [0, 1]"),
            ("head", 0 < self.head <= 1, "in (0, 1]"),
        ):
            if not fits:
                raise ValueError(f"{name}={getattr(self, name)} is out of range; it must be {wanted}")

    @property
    def samples(self) -> int:
        """Images of one of the steps that ``total_epochs`` counts."""
        return self.batch_size

    @property
    def total_epochs(self) -> int:
        """The steps."""
        return self.steps

    @property
    def method(self) -> str:
        """The experiment."""
        return self.experiment


@dataclass(frozen=True)
class LabelUnit(Stored):
    """All nets of an experiment: settings, first seed, number of seeds."""

    settings: LabelSettings
    seed: int
    count: int
    trainer: ClassVar[str] = "lib.encoders.labels"
    packages: ClassVar[tuple[str, ...]] = PACKAGES

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(range(self.seed, self.seed + self.count))

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The arms in the order of the kept tensors."""
        return ARMS[self.settings.experiment]

    @property
    def members(self) -> tuple[str, ...]:
        """Every net that is trained."""
        helpers = 3 * len(SUBSAMPLES) + SCORERS if self.settings.experiment == "coresets" else 0
        names = [*(" ".join(map(str, arm)) for arm in self.arms), *(f"helper {i}" for i in range(helpers))]
        return tuple(f"{name}, seed {seed}" for name in names for seed in self.seeds)

    @property
    def name(self) -> str:
        """Data, experiment, seeds and key: the folder's name."""
        s = self.settings
        return f"{s.data}-labels_{s.experiment}-s{self.seed}n{self.count}-{self.key}"

    def accuracy(self) -> dict:
        """Share of the held-out images that the head calls right, float64 (seeds,), by arm."""
        kept = self.tensors()
        right = (kept["called"] == kept["held_y"]).double().mean(-1).numpy()  # (arms, seeds)
        return dict(zip(self.arms, right, strict=True))

    def features(self) -> dict:
        """Features of the training images, float32 (seeds, n, d), by arm, of the experiments on wrong labels."""
        return dict(zip(self.arms, self.tensors()["features"], strict=True))

    def tensors(self) -> dict:
        """All kept tensors by name, see ``lib.encoders.labels.run``."""
        return self.read("labels.safetensors")

    @staticmethod
    def from_json(text: str) -> "LabelUnit":
        d = json.loads(text)
        return LabelUnit(LabelSettings(**d["settings"]), d["seed"], d["count"])
