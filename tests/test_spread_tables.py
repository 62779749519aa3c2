"""lib.figures.lspread_tables and lib.studies.lspread_strata: printed numbers by hand, arms, and what is refused."""

from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from lib import claims, study
from lib.figures import lspread_strata as charts
from lib.figures import lspread_tables
from lib.strata import gaussian
from lib.studies import lspread_strata
from lib.studies.plans import lspread_strata as plans
from lib.studies.plans.lspread_strata import RELEASED
from lib.study import report
from lib.study.key import plan as plan_of

FACE = "digits_coarse, quick, CPU, 3 seeds"


def parameters(**other):
    values = {name: p.default for name, p in study.parameters("lspread_strata").items()}
    return SimpleNamespace(**values | other)


def test_alpha_of_the_paper():
    assert lspread_tables.alpha_of("cifar10_coarse") == 0.25
    assert lspread_tables.alpha_of("cifar10_coarse", "model_quality") == 0.16
    assert lspread_tables.alpha_of("digits_coarse", "model_quality") == lspread_tables.DEFAULT_ALPHA
    assert lspread_tables.alpha_of("mnist_coarse") == 0.5
    assert lspread_tables.alpha_of("cifar100") == 0.33
    assert lspread_tables.alpha_of("digits_coarse") == lspread_tables.DEFAULT_ALPHA


def test_settings_are_the_balanced_ones_with_their_thresholds():
    found = lspread_tables.settings().set_index("name")
    assert len(found) == 11
    row = found.loc["MNIST-Coarse, transfer"]
    # w = e² / (e² + 128 e⁻²) = 0.299; α* = 1 / (1 + 2 · 0.701) = 0.416, and 0.416 / 0.584 with the clamp
    assert row.alpha_star == pytest.approx(0.416, abs=1e-3)
    assert row.clamped == pytest.approx(0.713, abs=1e-3)
    assert sorted(found.index[found.alpha > found.alpha_star]) == [
        "CIFAR10, end model",
        "MNIST, end model",
        "MNIST-Coarse, end model",
        "MNIST-Coarse, transfer",
    ]


def test_sentences_of_the_paper():
    found = {sentence: words for sentence, _, words in lspread_tables.consistency()}
    assert list(found.values()) == ["agrees"] * 4 + ["**does not agree**"]


def test_the_papers_numbers_judge_its_claims():
    """By hand from the tables: gains in points on each data set, and those that fail."""
    printed = {(claim, data): value for claim, value, data in lspread_tables.authors()}
    gains = {"cifar10_coarse": 23.6, "cifar100_coarse": 1.5, "cifar100_coarse_u": 2.9, "mnist_coarse": 0.2}
    assert {d: 100 * printed["lspread-3a", d] for d in gains} == pytest.approx(gains)
    assert 100 * printed["lspread-4", "cifar100_coarse_u"] == pytest.approx(2.9)
    assert 100 * printed["lspread-5b", "isic"] == pytest.approx(1.3)
    assert 100 * printed["lspread-6b", "cifar10"] == pytest.approx(0.2)
    assert printed["lspread-11c", ""] == pytest.approx((0.92 - 0.22) - (0.98 - 0.76))
    assert all(not data or data in claims.known()[claim].data for claim, data in printed)
    fails = {key for key, value in printed.items() if claims.judge_number(key[0], value).verdict == claims.FAILS}
    assert fails == {
        ("lspread-3a", "cifar100_coarse"),  # 1.5 of 3 points
        ("lspread-3a", "cifar100_coarse_u"),
        ("lspread-3a", "mnist_coarse"),
        ("lspread-3c", "cifar100_coarse"),
        ("lspread-3c", "mnist_coarse"),
    }


def test_the_papers_numbers_of_transfer_are_those_of_the_data_set():
    found = {claim: value for claim, value, data in lspread_tables.authors() if data == "mnist_coarse"}
    transfer = [f"lspread-3{letter}" for letter in "abc"]
    assert [found[claim] for claim in transfer] == pytest.approx([0.002, 0.019, -0.017])
    verdicts = [claims.judge_number(claim, found[claim]).verdict for claim in transfer]
    assert verdicts == [claims.FAILS, claims.HOLDS, claims.FAILS]
    assert not any(data.startswith("digits") for _, _, data in lspread_tables.authors())


def test_tables_have_every_printed_number_and_say_what_was_not_run():
    record = report.Record(
        pd.DataFrame([{"quantity": "transfer, SupCon", "value": 0.5, "low": 0.4, "high": 0.6}]),
        pd.DataFrame(),
        {"params": {"data": "cifar10_coarse", "preset": "laptop", "seeds": 3}, "device": ["CPU"]},
    )
    carried = {"SupCon": torch.tensor([0.30, 0.32, 0.34])}
    table = lspread_tables.beside("digits_coarse", ["SupCon"], FACE, {}, carried, [record])
    assert (table.source == "reported").sum() == 9 * 3 + 4 * 3 + 2
    words = lspread_tables.markdown(table[table.quantity == "transfer"], ["SupCon"])
    lines = [line for line in words.splitlines() if line.startswith("| CIFAR10-Coarse |")]
    assert [("52.5" in line, "50.0 [40.0, 60.0]" in line) for line in lines] == [(True, False), (False, True)]
    assert "32.0 [27.0, 37.0]" in words
    left = words.split("\n\nNot run: ")[1]
    assert left.count(",") == 2 and "not run" not in words, "one note in place of three empty rows"


