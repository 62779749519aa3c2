"""A kept file that is not what was written is refused, and the error names it: every kind of file of units and runs.

Raw image files: see test_images.
"""

import os
import re
import shutil
import stat
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from small_book import STUDY, make_run
from torch import nn

from lib import records
from lib.book import run_records, runs, scoreboard, site, sources_shown, status_page, sweeps
from lib.encoders import checkpoints, labels, pretrain, robust
from lib.encoders import store as stored
from lib.encoders.label_settings import LabelSettings, LabelUnit
from lib.encoders.robust_settings import RobustSettings, RobustUnit
from lib.records import Damaged
from lib.studies.shared import evidence
from lib.studies.shared.evidence import Embedded
from lib.study import RUNS, Run, kept, report

TINY = {"data": "spurious_digits", "net": "mlp", "epochs": 1, "validation": 0.0, "augment": "digits"}


def flip(path: Path, at: int = -1) -> None:
    """Change one bit of the file, by default of its last byte."""
    blob = bytearray(path.read_bytes())
    blob[at] ^= 1
    path.write_bytes(blob)


@pytest.fixture
def unit(tmp_path, monkeypatch):
    """A unit of invented numbers, with every kind of file that a unit keeps."""
    monkeypatch.setattr(stored, "STORE", tmp_path / "encoders")
    monkeypatch.setattr(RobustUnit, "key", "0" * 12)
    unit = RobustUnit(RobustSettings(**TINY), 0)
    one, codes = torch.rand(1, 4, 2), torch.arange(4)
    files = {
        "embeddings": {"z": one, "y": codes},
        "train_embeddings": {"z": one, "y": codes, "kept.0": codes},
        "checkpoint": {"0.weight": torch.rand(2, 2), "0.bias": torch.rand(2)},
        "strata": {"test_stratum": codes, "test_logits": one[0], "held_out": codes.to(torch.uint8)},
        "groups": {"groups": codes, "weights": torch.rand(2)},
        "labels": {"called": codes},
    }
    for name, tensors in files.items():
        with records.atomic(unit.folder / f"{name}.safetensors") as path:
            save_file({key: value.clone() for key, value in tensors.items()}, path)
    records.write_text(unit.folder / "loss.csv", "undersampled,epoch,loss\nbalanced,1,0.5\n")
    records.write_text(unit.folder / "0.part.safetensors", "of a training that was killed")
    records.seal(unit.folder / "record.json", {"unit": {"seed": 0}, "device": "CPU"})
    return unit


READERS = {
    "embeddings.safetensors": lambda u: u.embeddings(),
    "train_embeddings.safetensors": lambda u: (u.embeddings("train"), u.kept()),
    "checkpoint.safetensors": lambda u: pretrain.training.read_weights(u, nn.Linear(2, 2), ""),
    "strata.safetensors": lambda u: (u.strata(), u.logits(), u.held_out()),
    "groups.safetensors": lambda u: (u.groups(), u.weights()),
    "labels.safetensors": LabelUnit.tensors,
    "loss.csv": lambda u: evidence.losses(Embedded(u.embeddings, unit=u)),
    "record.json": lambda u: u.record,
}


@pytest.mark.parametrize("name", READERS)
def test_one_flipped_bit_in_a_units_file_is_refused_by_name(unit, name):
    assert sorted(unit.record["files"]) == sorted(READERS.keys() - {"record.json"})
    READERS[name](unit)
    flip(unit.folder / name, -7)
    with pytest.raises(Damaged, match=rf"{name} is damaged \(.*\); remove the folder .*{unit.name} and run again$"):
        READERS[name](unit)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("left", [0, 10])
def test_a_units_file_that_is_empty_or_cut_off_is_refused_in_one_line(unit, name, left):
    (unit.folder / name).write_bytes((unit.folder / name).read_bytes()[:left])
    with pytest.raises(Damaged, match=rf"^[^\n]*{name} is (damaged|empty)[^\n]* and run again$"):
        READERS[name](unit)


def test_a_missing_file_is_named(unit):
    (unit.folder / "embeddings.safetensors").unlink()
    with pytest.raises(Damaged, match=r"embeddings\.safetensors is missing; remove the folder"):
        unit.embeddings()


def test_a_record_of_before_is_read_as_it_is(unit):
    records.write_json(unit.folder / "record.json", {"device": "CPU"})
    flip(unit.folder / "embeddings.safetensors")
    assert unit.embeddings()[1].tolist() == [0, 1, 2, 3] and unit.record == {"device": "CPU"}
    path = unit.folder / "embeddings.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(Damaged, match=r"embeddings\.safetensors is damaged \(.*\); remove the folder"):
        unit.embeddings()


