"""Colour operations on batches of images x (n, c, h, w), float in [0, 1], one channel or RGB, on any device.

Parameters are tensors (n,), one per image; each function returns images of the same shape, and equals torchvision's
of the same name on single images.
"""

import torch
from torch import Generator, Tensor

GREY = (0.2989, 0.587, 0.114)  # ITU-R 601 luma, as torchvision
BRIGHTNESS, CONTRAST, SATURATION = range(3)  # rows of ``factors`` in ``jitter``


def color_jitter(
    x: Tensor, strength: tuple[float, float, float, float], generator: Generator, p: float = 1.0
) -> Tensor:
    """Brightness, contrast, saturation (factors uniform in 1 ± strength) and hue (turns uniform in ± strength).

    Each image goes through them with probability p, with its own four parameters and its own order of the four.
    """
    n, colour = len(x), x.shape[1] > 1  # saturation and hue of one channel are as they are
    steps = [s for s in (BRIGHTNESS, CONTRAST, SATURATION) if strength[s] and (colour or s != SATURATION)]
    hit = torch.rand(n, device=x.device, generator=generator) < p
    draws = (torch.rand(4, n, device=x.device, generator=generator) * 2 - 1) * x.new_tensor(strength)[:, None] * hit
    factors, turn = (draws[:3] + 1).clamp_(min=0), draws[3]
    order = torch.rand(len(steps), n, device=x.device, generator=generator).argsort(0)
    order = torch.tensor(steps, device=x.device, dtype=torch.long)[order]
    if not (colour and strength[3]):
        return _mix_in_order(x, factors, order)
    place = torch.randint(len(steps) + 1, (n,), device=x.device, generator=generator)
    place[~hit] = len(steps) + 1
    return jitter(x, factors, order, turn, place)


def jitter(x: Tensor, factors: Tensor, order: Tensor, turn: Tensor, place: Tensor) -> Tensor:
    """Colour jitter of known draws: the steps order (k, n), and the hue's turn (n,) after the first place (n,) of them.

    factors (3, n) holds the factors of BRIGHTNESS, CONTRAST and SATURATION; place k + 1 leaves the image alone.
    """
    k = len(order)
    ends = [0, *place.bincount(minlength=k + 2).cumsum(0).tolist()]
    index = place.argsort()[: ends[k + 1]]  # those whose hue is turned at the same place lie together
    out, factors, order, turn = x.index_select(0, index), factors[:, index], order[:, index], turn[index]
    for p in range(k + 1):
        group = slice(ends[p], ends[p + 1])
        out[group] = adjust_hue(out[group], turn[group])
        out = _mix_in_order(out, factors, order[p : p + 1])
    return x.index_copy(0, index, out)


def _mix_in_order(x: Tensor, factors: Tensor, order: Tensor) -> Tensor:
    own = factors.gather(0, order)
    luma, mean = (1 - own) * (order == SATURATION), (1 - own) * (order == CONTRAST)
    for weights in zip(own, luma, mean, strict=True):
        x = mix(x, *weights)
    return x


def adjust_brightness(x: Tensor, factor: Tensor) -> Tensor:
    """x times factor (n,), clamped to [0, 1]."""
    return mix(x, factor, 0 * factor, 0 * factor)


def adjust_contrast(x: Tensor, factor: Tensor) -> Tensor:
    """Blend of x with the mean of its grey version, weights factor (n,) and 1 - factor."""
    return mix(x, factor, 0 * factor, 1 - factor)


def adjust_saturation(x: Tensor, factor: Tensor) -> Tensor:
    """Blend of x with its grey version, weights factor (n,) and 1 - factor."""
    return mix(x, factor, 1 - factor, 0 * factor)


def mix(x: Tensor, own: Tensor, luma: Tensor, mean: Tensor) -> Tensor:
    """own * x + luma * grey(x) + mean * (mean of grey(x)), clamped to [0, 1]; weights (n,), as one matrix per image."""
    c, flat, weights = x.shape[1], x.flatten(2), _luma(x)
    shift = (mean * (flat.mean(2) @ weights))[:, None, None]
    if c == 1:
        return torch.addcmul(shift, flat, (own + luma)[:, None, None]).clamp_(0, 1).view_as(x)
    matrix = own[:, None, None] * torch.eye(c, device=x.device) + luma[:, None, None] * weights
    return torch.baddbmm(shift, matrix, flat).clamp_(0, 1).view_as(x)


def adjust_hue(x: Tensor, turn: Tensor) -> Tensor:
    """Rotate the hue of RGB images by ``turn`` (n,) of a full circle, saturation and value kept (HSV).

    In sixths of the circle the hue lies |h| = 1 + (g + b - r - min) / (max - min) from red, on green's side when g > b;
    a channel is max - (max - min) * clamp(d - 1, 0, 1) where its primary lies d sixths from the hue.
    """
    if x.shape[1] == 1:
        return x
    r, g, b = x.unbind(1)  # (n, h, w)
    high, low = torch.maximum(torch.maximum(r, g), b), torch.minimum(torch.minimum(r, g), b)
    span = high - low
    hue = (g + b).sub_(r).sub_(low).div_(span.clamp(min=1e-12)).add_(1).copysign_(g - b)
    hue = hue.div_(6).add_(turn[:, None, None])
    # circles from the point opposite the primary, plus a whole one to stay positive
    d = hue[:, None] + x.new_tensor([9, 7, 11]).div_(6)[:, None, None]
    share = d.frac_().sub_(0.5).abs_().mul_(6).sub_(1).clamp_(0, 1)
    return share.mul_(-span[:, None]).add_(high[:, None])


def grey(x: Tensor) -> Tensor:
    """Luma (n, 1, h, w) of RGB images; a single channel is its own grey."""
    if x.shape[1] == 1:
        return x
    return (_luma(x) @ x.flatten(2)).view(-1, 1, *x.shape[2:])


def _luma(x: Tensor) -> Tensor:
    return x.new_tensor(GREY if x.shape[1] == 3 else [1.0])
