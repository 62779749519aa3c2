"""Where data sets are looked for, the error of one that cannot be had, and what is left of one that is cut.

No torch at the top: the graph is planned with the names here.
"""

import os
from numbers import Real
from pathlib import Path

OCCUPATIONS = (
    "accountant",
    "dentist",
    "nurse",
    "physician",
    "psychologist",
    "surgeon",
)  # of the biographies that are used
GENDERS = ("F", "M")  # codes 0 and 1
# The CIFAR-100 superclasses, in the order of the "coarse_labels" codes (Krizhevsky 2009).
COARSE = (
    "aquatic_mammals",
    "fish",
    "flowers",
    "food_containers",
    "fruit_and_vegetables",
    "household_electrical_devices",
    "household_furniture",
    "insects",
    "large_carnivores",
    "large_man-made_outdoor_things",
    "large_natural_outdoor_scenes",
    "large_omnivores_and_herbivores",
    "medium_mammals",
    "non-insect_invertebrates",
    "people",
    "reptiles",
    "small_mammals",
    "trees",
    "vehicles_1",
    "vehicles_2",
)


class DataError(ValueError):
    """A data set that is unknown, missing or damaged, or a subset of it that cannot be taken."""


def data_root() -> Path:
    """The folder that holds downloaded data: the environment variable DATA_ROOT, or ``data``."""
    return Path(os.environ.get("DATA_ROOT") or "data").expanduser()


def undersample(codes, k: int, ratio: float, seed: int):
    """Positions that remain when the group ``k`` is cut to a share ``ratio``; the other groups are untouched.

    codes: (n,) int64 of the groups, classes of images or any other.  Without replacement; the kept positions within
    the group depend on ``seed`` and the group's size alone, so under one seed every group of equal size keeps the same
    positions, as in the public code of Maity et al. (2024), and those of a smaller ratio are among those of a larger
    one.  At least one stays.  Returns the sorted positions, int64.
    ValueError: codes of another shape or type, a seed that is no whole number from 0; of these, DataError: a group
    that has no member, or a ratio outside (0, 1].
    """
    import numpy as np
    import torch

    from lib import checks

    checks.tensors(codes=(codes, "n", checks.codes()))
    checks.number("k", k, 0, whole=True)
    checks.number("seed", seed, 0, whole=True)
    if isinstance(ratio, bool) or not isinstance(ratio, Real) or not 0 < ratio <= 1:
        raise DataError(f"ratio={ratio} is outside (0, 1]; give the share of the class or group to keep")
    mine = (codes == k).nonzero()[:, 0]
    if len(mine) == 0:
        raise DataError(f"class {k} has no image to undersample; the codes are {sorted(set(codes.tolist()))}")
    chosen = np.random.default_rng(seed).permutation(len(mine))[: max(1, round(ratio * len(mine)))]
    return torch.cat([(codes != k).nonzero()[:, 0], mine[torch.from_numpy(chosen)]]).sort().values
