"""The theory of L_spread: expectations against drawn vectors and quadrature, bounds against plain loops and cvxpy."""

import html
import io
import math
from dataclasses import replace
from itertools import product

import cvxpy
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import integrate, optimize, special, stats
from sklearn.metrics import mutual_info_score

from lib import images
from lib.figures import strata_theory
from lib.geometry import uniformity
from lib.losses import supervised
from lib.strata import debiasing, divergence, mean_classifier, spread_limit, subsampling, subsets
from lib.strata.mean_classifier import FeatureStrata
from lib.strata.spread_limit import Classes
from lib.studies import strata_theory as study
from lib.studies.shared import thought


@pytest.mark.parametrize("c, m", [(Classes(3, 2, 0.0, 0.5), 4), (Classes(2, 3, 0.4, 0.8), 8), (Classes(5, 6, 1.0), 16)])
def test_the_loss_is_the_mean_of_drawn_ones(c, m):
    draws = spread_limit.drawn(c, 0.5, 0.3, m, 20_000, seed=m)
    exact = spread_limit.loss(c, 0.5, 0.3, m, m)
    assert abs(draws.mean() - exact) <= 4 * draws.std() / len(draws) ** 0.5 + 1e-12


def test_the_terms_are_those_of_theorem_1_by_quadrature():
    """On three small circles: the integrals over the angle."""
    b, view, tau, alpha = 0.3, 0.6, 0.4, 0.7
    found = spread_limit.terms(Classes(3, 2, b, view), tau, alpha)
    same, other = (
        integrate.quad(lambda a, c=c: np.exp((c * (1 - b) + b * np.cos(a)) / tau) / np.pi, 0, np.pi)[0]
        for c in (1, -1 / 2)
    )
    assert found.align == pytest.approx(-(alpha * (1 - b) + (1 - alpha) * (1 - b + b * view)) / tau)
    assert found.uniform == pytest.approx((1 - alpha) * np.log(same), rel=1e-10)
    assert found.neg == pytest.approx(alpha * np.log(other), rel=1e-10)


def test_the_batch_loss_tends_to_the_terms():
    """The book's own L_spread on a batch of collapsed classes, less its logarithms, against the limit."""
    k, n, tau, alpha = 4, 250, 0.5, 0.4
    y = torch.arange(k).repeat_interleave(n)
    z = torch.from_numpy(spread_limit.simplex(k))[y]
    batch = float(supervised.spread(z, z, y, tau, alpha)) - alpha * math.log(2 * n * (k - 1))
    batch -= (1 - alpha) * math.log(2 * n - 2)
    c = Classes(k, 2, 0.0)
    assert batch == pytest.approx(sum(spread_limit.terms(c, tau, alpha)), abs=0.01)
    assert batch == pytest.approx(spread_limit.loss(c, tau, alpha, 2 * n - 2, 2 * n * (k - 1)), abs=1e-10)


@pytest.mark.parametrize("c", [Classes(4, 8, 0.0), Classes(4, 8, 0.5, 0.9), Classes(2, 3, 1.0, 0.7)])
def test_the_error_begins_with_its_first_order(c):
    limit, (repel, attract) = sum(spread_limit.terms(c, 0.5, 0.4)), spread_limit.first_order(c, 0.5, 0.4)
    for positives, negatives in ((20_000, 20_000), (10_000, 40_000)):
        error = spread_limit.loss(c, 0.5, 0.4, positives, negatives) - limit
        assert error == pytest.approx(repel / positives + attract / negatives, rel=5e-3)


def test_a_random_extra_term_of_the_log_sum():
    values, chances = np.array([0.5, 2.0, 3.0]), np.array([0.2, 0.5, 0.3])
    extra, odds = np.array([0.0, 4.0]), np.array([0.25, 0.75])
    total = sum(
        odds[e] * np.prod([chances[i] for i in xs]) * np.log((extra[e] + sum(values[i] for i in xs)) / 3)
        for e in range(2)
        for xs in product(range(3), repeat=3)
    )
    assert uniformity.mean_log_sum(values, chances, extra, 3, odds) == pytest.approx(total, abs=1e-10)


