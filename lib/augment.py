"""SimCLR's augmentations as batched tensor operations: every image draws its own parameters.

Each function takes float images x (n, c, h, w) in [0, 1] on any device and a torch.Generator on the same device, and
returns images of the same shape.  The distributions are those of torchvision's transforms of the same names.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

ASPECT = (3 / 4, 4 / 3)
CROP_TRIES = 10
GREY = (0.2989, 0.587, 0.114)  # ITU-R 601 luma, as torchvision


@dataclass(frozen=True)
class Policy:
    """What a view goes through, in this order: crop, flip, colour jitter, grey, blur.

    scale: area share of the crop (low, high); flip, jitter_p, grey_p, blur_p: probabilities;
    jitter: strengths of brightness, contrast, saturation and hue; blur_sigma: range of the Gaussian, in pixels.
    """

    scale: tuple[float, float] = (0.08, 1.0)
    flip: float = 0.5
    jitter_p: float = 0.8
    jitter: tuple[float, float, float, float] = (0.4, 0.4, 0.4, 0.1)
    grey_p: float = 0.2
    blur_p: float = 0.0
    blur_sigma: tuple[float, float] = (0.1, 2.0)


POLICIES = {
    "simclr": Policy(),
    "simclr_blur": Policy(blur_p=0.5),
    "digits": Policy(scale=(0.3, 1.0), flip=0.0, jitter=(0.4, 0.4, 0.0, 0.0), grey_p=0.0),
}


def view(x: Tensor, policy: Policy, generator: Generator) -> Tensor:
    """One augmented view of uint8 images (n, c, h, w), as floats in [0, 1]."""
    x = random_resized_crop(x.float().div_(255), policy.scale, generator)
    if policy.flip:
        x = _where(_coin(x, policy.flip, generator), x.flip(3), x)
    if policy.jitter_p:
        hit = _coin(x, policy.jitter_p, generator).nonzero()[:, 0]
        x = x.index_copy(0, hit, color_jitter(x[hit], policy.jitter, generator))
    if policy.grey_p:
        x = _where(_coin(x, policy.grey_p, generator), grey(x).expand_as(x), x)
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


def resized_crop(x: Tensor, boxes: Tensor) -> Tensor:
    """Cut each image to its box (n, 4) and stretch it back to full size, bilinear, no pixel from outside the box."""
    n, _, h, w = x.shape
    top, left, height, width = boxes.T[:, :, None]  # (n, 1) each

    def centres(start, length, size):  # positions in the source of the target's pixel centres, (n, size)
        at = start + (torch.arange(size, device=x.device) + 0.5) * length / size - 0.5
        return at.clamp(min=start, max=start + length - 1) * (2 / max(size - 1, 1)) - 1

    ys, xs = centres(top, height, h), centres(left, width, w)
    grid = torch.stack([xs[:, None, :].expand(n, h, w), ys[:, :, None].expand(n, h, w)], 3)
    return F.grid_sample(x, grid, align_corners=True)


def random_resized_crop(x: Tensor, scale: tuple[float, float], generator: Generator) -> Tensor:
    """A crop of random area and aspect, stretched back to the image's size."""
    return resized_crop(x, crop_boxes(len(x), *x.shape[2:], scale, generator))


def color_jitter(x: Tensor, strength: tuple[float, float, float, float], generator: Generator) -> Tensor:
    """Brightness, contrast, saturation (factors uniform in 1 ± strength) and hue (turns uniform in ± strength).

    Each image gets its own four parameters and its own order of the four operations.
    """
    n = len(x)
    factors = torch.rand(4, n, device=x.device, generator=generator) * 2 - 1
    factors = factors * torch.tensor(strength, device=x.device)[:, None]
    factors[:3] = (factors[:3] + 1).clamp(min=0)
    order = torch.rand(n, 4, device=x.device, generator=generator).argsort(1)
    x = x.clone()
    for place in range(4):
        for op, apply in enumerate((adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue)):
            mine = (order[:, place] == op).nonzero()[:, 0]
            x[mine] = apply(x[mine], factors[op, mine])
    return x


def adjust_brightness(x: Tensor, factor: Tensor) -> Tensor:
    """x times factor (n,), clamped to [0, 1]."""
    return (x * factor[:, None, None, None]).clamp_(0, 1)


def adjust_contrast(x: Tensor, factor: Tensor) -> Tensor:
    """Blend of x with the mean of its grey version, weights factor (n,) and 1 - factor."""
    return _blend(x, grey(x).mean((1, 2, 3), keepdim=True), factor)


def adjust_saturation(x: Tensor, factor: Tensor) -> Tensor:
    """Blend of x with its grey version, weights factor (n,) and 1 - factor."""
    return _blend(x, grey(x), factor)


def adjust_hue(x: Tensor, turn: Tensor) -> Tensor:
    """Rotate the hue of RGB images by ``turn`` (n,) of a full circle, saturation and value kept (HSV)."""
    if x.shape[1] == 1:
        return x
    value, low = x.amax(1), x.amin(1)  # (n, h, w)
    span = value - low
    safe = torch.where(span > 0, span, 1.0)
    r, g, b = ((value[:, None] - x) / safe[:, None]).unbind(1)
    sector = torch.where(value == x[:, 0], b - g, torch.where(value == x[:, 1], 2 + r - b, 4 + g - r))
    hue = sector / 6 + turn[:, None, None]
    # value - span * max(0, min(k, 4 - k, 1)) with k = (offset + 6 hue) mod 6 is the HSV cylinder's inverse
    k = (torch.tensor([5.0, 3.0, 1.0], device=x.device)[:, None, None] + 6 * hue[:, None]) % 6
    return value[:, None] - span[:, None] * torch.minimum(k, 4 - k).clamp_(0, 1)


def grey(x: Tensor) -> Tensor:
    """Luma (n, 1, h, w) of RGB images; a single channel is its own grey."""
    if x.shape[1] == 1:
        return x
    return torch.einsum("nchw,c->nhw", x, torch.tensor(GREY, device=x.device))[:, None]


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


def _blend(x: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    factor = factor[:, None, None, None]
    return (factor * x + (1 - factor) * other).clamp_(0, 1)


def _coin(x: Tensor, p: float, generator: Generator) -> Tensor:
    return torch.rand(len(x), device=x.device, generator=generator) < p


def _where(hit: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return torch.where(hit[:, None, None, None], a, b)