def test_a_file_is_hashed_once(unit, monkeypatch):
    real, hashed = records._sha256, []
    monkeypatch.setattr(records, "_sha256", lambda path: hashed.append(path.name) or real(path))
    for _ in range(3):
        unit.embeddings()
    assert hashed == ["embeddings.safetensors"]


def test_trainings_seal_their_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "STORE", tmp_path / "encoders")
    monkeypatch.delenv(records.OWNER, raising=False)
    labelled = LabelUnit(LabelSettings("few_labels", steps=20, images_per_class=20), 0, 1)
    grouped = RobustUnit(RobustSettings(**TINY), 0)
    labels.run(labelled)
    robust.run(grouped)
    assert list(labelled.record["files"]) == ["labels.safetensors"]
    assert sorted(grouped.record["files"]) == sorted(READERS.keys() - {"record.json", "labels.safetensors"})
    labelled.tensors(), grouped.embeddings(), grouped.groups(), grouped.strata()


def test_every_bit_of_a_checkpoint_counts(tmp_path):
    """Of a training that was killed: no flipped bit is taken up, wherever it lies."""
    net = nn.Linear(2, 1)
    sgd = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    net(torch.ones(1, 2)).sum().backward()
    sgd.step()
    path = tmp_path / "0.part.safetensors"
    checkpoints.save(path, "me", [0.5], net, sgd)
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole)
        flip(path, at)
        with pytest.raises(checkpoints.CheckpointError, match=r"0\.part\.safetensors .*; remove it and train again"):
            checkpoints.load(path, "me", net, sgd)
    path.write_bytes(whole)
    assert checkpoints.load(path, "me", net, sgd) == [0.5]


def test_the_umask_says_who_may_read_a_kept_file(tmp_path):
    before = os.umask(0o027)
    try:
        with records.atomic(tmp_path / "x.safetensors") as path:
            save_file({"x": torch.zeros(1)}, path)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x.safetensors").stat().st_mode) == 0o640


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """Two finished runs of a study."""
    root = tmp_path_factory.mktemp("finished")
    for name in ("quick-aa", "quick-bb"):
        folder = make_run(root / RUNS / STUDY / name)
        pd.read_csv(folder / "results.csv").assign(low=0.8, high=1.0).to_csv(folder / "results.csv", index=False)
        sealed(folder, git={"commit": "c0ffee", "dirty": False}, encoders=[])
    return root


@pytest.fixture
def run(finished, tmp_path, monkeypatch):
    """The first of two finished runs in a folder of their own."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_records, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(report, "RECORDED", tmp_path / "results/recorded")
    monkeypatch.setattr(sources_shown, "listing", lambda path: "")
    monkeypatch.setattr(records, "git_state", lambda: {"commit": "c0ffee", "dirty": False})
    return RUNS / STUDY / "quick-aa"


def sealed(folder: Path, **changed) -> Path:
    """The run's record, written as a run does."""
    about = kept.provenance(folder) | changed
    records.seal(folder / "provenance.json", about, ("results.csv", "claims.csv"))
    notebook = (folder / "executed.ipynb").rename(folder / "made.ipynb")
    records.add(folder / "provenance.json", notebook, "executed.ipynb")
    return folder


USES = {
    "site": lambda folder: site.assemble({STUDY: folder}, Path("out")),
    "record": lambda folder: runs.command_record(SimpleNamespace(run=folder.name)),
    "compare": lambda folder: runs.compare(folder, folder.with_name("quick-bb")),
}


IN = ["results.csv", "claims.csv", "provenance.json"]
ON = [*((use, name) for use in USES for name in IN if (use, name) != ("compare", "claims.csv"))]  # it reads no verdicts
ON += [("site", "executed.ipynb"), ("site", "figures/rh.csv"), ("site", "figures/rh.svg")]


@pytest.mark.parametrize(("use", "name"), ON)
def test_one_flipped_bit_in_a_runs_file_is_refused_by_name(run, use, name):
    flip(run / name, -4)
    with pytest.raises(Damaged, match=rf"{name} is damaged \(.*\); remove the folder .*quick-aa and run again$"):
        USES[use](run)
    assert not Path("results/recorded").exists() and not Path("out").exists(), "nothing is written"


@pytest.mark.parametrize("name", IN)
def test_one_flipped_bit_in_a_run_of_record_is_refused_by_name(run, name):
    USES["record"](run)
    folder = Path("results/recorded").absolute() / STUDY / run.name
    (record,) = report.recorded(STUDY)
    assert record.provenance == kept.provenance(run)
    flip(folder / name, -4)
    with pytest.raises(Damaged, match=rf"{name} is damaged \(.*\); take it from git again: git restore .*quick-aa$"):
        report.recorded(STUDY)
    with pytest.raises(Damaged, match=rf"{name} is damaged"):
        USES["site"](run)


