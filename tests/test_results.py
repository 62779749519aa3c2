"""The files a run leaves, as documented on the page "Run it again": every run of record, and this machine's runs."""

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from lib import claims, study
from lib.claims import HOLDS, UNDECIDED
from lib.hashing import ROOT
from lib.study import report
from lib.study.results import COLUMNS, TAIL, VERDICT, Results

FOLDERS = [p.parent for p in sorted(ROOT.glob("results/recorded/*/*/provenance.json"))]
FOLDERS += [p.parent for p in sorted(ROOT.glob("results/runs/*/*/provenance.json"))]
RETIRED = {"lspread-11b"}  # of records from before lspread-11c
KEYS = {"study", "run", "preset", "params", "seeds", "git", "data", "python", "packages", "system", "processor"}
KEYS |= {"device", "threads", "started", "seconds", "training_seconds", "peak_memory_mib", "encoders"}


def test_there_is_a_run_of_record():
    assert any("recorded" in folder.parts for folder in FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.parent.name}-{folder.name}")
def test_a_run_leaves_tidy_files(folder: Path):
    about = json.loads((folder / "provenance.json").read_text())
    assert set(about) - {"recorded", "files", "sha256"} == KEYS
    assert about["run"] == folder.name and about["study"] == folder.parent.name

    results = pd.read_csv(folder / "results.csv", dtype=dict.fromkeys(["undersampled", "class_i", "class_j"], str))
    known = [c for c in (*COLUMNS, *TAIL) if c in results]
    assert list(results) == known, "columns, in the documented order"
    assert {"study", "run", "quantity", *TAIL} <= set(results)
    assert results[["study", "run", "quantity", "value", "seeds", "preset", "data"]].notna().all().all()
    index = [c for c in COLUMNS if c in results]
    assert not results.duplicated(index).any(), "a row a number"
    both = results.dropna(subset=["low", "high"])
    assert (both["low"] <= both["high"]).all()
    assert results["low"].isna().equals(results["high"].isna())
    assert (results["run"] == folder.name).all()

    table = pd.read_csv(folder / "claims.csv")
    run = table["source"] == "run"
    assert set(table["verdict"]) <= {claims.HOLDS, claims.FAILS, claims.UNDECIDED}
    assert set(table["claim"]) - RETIRED <= set(claims.known()) and set(table["source"]) <= {"authors", "run"}
    assert not table.duplicated(["source", "claim", "data"]).any() and not table[run].duplicated("claim").any()


@pytest.mark.parametrize("folder", [f for f in FOLDERS if "recorded" in f.parts], ids=lambda folder: folder.name)
def test_a_run_of_record_was_made_from_committed_code(folder: Path):
    about = json.loads((folder / "provenance.json").read_text())
    for tree in [about["git"], *(e["git"] for e in about["encoders"])]:
        assert tree["commit"] and tree["dirty"] is False


def test_a_number_is_kept_with_its_interval_and_read_back_as_text():
    made = Results("cifar10_undersampling")
    assert f"{made.note('a', [1.0, 2.0, 3.0], ratio=0.1):+.1f}" == "+2.0 [-0.5, 4.5]"
    assert str(made.note("b", 0.5)) == "0.500" and str(made.note("c", 0.5, 0.4, 0.6, seeds=0)) == "0.500 [0.400, 0.600]"
    made.note_matrix("RH", pd.DataFrame({"row": ["3"], "column": ["8"], "value": [0.9], "low": [0.8], "high": [1.0]}))
    table, _ = made.tables("run", 3, "quick", "digits")
    assert table.seeds.tolist() == [3, 3, 0, 3] and table.low.isna().tolist() == [False, True, False, False]
    assert table.iloc[3][["undersampled", "class_i", "class_j"]].tolist() == ["3", "3", "8"]


def test_claims_are_judged_in_the_order_of_their_file_and_unknown_ones_refused():
    made = Results("cifar10_undersampling")
    made.judge_all(
        {"harms-3": [0.9] * 3, "harms-1": [0.5, 0.51, 0.5]}, {"harms-1": 0.99}, {"harms-3": True, "harms-1": False}
    )
    assert made.verdict("harms-3") == claims.UNDECIDED, "no null was given"
    assert [(s, j.claim) for s, j in made.judged] == [("authors", "harms-1"), ("run", "harms-1"), ("run", "harms-3")]
    assert made.verdict("harms-1", "authors") == claims.FAILS and made.verdict("harms-1") == claims.UNDECIDED
    assert made.verdict("harms-15") == claims.NOT_RUN
    with pytest.raises(ValueError, match="'harms-4a' is not in claims"):
        made.judge_all({"harms-4a": [0.5] * 3})


