"""Tools around finished runs, on small made-up run folders."""

import fcntl
import json
import os
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_book import STUDY, make_run

from lib import records, study
from lib.book import engine, make, run_records, runs, sweeps, wanted
from lib.encoders.store import STORE
from lib.hashing import ROOT
from lib.study import report
from lib.study.results import Results

FILES = ("provenance.json", "claims.csv", "results.csv", "executed.ipynb")
KEPT = [p.parent for kind in ("recorded", "runs") for p in sorted(ROOT.glob(f"results/{kind}/*/*/provenance.json"))]


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Two runs of one study that differ in a parameter and a value."""
    monkeypatch.chdir(tmp_path)
    clean = {"commit": "c0ffee", "dirty": False}
    for name, ratio, value in (("quick-aa", 0.05, 0.9), ("quick-bb", 0.1, 0.95)):
        folder = study.RUNS / "one" / name
        rows = [{"quantity": "RH", "undersampled": 1, "class_i": 1, "class_j": 2, "ratio": ratio, "value": value}]
        records.write_text(folder / "results.csv", pd.DataFrame(rows).assign(low=0.1, high=1.2).to_csv(index=False))
        claim = {"source": "run", "run": name, "claim": "c-1", "effect": value, "low": 0.1, "high": 1.2, "seeds": 3}
        claim |= {"data": "digits", "verdict": "holds"}
        claims = pd.DataFrame([claim, claim | {"source": "authors"}])
        records.write_text(folder / "claims.csv", claims.to_csv(index=False))
        about = {"study": "one", "params": {"ratio": ratio, "seed": 0}, "git": clean, "encoders": []}
        records.write_json(folder / "provenance.json", about)
    monkeypatch.setattr(records, "git_state", lambda: clean)
    return tmp_path


def test_compare_sets_differences_side_by_side(folders):
    params, table = runs.compare(runs.find("aa"), runs.find("quick-bb"))
    assert params.to_dict("records") == [{"parameter": "ratio", "A": 0.05, "B": 0.1}]
    assert len(table) == 1 and table.loc[0, "difference"] == pytest.approx(0.05)


@pytest.mark.parametrize("folder", KEPT, ids=lambda folder: f"{folder.parent.name}-{folder.name}")
def test_a_run_compared_with_itself_is_the_same_row_by_row(folder):
    params, table = runs.compare(folder, folder)
    assert params.empty and len(table) == len(pd.read_csv(folder / "results.csv"))
    assert (table["difference"] == 0).all() and table["value_A"].equals(table["value_B"])


def write(folder: Path, rows: list[tuple], names: tuple[str, ...] = ("quantity", "ratio", "seed", "value")) -> Path:
    """A run of one study with these numbers."""
    table = pd.DataFrame(rows, columns=names).assign(low=None, high=None)
    records.write_text(folder / "results.csv", table.to_csv(index=False))
    records.write_json(folder / "provenance.json", {"study": "one", "params": {}})
    return folder


def test_rows_that_differ_in_ratio_or_seed_alone_are_paired_by_them(tmp_path):
    curve = [("TE", ratio, seed, ratio + seed) for ratio in (0.01, 0.05) for seed in (0, 1)]
    a = write(tmp_path / "a", [*curve, ("RH", 0.05, None, 0.9), ("loss", None, 0, 1.0), ("loss", None, 1, 2.0)])
    b = write(tmp_path / "b", [*curve[:3], ("RH", 0.01, None, 0.7), ("loss", None, 2, 5.0), ("loss", None, 1, 2.5)])
    for one, other, sign in ((a, b, 1), (b, a, -1)):
        table = runs.compare(one, other)[1]
        assert table["quantity"].value_counts().to_dict() == {"TE": 3, "RH": 1, "loss": 1}
        found = table.groupby("quantity")["difference"].apply(lambda d: d.round(6).tolist()).to_dict()
        assert found == {"TE": [0, 0, 0], "RH": [-0.2 * sign], "loss": [0.5 * sign]}
    bare = write(tmp_path / "bare", [("RH", 0.5)], ("quantity", "value"))  # a run that has no such columns
    assert runs.compare(a, bare)[1]["difference"].round(6).tolist() == [-0.4]


CELL = st.fixed_dictionaries(
    {"quantity": st.sampled_from(["RH", "TE, mean", 'a "b"'])},
    optional={
        "undersampled": st.sampled_from(["1", "01", "cat"]),
        "class_i": st.sampled_from(["0", "cat"]),
        "class_j": st.sampled_from(["0", "dog"]),
        "ratio": st.sampled_from([0.01, 0.05, 1.0]),
        "seed": st.integers(0, 2),
    },
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(CELL, min_size=1, max_size=25, unique_by=lambda row: tuple(sorted(row.items()))))
def test_whatever_a_study_may_keep_a_run_is_the_same_as_itself(rows, tmp_path):
    made = Results(STUDY)
    for value, row in enumerate(rows):
        made.note(values=float(value), **row)
    made.write(tmp_path, "quick-1", 3, "quick", "digits")
    records.write_json(tmp_path / "provenance.json", {"study": STUDY, "params": {}})
    _, table = runs.compare(tmp_path, tmp_path)
    assert len(table) == len(rows) and (table["difference"] == 0).all()


def test_two_numbers_of_one_name_are_not_kept(tmp_path):
    made = Results(STUDY)
    for value in (0.1, 0.2):
        made.note("RH", value, class_i="cat", fold=value)  # no column is named so
    with pytest.raises(ValueError, match=r"two numbers are named .*'class_i': 'cat'.*what tells them apart"):
        made.write(tmp_path, "quick-1", 3, "quick", "digits")
    assert not list(tmp_path.iterdir())


def test_runs_without_a_number_in_common_and_doubled_rows_are_refused(folders, tmp_path, monkeypatch, capsys):
    write(study.RUNS / "two/quick-cc", [("collapse", None, None, 1.0)])
    write(study.RUNS / "two/quick-dd", [("collapse", None, 0, 1.0), ("collapse", None, 0, 2.0)])
    for name, words in (("cc", "no quantity in common"), ("dd", r"quick-dd/results.csv has two rows of one name (col")):
        for variable, value in {"A": "aa", "B": name}.items():
            monkeypatch.setenv(variable, value)
        monkeypatch.setattr("sys.argv", ["make", "compare"])
        assert make.main() == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and words in error


def test_a_run_that_was_recorded_is_one_run(folders, capsys):
    runs.command_record(SimpleNamespace(run="aa"))
    assert runs.find("aa") == study.RUNS / "one/quick-aa"
    assert runs.find("results/recorded/one/quick-aa/") == runs.RECORDED / "one/quick-aa"
    assert runs.command_compare(SimpleNamespace(a="aa", b="results/recorded/one/quick-aa")) == 0
    assert "same parameters" in capsys.readouterr().out


def test_an_unknown_or_ambiguous_run_is_refused_with_those_that_exist(folders):
    for name in ("cc", "", "quick"):
        with pytest.raises(ValueError, match="quick-aa, quick-bb"):
            runs.find(name)


def test_record_copies_the_small_files_and_refuses_uncommitted_code(folders):
    runs.command_record(SimpleNamespace(run="aa"))
    kept = sorted(path.name for path in (runs.RECORDED / "one" / "quick-aa").iterdir())
    assert kept == ["claims.csv", "provenance.json", "results.csv"]
    path = study.RUNS / "one/quick-bb/provenance.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps(about | {"git": {"commit": "c0ffee", "dirty": True}}))
    with pytest.raises(ValueError, match="uncommitted changes; commit first"):
        runs.command_record(SimpleNamespace(run="quick-bb"))
    assert not (runs.RECORDED / "one" / "quick-bb").exists()


@pytest.mark.parametrize(("size", "kept"), [(2**20, True), (5 * 2**20 + 1, False)])
def test_measures_of_encoders_are_recorded_where_they_fit_into_git(folders, capsys, size, kept):
    (study.RUNS / "one/quick-aa/encoders.safetensors").write_bytes(bytes(size))
    runs.command_record(SimpleNamespace(run="aa"))
    assert (runs.RECORDED / "one/quick-aa/encoders.safetensors").exists() == kept
    assert (runs.RECORDED / "one/quick-aa/results.csv").exists()
    assert ("not kept: " in capsys.readouterr().out) == (not kept)


def test_a_sweep_is_one_table_of_the_runs_own_verdicts(folders, monkeypatch):
    monkeypatch.setattr(run_records, "RESULTS", folders / "results")
    path = study.RUNS / "sweeps" / "s.json"
    runs_of_it = ["quick-aa", "quick-bb", "quick-gone"]
    records.write_json(path, {"study": "one", "grid": {"ratio": [0.05, 0.1, 0.2]}, "runs": runs_of_it})
    table = sweeps.load(path).table()
    assert table["ratio"].tolist()[:2] == [0.05, 0.1] and table["effect"].tolist()[:2] == [0.9, 0.95]
    assert table.loc[2, "verdict"] == "not run" and table.columns[:2].tolist() == ["ratio", "claim"]


def test_prune_removes_what_the_present_code_would_not_make(folders, capsys):
    encoder = folders / "build/encoders/old-encoder"
    records.write_text(encoder / "record.json", "{}")
    runs.prune()
    assert not list(study.RUNS.glob("one/*")) and not encoder.exists()
    assert "MiB freed" in capsys.readouterr().out


def test_prune_waits_for_no_build_but_refuses(folders):
    Path("build").mkdir()
    with open("build/lock", "a+", encoding="utf-8") as held:
        held.write("login-1:4711")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(engine.Busy, match=r"another build \(process 4711 on login-1\) is at work here"):
            make.command_prune(None)
    assert len(list(study.RUNS.glob("one/*"))) == 2


@pytest.mark.parametrize("text", ['{"study": "one", "par', "", "[]", '{"study": "one"}', '{"study": 1, "params": 2}'])
def test_prune_keeps_a_run_whose_record_is_damaged_and_names_it(folders, capsys, text):
    damaged = study.RUNS / "one/quick-aa"
    (damaged / "provenance.json").write_text(text)
    runs.prune()
    assert (damaged / "results.csv").exists() and not (study.RUNS / "one/quick-bb").exists()
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("kept"))
    assert f"{damaged}/provenance.json is " in line and line.endswith(f"remove the folder {damaged} and run again")
    (damaged / "provenance.json").unlink()
    (damaged / "executed.ipynb").write_text("{}")
    runs.prune()
    assert "it has no provenance.json; remove the folder" in capsys.readouterr().out and damaged.exists()


def trained(unit) -> Path:
    """The folder of an encoder in training."""
    records.write_text(unit.folder / "checkpoint.safetensors", "half")
    return unit.folder


def test_prune_keeps_what_interrupted_runs_and_the_last_build_need(folders, capsys):
    asked, swept, last = (study.Run(STUDY, study.complete(STUDY, {"ratio": ratio})) for ratio in (0.03, 0.04, 0.02))
    records.write_json(asked.folder / "requested", asked.values)
    records.write_json(swept.folder / "swept", swept.values)
    job = study.Run(STUDY, study.complete(STUDY, {"seed": 77})).units
    gone = study.complete(STUDY, {}) | {"no_such": 1}
    asks = [{"study": r.study, "values": v} for r, v in ((last, last.values), (last, gone))]
    records.write_json(runs.REQUESTS, {"runs": asks, "jobs": [[unit.to_json() for unit in job]]})
    needed = [trained(unit) for unit in [*asked.units, *swept.units, *last.units, *job]]
    old = STORE / "old-encoder"
    records.write_text(old / "record.json", "{}")
    runs.prune()
    assert all(folder.exists() for folder in needed) and asked.folder.exists() and not old.exists()
    assert f"kept {asked.folder}: asked for and not finished" in capsys.readouterr().out
    for unit in job:
        (unit.folder / "record.json").write_text("{}")
    (asked.folder / "requested").write_text("")  # as it was written before it said what was asked for
    runs.prune()
    assert not any(unit.folder.exists() for unit in job), "the encoders of a tuning that came to its end"
    assert all(unit.folder.exists() for unit in last.units)
    assert f"kept {asked.folder}: its file 'requested' does not say" in capsys.readouterr().out
    runs.REQUESTS.write_text("{")
    with pytest.raises(ValueError, match=r"build/requests.json is damaged: start the interrupted build again"):
        runs.prune()


def test_a_run_that_was_asked_for_says_so_before_it_is_made(folders, monkeypatch):
    run = study.Run(STUDY, study.complete(STUDY, {"ratio": 0.03}))
    monkeypatch.setattr(make, "build", lambda *_: 1)
    assert make._make_pages([run], STUDY) == 1
    assert json.loads((run.folder / "requested").read_text()) == run.values and run_records.asked_for() == []


def test_a_record_names_the_recorded_runs_that_the_page_draws(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "RECORDED", tmp_path)
    write(tmp_path / "strata_theory/laptop-1", [("RH", None, None, 1.0)])
    (tmp_path / "strata_theory/laptop-1/claims.csv").write_text("source,claim,effect,seeds,verdict\n")
    records.write_json(tmp_path / "strata_theory/laptop-1/provenance.json", {"run": "laptop-1", "params": {}})
    run = study.Run("strata_theory", study.complete("strata_theory", {}))
    assert run.provenance()["recorded"] is None, "a page that draws none"
    assert run.recorded and run.provenance()["recorded"] == ["laptop-1"]


def test_a_page_says_when_other_runs_are_recorded_than_it_was_drawn_with(tmp_path, monkeypatch):
    monkeypatch.setattr(run_records, "RESULTS", tmp_path / "results")
    folder = make_run(tmp_path / f"results/runs/{STUDY}/quick-1", figures={})
    about = json.loads((folder / "provenance.json").read_text())

    def stamp(drawn: dict, kind: str = "this book") -> str:
        (folder / "provenance.json").write_text(json.dumps(about | drawn))
        return run_records.RunRecord(STUDY, folder, kind).stamp("../")

    make_run(tmp_path / f"results/recorded/{STUDY}/laptop-9", figures={})
    for drawn in ({}, {"recorded": None}, {"recorded": ["laptop-9"]}):
        assert "recorded runs" not in stamp(drawn)
    for then in ([], ["laptop-8", "laptop-9"]):
        told = stamp({"recorded": then})
        assert f"delete the folder <code>results/runs/{STUDY}/quick-1</code> and type <code>make book</code>." in told
    assert f"<code>make run STUDY={STUDY}</code> with its parameters." in stamp({"recorded": []}, "asked for")


def test_a_run_that_comes_or_goes_makes_the_site_stale_whatever_its_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    copied = tmp_path / f"results/runs/{STUDY}/quick-1"

    def stale() -> bool:
        wanted.note_shown()
        fresh = str(wanted.SHOWN) in wanted.site_files() and wanted.SHOWN.stat().st_mtime_ns > 1
        os.utime(wanted.SHOWN, ns=(1, 1))
        return fresh

    assert stale() and not stale()
    (make_run(copied, figures={}) / "requested").touch()
    for path in copied.iterdir():
        os.utime(path, ns=(1, 1))
    assert stale() and not stale(), "copied with old times"
    (copied / "executed.ipynb").unlink()
    assert stale() and not stale()
    shutil.rmtree(copied)
    assert stale() and not stale(), "removed"
    monkeypatch.setenv("GITHUB_REPOSITORY", "somebody/fork")
    assert stale() and not stale(), "links to another repository"
    (make_run(copied.with_name("quick-1 {copy}"), figures={}) / "requested").touch()
    assert not any("{" in path for path in wanted.site_files())


def test_a_folder_of_no_whole_run_is_named_and_left_out(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run_records, "RESULTS", tmp_path / "results")
    amiss = {"quick-1 copy": "its name is not that of a run", "quick-2": "it has no results.csv"}
    amiss |= {f"quick-{n}": name for n, name in enumerate(FILES, 3)}
    for name in ("quick-9", *amiss):
        (make_run(tmp_path / f"results/runs/{STUDY}/{name}", figures={}) / "requested").touch()
    root = tmp_path / f"results/runs/{STUDY}"
    (root / "quick-2/results.csv").unlink()
    for n, name in enumerate(FILES, 3):
        (root / f"quick-{n}/{name}").write_text("")
    (root / "quick-9").rename(root / "quick-good")
    assert [run.id for run in run_records.asked_for()] == ["quick-good"]
    said = capsys.readouterr().err
    for name, reason in amiss.items():
        line = next(line for line in said.splitlines() if line.startswith(f"site: no page for {root / name}: "))
        assert reason in line and re.search(r"; (rename it|remove the folder .* and run again)", line)
