"""lib.images.augment against torchvision's transforms, image by image where possible, else by their statistics."""

import colorsys
import importlib
import itertools
import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Generator

from lib.images import augment, colour
from lib.images.augment import POLICIES, Policy
from lib.images.vision import torchvision

T = torchvision.transforms
TF = torchvision.transforms.functional
v2 = importlib.import_module("torchvision.transforms.v2.functional")
N = 3000
STILL = Policy(scale=(1.0, 1.0), flip=0.0, jitter_p=0.0, grey_p=0.0, blur_sigma=(0.7, 2.0))


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def some(n: int = 16, c: int = 3, h: int = 32, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, c, h, h, generator=seeded(seed))


def pixels(x: torch.Tensor) -> torch.Tensor:
    return (x * 255).round().to(torch.uint8)


def binomial(hits: int, n: int, p: float) -> bool:
    """Whether so many hits are within four standard errors of p n."""
    return abs(hits - n * p) < 4 * math.sqrt(n * p * (1 - p))


@pytest.mark.parametrize("side, scale", [(32, (0.08, 1.0)), (32, (0.2, 0.6)), (8, (0.3, 1.0))])
def test_crop_boxes_are_distributed_as_torchvisions(side, scale):
    torch.manual_seed(1)
    image = torch.zeros(1, side, side)
    theirs = np.array([T.RandomResizedCrop.get_params(image, list(scale), [3 / 4, 4 / 3]) for _ in range(N)])
    ours = augment.crop_boxes(N, side, side, scale, seeded(1)).double().numpy()

    def features(boxes):
        top, left, height, width = boxes.T
        return {
            "height": height,
            "width": width,
            "area": height * width,
            "aspect": np.log(width / height),
            "top": (top + 0.5) / (side - height + 1),
            "left": (left + 0.5) / (side - width + 1),
        }

    a, b = features(ours), features(theirs)
    for name in a:
        assert stats.ks_2samp(a[name], b[name]).pvalue > 1e-3, name
    whole = [float((f["area"] == side * side).mean()) for f in (a, b)]
    assert abs(whole[0] - whole[1]) < 4 * math.sqrt(2 * 0.25 / N)


def test_crop_boxes_are_whole_pixels_inside_the_image():
    top, left, height, width = augment.crop_boxes(N, 20, 32, (0.08, 1.0), seeded()).T
    for v in (top, left, height, width):
        assert torch.equal(v, v.round())
    assert (height >= 1).all() and (width >= 1).all() and (top >= 0).all() and (left >= 0).all()
    assert (top + height <= 20).all() and (left + width <= 32).all()


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(32, 32), (20, 32)])
def test_resized_crop_equals_torchvision_box_by_box(interpolation, size):
    x = torch.rand(40, 3, *size, generator=seeded())
    boxes = augment.crop_boxes(40, *size, (0.08, 1.0), seeded(2))
    boxes[:3] = torch.tensor([[0, 0, *size], [19, 31, 1, 1], [5, 0, 1, 32]])  # the whole image, one pixel, one row
    flip = torch.arange(40) % 2 == 1
    ours = augment.resized_crop(x, boxes, interpolation)
    flipped = augment.resized_crop(x, boxes, interpolation, flip)
    for i, box in enumerate(boxes.int().tolist()):
        mode = T.InterpolationMode(interpolation)
        theirs = v2.resized_crop(x[i], *box, list(size), mode, antialias=False).clamp(0, 1)
        assert (ours[i] - theirs).abs().max() < 2e-5, box
        assert (flipped[i] - (theirs.flip(2) if flip[i] else theirs)).abs().max() < 2e-5, box