def test_a_row_that_names_its_data_keeps_it():
    made = Results("cifar10_undersampling")
    made.note("here", 1.0)
    made.note("there", 1.0, data="mnist")
    assert made.tables("run", 3, "quick", "digits")[0].data.tolist() == ["digits", "mnist"]


def test_a_verdict_has_its_own_data_and_mark_and_authors_have_theirs():
    made = Results("lspread_strata", {"data": "cifar10_coarse", "net": "vit"})
    made.judge("lspread-3a", [0.5, 0.51, 0.5], True)
    made.judge("lspread-1a", 0.0, data="none")
    made.judge("lspread-11a", [0.5, 0.51, 0.5], True, data="gaussian")
    made.judge("lspread-1g", 0.88, source="authors")
    made.judge("lspread-3a", 0.002, source="authors", data="mnist_coarse")
    table = made.tables("run", 3, "quick", "cifar10_coarse")[1]
    assert list(table) == list(VERDICT)
    assert table[["source", "data", "mark"]].values.tolist() == [
        ["run", "cifar10_coarse", "replication"],
        ["run", "none", "exact"],
        ["run", "gaussian", "analogue"],
        ["authors", "cifar10", ""],
        ["authors", "mnist_coarse", ""],
    ]


def test_a_file_from_before_the_marks_is_read_by_the_parameters_of_its_run():
    rows = [("run", "lspread-1a", 0), ("run", "lspread-3a", 3), ("authors", "lspread-1g", 0), ("run", "no longer", 3)]
    old = pd.DataFrame(rows, columns=["source", "claim", "seeds"]).assign(data="cifar10_coarse", analogue=True)
    old = old.assign(low=0.1, high=0.2, verdict=claims.HOLDS)
    params = {"data": "cifar10_coarse", "net": "vit", "images_per_stratum": 500}
    found = report.marked(old, params)
    assert found.data.tolist() == ["none", "cifar10_coarse", "cifar10", "cifar10_coarse"]
    assert found.mark.tolist() == ["exact", "reduced", "", ""] and "analogue" not in found
    assert report.marked(old, params | {"images_per_stratum": 0}).mark[1] == "replication"
    assert report.marked(found, params).equals(found)


def test_a_record_without_the_null_of_a_harm_does_not_say_that_it_holds():
    rows = [("run", "harms-9a", 0.878, 0.986), ("run", "harms-4b", 0.1, 0.2), ("authors", "harms-9a", 0.9, 0.9)]
    rows += [("run", "placebo", -0.2, -0.1), ("run", "no longer", 0, 0)]
    old = pd.DataFrame(rows, columns=["source", "claim", "low", "high"]).assign(
        seeds=3, data="cifar10", verdict="holds"
    )
    found = report.marked(old, {"data": "cifar10"})
    assert found.verdict.tolist() == [claims.UNDECIDED, claims.UNDECIDED, "holds", "holds", "holds"]
    beyond = report.marked(old.assign(null_low=0.99, null_high=1.02), {"data": "cifar10"})
    assert beyond.verdict.tolist() == ["holds"] * 5
    inside = report.marked(old.assign(null_low=0.95, null_high=1.02), {"data": "cifar10"})
    assert inside.verdict[0] == claims.UNDECIDED


def test_the_record_of_bcl_is_not_decided():
    """Its interval is [0.878, 0.986], and the comparison trained no encoders without the treatment."""
    kept = [r.claims.set_index(["source", "claim"]).verdict for r in report.recorded("methods_and_mitigations")]
    assert [verdict["run", "harms-9a"] for verdict in kept] == [claims.UNDECIDED]


def test_a_claim_about_printed_numbers_is_judged_by_no_run():
    made = Results("lspread_strata", {"data": "digits_coarse"})
    with pytest.raises(ValueError, match="'lspread-5a' is about printed numbers, which no run judges"):
        made.judge("lspread-5a", [1.0, 1.0, 1.0], True)
    with pytest.raises(ValueError, match="'lspread-3a' needs one effect a seed"):
        made.judge("lspread-3a", 0.5, True)
    made.judge("lspread-5a", 1.0, source="authors")
    shown = report.verdicts(made.judged, [], ["lspread-5a", "lspread-5b"])
    assert shown.count(claims.NO_RUN) == 1 and shown.count(claims.NOT_RUN) == 1


