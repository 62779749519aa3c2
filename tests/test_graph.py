"""The graph: what is stale, what a kill leaves behind, who may build.  Read from Snakemake itself, on a copy."""

import argparse
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import save_file
from snakemake.cli import main as snakemake
from test_keys import forget

from lib import hashing, records, study
from lib.book import data_sets, make, new, runs
from lib.claims import entries
from lib.hashing import ROOT
from lib.study import declared, key

NAME = "cifar10_undersampling"
LOSS = ("lib.losses.self_supervised", "nt_xent")
COPIED = ("lib", "notebooks", "presets", "claims", "book", "results/reported", "Snakefile", "_config.yml", "_toc.yml")
COPIED += ("profiles", "pyproject.toml", "requirements.txt", "constraints.txt", "benchmarks/coverage.csv")
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
run.note("one", 1.0)
run.save()
"""
NO_ENCODERS = """from types import SimpleNamespace


def plan(p):
    return SimpleNamespace(units=[])
"""
FIVE_ENCODERS = """from types import SimpleNamespace

from lib.encoders.settings import Settings, Unit

SMALL = Settings(
    data="digits", net="convnet", pretrained=False, head_width=32, epochs=2, batch_size=50, learning_rate=0.1,
    squared_learning_rate=False, augment="digits",
)


def plan(p):
    return SimpleNamespace(units=[Unit(SMALL, ("",), 1.0, seed) for seed in range(5)])
"""


def copy(root: Path) -> Path:
    """Copy what a build reads of the checkout."""
    for name in COPIED:
        source, target = ROOT / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    return root


@pytest.fixture
def checkout(tmp_path):
    """A copy of the checkout without its studies, in a folder whose name has a space."""
    root = copy(tmp_path / "a b")
    for path in (root / "notebooks").glob("*.py"):
        path.unlink()
    return root


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A copy of the checkout in which this process plans as if it were its own."""
    root = copy(tmp_path / "a b")
    monkeypatch.chdir(root)
    for module in (hashing, key, entries, declared):
        monkeypatch.setattr(module, "ROOT", root)
    yield root
    forget()


def environment():
    outside = {"PYTHONPATH", "BOOK_OWNER", "STUDY", "PRESET", "P", "GRID", "PROFILE", "GPUS", "YES"}
    return {k: v for k, v in os.environ.items() if k not in outside} | {"CORES": "2"}


def python(root, *words, **options):
    call = [sys.executable, *words]
    return subprocess.run(call, cwd=root, env=environment() | options, capture_output=True, text=True, timeout=300)


def counted(said: str) -> dict[str, int]:
    """What a dry run would make: jobs by rule, and encoder units whatever job they share."""
    found = {k: int(n) for k, n in re.findall(r"^(data|study|site) +(\d+)$", said, re.M)}
    outputs = " ".join(re.findall(r"^ +output: (.*)$", said, re.M))
    units = set(re.findall(r"build/encoders/([^/]+)/record.json", outputs))
    return found | ({"encoder": len(units)} if units else {})


DRY = ("--cores", "2", "--rerun-triggers", "mtime", "--nolock")


@pytest.fixture
def planned(here, capfd):
    """Call with a target: what Snakemake, in this process, would make for it."""

    def plan(target: str) -> dict[str, int]:
        forget()
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            snakemake(["-n", target, *DRY])
        said = "".join(capfd.readouterr())
        assert not end.value.code, said
        return counted(said)

    return plan


def pretend():
    """Put an empty file wherever a result belongs, as if everything had been made just now."""
    for run in make.quick_runs():
        for unit in run.units:
            records.write_text(unit.folder / "record.json", "{}")
            records.write_text(f"build/data/{unit.settings.data}.json", "{}")
        for name in ("executed.ipynb", "results.csv", "claims.csv", "provenance.json"):
            records.write_text(run.folder / name, "{}")
    for name in ("build/_build/html/index.html", "build/site"):
        records.write_text(name, "")


