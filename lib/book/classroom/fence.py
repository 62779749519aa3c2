"""The fence around what students wrote: a process without network, without the repository, with limits.

bubblewrap gives it name spaces of its own and read-only views of Python, of the library (without the book's machinery,
exercises and this package) and of the worker.  Whoever answers from inside, only values come out: ``wire`` reads them.
"""

import compileall
import contextlib
import functools
import os
import py_compile
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from lib.book.classroom import wire
from lib.hashing import ROOT

HIDDEN = '''"""Hidden in this exercise: its names are there, and refuse to be called."""

class Hidden:
    def __init__(self, name):
        self.name = name
    def __call__(self, *args, **named):
        raise RuntimeError(f"{self.name} is not there in this exercise: write it yourself")
    def __mro_entries__(self, bases):
        return ()

def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return Hidden(f"{__name__}.{name}")
'''
USERS = 61000  # of root's fences, one for each place in a batch
GROUPS = Path("/sys/fs/cgroup")
SPACE = 64 * 2**20  # bytes that may be written, each: in the home folder, in /tmp and in shared memory
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
UNCHECKED = py_compile.PycInvalidationMode.UNCHECKED_HASH


@dataclass(frozen=True)
class Limits:
    """Of one fence: seconds to start, for a cell, for a call and in all; bytes, processes, files."""

    start: float = 120
    cell: float = 20
    call: float = 10
    total: float = 180
    memory: int = 2 * 2**30
    processes: int = 32
    file_bytes: int = 16 * 2**20
    files: int = 128

    @property
    def inside(self) -> dict[str, int]:
        """What the worker sets for itself."""
        names = ("memory", "processes", "file_bytes", "files")
        return {name: getattr(self, name) for name in names} | {"seconds": int(self.total) + 1}


USUAL = Limits()


class Gone(RuntimeError):
    """The process inside ended, or said what is no answer."""


class Slow(RuntimeError):
    """The process inside did not answer in time."""


@dataclass(frozen=True)
class Fence:
    """A folder with ``lib``, ``wire.py`` and ``worker.py``, and whether its processes run without any fence.

    place: of this fence in a batch; root's fences run as different users.
    """

    folder: Path
    limits: Limits = USUAL
    trust: bool = False
    place: int = 0

    @property
    def user(self) -> int:
        return USERS + self.place if os.geteuid() == 0 and not self.trust else 0

    def command(self, descriptor: int) -> list[str]:
        """The command of one process inside, which talks over a socket."""
        folder = str(self.folder) if self.trust else "/fence"
        worker = [sys.executable, "-I", f"{folder}/worker.py", str(descriptor), str(self.user)]
        return worker if self.trust else [*_scope(self.limits), *_walls(self.folder), *worker]


def built(folder: Path, hides: tuple[str, ...] = ()) -> Path:
    """Fill a folder with what a fence shows: the library without hidden modules, and the worker.

    ValueError: a module that is to be hidden does not exist.
    """
    skipped = shutil.ignore_patterns("__pycache__", "book")
    shutil.copytree(ROOT / "lib", folder / "lib", ignore=lambda d, names: skipped(d, names))
    for name in hides:
        path = folder.joinpath(*name.split("."))
        package = (path / "__init__.py").exists()
        if not name.startswith("lib.") or not (package or path.with_suffix(".py").exists()):
            raise ValueError(f"hides={name!r} is no module of the library; give one such as 'lib.harms.representation'")
        if package:
            shutil.rmtree(path)
            path.mkdir()
        (path / "__init__.py" if package else path.with_suffix(".py")).write_text(HIDDEN, encoding="utf-8")
    for name in ("wire.py", "worker.py"):
        shutil.copy(Path(__file__).with_name(name), folder)
    compileall.compile_dir(folder, quiet=2, stripdir=folder, prependdir="/fence", invalidation_mode=UNCHECKED)
    for path in (folder, *folder.rglob("*")):  # another user reads them
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def broken() -> str:
    """Why no fence stands here; empty where one does."""
    if not shutil.which("bwrap"):
        return "there is no bubblewrap (Debian, Ubuntu: apt-get install bubblewrap; Fedora: dnf install bubblewrap)"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "worker.py").write_text("", encoding="utf-8")
        os.chmod(folder, 0o755)
        done = subprocess.run(Fence(Path(folder)).command(0), capture_output=True)
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return f"bubblewrap does not work ({said[-1] if said else f'status {done.returncode}'})" if done.returncode else ""


