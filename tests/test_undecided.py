"""lib.book.undecided: power against simulated verdicts of the book, and what a pilot's table of verdicts gives."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from lib import claims, intervals, study
from lib.book import campaign, run_records, undecided
from lib.book.run_records import RunRecord
from lib.claims import UNDECIDED
from lib.encoders import recorded
from lib.hashing import ROOT

NORMAL, SHARE = claims.known()["harms-4b"], claims.known()["harms-4a"]  # below -0.05; a share, at least 0.9
NULL = np.linspace(-0.06, 0.06, 13)  # of encoders without the treatment; all of so few are spanned


def verdicts(claim: str, draws: np.ndarray, word: str, null=()) -> float:
    """The part of experiments (draws, seeds) with this verdict, by the book's own rule."""
    return float(np.mean([claims.judge(claim, seeds, True, null).verdict == word for seeds in draws]))


@pytest.mark.parametrize(
    ("effect", "spread", "edge", "word", "null"),
    [
        (-0.08, 0.03, -0.05, claims.HOLDS, NULL / 10),
        (-0.08, 0.03, -0.06, claims.HOLDS, NULL),
        (-0.02, 0.02, -0.05, claims.FAILS, NULL),
    ],
)
def test_the_seeds_needed_decide_four_times_in_five(effect, spread, edge, word, null):
    assert undecided._edge(NORMAL, effect, *claims.span(null)) == pytest.approx(edge)
    n = undecided.seeds_needed(effect, spread, edge, share=False)
    generator = np.random.default_rng(0)
    for seeds, most, least in ((n, 1.0, 0.78), (n - 1, 0.82, 0.0)):
        found = verdicts(NORMAL.id, generator.normal(effect, spread, (4000, seeds)), word, null)
        assert found == pytest.approx(undecided.power(effect, spread, edge, False, seeds), abs=0.02)
        assert least < found < most


def test_the_power_of_a_share_is_that_of_the_books_verdicts():
    n = undecided.seeds_needed(0.6, 0.2, 0.9, share=True)
    shares = undecided._shares(0.6, 0.2, n)
    assert shares.std() == pytest.approx(0.2, abs=0.02)
    found = verdicts(SHARE.id, shares, claims.FAILS)
    assert found == undecided.power(0.6, 0.2, 0.9, True, n) >= 0.8 > undecided.power(0.6, 0.2, 0.9, True, n - 1)


@pytest.mark.parametrize("x", [0.0, 0.3, 0.5, 0.9, 1.0])
def test_an_interval_beyond_a_number_is_the_interval_of_the_share(x):
    values = np.random.default_rng(2).binomial(5, 0.7, (60, 5)) / 5
    above, below = intervals.share_beyond(values, x)
    ends = np.array([intervals.of_share(v)[1:] for v in values])
    sure = np.abs(ends - x).min(1) > 1e-9
    assert (above == (ends[:, 0] >= x))[sure].all() and (below == (ends[:, 1] <= x))[sure].all() and sure.sum() > 20


def test_an_effect_on_its_threshold_or_within_its_null_has_no_number_of_seeds():
    assert undecided.seeds_needed(-0.05, 0.01, -0.05, share=False) is None
    assert undecided.power(-0.05, 0.01, -0.05, False, 50) == 0
    assert undecided.seeds_needed(-0.0501, 0.03, -0.05, share=False) is None, "more than a run can have"
    assert undecided._edge(NORMAL, -0.08, -0.1, 0.1) is None, "it passes the threshold, and the null does too"
    assert undecided._edge(NORMAL, -0.08, math.nan, math.nan) is None
    assert undecided._edge(NORMAL, -0.04, -0.1, 0.1) == -0.05, "a claim fails whatever the null"


def pilot(folder, values: str | None = None, name: str = "a") -> RunRecord:
    """A run of record of three seeds that judges one claim, with the mean -0.07 and a deviation of 0.03."""
    half = 4.302653 * 0.03 / math.sqrt(3)  # Student's t at 0.975 and two degrees of freedom
    row = {"source": "run", "claim": NORMAL.id, "effect": -0.07, "low": -0.07 - half, "high": -0.07 + half, "seeds": 3}
    row |= {"verdict": UNDECIDED, "preset": "laptop", "data": "cifar10", "run": name, "mark": "reduced"}
    row |= {"null_low": -0.01, "null_high": 0.01} | ({} if values is None else {"values": values})
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
    assert found.seeds == undecided.seeds_needed(-0.07, found.spread, -0.05, False) == 20
    assert found.encoders == 20 * 5, "of a seed: balanced, two undersampled, untrained, another policy"
    assert found.cores == pytest.approx(20 * 5 * 80 / 2 / 3600), "1,200 s of fifteen encoders, on two cores"
    assert 0 < found.gpu < found.cores


