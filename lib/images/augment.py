"""Augmentations of contrastive learning as batched tensor operations: every image draws its own parameters.

Each function takes float images x (n, c, h, w) in [0, 1] on any device and a torch.Generator on the same device, and
returns images of the same shape.  The distributions are those of torchvision's transforms of the same names.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from lib.images.colour import color_jitter, grey
from lib.images.randaugment import boost

ASPECT = (3 / 4, 4 / 3)
CROP_TRIES = 10
CPU_FLOATS = 2**19  # a view is made of so many floats at a time on a CPU, which its caches hold
CUBIC = -0.75  # the free parameter of the bicubic kernel, as torch


@dataclass(frozen=True)
class Policy:
    """What a view goes through, in this order: crop, flip, colour jitter, grey, blur.

    scale: area share of the crop (low, high); interpolation: of the crop, "bilinear" or "bicubic"; flip, jitter_p,
    grey_p, blur_p: probabilities; jitter: strengths of brightness, contrast, saturation and hue; blur_sigma: range of
    the Gaussian, in pixels.
    """

    scale: tuple[float, float] = (0.08, 1.0)
    interpolation: str = "bilinear"
    flip: float = 0.5
    jitter_p: float = 0.8
    jitter: tuple[float, float, float, float] = (0.4, 0.4, 0.4, 0.1)
    grey_p: float = 0.2
    blur_p: float = 0.0
    blur_sigma: tuple[float, float] = (0.1, 2.0)


POLICIES = {
    "simclr": Policy(),
    "simclr_blur": Policy(blur_p=0.5),
    "simsiam": Policy(scale=(0.2, 1.0)),
    "bcl": Policy(scale=(0.1, 1.0), interpolation="bicubic"),
    "digits": Policy(scale=(0.3, 1.0), flip=0.0, jitter=(0.4, 0.4, 0.0, 0.0), grey_p=0.0),
}


def view(x: Tensor, policy: Policy, generator: Generator, weight: Tensor | None = None) -> Tensor:
    """One augmented view of uint8 images (n, c, h, w), as floats in [0, 1].

    With ``weight`` (n,) in [0, 1], as in boosted contrastive learning, the views go through ``boost`` last.
    """
    parts = 1 + x.numel() // CPU_FLOATS if x.device.type == "cpu" else 1
    x = torch.cat([_view(part, policy, generator) for part in x.tensor_split(parts)])
    return x if weight is None else boost(x, weight, generator)


def _view(x: Tensor, policy: Policy, generator: Generator) -> Tensor:
    x = random_resized_crop(x.float().div_(255), policy, generator)
    if policy.jitter_p:
        x = color_jitter(x, policy.jitter, generator, policy.jitter_p)
    if policy.grey_p:
        hit = _coin(x, policy.grey_p, generator).nonzero()[:, 0]
        x[hit] = grey(x[hit]).expand(-1, x.shape[1], -1, -1)
    if policy.blur_p:
        x = _where(_coin(x, policy.blur_p, generator), gaussian_blur(x, policy.blur_sigma, generator), x)
    return x


def crop_boxes(n: int, h: int, w: int, scale: tuple[float, float], generator: Generator) -> Tensor:
    """Boxes (n, 4) of top, left, height, width as RandomResizedCrop draws them: ten tries, else the whole image.

    A try takes an area share uniform in ``scale`` and a log-uniform aspect in (3/4, 4/3), rounds the sides to whole
    pixels and is valid when they fit.  The whole image is torchvision's fallback for images no longer than 4/3.
    """
    device = generator.device
    area = torch.empty(n, CROP_TRIES, device=device).uniform_(*scale, generator=generator) * (h * w)
    aspect = torch.empty(n, CROP_TRIES, device=device).uniform_(*map(math.log, ASPECT), generator=generator).exp()
    width, height = (area * aspect).sqrt().round(), (area / aspect).sqrt().round()
    valid = (width >= 1) & (width <= w) & (height >= 1) & (height <= h)
    first = valid.int().argmax(1, keepdim=True)
    found = valid.any(1)
    width = torch.where(found, width.gather(1, first)[:, 0], w)
    height = torch.where(found, height.gather(1, first)[:, 0], h)
    place = torch.rand(2, n, device=device, generator=generator)
    top, left = (place[0] * (h - height + 1)).floor(), (place[1] * (w - width + 1)).floor()
    return torch.stack([top, left, height, width], 1)


def resized_crop(x: Tensor, boxes: Tensor, interpolation: str = "bilinear", flip: Tensor | None = None) -> Tensor:
    """Cut each image to its box (n, 4) and stretch it back to full size; no pixel from outside the box counts.

    Both interpolations are separable, so that a crop is R x C^T with matrices R (h, h) and C (w, w) of its own for
    each image.  The images where ``flip`` (n,) is true come out mirrored left to right.  Bicubic is clamped to [0, 1].
    """
    n, c, h, w = x.shape
    top, left, height, width = boxes.T
    rows = _centres(top, height, h)
    columns = _centres(left, width, w)
    if flip is not None:
        columns = torch.where(flip[:, None], columns.flip(1), columns)
    weights = {"bilinear": _linear, "bicubic": _cubic}.get(interpolation)
    if weights is None:
        raise ValueError(f"interpolation is {interpolation!r}; it is bilinear or bicubic")
    rows, columns = weights(rows, top, height, h), weights(columns, left, width, w)
    x = torch.bmm(x.reshape(n, c * h, w), columns.mT).view(n, c, h, w)
    x = torch.matmul(rows[:, None], x)
    return x.clamp_(0, 1) if interpolation == "bicubic" else x


def _centres(start: Tensor, length: Tensor, size: int) -> Tensor:
    """Where the centres of ``size`` target pixels lie in the source, (n, size)."""
    return start[:, None] + (torch.arange(size, device=start.device) + 0.5) * (length / size)[:, None] - 0.5


def _linear(at: Tensor, start: Tensor, length: Tensor, size: int) -> Tensor:
    """Weights (n, size, size) of the source's pixels for values at ``at`` (n, size)."""
    at = at.clamp(start[:, None], (start + length - 1)[:, None])
    return (1 - (at[:, :, None] - torch.arange(size, device=at.device)).abs_()).clamp_(min=0)


