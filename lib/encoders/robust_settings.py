"""What names a classifier trained with GroupDRO.  No torch here: the graph is planned with this module."""

import json
from dataclasses import dataclass
from typing import ClassVar

from lib.encoders.coarse_settings import CoarseSettings, CoarseUnit


@dataclass(frozen=True)
class RobustSettings(CoarseSettings):
    """How a net and its head are trained on cross-entropy with weights for groups (Sagawa et al. 2020).

    step, adjustment: of the weights and of the margins C / sqrt(n_g), see ``lib.losses.group_dro``; even: batches are
    drawn evenly from the groups.  reduce, k_max, centre: how groups are recovered, see ``lib.strata.recovery.recover``.
    The other fields are those of ``CoarseSettings``.  ValueError: a loss beside cross-entropy, a number out of range.
    """

    loss: str = "cross_entropy"
    step: float = 0.01
    adjustment: float = 0.0
    even: bool = False
    reduce: str = "umap"
    k_max: int = 10
    centre: str = "class"

    def __post_init__(self):
        super().__post_init__()
        if self.loss != "cross_entropy":
            raise ValueError(f"loss={self.loss!r}: GroupDRO weights the cross-entropy alone")
        for name, fits, wanted in (
            ("step", self.step > 0, "above 0"),
            ("adjustment", self.adjustment >= 0, "0 or more"),
            ("k_max", self.k_max >= 2, "2 or more"),
        ):
            if not fits:
                raise ValueError(f"{name}={getattr(self, name)} is out of range; it must be {wanted}")

    @property
    def method(self) -> str:
        """ "group_dro", and how batches are drawn."""
        return "group_dro_even" if self.even else "group_dro"


@dataclass(frozen=True)
class RobustUnit(CoarseUnit):
    """One robust classifier: settings, seed, and the encoder whose features the groups are recovered from.

    base: None trains with the true groups.  Its folder also holds ``groups.safetensors``.
    """

    settings: RobustSettings
    base: CoarseUnit | None = None
    trainer: ClassVar[str] = "lib.encoders.robust"

    def groups(self):
        """int64 (n,) groups of the images of ``embeddings("train")`` that the training was given."""
        return self._groups()["groups"]

    def weights(self):
        """float32 (G,) weights of the groups at the end of the training."""
        return self._groups()["weights"]

    def _groups(self) -> dict:
        return self.read("groups.safetensors")

    @staticmethod
    def from_json(text: str) -> "RobustUnit":
        d = json.loads(text)
        base = CoarseUnit(CoarseSettings(**d["base"]["settings"]), d["base"]["seed"]) if d["base"] else None
        return RobustUnit(RobustSettings(**d["settings"]), d["seed"], base)
