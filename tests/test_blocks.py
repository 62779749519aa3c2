"""lib.sbm.blocks: graphs have the edges they should, the loss against a plain loop, optima against the population."""

import numpy as np
import pytest
import torch
from scipy import sparse

from lib import sbm
from lib.sbm import blocks

ALPHA = np.array([[0.95, 0.4, 0.0], [0.4, 0.95, 0.0], [0.0, 0.0, 0.95]])


def small(packed=False):
    return blocks.sample_graph((20, 15, 10), ALPHA, seed=3, packed=packed)


def unit(n, d, seed=0):
    return torch.nn.functional.normalize(
        torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)), dim=1
    )


@pytest.mark.parametrize("packed", [False, True])
def test_a_graph_has_the_blocks_densities_and_no_loops(packed):
    sizes = (200, 100, 50)
    e = blocks.sample_graph(sizes, ALPHA, seed=1, packed=packed).toarray().astype(float)
    assert (e == e.T).all() and (e.diagonal() == 0).all() and set(np.unique(e)) == {0, 1}
    starts = np.cumsum([0, *sizes])
    for a in range(3):
        for b in range(3):
            part = e[starts[a] : starts[a + 1], starts[b] : starts[b + 1]]
            pairs = part.size - (len(part) if a == b else 0)
            sd = (ALPHA[a, b] * (1 - ALPHA[a, b]) * (2 if a == b else 1) / pairs) ** 0.5
            assert abs(part.sum() / pairs - ALPHA[a, b]) <= 4 * sd
    same = blocks.sample_graph(sizes, ALPHA, seed=1, packed=packed).toarray()
    assert (same == e).all() and (blocks.sample_graph(sizes, ALPHA, seed=2, packed=packed).toarray() != e).any()


def test_every_pair_within_a_block_can_be_an_edge():
    assert blocks.sample_graph((7, 5), np.ones((2, 2))).toarray().sum() == 12 * 11
    pairs = {tuple(int(v) for v in pair) for pair in zip(*blocks._pair(np.arange(45)), strict=True)}
    assert pairs == {(i, j) for j in range(10) for i in range(j)}
    big = np.array([2**52 + 1], dtype=np.int64)
    i, j = blocks._pair(big)
    assert 0 <= i[0] < j[0] and i[0] + j[0] * (j[0] - 1) // 2 == big[0]


def test_bits_multiply_like_the_matrix(monkeypatch):
    graph, x = small(packed=True), np.random.default_rng(0).normal(size=(45, 4))
    assert np.allclose(graph @ x, graph.toarray().astype(float) @ x)
    monkeypatch.setattr(blocks, "ENTRIES", 45 * 7)  # seven rows at a time
    assert np.allclose(graph @ x, graph.toarray().astype(float) @ x)
    assert graph.bits.nbytes == 45 * 6


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_loss_and_gradient_are_those_of_the_formula(packed, weighted, monkeypatch):
    graph, tau = small(packed), 0.6
    e = torch.from_numpy(graph.toarray().astype(float))
    u = torch.rand(45, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) + 0.2
    u = u / u.mean() if weighted else torch.ones(45, dtype=torch.float64)
    v = unit(45, 4).requires_grad_()
    loss = torch.zeros((), dtype=torch.float64)
    for i in range(45):
        near = sum(e[i, j] * u[j] * (v[i] @ v[j]) for j in range(45)) / (e[i] @ u)
        loss = loss + u[i] / 45 * (torch.log((u * torch.exp(v @ v[i] / tau)).mean()) - near / tau)
    (gradient,) = torch.autograd.grad(loss, v)
    monkeypatch.setattr(blocks, "ENTRIES", 45 * 8)
    found = blocks.FiniteProblem(graph, tau, u.numpy() * 3 if weighted else None)(v.detach())
    assert found[0] == pytest.approx(loss.item(), abs=1e-12) and torch.allclose(found[1], gradient, atol=1e-13)


def test_the_optimum_is_certified_and_its_gap_is_a_bound():
    graph = small()
    found = blocks.finite_optimum(graph, 6)
    assert found.certificate.converged and float(found.certificate.gap) < 1e-6
    problem = blocks.FiniteProblem(graph, 1.0)
    one_point = unit(1, 6).expand(45, 6).contiguous()  # critical, and the worst of all
    assert problem.dual_gap(one_point) > problem(one_point)[0] - float(found.loss) > 0
    again = blocks.finite_optimum(graph, 9, seed=5)
    assert float(again.loss) == pytest.approx(float(found.loss), abs=1e-6)
    assert torch.allclose(again.cosines, found.cosines, atol=1e-2)


def test_large_blocks_stand_as_in_the_population():
    sizes = torch.tensor([64, 256, 256])
    found = blocks.finite_optimum(blocks.sample_graph(sizes.tolist(), ALPHA, seed=0), 10)
    mean, spread = blocks.block_cosines(found.vectors, sizes)
    truth = sbm.population_optimum(sizes.double() / sizes.sum(), ALPHA).cosines
    assert (mean - truth).abs().max() < 0.02 and spread.diagonal().max() < 0.02


def test_weights_by_block_balance_the_geometry():
    sizes = torch.tensor([64, 128, 128])
    weights = (1 / sizes.double()).repeat_interleave(sizes)
    found = blocks.finite_optimum(blocks.sample_graph(sizes.tolist(), ALPHA, seed=0), 6, weights=weights.numpy())
    mean, _ = blocks.block_cosines(found.vectors, sizes)
    equal = sbm.population_optimum(torch.full((3,), 1 / 3, dtype=torch.float64), ALPHA).cosines
    assert (mean - equal).abs().max() < 0.03


def test_bad_graphs_and_settings_are_refused():
    lonely = sparse.csr_array((np.ones(2), ([0, 1], [1, 0])), shape=(3, 3))
    for call, message in (
        (lambda: blocks.finite_optimum(lonely, 2), "node 2 has no edge"),
        (lambda: blocks.finite_optimum(small(), 0), "dim=0"),
        (lambda: blocks.finite_optimum(small(), 2, tau=-1.0), "tau=-1.0"),
        (lambda: blocks.finite_optimum(small(), 2, weights=np.zeros(45)), "positive number for each of 45"),
        (lambda: blocks.sample_graph((3, 0), np.eye(2)), r"sizes=\[3.0, 0.0\]"),
        (lambda: blocks.sample_graph((3, 3), np.eye(3)), "a row for each of 2"),
        (lambda: blocks.sample_graph((3, 3), 2 * np.eye(2)), r"in \[0, 1\]"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
