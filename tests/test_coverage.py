"""benchmarks.coverage: the committed table is what the simulation gives, and the rules of verdicts rest on it."""

import importlib

import pandas as pd
import pytest

from lib.book import reading_page

# by name: the test of the requirements takes an imported package for an installed one
simulation = importlib.import_module("benchmarks.coverage")
TABLE = pd.read_csv(simulation.TABLE).set_index(["rule", "law", "seeds"]).coverage.sort_index()
NOISE = 0.0125  # four standard errors at 95 % of 5,000 repeats


def test_the_table_has_every_rule_law_and_number_of_seeds():
    wanted = {(rule, law, n) for rule, (_, laws) in simulation.RULES.items() for law in laws for n in (3, 5, 8, 10, 20)}
    assert set(TABLE.index) == wanted


IN_USE = [(rule, law) for rule in ("Student's t", "Gaffke's, for shares") for law in simulation.RULES[rule][1]]


@pytest.mark.parametrize(("rule", "law"), IN_USE)
def test_rows_are_simulated_anew(rule, law):
    again = [simulation.coverage(rule, law, n) for n in simulation.SEEDS]
    assert again == pytest.approx(TABLE[rule, law].tolist(), abs=1e-9)


@pytest.mark.parametrize("rule", ["Fieller", "percentile bootstrap, not used"])
def test_a_small_version_agrees_with_the_other_rows(rule):
    for law in simulation.RULES[rule][1]:
        for n in (3, 10):
            wanted, repeats = TABLE[rule, law, n], 300
            error = 4 * (max(wanted * (1 - wanted), 0.005) / repeats) ** 0.5
            assert simulation.coverage(rule, law, n, repeats, rng=1) == pytest.approx(wanted, abs=error), (law, n)


def test_the_rule_for_shares_covers_under_every_law():
    assert TABLE["Gaffke's, for shares"].min() >= 0.95 - NOISE


def test_a_percentile_bootstrap_never_covers_more_than_students_t():
    worse = TABLE["percentile bootstrap, not used"] - TABLE["Student's t"]
    assert worse.max() < NOISE and worse["normal", 10] < -0.03
    assert abs(TABLE["Student's t", "normal"] - 0.95).max() < NOISE


def test_the_page_shows_the_table():
    text = reading_page.coverage()
    assert text.count("<tr>") == 1 + TABLE.groupby(["rule", "law"], sort=False).ngroups
    assert "<td>Student's t</td><td>normal</td><td>94.4</td>" in text and "<th>20 seeds</th>" in text