def _walls(folder: Path) -> list[str]:
    """bubblewrap's arguments: new name spaces, what may be read, one small folder that may be written."""
    root, knows = os.geteuid() == 0, _options()
    shown = [
        path for path in map(Path, ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache")) if path.exists()
    ]
    base, python = Path(sys.base_prefix), Path(sys.executable)
    shown += [base] if base not in (Path("/usr"), Path("/usr/local")) else [python.resolve(), base / "lib"]
    shown += [Path(sys.prefix)]
    binds = []
    for path in dict.fromkeys(shown):
        if path.is_symlink() and path.parent == Path("/"):
            binds += ["--symlink", os.readlink(path), str(path)]
        else:
            for parent in [*path.parents][-2::-1]:
                binds += [*_mode("0755"), "--dir", str(parent)]
            binds += ["--ro-bind", str(path.resolve()), str(path)]
    spaces = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    spaces += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"] if root else ["--unshare-user"]
    spaces += ["--disable-userns"] if "--disable-userns" in knows and not root else []
    small = [*_mode("1777"), *(["--size", str(SPACE)] if "--size" in knows else []), "--tmpfs"]
    environment = {"HOME": "/home", "PATH": "/usr/bin", "LANG": "C.UTF-8", **dict.fromkeys(THREADS, "1")}
    return [
        *("bwrap", *spaces, "--die-with-parent", "--new-session", "--clearenv"),
        *(word for pair in environment.items() for word in ("--setenv", *pair)),
        *(*small, "/home", *small, "/tmp"),  # first: Python, or the checkout, may lie below one of them
        *binds,
        *("--proc", "/proc", "--dev", "/dev", *small, "/dev/shm", "--remount-ro", "/dev"),
        *("--ro-bind", str(folder), "/fence"),
        *("--chdir", "/home", "--remount-ro", "/", "--"),
    ]


def _mode(octal: str) -> list[str]:
    return ["--perms", octal] if "--perms" in _options() else []


@functools.cache
def _options() -> str:
    """What the bubblewrap of this machine knows: its older versions lack some options."""
    return subprocess.run(["bwrap", "--help"], capture_output=True).stdout.decode(errors="replace")


@functools.cache
def _scope(limits: Limits) -> tuple[str, ...]:
    """A control group by systemd, for a user who may have one; nothing elsewhere, and for root, see ``_Group``."""
    most = ("-p", f"MemoryMax={2 * limits.memory}", "-p", f"TasksMax={2 * limits.processes}")
    words = ("systemd-run", "--user", "--scope", "--quiet", "--collect", *most, "--")
    if os.geteuid() == 0 or not shutil.which("systemd-run"):
        return ()
    return words if subprocess.run([*words, "true"], capture_output=True).returncode == 0 else ()


class _Group:
    """Control groups of root for one process and its children: of memory and of processes, where there are any (v1)."""

    def __init__(self, limits: Limits) -> None:
        self.folders: list[Path] = []
        own = Path("/proc/self/cgroup")
        places = (
            dict(line.split(":", 2)[1:] for line in own.read_text(encoding="utf-8").splitlines())
            if own.exists()
            else {}
        )
        wanted = {"memory": ("memory.limit_in_bytes", 2 * limits.memory), "pids": ("pids.max", 2 * limits.processes)}
        for kind, (name, most) in wanted.items():
            folder = GROUPS / kind / places.get(kind, "/").lstrip("/") / f"fence-{uuid.uuid4().hex}"
            with contextlib.suppress(OSError):
                folder.mkdir()
                (folder / name).write_text(str(most), encoding="utf-8")
                self.folders.append(folder)

    def join(self) -> None:
        for folder in self.folders:
            (folder / "cgroup.procs").write_text(str(os.getpid()), encoding="utf-8")

    def remove(self) -> None:
        for folder in self.folders:
            for _ in range(50):  # until the last process is gone
                try:
                    folder.rmdir()
                except OSError:
                    time.sleep(0.02)
                else:
                    break


class Child:
    """One process inside a fence."""

    def __init__(self, fence: Fence) -> None:
        self.link, theirs = socket.socketpair()
        self.group = _Group(fence.limits)
        self.home = tempfile.TemporaryDirectory()  # without a fence, the folder that it would have inside
        with theirs:
            self.process = subprocess.Popen(
                fence.command(theirs.fileno()),
                cwd=self.home.name,
                env={"PATH": os.environ.get("PATH", ""), "HOME": self.home.name, **dict.fromkeys(THREADS, "1")},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=self.group.join,
            )

    def ask(self, request: dict, seconds: float) -> dict:
        """The reply to a request.  Gone, Slow: there is none, and no other will come."""
        deadline = time.monotonic() + seconds
        wire.encode(request)  # what cannot be asked is a fault of the check, not of the child
        try:
            wire.send(self.link, request, deadline)
            reply = wire.receive(self.link, deadline)
        except TimeoutError:
            raise Slow from None
        except (EOFError, OSError, wire.Malformed, MemoryError):
            raise Gone from None
        if type(reply) is not dict:
            raise Gone
        return reply

    def end(self) -> None:
        """End the process and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.link.close()
        self.group.remove()
        self.home.cleanup()
