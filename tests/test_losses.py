"""lib.losses against lightly, pytorch-metric-learning, closed forms and the definition written as a loop."""

import math
import subprocess
import sys
from functools import partial
from pathlib import Path

import lightly.loss as lightly
import pytest
import pytorch_metric_learning.losses as metric
import torch
from torch import Tensor

from lib.losses.self_supervised import alignment, barlow_twins, nt_xent, simsiam, uniformity, vicreg


def views(n: int, d: int, seed: int) -> list[Tensor]:
    g = torch.Generator().manual_seed(seed)
    return [torch.randn(n, d, generator=g, dtype=torch.float64, requires_grad=True) for _ in range(2)]


def value_and_gradient(loss, z1, z2) -> tuple[Tensor, ...]:
    value = loss(z1, z2)
    return value.detach(), *torch.autograd.grad(value, (z1, z2))


def differences(ours, theirs, z1: Tensor, z2: Tensor) -> list[float]:
    """The largest difference of the two losses' values and of their gradients to either view."""
    pairs = zip(value_and_gradient(ours, z1, z2), value_and_gradient(theirs, z1, z2), strict=True)
    return [float((mine - other).abs().max()) for mine, other in pairs]


def by_the_definition(z1: Tensor, z2: Tensor, temperature: float, clamp=None, weights=None, anchors_only=False):
    """The double sum over anchors and other views in plain Python; the terms of the 2N anchors."""
    n, z, terms = len(z1), [*z1, *z2], []
    w = [1.0] * n if weights is None else weights.tolist()
    for i in range(2 * n):
        total = 0.0
        for m in range(2 * n):
            if m != i:
                s = z[i] @ z[m] / (z[i].norm() * z[m].norm())
                s = torch.tensor(clamp, dtype=s.dtype) if clamp is not None and s < clamp else s
                total = total + (1 if anchors_only else n * w[m % n] / sum(w)) * math.e ** (s / temperature)
                if m == (i + n) % (2 * n):
                    partner = s
        terms.append(total.log() - partner / temperature)
    return torch.stack(terms)


def weighted(terms: Tensor, weights: Tensor) -> Tensor:
    return (torch.cat([weights, weights]) * terms).sum() / (2 * weights.sum())


WEIGHTS = torch.tensor([0.2, 3.0, 1.0, 0.7, 12.0], dtype=torch.float64)


@pytest.mark.parametrize("n, d", [(2, 3), (16, 8), (64, 128)])
@pytest.mark.parametrize("temperature", [0.05, 0.5, 1.0])
@pytest.mark.parametrize("block", [None, 9])
def test_equals_lightly(n, d, temperature, block):
    other = lightly.NTXentLoss(temperature=temperature)
    ours = partial(nt_xent, temperature=temperature, block=block)
    assert max(differences(ours, other, *views(n, d, seed=n))) < 1e-10


@pytest.mark.parametrize("n, d", [(2, 3), (16, 8), (64, 128)])
@pytest.mark.parametrize("temperature", [0.05, 0.5, 1.0])
@pytest.mark.parametrize("block", [None, 9])
def test_equals_pytorch_metric_learning(n, d, temperature, block):
    other = metric.SelfSupervisedLoss(metric.NTXentLoss(temperature=temperature))
    ours = partial(nt_xent, temperature=temperature, block=block)
    assert max(differences(ours, other, *views(n, d, seed=n + 1))) < 1e-10


@pytest.mark.parametrize("clamp", [None, 1e-7, 0.2])
@pytest.mark.parametrize("block", [None, 3])
def test_equals_the_definition(clamp, block):
    ours = partial(nt_xent, temperature=0.5, clamp=clamp, block=block)
    definition = lambda a, b: by_the_definition(a, b, 0.5, clamp).mean()  # noqa: E731
    assert max(differences(ours, definition, *views(5, 4, seed=3))) < 1e-12


