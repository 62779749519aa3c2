"""lib.records: a file is whole or absent, whatever happens to the process, the disk or the build."""

import errno
import json
import os
import platform
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from lib import records
from lib.hashing import ROOT


def python(program: str, *arguments, **environment) -> subprocess.Popen:
    """A Python process in the checkout whose standard output can be read."""
    return subprocess.Popen(
        [sys.executable, "-u", "-c", program, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )


@pytest.fixture
def dead() -> int:
    """The id of a process that has ended."""
    process = python("pass")
    process.communicate()
    return process.pid


@pytest.fixture
def owner(monkeypatch):
    def set_owner(pid, host=None):
        monkeypatch.setenv(records.OWNER, f"{host or platform.node()}:{pid}")

    return set_owner


def test_atomic_moves_a_whole_file_into_place(tmp_path):
    path = tmp_path / "a folder" / "x.txt"  # made where it is missing, spaces and all
    with records.atomic(path) as temporary:
        temporary.write_text("new")
        assert not path.exists() and temporary.parent == path.parent
    assert path.read_text() == "new" and [p.name for p in path.parent.iterdir()] == ["x.txt"]


def test_a_failing_block_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("old")
    with pytest.raises(KeyError, match="halfway"), records.atomic(path) as temporary:
        temporary.write_text("ne")
        raise KeyError("halfway")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("old", [None, "old"])
def test_kill_in_the_middle_of_a_write_leaves_no_half_file(tmp_path, old):
    path = tmp_path / "x.txt"
    if old:
        path.write_text(old)
    program = """
import sys, time
from lib import records
from lib.hashing import ROOT
with records.atomic(sys.argv[1]) as temporary, open(temporary, "w") as f:
    f.write("half of it")
    f.flush()
    print("written")
    time.sleep(60)
"""
    process = python(program, path)
    assert process.stdout.readline() == "written\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (path.read_text() if path.exists() else None) == old
    records.write_text(path, "whole")  # the next run goes on
    assert path.read_text() == "whole"


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_is_said_with_the_path(tmp_path, monkeypatch, call):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    path = tmp_path / "x.json"
    with pytest.raises(OSError, match="No space left on device") as error:
        records.write_json(path, {"a": 1})
    assert error.value.errno == errno.ENOSPC and f"cannot write {path}" in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_past_its_size_limit_is_said_with_the_path(tmp_path):
    """The kernel itself refuses the write, as on a full disk or over quota."""
    program = """
import resource, signal, sys
from lib import records
from lib.hashing import ROOT
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    records.write_text(sys.argv[1], "x" * 100_000)
except OSError as error:
    print(error)
"""
    path = tmp_path / "x.txt"
    said, _ = python(program, path).communicate()
    assert f"cannot write {path}: File too large" in said and list(tmp_path.iterdir()) == []


def test_no_permission_is_said_with_the_path(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        records.write_text(tmp_path / "file" / "x.txt", "text")


def test_orphaned(owner, dead, monkeypatch):
    monkeypatch.delenv(records.OWNER, raising=False)
    assert not records.orphaned()
    owner(os.getpid())
    assert not records.orphaned()
    owner(dead)
    assert records.orphaned()


def test_a_job_on_another_host_is_its_builds_until_another_takes_the_lock(tmp_path, owner, dead, monkeypatch):
    monkeypatch.chdir(tmp_path)
    owner(dead, host="login")
    assert not records.orphaned(), "no build ever held the lock here"
    records.LOCK.parent.mkdir()
    for text, ended in {f"login:{dead}": False, f"login:{dead}1": True, f"other:{dead}": True, "": True}.items():
        records.LOCK.write_text(text)
        assert records.orphaned() == ended, text
    with pytest.raises(RuntimeError, match="the build that started this job is gone"):
        records.write_text(tmp_path / "x.txt", "new")


def test_an_orphan_writes_nothing(tmp_path, owner, dead):
    path = tmp_path / "x.txt"
    path.write_text("old")
    owner(dead)
    with pytest.raises(RuntimeError, match="the build that started this job is gone"):
        records.write_text(path, "new")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_job_ends_with_its_build():
    build = python("import time; time.sleep(60)")
    program = "import time; from lib import records; records.end_with_build(); print('at work'); time.sleep(60)"
    job = python(program, **{records.OWNER: f"{platform.node()}:{build.pid}"})
    assert job.stdout.readline() == "at work\n"
    time.sleep(0.7)
    assert job.poll() is None, "it ended before its build"
    build.kill()
    build.communicate()
    try:
        assert job.wait(timeout=5) == 1
    finally:
        job.kill()
        job.communicate()


def test_json_keeps_order_and_letters(tmp_path):
    value = {"b": "Mölder", "a": [1, 2.5, None, True]}
    records.write_json(tmp_path / "x.json", value)
    text = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert json.loads(text) == value and list(json.loads(text)) == ["b", "a"]
    assert "Mölder" in text and text.endswith("}\n")


def test_git_state_is_the_checkouts(tmp_path, monkeypatch):
    def git(*words):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        return subprocess.run(
            ["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    monkeypatch.setattr(records, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert records.git_state() == {"commit": None, "dirty": None}
    git("init", "-q")
    (tmp_path / "x").write_text("1")
    git("add", "x")
    git("commit", "-q", "-m", "one")
    head = git("rev-parse", "HEAD").strip()
    assert records.git_state() == {"commit": head, "dirty": False}
    for name, value in {"GIT_DIR": ROOT / ".git", "GIT_WORK_TREE": ROOT, "GIT_INDEX_FILE": tmp_path / "none"}.items():
        monkeypatch.setenv(name, str(value))
    assert records.git_state() == {"commit": head, "dirty": False}, "whatever the environment names"
    (tmp_path / "x").write_text("2")
    assert records.git_state() == {"commit": head, "dirty": True}
    unpacked = tmp_path / "archive"
    unpacked.mkdir()
    monkeypatch.setattr(records, "ROOT", unpacked)
    assert records.git_state() == {"commit": None, "dirty": None}, "a folder inside another repository"
    with pytest.raises(OSError, match=rf"{unpacked} is no git repository of its own; it lies in {tmp_path}"):
        records.git("log")


def test_machine_names_versions():
    machine = records.machine(("numpy",))
    assert machine["packages"] == {"numpy": np.__version__} and machine["python"] == platform.python_version()
    assert machine["processor"]


HOLDS = """
import resource, numpy as np
from lib import records
before, limit = records.peak_memory_mib(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
held = np.ones((max(before, 1) + 100) * 2**17)  # MiB of float64 beyond the peak so far
print(before, limit, records.peak_memory_mib(), held[-1])
"""


def test_peak_memory_grows_by_what_is_held():
    """In a small process: a shell starts it, for a child begins with the peak of the process that forked it."""
    command = ["sh", "-c", '"$0" -c "$1" && true', sys.executable, HOLDS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    before, limit, peak, held = map(float, done.stdout.split())
    assert limit and peak - before >= 100 and held == 1
