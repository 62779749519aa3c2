"""The graph: what is stale, what a kill leaves behind, who may build.  Read from Snakemake itself, on a copy."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lib.hashing import ROOT

NAME = "cifar10_undersampling"
COPIED = ("lib", "notebooks", "presets", "claims", "book", "results/reported", "Snakefile", "_config.yml", "_toc.yml")
COPIED += ("requirements.txt", "constraints.txt")
TINY = """preset: quick
undersampled: "3,8"
milder: 0
seeds: 1
null_seeds: 1
reference_seeds: 1
epochs: 2
"""
SMALL_STUDY = """# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% tags=["parameters"]
preset: str = "quick"  # the label of the run
data: str = "none"  # no data
seeds: int = 3  # [1, 9] seeds

# %%
from lib import study

run = study.start("small", globals())

# %%
run.save([{"quantity": "one", "value": 1.0}], [])
"""
NO_ENCODERS = """from types import SimpleNamespace


def plan(p):
    return SimpleNamespace(units=[])
"""


@pytest.fixture
def checkout(tmp_path):
    """A copy of the checkout, in a folder whose name has a space."""
    root = tmp_path / "a b"
    for name in COPIED:
        source, target = ROOT / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return root


def environment():
    outside = {"PYTHONPATH", "BOOK_OWNER", "STUDY", "PRESET", "P", "GRID"}
    return {k: v for k, v in os.environ.items() if k not in outside} | {"CORES": "2"}


def python(root, *words, **options):
    call = [sys.executable, *words]
    return subprocess.run(call, cwd=root, env=environment() | options, capture_output=True, text=True, timeout=300)


def planned(root, target):
    """What a dry run would make for a target: jobs by rule, and encoder units whatever job they share."""
    words = ["-m", "snakemake", "-n", target, "--cores", "2", "--rerun-triggers", "mtime", "--nolock"]
    done = python(root, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {k: int(n) for k, n in re.findall(r"^(data|study|site) +(\d+)$", done.stdout, re.M)}
    outputs = " ".join(re.findall(r"^ +output: (.*)$", done.stdout, re.M))
    units = set(re.findall(r"build/encoders/([^/]+)/record.json", outputs))
    return found | ({"encoder": len(units)} if units else {})


def pretend(root):
    """Put an empty file wherever a result belongs, as if everything had been made just now."""
    script = (
        "from lib import records\nfrom lib.book import make\n"
        "for run in make.quick_runs():\n"
        "    for unit in run.units:\n"
        "        records.write_text(unit.folder / 'record.json', '{}')\n"
        "        records.write_text(f'build/data/{unit.settings.data}.json', '{}')\n"
        "    for name in ('executed.ipynb', 'results.csv', 'claims.csv', 'provenance.json'):\n"
        "        records.write_text(run.folder / name, '{}')\n"
        "for name in ('build/_build/html/index.html', 'build/site'):\n"
        "    records.write_text(name, '')\n"
    )
    done = python(root, "-c", script)
    assert done.returncode == 0, done.stderr


def edit(path: Path, old: str, new: str):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_only_what_a_change_touches_is_stale(checkout):
    everything = {"data": 4, "encoder": 183, "study": 11, "site": 1}
    assert planned(checkout, "book") == everything
    pretend(checkout)
    assert planned(checkout, "book") == {}

    shutil.rmtree(checkout / "build/data")
    shutil.rmtree(next((checkout / "build/encoders").iterdir()))
    assert planned(checkout, "studies") == {}, "what a finished result was made from is not needed again"
    pretend(checkout)

    edit(checkout / "lib/harms/representation.py", '"""Representation harm and', '"""On representation harm and')
    edit(
        checkout / "lib/harms/representation.py",
        "    length = z.norm(dim=-1)",
        "    # a comment\n    length = z.norm(dim=-1)",
    )
    assert planned(checkout, "studies") == {}, "a docstring or a comment made a study stale"

    edit(checkout / "lib/harms/representation.py", "length = z.norm(dim=-1)", "length = z.norm(p=2, dim=-1)")
    assert planned(checkout, "studies") == {"study": 4}, (
        "a function of lib/harms/representation.py re-runs the studies alone"
    )
    pretend(checkout)

    edit(checkout / "lib/losses/self_supervised.py", "n = len(z1)", "n = z1.shape[0]")
    assert planned(checkout, "studies") == {"encoder": 120, "study": 5}
    pretend(checkout)

    edit(checkout / f"notebooks/{NAME}.py", "# # Undersampling a class", "# # On undersampling a class")
    edit(checkout / "book/scoreboard.md", "# ", "# The ")
    assert planned(checkout, "studies") == {}, "prose re-ran a study"
    assert planned(checkout, "book") == {"site": 1}
    pretend(checkout)

    edit(checkout / f"presets/quick/{NAME}.yaml", "ratio: 0.05", "ratio: 0.1")
    assert planned(checkout, "studies") == {"encoder": 3, "study": 1}, "the milder arm and the controls are shared"
    pretend(checkout)

    (checkout / f"results/recorded/{NAME}/new").mkdir(parents=True)
    (checkout / f"results/recorded/{NAME}/new/results.csv").write_text("quantity,value")
    assert planned(checkout, "studies") == {"study": 1}, "a page shows the runs of record"
    pretend(checkout)

    edit(checkout / "requirements.txt", "openTSNE==", "openTSNE==9")
    assert planned(checkout, "studies") == {"study": 11}, "training does not use this package"


def test_another_file_of_embeddings_is_another_run(checkout, tmp_path):
    script = (
        "from lib import study\n"
        f"v = study.complete('{NAME}', {{'embeddings': '{tmp_path}/e.bin'}})\n"
        f"print(study.Run('{NAME}', v).id)\n"
    )
    found = []
    for content in (b"one", b"two", b"two"):
        (tmp_path / "e.bin").write_bytes(content)
        found.append(python(checkout, "-c", script).stdout)
    assert found[0] != found[1] == found[2] != ""


def only(root, *names):
    """Leave the studies of these names alone in the checkout."""
    for path in (root / "notebooks").glob("*.py"):
        if path.stem not in names:
            path.unlink()


def test_a_killed_build_goes_on_and_a_second_one_is_refused(checkout):
    only(checkout, NAME)
    (checkout / f"presets/quick/{NAME}.yaml").write_text(TINY)
    script = "import sys; from lib.book import make; sys.exit(make.build(make.quick_runs(), 'studies'))"
    first = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=checkout,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    store = checkout / "build/encoders"
    wait_for(lambda: list(store.glob("*/record.json")), "an encoder", first)
    second = python(
        checkout,
        "-c",
        f"import sys\nfrom lib.book import make\ntry:\n    {script.split('; ')[2]}\nexcept make.Busy as e: print(e)",
    )
    assert f"another build (process {first.pid}) is at work" in second.stdout

    def jobs():
        below = psutil.Process(first.pid).children(recursive=True)
        return [j for j in below if j.is_running() and "python" in j.name()]

    left = wait_for(jobs, "a job at work", first)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert not psutil.wait_procs(left, timeout=10)[1], "jobs outlived their build"
    before = {p: p.stat().st_mtime_ns for p in store.glob("*/record.json")}

    done = python(checkout, "-c", script)
    assert done.returncode == 0, done.stderr
    assert all(p.stat().st_mtime_ns == at for p, at in before.items()), "a finished encoder was trained again"
    assert len(list(store.glob("*/record.json"))) == 5
    assert not list(checkout.glob("results/runs/**/*.part"))
    for record in store.glob("*/record.json"):
        json.loads(record.read_text())
    assert planned(checkout, "studies") == {}


def test_a_failed_study_shows_its_cell_and_leaves_the_others(checkout):
    only(checkout)
    for name, body in (("small", SMALL_STUDY), ("broken", SMALL_STUDY.replace('"small"', '"broken"'))):
        text = body if name == "small" else body.replace("run.save(", "raise OSError('the reason')\nrun.save(")
        (checkout / f"notebooks/{name}.py").write_text(text)
        (checkout / f"presets/quick/{name}.yaml").write_text("preset: quick\n")
        (checkout / f"lib/studies/{name}.py").write_text(NO_ENCODERS)
    done = python(
        checkout, "-c", "import sys; from lib.book import make; sys.exit(make.build(make.quick_runs(), 'studies'))"
    )
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "raise OSError('the reason')" in re.sub(r"\x1b\[[0-9;]*m", "", said) and "the reason" in said
    assert len(list(checkout.glob("results/runs/small/*/executed.ipynb"))) == 1
    assert not list(checkout.glob("results/runs/broken/*/executed.ipynb"))


def test_plain_papermill_refuses_and_accepts(checkout):
    def papermill(*words):
        source = subprocess.run(
            [sys.executable, "-m", "jupytext", "--quiet", "--to", "ipynb", "--output", "-", "notebooks/small.py"],
            cwd=checkout,
            capture_output=True,
            check=True,
        ).stdout
        call = [sys.executable, "-m", "papermill", "--no-progress-bar", *words, "-", "out.ipynb"]
        done = subprocess.run(call, cwd=checkout, env=environment(), input=source, capture_output=True, timeout=120)
        return done.returncode, done.stderr.decode().strip().splitlines()[-1]

    (checkout / "notebooks/small.py").write_text(
        SMALL_STUDY.replace("seeds: int = 3  # [1, 9]", "seeds: float = 3.0  # [1, 9]")
    )
    (checkout / "lib/studies/small.py").write_text(NO_ENCODERS)
    for words, line in {
        ("-p", "seedz", "1"): "parameter 'seedz' does not exist in small; did you mean 'seeds'?",
        ("-p", "seeds", "abc"): "seeds='abc' is a str; expected float in [1, 9]",
        ("-p", "seeds", "70"): "seeds=70 is out of range; expected float in [1, 9]",
    }.items():
        code, last = papermill(*words)
        assert code != 0 and last == f"ParameterError: {line}"
    assert papermill("-p", "seeds", "4")[0] == 0


def wait_for(condition, what, process, seconds=120):
    end = time.time() + seconds
    while not (found := condition()):
        assert process.poll() is None and time.time() < end, f"{what} did not appear"
        time.sleep(0.1)
    return found
