"""Image data sets as uint8 tensors."""

import functools
import hashlib
import importlib.util
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lib import checks
from lib.sources import COARSE, DataError, data_root

DIGITS_TEST = 600  # images held out of scikit-learn's 1,797 digits, which come without a split

# md5 of what the official archives hold, unpacked, by class of torchvision: of raw files that lie without an archive.
UNPACKED = {
    "MNIST": {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    "FashionMNIST": {
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    },
}


@dataclass(frozen=True)
class Images:
    """A labelled image set.

    x: (n, channels, height, width) uint8; y: (n,) int64 class codes; classes: the name of each code.
    ValueError: other shapes or dtypes, no image, or a code without a name.
    """

    x: Tensor
    y: Tensor
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        checks.words("classes", self.classes)
        checks.tensors(
            x=(self.x, "n channels height width", checks.PIXELS), y=(self.y, "n", checks.codes(len(self.classes)))
        )

    def __len__(self) -> int:
        return len(self.y)

    def take(self, index: Tensor) -> "Images":
        """The images at the given positions, same classes."""
        return Images(self.x[index], self.y[index], self.classes)

    def only(self, names: tuple[str, ...]) -> "Images":
        """The images of the named classes alone, coded 0, 1, … in the order named."""
        codes = torch.tensor([class_code(self.classes, name) for name in names])
        hit = self.y[:, None] == codes  # (n, names)
        keep = hit.any(1)
        return Images(self.x[keep], hit[keep].int().argmax(1), tuple(names))

    def first(self, per_class: int) -> "Images":
        """The first ``per_class`` images of each class, in the set's own order."""
        rank = torch.zeros_like(self.y)
        for k in range(len(self.classes)):
            mine = self.y == k
            if int(mine.sum()) < per_class:
                found = f"class {self.classes[k]!r} has {int(mine.sum())} images"
                raise DataError(f"images_per_class={per_class}: {found}; ask for fewer")
            rank[mine] = torch.arange(int(mine.sum()))
        return self.take((rank < per_class).nonzero()[:, 0])


def class_code(classes: tuple[str, ...], name: str) -> int:
    """The code of a class name; DataError with the known names when it is not there."""
    checks.words("classes", classes)
    if name not in classes:
        raise DataError(f"class {name!r} is not there; the classes are {', '.join(classes)}")
    return classes.index(name)


def load(name: str, split: str) -> Images:
    """One split of a data set as uint8 tensors.

    name: "digits" (in scikit-learn, 8x8), "cifar10", "cifar100", "cifar100_coarse", "mnist", "fashion_mnist".
    split: "train" or "test".  digits has no official split: the last 600 images of the file are the test set, as the
    file is ordered by writer batches and no image of it is then seen twice.
    Downloaded sets are looked for under DATA_ROOT, then fetched by torchvision from their official home with the
    hash checked.  DataError names an unknown set, a damaged file, or the places looked in.  Nothing falls back to
    another data set.
    """
    if name not in tuple(LOADERS):
        raise DataError(f"data set {name!r} is unknown; known are {', '.join(LOADERS)}")
    if split not in ("train", "test"):
        raise DataError(f"split {split!r} is unknown; expected 'train' or 'test'")
    return _loaded(name, split)


@functools.lru_cache(maxsize=4)
def _loaded(name: str, split: str) -> Images:
    x, y, classes = LOADERS[name](split == "train")
    return Images(x.contiguous(), y.long(), tuple(classes))


def equal_shares(labels: Tensor) -> Tensor:
    """Positions in which every class comes as often as the largest: smaller classes are repeated.

    labels: (n,) int64 class codes.  A class of m images is taken in whole rounds of m, the last one cut short.
    """
    checks.tensors(labels=(labels, "n", checks.codes()))
    groups = [(labels == k).nonzero()[:, 0] for k in labels.unique()]
    most = max(len(mine) for mine in groups)
    return torch.cat([mine.repeat(-(-most // len(mine)))[:most] for mine in groups])


def digest(images: Images) -> str:
    """SHA-256 of the pixels, labels and class names: what a provenance record calls the data."""
    checks.instance("images", images, Images)
    h = hashlib.sha256(repr((images.classes, tuple(images.x.shape))).encode())
    h.update(images.x.contiguous().numpy().tobytes())
    h.update(images.y.numpy().tobytes())
    return h.hexdigest()


def _digits(train: bool):
    # the file of sklearn.datasets.load_digits: importing scikit-learn takes as long as training a small net
    package = Path(importlib.util.find_spec("sklearn").origin).parent
    table = np.loadtxt(package / "datasets/data/digits.csv.gz", delimiter=",")
    table = torch.from_numpy(table[:-DIGITS_TEST] if train else table[-DIGITS_TEST:])
    x = (table[:, :-1] * (255 / 16)).round().to(torch.uint8).reshape(-1, 1, 8, 8)
    return x, table[:, -1], [str(k) for k in range(10)]


def _torchvision(name: str):
    """The data set's class.  torchvision is imported when it is needed: that takes as long as training a small net."""
    from lib.images.vision import torchvision

    return getattr(torchvision.datasets, name)


def _official(cls, folder: str, files: dict[str, str], train: bool):
    """Build a torchvision data set, after checking every file under DATA_ROOT against its official md5."""
    root = data_root()
    present = [root / folder / f for f in files if (root / folder / f).exists()]
    for path in present:
        _check(path, files[path.name])
    try:
        return cls(str(root), train=train, download=len(present) < len(files))
    except (OSError, RuntimeError) as error:
        missing = ", ".join(f for f in files if not (root / folder / f).exists()) or "none"
        raise DataError(
            f"{cls.__name__}: missing {missing}; looked in {root / folder} and tried the official download, which "
            f"failed ({error}). Put the files there, or set DATA_ROOT to the folder that holds {folder.split('/')[0]}/."
        ) from error


def _check(path: Path, md5: str) -> None:
    """Refuse a damaged file by name."""
    if hashlib.md5(path.read_bytes()).hexdigest() != md5:
        raise DataError(f"{path} is damaged (its content is not the published one); move it away and run again")


def _cifar(cls, train: bool):
    files = dict(cls.train_list + cls.test_list) | {cls.meta["filename"]: cls.meta["md5"]}
    set_ = _official(cls, cls.base_folder, files, train)
    return set_, torch.from_numpy(set_.data).permute(0, 3, 1, 2)


def _cifar10(train: bool):
    set_, x = _cifar(_torchvision("CIFAR10"), train)
    return x, torch.tensor(set_.targets), set_.classes


def _cifar100(train: bool):
    set_, x = _cifar(_torchvision("CIFAR100"), train)
    return x, torch.tensor(set_.targets), set_.classes


def _cifar100_coarse(train: bool):
    set_, x = _cifar(_torchvision("CIFAR100"), train)
    with open(data_root() / set_.base_folder / ("train" if train else "test"), "rb") as f:
        coarse = pickle.load(f, encoding="latin1")["coarse_labels"]  # md5 was checked by _official
    return x, torch.tensor(coarse), COARSE


def _idx(cls, train: bool):
    folder = f"{cls.__name__}/raw"
    for archive, md5 in cls.resources:
        if (data_root() / folder / archive).exists():
            _check(data_root() / folder / archive, md5)
    set_ = _official(cls, folder, UNPACKED[cls.__name__], train)
    return set_.data[:, None], set_.targets, set_.classes


LOADERS = {
    "digits": _digits,
    "cifar10": _cifar10,
    "cifar100": _cifar100,
    "cifar100_coarse": _cifar100_coarse,
    "mnist": lambda train: _idx(_torchvision("MNIST"), train),
    "fashion_mnist": lambda train: _idx(_torchvision("FashionMNIST"), train),
}