@pytest.mark.parametrize("name", ["executed.ipynb", "provenance.json", "results.csv"])
@pytest.mark.parametrize("left", [0, 30])
def test_a_runs_file_that_is_empty_or_cut_off_is_one_line_of_the_site(run, name, left, capsys):
    (run / name).write_bytes((run / name).read_bytes()[:left])
    assert site.main([f"--current={STUDY}={run}", "--out=out"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"site: {run / name} is ") and line.endswith("and run again")


SPREADSHEETS = {  # what they make of a table of text
    "semicolons": lambda text: text.replace(",", ";"),
    "decimal commas": lambda text: re.sub(r"(\d)\.(\d)", r"\1,\2", text.replace(",", ";")),
    "decimal commas in quotes": lambda text: re.sub(r"\b(\d)\.(\d+)", r'"\1,\2"', text),
    "tabs": lambda text: text.replace(",", "\t"),
    "a mark of byte order": lambda text: "\ufeff" + text,
    "another encoding": lambda text: text.replace("RH", "Größe").replace("digits", "für").encode("cp1252"),
    "no first line": lambda text: text.partition("\n")[2],
}


@pytest.mark.parametrize("how", SPREADSHEETS)
@pytest.mark.parametrize("name", ["results.csv", "claims.csv"])
def test_a_table_that_a_spreadsheet_saved_is_refused_by_name(run, how, name, capsys):
    record = kept.provenance(run)
    record.pop("files")  # as of a run from before files were sealed
    records.write_json(run / "provenance.json", record)
    folder = shutil.copytree(run, Path("results/recorded").absolute() / STUDY / "laptop-1")
    assert report.recorded(STUDY) and (run / "requested").touch() is None
    assert len(run_records.asked_for()) == 1
    saved = SPREADSHEETS[how]((run / name).read_text(encoding="utf-8"))
    for place in (run, folder):
        (place / name).write_bytes(saved if isinstance(saved, bytes) else saved.encode())
    with pytest.raises(Damaged, match=rf"^[^\n]*laptop-1/{name} is damaged \([^\n]*\); take it from git again"):
        report.recorded(STUDY)
    assert not run_records.asked_for()
    assert f"{run.absolute() / name} is damaged (" in capsys.readouterr().err
    if name == "results.csv":
        with pytest.raises(Damaged, match=rf"{name} is damaged .*; remove the folder"):
            runs.compare(run, run)


def test_a_damaged_sweep_is_one_line(tmp_path):
    (tmp_path / "s.json").write_text("[]")
    records.seal(tmp_path / "t.json", {"study": "a", "grid": {"seed": [1]}, "runs": ["quick-1"]}, ())
    assert sweeps.load(tmp_path / "t.json").swept == ["seed"]
    flip(tmp_path / "t.json", (tmp_path / "t.json").read_bytes().index(b"quick-1") + 6)
    for name in "st":
        with pytest.raises(Damaged, match=rf"{name}\.json is damaged .*; remove it and start the sweep again"):
            sweeps.load(tmp_path / f"{name}.json")


def test_a_run_seals_its_tables(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Run, "id", "quick-1")
    monkeypatch.setattr(Run, "units", [])
    made = Run("sbm_theory", {"preset": "quick", "data": "none", "seeds": 1, "seed": 0})
    made.note("a", 1.0)
    made.save()
    about = kept.provenance(made.folder)
    assert sorted(about["files"]) == ["claims.csv", "results.csv"]
    assert pd.read_csv(kept.file(made.folder, "results.csv")).value.tolist() == [1.0]


BAD = '<script>alert("x")</script>'


def test_what_a_record_says_is_text_on_every_page(run):
    given = dict.fromkeys(("processor", "started", "python"), BAD)
    changed = given | {"git": {"commit": BAD, "dirty": False}, "threads": [BAD], "packages": {BAD: BAD}}
    sealed(run, device=[BAD], **changed)
    about = kept.provenance(run)
    sealed(run, params=about["params"] | {"data": BAD})
    table = pd.read_csv(run / "claims.csv").assign(data=BAD, preset=BAD)
    table.to_csv(run / "claims.csv", index=False)
    sealed(run)
    record = run_records.RunRecord(STUDY, run, "this book")
    asked = replace(record, kind="asked for")
    shown = status_page.status([record], [record], [asked]) + scoreboard.board({STUDY: record}, [record])
    shown += record.stamp("../") + report.verdicts([], [report.Record(table, table.iloc[:0], kept.provenance(run))], [])
    (run / "requested").touch()
    site.assemble({STUDY: run.with_name("quick-bb")}, Path("out"))
    shown += "".join(p.read_text() for p in Path("out").rglob("status.md"))
    page = Path("out", f"{asked.page}.ipynb").read_text(encoding="utf-8").replace("\\", "")
    assert BAD not in shown and "&lt;script&gt;" in shown and "alert(&quot;x&quot;)" in shown
    assert BAD not in page and "&lt;script&gt;" in page
