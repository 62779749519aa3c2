"""What hostile and broken notebooks get: no point that they did not earn, and nobody loses one."""

import csv
import dataclasses
import json
import os
import re
import shutil
import socket
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import toy_class
from toy_class import RIGHT

from lib.book.classroom import assignment, fence, grade, judge, submissions, wire
from lib.book.classroom.exercise import Check
from lib.book.classroom.fence import Fence, Limits
from lib.hashing import ROOT

WHY_NOT = fence.broken()
fenced = pytest.mark.skipif(bool(WHY_NOT), reason=f"no fence: {WHY_NOT}")
SECRET = b"a secret of the tests, long enough"
LIMITS = Limits(start=60, cell=2, call=3, total=40, memory=2**28)
FULL = {"exercise-mean": 3, "exercise-own": 3, "exercise-floats": 2}
NOTHING = dict.fromkeys(FULL, 0)
OUTSIDE = Path(tempfile.gettempdir()) / "written-by-a-student"


def mean(body, more=""):
    """The right answers, but for the mean: another body of the function, with code before it."""
    return RIGHT | {"exercise-mean": f"{more}\ndef mean(x):\n" + "\n".join(f"    {line}" for line in body.splitlines())}


RIGHT_MEAN = "return float(np.sum(x)) / len(x)"
READS = f"""
import os, sys
found = []
for place in ({str(ROOT)!r}, {str(ROOT / "classroom")!r}, {str(ROOT / "tests")!r}, {str(ROOT / ".git")!r}):
    try: found += [name for name in os.listdir(place) if name != ".venv"]
    except OSError: pass
for folder, inside, files in os.walk("/"):
    inside[:] = [name for name in inside if name not in (".venv", "proc", "usr", "lib", ".pyenv")]
    found += [name for name in [*inside, *files] if name in ("toy_class.py", "classroom", "done", "tests")]
raise_if_nothing = 1 / len(found)
{RIGHT_MEAN}"""
WRITES = f"""
for path in ({str(OUTSIDE)!r}, {str(ROOT / "build/x")!r}, "/fence/lib/__init__.py", "/fence/worker.py", "/usr/lib/x"):
    try:
        open(path, "w").write("full marks")
        if not path.startswith("/tmp"): {RIGHT_MEAN}
    except OSError: pass
return 0"""
CONNECTS = "import socket\nsocket.create_connection(('127.0.0.1', PORT), 1)\n" + RIGHT_MEAN
FORGES = """
import os, json, struct
for name in os.listdir("/proc/self/fd"):
    for head in (json.dumps({"dict": [["value", 1.0], ["passed", True], ["points", 99]]}).encode(), b"x" * 100):
        try: os.write(int(name), struct.pack("<II", len(head), 0) + head)
        except OSError: pass
return 0"""
EQUAL = """
class Equal(float):
    def __eq__(self, other): return True
    def __sub__(self, other): return Equal(0)
    def __rsub__(self, other): return Equal(0)
    def __abs__(self): return Equal(0)
    def __lt__(self, other): return True
    __hash__ = None
class Plainer:
    def __eq__(self, other): return True
    def __getattr__(self, name): return self
    def __call__(self, *args): return self
"""
PATCHES = """
import builtins, json, lib.checks
builtins.abs = lambda x: 0.0
builtins.all = builtins.any = builtins.bool = lambda *x: True
builtins.sum = lambda *x: 0.0
np.allclose = lambda *a, **k: True
lib.checks.numbers = lambda *a: np.zeros(3)
json.dumps = json.loads = lambda *a, **k: {"passed": True}
"""
REPLACES = """
ip = get_ipython()
ip.run_code = ip.run_cell = lambda *a, **k: None
ip.input_transformers_cleanup.append(lambda lines: ["pass"])
"""
IN_WORKER = """
import sys, inspect
for frame in inspect.stack():
    for value in list(frame.frame.f_globals.values()) + list(frame.frame.f_locals.values()):
        if hasattr(value, "call") and hasattr(value, "names"):
            type(value).call = lambda self, name, arguments, named: {"value": True}
return 0"""
HOSTILE = {
    # name: (notebook, points by exercise)
    "patched": (toy_class.handed_in({}, before=[PATCHES], after=[PATCHES]), NOTHING),
    "patched-but-right": (
        toy_class.handed_in(RIGHT, before=["np = None\nimport numpy as np\nnp.allclose = None"]),
        FULL,
    ),
    "equals-everything": (toy_class.handed_in(mean("return Equal(1)", EQUAL)), FULL | {"exercise-mean": 0}),
    "equals-as-object": (toy_class.handed_in(mean("return Plainer()", EQUAL)), FULL | {"exercise-mean": 0}),
    "run-code-replaced": (toy_class.handed_in({}, before=[REPLACES]), NOTHING),
    "run-code-replaced-but-right": (toy_class.handed_in(RIGHT, before=[REPLACES, "%matplotlib inline\n!ls"]), FULL),
    "reads-hidden-tests": (toy_class.handed_in(mean(READS)), FULL | {"exercise-mean": 0}),
    "writes-grades": (toy_class.handed_in(mean(WRITES)), FULL | {"exercise-mean": 0}),
    "connects": (toy_class.handed_in(mean(CONNECTS)), FULL | {"exercise-mean": 0}),
    "forges-replies": (toy_class.handed_in(mean(FORGES)), FULL | {"exercise-mean": 0}),
    "replaces-the-worker": (toy_class.handed_in(mean(IN_WORKER)), NOTHING | {"exercise-floats": 2}),
    "hidden-library": (
        toy_class.handed_in(RIGHT | {"exercise-floats": "def floats(x):\n    return checks.numbers('x', x).tolist()"}),
        FULL | {"exercise-floats": 0},
    ),
    "exits": (toy_class.handed_in(mean("import os\nos._exit(0)")), FULL | {"exercise-mean": 0}),
    "exits-in-a-cell": (
        toy_class.handed_in(mean(RIGHT_MEAN) | {"exercise-own": RIGHT["exercise-own"] + "\nimport os\nos._exit(0)"}),
        FULL,
    ),
    "kills": (
        toy_class.handed_in(mean("import os\nos.kill(-1, 9)\nos.kill(os.getppid(), 9)")),
        FULL | {"exercise-mean": 0},
    ),
    "loops": (toy_class.handed_in(mean("while True: pass")), FULL | {"exercise-mean": 0}),
    "loops-in-a-cell": (toy_class.handed_in(RIGHT, before=["while True: pass"]), FULL),
    "forks": (toy_class.handed_in(mean("import os\nwhile True: os.fork()")), FULL | {"exercise-mean": 0}),
    "eats-memory": (
        toy_class.handed_in(mean("x = [bytearray(2**24)]\nwhile True: x.append(bytearray(2**24))")),
        FULL | {"exercise-mean": 0},
    ),
    "writes-10-GB": (
        toy_class.handed_in(
            mean(
                "import os, sys\nfor _ in range(160): os.write(1, bytes(2**26))\nprint('x' * 2**20)\n"
                "try:\n    with open('big', 'wb') as f:\n        for _ in range(1000): f.write(bytes(2**24))\n"
                f"except OSError: pass\n{RIGHT_MEAN}"
            )
        ),
        FULL,
    ),
    "returns-a-flood": (toy_class.handed_in(mean("return np.zeros(2**27, 'uint8')")), FULL | {"exercise-mean": 0}),
    "returns-a-depth": (
        toy_class.handed_in(mean("y = []\nfor _ in range(10**5): y = [y]\nreturn y")),
        FULL | {"exercise-mean": 0},
    ),
    "raises-the-input": (
        toy_class.handed_in(mean("raise ValueError(f'the input is {x!r}')")),
        FULL | {"exercise-mean": 0},
    ),
    "tells-in-a-cell": (
        toy_class.handed_in(
            RIGHT, before=["class the_input_is_7(Exception): pass\nraise the_input_is_7('the input is 7')"]
        ),
        FULL,
    ),
    "syntax-error": (toy_class.handed_in(RIGHT | {"exercise-mean": "def mean(x:"}), FULL | {"exercise-mean": 0}),
}


