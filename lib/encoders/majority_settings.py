"""What names an encoder of images of which one class is frequent.  No torch here: the graph is planned with it."""

import json
import math
from dataclasses import dataclass
from typing import ClassVar

from lib.encoders.settings import CLASSES, PACKAGES
from lib.encoders.store import BALANCED, Stored


@dataclass(frozen=True)
class MajoritySettings:
    """How an encoder is trained by supervised InfoNCE with one majority class.

    data: name of the data set; minorities: number of classes that are cut; majority: images of the class that is not;
    ratio: how many times as many as of each minority, whose number is rounded.
    negatives: M of each anchor, drawn from the batch; inf: all of the batch, which is SupCon.  temperature.
    net: see ``lib.encoders.nets.backbone``; out: coordinates of its unit features, after a linear layer.
    epochs, batch_size, learning_rate: SGD with momentum 0.9, the rate a cosine down to 0.  augment, precision: as in
    ``lib.encoders.settings``.  ValueError: a number out of range, a minority of less than two images.
    """

    data: str = "cifar10"
    minorities: int = 9
    majority: int = 5000
    ratio: float = 1.0
    negatives: float = math.inf
    temperature: float = 1.0
    net: str = "resnet18"
    out: int = 128
    epochs: int = 500
    batch_size: int = 1024
    learning_rate: float = 0.5
    augment: str = "simclr"
    precision: str = "float32"

    def __post_init__(self):
        classes = len(CLASSES[self.data])
        for name, fits, wanted in (
            ("minorities", 2 <= self.minorities < classes, f"from 2 to {classes - 1}"),
            ("majority", self.majority >= 2, "2 or more"),
            ("ratio", self.ratio >= 1, "1 or more"),
            ("negatives", self.negatives >= 1 and not (self.negatives < math.inf and self.negatives % 1), "whole"),
            ("temperature", self.temperature > 0, "above 0"),
            ("out", self.out >= self.minorities + 1, f"{self.minorities + 1} or more, the number of classes"),
            ("learning_rate", self.learning_rate > 0, "above 0"),
        ):
            if not fits:
                raise ValueError(f"{name}={getattr(self, name)} is out of range; it must be {wanted}")
        if self.minority < 2:
            raise ValueError(
                f"ratio={self.ratio:.4g} leaves {self.minority} of {self.majority} images in a minority class, 2 or "
                "more are expected; raise the majority or the number of negatives, or lower the temperature"
            )

    @property
    def minority(self) -> int:
        """Images of each minority class."""
        return round(self.majority / self.ratio)

    @property
    def method(self) -> str:
        """The loss."""
        return "sup_con"

    @property
    def samples(self) -> int:
        """Training images."""
        return self.majority + self.minorities * self.minority

    @property
    def total_epochs(self) -> int:
        """Times that a training goes over its images."""
        return self.epochs


@dataclass(frozen=True)
class MajorityUnit(Stored):
    """One encoder: settings, seed.  Seed s makes class s (mod K) the majority and the next ones its minorities."""

    settings: MajoritySettings
    seed: int
    members: ClassVar[tuple[str, ...]] = (BALANCED,)
    trainer: ClassVar[str] = "lib.encoders.majority"
    packages: ClassVar[tuple[str, ...]] = PACKAGES

    @property
    def classes(self) -> tuple[str, ...]:
        """The majority class, then the minorities."""
        known = CLASSES[self.settings.data]
        return tuple(known[(self.seed + i) % len(known)] for i in range(self.settings.minorities + 1))

    @property
    def name(self) -> str:
        """Data, minorities, ratio, negatives, seed and key: the folder's name."""
        s = self.settings
        return f"{s.data}-majority_{s.minorities}x{s.ratio:.4g}_m{s.negatives:g}-s{self.seed}-{self.key}"

    @staticmethod
    def from_json(text: str) -> "MajorityUnit":
        d = json.loads(text)
        return MajorityUnit(MajoritySettings(**d["settings"]), d["seed"])
