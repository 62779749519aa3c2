"""A sweep on a cluster by the same command: equal to the last bit, and a job that was cancelled goes on."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_graph import FIVE_ENCODERS, SMALL_STUDY, add, copy, environment, python, wait_for

GRID = "seeds=3,4,5,6"
TITLE = "# %% [markdown]\n# # A small study\n\n"
NOTED = """for unit in run.units:
    run.note(f"mean {unit.seed}", float(unit.embeddings()[0].mean()))
"""


def answers() -> bool:
    try:
        done = subprocess.run(["sinfo", "-h", "-t", "idle,mix,alloc"], capture_output=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and bool(done.stdout.strip())


pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(not answers(), reason="no Slurm here that takes jobs (tests/slurm/node.sh sets one up)"),
]


def book_of_one_study(root: Path) -> Path:
    """A copy of the checkout with one small study, whose trainings are kept after every epoch."""
    copy(root)
    for path in [*(root / "notebooks").glob("*.py"), *(root / "book").glob("*.md")]:
        path.unlink()
    notebook = SMALL_STUDY.replace('run.note("one", 1.0)\n', NOTED).replace("# %% tags", f"{TITLE}# %% tags")
    add(root, "small", notebook, FIVE_ENCODERS.replace("epochs=2", "epochs=40"))
    (root / "book/index.md").write_text("# A book of one study\n")
    parts = "parts:\n  - caption: Studies\n    chapters:\n      - file: notebooks/small\n"
    (root / "_toc.yml").write_text(f"format: jb-book\nroot: index\n{parts}")
    training = root / "lib/encoders/training.py"
    training.write_text(training.read_text().replace("SAVE_SECONDS = 60", "SAVE_SECONDS = 0"))
    return root


def made(root: Path) -> dict[str, bytes]:
    """All numbers that a build leaves, by path."""
    patterns = ("build/encoders/*/*.safetensors", "build/encoders/*/loss.csv", "results/runs/small/*/*.csv")
    return {str(p.relative_to(root)): p.read_bytes() for pattern in patterns for p in root.glob(pattern)}


def test_a_sweep_on_slurm_with_a_cancelled_job_equals_one_on_this_machine(tmp_path):
    here, there = book_of_one_study(tmp_path / "here"), book_of_one_study(tmp_path / "there")
    sweep = [sys.executable, "-m", "lib.book.make", "sweep"]
    asked = environment() | {"STUDY": "small", "GRID": GRID, "PROFILE": "slurm"}
    with open(tmp_path / "said", "w", encoding="utf-8") as said:
        build = subprocess.Popen(sweep, cwd=there, env=asked, stdout=said, stderr=subprocess.STDOUT)
    wait_for(lambda: list(there.glob("build/encoders/*/record.json")), "an encoder", build)
    wait_for(lambda: list(there.glob("build/encoders/*/*.part.safetensors")), "a checkpoint", build)
    job = re.search(r"SLURM jobid (\d+)", (tmp_path / "said").read_text())[1]
    subprocess.run(["scancel", job], check=True)
    time.sleep(2)
    whole = [p.with_name("loss.csv") for p in there.glob("build/encoders/*/record.json")]
    first = {p: p.stat().st_mtime_ns for p in whole}
    assert build.wait(timeout=400) == 0, (tmp_path / "said").read_text()[-3000:]

    words = (tmp_path / "said").read_text()
    assert f"SLURM-job '{job}' failed, SLURM status is: 'CANCELLED'" in words and "Trying to restart job" in words
    assert 0 < len(first) < 5 and all(p.stat().st_mtime_ns == at for p, at in first.items()), "trained again"
    (log,) = there.glob("build/logs/digits-*.log")
    assert int(re.search(r"epoch (\d+)/40", log.read_text())[1]) > 1, "it did not go on from its checkpoint"
    assert len(re.findall(r"^study small, run \S+: executed in \d+ s$", words, re.M)) == 4, "not shown here"
    assert "site: built in" in words and not list(there.glob(".snakemake/slurm_logs/rule_site*"))

    done = python(here, "-m", "lib.book.make", "sweep", STUDY="small", GRID=GRID)
    assert done.returncode == 0, done.stderr[-3000:]
    expected = made(here)
    assert len(expected) == 5 * 4 + 4 * 2 and made(there) == expected
