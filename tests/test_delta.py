"""lib.losses.delta: the optimum of each loss on a random table, its value there, reference forms, bad input."""

import itertools
import math

import pytest
import torch

from lib.losses import delta

TABLE = {
    "nce": delta.nce,
    "scl": delta.scl,
    "nwj": delta.nwj,
    "order 0.5": lambda t, j: delta.order(t, 0.5, j),
    "order 0.75": lambda t, j: delta.order(t, 0.75, j),
    "order 1.5": lambda t, j: delta.order(t, 1.5, j),
    "dv": delta.dv,
    "log_scl": delta.log_scl,
}


def table(size: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    """A random joint density, not symmetric, and log r."""
    generator = torch.Generator().manual_seed(3)
    joint = torch.rand(size, size, generator=generator, dtype=torch.float64) ** 2 + 0.01
    joint /= joint.sum()
    return joint, joint.log() - (joint.sum(1)[:, None] * joint.sum(0)).log()


def moves(size: int, count: int = 100) -> torch.Tensor:
    generator = torch.Generator().manual_seed(4)
    return 0.01 * torch.randn(count, size, size, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("name", TABLE)
def test_the_stated_optimum_has_no_gradient_and_every_move_raises_the_loss(name):
    joint, log_r = table()
    t = (log_r + (name == "nwj")).requires_grad_()
    here = TABLE[name](t, joint)
    (gradient,) = torch.autograd.grad(here, t)
    assert gradient.abs().max() < 1e-10
    assert (TABLE[name](t.detach() + moves(12), joint) > here).all()


def test_the_values_at_the_optimum_are_those_of_the_docstrings():
    joint, log_r = table()
    product, information = joint.sum(1)[:, None] * joint.sum(0), (joint * log_r).sum()
    chi2 = (product * log_r.exp().square()).sum() - 1
    middle = (joint + product) / 2
    js = (joint * (joint / middle).log()).sum() / 2 + (product * (product / middle).log()).sum() / 2
    found = {name: float(loss(log_r + (name == "nwj"), joint)) for name, loss in TABLE.items()}
    assert found["nce"] == pytest.approx(float(2 * math.log(2) - 2 * js))
    assert found["scl"] == pytest.approx(float(-1 - chi2))
    assert [found["nwj"], found["dv"]] == pytest.approx([float(-information)] * 2)
    assert found["log_scl"] == pytest.approx(float(-(1 + chi2).log()))
    for a in (0.5, 0.75, 1.5):
        assert found[f"order {a}"] == pytest.approx(float(-(product * (a * log_r).exp()).sum() / (a * (a - 1))))


@pytest.mark.parametrize("direction", delta.DIRECTIONS)
def test_info_nce_is_least_at_log_r_and_what_it_leaves_free(direction):
    """Its expectation over batches of two pairs, by enumeration of all of them on a table of four values."""
    joint, log_r = table(4)
    batches = torch.tensor(list(itertools.product(range(4), repeat=4)))  # x, x̃, x', x̃'
    rows, columns = batches[:, [0, 2]], batches[:, [1, 3]]
    weight = joint[rows, columns].prod(1)

    def loss(t):
        return (weight * delta.info_nce(t[rows[:, :, None], columns[:, None]], direction)).sum()

    free = torch.randn(4, 1, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    c = {"forward": free, "reversed": free.mT, "both": torch.tensor(0.7)}[direction]
    t = (log_r + c).requires_grad_()
    (gradient,) = torch.autograd.grad(loss(t), t)
    assert gradient.abs().max() < 1e-10
    assert float(loss(log_r + c)) == pytest.approx(float(loss(log_r)), abs=1e-14)
    axes = {"forward": (1,), "reversed": (0,), "both": (0, 1)}[direction]
    inside = [m - m.mean(axes, True) for m in moves(4)]
    assert all(loss(log_r + m) > loss(log_r) for m in inside)


def test_batches_agree_with_the_formula_pair_by_pair():
    t = torch.randn(2, 5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    pos = torch.stack([t[:, i, i] for i in range(5)], 1)
    neg = torch.stack([t[:, i, j] for i in range(5) for j in range(5) if i != j], 1)
    soft = torch.nn.functional.softplus
    torch.testing.assert_close(delta.nce(t), soft(-pos).mean(1) + soft(neg).mean(1))
    torch.testing.assert_close(delta.scl(t), (2 * neg).exp().mean(1) - 2 * pos.exp().mean(1))
    torch.testing.assert_close(delta.nwj(t), (neg - 1).exp().mean(1) - pos.mean(1))
    torch.testing.assert_close(delta.order(t, 2), delta.scl(t) / 2)
    torch.testing.assert_close(delta.dv(t), neg.exp().mean(1).log() - pos.mean(1))
    torch.testing.assert_close(delta.log_scl(t), (2 * neg).exp().mean(1).log() - 2 * pos.exp().mean(1).log())
    labels = torch.arange(5)
    entropy = [torch.nn.functional.cross_entropy(one, labels) for one in t]
    torch.testing.assert_close(delta.info_nce(t), torch.stack(entropy))
    torch.testing.assert_close(delta.info_nce(t, "reversed"), delta.info_nce(t.mT))
    own = torch.stack([neg[:, 4 * i : 4 * i + 4].exp().mean(1).log() for i in range(5)], 1)
    torch.testing.assert_close(delta.decoupled(t), (own - pos).mean(1))


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
def test_distances_have_a_gradient_at_zero(p):
    z = torch.rand(3, 4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    d = delta.distance(z, z, p, 0.1)
    expected = (z[:, :, None] - z[:, None]).abs().pow(p).sum(-1) / 0.1
    torch.testing.assert_close(d, expected, atol=1e-12, rtol=1e-9)
    (gradient,) = torch.autograd.grad(d.sum(), z)
    assert gradient.isfinite().all()


def test_the_score_subtracts_each_function_on_its_own_side():
    d, beta = torch.rand(2, 3, 3), torch.tensor([1.0, 2.0])
    rows, columns = torch.rand(2, 3), torch.rand(2, 3)
    t = delta.score(d, beta, rows, columns)
    torch.testing.assert_close(t[1, 0, 2], beta[1] - d[1, 0, 2] - rows[1, 0] - columns[1, 2])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: delta.distance(torch.rand(2, 2), torch.rand(2, 2), 0.5, 0.1), "order=0.5: a number from 1"),
        (lambda: delta.distance(torch.rand(2, 2), torch.rand(2, 2), 1, 0.0), "scale=0.0"),
        (lambda: delta.info_nce(torch.rand(1, 1)), "t is float32 of shape (1, 1)"),
        (lambda: delta.nce(torch.rand(3, 2)), "t is float32 of shape (3, 2)"),
        (lambda: delta.info_nce(torch.rand(3, 3), "up"), "direction='up'"),
        (lambda: delta.order(torch.rand(3, 3), 1), "a=1: the loss has no value"),
        (lambda: delta.nwj(torch.rand(3, 3), torch.rand(2, 2)), "joint is float32 of shape (2, 2)"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value)
