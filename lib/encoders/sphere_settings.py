"""What names an encoder of AlexNet's kind on the sphere.  No torch here: the graph is planned with this module.

Its folder holds ``sphere.safetensors`` beside the record, with what the study reads.
"""

import json
from dataclasses import dataclass
from typing import ClassVar

from lib.encoders.settings import PACKAGES
from lib.encoders.store import BALANCED, Stored

LOSSES = ("two_measures", "contrastive", "supervised", "untrained")
SAMPLES = {"stl10": 105_000, "cifar10": 50_000}  # training images
STL10, CIFAR10 = SAMPLES
# Encoders into the circle, by the loss of each.
KINDS = {"random": "untrained", "supervised": "supervised", "contrastive": "contrastive"}


@dataclass(frozen=True)
class SphereSettings:
    """How an encoder is trained; the defaults are those of the public code of Wang & Isola (2020) on STL-10.

    data: "stl10", all images with and without label, views of 64 x 64; "cifar10", the first images_per_class of each
    class (0: all), views of 32 x 32.  loss: of LOSSES.  out: coordinates of the unit features.
    epochs, batch_size, learning_rate, weight_decay: SGD with momentum 0.9; the rate falls to a tenth after 77.5, 85 and
    92.5 per cent of the epochs.  temperature: of the contrastive loss.
    reading: epochs in which a linear layer on the 4,096 units before the last is trained; 0: none is.
    ValueError: an unknown word, a number out of range.
    """

    data: str = STL10
    loss: str = "two_measures"
    images_per_class: int = 0
    out: int = 128
    epochs: int = 200
    batch_size: int = 768
    learning_rate: float = 0.36
    weight_decay: float = 1e-4
    temperature: float = 0.5
    reading: int = 0
    net: ClassVar[str] = "alexnet"

    def __post_init__(self):
        for name, known in (("data", tuple(SAMPLES)), ("loss", LOSSES)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}={getattr(self, name)!r} is unknown; known are {', '.join(known)}")
        for name, least in (("out", 2), ("batch_size", 2), ("epochs", 0), ("reading", 0), ("images_per_class", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)} is out of range; it must be {least} or more")
        for name in ("learning_rate", "temperature"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}={getattr(self, name)} is out of range; it must be above 0")

    @property
    def method(self) -> str:
        """The loss."""
        return self.loss

    @property
    def samples(self) -> int:
        """Training images."""
        return 10 * self.images_per_class or SAMPLES[self.data]

    @property
    def total_epochs(self) -> int:
        """Times that a training goes over its images."""
        return 0 if self.loss == "untrained" else self.epochs


@dataclass(frozen=True)
class SphereUnit(Stored):
    """One encoder: settings, seed."""

    settings: SphereSettings
    seed: int
    members: ClassVar[tuple[str, ...]] = (BALANCED,)
    trainer: ClassVar[str] = "lib.encoders.sphere"
    packages: ClassVar[tuple[str, ...]] = PACKAGES

    @property
    def name(self) -> str:
        """Data, loss, dimension, seed and key: the folder's name."""
        s = self.settings
        return f"{s.data}-alexnet_{s.loss}_d{s.out}-s{self.seed}-{self.key}"

    @staticmethod
    def from_json(text: str) -> "SphereUnit":
        d = json.loads(text)
        return SphereUnit(SphereSettings(**d["settings"]), d["seed"])
