"""What names an encoder of images.  No torch here: the graph is planned with this module."""

import json
from dataclasses import dataclass
from typing import ClassVar

from lib.encoders.store import BALANCED, Stored

PACKAGES = ("accelerate", "numpy", "safetensors", "scikit-learn", "torch", "torchvision")  # what training imports
METHODS = ("simclr", "simsiam", "bcl", "vicreg", "barlow_twins", "supervised", "untrained")
WEIGHTINGS = ("none", "groups", "anchors", "clusters", "oversample")
SIZES = {"digits": 1197, "cifar10": 50_000}  # training images
CLASSES = {
    "digits": tuple("0123456789"),
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
}


@dataclass(frozen=True)
class Settings:
    """How an encoder is trained.  The defaults are those of the public code of Maity et al. (2024) for SimCLR.

    data: name of the data set; classes: the classes kept (empty: all); images_per_class: the first so many (0: all).
    method: see ``lib.encoders.methods.MethodLoss``; "untrained" is the net at its random start.
    weighting: what is done for rare groups, see ``MethodLoss`` there; "oversample" draws the images of every class
    equally often.  equal_steps: as many optimiser steps as with all images, in place of as many epochs.
    net, pretrained: see ``lib.encoders.nets.backbone``.  head_width, head_out, head_batchnorm: of the projection head.
    feature: what is kept of an image, the output of the "backbone" or of the "projection" head.
    epochs, batch_size, momentum, nesterov, weight_decay: SGD, the last short batch dropped.
    learning_rate, final_learning_rate: ends of the cosine, per step, after a linear rise over warmup_epochs.
    squared_learning_rate: the public code hands the cosine's absolute values to a multiplier, so that the rate used is
    learning_rate times the cosine's value.
    temperature; clamp: cosines below 1e-7 raised to it in the loss.  normalise: standardise the pixels by channel.
    augment: a policy of ``lib.images.augment``.  precision: "float32", or "bfloat16" autocast.
    ValueError: a method or weighting that is unknown, or a weighting of a loss that has none.
    """

    data: str = "cifar10"
    classes: tuple[str, ...] = ()
    images_per_class: int = 0
    method: str = "simclr"
    weighting: str = "none"
    equal_steps: bool = False
    net: str = "resnet34"
    pretrained: bool = True
    head_width: int = 2048
    head_out: int = 128
    head_batchnorm: bool = False
    feature: str = "backbone"
    epochs: int = 500
    batch_size: int = 512
    learning_rate: float = 0.6
    final_learning_rate: float = 0.001
    squared_learning_rate: bool = True
    warmup_epochs: int = 0
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 1e-6
    temperature: float = 0.5
    clamp: bool = True
    normalise: bool = False
    augment: str = "simclr"
    precision: str = "float32"

    def __post_init__(self):
        for name, known in (
            ("method", METHODS),
            ("weighting", WEIGHTINGS),
            ("feature", ("backbone", "projection")),
            ("precision", ("float32", "bfloat16")),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}={getattr(self, name)!r} is unknown; known are {', '.join(known)}")
        if self.weighting not in ("none", "oversample") and self.method != "simclr":
            raise ValueError(f"weighting={self.weighting!r} weights NT-Xent; method={self.method!r} has no weights")

    @property
    def samples(self) -> float:
        """Training images, before any class is cut."""
        known = CLASSES[self.data]
        return (self.images_per_class or SIZES[self.data] / len(known)) * len(self.classes or known)

    @property
    def total_epochs(self) -> int:
        """Times that a training goes over its images."""
        return 0 if self.method == "untrained" else self.epochs


@dataclass(frozen=True)
class Unit(Stored):
    """The encoders of one job: the same settings, ratio and seed, one member for each undersampled class.

    members: names of the undersampled class, "" for the balanced control; ratio: the share kept of that class.
    """

    settings: Settings
    members: tuple[str, ...]
    ratio: float
    seed: int
    trainer: ClassVar[str] = "lib.encoders.pretrain"
    packages: ClassVar[tuple[str, ...]] = PACKAGES

    @property
    def name(self) -> str:
        """Data, method and weighting, undersampled class, ratio, seed and key: the folder's name."""
        s = self.settings
        method = s.method if s.weighting == "none" else f"{s.method}_{s.weighting}"
        what = "balanced" if self.members == (BALANCED,) else "all" if len(self.members) > 1 else self.members[0]
        return f"{s.data}-{method}-{what}-{self.ratio:g}-s{self.seed}-{self.key}"

    @staticmethod
    def from_json(text: str) -> "Unit":
        d = json.loads(text)
        d["settings"]["classes"] = tuple(d["settings"]["classes"])
        return Unit(Settings(**d["settings"]), tuple(d["members"]), d["ratio"], d["seed"])
