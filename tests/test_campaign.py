"""lib.book.campaign, lib.encoders.recorded: a list is worked through whatever kills it; what a run of record keeps of
its encoders stands for them.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import psutil
import pytest
import yaml
from test_graph import copy, edit, environment, python

from lib import study
from lib.book import campaign
from lib.hashing import ROOT
from lib.study import Run

STUDY = "cifar10_undersampling"
TOY = """preset: quick
seed: 1000
seeds: 2
null_seeds: 1
reference_seeds: 1
classes: 0,1,2
ratio: 0.05
epochs: 6
head_width: 32
milder: 0
"""

REPORTED = "        conditions.report(epoch + 1, history[-1])\n"
HELD = (
    "        while epoch == 2 and len(list(Path('build/encoders').glob('*/record.json'))) == int(os.environ['HOLD']):\n"
)
HELD += "            time.sleep(1)\n"


def git(root: Path, *words: str) -> str:
    who = ("-c", "user.name=A", "-c", "user.email=a@b.c")
    return subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def clone(root: Path) -> Path:
    """A committed copy of the checkout with one study and a list of one toy row.

    Every epoch is kept, and a training stops in the middle where as many encoders are done as HOLD says.
    """
    copy(root)
    edit(root / "lib/encoders/training.py", "SAVE_SECONDS = 60", "SAVE_SECONDS = 0")
    edit(root / "lib/encoders/training.py", REPORTED, REPORTED + HELD)
    for path in (root / "notebooks").glob("*.py"):
        if path.stem != STUDY:
            path.unlink()
    (root / "presets/toy").mkdir()
    (root / f"presets/toy/{STUDY}.yaml").write_text(TOY)
    (root / "records.yaml").write_text(f"rows:\n- {{study: {STUDY}, preset: toy}}\n")
    shutil.copy(ROOT / ".gitignore", root)
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "all")
    return root


def start(root: Path, hold: int = -1) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "lib.book.make", "campaign"],
        cwd=root,
        env=environment() | {"HOURS": "1", "LIST": "records.yaml", "HOLD": str(hold)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(root: Path) -> None:
    process = start(root)
    said, _ = process.communicate(timeout=900)
    assert process.returncode == 0, said[-4000:]


def trained(root: Path) -> dict[Path, int]:
    """The records of encoders, and when each was written."""
    return {p.relative_to(root): p.stat().st_mtime_ns for p in (root / "build/encoders").glob("*/record.json")}


def contents(root: Path) -> dict[Path, dict]:
    """The sha256 of every file of every encoder."""
    return {path: json.loads((root / path).read_text())["files"] for path in trained(root)}


def tables(folder: Path) -> dict[str, pd.DataFrame]:
    return {path.parent.name: pd.read_csv(path) for path in folder.glob("*/*/results.csv")}


def provenance(folder: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in folder.glob("*/*/provenance.json")]


def test_a_campaign_killed_three_times_trains_nothing_twice_and_its_records_stand_for_the_encoders(tmp_path):
    root = clone(tmp_path / "a b")
    before: dict[Path, int] = {}
    for wanted in (1, 2, 3):
        process = start(root, hold=wanted)
        end = time.time() + 120
        while len(trained(root)) < wanted or not list(root.glob("build/encoders/*/*.part.safetensors")):
            assert process.poll() is None and time.time() < end, process.stdout.read()
            time.sleep(0.05)
        below = psutil.Process(process.pid).children(recursive=True)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not psutil.wait_procs(below, timeout=10)[1], "jobs outlived their campaign"
        now = trained(root)
        assert before.items() < now.items() and len(now) == wanted, "a finished encoder was trained again"
        before = now
    finish(root)
    every = trained(root)
    assert before.items() < every.items(), "a finished encoder was trained again"
    recorded, head = root / campaign.RECORDED, git(root, "rev-parse", "HEAD")
    assert all(about["git"] == {"commit": head, "dirty": False} for about in provenance(recorded))
    assert not any(e["recorded"] for about in provenance(recorded) for e in about["encoders"])
    resumed, first = contents(root), tables(recorded)
    assert len(first) == 1

    shutil.copytree(recorded, root / "results/recorded")
    for name in ("build/encoders", campaign.FOLDER, "results/runs"):
        shutil.rmtree(root / name)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "runs of record")
    finish(root)
    assert not trained(root), "an encoder was trained that a run of record has"
    again = tables(recorded)
    assert first.keys() == again.keys()
    for run, table in first.items():
        pd.testing.assert_frame_equal(table, again[run])
    assert all(e["recorded"] and e["git"]["commit"] == head for a in provenance(recorded) for e in a["encoders"])

    for name in ("results/recorded", "results/runs"):
        shutil.rmtree(root / name)
    values = json.dumps(study.complete(STUDY, yaml.safe_load(TOY)))
    done = python(root, "-m", "lib.book.make", "encoders", STUDY, values, HOLD="-1")
    assert done.returncode == 0, done.stderr
    assert contents(root) and contents(root).items() <= resumed.items(), "a training that was killed ended elsewhere"


def listed(folder: Path, text: str) -> list[campaign.Row]:
    (folder / "list.yaml").write_text(text)
    return campaign.rows(folder / "list.yaml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rows: [{study: mediation}]", "row 1: .*write study, preset"),
        ("rows: [{study: mediation, preset: quick, seed: 3}]", "row 1: .*write study, preset"),
        ("rows: [{study: meditation, preset: quick}]", "row 1: .*did you mean 'mediation'"),
        ("rows: [{study: mediation, preset: fast}]", "row 1: preset 'fast' does not exist"),
        ("rows: [{study: mediation, preset: quick}, {study: mediation, preset: quick}]", "row 2: .* twice"),
        ("rows: [{study: mediation, preset: quick, needs: [quick/x]}]", "row 1: needs 'quick/x', which is none"),
        (
            "rows: [{study: mediation, preset: quick, judges: [bios-te]}]",
            "judges 'bios-te', which is no claim of mediation",
        ),
        ("[1]", "a list 'rows' is expected"),
        ("rows: [", "a list 'rows' is expected"),
    ],
)
def test_a_list_that_cannot_be_run_is_refused(tmp_path, text, words):
    with pytest.raises(ValueError, match=words):
        listed(tmp_path, text)


def test_a_missing_list_and_hours_without_sense_are_refused(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"none\.yaml' does not exist"):
        campaign.rows(tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("rows: []")
    for hours in ("0", "-1", "a", "nan", "1e9"):
        with pytest.raises(ValueError, match="write a number above 0"):
            campaign.command_campaign(SimpleNamespace(list=str(tmp_path / "list.yaml"), hours=hours))


def test_a_tree_with_changes_is_refused_before_any_work(tmp_path, monkeypatch):
    rows = [row(tmp_path, "a")]
    monkeypatch.setattr(campaign, "rows", lambda path: rows)
    monkeypatch.setattr(campaign.records, "git_state", lambda: {"commit": "1", "dirty": True})
    with pytest.raises(ValueError, match="a clone without uncommitted changes"):
        campaign.command_campaign(SimpleNamespace(list="", hours="1"))
    assert not rows[0].tries


def row(folder: Path, name: str, needs: tuple[str, ...] = (), seconds: float = 0, status: int = 0):
    """A row whose run sleeps and ends with a status."""
    run = SimpleNamespace(study=name, id=f"run-{name}", units=[], own=[], values={}, folder=folder / name, done=False)
    made = campaign.Row("toy", run, needs)
    object.__setattr__(made, "command", [sys.executable, "-c", f"import time; time.sleep({seconds}); exit({status})"])
    object.__setattr__(made, "tries", [])
    return made


def test_rows_wait_for_their_needs_and_a_failure_leaves_the_others(tmp_path, monkeypatch, capsys):
    rows = [row(tmp_path, "a", status=1), row(tmp_path, "b", ("toy/a",)), row(tmp_path, "c")]
    assert work(rows, tmp_path, monkeypatch) == 1
    assert [r.tries for r in rows] == [["tried"], [], ["tried"]]
    said = capsys.readouterr()
    assert "toy/b: waits for toy/a" in said.out and "toy/a failed" in said.err


def test_a_campaign_ends_at_its_time(tmp_path, monkeypatch, capsys):
    rows = [row(tmp_path, "a", seconds=60), row(tmp_path, "b")]
    begin = time.time()
    assert work(rows, tmp_path, monkeypatch, hours=str(2 / 3600)) == 0
    assert time.time() - begin < 30 and rows[1].tries == []
    assert "toy/a: stopped at the time limit; the same command goes on" in capsys.readouterr().out


def work(rows: list, folder: Path, monkeypatch, hours: str = "1") -> int:
    """The campaign over these rows, with their own commands in place of the graph."""
    monkeypatch.setattr(campaign, "rows", lambda path: rows)
    monkeypatch.setattr(campaign, "RECORDED", folder / "recorded")
    monkeypatch.setattr(campaign, "ENCODERS", folder / "encoders.csv")
    monkeypatch.setattr(campaign.records, "git_state", lambda: {"commit": "1", "dirty": False})
    monkeypatch.setattr(campaign.runs, "record", lambda home, root: root / home.name)
    popen = subprocess.Popen

    def start(command: list[str]) -> subprocess.Popen:
        (mine,) = (r for r in rows if r.run.study == command[4])
        mine.tries.append("tried")
        return popen(mine.command)

    monkeypatch.setattr(campaign.subprocess, "Popen", start)
    return campaign.command_campaign(SimpleNamespace(list="", hours=hours))


def test_the_books_own_list_plans_with_fresh_seeds_and_shared_encoders():
    listed = {r.name: r.run for r in campaign.rows(ROOT / "records.yaml")}
    rows = {name: run for name, run in listed.items() if run.values["preset"] != "paper"}
    assert {name: run.values["seed"] for name, run in rows.items() if run.values["seed"] != 1000} == {
        "records/worst_group": 2000,
        "records_seeds/label_noise_and_coresets": 3000,
    }
    assert all(len(run.units) == len({unit.name for unit in run.units}) for run in rows.values())
    of = {name: set(rows[f"records/{name}"].units) for name in ("cifar10_undersampling", "mediation", "sbm_theory")}
    under = {unit for unit in of["mediation"] if unit.ratio == 0.01}
    assert len(under) == 40 and all(under < units for units in of.values())
    (settings,) = {unit.settings for unit in under}
    pilot = Run("mediation", study.complete("mediation", study.preset("mediation", "laptop"))).units[0].settings
    assert settings == replace(pilot, epochs=50, precision="float32")
    for name in ("cifar10_undersampling", "mediation"):
        more = set(rows[f"records_5pct/{name}"].units) - of[name]
        assert len(more) == 40 and {unit.ratio for unit in more} == {0.05}
