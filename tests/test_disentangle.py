"""lib.disentangle: samplers against scipy, metrics against a second form, rooms, the offset, training."""

import itertools

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from lib import disentangle as di
from lib.disentangle import latents, recovery


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("order", "scale", "law"),
    [
        (1, 0.1, stats.laplace(scale=0.1)),
        (2, 2 * 0.15**2, stats.norm(scale=0.15)),
        (3, 0.01, stats.gennorm(3, scale=0.01 ** (1 / 3))),
    ],
)
@pytest.mark.parametrize("centre", [0.02, 0.5, 1.0])
def test_the_second_view_has_the_law_cut_to_the_box(order, scale, law, centre):
    s = np.full((20_000, 2), centre)
    found = di.Process(di.box(2), order, scale).second(s, rng())
    low, high = law.cdf(-centre), law.cdf(1 - centre)

    def cut(x):
        return (law.cdf(np.asarray(x) - centre) - low) / (high - low)

    assert all(stats.kstest(found[:, i], cut).pvalue > 1e-3 for i in range(2))
    assert abs(np.corrcoef(found.T)[0, 1]) < 0.03 and found.min() >= 0 and found.max() <= 1


def test_the_marginals_have_their_laws():
    box = di.box(2)
    assert stats.kstest(di.uniform(box, 20_000, rng())[:, 1], "uniform").pvalue > 1e-3
    falling = stats.truncexpon(4, scale=0.25)
    assert stats.kstest(di.skewed(box, 20_000, rng())[:, 0], falling.cdf).pvalue > 1e-3
    s = di.corner(0.05)(box, 100_000, rng())
    inside = 0.05 * 0.16 / (1 - 0.95 * 0.16)
    assert (s > 0.6).all(1).mean() == pytest.approx(inside, abs=0.001)
    assert np.corrcoef(di.pairs(di.box(4), 40_000, rng()).T)[[0, 2], [1, 3]] == pytest.approx([0.85, 0.85], abs=0.01)


def test_pairs_have_the_density_of_their_formula():
    u = di.pairs(di.box(2), 40_000, rng())

    def density(u, v):
        return np.exp(-8 * abs(u - v))

    at = (np.arange(500) + 0.5) / 500
    mass = density(at[:, None], at)
    share = mass[:150, :150].sum() / mass.sum()
    assert (u < 0.3).all(1).mean() == pytest.approx(share, abs=0.008)


def test_a_dependent_conditional_is_the_product_of_q_and_the_distance():
    s = np.full((40_000, 2), [0.3, 0.6])
    found = di.Process(di.box(2), 1, 0.15, dependent=True).second(s, rng())

    def density(u, v):
        return np.exp(-8 * abs(u - v) - (abs(u - 0.3) + abs(v - 0.6)) / 0.15)

    whole, part = (integrate.dblquad(density, 0, end, 0, 1)[0] for end in (1, 0.5))
    assert (found[:, 1] < 0.5).mean() == pytest.approx(part / whole, abs=0.01)


def test_a_second_view_in_rooms_goes_to_each_with_its_mass():
    rooms = di.grid(2, 0.3)
    s = np.full((40_000, 2), [0.25, 0.1])
    found = di.Process(rooms, 1, 0.4).second(s, rng())
    law = stats.laplace(scale=0.4)
    mass = [[law.cdf(b - c) - law.cdf(a - c) for a, b in ((0, 0.3), (0.7, 1))] for c in (0.25, 0.1)]
    for i, j in itertools.product(range(2), repeat=2):
        share = mass[0][i] * mass[1][j] / (sum(mass[0]) * sum(mass[1]))
        assert ((found[:, 0] > 0.5) == i)[(found[:, 1] > 0.5) == j].sum() / 40_000 == pytest.approx(share, abs=0.01)
    inside = ((found[:, None] >= rooms[..., 0]) & (found[:, None] <= rooms[..., 1])).all(2).sum(1)
    assert (inside == 1).all()