def test_a_number_of_seeds_that_no_run_of_the_study_has_is_no_price(tmp_path):
    run = pilot(tmp_path, values="-0.04 -0.07 -0.1")
    row = pd.read_csv(run.folder / "claims.csv").iloc[0].to_dict() | {"effect": 0.99, "low": 0.96, "high": 1.0}
    found = undecided.priced(claims.known()["collapse-11d"], run, row)
    assert found.seeds is None and found.reason.endswith("of them, and a run of the study has [1, 10]"), found.reason
    assert int(found.reason.split("it takes ")[1].split()[0]) > 10


def test_a_study_without_encoders_is_priced_by_the_seconds_of_its_run(tmp_path):
    run = pilot(tmp_path, values="-0.04 -0.07 -0.1")
    row = pd.read_csv(run.folder / "claims.csv").iloc[0].to_dict()
    params = study.complete("minority_collapse", study.preset("minority_collapse", "quick"))
    about = {"params": params, "seconds": 60.0, "training_seconds": 0, "seeds": [0, 1, 2], "device": ["CPU"]}
    (run.folder / "provenance.json").write_text(json.dumps(about), encoding="utf-8")
    found = undecided.priced(NORMAL, RunRecord("minority_collapse", run.folder, "recorded"), row)
    assert (found.encoders, found.cores) == (0, pytest.approx(20 * 20 / 3600)) and math.isnan(found.gpu)


def test_a_unit_of_all_seeds_costs_what_its_nets_do(tmp_path):
    run, name = pilot(tmp_path, values="-0.04 -0.07 -0.1"), "label_noise_and_coresets"
    row = pd.read_csv(run.folder / "claims.csv").iloc[0].to_dict()
    params = study.complete(name, study.preset(name, "records_seeds") | {"seeds": 17})
    about = {"params": params, "training_seconds": 1122.0, "device": ["CPU"]}
    (run.folder / "provenance.json").write_text(json.dumps(about), encoding="utf-8")
    found = undecided.priced(NORMAL, RunRecord(name, run.folder, "recorded"), row)
    assert found.encoders == 20 * 66 and found.cores == pytest.approx(20 * 66 / 2 / 3600), "1,122 nets of 17 seeds"


def test_a_claim_that_any_record_decides_is_closed_and_the_gate_is_named(tmp_path, capsys, monkeypatch):
    still, decided, gated = (pilot(tmp_path, values="-0.0699 -0.07 -0.0701", name=name) for name in "abc")
    for run, word in ((decided, claims.HOLDS), (gated, UNDECIDED)):
        path = run.folder / "claims.csv"
        pd.read_csv(path).assign(low=-0.071, high=-0.069, verdict=word).to_csv(path, index=False)
    assert undecided.all_open([still, decided])[0] == []
    monkeypatch.setattr(run_records, "recorded", lambda: [gated])
    assert undecided.command_open(None) == 0
    said = capsys.readouterr().out
    none = f"{len(claims.known()) - 1} claims have no run of record"
    assert undecided.UNLEARNED in said and "fresh" in said and none in said


def test_the_scoreboard_has_a_row_an_open_claim(tmp_path):
    text = undecided.table([pilot(tmp_path)])
    assert f'<a href="#{NORMAL.id}">{NORMAL.id}</a>' in text and "<td>20</td><td>100</td>" in text


def test_claims_without_a_run_are_in_one_run_of_the_list_on_a_data_set_or_counted(tmp_path):
    """A pilot of one claim leaves all others, which the list's rows and the rest share out."""
    kept, data = pilot(tmp_path), {row.name: row.run.values["data"] for row in campaign.rows(ROOT / "records.yaml")}
    (_, unjudged) = undecided.all_open([kept])
    lines, left = undecided.next_runs(unjudged, [kept])
    first = [(claim, data[line[0]]) for line in lines for claim in line[1].split(", ")]
    assert len(set(first)) == len(first) and {c.id for c in left} | dict(first).keys() == {c.id for c in unjudged}
    assert {("bios-dose", "generated"), ("bios-dose", "bios_subset")} < set(first)
    of = {name: rest for name, _, *rest in lines}
    assert of["records_instrument/mediation"][0] == "10", (
        "one of a second policy a seed; a run of record has the others"
    )
    (unit,) = study.Run("mediation", study.complete("mediation", study.preset("mediation", "records"))).plan.balanced[0]
    assert recorded.known(unit, {"means"}) and not recorded.known(unit, {"means", "paper heads, 0.7 of 0 1 2 3"})
    assert of["records/strata_theory"] == ["–", "–", "–"], "it has no encoders, and here no run of record"
