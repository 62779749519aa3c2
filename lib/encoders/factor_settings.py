"""What names an encoder of pairs at a published size.  No torch here: the graph is planned with this module.

Its folder holds ``codes.safetensors`` beside the record, with what the study reads, and the weights.
"""

import json
import re
from dataclasses import dataclass
from typing import ClassVar

from lib.encoders.coarse_settings import PACKAGES
from lib.encoders.store import BALANCED, Stored

BLOCK = 250  # steps between two checkpoints at the least, and of one mean loss
MIXED, KITTI = "none", "kitti_masks"  # data: factors mixed by a random network; masks of pedestrians
NETS = {MIXED: "pair_mlp", KITTI: "pair_convnet"}


@dataclass(frozen=True)
class FactorSettings:
    """How an encoder is trained on pairs of observations, by B-way InfoNCE on the taxicab distance of its codes.

    data: "none", ``factors`` of which pairs have the Laplace ``scale``, through a ``mixing`` of ``lib.disentangle``;
    "kitti_masks", frames up to ``gap`` apart, of the file with ``kitti_sha256``.  steps of Adam at one learning_rate,
    batch_size pairs.  ValueError: an unknown word, a number out of range.
    """

    data: str = MIXED
    factors: int = 10
    scale: float = 0.05
    mixing: str = "conditioned"
    gap: int = 0
    kitti_sha256: str = ""
    steps: int = 100_000
    batch_size: int = 6144
    learning_rate: float = 1e-4

    def __post_init__(self):
        for name, known in (("data", tuple(NETS)), ("mixing", ("orthogonal", "conditioned"))):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}={getattr(self, name)!r} is unknown; known are {', '.join(known)}")
        kitti = self.data == KITTI
        for name, fits, wanted in (
            ("factors", self.factors >= 1, "1 or more"),
            ("scale", self.scale > 0, "above 0"),
            ("gap", self.gap >= kitti, "1 or more"),
            (
                "kitti_sha256",
                not kitti or re.fullmatch("[0-9a-f]{64}", self.kitti_sha256),
                "64 hex digits, in lower case",
            ),
            ("steps", self.steps >= 1, "1 or more"),
            ("batch_size", self.batch_size >= 2, "2 or more"),
            ("learning_rate", self.learning_rate > 0, "above 0"),
        ):
            if not fits:
                raise ValueError(f"{name}={repr(getattr(self, name))[:80]} is out of range; it must be {wanted}")

    @property
    def net(self) -> str:
        """ "pair_mlp" or "pair_convnet"."""
        return NETS[self.data]

    @property
    def method(self) -> str:
        """The loss."""
        return "info_nce"

    @property
    def samples(self) -> int:
        """Pairs of one of the steps that ``total_epochs`` counts."""
        return self.batch_size

    @property
    def total_epochs(self) -> int:
        """The steps."""
        return self.steps

    @property
    def epochs(self) -> int:
        """Blocks of steps, the last one shorter where they do not divide the steps."""
        return -(-self.steps // BLOCK)


@dataclass(frozen=True)
class FactorUnit(Stored):
    """One encoder of pairs: settings, seed."""

    settings: FactorSettings
    seed: int
    members: ClassVar[tuple[str, ...]] = (BALANCED,)
    trainer: ClassVar[str] = "lib.encoders.factors"
    packages: ClassVar[tuple[str, ...]] = (*PACKAGES, "scipy")

    @property
    def name(self) -> str:
        """What the pairs are, seed and key: the folder's name."""
        s = self.settings
        kind = f"gap{s.gap}" if s.data == KITTI else f"n{s.factors}_b{s.scale:g}"
        return f"{s.data}-pairs_{kind}-s{self.seed}-{self.key}"

    def codes(self) -> tuple:
        """Factors (m, n) and codes (m, k), float64, of the points that the encoder is measured on."""
        kept = self.read("codes.safetensors")
        return kept["s"].numpy(), kept["z"].double().numpy()

    @staticmethod
    def from_json(text: str) -> "FactorUnit":
        d = json.loads(text)
        return FactorUnit(FactorSettings(**d["settings"]), d["seed"])
