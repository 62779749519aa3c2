"""The augmentation of boosted contrastive learning (BCL): hard images go through one random operation more.

The operations, their ranges and their order of drawing are those of the RandAugment list in the code of BCL (Zhou et
al., Contrastive Learning with Boosted Memorization, ICML 2022, data/randaug.py), which works on 8-bit PIL images: 15
operations, translations and Cutout as shares of the side (the original RandAugment list translates by up to 100
pixels, which is made for ImageNet and empties a 32-pixel image).  Departures: images are floats, so only ``posterize``
and ``equalize`` round to 8 bits.  Resampling is the nearest pixel and the fill is black, as there.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from lib.images.colour import adjust_brightness, adjust_contrast, adjust_saturation, grey

CUTOUT_FILL = (125 / 255, 123 / 255, 114 / 255)


def boost(x: Tensor, weight: Tensor, generator: Generator) -> Tensor:
    """With probability weight (n,), put float images x (n, c, h, w) in [0, 1] through one operation of 15.

    The operation is uniform over OPERATIONS, its value (10 + 20 weight) / 30 of the way through its range, and the sign
    of a signed one is even.  Raises ValueError where ``weight`` is not one number in [0, 1] per image.
    """
    n, device = len(x), x.device
    if weight.shape != (n,) or bool(((weight < 0) | (weight > 1)).any()):
        raise ValueError(f"weight is {weight}; give one number in [0, 1] for each of the {n} images")
    coin, side, *centre = torch.rand(4, n, device=device, generator=generator)
    which = torch.randint(len(OPERATIONS), (n,), device=device, generator=generator)
    which[coin >= weight] = len(OPERATIONS)
    order, ends = which.argsort(), [0, *which.bincount(minlength=len(OPERATIONS)).cumsum(0).tolist()]
    x, level, sign = x.clone(), (10 + 20 * weight) / 30, torch.where(side < 0.5, -1.0, 1.0)
    for k, op in enumerate(OPERATIONS):
        mine = order[ends[k] : ends[k + 1]]
        if len(mine):
            value = op.low + (op.high - op.low) * level[mine]
            where = [c[mine] for c in centre] if op.apply is cutout else []
            x[mine] = op.apply(x[mine], value * sign[mine] if op.signed else value, *where)
    return x


def autocontrast(x: Tensor, _: Tensor) -> Tensor:
    """Stretch every channel from its own least and greatest value to [0, 1]; a constant one stays."""
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    return torch.where(high > low, (x - low) / (high - low).clamp(min=1e-12), x)


def equalize(x: Tensor, _: Tensor) -> Tensor:
    """Flatten the 256-bin histogram of every channel; fewer than 255 pixels below the brightest value stay, as PIL."""
    pixels = (x * 255).round().long().flatten(2)
    counts = x.new_zeros(*x.shape[:2], 256, dtype=torch.long).scatter_add_(2, pixels, torch.ones_like(pixels))
    brightest = counts.gather(2, pixels.amax(2, keepdim=True))
    step = (pixels.shape[2] - brightest) // 255
    table = (step // 2 + counts.cumsum(2) - counts) // step.clamp(min=1)
    flat = table.gather(2, pixels).clamp_(max=255).to(x.dtype).div_(255)
    return torch.where(step > 0, flat, x.flatten(2)).view_as(x)


def invert(x: Tensor, _: Tensor) -> Tensor:
    """1 - x."""
    return 1 - x


def solarize(x: Tensor, threshold: Tensor) -> Tensor:
    """Invert what is at or above ``threshold`` (n,), in 8-bit units."""
    return torch.where(x * 255 >= _wide(threshold), 1 - x, x)


def posterize(x: Tensor, bits: Tensor) -> Tensor:
    """Keep the first ``bits`` (n,) of the 8 of every value; a fraction of a bit does not count."""
    step = 2 ** (8 - _wide(bits).floor().clamp(min=1))
    return (x * 255).round().div(step).floor() * step / 255


def sharpness(x: Tensor, factor: Tensor) -> Tensor:
    """Blend of x with its 3 x 3 smoothing (centre 5, the rest 1), weights factor (n,) and 1 - factor; no border."""
    kernel = x.new_ones(3, 3)
    kernel[1, 1] = 5
    smooth, c = x.clone(), x.shape[1]
    smooth[:, :, 1:-1, 1:-1] = F.conv2d(x, (kernel / 13).expand(c, 1, 3, 3), groups=c)
    return torch.lerp(smooth, x, _wide(factor)).clamp_(0, 1)


def rotate(x: Tensor, degrees: Tensor) -> Tensor:
    """Turn about the image's centre, counterclockwise."""
    (h, w), angle = x.shape[2:], _wide(degrees.deg2rad())[:, 0]
    cos, sin = angle.cos(), angle.sin()
    return _sample(
        x, lambda i, j: (h / 2 + sin * (j - w / 2) + cos * (i - h / 2), w / 2 + cos * (j - w / 2) - sin * (i - h / 2))
    )


