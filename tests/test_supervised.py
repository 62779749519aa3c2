"""lib.losses.supervised against other libraries, the definitions written as loops, and closed forms on the circle."""

import math
from functools import partial

import pytest
import pytorch_metric_learning.losses as metric
import torch
from scipy.integrate import quad
from scipy.special import i0
from torch import Tensor

from lib.images import vision  # noqa: F401  before libraries that import torchvision themselves
from lib.losses import attract, nt_xent, repel, spread, sup_con

ALL = {"sup_con": sup_con, "attract": attract, "repel": repel, "spread": partial(spread, alpha=0.3)}
CLAMPED = {name: loss for name, loss in ALL.items() if name != "repel"}
Y = torch.tensor([0, 1, 2, 0, 1, 0, 3, 1, 2, 0])  # class 3 has one sample


def views(n: int = len(Y), d: int = 5, seed: int = 0) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    z = torch.randn(n, d, generator=g, dtype=torch.float64)
    return tuple((z + 0.5 * torch.randn(n, d, generator=g, dtype=torch.float64)).requires_grad_() for _ in range(2))


def by_the_definition(name: str, z1: Tensor, z2: Tensor, y: Tensor, t: float, one_view=False, clamp=math.inf) -> Tensor:
    """The loss anchor by anchor and positive by positive."""
    n = len(y)
    anchors, candidates = ([*z1], [*z2]) if one_view else ([*z1, *z2],) * 2
    classes, terms = y.tolist() * (1 if one_view else 2), []
    for i, a in enumerate(anchors):
        s = [torch.cosine_similarity(a, c, dim=0) / t for c in candidates]
        positives = [j for j in range(len(s)) if classes[j] == classes[i] and (one_view or j != i)]
        negatives = [j for j in range(len(s)) if classes[j] != classes[i]]
        own = i if one_view else (i + n) % (2 * n)
        apart = sum(s[j].exp() for j in negatives)
        near = sum(s[j].exp() for j in positives)
        pull = [s[p].clamp(max=clamp) for p in positives]
        found = {
            "sup_con": sum(torch.log(near + apart) - q for q in pull) / len(pull),
            "attract": sum(torch.log(s[p].exp() + apart) - q for p, q in zip(positives, pull, strict=True)) / len(pull),
            "repel": torch.log(near) - s[own],
        }
        found["spread"] = 0.3 * found["attract"] + 0.7 * found["repel"]
        terms.append(found[name])
    return sum(terms) / len(terms)


def close(ours: Tensor, theirs: Tensor, z: tuple[Tensor, Tensor], tolerance: float = 1e-10) -> None:
    assert ours.item() == pytest.approx(theirs.item(), abs=tolerance)
    for a, b in zip(torch.autograd.grad(ours, z), torch.autograd.grad(theirs, z), strict=True):
        assert torch.allclose(a, b, atol=tolerance)


@pytest.mark.parametrize("one_view", [False, True])
@pytest.mark.parametrize("name", ALL)
def test_the_definition(name, one_view):
    z = views()
    close(ALL[name](*z, Y, 0.4, one_view=one_view), by_the_definition(name, *z, Y, 0.4, one_view), z)


@pytest.mark.parametrize("name", CLAMPED)
def test_the_clamp_of_the_released_code(name):
    z = views(seed=1)
    found = CLAMPED[name](*z, Y, 0.4, one_view=True, clamp=1.0)
    close(found, by_the_definition(name, *z, Y, 0.4, True, 1.0), z)
    assert abs(float(found.detach() - CLAMPED[name](*z, Y, 0.4, one_view=True).detach())) > 1e-3


@pytest.mark.parametrize("block", [1, 3, 20, 64])
@pytest.mark.parametrize("one_view", [False, True])
@pytest.mark.parametrize("name", ALL)
def test_blocks_give_the_same_value_and_gradient(name, one_view, block):
    z, loss = views(), partial(ALL[name], one_view=one_view)
    close(loss(*z, Y, 0.4, block=block), loss(*z, Y, 0.4), z, 1e-12)


def test_sup_con_is_that_of_pytorch_metric_learning():
    z = views()
    close(sup_con(*z, Y, 0.3), metric.SupConLoss(temperature=0.3)(torch.cat(z), Y.repeat(2)), z)


def test_attract_is_the_ntxent_of_pytorch_metric_learning():
    z, y = views(12), torch.arange(12) % 3  # there a mean over pairs, here over anchors: the same in equal classes
    close(attract(*z, y, 0.3), metric.NTXentLoss(temperature=0.3)(torch.cat(z), y.repeat(2)), z)


@pytest.mark.parametrize("loss", [sup_con, attract, partial(spread, alpha=1.0)])
def test_without_shared_classes_they_are_simclr(loss):
    import lightly.loss as lightly

    z, y = views(), torch.arange(len(Y))
    close(loss(*z, y, 0.3), nt_xent(*z, 0.3), z)
    close(loss(*z, y, 0.3), lightly.NTXentLoss(temperature=0.3)(*z), z)
    assert repel(*z, y, 0.3).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("t", [0.3, 0.5, 1.0])
