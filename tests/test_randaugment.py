"""lib.images.randaugment against PIL, one 8-bit image at a time."""

import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from scipy import stats
from torch import Generator

from lib.images import augment, randaugment
from lib.images.augment import POLICIES
from lib.images.randaugment import OPERATIONS, boost

N = 6000
NEAREST = Image.Resampling.NEAREST


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def some(n: int = 12, channels: int = 3, h: int = 32, w: int = 32) -> torch.Tensor:
    """Smooth 8-bit images of narrow and of wide range, as floats; the first has a black corner, the last is flat."""
    x = torch.nn.functional.interpolate(torch.rand(n, channels, 5, 5, generator=seeded()), (h, w), mode="bicubic")
    x = 0.2 + x * torch.linspace(0.3, 0.9, n)[:, None, None, None]
    x[-1] = 0.4
    x[0, :, :4, :4] = 0
    return (x.clamp(0, 1) * 255).round() / 255


def pil(x: torch.Tensor) -> Image.Image:
    return Image.fromarray((x * 255).round().byte().permute(1, 2, 0).squeeze(2).numpy())


def back(image: Image.Image) -> torch.Tensor:
    a = torch.from_numpy(np.array(image)).float() / 255
    return a[None] if a.ndim == 2 else a.permute(2, 0, 1)


def affine(image: Image.Image, *coefficients: float) -> Image.Image:
    return image.transform(image.size, Image.Transform.AFFINE, coefficients, NEAREST)