def test_the_main_arm_has_the_papers_alpha_where_it_was_trained():
    assert lspread_tables.main_arm("mnist_coarse", ["SupCon", "L_spread 0.25", "L_spread 0.5"]) == "L_spread 0.5"
    assert lspread_tables.main_arm("mnist_coarse", ["L_spread 0.1", "L_spread 0.2"]) == ""
    assert lspread_tables.main_arm("cifar10_coarse", ["L_spread 0.16", "L_spread 0.25"]) == "L_spread 0.25"
    assert lspread_tables.main_arm("cifar10_coarse", ["L_spread 0.25"], "model_quality") == ""
    assert lspread_tables.main_arm("mnist_coarse", ["SupCon"]) == ""


def test_the_diagram_has_every_setting_at_its_place_on_the_slider():
    settings = lspread_tables.settings()
    found = charts.diagram(settings)
    rings = found[found.name.notna()]
    assert list(rings.name) == list(settings.name)
    assert list(charts.TAUS[rings.step.astype(int)]) == pytest.approx(list(settings.tau))
    assert len(found) == 5 * len(charts.TAUS) * 17 + len(settings)


def test_strata_of_one_size_are_averaged_seed_by_seed():
    cosine = torch.arange(2 * 3 * 10, dtype=torch.float64).view(2, 3, 10)
    found = charts.by_size(cosine, ["a", "b"]).set_index(["loss", "size"])
    of_size = [i for i, size in enumerate(gaussian.SIZES * gaussian.CLASSES) if size == 50]
    assert found.value["b", 50] == pytest.approx(float(cosine[1][:, of_size].mean()))


def test_free_vectors_end_at_the_exact_optimum_from_both_starts():
    alpha = torch.tensor([0.3, 0.9])
    ends, losses = lspread_strata.from_both_starts(lspread_strata.Objective.of(0.5, alpha), 2, 4, 8, 400)
    best = lspread_strata.optimum(lspread_strata.EXACT, alpha, 8)
    assert ends.tolist() == [pytest.approx(best.tolist(), abs=1e-3)] * 2
    assert losses[0].tolist() == pytest.approx(losses[1].tolist(), abs=1e-6)


def test_effects_are_of_the_arms_that_are_there():
    end = {"SupCon": torch.tensor([0.5, 0.7]), "L_spread 0.25": torch.tensor([0.6, 0.9])}
    seen = lspread_strata.Seen(end, end, end, end, {}, {}, torch.zeros(1), torch.zeros(1))
    assert "lspread-5b" not in lspread_strata.effects(seen, "L_spread 0.25", "", parameters())
    found = lspread_strata.effects(seen, "L_spread 0.25", "L_spread 0.25", parameters())
    assert list(found) == ["lspread-3a", "lspread-5b", "lspread-1g", "lspread-1h"]
    assert found["lspread-3a"][0].tolist() == pytest.approx([0.1, 0.2])


def test_arms_are_losses_alphas_and_clamped_ones_with_the_same_seeds():
    arms = plans.plan(parameters(clamped="attract,spread", seeds=2)).arms
    wanted = ["cross-entropy", "SimCLR", "SupCon", "L_attract", "L_spread 0.25", "L_spread 0.5"]
    assert list(arms) == [*wanted, *(f"{a}{RELEASED}" for a in wanted[3:])]
    assert all([unit.seed for unit in units] == [0, 1] for units in arms.values())
    assert all(unit.settings.clamp == label.endswith(RELEASED) for label, units in arms.items() for unit in units)
    assert len({unit.name for units in arms.values() for unit in units}) == 18


@pytest.mark.parametrize(
    "given, words",
    [
        ({"losses": "sup_con,triplet"}, "triplet"),
        ({"losses": "sup_con,sup_con"}, "twice"),
        ({"clamped": "cross_entropy"}, "cross_entropy"),
        ({"losses": "sup_con", "clamped": "attract"}, "attract"),
        ({"alphas": "0.5,0.25"}, "rising"),
        ({"alphas": "1.5"}, "from 0 to 1"),
        ({"alphas": "half"}, "half"),
        ({"alphas": ""}, "alphas"),
        ({"resample": True}, "resample"),
    ],
)
def test_bad_parameters(given, words):
    with pytest.raises(ValueError, match=words):
        plans.plan(parameters(**given))


@pytest.mark.parametrize("preset", ["quick", "laptop", "paper"])
def test_presets_are_complete(preset):
    values = study.complete("lspread_strata", study.preset("lspread_strata", preset))
    assert values["preset"] == preset
    assert {unit.settings.data for unit in plan_of("lspread_strata", values).units} == {values["data"]}
