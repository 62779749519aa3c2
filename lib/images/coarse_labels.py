"""Image sets whose coarse classes are made of strata: fine classes that training does not see."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from lib.images import sets, spurious
from lib.images.strata import Strata, rank
from lib.sources import DataError

VALIDATION_SEED = 42  # the released code's
RESAMPLE_SEED = 0
SIZES_U = (500, 250, 100, 50, 50)  # images of a superclass's five subclasses in CIFAR100-Coarse-U, sorted by code

# Fine codes of each CIFAR-100 superclass, in the order of ``images.COARSE`` (Krizhevsky 2009).
SUPERCLASSES = (
    (4, 30, 55, 72, 95),
    (1, 32, 67, 73, 91),
    (54, 62, 70, 82, 92),
    (9, 10, 16, 28, 61),
    (0, 51, 53, 57, 83),
    (22, 39, 40, 86, 87),
    (5, 20, 25, 84, 94),
    (6, 7, 14, 18, 24),
    (3, 42, 43, 88, 97),
    (12, 17, 37, 68, 76),
    (23, 33, 49, 60, 71),
    (15, 19, 21, 31, 38),
    (34, 63, 64, 66, 75),
    (26, 45, 77, 79, 99),
    (2, 11, 35, 46, 98),
    (27, 29, 44, 78, 93),
    (36, 50, 65, 74, 80),
    (47, 52, 56, 59, 96),
    (8, 13, 48, 58, 90),
    (41, 69, 81, 85, 89),
)
# The coarse class of every stratum, and the coarse classes' names.
HALVES = ((0, 0, 0, 0, 0, 1, 1, 1, 1, 1), ("0 to 4", "5 to 9"))
ANIMALS_VEHICLES = ((1, 1, 0, 0, 0, 0, 0, 0, 1, 1), ("animal", "vehicle"))
SUPER = (tuple(int(k) for k in np.argsort(np.ravel(SUPERCLASSES)) // 5), sets.COARSE)


class Selection(Protocol):
    """What is read: the settings of an encoder, or others with these fields; see ``CoarseSettings``."""

    data: str
    images_per_stratum: int
    resample: bool
    validation: float


def load(s: Selection, split: str) -> Strata:
    """The "train" or "test" split that the settings name, with the validation share held out of "train".

    images_per_stratum cuts the training split alone.  DataError: a set that is unknown, missing or damaged, or a
    stratum with fewer images than are asked for.
    """
    if split not in ("train", "test"):
        raise DataError(f"split {split!r} is unknown; expected 'train' or 'test'")
    if s.data not in LOADERS:
        raise DataError(f"data set {s.data!r} is unknown; known are {', '.join(LOADERS)}")
    data = LOADERS[s.data](s, split)
    if split == "train" and s.images_per_stratum:
        data = data.first(s.images_per_stratum)
    if split == "train" and not data.held_out.any():  # the resampled set has held out its own
        data = replace(data, held_out=held_out(len(data), s.validation))
    return data


def held_out(n: int, share: float) -> Tensor:
    """(n,) bool: ``share`` of n positions drawn with seed 42, to the nearest whole number."""
    mask = torch.zeros(n, dtype=torch.bool)
    mask[torch.from_numpy(np.random.default_rng(VALIDATION_SEED).permutation(n)[: round(share * n)])] = True
    return mask


def coarsen(fine: sets.Images, coarse: tuple[tuple[int, ...], tuple[str, ...]] | None = None) -> Strata:
    """Coarse labels of fine classes.

    coarse: the coarse class of each fine code, and the coarse classes' names; None: the fine classes themselves.
    DataError: as many coarse classes are not given as there are fine ones.
    """
    codes, classes = coarse or (tuple(range(len(fine.classes))), fine.classes)
    if len(codes) != len(fine.classes):
        raise DataError(f"{len(codes)} coarse codes for {len(fine.classes)} classes: give one of each class")
    none = torch.zeros(len(fine), dtype=torch.bool)
    return Strata(fine.x, torch.tensor(codes)[fine.y], fine.y, tuple(classes), tuple(fine.classes), none)


def uneven(data: Strata, sizes: tuple[int, ...] = SIZES_U) -> Strata:
    """CIFAR100-Coarse-U of the paper's text: the r-th subclass of a superclass keeps its first sizes[r] images.

    Subclasses of a superclass are sorted by code.  DataError: a superclass of another number of subclasses than there
    are sizes.
    """
    wanted = torch.tensor(sizes)[_places(data, len(sizes))]  # (strata,)
    return data.take((rank(data.stratum) < wanted[data.stratum]).nonzero()[:, 0])


def resampled(data: Strata, generator: np.random.Generator, sizes: tuple[int, ...] = SIZES_U) -> Strata:
    """CIFAR100-Coarse-U of the released code: sizes[r] draws *with replacement* from the r-th subclass."""
    places = _places(data, len(sizes)).tolist()
    found = []
    for code, place in enumerate(places):
        mine = (data.stratum == code).nonzero()[:, 0].numpy()
        found.append(generator.choice(mine, sizes[place]))
    return data.take(torch.from_numpy(np.concatenate(found)))


def digest(data: Strata) -> str:
    """SHA-256 of pixels, labels, strata, names and what is held out."""
    h = hashlib.sha256(sets.digest(sets.Images(data.x, data.y, data.classes)).encode())
    h.update(repr(data.names).encode())
    h.update(data.stratum.numpy().tobytes())
    h.update(data.held_out.numpy().tobytes())
    return h.hexdigest()


def _places(data: Strata, count: int) -> Tensor:
    """(strata,) place of each stratum among those of its class, sorted by code."""
    pairs = torch.stack([data.y, data.stratum], 1).unique(dim=0)  # sorted by class, then by stratum
    sizes = pairs[:, 0].bincount(minlength=len(data.classes))
    if (sizes != count).any() or len(pairs) != len(data.names):
        raise DataError(f"the classes have {sorted(set(sizes.tolist()))} strata with images; each needs {count}")
    places = torch.empty(len(pairs), dtype=torch.long)
    places[pairs[:, 1]] = torch.arange(len(pairs)) % count
    return places


def _from_images(name: str, coarse: tuple | None = None) -> Callable[[Selection, str], Strata]:
    return lambda s, split: coarsen(sets.load(name, split), coarse)


def _cifar100_coarse_u(s: Selection, split: str) -> Strata:
    data = coarsen(sets.load("cifar100", split), SUPER)
    generator = np.random.default_rng(RESAMPLE_SEED + (split == "test"))
    if not s.resample:
        return uneven(data) if split == "train" else data
    if split == "test" or not s.validation:
        return resampled(data, generator)
    back = held_out(len(data), s.validation)
    part, rest = (resampled(data.take(mask), generator) for mask in (~back, back))
    both = [torch.cat(pair) for pair in ((part.x, rest.x), (part.y, rest.y), (part.stratum, rest.stratum))]
    return Strata(*both, data.classes, data.names, torch.arange(len(both[1])) >= len(part))


# Readers of one split, "train" or "test", by the name of the data set; their sizes are in ``coarse_settings.SETS``.
LOADERS: dict[str, Callable[[Selection, str], Strata]] = {
    "digits": _from_images("digits"),
    "digits_coarse": _from_images("digits", HALVES),
    "mnist": _from_images("mnist"),
    "mnist_coarse": _from_images("mnist", HALVES),
    "cifar10": _from_images("cifar10"),
    "cifar10_coarse": _from_images("cifar10", ANIMALS_VEHICLES),
    "cifar100": _from_images("cifar100"),
    "cifar100_coarse": _from_images("cifar100", SUPER),
    "cifar100_coarse_u": _cifar100_coarse_u,
    **{name: lambda s, split: spurious.load_spurious(s.data, split) for name in spurious.LOADERS},
}