PIL_VALUES = {
    "invert": (lambda im, v: ImageOps.invert(im), 0, 1, 0),
    "autocontrast": (lambda im, v: ImageOps.autocontrast(im), 0, 1, 1),
    "equalize": (lambda im, v: ImageOps.equalize(im), 0, 1, 0),
    "solarize": (lambda im, v: ImageOps.solarize(im, v), 0, 256, 0),
    "posterize": (lambda im, v: ImageOps.posterize(im, max(1, int(v))), 0, 8, 0),
    "adjust_contrast": (lambda im, v: ImageEnhance.Contrast(im).enhance(v), 0.1, 1.9, 2),
    "adjust_saturation": (lambda im, v: ImageEnhance.Color(im).enhance(v), 0.1, 1.9, 2),
    "adjust_brightness": (lambda im, v: ImageEnhance.Brightness(im).enhance(v), 0.1, 1.9, 1),
    "sharpness": (lambda im, v: ImageEnhance.Sharpness(im).enhance(v), 0.1, 1.9, 2),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", PIL_VALUES)
def test_operations_on_values_equal_pils(name, channels):
    """Within as many of 255 levels as PIL rounds on its way, which cuts off where we keep the fraction."""
    theirs_of, low, high, levels = PIL_VALUES[name]
    x, values = some(12, channels), torch.linspace(low, high, 12)
    ours = getattr(randaugment, name)(x, values)
    for i, v in enumerate(values.tolist()):
        assert (ours[i] - back(theirs_of(pil(x[i]), v))).abs().max() * 255 < levels + 1e-3, (i, v)


PIL_PLACES = {
    "shear_x": (lambda im, v: affine(im, 1, v, 0, 0, 1, 0), 0.6),
    "shear_y": (lambda im, v: affine(im, 1, 0, 0, v, 1, 0), 0.6),
    "translate_x": (lambda im, v: affine(im, 1, 0, v * im.size[0], 0, 1, 0), 0.66),
    "translate_y": (lambda im, v: affine(im, 1, 0, 0, 0, 1, v * im.size[1]), 0.66),
    "rotate": (lambda im, v: im.rotate(v), 60),
}


@pytest.mark.parametrize("size", [(32, 32), (20, 32)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", PIL_PLACES)
def test_operations_on_places_equal_pils(name, channels, size):
    """Pixel for pixel; PIL counts in 1/65536 of a pixel, so that a few fall on the other side of an edge."""
    theirs_of, most = PIL_PLACES[name]
    x, values = some(12, channels, *size), torch.linspace(-0.97, 0.97, 12) * most
    ours = getattr(randaugment, name)(x, values)
    for i, v in enumerate(values.tolist()):
        differ = (ours[i] - back(theirs_of(pil(x[i]), v))).abs() > 1e-3
        assert differ.float().mean() < 0.005, (i, v)


@pytest.mark.parametrize("channels", [1, 3])
def test_cutout_paints_pils_rectangle(channels):
    x, share = some(12, channels), torch.linspace(0.05, 0.4, 12)
    share[0] = 0.25  # a whole number of pixels
    row, column = torch.rand(2, 12, generator=seeded(3))
    ours = randaugment.cutout(x, share, row, column)
    for i, (s, r, c) in enumerate(zip(share.tolist(), row.tolist(), column.tolist(), strict=True)):
        x0, y0 = int(max(0, c * 32 - s * 16)), int(max(0, r * 32 - s * 16))
        image, colour = pil(x[i]), (125, 123, 114) if channels == 3 else 123
        ImageDraw.Draw(image).rectangle((x0, y0, min(32, x0 + s * 32), min(32, y0 + s * 32)), colour)
        assert (ours[i] - back(image)).abs().max() * 255 < 1


def test_the_list_is_bcls():
    factor, none = (0.1, 1.9, False), (0, 1, False)
    assert {op.apply.__name__: (op.low, op.high, op.signed) for op in OPERATIONS} == {
        **{"shear_x": (0, 0.6, True), "shear_y": (0, 0.6, True), "rotate": (0, 60, True)},
        **{"translate_x": (0, 0.66, True), "translate_y": (0, 0.66, True)},
        **{"autocontrast": none, "invert": none, "equalize": none, "cutout": (0, 0.4, False)},
        **{"solarize": (0, 110, False), "posterize": (4, 8, False), "sharpness": factor},
        **{f"adjust_{name}": factor for name in ("contrast", "saturation", "brightness")},
    }
    assert len(OPERATIONS) == 15


def spied(monkeypatch) -> None:
    """Each operation answers with its number, so that a value and a choice can be read off the images."""

    def number(k: int):
        return lambda x, value, *_: torch.full_like(x, k + 1) + value[:, None, None, None] * 1e-3

    spies = [randaugment.Operation(number(k), 0, 1, signed=k % 2 == 0) for k in range(15)]
    monkeypatch.setattr(randaugment, "OPERATIONS", tuple(spies))


@pytest.mark.parametrize("w", [0.25, 0.6, 1.0])
def test_boost_hits_with_its_weight_one_operation_evenly(monkeypatch, w):
    spied(monkeypatch)
    out = boost(torch.zeros(N, 1, 1, 1), torch.full((N,), w), seeded(1)).flatten()
    hit = out[out > 0]
    assert abs(len(hit) - N * w) <= 4 * math.sqrt(N * w * (1 - w))
    which = hit.round().long()
    assert stats.chisquare(torch.bincount(which, minlength=16)[1:].numpy()).pvalue > 1e-3
    level = (hit - which) * 1e3
    signed = which % 2 == 1
    expected = torch.where(signed, level.sign(), 1.0) * (10 + 20 * w) / 30
    assert (level - expected).abs().max() < 0.01
    assert stats.binomtest(int((level < 0).sum()), int(signed.sum())).pvalue > 1e-3


def test_boost_works_image_by_image(monkeypatch):
    spied(monkeypatch)
    weight = torch.tensor([0.0, 1.0]).repeat(N // 2)
    out = boost(torch.zeros(N, 1, 1, 1), weight, seeded(1)).flatten()
    assert (out[::2] == 0).all() and (out[1::2] > 0).all()


@pytest.mark.parametrize("channels, side", [(1, 8), (3, 32)])
def test_boost_keeps_shape_range_and_input(channels, side):
    x = some(300, channels, side, side)
    before = x.clone()
    out = boost(x, torch.ones(300), seeded())
    assert torch.equal(x, before)
    assert out.shape == x.shape and out.min() >= 0 and out.max() <= 1
    assert ((out - x).abs().amax((1, 2, 3)) > 1e-3).float().mean() > 0.6
    assert torch.equal(boost(x, torch.ones(300), seeded()), out)
    assert torch.equal(boost(x, torch.zeros(300), seeded()), x)


@pytest.mark.parametrize("weight", [torch.ones(3), torch.full((4,), 1.5), torch.full((4,), -0.1), torch.tensor(1.0)])
def test_a_bad_weight_is_an_error(weight):
    with pytest.raises(ValueError, match="weight is"):
        boost(some(4), weight, seeded())


def test_view_boosts_after_the_policys_steps():
    x = (some(40) * 255).byte()
    plain = augment.view(x, POLICIES["bcl"], seeded())
    assert torch.equal(augment.view(x, POLICIES["bcl"], seeded(), torch.zeros(40)), plain)
    draws = seeded()
    boosted = boost(augment.view(x, POLICIES["bcl"], draws), torch.ones(40), draws)
    assert torch.equal(augment.view(x, POLICIES["bcl"], seeded(), torch.ones(40)), boosted)
    assert not torch.equal(boosted, plain)