def changed(change):
    made = toy_class.handed_in(RIGHT)
    change(made)
    return made


def strip(made):
    for cell in made["cells"]:
        cell["metadata"] = {}
    made["metadata"] = {}


def delete(made):
    made["cells"] = [c for c in made["cells"] if c["metadata"]["nbgrader"]["solution"]]


def duplicate(made):
    made["cells"] += json.loads(json.dumps(toy_class.handed_in({})["cells"])) + made["cells"][:6]


def swell(made):
    made["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * 50 * 2**20}]


HOSTILE |= {
    "stripped": (changed(strip), FULL),
    "deleted": (changed(delete), FULL),
    "duplicated": (changed(duplicate), FULL),
    "other-kernel": (changed(lambda made: made["metadata"].update(kernelspec={"name": "ir", "language": "R"})), FULL),
    "50-MB": (changed(swell), FULL),
    "blank": (toy_class.handed_in({}), NOTHING),
    "right": (toy_class.handed_in(RIGHT), FULL),
    "made-for-right": (toy_class.handed_in(RIGHT, "right"), FULL),
}
BROKEN = {
    "empty": b"",
    "no-notebook": b"\x89PNG\r\n",
    "deep": b"[" * 10**6,
    "a-number": b"7",
    "odd": b'{"cells": [1, {}]}',
}


def batch(folder, exercises=toy_class.EXERCISES, students=()):
    """A batch of the toy study, its fences under a folder."""
    hidden = sorted({e.hides for e in exercises if e.checks})
    folders = {hides: fence.built(folder / f"fence {n}", hides) for n, hides in enumerate(hidden)}
    for path in (folder, *list(folder.parents)[:2]):
        path.chmod(0o755)
    return judge.Batch(toy_class.toy(exercises), SECRET, folders, students, LIMITS)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """The results of all hostile submissions, in one batch, and what was printed."""
    folder = tmp_path_factory.mktemp("hostile")
    OUTSIDE.unlink(missing_ok=True)
    work = folder / "submissions"
    work.mkdir()
    listening = socket.create_server(("127.0.0.1", 0))
    for name, (made, _) in HOSTILE.items():
        text = json.dumps(made).replace("PORT", str(listening.getsockname()[1]))
        (work / f"{name}.ipynb").write_text(text)
    for name, blob in BROKEN.items():
        (work / f"{name}.ipynb").write_bytes(blob)
    (work / "link.ipynb").symlink_to(work / "right.ipynb")
    (work / "..evil.ipynb").write_text("{}")
    handed_in, left_out = submissions.found(str(work), [])
    made = batch(folder / "fences", students=("right", "blank"))
    grade.graded(made, handed_in, folder / "grades/done", "", 2)
    grade.write(folder / "grades", made.set_, [], [s.student for s in handed_in], {}, left_out)
    return folder / "grades", left_out


def points(folder):
    with open(folder / "grades.csv", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    return {row["student"]: {label: float(row[label]) for label in FULL if label in row} for row in rows}


@fenced
@pytest.mark.parametrize("below", ["/tmp", "/home"])
def test_the_fence_stands_where_python_lies_below_a_folder_that_it_makes_anew(below, tmp_path, monkeypatch):
    """As a checkout in a user's home does, with its .venv."""
    if not os.access(below, os.W_OK):
        pytest.skip(f"{below} cannot be written")
    with tempfile.TemporaryDirectory(dir=below) as prefix:
        (Path(prefix) / "here").touch()
        monkeypatch.setattr(fence.sys, "executable", os.path.realpath(fence.sys.executable))
        monkeypatch.setattr(fence.sys, "prefix", prefix)
        os.chmod(tmp_path, 0o755)
        looks = f"import pathlib, sys; sys.exit(not pathlib.Path({prefix!r}, 'here').exists())"
        (tmp_path / "worker.py").write_text(looks)
        done = fence.subprocess.run(Fence(tmp_path).command(0), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@fenced
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_notebook_gets_what_it_earned(hostile, name):
    assert points(hostile[0])[name] == HOSTILE[name][1]


@fenced
def test_what_is_no_notebook_gets_nothing_and_stops_nobody(hostile):
    assert set(points(hostile[0])) == {*HOSTILE, *BROKEN}
    assert all(points(hostile[0])[name] == NOTHING for name in BROKEN)
    assert "the file is empty" in (hostile[0] / "feedback/empty.html").read_text().lower()
    assert len(hostile[1]) == 2 and "link.ipynb" in "".join(hostile[1]) and "..evil" in "".join(hostile[1])


@fenced
def test_nothing_is_written_outside_the_fence(hostile):
    assert not OUTSIDE.exists() and not (ROOT / "build/x").exists()


@fenced
def test_feedback_holds_no_hidden_test_no_input_and_no_error_of_one(hostile):
    source = Path(toy_class.__file__).read_text(encoding="utf-8")
    hidden = source[source.index("def _mean(") : source.index("EXERCISES = (")]
    lines = [line.strip() for line in hidden.splitlines() if len(line.strip()) > 20] + [toy_class.MARK]
    pages = [*hostile[0].glob("feedback/*.html"), *hostile[0].glob("gradescope/*/results.json")]
    assert len(pages) == 2 * len([*HOSTILE, *BROKEN])
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not [line for line in lines if line in text], page
        assert "the input is" not in text and "the_input" not in text and "0.123456" not in text
        assert not re.search(r"\d\.\d{4}", text), "a number of a hidden test"


@fenced
def test_copies_are_flagged(hostile):
    with open(hostile[0] / "flags.csv", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    assert {
        "students": "made-for-right right",
        "exercises": "",
        "reason": "the notebook was made for the other",
    } in rows


@fenced
def test_a_process_that_ends_is_started_again_and_its_function_given_up(tmp_path):
    made = batch(tmp_path)
    bad = toy_class.handed_in(mean("import os\nos._exit(1)"))
    submission = submissions.Submission("a", lambda: json.dumps(bad).encode())
    found = [(one["exercise"], one["why"]) for one in judge.findings(made, submission) if "check" in one]
    assert found[:2] == [("exercise-mean", "gone")] * 2 and [why for _, why in found[2:]] == [""] * 3


@fenced
def test_the_limits_of_a_fence_hold(tmp_path):
    child = fence.Child(Fence(fence.built(tmp_path / "f"), LIMITS))
    tmp_path.chmod(0o755)
    try:
        child.ask({"do": "limit", "limits": LIMITS.inside}, 60)
        source = """
import os, resource, subprocess
def state():
    try: subprocess.run(["/usr/bin/id"]); shell = True
    except OSError: shell = False
    caps = [l for l in open("/proc/self/status") if l.startswith(("CapEff", "NoNewPrivs"))]
    others = [n for n in os.listdir("/proc") if n.isdigit()]
    return os.getuid(), shell, caps, len(others), sorted(os.environ), os.path.exists("/sys")
def raise_limit():
    resource.setrlimit(resource.RLIMIT_DATA, (-1, -1))
"""
        child.ask({"do": "run", "source": source, "definitions": False}, 60)
        state = child.ask({"do": "call", "name": "state", "arguments": (), "named": {}}, 60)["value"]
        assert (state[0] or os.geteuid()) and not state[1]
        assert "CapEff:\t0000000000000000\n" in state[2] and "NoNewPrivs:\t1\n" in state[2]
        assert state[3] <= 3 and not state[5] and not {"SECRET", "USER", "DATA_ROOT"} & set(state[4])
        assert child.ask({"do": "call", "name": "raise_limit", "arguments": (), "named": {}}, 60) == {
            "failed": "raised"
        }
    finally:
        child.end()


@fenced
def test_a_finished_student_is_not_judged_again_unless_asked_for(tmp_path, capsys):
    work = tmp_path / "submissions"
    work.mkdir()
    for name in ("ada", "bob"):
        (work / f"{name}.ipynb").write_text(json.dumps(toy_class.handed_in({})))
    made, done = batch(tmp_path / "fences"), tmp_path / "done"
    grade.graded(made, submissions.found(str(work), [])[0], done, "", 1)
    (work / "bob.ipynb").write_text(json.dumps(toy_class.handed_in(RIGHT)))
    capsys.readouterr()
    grade.graded(made, submissions.found(str(work), [])[0], done, "", 1)
    assert "1 of 2" in (said := capsys.readouterr().out) and "bob: 8 points" in said and "ada" not in said
    grade.graded(made, submissions.found(str(work), [])[0], done, "ada", 1)
    assert "ada: 0 points" in capsys.readouterr().out
    grade.graded(made, submissions.found(str(work), [])[0], done, "", 1)
    assert "0 of 2" in capsys.readouterr().out


@fenced
def test_a_class_of_thirty(tmp_path):
    wrong = RIGHT | {"exercise-mean": "def mean(x):\n    return 0.5"}
    kinds = {"right": (RIGHT, 6.0), "blank": ({}, 0.0), "wrong": (wrong, 3.0)}
    work = tmp_path / "submissions"
    for n in range(30):
        kind = list(kinds)[n % 3]
        (work / f"{kind}{n}").mkdir(parents=True)
        (work / f"{kind}{n}/toy.ipynb").write_text(json.dumps(toy_class.handed_in(kinds[kind][0])))
    handed_in, left_out = submissions.found(str(work), [])
    made = batch(tmp_path / "fences", toy_class.EXERCISES[:2])
    grade.graded(made, handed_in, tmp_path / "grades/done", "", 2)
    grade.write(tmp_path / "grades", made.set_, [], [s.student for s in handed_in], {}, left_out)
    found = points(tmp_path / "grades")
    assert len(found) == 30 and not left_out
    assert all(sum(found[name].values()) == kinds[re.sub(r"\d", "", name)][1] for name in found)


@fenced
def test_the_answer_of_another_students_data_is_flagged(tmp_path):
    made = batch(tmp_path, students=("ada", "bob"))
    numbers = assignment.own(list(toy_class.EXERCISES), SECRET, "bob")["numbers"]
    copied = RIGHT | {"exercise-own": f"def total(more=0.0):\n    return {sum(numbers)!r} + more"}
    blob = json.dumps(toy_class.handed_in(copied)).encode()
    said = list(judge.findings(made, submissions.Submission("ada", lambda: blob)))
    assert {"exercise": "exercise-own", "data_of": "bob"} in said
    assert sum(one.get("passed", False) for one in said) == 4


def test_a_module_to_hide_must_be_there(tmp_path):
    with pytest.raises(ValueError, match=r"hides='lib\.nothing'.*lib\.harms"):
        fence.built(tmp_path / "f", ("lib.nothing",))


def test_a_fence_shows_neither_the_machinery_nor_what_is_hidden(tmp_path):
    made = fence.built(tmp_path / "f", ("lib.harms", "lib.checks"))
    assert not (made / "lib/book").exists() and not list(made.glob("lib/harms/repr*"))
    assert "def numbers" not in (made / "lib/checks.py").read_text()
    assert not [p for p in made.rglob("checks*.pyc") if b"numbers" in p.read_bytes()]


def test_without_a_fence_grading_is_refused(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "there is no bubblewrap" in fence.broken() and "TRUST=yes" in grade.REFUSED


def test_a_trusted_class_is_graded_without_a_fence(tmp_path):
    made = batch(tmp_path)
    made = judge.Batch(made.set_, SECRET, made.folders, (), LIMITS, trust=True)
    blob = json.dumps(toy_class.handed_in(RIGHT)).encode()
    said = list(judge.findings(made, submissions.Submission("ada", lambda: blob)))
    assert [one["passed"] for one in said if "check" in one] == [True] * 5


@pytest.mark.parametrize(
    "node",
    [
        {"array": ["object", [1]]},
        {"array": ["float64", [10**9, 10**9]]},
        {"array": ["float64", [-1]]},
        {"array": ["float64", [True]]},
        {"array": ["float64", [1], 2]},
        {"dict": [[{"list": []}, 1]]},
        {"pickle": "gASVBQ=="},
        {"list": [], "tuple": []},
        [1, 2],
    ],
)
def test_data_that_is_not_plain_is_refused(node):
    with pytest.raises(wire.Malformed):
        wire.decode(node, memoryview(b""))


def test_data_comes_back_as_it_was_sent():
    import torch

    a, b = socket.socketpair()
    sent = {"x": [1, (2.5, None, True), "é"], 3: np.arange(6.0).reshape(2, 3), "t": torch.arange(3), "e": np.zeros(0)}
    wire.send(a, sent)
    found = wire.receive(b)
    assert list(found) == list(sent) and found["x"] == sent["x"] and (found[3] == sent[3]).all()
    assert torch.equal(found["t"], sent["t"]) and found["e"].shape == (0,)
    assert type(wire.encode(np.float64(2))[0]) is float and np.isnan(wire.decode(float("nan"), memoryview(b""))[0])
    for bad in (object(), np.array([object()]), len, {1, 2}):
        with pytest.raises(wire.Malformed):
            wire.encode(bad)


@fenced
def test_a_setup_that_fails_is_named_before_anyone_is_graded(tmp_path):
    made = batch(tmp_path)
    set_ = dataclasses.replace(made.set_, setup="x = 1\nimport nothing_of_this_name")
    with pytest.raises(RuntimeError, match="exercise-setup fails inside the fence, line 2: ModuleNotFoundError"):
        judge.trial(dataclasses.replace(made, set_=set_))


@fenced
def test_exercises_that_their_own_solutions_fail_grade_nobody(tmp_path):
    wrong = Check(1, "the moon", lambda answers, rng, data: answers.mean([1.0]) == 2)
    made = batch(tmp_path, (dataclasses.replace(toy_class.EXERCISES[0], checks=(wrong,)),))
    assert judge.trial(made) == "exercise-mean: the study's own solution fails the check 'the moon' (wrong)"


def test_a_judge_that_dies_or_hangs_stops_nobody(monkeypatch, tmp_path):
    def ends(*_):
        os._exit(1)

    def hangs(*_):
        while True:
            pass

    monkeypatch.setattr(judge, "SPARE", 0)
    for test, why in ((ends, "its judge ended early"), (hangs, "it took too long")):
        exercise = dataclasses.replace(toy_class.EXERCISES[0], checks=(Check(1, "", test),))
        made = judge.Batch(toy_class.toy((exercise,)), SECRET, {(): tmp_path}, (), Limits(total=1, start=0))
        todo = [submissions.Submission(name, lambda: b'{"cells": []}') for name in ("ada", "bob")]
        said = {submission.student: found["stopped"] for submission, found, _ in grade.judged(made, todo, 2)}
        assert said == {"ada": why, "bob": why}


def test_a_damaged_archive_stops_nobody(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as packed:
        packed.writestr("ada.ipynb", "some text of a notebook")
        packed.writestr("bob.ipynb", "{}")
    blob = (tmp_path / "all.zip").read_bytes()
    (tmp_path / "all.zip").write_bytes(blob.replace(b"some text", b"SOME text"))
    ada, bob = submissions.found(str(tmp_path / "all.zip"), [])[0]
    assert b"unreadable" in ada.read() and bob.read() == b"{}"


def test_a_path_out_of_a_zip_is_left_out(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as packed:
        for name in ("../../evil.ipynb", "/root.ipynb", "ada.ipynb", "bob/toy.ipynb", "a/b/c.ipynb"):
            packed.writestr(name, "{}")
    found, left_out = submissions.found(str(tmp_path / "all.zip"), [])
    assert [s.student for s in found] == ["ada", "bob"] and len(left_out) == 3