@pytest.mark.parametrize(
    "name, low, high", [("brightness", 0, 2), ("contrast", 0, 2), ("saturation", 0, 2), ("hue", -0.5, 0.5)]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_adjustments_equal_torchvisions(name, low, high, channels):
    x = some(24, channels)
    x[0] = 0.5  # no saturation, so no hue
    x[1], x[2] = 0.0, 1.0
    x[3, :, :, :16] = x[3, :1, :, :16]  # half grey
    factors = torch.linspace(low, high, 24)
    ours = getattr(colour, f"adjust_{name}")(x, factors)
    for i, factor in enumerate(factors.tolist()):
        assert (ours[i] - getattr(TF, f"adjust_{name}")(x[i], factor)).abs().max() < 1e-5, (i, factor)


def test_grey_equals_torchvisions():
    x = some()
    assert (colour.grey(x) - TF.rgb_to_grayscale(x)).abs().max() < 1e-6
    assert torch.equal(colour.grey(x[:, :1]), x[:, :1])


@pytest.mark.parametrize("side, kernel", [(8, 3), (32, 3), (64, 7)])
@pytest.mark.parametrize("sigma", [0.1, 0.7, 2.0])
def test_blur_equals_torchvisions(side, kernel, sigma):
    x = some(3, 3, side)
    ours = augment.gaussian_blur(x, (sigma, sigma), seeded())
    assert (ours - TF.gaussian_blur(x, [kernel, kernel], [sigma, sigma])).abs().max() < 1e-5


def test_blur_widths_differ_from_image_to_image():
    x = some(1).expand(50, -1, -1, -1)
    blurred = augment.gaussian_blur(x, (0.1, 2.0), seeded())
    assert len(torch.unique(blurred.flatten(1), dim=0)) == 50
    assert torch.equal(augment.gaussian_blur(x, (0.1, 2.0), seeded()), blurred)


def test_jitter_is_distributed_as_torchvisions():
    """One image, many draws: the channel means and the spread within the image have torchvision's distribution."""
    torch.manual_seed(3)
    x = some(1, h=4, seed=5)[0]
    theirs_of = T.ColorJitter(0.4, 0.4, 0.4, 0.1)
    theirs = torch.stack([theirs_of(x) for _ in range(N)])
    ours = colour.color_jitter(x.expand(N, -1, -1, -1), (0.4, 0.4, 0.4, 0.1), seeded(3))
    for f in (lambda v: v.mean((2, 3)), lambda v: v.std((2, 3)), lambda v: v[:, :, 0, 0]):
        for a, b in zip(f(ours).T.numpy(), f(theirs).T.numpy(), strict=True):
            assert stats.ks_2samp(a, b).pvalue > 1e-3


def test_jitter_applies_its_four_operations_in_the_order_given():
    """All 24 orders, each against torchvision's adjustments one after the other, on strengths that clamp."""
    orders = list(itertools.permutations(range(4)))
    x = some(25, h=6)
    factors = torch.tensor([1.7, 0.4, 1.9])[:, None].expand(3, 25)
    steps = torch.tensor([[s for s in order if s != 3] for order in orders] + [[0, 1, 2]]).T
    place = torch.tensor([order.index(3) for order in orders] + [4])
    ours = colour.jitter(x, factors, steps, torch.full((25,), 0.3), place)
    values = dict(zip(("brightness", "contrast", "saturation", "hue"), (1.7, 0.4, 1.9, 0.3), strict=True))
    for i, order in enumerate(orders):
        theirs = x[i]
        for name in (list(values)[step] for step in order):
            theirs = getattr(TF, f"adjust_{name}")(theirs, values[name])
        assert (ours[i] - theirs).abs().max() < 1e-5, order
    assert torch.equal(ours[24], x[24]), "place k + 1 leaves the image alone"


@pytest.mark.parametrize("channels, strength, live", [(3, (0.4, 0.4, 0.4, 0.1), 4), (1, (0.4, 0.4, 0.4, 0.1), 2)])
def test_jitter_orders_its_operations_anew_for_each_image(monkeypatch, channels, strength, live):
    """Every operation writes its digit behind those before it, so that the outcome is the order."""
    names = {(0, 0): 1, (0, 1): 2, (1, 0): 3}

    def digit(x, own, luma, mean):
        digits = [names[bool(s), bool(m)] for s, m in zip(luma, mean, strict=True)]
        return 10 * x + torch.tensor(digits)[:, None, None, None]

    monkeypatch.setattr(colour, "mix", digit)
    monkeypatch.setattr(colour, "adjust_hue", lambda x, turn: 10 * x + 4)
    seen = Counter(
        colour.color_jitter(torch.zeros(4800, channels, 1, 1), strength, seeded())[:, 0].flatten().int().tolist()
    )
    assert set(seen) == {int("".join(p)) for p in itertools.permutations("1234"[:live])}
    assert stats.chisquare(list(seen.values())).pvalue > 1e-3


def test_jitter_of_strength_zero_is_the_image():
    x = some()
    assert (colour.color_jitter(x, (0.0, 0.0, 0.0, 0.0), seeded()) - x).abs().max() < 1e-6


def test_view_gives_every_image_its_own_draw():
    x = pixels(some(1)).expand(64, -1, -1, -1)
    assert len(torch.unique(augment.view(x, POLICIES["simclr"], seeded()).flatten(1), dim=0)) == 64


@pytest.mark.parametrize("policy", POLICIES)
def test_view_depends_on_its_generator_alone(policy):
    x, before = pixels(some(12)), torch.get_rng_state()
    first = augment.view(x, POLICIES[policy], seeded(1))
    assert torch.equal(torch.get_rng_state(), before), "the global generator was used"
    torch.rand(3)
    assert torch.equal(augment.view(x, POLICIES[policy], seeded(1)), first)
    assert not torch.equal(augment.view(x, POLICIES[policy], seeded(2)), first)
    assert first.shape == x.shape and first.min() >= 0 and first.max() <= 1


def test_view_leaves_its_input_alone():
    x = pixels(some(8))
    before = x.clone()
    augment.view(x, POLICIES["simclr_blur"], seeded())
    assert torch.equal(x, before)


def test_a_policy_of_nothing_is_the_image():
    x = pixels(some(8))
    assert (augment.view(x, STILL, seeded()) - x / 255).abs().max() < 1e-5


@pytest.mark.parametrize("p", [0.2, 0.5])
@pytest.mark.parametrize("what", ["flip", "grey_p", "jitter_p", "blur_p"])
def test_each_step_happens_with_its_probability(what, p):
    x = pixels(some(1, h=8)).expand(N, -1, -1, -1)
    out, plain = augment.view(x, replace(STILL, **{what: p}), seeded(4)), x / 255
    changed = (out - plain).abs().amax((1, 2, 3)) > 1e-4
    assert binomial(int(changed.sum()), N, p)
    expected = {"flip": plain.flip(3), "grey_p": TF.rgb_to_grayscale(plain, 3)}.get(what)
    if expected is not None:
        assert (out - expected)[changed].abs().max() < 1e-5


@pytest.mark.parametrize("channels", [1, 3])
def test_jitter_happens_with_its_probability(channels):
    x = some(1, channels, 8).expand(N, -1, -1, -1)
    out = colour.color_jitter(x, (0.4, 0.4, 0.4, 0.1), seeded(6), p=0.3)
    assert binomial(int(((out - x).abs().amax((1, 2, 3)) > 1e-4).sum()), N, 0.3)


@pytest.mark.parametrize("name", ["nearest", ""])
def test_an_unknown_interpolation_is_an_error(name):
    with pytest.raises(ValueError, match="interpolation is"):
        augment.view(pixels(some(2)), replace(STILL, interpolation=name), seeded())


@pytest.mark.parametrize("name, scale, interpolation", [("simsiam", 0.2, "bilinear"), ("bcl", 0.1, "bicubic")])
def test_other_methods_differ_from_simclr_in_their_crops_alone(name, scale, interpolation):
    assert POLICIES[name] == replace(POLICIES["simclr"], scale=(scale, 1.0), interpolation=interpolation)


def test_defaults_are_simclrs():
    p = POLICIES["simclr"]
    assert (p.scale, p.flip, p.jitter, p.jitter_p, p.grey_p, p.blur_p) == (
        ((0.08, 1.0), 0.5, (0.4, 0.4, 0.4, 0.1), 0.8, 0.2, 0.0)
    )


def test_digits_are_neither_flipped_nor_coloured():
    x = pixels(0.3 + 0.3 * some(1, h=4)).expand(400, -1, -1, -1)
    out = augment.view(x, replace(POLICIES["digits"], scale=(1.0, 1.0)), seeded())
    correlation = [np.corrcoef(v.flatten(), (x[0] / 255).flatten())[0, 1] for v in out]
    assert min(correlation) > 0.98, "an image was flipped"
    hue = [colorsys.rgb_to_hsv(*(x[0, :, 1, 2] / 255).tolist())[0]]
    hue += [colorsys.rgb_to_hsv(*v[:, 1, 2].tolist())[0] for v in out]
    assert max(hue) - min(hue) < 1e-3, "a hue has changed"
    assert len(torch.unique(out.mean((1, 2, 3)).round(decimals=4))) > 100, "brightness does not vary"
