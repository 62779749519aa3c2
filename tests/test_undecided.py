"""lib.book.undecided: power against simulated verdicts of the book, and what a pilot's table of verdicts gives."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from lib import claims, intervals, study
from lib.book import pages, undecided
from lib.book.pages import RunRecord
from lib.claims import UNDECIDED

NORMAL, SHARE = claims.known()["harms-4b"], claims.known()["harms-4a"]  # below -0.05; a share, at least 0.9


def verdicts(claim: str, draws: np.ndarray, word: str) -> float:
    """The part of experiments (draws, seeds) with this verdict, by the book's own rule."""
    return float(np.mean([claims.judge(claim, seeds).verdict == word for seeds in draws]))


@pytest.mark.parametrize(("effect", "spread", "word"), [(-0.08, 0.03, claims.HOLDS), (-0.02, 0.02, claims.FAILS)])
def test_the_seeds_needed_decide_four_times_in_five(effect, spread, word):
    n = undecided.seeds_needed(NORMAL.id, effect, spread)
    generator = np.random.default_rng(0)
    found, fewer = (verdicts(NORMAL.id, generator.normal(effect, spread, (4000, m)), word) for m in (n, n - 1))
    assert found == pytest.approx(undecided.power(NORMAL, effect, spread, n), abs=0.02) and found > 0.78
    assert fewer == pytest.approx(undecided.power(NORMAL, effect, spread, n - 1), abs=0.02) and fewer < 0.82


def test_the_power_of_a_share_is_that_of_the_books_verdicts():
    draws = np.random.default_rng(1).binomial(4, 0.6, (300, 6)) / 4
    assert undecided.simulated(SHARE, draws) == verdicts(SHARE.id, draws, claims.FAILS) > 0.3
    n = undecided.seeds_needed(SHARE.id, 0.6, 0.2)
    shares = undecided._shares(0.6, 0.2, n)
    assert shares.std() == pytest.approx(0.2, abs=0.02) and verdicts(SHARE.id, shares, claims.FAILS) >= 0.8


@pytest.mark.parametrize("x", [0.0, 0.3, 0.5, 0.9, 1.0])
def test_an_interval_beyond_a_number_is_the_interval_of_the_share(x):
    values = np.random.default_rng(2).binomial(5, 0.7, (60, 5)) / 5
    above, below = intervals.share_beyond(values, x)
    ends = np.array([intervals.of_share(v)[1:] for v in values])
    sure = np.abs(ends - x).min(1) > 1e-9
    assert (above == (ends[:, 0] >= x))[sure].all() and (below == (ends[:, 1] <= x))[sure].all() and sure.sum() > 20


def test_an_effect_on_its_threshold_needs_no_number_of_seeds():
    assert undecided.seeds_needed(NORMAL.id, -0.05, 0.01) is None
    assert undecided.power(NORMAL, -0.05, 0.01, 50) == 0
    assert undecided.seeds_needed(NORMAL.id, -0.0501, 0.03) is None, "more than a run can have"


def pilot(folder, verdict: str = UNDECIDED, values: str | None = None, name: str = "a") -> RunRecord:
    """A run of record of three seeds that judges one claim, with the mean -0.07 and a deviation of 0.03."""
    half = 4.302653 * 0.03 / math.sqrt(3)  # Student's t at 0.975 and two degrees of freedom
    row = {"source": "run", "claim": NORMAL.id, "effect": -0.07, "low": -0.07 - half, "high": -0.07 + half, "seeds": 3}
    row |= {"verdict": verdict, "preset": "laptop", "data": "cifar10", "run": name, "mark": "reduced"}
    row |= {} if values is None else {"values": values}
    home = folder / "recorded/mediation" / name
    home.mkdir(parents=True)
    pd.DataFrame([row]).to_csv(home / "claims.csv", index=False)
    params = study.complete("mediation", study.preset("mediation", "laptop"))
    about = {"study": "mediation", "run": name, "params": params, "device": ["CPU"], "training_seconds": 1200.0}
    (home / "provenance.json").write_text(json.dumps(about))
    return RunRecord("mediation", home, "recorded")


@pytest.mark.parametrize("values", [None, "-0.04 -0.07 -0.1"])
def test_the_spread_is_of_the_values_or_stands_behind_the_interval(tmp_path, values):
    (found,), others = undecided.all_open([pilot(tmp_path, values=values)])
    assert found.claim == NORMAL and found.spread == pytest.approx(0.03, rel=1e-4)
    assert len(others) == len(claims.known()) - 1 and NORMAL not in others
    assert found.seeds == undecided.seeds_needed(NORMAL.id, -0.07, found.spread) == 20
    assert found.encoders == 20 * 4, "of a seed: balanced, two undersampled, untrained"
    assert found.cores == pytest.approx(20 * 4 * 100 / 2 / 3600), "1,200 s of twelve encoders, on two cores"
    assert 0 < found.gpu < found.cores


def test_a_claim_that_any_record_decides_is_closed_and_the_gate_is_named(tmp_path, capsys, monkeypatch):
    still, decided = pilot(tmp_path), pilot(tmp_path, claims.HOLDS, name="b")
    assert undecided.all_open([still, decided])[0] == []
    gated = pilot(tmp_path, values="-0.0699 -0.07 -0.0701", name="c")
    table = pd.read_csv(gated.folder / "claims.csv").assign(low=-0.071, high=-0.069)
    table.to_csv(gated.folder / "claims.csv", index=False)
    monkeypatch.setattr(pages, "recorded", lambda: [gated])
    assert undecided.command_open(None) == 0
    said = capsys.readouterr().out
    assert (
        undecided.UNLEARNED in said and "fresh" in said and f"{len(claims.known()) - 1} have no run of record" in said
    )


def test_the_scoreboard_has_a_row_an_open_claim(tmp_path):
    text = undecided.table([pilot(tmp_path)])
    assert f'<a href="#{NORMAL.id}">{NORMAL.id}</a>' in text and "<td>20</td><td>80</td>" in text