@pytest.mark.parametrize("number, alpha, view", [(2, 0.3, 1.0), (4, 0.41, 1.0), (4, 0.42, 0.9), (10, 0.45, 1.0)])
def test_the_best_spread_is_a_searchs(number, alpha, view):
    def total(b):
        return sum(spread_limit.terms(Classes(number, 5, b, view), 0.5, alpha))

    best = optimize.minimize_scalar(total, bounds=(0, 1), method="bounded", options={"xatol": 1e-9})
    assert spread_limit.best_spread(number, 5, 0.5, alpha, view) == pytest.approx(best.x, abs=1e-5)
    at = spread_limit.limit_alpha(number, view)
    assert spread_limit.best_spread(number, 5, 0.5, at + 1e-9, view) == 0
    assert 0 < spread_limit.best_spread(number, 5, 0.5, at - 1e-3, view) < 0.1


def test_nothing_found_is_below_the_simplex():
    for k in (2, 3, 5):
        bound = -0.6 / ((k - 1) * 0.5)
        assert spread_limit.lowest_neg(k, 3, k, 0.5, 0.6) == pytest.approx(bound, abs=1e-8)
        assert spread_limit.terms(Classes(k, 2, 0.0), 0.5, 0.6).neg == pytest.approx(bound)
    assert spread_limit.lowest_neg(4, 3, 2, 0.5, 0.6) > -0.6 / (3 * 0.5) + 0.01, "a plane has no room for four corners"


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: Classes(1, 3, 0.5), "number of classes=1"),
        (lambda: Classes(3, 3, 1.5), "spread=1.5"),
        (lambda: Classes(3, 3, 0.5, 2.0), "view=2.0"),
        (lambda: spread_limit.loss(Classes(3, 3, 0.5), 0.0, 0.5, 4, 4), "tau=0.0"),
        (lambda: spread_limit.terms(Classes(3, 3, 0.5), 0.5, 1.5), "alpha=1.5"),
        (lambda: spread_limit.loss(Classes(3, 3, 0.5), 0.5, 0.5, 4, 0), "m=0"),
        (lambda: mean_classifier.collapsed_bounds(1), "classes=1"),
        (lambda: mean_classifier.collapsed_loss(3, 2, 1.2), "agreement=1.2"),
        (lambda: strata(stratum=[0, 0, 2]), "every stratum"),
        (lambda: strata(z=2 * np.eye(3)), "length 1"),
        (lambda: strata(stratum=[0, 1]), r"\(n, d\)"),
        (lambda: strata(parent=[0, 0, 2]), "without gaps"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def strata(z=None, stratum=(0, 1, 2), parent=(0, 1, 1)):
    return FeatureStrata(np.eye(3) if z is None else z, np.array(stratum), np.array(parent))


def some_strata(seed=0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(40, 4)) + 1
    code = np.concatenate([np.arange(5), rng.integers(5, size=35)])
    return FeatureStrata(z / np.linalg.norm(z, axis=1, keepdims=True), code, np.array([0, 0, 1, 1, 1]))


def test_losses_and_bounds_are_their_formulas_term_by_term():
    s, lam = some_strata(), 1.3
    n, count = len(s.z), np.bincount(s.stratum)
    mu = [s.z[s.stratum == k].mean(0) for k in range(5)]
    of = {i: [k for k in range(5) if s.parent[k] == i] for i in (0, 1)}
    w = {i: sum(count[k] * mu[k] for k in of[i]) / sum(count[k] for k in of[i]) for i in of}
    fine = coarse = first = second = 0.0
    for x, h in zip(s.z, s.stratum, strict=True):
        fine += -x @ mu[h] + np.log(sum(np.exp(x @ m) for m in mu))
        coarse += -x @ w[s.parent[h]] + np.log(sum(np.exp(x @ v) for v in w.values()))

    def apart(k, i):
        each = [count[j] * (0.5 * np.sum((mu[k] - mu[j]) ** 2) - 1) for j in of[i]]
        return lam * sum(each) / sum(count[j] for j in of[i])

    for k in range(5):
        share = count[k] / n
        first += share * np.log(sum(np.exp(-lam * (0.5 * np.sum((mu[k] - m) ** 2) - 1)) for m in mu))
        own = apart(k, s.parent[k])
        others = sum(np.exp(-apart(k, i)) for i in of if i != s.parent[k])
        second += share * (np.log(np.exp(-own) + others) + own / lam)
    assert (s.fine_loss(), s.coarse_loss()) == pytest.approx((fine / n, coarse / n), abs=1e-12)
    assert (s.fine_bound(lam), s.coarse_bound(lam)) == pytest.approx((first - 1, second), abs=1e-12)


@pytest.mark.parametrize("lemma", [1, 2])
def test_the_smallest_multiplier_is_the_edge(lemma):
    for s in (some_strata(1), mean_classifier.rotated_strata((20.0,) * 6, 2, 6, 100)):
        least = s.smallest_multiplier(lemma)
        loss, bound = (s.fine_loss(), s.fine_bound) if lemma == 1 else (s.coarse_loss(), s.coarse_bound)
        assert 0 < least < 2 and bound(least + 1e-6) >= loss > bound(least - 1e-6)


def test_equal_lengths_leave_jensens_gap_alone():
    """Where all means have one length, both bounds at 1 are the losses of the means themselves."""
    s = mean_classifier.rotated_strata((15.0,) * 6, 2, 8, 200, seed=3)
    lengths = np.linalg.norm(s.means, axis=1)
    assert np.ptp(lengths) < 1e-12 and lengths[0] < 0.9
    logits = s.means @ s.means.T
    assert s.fine_bound() == pytest.approx((special.logsumexp(logits, axis=1) - logits.diagonal()).mean(), abs=1e-12)
    logits = s.means @ (s.within @ s.means).T
    at_means = (special.logsumexp(logits, axis=1) - logits[np.arange(6), s.parent]).mean()
    assert s.coarse_bound() == pytest.approx(at_means, abs=1e-12)
    assert s.fine_loss() > s.fine_bound() and s.coarse_loss() > s.coarse_bound()


@pytest.mark.parametrize("classes, per_class", [(2, 5), (3, 2), (4, 1)])
def test_lemma_3_is_what_cvxpy_finds(classes, per_class):
    corners = spread_limit.simplex(classes).repeat(per_class, 0)
    w = cvxpy.Variable(corners.shape)
    logits = corners @ w.T
    loss = sum(cvxpy.log_sum_exp(logits[i]) - logits[i, i] for i in range(len(corners))) / len(corners)
    value = cvxpy.Problem(cvxpy.Minimize(loss), [cvxpy.norm(w[i]) <= 1 for i in range(len(corners))]).solve()
    lower, upper = mean_classifier.collapsed_bounds(classes, per_class)
    assert value == pytest.approx(lower, abs=1e-5)
    found, best = mean_classifier.best_on_collapsed(classes, per_class)
    assert found == pytest.approx(lower, abs=1e-9) and best == pytest.approx(corners, abs=1e-5)
    ends = [mean_classifier.collapsed_loss(classes, per_class, share) for share in (1, 0)]
    assert ends == pytest.approx([lower, upper], abs=1e-12)


def test_the_loss_on_collapsed_classes_by_drawing_labels():
    classes, per_class, agreement = 3, 2, 0.7
    corners, rng = spread_limit.simplex(classes), np.random.default_rng(0)
    z = rng.integers(classes * per_class, size=100_000)
    own = z // per_class
    label = np.where(rng.random(len(z)) < agreement, own, (own + rng.integers(1, classes, size=len(z))) % classes)
    logits = corners[label] @ corners.repeat(per_class, 0).T
    drawn = special.logsumexp(logits, axis=1) - logits[np.arange(len(z)), z]
    exact = mean_classifier.collapsed_loss(classes, per_class, agreement)
    assert abs(drawn.mean() - exact) <= 4 * drawn.std() / len(z) ** 0.5


def test_corrected_losses_are_right_on_average():
    world = debiasing.pools(4.0, 5, 30, 0.5, seed=1)
    n, c = world.size, world.cosines
    total = 0.0
    for x in range(2 * n):
        mine = range(n) if x < n else range(n, 2 * n)
        for a, b in product(mine, range(2 * n)):
            if (b < n) != (x < n):
                total += np.log(np.exp(c[x, a]) + np.exp(c[x, b])) - c[x, a]
    assert world.clean_loss() == pytest.approx(total / (2 * n**3), abs=1e-12)
    plain, corrected = world.noisy_loss(0.8, 100_000, seed=0)
    assert abs(corrected.mean() - world.clean_loss()) <= 4 * corrected.std() / len(corrected) ** 0.5
    assert plain.mean() - world.clean_loss() > 20 * plain.std() / len(plain) ** 0.5
    clean, noisy = world.clean_sum(3, 100_000, 1), world.noisy_sum(3, 0.8, 100_000, 2)
    assert abs(clean.mean() - noisy.mean()) <= 4 * math.hypot(clean.std(), noisy.std()) / len(clean) ** 0.5


def test_labels_are_right_as_often_as_said():
    world, label = debiasing.pools(4.0, 3, 10, 0.5), np.arange(100_000) % 2
    drawn = world.draw(np.random.default_rng(0), label, 0.7)
    assert ((drawn >= world.size) == label).mean() == pytest.approx(0.7, abs=0.006)


def test_the_page_computes_what_the_library_does():
    """The sliders' charts, drawn at their start: Vega's expressions against the closed forms."""
    shown = strata_theory.held(pd.DataFrame({"n": [1, 10, 100]}), 0.01, 0.05)
    star = subsampling.peak(10 ** round(math.log10(0.01), 2), 10 ** round(math.log10(0.05), 2))
    assert f"n* = {star:.1f}" in drawn_as_text(shown)
    rows = []
    for b in np.linspace(0, 1, 101):
        t = spread_limit.terms(Classes(4, 8, float(b)), 0.5, 0.5)
        rows.append(("4", b, (1 - b) / 0.5, 2.0, 2 * t.uniform, 2 * t.neg))
    table = pd.DataFrame(rows, columns=["classes", "b", "align", "view", "same", "other"])
    best = spread_limit.best_spread(4, 8, 0.5, 0.4)
    assert f"lowest at b = {best:.2f}" in drawn_as_text(strata_theory.tug(table, 0.4))


def drawn_as_text(chart) -> str:
    picture = io.StringIO()
    chart.save(picture, format="svg")
    return html.unescape(picture.getvalue())


def test_samples_and_corrections_of_the_study_agree_with_the_formulas():
    grid = study.samples(20_000, 0)
    assert len(grid) == 25 and grid.off.max() < 4.5 and grid.miss.max() < 1
    assert grid.rises.tolist() == [p + 2 * q < 1 for p, q in zip(grid.p, grid.q, strict=True)]
    found = study.corrections(debiasing.pools(4.0, 8, 20, 0.5), 20_000, 0).query("loss == 'corrected'")
    assert found.score.abs().max() < 4.5 and found.sd.is_monotonic_decreasing


def test_lemma_trials_have_every_setting_trial_and_lemma():
    trials = study.lemma_trials(images.load("digits", "train"), 2, 50, 0)
    assert len(trials) == 2 * ((len(study.CLOUDS) + len(study.MIXED)) * 2 + 3)
    equal = trials[trials.kind == study.EQUAL]
    assert (equal.excess > 0).all() and (equal.multiplier > 1).all()


def test_the_distance_of_strata_is_below_every_bound():
    """Against plain loops over all thresholds, and scikit-learn's mutual information."""
    rng = np.random.default_rng(0)
    first, second = (rng.normal(shift, 1, (2, 40, 3)) for shift in (0.0, 0.8))
    first, second = (z / np.linalg.norm(z, axis=-1, keepdims=True) for z in (first, second))
    found = divergence.apart(first, second)
    for k in range(2):
        gap = first[k].mean(0) - second[k].mean(0)
        one, two = (z[k] @ gap / np.linalg.norm(gap) for z in (first, second))
        gaps = {b: (one <= b).mean() - (two <= b).mean() for b in (*one, *two)}
        at = max(gaps, key=lambda b: abs(gaps[b]))
        both = np.concatenate([one, two]) <= at
        assert found.half[k] == pytest.approx(2 * abs(gaps[at]))
        assert found.information[k] == pytest.approx(mutual_info_score(both, np.arange(80) // 40))
        assert found.delta[k] == pytest.approx(np.linalg.norm(gap))
    assert (found.delta <= found.half).all() and (found.information >= found.half**2 / 8).all()


def test_information_of_the_nearest_mean():
    z, codes = np.eye(3).repeat(20, 0), np.arange(3).repeat(20)
    assert divergence.told_apart(z, codes) == pytest.approx(math.log(3))
    assert divergence.told_apart(np.ones((60, 2)), codes) == pytest.approx(0, abs=1e-12)
    with pytest.raises(ValueError, match="needs two points"):
        divergence.told_apart(z[:41], codes[:41])


def test_total_variation_of_gaussians_by_quadrature():
    def gap(x):
        return abs(stats.norm.pdf(x) - stats.norm.pdf(x - 2.5)) / 2

    assert divergence.gaussian_variation(2.5) == pytest.approx(integrate.quad(gap, -10, 12)[0], rel=1e-8)


def test_strata_of_the_thought_experiment_are_equally_far_apart_and_drawn_as_planned():
    gaps = torch.cdist(subsets.means(3), subsets.means(3))
    assert torch.allclose(torch.stack([gaps[a, b] for a, b in subsets.PAIRS]), torch.tensor(subsets.BETWEEN), atol=1e-5)
    centres = subsets.means(3).unflatten(0, (2, 4)).mean(1)
    assert float((centres[0] - centres[1]).norm()) == pytest.approx(subsets.APART, rel=1e-5)
    found = subsets.trained([3, 4], 2, replace(subsets.TRAINING, steps=2))
    total = subsets.CLASSES * sum(subsets.SIZES)
    assert found.held.sum(1).tolist() == [round(w.share * total) for w in found.who]
    assert (found.held <= np.tile(subsets.SIZES, 2)).all()
    pairs, nets = thought.measured(found)
    assert len(pairs) == len(found.who) * len(subsets.PAIRS) and len(nets) == len(found.who)
    mine = pairs[(pairs.kind == "both rare") & (pairs.share == 1)]
    assert set(mine.case) == {"both"} and (pairs.delta <= pairs.half).all()


def test_a_network_of_the_thought_experiment_is_what_it_is_alone():
    few = replace(subsets.TRAINING, steps=3)
    together, alone = subsets.trained([3, 4], 1, few), subsets.trained([4], 1, few)
    for who, z in zip(alone.who, alone.z, strict=True):
        assert np.abs(together.z[together.who.index(who)] - z).max() < 1e-4


def test_cases_are_compared_at_equal_kind_and_share():
    """A kind or share that shifts both cases alike changes nothing; one that has one case alone does not count."""
    rows = [
        ("L_spread", 0, share, kind, case) for share in (0.1, 0.2) for kind in "ab" for case in ("both", "one", "one")
    ]
    rows.append(("L_spread", 0, 0.4, "a", "both"))
    table = pd.DataFrame(rows, columns=["loss", "seed", "share", "kind", "case"])
    shift = 10 * table.share + (table.kind == "a")
    table["delta"] = shift + 0.3 * (table.case == "both")
    assert thought.difference(table, "L_spread", "both", "one").tolist() == pytest.approx([0.3])