@pytest.mark.parametrize("anchors_only", [False, True])
@pytest.mark.parametrize("clamp", [None, 0.1])
def test_weights_equal_the_definition(anchors_only, clamp):
    ours = partial(nt_xent, temperature=0.3, clamp=clamp, weights=WEIGHTS, anchors_only=anchors_only)
    definition = lambda a, b: weighted(by_the_definition(a, b, 0.3, clamp, WEIGHTS, anchors_only), WEIGHTS)  # noqa: E731
    assert max(differences(ours, definition, *views(5, 4, seed=5))) < 1e-12


@pytest.mark.parametrize("block", [1, 7, 26, 100])
@pytest.mark.parametrize("clamp", [None, 1e-7, 0.2])
@pytest.mark.parametrize("anchors_only", [False, True])
@pytest.mark.parametrize("weights", [None, torch.arange(1, 14)])
def test_blocks_change_nothing(block, clamp, anchors_only, weights):
    same = {"temperature": 0.2, "clamp": clamp, "weights": weights, "anchors_only": anchors_only}
    assert (
        max(differences(partial(nt_xent, block=block, **same), partial(nt_xent, **same), *views(13, 5, seed=6))) < 1e-10
    )


@pytest.mark.parametrize("block", [None, 4])
@pytest.mark.parametrize("clamp", [None, 0.1])
def test_gradcheck(block, clamp):
    loss = partial(nt_xent, temperature=0.4, clamp=clamp, weights=WEIGHTS, block=block)
    assert torch.autograd.gradcheck(loss, views(5, 3, seed=7))


@pytest.mark.parametrize("block", [None, 3])
def test_losses_of_each_image(block):
    z1, z2 = views(5, 4, seed=8)
    expected = by_the_definition(z1, z2, 0.5, 0.1, WEIGHTS).detach().view(2, 5).mean(0)
    loss, each = nt_xent(z1, z2, 0.5, 0.1, WEIGHTS, block=block, each=True)
    assert (each - expected).abs().max() < 1e-12 and not each.requires_grad
    assert loss.item() == pytest.approx(float((WEIGHTS * expected).sum() / WEIGHTS.sum()), abs=1e-12)
    assert loss.requires_grad and nt_xent(z1, z2, block=block).shape == ()


@pytest.mark.parametrize("anchors_only", [False, True])
def test_equal_weights_are_no_weights(anchors_only):
    equal = partial(nt_xent, weights=torch.full((8,), 7), anchors_only=anchors_only)
    assert max(differences(equal, nt_xent, *views(8, 5, seed=9))) < 1e-12


@pytest.mark.parametrize("block", [None, 4])
@pytest.mark.parametrize("t", [0.1, 0.5, 2.0])
def test_closed_form_of_weighted_orthogonal_images(block, t):
    eye, w, share = torch.eye(5, dtype=torch.float64), WEIGHTS, 5 * WEIGHTS / WEIGHTS.sum()
    both = sum(w * (share + 2 * (5 - share) * math.exp(-1 / t)).log()) / w.sum()
    assert nt_xent(eye, eye, t, weights=w, block=block).item() == pytest.approx(both.item(), abs=1e-12)
    anchors = math.log1p(8 * math.exp(-1 / t))  # every anchor has the same term
    assert nt_xent(eye, eye, t, weights=w, anchors_only=True, block=block).item() == pytest.approx(anchors, abs=1e-12)


@pytest.mark.parametrize("block", [None, 4])
def test_an_image_of_hardly_any_weight_is_not_there(block):
    z1, z2 = views(8, 5, seed=10)
    w = torch.ones(8, dtype=torch.float64)
    w[3] = 1e-14
    keep = torch.arange(8) != 3
    # the weights' mean is 7/8 with the image and 1 without it
    without = nt_xent(z1[keep], z2[keep]).item() + math.log(8 / 7)
    assert nt_xent(z1, z2, weights=w, block=block).item() == pytest.approx(without, abs=1e-12)


@pytest.mark.parametrize("t", [0.004, 0.02, 0.03])
@pytest.mark.parametrize("sign", [-1, 1])
def test_blocks_in_single_precision_at_low_temperature(t, sign):
    z1, z2 = views(40, 3, seed=11)
    z2 = (sign * z1 + 0.01 * z2).detach().requires_grad_()  # the other views at cosines near -1 or 1
    exact = value_and_gradient(partial(nt_xent, temperature=t), z1, z2)
    single = [z.detach().float().requires_grad_() for z in (z1, z2)]
    for mine, other in zip(value_and_gradient(partial(nt_xent, temperature=t, block=16), *single), exact, strict=True):
        assert mine.dtype == torch.float32 and (mine - other).abs().max() < 2e-5 * max(1, other.abs().max())


