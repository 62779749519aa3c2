"""Coresets chosen and learned by convolutional networks, as a study reads them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lib.encoders.deep_coreset_settings import CoresetSettings, CoresetUnit
from lib.encoders.label_settings import Arm


@dataclass(frozen=True)
class BySeed:
    """Units of one seed each, read as the one unit of the small nets (``LabelUnit``) is."""

    units: tuple[CoresetUnit, ...]

    @property
    def settings(self) -> CoresetSettings:
        """Those of every unit."""
        return self.units[0].settings

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The arms in the order of the tensors."""
        return self.units[0].arms

    def tensors(self) -> dict[str, Tensor]:
        """What the units keep by name, (arms, seeds, n) or (seeds, n); held_y, which all share, (n,)."""
        kept = [unit.tensors() for unit in self.units]
        return {k: v if k == "held_y" else torch.stack([own[k] for own in kept], -2) for k, v in kept[0].items()}

    def accuracy(self) -> dict[Arm, np.ndarray]:
        """Share of the held-out images that are called right, by arm, (seeds,)."""
        kept = self.tensors()
        right = (kept["called"] == kept["held_y"]).double().mean(-1).numpy()  # (arms, seeds)
        return dict(zip(self.arms, right, strict=True))
