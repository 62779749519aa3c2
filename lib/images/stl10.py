"""STL-10 (Coates et al. 2011): images of 96 x 96 pixels, 5,000 to train on, 8,000 to test, 100,000 without a label.

The files are those of the official archive, ``stl10_binary/``, as https://cs.stanford.edu/~acoates/stl10/ describes
them: uint8, an image by its channels, columns first; labels from 1.  torchvision reads them.
"""

import functools
import hashlib

import numpy as np
import torch
from torch import Tensor

from lib.images.sets import Images
from lib.sources import DataError, data_root

NAME = "stl10"
FOLDER = "stl10_binary"
CLASSES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")


def load(split: str) -> Images:
    """The labelled images of "train" or "test"; DataError: another split, and see ``_read``."""
    if split not in ("train", "test"):
        raise DataError(f"split {split!r} is unknown; expected 'train' or 'test'")
    x, y = _read(split)
    return Images(torch.from_numpy(x), torch.from_numpy(y).long(), CLASSES)


def unlabelled() -> Tensor:
    """The images without a label, (100000, 3, 96, 96) uint8."""
    return torch.from_numpy(_read("unlabeled")[0])


@functools.lru_cache(maxsize=3)
def _read(split: str) -> tuple[np.ndarray, np.ndarray]:
    """What torchvision reads of a split under DATA_ROOT, after a look at the md5 of every file, else fetched by it.

    DataError: a file that is damaged, by name, or not there and not to be had.
    """
    from lib.images.vision import torchvision

    cls, folder = torchvision.datasets.STL10, data_root() / FOLDER
    missing = []
    for name, md5 in (*cls.train_list, *cls.test_list):
        if not (folder / name).exists():
            missing.append(name)
            continue
        with (folder / name).open("rb") as file:
            if hashlib.file_digest(file, "md5").hexdigest() != md5:
                raise DataError(f"{folder / name} is damaged (its content is not the published one); move it away")
    try:
        found = cls(str(data_root()), split=split, download=bool(missing))
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"STL10: missing {', '.join(missing) or 'none'}; looked in {folder} and tried the official download, which "
            f"failed ({error}). Put the files there, or set DATA_ROOT to the folder that holds {FOLDER}/."
        ) from error
    return np.ascontiguousarray(found.data), found.labels