def test_blocks_need_little_memory():
    program = """
import resource, sys, torch
sys.path.insert(0, sys.argv[1])
from lib.losses import nt_xent
torch.set_num_threads(1)
def run(n):
    z = [torch.randn(n, 32, requires_grad=True) for _ in range(2)]
    nt_xent(*z, block=512).backward()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(run(600), run(8192))
"""
    root = Path(__file__).parent.parent
    found = subprocess.run(
        [sys.executable, "-c", program, root], capture_output=True, text=True, check=True, timeout=120
    )
    base, peak = map(int, found.stdout.split())  # KiB; the whole matrix alone has 1,048,576
    assert peak - base < 100_000


@pytest.mark.parametrize("n", [1, 2, 8])
@pytest.mark.parametrize("t", [0.1, 0.5, 2.0])
def test_closed_forms_of_orthogonal_images(n, t):
    eye = 3 * torch.eye(n, dtype=torch.float64)  # lengths do not count
    same, opposite = float(nt_xent(eye, eye / 7, t)), float(nt_xent(eye, -eye, t))
    assert same == pytest.approx(math.log1p((2 * n - 2) * math.exp(-1 / t)), abs=1e-12)
    assert opposite == pytest.approx(math.log1p((2 * n - 2) * math.exp(1 / t)), abs=1e-12)


def test_all_views_in_one_point_give_the_log_of_their_number():
    z = torch.ones(6, 4, dtype=torch.float64)
    assert float(nt_xent(z, z)) == pytest.approx(math.log(11), abs=1e-12)


def test_clamped_pairs_at_90_degrees_or_more_give_no_gradient():
    # the corners of a regular simplex: every cosine is -1/7
    corners = (torch.eye(8, dtype=torch.float64) - 1 / 8).requires_grad_()
    free = torch.autograd.grad(nt_xent(corners[:4], corners[4:]), corners)[0]
    held = nt_xent(corners[:4], corners[4:], clamp=1e-7)
    assert torch.autograd.grad(held, corners)[0].abs().max() == 0 and free.abs().max() > 0.01
    assert held.item() == pytest.approx(math.log(7), abs=1e-12)


def test_clamp_does_nothing_where_every_angle_is_below_90_degrees():
    z1, z2 = (v.detach().abs() for v in views(8, 5, seed=4))
    assert nt_xent(z1, z2, clamp=1e-7) == nt_xent(z1, z2)