def edit(path: Path, old: str, new: str):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def names() -> tuple[set[str], dict[str, str]]:
    """The ids of the book's runs, and their encoders with the module that trains each."""
    forget()
    runs = make.quick_runs()
    return {run.id for run in runs}, {unit.name: unit.trainer for run in runs for unit in run.units}


def test_only_what_a_change_touches_is_stale(here, planned):
    runs, units = names()
    assert planned("book") == {"data": 4, "encoder": len(units), "study": len(runs), "site": 1}
    assert len(units) > 170 and len(runs) == len(study.names())
    pretend()
    assert planned("book") == {}

    shutil.rmtree(here / "build/data")
    shutil.rmtree(next((here / "build/encoders").iterdir()))
    assert planned("studies") == {}, "what a finished result was made from is not needed again"
    pretend()

    harms = here / "lib/harms/representation.py"
    edit(harms, '"""Representation harm and', '"""On representation harm and')
    edit(harms, "    has_direction(z)\n    member", "    # a comment\n    has_direction(z)\n    member")
    assert planned("studies") == {}, "a docstring or a comment made a study stale"

    edit(harms, "member.T @ F.normalize(z, dim=-1)", "member.T @ F.normalize(z, p=2, dim=-1)")
    now = names()
    assert now[1] == units and 1 < len(now[0] - runs) < len(runs)
    assert planned("studies") == {"study": len(now[0] - runs)}, (
        "a measure re-runs the studies that reach it, and no other"
    )
    pretend()

    runs, units = now
    edit(here / "lib/losses/self_supervised.py", "n = z1.shape[-2]", "n = z1.size(-2)")
    now = names()
    fresh = set(now[1]) - set(units)
    by_loss = {by for by in now[1].values() if LOSS in hashing.closure((by, "run"))}
    assert {"lib.encoders.pretrain"} <= by_loss < set(now[1].values())
    assert fresh == {name for name, by in now[1].items() if by in by_loss}
    assert planned("studies") == {"encoder": len(fresh), "study": len(now[0] - runs)}
    assert len(now[0] - runs) < len(runs)
    pretend()

    edit(here / f"notebooks/{NAME}.py", "# # Undersampling a class", "# # On undersampling a class")
    edit(here / "book/scoreboard.md", "# ", "# The ")
    assert planned("studies") == {}, "prose re-ran a study"
    assert planned("book") == {"site": 1}
    pretend()

    edit(here / f"presets/quick/{NAME}.yaml", "ratio: 0.05", "ratio: 0.1")
    assert planned("studies") == {"encoder": 3, "study": 1}, "the milder arm and the controls are shared"
    pretend()

    (here / f"results/recorded/{NAME}/new").mkdir(parents=True)
    (here / f"results/recorded/{NAME}/new/results.csv").write_text("quantity,value")
    assert planned("studies") == {}, "recording a run renames none"
    assert planned("book") == {"site": 1}
    pretend()

    edit(here / "requirements.txt", "openTSNE==", "openTSNE==9")
    assert planned("studies") == {"study": len(runs)}, "training does not use this package"


def test_record_then_prune_keeps_everything_and_nothing_is_made_again(here, planned, monkeypatch):
    clean = {"commit": "c0ffee", "dirty": False}
    monkeypatch.setattr(records, "git_state", lambda: clean)
    pretend()
    forget()
    made = make.quick_runs()
    for run in made:
        about = {"study": run.study, "run": run.id, "params": run.values, "git": clean, "encoders": []}
        records.write_json(run.folder / "provenance.json", about)
        runs.command_record(SimpleNamespace(run=run.id))
    there = {unit.folder for run in made for unit in run.units} | {run.folder for run in made}
    forget()
    runs.prune()
    assert all(folder.exists() for folder in there)
    assert planned("studies") == {} and planned("book") == {"site": 1}


