"""lib.mediation: the two decompositions, a toy model with known effects, statsmodels, and an enumerated bootstrap."""

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import torch
from statsmodels.stats.mediation import Mediation

from lib import mediation
from lib.mediation.decomposition import NAMES, Toy
from lib.studies import mediation as study
from lib.studies.shared.outcomes import Outcomes
from lib.study import report


def confusions(*shape: int) -> list[torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    return [torch.rand(*shape, generator=g, dtype=torch.float64).softmax(-1) for _ in range(4)]


def test_effects_of_a_case_done_by_hand():
    found = mediation.effects(torch.tensor(0.9), torch.tensor(0.7), torch.tensor(0.4), torch.tensor(0.1))
    wanted = {"TE": -0.8, "NIE": -0.2, "rNDE": 0.6, "NDE": -0.5, "rNIE": 0.3}
    assert {name: round(float(getattr(found, name)), 6) for name in NAMES} == wanted
    assert float(mediation.share(found)) == pytest.approx(0.25)
    assert float(found.map(lambda effect: 2 * effect).rNIE) == pytest.approx(0.6)


def test_both_decompositions_add_up():
    found = mediation.effects(*confusions(3, 10, 10))
    assert found.residual() < 1e-12
    assert all(float(getattr(found, name).sum(-1).abs().max()) < 1e-12 for name in NAMES), "rows sum to 0"
    broken = mediation.Effects(found.TE, found.NIE, found.rNDE, found.NDE + 1e-9, found.rNIE)
    assert broken.residual() > 1e-10


def test_the_published_panels_add_up_to_their_rounding():
    """TE = NIE - rNDE on the six-class panels, two runs of the same analysis, printed to three digits."""
    te, nie, direct = (
        pd.read_csv(report.REPORTED / f"simclr_1pct_{name}_6class.csv", index_col=0)
        for name in ("TE", "NIE", "minus_rNDE")
    )
    assert te.shape == (6, 6) and float((te - nie - direct).abs().to_numpy().max()) <= 0.0015


def test_the_recall_that_is_left_is_that_of_both_cuts():
    y, whole, cut = (
        torch.tensor([0, 0, 1, 1, 2, 2]),
        [0, 0, 1, 1, 2, 2],
        [1, 0, 0, 1, 1, 1],
    )  # half of 0, none of 2
    codes = []
    for predicted in (whole, whole, whole, cut):  # y00, y01, y10, y11
        rows = [[code if k == own else -1 for code, k in zip(predicted, y, strict=True)] for own in (0, 2)]
        codes.append(torch.tensor(rows)[None, None])
    assert study.left(Outcomes(tuple(codes), (0, 2), 3, 1)).tolist() == [[0.5, 0.0]]


def test_bad_outcomes_are_named():
    a, b, c, d = confusions(2, 4)
    with pytest.raises(ValueError, match="one shape"):
        mediation.effects(a, b, c, d[:, :3])
    with pytest.raises(ValueError, match="not finite"):
        mediation.effects(a, b, c, d.fill_diagonal_(torch.nan))


def test_a_share_of_nothing_is_undefined():
    flat = torch.full((2,), 0.5)
    assert mediation.share(mediation.effects(flat, flat, flat, flat)).isnan().all()


def one_hots(splits: int, seeds: int, n: int, k: int) -> list[torch.Tensor]:
    g = torch.Generator().manual_seed(1)
    found = [torch.nn.functional.one_hot(torch.randint(k, (splits, seeds, n), generator=g), k) for _ in range(4)]
    scored = torch.ones(splits, n)
    scored[0, 0] = 0  # the first split did not score the first image
    return [(f * scored[:, None, :, None]).double() for f in found]


def recall(found) -> torch.Tensor:
    return found.NIE[..., 0]


def test_the_bootstrap_over_images_equals_the_enumeration_of_all_draws():
    cells = one_hots(2, 2, 3, 2)
    data, low, high = mediation.bootstrap(cells, recall, draws=40_000, over="images")
    values = []
    for draw in itertools.product(range(3), repeat=3):
        rows = []
        for cell in cells[:2]:
            by_split = [cell[s][:, list(draw)].sum((0, 1)) / cell[s][:, list(draw)].sum().clamp(min=1) for s in (0, 1)]
            used = [bool(cell[s][:, list(draw)].sum() > 0) for s in (0, 1)]
            rows.append(sum(r for r, u in zip(by_split, used, strict=True) if u) / sum(used))
        values.append(float((rows[1] - rows[0])[0]))
    wanted = np.quantile(values, [0.025, 0.975], method="inverted_cdf")
    assert float(low) == pytest.approx(wanted[0], abs=0.02) and float(high) == pytest.approx(wanted[1], abs=0.02)
    rows = [np.mean([cell[0][:, 1:].mean((0, 1))[0], cell[1].mean((0, 1))[0]]) for cell in cells]
    assert float(data) == pytest.approx(rows[1] - rows[0], abs=1e-12)


def test_the_bootstrap_over_seeds_pairs_the_four_cells():
    """Two seeds whose outcomes differ by the same effect: the interval has no width, though the levels differ."""
    base = torch.zeros(1, 2, 10, 2, dtype=torch.float64)
    y00, y01 = base.clone(), base.clone()
    for seed, right in ((0, 9), (1, 5)):
        for cell, hits in ((y00, right), (y01, right - 2)):
            cell[0, seed, :hits, 0] = 1
            cell[0, seed, hits:, 1] = 1
    _, low, high = mediation.bootstrap((y00, y01, y00, y01), recall, draws=200, over="seeds")
    assert float(low) == pytest.approx(-0.2) == float(high)


def test_the_bootstrap_refuses_what_it_cannot_use():
    cells = one_hots(2, 2, 3, 2)
    with pytest.raises(ValueError, match="over='splits' is unknown"):
        mediation.bootstrap(cells, recall, over="splits")
    with pytest.raises(ValueError, match=r"cells\[\d\] is .*\(splits, seeds, n, K\)"):
        mediation.bootstrap((*cells[:3], cells[3][:1]), recall)
    with pytest.raises(ValueError, match="scored no image"):
        mediation.bootstrap([c * torch.tensor([0.0, 1.0])[:, None, None, None] for c in cells], recall)


def test_toy_effects_lie_in_their_intervals_in_about_95_of_100_repeats():
    toy = Toy()
    low, high = mediation.bootstrap_means(toy.experiment(200, 400, rng=3), draws=400)
    for name in NAMES:
        hits = (getattr(low, name) <= getattr(toy.true(), name)) & (getattr(toy.true(), name) <= getattr(high, name))
        assert 0.92 <= float(hits.double().mean()) <= 0.98, name  # 400 repeats: three binomial standard errors


def test_toy_effects_agree_with_statsmodels_mediation():
    toy = Toy()
    t, m, y = (v.numpy() for v in toy.observed(4000, rng=5))
    data = pd.DataFrame({"T": t, "M": m, "Y": y})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = Mediation(sm.OLS.from_formula("Y ~ T * M", data), sm.OLS.from_formula("M ~ T", data), "T", "M").fit(
            n_rep=200
        )
    theirs = fitted.summary()["Estimate"]
    ours = mediation.effects(*(c.mean() for c in toy.experiment(4000, 1, rng=6)))
    names = {"ACME (control)": ours.NIE, "ACME (treated)": -ours.rNIE, "ADE (control)": ours.NDE}
    names |= {"ADE (treated)": -ours.rNDE, "Total effect": ours.TE}
    for name, mine in names.items():
        assert float(mine) == pytest.approx(theirs[name], abs=0.15), name  # both have Monte Carlo error of about 0.04
    true = toy.true()
    assert theirs["ACME (control)"] == pytest.approx(float(true.NIE), abs=0.1)
    assert theirs["ADE (treated)"] == pytest.approx(-float(true.rNDE), abs=0.12)


def test_the_front_door_is_the_formula_summed_over_a_table():
    """Pearl's formula Σ_m P(m | t) Σ_t' P(t') E[y | m, t'] with a mediator of two values, by enumeration."""
    g = torch.Generator().manual_seed(7)
    t = (torch.rand(400, generator=g) < 0.4).double()
    m = (torch.rand(400, generator=g) < 0.3 + 0.4 * t).double()
    y = 2 * m - t + 3 * m * t + torch.randn(400, generator=g)

    def outcome(set_to: float) -> float:
        total = 0.0
        for level in (0, 1):
            mean = sum(float(y[(m == level) & (t == s)].mean()) * float((t == s).double().mean()) for s in (0, 1))
            total += float((m[t == set_to] == level).double().mean()) * mean
        return total

    assert float(mediation.front_door(t, m, y)) == pytest.approx(outcome(1) - outcome(0), abs=1e-10)


def test_the_instrument_is_two_stage_least_squares():
    z, _, m, y = (v.numpy() for v in mediation.Confounded(l=0.5).observed(500, 3))
    first = sm.OLS(m, sm.add_constant(z)).fit()
    second = sm.OLS(y, sm.add_constant(first.fittedvalues)).fit()
    found = mediation.instrument(*map(torch.tensor, (z, m, y)))
    assert float(found) == pytest.approx(second.params[1], abs=1e-10)


def test_each_assumption_breaks_its_own_estimate_by_what_the_page_says():
    """Known errors: -c for a direct path, e / z for an instrument that leaks; seeds of no claim."""
    seeds = range(40)

    def error(name: str, **broken) -> float:
        model = mediation.Confounded(**broken)
        truth = model.total if name in ("front door", "plain difference") else model.b
        return float(study.identified(model, seeds, 20_000)[name].mean() - truth)

    assert error("front door") == pytest.approx(0, abs=0.01)
    assert error("front door", c=0.3) == pytest.approx(-0.3, abs=0.01)
    assert error("front door", l=0.5) > 0.1
    assert error("plain difference") == pytest.approx(2 / np.pi**0.5, abs=0.02)  # u (E[U | T = 1] - E[U | T = 0])
    assert error("instrument", l=0.5) == pytest.approx(0, abs=0.02)
    assert error("instrument", l=0.5, e=0.1) == pytest.approx(0.2, abs=0.02)
    assert error("regression", l=0.5) > 0.1


@pytest.mark.parametrize(
    ("t", "m", "said"),
    [
        ([0.0, 0.0, 0.0, 1.0], [0.0, 1.0, 2.0, 3.0], "needs 2 or more"),
        ([0.0, 0.0, 1.0, 0.5], [0.0, 1.0, 2.0, 3.0], "a switch is 0 or 1"),
        ([0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0], "cannot be told apart"),
    ],
)
def test_a_front_door_that_leads_nowhere_is_refused(t, m, said):
    with pytest.raises(ValueError, match=said):
        mediation.front_door(torch.tensor(t), torch.tensor(m), torch.zeros(4))
    with pytest.raises(ValueError, match="does not move m"):
        mediation.instrument(torch.tensor([0.0, 1.0, 0.0, 1.0]), torch.tensor([1.0, 1.0, 2.0, 2.0]), torch.ones(4))


def test_one_number_that_carries_everything_gives_the_whole_effect_back():
    """Recall falls with the distance to the look-alike, three a unit; a second part is not carried by it."""
    g = torch.Generator().manual_seed(2)

    class Seen:
        treated = (0, 1, 2, 3)
        balanced = torch.rand(2, 4, 4, generator=g, dtype=torch.float64)
        under = balanced[:, None] + 0.1 * torch.rand(2, 4, 4, 4, generator=g, dtype=torch.float64)

        def cosines(self, arm):
            return getattr(self, arm)

    seen, pairs, own = Seen(), [(0, 1), (1, 0), (2, 3), (3, 2)], torch.arange(4)
    nearer = seen.under[:, own, own, own ^ 1] - seen.balanced[:, own, own ^ 1]
    assert torch.allclose(study.through_distance(seen, -3 * nearer, pairs), -3 * nearer.mean(1))
    assert torch.allclose(study.through_distance(seen, -3 * nearer - 0.1, pairs), -3 * nearer.mean(1))
    assert study.through_distance(seen, nearer, pairs[:2]).isnan().all()


def test_the_direct_effect_by_regressions_is_that_of_statsmodels_and_right_on_average():
    toy = Toy()
    t, m, y = (v.numpy() for v in toy.observed(1000, 0))
    data = pd.DataFrame({"T": t, "M": m, "Y": y})
    outcome, between = (sm.OLS.from_formula(f, data).fit().params for f in ("Y ~ T * M", "M ~ T"))
    found = study.direct(toy, 1000, 100)
    assert found[0] == pytest.approx(outcome["T"] + outcome["T:M"] * between["Intercept"])
    assert abs(found.mean() - float(toy.true().NDE)) < 4 * found.std() / 10


def test_the_regressions_of_statsmodels_give_the_same_intervals_again():
    assert study.regression(Toy(), 200, 10) == study.regression(Toy(), 200, 10)