@pytest.mark.parametrize(
    "a, b, temperature, message",
    [
        ((3, 2), (4, 2), 0.5, r"\(3, 2\), \(4, 2\)"),
        ((3, 2), (3, 4), 0.5, r"\(3, 2\), \(3, 4\)"),
        ((3,), (3,), 0.5, r"\(3,\), \(3,\)"),
        ((0, 2), (0, 2), 0.5, r"\(0, 2\)"),
        ((3, 2), (3, 2), 0.0, "temperature=0.0: a number strictly"),
        ((3, 2), (3, 2), -1.0, "temperature=-1.0: a number"),
        ((3, 2), (3, 2), float("nan"), "temperature=nan: a number"),
    ],
)
def test_bad_input_is_named(a, b, temperature, message):
    with pytest.raises(ValueError, match=message):
        nt_xent(torch.zeros(a), torch.zeros(b), temperature)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"weights": torch.ones(4)}, r"weights of shape \(3,\).*got \(4,\)"),
        ({"weights": torch.ones(3, 1)}, r"got \(3, 1\)"),
        ({"weights": torch.tensor([1, 0, 1])}, "positive and finite, got some from 0.0 to 1.0"),
        ({"weights": torch.tensor([1, -2.0, 1])}, "from -2.0 to 1.0"),
        ({"weights": torch.tensor([1, float("inf"), 1])}, "from 1.0 to inf"),
        ({"weights": torch.tensor([1, float("nan"), 1])}, "from nan to nan"),
        ({"block": 0}, "block=0: a whole number from 1"),
        ({"block": 2, "temperature": 0.002}, "temperature=0.002 is below 0.003.*block=None"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        nt_xent(torch.ones(3, 2), torch.ones(3, 2), **options)


def test_simsiam_equals_lightly_and_stops_the_gradient():
    p1, z1 = views(16, 8, seed=12)
    p2, z2 = views(16, 8, seed=13)
    criterion = lightly.NegativeCosineSimilarity()
    ours = torch.autograd.grad(simsiam(p1, z1, p2, z2), (p1, z1, p2, z2), allow_unused=True)
    other = (criterion(p1, z2.detach()) + criterion(p2, z1.detach())) / 2
    theirs = torch.autograd.grad(other, (p1, p2))
    assert simsiam(p1, z1, p2, z2).item() == pytest.approx(other.item(), abs=1e-12)
    assert ours[1] is None and ours[3] is None
    assert max((ours[0] - theirs[0]).abs().max(), (ours[2] - theirs[1]).abs().max()) < 1e-12


def test_closed_forms_of_simsiam():
    x, y = torch.eye(4, dtype=torch.float64).split(2)
    values = [simsiam(x, x, x, x), simsiam(x, y, 2 * y, y / 3), simsiam(x, -y, y, -x)]
    assert [v.item() for v in values] == pytest.approx([-1, -0.5, 1], abs=1e-12)


@pytest.mark.parametrize("n, d", [(2, 3), (16, 8), (64, 32)])
def test_vicreg_equals_lightly(n, d):
    z1, z2 = ((0.7 * v).detach().requires_grad_() for v in views(n, d, seed=14))
    other = lightly.VICRegLoss(lambda_param=3, mu_param=10, nu_param=2)  # which halves the variance terms
    ours = partial(vicreg, invariance=3, variance=5, covariance=2)
    assert max(differences(ours, other, z1, z2)) < 1e-10


def test_closed_forms_of_vicreg():
    z = torch.zeros(4, 3, dtype=torch.float64)
    assert vicreg(z, z).item() == pytest.approx(2 * 25 * 0.99, abs=1e-12)  # sqrt(1e-4) is 0.01
    spread = torch.tensor([[2, 2], [-2, -2.0]], dtype=torch.float64)  # variances and covariance 8, one view 1 further
    assert vicreg(spread, spread + 1).item() == pytest.approx(25 + 2 * 64, abs=1e-12)


@pytest.mark.parametrize("n, d", [(3, 2), (16, 8), (64, 32)])
def test_barlow_twins_equals_lightly(n, d):
    z1, z2 = ((1e5 * v).detach().requires_grad_() for v in views(n, d, seed=15))  # so that its 1e-5 does not count
    assert max(differences(partial(barlow_twins, redundancy=0.02), lightly.BarlowTwinsLoss(0.02), z1, z2)) < 1e-10


def test_closed_forms_of_barlow_twins():
    z = torch.tensor([[1, 1, 5], [1, -1, 5], [-1, 1, 5], [-1, -1, 5.0]], dtype=torch.float64)
    white = z[:, :2]
    values = [barlow_twins(white, 3 * white + 1), barlow_twins(white, -white), barlow_twins(white, white.flip(1))]
    assert [v.item() for v in values] == pytest.approx([0, 8, 2.01], abs=1e-12)
    assert barlow_twins(z, z).item() == pytest.approx(1, abs=1e-12)  # the third feature does not vary


@pytest.mark.parametrize("loss", [vicreg, barlow_twins, lambda a, b: simsiam(a, a, b, b)])
def test_bad_views_are_named(loss):
    with pytest.raises(ValueError, match=r"\(3, 2\), \(3, 4\)"):
        loss(torch.zeros(3, 2), torch.zeros(3, 4))


@pytest.mark.parametrize("loss", [vicreg, barlow_twins])
def test_one_image_has_no_variance(loss):
    with pytest.raises(ValueError, match=r"N >= 2 images are expected, got \(1, 2\)"):
        loss(torch.zeros(1, 2), torch.zeros(1, 2))


def unit(n: int, d: int, seed: int) -> list[Tensor]:
    return [torch.nn.functional.normalize(z.detach(), dim=1).requires_grad_() for z in views(n, d, seed)]


@pytest.mark.parametrize("n, d, alpha, t", [(2, 3, 2, 2), (9, 2, 1, 0.5), (30, 16, 3, 10)])
def test_alignment_and_uniformity_are_their_definitions(n, d, alpha, t):
    x, y = (z.detach() for z in unit(n, d, seed=n))
    apart = sum(sum((a - b) ** 2 for a, b in zip(p, q, strict=True)) ** (alpha / 2) for p, q in zip(x, y, strict=True))
    assert float(alignment(x, y, alpha)) == pytest.approx(float(apart) / n, abs=1e-12)
    pairs = [math.exp(-t * float(((x[i] - x[j]) ** 2).sum())) for i in range(n) for j in range(i)]
    assert float(uniformity(x, t)) == pytest.approx(math.log(sum(pairs) / len(pairs)), abs=1e-12)


def test_alignment_and_uniformity_have_the_right_gradients():
    x, y = unit(5, 3, seed=1)
    assert torch.autograd.gradcheck(lambda a, b: alignment(a, b, 3.0), (x, y))
    assert torch.autograd.gradcheck(lambda a: uniformity(a, 2.0), (x,))


def test_alignment_and_uniformity_at_their_ends():
    one = torch.nn.functional.normalize(torch.ones(4, 3, dtype=torch.float64), dim=1).requires_grad_()
    value = alignment(one, one.detach(), 1.0) + uniformity(one)
    assert torch.isfinite(torch.autograd.grad(value, one)[0]).all()
    one = one.detach()
    assert float(value.detach()) == 0 and float(alignment(one, -one)) == pytest.approx(4.0)
    far = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
    assert float(uniformity(far, 1000.0)) == pytest.approx(-4000.0)  # exp(-4000) is 0 in double precision


@pytest.mark.parametrize(
    "call, word",
    [
        (lambda z: alignment(z, z[:2]), "same N"),
        (lambda z: alignment(z, z, 0), "alpha=0"),
        (lambda z: uniformity(z[:1]), "N >= 2"),
        (lambda z: uniformity(z, 0), "t=0"),
    ],
)
def test_alignment_and_uniformity_name_bad_input(call, word):
    with pytest.raises(ValueError, match=word):
        call(torch.eye(3))


@pytest.mark.parametrize("block", [None, 5, 100])
def test_many_nets_at_once_are_each_net_alone(block):
    generator = torch.Generator().manual_seed(3)
    z1, z2 = torch.nn.functional.normalize(torch.randn(2, 2, 3, 8, 4, generator=generator, dtype=torch.float64), dim=-1)
    each = torch.tensor([0.1, 0.5, 2.0], dtype=torch.float64)
    contrastive, aligned = nt_xent(z1, z2, each, 0.2, block=block), alignment(z1, z2, each)
    even = uniformity(z1, each, block=block or 8)
    assert contrastive.shape == aligned.shape == even.shape == (2, 3)
    for i, j in ((0, 0), (1, 2)):
        x, y, value = z1[i, j], z2[i, j], float(each[j])
        assert float(contrastive[i, j]) == pytest.approx(float(nt_xent(x, y, value, 0.2)), abs=1e-12)
        assert float(aligned[i, j]) == pytest.approx(float(alignment(x, y, value)), abs=1e-12)
        assert float(even[i, j]) == pytest.approx(float(uniformity(x, value)), abs=1e-12)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_has_room_for_every_sum_and_for_a_row_of_zeros(kind):
    many, few = torch.ones(9000, 4, dtype=kind), torch.eye(4, dtype=kind)
    few[0] = 0
    assert float(nt_xent(many, many, block=512)) == pytest.approx(math.log(2 * 9000 - 1), abs=1e-4)
    assert float(nt_xent(few, few)) == float(nt_xent(few.float(), few.float()))
