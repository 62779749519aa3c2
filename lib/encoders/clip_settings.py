"""What names an encoder of images and captions.  No torch here: the graph is planned with this module.

A unit's embeddings hold the features of both towers side by side, those of the image first: ``ClipUnit.tower``.
"""

import json
from dataclasses import dataclass
from typing import ClassVar

from lib.encoders.settings import PACKAGES
from lib.encoders.store import BALANCED, Stored

METHODS = ("clip", "untrained")
NETS = ("convnet", "resnet_small", "resnet18")
TOWERS = ("image", "text")
TEXT = 32  # features of the text tower


@dataclass(frozen=True)
class ClipSettings:
    """How a tower of images and one of captions are trained together, by ``lib.losses.clip``.

    data, classes, images_per_class: as ``Settings``.  shared: see ``captions.generate``; captions: its seed.
    method: "clip", or "untrained", both towers at their random start.
    net: of the images, see ``lib.encoders.nets.backbone``; the captions have a bag of words.  joint: numbers of an
    embedding in the space that both towers reach by a linear map.
    epochs, batch_size, learning_rate: Adam; the rate rises over a tenth of the steps and falls to 0.
    temperature: at the start, from which it is learned.  augment: a policy of ``lib.images.augment``, of which every
    image gets one view.  precision: "float32", or "bfloat16" autocast.
    ValueError: an unknown word, a number out of range.
    """

    data: str = "digits"
    classes: tuple[str, ...] = ()
    images_per_class: int = 0
    shared: float = 0.5
    captions: int = 0
    method: str = "clip"
    net: str = "convnet"
    joint: int = 32
    epochs: int = 20
    batch_size: int = 128
    learning_rate: float = 0.01
    temperature: float = 0.07
    augment: str = "digits"
    precision: str = "float32"

    def __post_init__(self):
        for name, known in (("method", METHODS), ("net", NETS), ("precision", ("float32", "bfloat16"))):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}={getattr(self, name)!r} is unknown; known are {', '.join(known)}")
        for name, fits, wanted in (
            ("shared", 0 <= self.shared <= 1, "in [0, 1]"),
            ("joint", self.joint >= 2, "2 or more"),
            ("batch_size", self.batch_size >= 2, "2 or more"),
            ("temperature", self.temperature >= 0.01, "0.01 or more"),
        ):
            if not fits:
                raise ValueError(f"{name}={getattr(self, name)} is out of range; it must be {wanted}")

    @property
    def total_epochs(self) -> int:
        """Times that a training goes over its pairs."""
        return 0 if self.method == "untrained" else self.epochs


@dataclass(frozen=True)
class ClipUnit(Stored):
    """The pairs of towers of one job: the same settings, ratio and seed, one member for each undersampled class.

    members: names of the class of which ``ratio`` of the pairs is kept, "" for the balanced control.
    """

    settings: ClipSettings
    members: tuple[str, ...]
    ratio: float
    seed: int
    trainer: ClassVar[str] = "lib.encoders.clip"
    packages: ClassVar[tuple[str, ...]] = PACKAGES

    @property
    def name(self) -> str:
        """Data, method, undersampled class, ratio, seed and key: the folder's name."""
        what = "balanced" if self.members == (BALANCED,) else "all" if len(self.members) > 1 else self.members[0]
        return f"{self.settings.data}-{self.settings.method}_captions-{what}-{self.ratio:g}-s{self.seed}-{self.key}"

    def tower(self, name: str, member: int = 0, split: str = "test"):
        """(z, y): float32 features (n, d) of the "image" or the "text" tower, and codes (n,) of the pairs' classes."""
        z, y = self.embeddings(split)
        return (z[member, :, :-TEXT] if name == "image" else z[member, :, -TEXT:]), y

    @staticmethod
    def from_json(text: str) -> "ClipUnit":
        d = json.loads(text)
        d["settings"]["classes"] = tuple(d["settings"]["classes"])
        return ClipUnit(ClipSettings(**d["settings"]), tuple(d["members"]), d["ratio"], d["seed"])
