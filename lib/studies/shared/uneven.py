"""Small encoders on digits in two classes of strata of unequal sizes, the digits (Details Matter 2022, figure 3)."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lib.encoders import label_stacks
from lib.encoders.label_stacks import Course, Net
from lib.images.sets import Images
from lib.strata import measures

SIZES = (100, 50, 20, 10, 10)  # images of the strata of a class, a fifth of those of CIFAR100-Coarse-U
HALF = len(SIZES)


@dataclass(frozen=True)
class Uneven:
    """Encoders of each kind and seed on test images: cosine (kinds, seeds, strata) to the centre of the class, strata
    alike in it, in the order of ``SIZES`` class by class; accuracy (kinds, seeds) of the head; y (n,) test classes.
    """

    cosine: Tensor
    accuracy: Tensor
    y: Tensor


def drawn(y: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Positions of the images that are seen, and the digits (10,) in the order of their sizes, class by class.

    Which digit is rare is drawn by the seed, so that size goes with no digit.  y: (n,) digits.
    """
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(HALF) + HALF * k for k in range(2)])
    rows = [rng.permutation((y == d).nonzero()[:, 0].numpy())[:n] for d, n in zip(order, SIZES * 2, strict=True)]
    return torch.from_numpy(np.concatenate(rows)).sort().values, torch.from_numpy(order)


def trained(kinds: dict[str, tuple[float, bool]], seeds: list[int], course: Course | None = None) -> Uneven:
    """Train a small net of each kind and seed on the class, by its loss and the cross-entropy of a head.

    kinds: the weight α and whether the loss is SupCon, by name.
    """
    digits, held = label_stacks.small_images("digits")
    train, test = (Images(d.x, (d.y >= HALF).long(), ("0 to 4", "5 to 9")) for d in (digits, held))
    picked, everything = [drawn(digits.y, seed) for seed in seeds], torch.ones(len(digits), dtype=torch.bool)
    nets = [
        Net("sup_con" if sup_con else "spread", seed, rows, train.y, everything, alpha)
        for alpha, sup_con in kinds.values()
        for seed, (rows, _) in zip(seeds, picked, strict=True)
    ]
    found, _ = label_stacks.train(train, nets, course or Course())
    cosine = measures.to_centre(found.outputs(test.x)[0].double(), test.y, held.y, even=True)  # (E, digits)
    order = torch.stack([digit for _, digit in picked]).repeat(len(kinds), 1)
    shape = len(kinds), len(seeds), -1
    return Uneven(cosine.gather(1, order).view(shape), found.accuracy(test.x, test.y).view(shape[:2]), test.y)