def test_authors_have_a_point_for_each_data_set():
    made = Results("lspread_strata", {"data": "mnist_coarse"})
    for data, value in (("cifar10_coarse", 0.236), ("mnist_coarse", 0.002)):
        made.judge("lspread-3a", value, source="authors", data=data)
    cell = report.verdicts(made.judged, []).splitlines()[2]
    assert "<small>cifar10_coarse</small> 0.236<br>" in cell and "<small>mnist_coarse</small> 0.002" in cell


def test_a_file_from_before_the_values_leaves_intervals_of_earlier_rules_undecided():
    rows = [
        ("run", "harms-10b", 5, -0.18, 0.38),
        ("run", "lspread-11a", 10, 0.57, 0.64),
        ("run", "lspread-3a", 3, 0.5, 0.6),
    ]
    rows += [("authors", "harms-4a", 0, math.nan, math.nan)]
    old = pd.DataFrame(rows, columns=["source", "claim", "seeds", "low", "high"]).assign(verdict=HOLDS, data="cifar10")
    found = report.marked(old, {"data": "cifar10"})
    assert found.verdict.tolist() == [UNDECIDED, UNDECIDED, HOLDS, HOLDS]
    assert found.low.isna().tolist() == [True, True, False, True]
    wide = old.assign(claim=["harms-7", *old.claim[1:]], seeds=3, low=-0.96, high=1.63)
    assert report.marked(wide, {"data": "cifar10"}).high.tolist()[::2] == [1, 1.63], "a correlation ends at 1"
    now = old.assign(values=["0.5 0.0 0.0 0.0 0.0", "1.0", "0.5", None], null_low=-0.9, null_high=-0.8)
    now = report.marked(now, {"data": "cifar10"})
    assert now.verdict.tolist() == [HOLDS] * 4


def test_the_values_of_a_verdict_are_kept_to_the_last_digit(tmp_path):
    made, effects = Results("lspread_strata", {"data": "digits"}), [0.1 + 0.2, 1 / 3, -2e-17]
    made.judge("lspread-3a", effects, True)
    made.judge("lspread-1a", 0.5, data="none")
    made.note("transfer", effects)
    made.write(tmp_path, "run", 3, "quick", "digits")
    table = pd.read_csv(tmp_path / "claims.csv")
    assert [float(v) for v in table["values"][0].split()] == effects and pd.isna(table["values"][1])


def test_every_kept_verdict_has_a_mark():
    for folder in FOLDERS:
        table = report.marked(
            pd.read_csv(folder / "claims.csv"), json.loads((folder / "provenance.json").read_text())["params"]
        )
        mine = (table.source == "run") & ~table.claim.isin(RETIRED)
        assert set(table.mark[mine]) <= {"replication", "reduced", "analogue", "exact"}
        assert (table.mark[table.source == "authors"] == "").all()


def test_a_bar_in_a_cell_of_a_table_is_no_new_cell():
    from markdown_it import MarkdownIt

    shown = MarkdownIt().enable("table").render(report.table(["a", "b"], [("smaller |scale|", 2)]))
    assert "<td>smaller |scale|</td>" in shown and shown.count("<td>") == 2


def test_the_line_of_a_run_says_what_share_was_kept():
    given = study.complete("mediation", study.preset("mediation", "laptop"))
    assert "1 % kept of 2 classes" in study.face(given | {"undersampled": "ship,truck"}, ["CPU"])
    assert "1 % kept, " in study.face(given | {"undersampled": "all"}, ["CPU"])
    assert study.face({"data": "none", "preset": "quick", "seeds": 5}, ["CPU"]).startswith("simulated data, quick")


def test_runs_of_record_on_the_data_of_the_claims_come_first_and_of_these_those_of_most_seeds():
    for name in study.names():
        found = [(r.far, -r.provenance["params"]["seeds"]) for r in report.recorded(name)]
        assert found == sorted(found), name
    data = [r.provenance["params"]["data"] for r in report.recorded("bios_gender_harm")]
    assert data.index("generated") > data.index("bios_subset"), "generated texts are an analogue of all its claims"
