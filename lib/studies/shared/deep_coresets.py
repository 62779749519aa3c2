"""Coresets chosen and learned by convolutional networks: which are trained, and how a study reads them."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

from lib.encoders.deep_coreset_settings import CoresetSettings, CoresetUnit
from lib.encoders.label_settings import Arm

STACK = "stack"  # in place of a network: the small nets of the other experiments


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


def by_seed(p: SimpleNamespace) -> BySeed:
    """The units that the parameters name; ValueError: a batch larger than the least that a network sees."""
    images = {"data": p.coreset_data, "images_per_class": p.coreset_images, "net": p.coreset_net}
    course = {"epochs": p.coreset_epochs, "batch_size": p.coreset_batch, "learning_rate": p.coreset_rate}
    try:
        s = CoresetSettings(**images, **course, temperature=p.temperature, alpha=p.alpha)
    except ValueError as error:  # batch_size is another parameter of the study
        raise ValueError(str(error).replace("batch_size", "coreset_batch")) from None
    return BySeed(tuple(CoresetUnit(s, seed) for seed in range(p.seed, p.seed + p.seeds)))
