"""Images with a coarse label and a stratum."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lib import checks
from lib.sources import DataError


@dataclass(frozen=True)
class Strata:
    """Images with a coarse label and a stratum.

    x: (n, channels, height, width) uint8; y: (n,) int64 coarse labels; stratum: (n,) int64; classes, names: of the
    codes of y and of stratum; held_out: (n,) bool, images that training does not see and that choose the best epoch.
    ValueError: other shapes or dtypes, no image, or a code without a name.
    """

    x: Tensor
    y: Tensor
    stratum: Tensor
    classes: tuple[str, ...]
    names: tuple[str, ...]
    held_out: Tensor

    def __post_init__(self) -> None:
        checks.tensors(
            x=(self.x, "n channels height width", checks.PIXELS),
            y=(self.y, "n", checks.codes(len(self.classes))),
            stratum=(self.stratum, "n", checks.codes(len(self.names))),
            held_out=(self.held_out, "n", checks.MASK),
        )

    def __len__(self) -> int:
        return len(self.y)

    def take(self, index: Tensor) -> "Strata":
        """The images at the given positions, or where a mask is true."""
        parts = {name: getattr(self, name)[index] for name in ("x", "y", "stratum", "held_out")}
        return replace(self, **parts)

    def first(self, per_stratum: int) -> "Strata":
        """The first ``per_stratum`` images of each stratum, in the set's own order; DataError where one has fewer."""
        for code, size in enumerate(self.stratum.bincount(minlength=len(self.names)).tolist()):
            if size < per_stratum:
                what = f"stratum {self.names[code]!r} has {size} images"
                raise DataError(f"images_per_stratum={per_stratum}: {what}; ask for fewer")
        return self.take((rank(self.stratum) < per_stratum).nonzero()[:, 0])

    @property
    def group(self) -> Tensor:
        """(n,) code of each image's pair of coarse label and stratum, 0, 1, … in sorted order of the pairs."""
        return (self.y * len(self.names) + self.stratum).unique(return_inverse=True)[1]


def rank(codes: Tensor) -> Tensor:
    """(n,) how many images of the same code come before each."""
    order = codes.argsort(stable=True)
    sizes = codes.bincount()
    starts = sizes.cumsum(0) - sizes
    rank = torch.empty_like(codes)
    rank[order] = torch.arange(len(codes)) - starts[codes[order]]
    return rank
