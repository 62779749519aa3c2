"""lib.strata.measures and lib.strata.gaussian against plain loops, other libraries and losses of the library."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import NearestCentroid

from lib.encoders import label_stacks
from lib.encoders.label_stacks import Course, Net
from lib.images.sets import Images
from lib.losses import supervised
from lib.strata import gaussian, measures
from lib.studies.shared import uneven

Y = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 1])
S = torch.tensor([0, 0, 2, 2, 1, 1, 3, 3, 3])
Z = torch.randn(2, 9, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_cosines_within_classes_and_across_strata_by_loops():
    inside, across = measures.within_classes(Z, Y), measures.across_strata(Z, Y, S)
    for e in range(2):
        c = cosine_similarity(Z[e])
        for k in range(2):
            rows = [i for i in range(9) if Y[i] == k]
            pairs = [(i, j) for i in rows for j in rows if i != j]
            assert float(inside[e, k]) == pytest.approx(np.mean([c[i, j] for i, j in pairs]))
            apart = [c[i, j] for i, j in pairs if S[i] != S[j]]
            assert float(across[e, k]) == pytest.approx(np.mean(apart))


@pytest.mark.parametrize("even", [False, True])
def test_cosine_to_the_centre_by_loops(even):
    found = measures.to_centre(Z, Y, S, even)
    unit = torch.nn.functional.normalize(Z[1], dim=1)
    for s in range(4):
        k = int(Y[s == S][0])
        means = [unit[t == S].mean(0) for t in set(S[k == Y].tolist())]
        centre = torch.stack(means).mean(0) if even else unit[k == Y].mean(0)
        wanted = (unit[s == S] @ centre / centre.norm()).mean()
        assert float(found[1, s]) == pytest.approx(float(wanted))


def test_a_map_keeps_two_far_groups_apart_and_does_not_change():
    z = torch.randn(24, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 0.1
    z[:12, 0], z[12:, 1] = z[:12, 0] + 3, z[12:, 1] + 3
    found = measures.tsne(z)
    apart, own = torch.cdist(found[:12], found[12:]).min(), torch.cdist(found[:12], found[:12]).max()
    assert found.shape == (24, 2) and apart > own and torch.equal(found, measures.tsne(5 * z))


def test_bad_strata():
    with pytest.raises(ValueError, match="of one class"):
        measures.to_centre(Z, Y, torch.zeros(9, dtype=torch.long))
    with pytest.raises(ValueError, match="at least 2"):
        measures.within_classes(Z, torch.tensor([0, 1, 1, 1, 1, 1, 1, 1, 1]))


def test_the_stacked_loss_is_that_of_each_network():
    z = torch.nn.functional.normalize(torch.randn(3, 2, 10, 5, dtype=torch.float64), dim=-1)
    y = torch.tensor([0, 0, 1, 1, 1, 0, 2, 2, 0, 1])
    alpha, which = torch.tensor([0.3, 1.0, 0.5], dtype=torch.float64), torch.tensor([False, False, True])
    found = gaussian.loss(z[:, 0], z[:, 1], y, 0.5, alpha, which).tolist()
    kinds = (lambda a, b: supervised.spread(a, b, y, 0.5, 0.3), lambda a, b: supervised.attract(a, b, y, 0.5))
    kinds += (lambda a, b: supervised.sup_con(a, b, y, 0.5),)
    assert found == pytest.approx([float(f(*z[i])) for i, f in enumerate(kinds)])


def test_sets_have_the_sizes_of_the_paper_and_fresh_points_the_same_strata():
    seen, fresh = gaussian.draw([3, 4]), gaussian.draw([3, 4], fresh=True)
    assert torch.bincount(seen.stratum).tolist() == [500, 250, 100, 50, 50] * 2
    assert (seen.y == seen.stratum // 5).all()
    assert not torch.equal(seen.x, fresh.x)
    for s in (0, 5):
        gap = seen.x[:, seen.stratum == s].mean(1) - fresh.x[:, fresh.stratum == s].mean(1)
        assert float(gap.abs().max()) < 0.35  # standard error 0.063


def test_a_network_of_a_stack_is_what_it_is_alone():
    """Whatever stands beside it: points, start and the noise of the views are drawn by its seed, batches are common."""
    few, three = replace(gaussian.TRAINING, steps=30), gaussian.draw([0, 1, 2])
    alpha, which = torch.tensor([0.25, 0.5, 0.25]), torch.tensor([False, True, False])
    start = gaussian.train(three, [0, 1, 2], alpha, which, replace(few, steps=0))(three.x)
    z = gaussian.train(three, [0, 1, 2], alpha, which, few)(three.x)
    assert float((z - start).abs().max()) > 0.1, "it has moved"
    for order in ([2], [2, 0], [1, 2, 0, 2]):
        data = gaussian.draw(order)
        other = gaussian.train(data, order, alpha[order], which[order], few)(data.x)
        assert torch.allclose(other, z[order], atol=1e-5)


def test_rounding_that_training_enlarges_stays_small():
    """Points off by one part in 2^23, as rounding may have them; the networks of the page, three seeds."""
    seeds = [0, 1, 2] * 3
    alpha, which = torch.tensor([1.0, 0.5, 0.25]).repeat_interleave(3), torch.arange(9) < 3
    seen, fresh = gaussian.draw(seeds), gaussian.draw(seeds, fresh=True)
    nets = [gaussian.train(replace(seen, x=x), seeds, alpha, which) for x in (seen.x, seen.x * (1 + 2**-23))]
    one, other = (measures.to_centre(net(fresh.x), fresh.y, fresh.stratum) for net in nets)
    assert 0 < float((one - other).abs().max()) < 0.01
    assert float((gaussian.lag(one) - gaussian.lag(other)).abs().max()) < 0.005


def test_how_much_farther_the_rarest_strata_are_and_what_their_classes_are_told_apart_by():
    cosine = torch.tensor([0.9, 0.0, 0.0, 0.4, 0.2, 0.8, 0.0, 0.0, 0.6, 0.6])  # commonest, two between, two rarest
    assert float(gaussian.lag(cosine)) == pytest.approx(((0.9 - 0.3) + (0.8 - 0.6)) / 2)
    seen, fresh = gaussian.draw([5]), gaussian.draw([5], fresh=True)
    nearest = NearestCentroid().fit(seen.x[0], seen.y).predict(fresh.x[0])
    unit = gaussian.accuracy(lambda x: x - x.mean(1, keepdim=True), seen, fresh)
    assert float(unit) == pytest.approx(float((torch.tensor(nearest) == fresh.y).double().mean()), abs=0.02)


def test_rank_correlation_is_scipys():
    cosine = torch.rand(3, 10, generator=torch.Generator().manual_seed(2))
    found = gaussian.rank_correlation(cosine)
    wanted = [np.mean([spearmanr(gaussian.SIZES, row[5 * k : 5 * k + 5])[0] for k in range(2)]) for row in cosine]
    assert found.tolist() == pytest.approx(wanted)


def test_which_digit_is_rare_is_drawn_and_sizes_are_as_said():
    y = torch.arange(10).repeat_interleave(110)
    orders = []
    for seed in (0, 1):
        rows, order = uneven.drawn(y, seed)
        counts = torch.bincount(y[rows], minlength=10)
        assert counts[order].tolist() == [*uneven.SIZES, *uneven.SIZES] and len(rows.unique()) == len(rows)
        assert set(order[:5].tolist()) == set(range(5))
        orders.append(order.tolist())
    assert orders[0] != orders[1]


def test_cosines_of_unequal_digits_stand_in_the_order_of_their_sizes():
    found = uneven.trained({"SupCon": (1.0, True), "L_spread": (0.25, False)}, [3], Course(steps=2))
    assert found.cosine.shape == (2, 1, 10) and found.accuracy.shape == (2, 1)
    digits, held = label_stacks.small_images("digits")
    rows, order = uneven.drawn(digits.y, 3)
    train = Images(digits.x, (digits.y >= 5).long(), ("low", "high"))
    net = Net("spread", 3, rows, train.y, torch.ones(len(digits), dtype=torch.bool), 0.25)
    z = label_stacks.train(train, [net], Course(steps=2))[0].outputs(held.x)[0][0].double()
    unit = torch.nn.functional.normalize(z, dim=1)
    means = torch.stack([unit[held.y == d].mean(0) for d in order.tolist()])
    for k in range(2):
        centre = means[5 * k : 5 * k + 5].mean(0)
        assert torch.allclose(
            found.cosine[1, 0, 5 * k : 5 * k + 5], means[5 * k : 5 * k + 5] @ centre / centre.norm(), atol=1e-3
        )
