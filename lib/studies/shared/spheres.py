"""What is read of encoders of AlexNet's kind: into the circle on CIFAR-10, and by the published protocol on STL-10."""

from collections import namedtuple
from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import torch

from lib import losses
from lib.encoders.settings import CLASSES
from lib.encoders.sphere_settings import CIFAR10, KINDS, SphereUnit

# Features of both views of the first seed (3, n, 2), labels and classes, and by kind its measures (seeds,).
Circle = namedtuple("Circle", "z held align uniform")


def circle(given: Sequence[SphereUnit]) -> Circle | None:
    """What encoders into the circle measure on two views of the test images; None where there are none."""
    mine = [unit for unit in given if unit.settings.data == CIFAR10]
    if not mine:
        return None
    read = {}
    for name, loss in KINDS.items():
        read[name] = [unit.read("sphere.safetensors") for unit in mine if unit.settings.loss == loss]
    align = {name: np.array([float(losses.alignment(r["z1"], r["z2"])) for r in rows]) for name, rows in read.items()}
    uniform = {name: np.array([_uniformity(r) for r in rows]) for name, rows in read.items()}
    first = [torch.stack([rows[0][z] for rows in read.values()]) for z in ("z1", "z2")]
    held = SimpleNamespace(y=read["random"][0]["y"], classes=CLASSES[CIFAR10])
    return Circle(first, held, align, uniform)


def _uniformity(read: dict) -> float:
    """The mean of the two views'."""
    return sum(float(losses.uniformity(read[z].double(), block=512)) for z in ("z1", "z2")) / 2


def protocol(given: Sequence[SphereUnit]) -> np.ndarray:
    """Accuracy of the linear layer of the protocol on STL-10, (seeds,); empty where it was not run."""
    mine = [unit for unit in given if unit.settings.reading]
    return np.array([float(unit.read("sphere.safetensors")["accuracy"]) for unit in mine])