def test_evenly_spread_classes_on_the_circle(t):
    """Every class evenly on the circle: sums over it are n I0(1/t), as good as exactly; the mean over p an integral."""
    n, k = 240, 3
    turn = torch.arange(n * k, dtype=torch.float64) * (2 * math.pi / (n * k))
    z, y, even = torch.stack([turn.cos(), turn.sin()], 1), torch.arange(n * k) % k, float(i0(1 / t))
    near, apart = 2 * n * even - math.exp(1 / t), 2 * n * (k - 1) * even
    pull = -1 / t / (2 * n - 1)  # the mean cosine over the positives: all of the class but the anchor itself
    pairs = quad(lambda a: math.log(math.exp(math.cos(a) / t) + apart), 0, math.pi, epsabs=1e-13)[0] / math.pi
    pairs = (2 * n * pairs - math.log(math.exp(1 / t) + apart)) / (2 * n - 1)
    assert sup_con(z, z, y, t).item() == pytest.approx(math.log(near + apart) - pull, abs=1e-11)
    assert repel(z, z, y, t).item() == pytest.approx(math.log(near) - 1 / t, abs=1e-11)
    assert attract(z, z, y, t).item() == pytest.approx(pairs - pull, abs=1e-11)


@pytest.mark.parametrize("name", ALL)
def test_one_class_has_no_negatives(name):
    z, y = views(4), torch.zeros(4, dtype=torch.long)
    value = ALL[name](*z, y, 0.5)
    assert all(torch.isfinite(g).all() for g in torch.autograd.grad(value, z, retain_graph=True))
    if name == "attract":
        assert value.item() == 0 and max(float(g.abs().max()) for g in torch.autograd.grad(value, z)) == 0


def test_one_sample_is_its_own_positive():
    z, y = views(1), torch.zeros(1, dtype=torch.long)
    assert [loss(*z, y, 0.5).item() for loss in ALL.values()] == pytest.approx([0, 0, 0, 0], abs=1e-12)


@pytest.mark.parametrize("loss", [sup_con, attract, repel, spread])
@pytest.mark.parametrize(
    "change, word",
    [
        ({"z2": torch.zeros(3, 2)}, r"z2 is float32 of shape \(3, 2\).* N = 4"),
        ({"y": torch.zeros(3, dtype=torch.long)}, r"\(4,\), whole numbers"),
        ({"y": torch.zeros(4)}, "float32"),
        ({"temperature": 0.0}, "temperature=0.0"),
        ({"block": 0}, "block=0"),
    ],
)
def test_bad_input_is_named(loss, change, word):
    given = {"z1": torch.eye(4), "z2": torch.eye(4), "y": torch.arange(4), "temperature": 0.5}
    with pytest.raises(ValueError, match=word):
        loss(**given | change)


@pytest.mark.parametrize("alpha", [-0.1, 1.1, math.nan])
def test_alpha_outside_the_unit_interval_is_named(alpha):
    with pytest.raises(ValueError, match="alpha="):
        spread(torch.eye(4), torch.eye(4), torch.arange(4), 0.5, alpha)


def test_blocks_keep_memory_low():
    """The graph of the blocked loss keeps no matrix of logits."""
    z, y, kept = views(256, 4), torch.arange(256) % 4, []

    def note(t: Tensor) -> Tensor:
        kept.append(t.numel())
        return t

    for block in (None, 32):
        kept.append(0)
        with torch.autograd.graph.saved_tensors_hooks(note, lambda t: t):
            spread(*z, y, 0.5, block=block)
        if block is None:
            assert max(kept) >= 512 * 512
            kept.clear()
    assert max(kept) <= 512 * 4


@pytest.mark.parametrize("block", [None, 5, 100])
@pytest.mark.parametrize("loss", [sup_con, attract, repel, spread])
def test_many_nets_at_once_are_each_net_alone(loss, block):
    generator = torch.Generator().manual_seed(3)
    z1, z2 = torch.randn(2, 2, 3, 8, 4, generator=generator, dtype=torch.float64)
    y = torch.randint(0, 3, (2, 3, 8), generator=generator)
    for labels in (y, y[0, 0]):
        found = loss(z1, z2, labels, 0.4, block=block)
        assert found.shape == (2, 3)
        for i, j in ((0, 0), (1, 2)):
            own = labels if labels.ndim == 1 else labels[i, j]
            assert float(found[i, j]) == pytest.approx(float(loss(z1[i, j], z2[i, j], own, 0.4)), abs=1e-12)


def test_alpha_may_differ_by_net():
    z1, z2 = torch.randn(2, 3, 8, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    y, alpha = torch.arange(8) % 3, torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64)
    found = spread(z1, z2, y, 0.4, alpha, block=16).tolist()
    assert found == pytest.approx([float(spread(z1[i], z2[i], y, 0.4, float(a))) for i, a in enumerate(alpha)])
    with pytest.raises(ValueError, match="is outside"):
        spread(z1, z2, y, 0.4, alpha + 0.1)


def test_blocks_refuse_a_temperature_whose_exponentials_overflow():
    z = torch.eye(4)
    with pytest.raises(ValueError, match=r"temperature=0\.01: its exponentials leave torch\.float32"):
        sup_con(z, z, torch.arange(4), 0.01, block=2)
