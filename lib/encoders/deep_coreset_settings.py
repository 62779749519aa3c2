"""What names the networks of the coreset experiment on whole images.  No torch here: the graph is planned with it.

The small nets of ``lib.encoders.label_settings`` choose and learn at once; here are networks as large as the paper's,
trained one after the other.  A unit is one seed.  Its folder holds ``labels.safetensors`` beside the record.
"""

import json
from dataclasses import dataclass
from typing import ClassVar

from lib.encoders.label_level_settings import GRAND
from lib.encoders.label_settings import KEEPERS, KEPT, SCORERS, SUBSAMPLES, Arm
from lib.encoders.settings import CLASSES, PACKAGES, SIZES
from lib.encoders.store import Stored

NETS = ("convnet", "resnet_small", "resnet18")
ARMS = tuple(Arm("cross_entropy", share, keeper) for keeper in (*KEEPERS, GRAND) for share in KEPT)
COUNTERS = 3 * len(SUBSAMPLES)  # networks that count how often an image is called right


@dataclass(frozen=True)
class CoresetSettings:
    """How the networks that choose images, and those that learn from them, are trained.

    data; images_per_class: the first so many of the training split (0: all).  net: see ``lib.encoders.nets.backbone``.
    epochs, batch_size, learning_rate: of SGD, see ``lib.encoders.deep_coreset_nets``; the defaults are those of the
    public code of Toneva et al. (2019), which Details Matter (2022) trains with.
    temperature, alpha: of L_spread; head: share of the images whose label the head of a network of L_spread sees.
    precision: "float32", or "bfloat16" autocast.  ValueError: an unknown word, a number out of range, or a batch larger
    than the smallest part of the images that a network sees.
    """

    data: str = "cifar10"
    images_per_class: int = 0
    net: str = "resnet18"
    epochs: int = 200
    batch_size: int = 128
    learning_rate: float = 0.1
    temperature: float = 0.5
    alpha: float = 0.5
    head: float = 0.01
    precision: str = "float32"

    def __post_init__(self):
        for name, known in (("data", tuple(SIZES)), ("net", NETS), ("precision", ("float32", "bfloat16"))):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}={getattr(self, name)!r} is unknown; known are {', '.join(known)}")
        least = min(SUBSAMPLES)
        for name, fits, wanted in (
            ("images_per_class", self.images_per_class >= 0, "0 (all) or more"),
            ("epochs", self.epochs >= 2, "2 or more, for something to be forgotten"),
            ("batch_size", self.batch_size >= 2, "2 or more"),
            ("learning_rate", self.learning_rate > 0, "above 0"),
            ("temperature", self.temperature > 0, "above 0"),
            ("alpha", 0 <= self.alpha <= 1, "in [0, 1]"),
            ("head", 0 < self.head <= least, f"in (0, {least:g}], the share of the smallest subsample"),
        ):
            if not fits:
                raise ValueError(f"{name}={getattr(self, name)} is out of range; it must be {wanted}")
        smallest = round(min(*KEPT, *SUBSAMPLES) * self.images)
        if self.batch_size > smallest:
            raise ValueError(
                f"batch_size={self.batch_size} exceeds the {smallest} images that a network sees where it sees fewest, "
                f"of {self.images}; lower it, or take more images"
            )

    @property
    def images(self) -> int:
        """Training images."""
        return self.images_per_class * len(CLASSES[self.data]) or SIZES[self.data]

    @property
    def early(self) -> int:
        """Epochs after which EL2N and GraNd are read: a tenth, 20 of 200 in Paul et al. (2021)."""
        return max(1, self.epochs // 10)

    @property
    def samples(self) -> float:
        """Images of an epoch in two views, mean over the networks; one view, and three without a gradient, are half."""
        views = 3 * sum(SUBSAMPLES) + SCORERS * (1 / 2 + 1 / 6) + (len(KEEPERS) + 1) * sum(KEPT) / 2
        return self.images * views / (COUNTERS + SCORERS + len(ARMS))

    @property
    def total_epochs(self) -> int:
        """Times that a training goes over its images."""
        return self.epochs

    @property
    def method(self) -> str:
        """The experiment."""
        return "coresets"


@dataclass(frozen=True)
class CoresetUnit(Stored):
    """The networks of one seed: settings, seed."""

    settings: CoresetSettings
    seed: int
    trainer: ClassVar[str] = "lib.encoders.deep_coresets"
    packages: ClassVar[tuple[str, ...]] = PACKAGES
    arms: ClassVar[tuple[Arm, ...]] = ARMS

    @property
    def members(self) -> tuple[str, ...]:
        """Every network that is trained, in the order of training."""
        choosing = [f"counts {i}" for i in range(COUNTERS)] + [f"scores {i}" for i in range(SCORERS)]
        return (*choosing, *(" ".join(map(str, arm)) for arm in self.arms))

    @property
    def name(self) -> str:
        """Data, net, seed and key: the folder's name."""
        s = self.settings
        return f"{s.data}-coresets_{s.net}-s{self.seed}-{self.key}"

    def tensors(self) -> dict:
        """All kept tensors by name, see ``lib.encoders.deep_coresets.run``."""
        return self.read("labels.safetensors")

    @staticmethod
    def from_json(text: str) -> "CoresetUnit":
        d = json.loads(text)
        return CoresetUnit(CoresetSettings(**d["settings"]), d["seed"])