def test_a_scale_that_depends_on_the_place_is_that_of_the_place():
    process = di.Process(di.box(2), 1, 0.1, stretch=lambda s: np.stack([1 + s[:, 1], np.ones(len(s))], 1))
    found = process.second(np.full((20_000, 2), [0.5, 0.8]), rng())
    for i, scale in ((0, 0.18), (1, 0.1)):
        law, centre = stats.laplace(scale=scale), (0.5, 0.8)[i]
        low, high = law.cdf(-centre), law.cdf(1 - centre)
        cut = (law.cdf(found[:, i] - centre) - low) / (high - low)
        assert stats.kstest(cut, "uniform").pvalue > 1e-3


def test_a_walk_keeps_the_uniform_law_and_has_laplace_steps():
    s, later = di.Walk(5).draw(20_000, rng())
    assert all(stats.kstest(x[:, i], "uniform").pvalue > 1e-3 for x in (s, later) for i in range(3))
    s, later = di.Walk(1).draw(20_000, rng())
    inside = (s > 0.4) & (s < 0.6)
    assert stats.kstest((later - s)[inside], stats.laplace(scale=0.03).cdf).pvalue > 1e-3
    far = np.abs(np.subtract(*di.Walk(5).draw(20_000, rng()))).mean()
    assert far > 1.4 * np.abs(later - s).mean()


def test_a_mask_shows_where_and_how_large_its_ellipse_is():
    s = torch.tensor([[[0.5, 0.5, 0.0], [0.5, 0.5, 1.0], [1.0, 0.5, 0.5], [0.5, 1.0, 0.5]]])
    m = di.Masks()(s)[0].unflatten(1, (16, 16))
    area = m.sum((1, 2))
    line = (torch.arange(16) + 0.5) / 16
    along, across = (m.sum(2) @ line) / area, (m.sum(1) @ line) / area
    assert area[1] > 3 * area[0] and m.min() >= 0 and m.max() <= 1
    assert along.tolist() == pytest.approx([0.5, 0.5, 0.75, 0.5], abs=0.02)
    assert across.tolist() == pytest.approx([0.5, 0.5, 0.5, 0.8], abs=0.02)


@pytest.mark.parametrize(("n", "floor"), [(2, 0.894), (4, 0.771), (10, 0.588), (20, 0.471)])
def test_a_random_rotation_has_the_known_mcc(n, floor):
    draw, s = rng(7), rng(8).random((4096, n))
    count = {2: 2000, 4: 400}.get(n, 150)
    found = [di.mcc(s, s @ np.linalg.qr(draw.standard_normal((n, n)))[0]) for _ in range(count)]
    assert np.mean(found) == pytest.approx(floor, abs=0.01)


def test_mcc_is_the_best_of_all_permutations():
    s = rng(1).random((300, 4))
    z = s @ rng(2).standard_normal((4, 5)) + 0.1 * rng(3).standard_normal((300, 5))
    corr = np.abs(np.corrcoef(s.T, z.T)[:4, 4:])
    assert di.mcc(s, z) == pytest.approx(
        max(corr[range(4), list(p)].mean() for p in itertools.permutations(range(5), 4))
    )
    assert di.mcc(s, z**3, ranks=True) == pytest.approx(di.mcc(s, z, ranks=True))
    spearman = np.abs(stats.spearmanr(s, z).statistic[:4, 4:])
    np.testing.assert_allclose(recovery.correlations(s, z, ranks=True), spearman)


def test_a_constant_code_recovers_nothing():
    s = rng(1).random((300, 2))
    assert di.mcc(s, np.column_stack([s[:, 1], np.ones(300)])) == pytest.approx(0.5)
    assert di.r2(s, np.ones((300, 2))) < 0.01


def test_r2_agrees_with_scikit_learn():
    from sklearn.linear_model import LinearRegression
    from sklearn.metrics import r2_score

    s = rng(1).random((400, 3))
    z = s @ rng(2).standard_normal((3, 3)) + 0.3 * rng(3).standard_normal((400, 3))
    fit = LinearRegression().fit(z[:200], s[:200])
    assert di.r2(s, z) == pytest.approx(r2_score(s[200:], fit.predict(z[200:])))


