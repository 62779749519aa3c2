"""What names an encoder trained on coarse labels.  No torch here: the graph is planned with this module.

The classes of a coarse data set are made of *strata*, finer classes that training does not see (Details Matter 2022,
section 2).  A unit is one encoder.  Files as in ``lib.encoders.store``, and ``strata.safetensors`` with what other
studies do not ask: the strata of both splits, and the logits of the cross-entropy head.
"""

import json
from dataclasses import dataclass
from typing import ClassVar

from lib.encoders.store import BALANCED, Stored

PACKAGES = ("accelerate", "numpy", "safetensors", "scikit-learn", "torch", "torchvision")
LOSSES = ("cross_entropy", "simclr", "sup_con", "attract", "spread")
OPTIMISERS = ("adamw", "sgd")
NETS = ("vit", "vit_small", "convnet", "resnet_small", "resnet18", "resnet34", "resnet50", "mlp")
SETS = {  # training images and strata of each data set; ``lib.images.coarse_labels.LOADERS`` reads it
    "digits_coarse": (1197, 10),
    "digits": (1197, 10),
    "mnist_coarse": (60_000, 10),
    "mnist": (60_000, 10),
    "cifar10_coarse": (50_000, 10),
    "cifar10": (50_000, 10),
    "cifar100_coarse": (50_000, 100),
    "cifar100_coarse_u": (19_000, 100),
    "cifar100": (50_000, 100),
    "spurious_digits": (1197, 4),
    "spurious_mnist": (12_000, 4),
    "waterbirds": (4795, 4),
    "isic": (18_000, 3),  # about: the archive grows
}


@dataclass(frozen=True)
class CoarseSettings:
    """How an encoder is trained on coarse labels.  The defaults are the paper's, where silent the released code's.

    data: a name of SETS; images_per_stratum: the first so many of the training split (0: all).
    resample: of "cifar100_coarse_u" alone: the released code draws with replacement, in the test split too.
    loss: beside cross-entropy, see ``lib.encoders.coarse.contrastive``; alpha: of "spread"; temperature.
    one_view: anchors are the first views, candidates the second views alone; clamp: the positive logit in the numerator
    is at most 1.  Both are on in the released code, off in the paper's formulas.
    joint: cross-entropy of a linear head on the features beside the contrastive loss, weights 1 and 1; False: the
    contrastive loss alone.
    net: see ``lib.encoders.nets.of_square``; pretrained: ImageNet weights, ResNets alone.
    epochs, batch_size, the last short batch dropped; optimiser: "adamw", or "sgd" of momentum 0.9; weight_decay.
    period: T of the cosine learning_rate (1 + cos(π epoch / T)) / 2, which rises again after epoch T, as in the
    released code; 0: a constant rate.
    validation: share of the training images held out; the epoch with the best accuracy of the head there is kept.  0,
    and without a head: the last epoch.
    augment: a policy of ``lib.encoders.coarse.POLICIES``.  precision: "float32", or "bfloat16" autocast.
    ValueError: an unknown word, a number out of range, or settings that contradict each other.
    """

    data: str = "cifar10_coarse"
    images_per_stratum: int = 0
    resample: bool = False
    loss: str = "spread"
    alpha: float = 0.5
    temperature: float = 0.5
    one_view: bool = False
    clamp: bool = False
    joint: bool = True
    net: str = "vit"
    pretrained: bool = False
    epochs: int = 600
    batch_size: int = 128
    optimiser: str = "adamw"
    learning_rate: float = 3e-4
    weight_decay: float = 0.01
    period: int = 100
    validation: float = 0.1
    augment: str = "spread"
    precision: str = "float32"

    def __post_init__(self):
        for name, known in (
            ("data", tuple(SETS)),
            ("loss", LOSSES),
            ("optimiser", OPTIMISERS),
            ("net", NETS),
            ("precision", ("float32", "bfloat16")),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}={getattr(self, name)!r} is unknown; known are {', '.join(known)}")
        for name, fits, wanted in (
            ("alpha", 0 <= self.alpha <= 1, "in [0, 1]"),
            ("temperature", self.temperature > 0, "above 0"),
            ("validation", 0 <= self.validation < 1, "in [0, 1)"),
            ("images_per_stratum", self.images_per_stratum >= 0, "0 (all) or more"),
            ("epochs", self.epochs >= 0, "0 or more"),
            ("batch_size", self.batch_size >= 2, "2 or more"),
            ("period", self.period >= 0, "0 (constant rate) or more"),
        ):
            if not fits:
                raise ValueError(f"{name}={getattr(self, name)} is out of range; it must be {wanted}")
        if not self.joint and self.loss == "cross_entropy":
            raise ValueError("joint=False leaves out the head that loss='cross_entropy' trains; name another loss")
        if self.resample and self.data != "cifar100_coarse_u":
            raise ValueError(f"resample=True is of cifar100_coarse_u; data={self.data!r} is not subsampled")
        if self.pretrained and self.net not in ("resnet18", "resnet34", "resnet50"):
            raise ValueError(f"pretrained=True: net {self.net!r} has no ImageNet weights; use resnet18, 34 or 50")

    @property
    def method(self) -> str:
        """The loss and what is changed in it, in words."""
        loss = f"spread{self.alpha:g}" if self.loss == "spread" else self.loss
        marks = {"one_view": self.one_view, "clamp": self.clamp, "alone": not self.joint}
        return "_".join([loss, *(word for word, on in marks.items() if on)])

    @property
    def samples(self) -> float:
        """Training images, about, without the share that is held out."""
        images, strata = SETS[self.data]
        most = self.images_per_stratum * strata or images
        return min(images, most) * (1 - self.validation)

    @property
    def total_epochs(self) -> int:
        """Times that a training goes over its images."""
        return self.epochs


@dataclass(frozen=True)
class CoarseUnit(Stored):
    """One encoder: settings and seed."""

    settings: CoarseSettings
    seed: int
    trainer: ClassVar[str] = "lib.encoders.coarse"
    packages: ClassVar[tuple[str, ...]] = PACKAGES
    members: ClassVar[tuple[str, ...]] = (BALANCED,)

    @property
    def name(self) -> str:
        """Data, loss, seed and key: the folder's name."""
        return f"{self.settings.data}-{self.settings.method}-s{self.seed}-{self.key}"

    def strata(self, split: str = "test"):
        """int64 (n,) strata of the images of ``embeddings(split)``, "test" or "train"."""
        return self._read()[f"{split}_stratum"]

    def logits(self, split: str = "test"):
        """float32 (n, K) outputs of the cross-entropy head on the images of ``embeddings(split)``."""
        return self._read()[f"{split}_logits"]

    def held_out(self):
        """bool (n,): the images of ``embeddings("train")`` that were kept back for validation."""
        return self._read()["held_out"].bool()

    def accuracy(self, split: str = "test") -> float:
        """Share of images whose coarse label the cross-entropy head names."""
        return float((self.logits(split).argmax(1) == self.embeddings(split)[1]).float().mean())

    def _read(self) -> dict:
        return self.read("strata.safetensors")

    @staticmethod
    def from_json(text: str) -> "CoarseUnit":
        d = json.loads(text)
        return CoarseUnit(CoarseSettings(**d["settings"]), d["seed"])