def test_another_file_of_embeddings_is_another_run(here, tmp_path):
    given, found = {"embeddings": f"{tmp_path}/e.safetensors"}, []
    for size in (1.0, 2.0, 2.0):
        rows = {"labels": torch.arange(10).repeat(2), "group": torch.tensor([-1, 3]).repeat_interleave(10)}
        save_file({"vectors": size * torch.eye(10).repeat(2, 1), **rows}, given["embeddings"])
        values = study.complete(NAME, given)
        forget()
        found.append(study.Run(NAME, values).id)
    assert found[0] != found[1] == found[2]
    folder = tmp_path / "e"
    folder.mkdir()
    for size in (1.0, 2.0, 2.0):
        for name, array in {"vectors": size * torch.eye(10).repeat(2, 1), **rows}.items():
            np.save(folder / f"{name}.npy", array.numpy())
        forget()
        found.append(study.Run(NAME, study.complete(NAME, {"embeddings": str(folder)})).id)
    assert found[3] != found[4] == found[5], "a folder of them too"


def add(root: Path, name: str, notebook: str, plan: str) -> None:
    """Write a study into the checkout: notebook, preset and plan, and what is known of its data."""
    (root / f"notebooks/{name}.py").write_text(notebook)
    (root / f"presets/quick/{name}.yaml").write_text("preset: quick\n")
    (root / f"lib/studies/plans/{name}.py").write_text(plan)
    records.write_json(root / "build/data/digits.json", data_sets.about("digits"))


def test_a_killed_build_goes_on_and_a_second_one_is_refused(checkout):
    add(checkout, "small", SMALL_STUDY, FIVE_ENCODERS)
    script = "import sys; from lib.book import make; sys.exit(make.build(make.quick_runs(), 'studies'))"
    first = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=checkout,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    store, lock = checkout / "build/encoders", checkout / "build/lock"
    wait_for(lambda: lock.exists() and lock.read_text(), "the lock", first)
    second = python(
        checkout,
        "-c",
        "import sys\nfrom lib.book import engine, make\n"
        f"try:\n    {script.split('; ')[2]}\nexcept engine.Busy as e: print(e)",
    )
    assert f"another build (process {first.pid} on {platform.node()}) is at work" in second.stdout

    def jobs():
        below = psutil.Process(first.pid).children(recursive=True)
        return [j for j in below if j.is_running() and "python" in j.name()]

    wait_for(lambda: list(store.glob("*/record.json")), "an encoder", first)
    left = wait_for(jobs, "a job at work", first)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert not psutil.wait_procs(left, timeout=10)[1], "jobs outlived their build"
    before = {p: p.stat().st_mtime_ns for p in store.glob("*/record.json")}

    dry = f"if not status: main(['-n', 'studies', *{DRY!r}])"
    done = python(checkout, "-c", f"from snakemake.cli import main\n{script.replace('sys.exit(', 'status = (')}\n{dry}")
    assert done.returncode == 0, done.stderr
    assert all(p.stat().st_mtime_ns == at for p, at in before.items()), "a finished encoder was trained again"
    assert len(list(store.glob("*/record.json"))) == 5
    assert not list(checkout.glob("results/runs/**/*.part"))
    for record in store.glob("*/record.json"):
        json.loads(record.read_text())
    assert "Nothing to be done" in done.stdout + done.stderr