def shear_x(x: Tensor, share: Tensor) -> Tensor:
    """Row i shows what lay ``share`` (n,) * i pixels to the right."""
    return _sample(x, lambda i, j: (i, j + _wide(share)[:, 0] * i))


def shear_y(x: Tensor, share: Tensor) -> Tensor:
    """Column j shows what lay ``share`` (n,) * j pixels below."""
    return _sample(x, lambda i, j: (i + _wide(share)[:, 0] * j, j))


def translate_x(x: Tensor, share: Tensor) -> Tensor:
    """Show what lay ``share`` (n,) of the width to the right."""
    return _sample(x, lambda i, j: (i, j + _wide(share)[:, 0] * x.shape[3]))


def translate_y(x: Tensor, share: Tensor) -> Tensor:
    """Show what lay ``share`` (n,) of the height below."""
    return _sample(x, lambda i, j: (i + _wide(share)[:, 0] * x.shape[2], j))


def cutout(x: Tensor, share: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Paint a square of ``share`` (n,) of the width, its centre at the shares row and column of the sides."""
    (h, w), size = x.shape[2:], _wide(share)[:, 0] * x.shape[3]

    def painted(centre: Tensor, length: int) -> Tensor:
        first = (_wide(centre)[:, 0] * length - size / 2).clamp(min=0).floor()
        at = torch.arange(length, device=x.device)
        return (at >= first) & (at <= first + size)  # both ends are painted, as PIL does

    inside = painted(row, h).mT & painted(column, w)
    fill = x.new_tensor(CUTOUT_FILL)[None, :, None, None]
    return torch.where(inside[:, None], fill if x.shape[1] == 3 else grey(fill), x)


@dataclass(frozen=True)
class Operation:
    """An operation, the range of its value, and whether the value's sign is drawn."""

    apply: Callable[..., Tensor]
    low: float = 0.0
    high: float = 1.0
    signed: bool = False


OPERATIONS = (
    Operation(shear_x, 0, 0.6, signed=True),
    Operation(shear_y, 0, 0.6, signed=True),
    Operation(translate_x, 0, 0.66, signed=True),
    Operation(translate_y, 0, 0.66, signed=True),
    Operation(rotate, 0, 60, signed=True),
    Operation(autocontrast),
    Operation(invert),
    Operation(equalize),
    Operation(solarize, 0, 110),
    Operation(posterize, 4, 8),
    Operation(adjust_contrast, 0.1, 1.9),
    Operation(adjust_saturation, 0.1, 1.9),
    Operation(adjust_brightness, 0.1, 1.9),
    Operation(sharpness, 0.1, 1.9),
    Operation(cutout, 0, 0.4),
)


def _sample(x: Tensor, source: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Tensor:
    """Pixels nearest to where ``source`` puts rows (h, 1) and columns (1, w), centres at halves; black outside."""
    n, c, h, w = x.shape
    rows, columns = torch.arange(h, device=x.device) + 0.5, torch.arange(w, device=x.device) + 0.5
    i, j = torch.broadcast_tensors(*source(rows[:, None], columns[None]))
    i, j = i.floor().expand(n, h, w), j.floor().expand(n, h, w)
    inside = (i >= 0) & (i < h) & (j >= 0) & (j < w)
    index = (i.clamp(0, h - 1) * w + j.clamp(0, w - 1)).long().view(n, 1, h * w)
    return x.flatten(2).gather(2, index.expand(n, c, h * w)).view_as(x) * inside[:, None]


def _wide(v: Tensor) -> Tensor:
    return v[:, None, None, None]