def _cubic(at: Tensor, start: Tensor, length: Tensor, size: int) -> Tensor:
    """As _linear, by cubic convolution over four pixels; those past the box's edge take the edge's value."""
    first, last = start[:, None], (start + length - 1)[:, None]
    pixels = torch.arange(size, device=at.device)
    weights = at.new_zeros(*at.shape, size)
    for offset in (-1, 0, 1, 2):
        pixel = at.floor() + offset
        d, a = (at - pixel).abs(), CUBIC
        near = ((a + 2) * d - (a + 3)) * d * d + 1
        far = a * (((d - 5) * d + 8) * d - 4)
        value = torch.where(d <= 1, near, far)
        weights += value[:, :, None] * (pixel.clamp(first, last)[:, :, None] == pixels)
    return weights


def random_resized_crop(x: Tensor, policy: Policy, generator: Generator) -> Tensor:
    """A crop of random area and aspect, stretched back to the image's size and flipped with the policy's chance."""
    boxes = crop_boxes(len(x), *x.shape[2:], policy.scale, generator)
    flip = _coin(x, policy.flip, generator) if policy.flip else None
    return resized_crop(x, boxes, policy.interpolation, flip)


def gaussian_blur(x: Tensor, sigma: tuple[float, float], generator: Generator) -> Tensor:
    """Gaussian blur with a width of its own per image, uniform in ``sigma`` pixels; a kernel of a tenth of the side."""
    n, c, h, w = x.shape
    radius = max(1, h // 20)
    widths = torch.empty(n, 1, device=x.device).uniform_(*sigma, generator=generator)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, device=x.device) / widths) ** 2)  # (n, 2r + 1)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(c, 0)[:, None]  # (n c, 1, 2r + 1)
    flat = F.pad(x, [radius] * 4, mode="reflect").reshape(1, n * c, h + 2 * radius, w + 2 * radius)
    flat = F.conv2d(F.conv2d(flat, kernel[..., None], groups=n * c), kernel[:, :, None], groups=n * c)
    return flat.reshape(n, c, h, w)


def _coin(x: Tensor, p: float, generator: Generator) -> Tensor:
    return torch.rand(len(x), device=x.device, generator=generator) < p


def _where(hit: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return torch.where(hit[:, None, None, None], a, b)