@pytest.mark.parametrize("writable", [True, False])
def test_a_users_surroundings_change_nothing_of_a_build(checkout, tmp_path, writable):
    said = 'print("✓ Größe")\nrun.save('
    add(checkout, "small", SMALL_STUDY.replace("run.save(", said), NO_ENCODERS)
    home, profile, other = tmp_path / "home", tmp_path / "profile", tmp_path / "other"
    write_all(home / ".ipython/profile_default/startup/0.py", "raise SystemExit('a startup file of the user')")
    write_all(home / ".local/share/jupyter/kernels/python3/kernel.json", '{"argv": ["false"], "display_name": "mine"}')
    write_all(home / ".jupyter/jupyter_config.py", "raise SystemExit('a configuration of the user')")
    write_all(profile / "config.yaml", "dry-run: true\ncores: 0\n")
    subprocess.run(["git", "init", "--quiet", other], check=True)
    before = sorted(home.rglob("*"))
    foreign = {"HOME": str(home) if writable else "/dev/null", "SNAKEMAKE_PROFILE": str(profile)}
    foreign |= {"GIT_DIR": str(other / ".git"), "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    script = "import sys\nfrom lib.book import make\nsys.exit(make.build(make.quick_runs(), 'studies'))"
    done = python(checkout, "-c", script, **foreign)
    assert done.returncode == 0, done.stderr[-3000:]
    (made,) = checkout.glob("results/runs/small/*/executed.ipynb")
    assert (
        made.parent.name
        == python(checkout, "-c", "from lib.book import make\nprint(make.quick_runs()[0].id)").stdout.strip()
    )
    assert "✓ Größe" in made.read_text(encoding="utf-8")
    assert sorted(home.rglob("*")) == before, "written into HOME"


PAGES = """
from lib.book import engine
engine.surround()
import torch
held = torch.ones(2**24)
with open("/proc/self/smaps", encoding="utf-8") as f:
    print(sum("hg" in line.split() for line in f if line.startswith("VmFlags")))
"""


@pytest.mark.skipif(not Path("/sys/kernel/mm/transparent_hugepage").exists(), reason="no large pages here")
def test_jobs_ask_for_large_pages():
    """Without them half of a training can go into page faults."""
    bare = {name: value for name, value in environment().items() if name != "THP_MEM_ALLOC_ENABLE"}
    for given, asked in (({}, True), ({"THP_MEM_ALLOC_ENABLE": "0"}, False)):
        done = subprocess.run([sys.executable, "-c", PAGES], cwd=ROOT, env=bare | given, capture_output=True, text=True)
        assert (int(done.stdout) > 0) == asked, done.stderr


def write_all(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_a_failed_study_shows_its_cell_and_leaves_the_others(checkout):
    broken = SMALL_STUDY.replace('"small"', '"broken"').replace("run.save(", "raise OSError('the reason')\nrun.save(")
    add(checkout, "small", SMALL_STUDY, NO_ENCODERS)
    add(checkout, "broken", broken, NO_ENCODERS)
    done = python(
        checkout,
        "-c",
        "import sys; from lib.book import make; sys.argv = ['make', 'book']\n"
        "make.command_book = lambda _: make.build(make.quick_runs(), 'studies'); sys.exit(make.main())",
    )
    assert done.returncode != 0
    assert re.fullmatch(r"error: run quick-\w+: OSError: the reason", done.stderr.strip().splitlines()[-1])
    said = done.stdout + done.stderr
    assert "raise OSError('the reason')" in re.sub(r"\x1b\[[0-9;]*m", "", said) and "the reason" in said
    assert len(list(checkout.glob("results/runs/small/*/executed.ipynb"))) == 1
    assert not list(checkout.glob("results/runs/broken/*/executed.ipynb"))


def test_a_failed_training_says_why_at_the_end(checkout):
    plan = FIVE_ENCODERS.replace("batch_size=50", "batch_size=5000").replace("range(5)", "range(1)")
    add(checkout, "small", SMALL_STUDY, plan)
    reason = r"batch_size=5000 exceeds the \d+ training images; lower it"
    values = '{"preset": "quick", "data": "none", "seeds": 3}'
    done = python(checkout, "-m", "lib.book.make", "encoders", "small", values)
    assert done.returncode != 0 and re.fullmatch(f"error: {reason}", done.stderr.strip().splitlines()[-1])
    done = python(checkout, "-c", f"from lib import study\nstudy.Run('small', {values}).train()")  # by papermill alone
    end = done.stderr.strip().splitlines()[-1]
    assert re.fullmatch(f"RuntimeError: an encoder could not be trained: {reason}", end)


def test_a_second_attempt_keeps_the_encoders_of_the_first(checkout, tmp_path):
    add(checkout, "small", SMALL_STUDY, FIVE_ENCODERS)
    loop = "    for done, unit in enumerate(units):\n"
    once = "if done == 2 and not Path('build/once').exists():\n"
    once = f"        {once}            Path('build/once').touch()\n            return 1\n"
    edit(checkout / "lib/encoders/training.py", loop, loop + once)
    write_all(tmp_path / "profile/config.yaml", "executor: local\nretries: 1\n")
    values = '{"preset": "quick", "data": "none", "seeds": 3}'
    words = ("-m", "lib.book.make", "encoders", "small", values)
    done = python(checkout, *words, PROFILE=str(tmp_path / "profile"))
    assert done.returncode == 0, done.stderr[-3000:]
    failed = (checkout / "build/once").stat().st_mtime_ns
    before = [path.stat().st_mtime_ns < failed for path in checkout.glob("build/encoders/*/loss.csv")]
    assert sorted(before) == [False] * 3 + [True] * 2, "trained again"
    assert "encoders_0 failed." in done.stderr and "Select jobs" not in done.stdout + done.stderr


def test_plain_papermill_refuses_and_accepts(checkout):
    add(checkout, "small", SMALL_STUDY.replace("seeds: int = 3  # [1, 9]", "seeds: float = 3.0  # [1, 9]"), NO_ENCODERS)
    convert = [sys.executable, "-m", "jupytext", "--quiet", "--to", "ipynb", "--output", "-", "notebooks/small.py"]
    source = subprocess.run(convert, cwd=checkout, capture_output=True, check=True).stdout

    def papermill(*words):
        call = [sys.executable, "-m", "papermill", "--no-progress-bar", *words, "-", "out.ipynb"]
        done = subprocess.run(call, cwd=checkout, env=environment(), input=source, capture_output=True, timeout=120)
        return done.returncode, done.stderr.decode().strip().splitlines()[-1]

    for words, line in {
        ("-p", "seedz", "1"): "parameter 'seedz' does not exist in small; did you mean 'seeds'?",
        ("-p", "seeds", "abc"): "seeds='abc' is a str; expected float in [1, 9]",
        ("-p", "In", "5"): "parameter 'In' does not exist in small; there are: preset, data, seeds",
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


def test_a_new_study_runs_and_has_its_page(checkout):
    for path in (checkout / "book").glob("*.md"):  # their links lead to the studies that are not here
        path.unlink()
    (checkout / "book/index.md").write_text("# A book of one study\n")
    contents = (
        "format: jb-book\nroot: index\nparts:\n  - caption: Studies\n    chapters:\n      - file: notebooks/gone\n"
    )
    (checkout / "_toc.yml").write_text(contents)
    made = python(checkout, "-m", "lib.book.make", "new", STUDY="toy")
    assert made.returncode == 0, made.stderr
    assert (checkout / "_toc.yml").read_text() == contents + "      - file: notebooks/toy\n"
    (checkout / "_toc.yml").write_text(contents.replace("gone", "toy"))

    done = python(checkout, "-m", "lib.book.make", "run", STUDY="toy")
    assert done.returncode == 0, done.stderr[-3000:]
    page = (checkout / "build/_build/html/notebooks/toy.html").read_text()
    parts = ("<strong>Question.", "Answer", 'id="fig-distances"', "How sure.", '<section id="claims">')
    places = [page.index(part) for part in (*parts, '<section id="setup-of-this-run">')]
    assert places == sorted(places)
    assert "toy-1" in page
    assert places[-2] < page.index('id="exercise-toy"') < places[-1], "the exercises end the page"


@pytest.mark.parametrize("name", ["../outside", "Toy", "", NAME])
def test_a_new_study_needs_a_name_of_its_own(name):
    with pytest.raises(study.ParameterError, match=f"STUDY={name!r}"):
        new.command_new(argparse.Namespace(study=name))