@pytest.mark.parametrize("degrees", [0, 15, 45])
def test_two_uniform_factors_turned_have_the_closed_forms_of_dci_and_sap(degrees):
    side = (np.arange(150) + 0.5) / 150
    s = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    t = np.radians(degrees)
    found = di.dci(s, s @ np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]]))
    weights = np.maximum(np.array([np.cos(t), np.sin(t)]) - 0.01, 0)  # of the lasso, the codes being uncorrelated
    expected = 1 - stats.entropy(weights, base=2)
    assert found == pytest.approx((expected, expected), abs=1e-6)
    turned = s @ np.array([[np.cos(t), np.sin(t)], [-np.sin(t), np.cos(t)]])
    assert di.sap(s, turned) == pytest.approx(np.cos(2 * t), abs=1e-9)


def test_mig_of_a_table_is_its_closed_form():
    s = np.stack(np.meshgrid(np.arange(20), np.arange(20)), -1).reshape(-1, 2).astype(float)
    assert di.mig(s, -s[:, ::-1]) == pytest.approx(1)
    assert di.mig(s, np.column_stack([s, s])) == pytest.approx(0), "two codes of each factor"
    assert di.mig(s, s // 2) == pytest.approx(np.log(10) / np.log(20))
    assert di.mig(s, np.column_stack([s[:, 0], np.ones(400)])) == pytest.approx(1 / 2)


def test_dci_sap_and_mig_agree_with_a_second_form_on_more_codes_than_factors():
    from sklearn.linear_model import LassoLars, LinearRegression
    from sklearn.metrics import mutual_info_score

    s = rng(1).random((3000, 3))
    z = np.sin(s @ rng(2).standard_normal((3, 5))) + 0.1 * rng(3).standard_normal((3000, 5))
    unit_s, unit_z = ((v - v.mean(0)) / v.std(0) for v in (s, z))
    w = np.abs([LassoLars(alpha=0.01).fit(unit_z, column).coef_ for column in unit_s.T])
    d = [1 - stats.entropy(w[:, j]) / np.log(3) for j in range(5) if w[:, j].any()]
    weighted = np.average(d, weights=[w[:, j].sum() for j in range(5) if w[:, j].any()])
    complete = np.mean([1 - stats.entropy(row) / np.log(5) for row in w])
    assert di.dci(s, z) == pytest.approx((weighted, complete), abs=2e-3)
    alone = [[LinearRegression().fit(z[:, [j]], s[:, i]).score(z[:, [j]], s[:, i]) for j in range(5)] for i in range(3)]
    assert di.sap(s, z) == pytest.approx(np.mean([-np.diff(sorted(row)[-2:][::-1])[0] for row in alone]))
    cut = [[np.histogram(x, 20)[1] for x in v.T] for v in (s, z)]
    bins = [
        [np.searchsorted(e[1:-1], x, "right") for e, x in zip(c, v.T, strict=True)]
        for c, v in zip(cut, (s, z), strict=True)
    ]
    shared = [sorted(mutual_info_score(f, code) / mutual_info_score(f, f) for code in bins[1]) for f in bins[0]]
    assert di.mig(s, z) == pytest.approx(np.mean([row[-1] - row[-2] for row in shared]))


def test_codes_that_are_all_one_point_have_no_dci_sap_and_mig():
    s = rng(1).random((300, 2))
    flat = np.ones((300, 2))
    assert (*di.dci(s, flat), di.sap(s, flat), di.mig(s, flat)) == pytest.approx((0, 0, 0, 0), abs=1e-12)
    assert di.dci(s[:, :1], s[:, :1]) == (1, 1) and di.sap(s[:, :1], s[:, :1]) == pytest.approx(1)


def test_the_gap_is_zero_for_isometries_alone():
    s = rng(1).random((2000, 3))
    turned = s @ np.linalg.qr(rng(2).standard_normal((3, 3)))[0]
    assert di.isometry_gap(s, 1 - s[:, [2, 0, 1]], 1) < 1e-12
    assert di.isometry_gap(s, turned, 2) < 1e-12 < 0.1 < di.isometry_gap(s, turned, 1)
    assert di.isometry_gap(s, 1.5 * s, 1) == pytest.approx(0.5) and di.scale_of(s, 1.5 * s, 1) == pytest.approx(1.5)


def test_an_exchange_in_the_far_room_changes_no_taxicab_distance_on_the_diagonal_and_does_on_the_grid():
    far = di.grid(3, 0.3, diagonal=True)[1]
    changes = {}
    for name, rooms in {"diagonal": di.grid(3, 0.3, diagonal=True), "grid": di.grid(3, 0.3)}.items():
        s = di.uniform(rooms, 1500, rng())
        moved = di.exchange(s, far)
        assert (np.abs(moved - s).max(1) > 0).mean() == pytest.approx(1 / len(rooms), abs=0.05)
        changes[name] = [di.largest_change(s, moved, order) for order in (1, 2)]
    assert changes["diagonal"][0] < 1e-6 and changes["grid"][0] > 0.1
    assert changes["diagonal"][1] > 0.1, "under p = 2 no exchange is free"


@pytest.mark.parametrize(
    ("a", "b", "n", "batch"), [(2, 0.1, 4, 128), (1, 0.1, 4, 128), (2, 0.05, 2, 128), (0.75, 0.1, 4, 128)]
)
def test_the_error_of_the_offset_is_its_closed_form(a, b, n, batch):
    closed = di.error_of_step(a, b, n, batch)
    assert di.simulated_error(a, b, n, batch, 1500, rng()) == pytest.approx(closed, rel=0.25)


def test_the_smallest_scale_is_where_the_first_term_is_one():
    b = di.smallest_scale(2, 4, 128)
    assert b == pytest.approx(0.044, abs=0.001) and (2 / (4 * b)) ** 4 == pytest.approx(128 * 127)


def shared(b: float) -> float:
    """The information of a pair of one factor: the marginal by adaptive quadrature, the rest by Simpson's rule."""
    t = np.linspace(0, 1, 401)

    def density(s, v):
        return np.exp(-abs(s - v) / b) / (b * (2 - np.exp(-s / b) - np.exp((s - 1) / b)))

    marginal = np.array([integrate.quad(density, 0, 1, (v,), points=[v])[0] for v in t])
    inner = [integrate.simpson(density(s, t) * np.log(density(s, t) / marginal), x=t) for s in t]
    return integrate.simpson(inner, x=t)


def test_the_information_of_a_pair_is_that_of_adaptive_quadrature_and_of_the_formula_far_from_the_walls():
    for b in (0.05, 0.2):
        assert di.information(b, 3) == pytest.approx(3 * shared(b), rel=0.005)
    assert di.information(0.01, 1, 4000) == pytest.approx(np.log(50) - 1, abs=0.03)
    b = di.scale_of_batch(4, 128)
    assert di.information(b, 4) == pytest.approx(np.log(128), abs=0.02) and 0.05 < b < 0.08


@pytest.mark.parametrize(("order", "scale"), [(1, 0.1), (2, 0.02), (3, 0.01)])
def test_the_offset_is_the_logarithm_of_the_density_at_its_centre(order, scale):
    mass = integrate.quad(lambda t: np.exp(-(abs(t) ** order) / scale), -5, 5, points=[0])[0]
    process = di.Process(di.box(3), order, scale)
    assert di.log_offset(process) == pytest.approx(-3 * np.log(mass), rel=1e-6)
    assert di.log_offset(process, "nwj") == pytest.approx(1 - 3 * np.log(mass), rel=1e-6)


def test_a_mixing_is_injective_and_orthogonal_or_well_conditioned():
    w = di.Mixing.orthogonal(4, [0, 1]).weights
    assert len(w) == 3
    torch.testing.assert_close(w[0] @ w[0].mT, torch.eye(4).expand(2, 4, 4), atol=1e-6, rtol=0)
    gated = di.Mixing.conditioned(3, [0], draws=200)
    columns, best = gated.weights[0].norm(dim=1), [np.linalg.cond(w[0]) for w in gated.weights]
    torch.testing.assert_close(columns, torch.ones(1, 3))
    assert max(best) < 2 and not torch.equal(gated.weights[0], gated.weights[1])


SMALL = di.Training(steps=60, batch=32, width=16)


def trained(recipes, seeds, **kind):
    process = di.Process(di.box(2), 1, 0.2)
    return di.train(process, di.Mixing.orthogonal(2, seeds), recipes, seeds, SMALL, **kind)


def test_an_encoder_in_a_stack_is_what_it_is_alone():
    recipes = [
        di.Recipe("nce"),
        di.Recipe("scl", offset="ramp"),
        di.Recipe("info_nce_reversed", alpha=True),
    ]
    s = rng().random((50, 2))
    stack, alone = trained(recipes, [1000, 1001]), trained(recipes[:1], [1001])
    np.testing.assert_allclose(stack.codes(s)[0, 1], alone.codes(s)[0, 0], atol=1e-5)
    assert stack.losses.shape == (60, 3, 2) and not stack.broken.any()


def test_training_recovers_the_factors_of_an_easy_process():
    process, training = di.Process(di.box(2), 1, 0.2), di.Training(steps=300)
    found = di.train(process, di.Mixing.orthogonal(2, [3]), [di.Recipe("info_nce")], [3], training)
    s = rng().random((4096, 2))
    assert di.mcc(s, found.codes(s)[0, 0]) > 0.95 > di.mcc(s, trained([di.Recipe("nce")], [3]).codes(s)[0, 0])


def test_offsets_move_as_their_recipes_say():
    kinds = [
        di.Recipe("nce", offset=o, shift=1.0 if o == "fixed" else 0.0) for o in ("fixed", "ramp", "learned", "start")
    ]
    star = di.log_offset(di.Process(di.box(2), 1, 0.2))
    beta = trained(kinds, [0]).beta[:, 0]
    assert beta[:2].tolist() == pytest.approx([star + 1, star])
    assert 0 < abs(beta[2]) < 1 and 0 < abs(beta[3] - star) < 1


def test_codes_in_a_box_stay_there_and_frames_are_kept():
    s = rng().random((20, 2))
    found = trained([di.Recipe("info_nce", box=1.25)], [0], watched=s, frames=4)
    assert [step for step, _ in found.frames] == [0, 20, 40, 60]
    np.testing.assert_array_equal(found.frames[-1][1], found.codes(s))
    assert found.codes(s).min() >= 0 and found.codes(s).max() <= 1.25


def test_a_broken_encoder_is_counted():
    found = trained([di.Recipe("nce"), di.Recipe("scl")], [0])
    found.net.weights[1][1, 0, 0] = float("nan")
    assert found.broken.tolist() == [[False], [True]]
    codes = found.codes(rng().random((50, 2)))
    assert np.ptp(codes[0]) > 0 and (codes[1] == 0).all()


def test_a_scale_out_of_a_losss_range_is_warned_of():
    process = di.Process(di.box(10), 1, 0.05)
    with pytest.warns(UserWarning, match=r"scl: b = 0.05 is below b_c = 0.19"):
        di.train(process, di.Mixing.orthogonal(10, [0]), [di.Recipe("scl")], [0], di.Training(steps=0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: di.Process(di.box(2), 0.5, 0.1), "order=0.5: a number from 1"),
        (lambda: di.Process(di.box(2), 1, 0.0), "scale=0.0"),
        (lambda: di.Process(np.array([[[0, 0.6]], [[0.5, 1]]])), "two of them overlap"),
        (lambda: di.Process(np.array([[[0, 1.2]]])), "inside [0, 1]"),
        (lambda: di.Process(di.box(3), dependent=True), "n=3: factors that depend"),
        (lambda: di.corner(1.5), "share=1.5"),
        (lambda: di.grid(2, 0.6), "width=0.6"),
        (lambda: di.Recipe("info_nce", alpha=True), "the loss info_nce does not depend on it"),
        (lambda: di.Recipe("info_nce_reversed", alpha_tilde=True), "does not depend on it"),
        (lambda: di.Recipe("triplet"), "loss='triplet'"),
        (lambda: di.Recipe("nce", offset="high"), "offset='high'"),
        (lambda: di.Recipe("nce", shift=float("inf")), "shift=inf"),
        (lambda: di.Training(batch=1), "batch=1"),
        (lambda: di.mcc(np.ones((5, 3)), np.ones((5, 2))), "k >= n"),
        (lambda: di.exchange(np.ones((2, 2)), di.box(2)[0], (0, 2)), "places=(0, 2)"),
        (lambda: latents.Process(di.box(2), float("nan")), "order=nan"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value)
