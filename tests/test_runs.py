"""Tools around finished runs, on small made-up run folders."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest

from lib import records, study
from lib.book import pages, runs, sweeps


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


def test_a_sweep_is_one_table_of_the_runs_own_verdicts(folders, monkeypatch):
    monkeypatch.setattr(pages, "RESULTS", folders / "results")
    path = study.RUNS / "sweeps" / "s.json"
    runs_of_it = ["quick-aa", "quick-bb", "quick-gone"]
    records.write_json(path, {"study": "one", "grid": {"ratio": [0.05, 0.1, 0.2]}, "runs": runs_of_it})
    table = sweeps.load(path).table()
    assert table["ratio"].tolist()[:2] == [0.05, 0.1] and table["effect"].tolist()[:2] == [0.9, 0.95]
    assert table.loc[2, "verdict"] == "not run" and table.columns[:2].tolist() == ["ratio", "claim"]


def test_prune_removes_what_the_present_code_would_not_make(folders, capsys):
    encoder = folders / "build/encoders/old-encoder"
    records.write_text(encoder / "record.json", "{}")
    runs.command_prune(None)
    assert not list(study.RUNS.glob("one/*")) and not encoder.exists()
    assert "MiB freed" in capsys.readouterr().out
