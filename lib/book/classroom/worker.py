"""The student's side of the fence: runs cells and calls functions on request, and answers with plain data.

A process of its own, ``worker.py SOCKET USER``, in a folder with ``wire.py`` and ``lib``.  The first cells that it gets
are the study's own; from "limit" on nothing that it says is trusted, and its limits cannot be undone.
"""

import ast
import contextlib
import os
import re
import resource
import socket
import sys
import types
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import wire

DEFINITIONS = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)


class Notebook:
    """The names that cells define, and how a notebook's cells change them."""

    def __init__(self) -> None:
        module = types.ModuleType("__main__")
        sys.modules["__main__"] = module
        self.names = module.__dict__
        self.names["display"] = lambda *shown, **options: None

    def run(self, source: str, definitions: bool = False) -> list[list]:
        """Execute a cell, statement by statement, and return line and kind of each error; magics are left out.

        definitions: imports, functions and classes only.  A stub never replaces a function that is there.
        """
        try:
            body = ast.parse(re.sub(r"(?m)^[%!?].*", "", source)).body
        except BaseException as error:
            return [_described(error, getattr(error, "lineno", None))]
        amiss = []
        for statement in body:
            if (definitions and not isinstance(statement, DEFINITIONS)) or self._stub(statement):
                continue
            try:
                exec(compile(ast.Module([statement], []), "cell", "exec"), self.names)
            except BaseException as error:
                amiss.append(_described(error, statement.lineno))
        return amiss

    def _stub(self, statement: ast.stmt) -> bool:
        return isinstance(statement, ast.FunctionDef) and statement.name in self.names and _is_stub(statement)

    def call(self, name: str, arguments: tuple, named: dict) -> dict:
        """{"value": of the function's call} or {"failed": why}."""
        function = self.names.get(name)
        if not callable(function):
            return {"failed": "missing"}
        try:
            return {"value": function(*arguments, **named)}
        except NotImplementedError:
            return {"failed": "blank"}
        except BaseException:
            return {"failed": "raised"}


def _is_stub(function: ast.FunctionDef) -> bool:
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return len(body) == 1 and isinstance(body[0], ast.Raise) and "NotImplementedError" in ast.dump(body[0])


def _described(error: BaseException, line: int | None) -> list:
    return [line or 0, type(error).__name__]


def limit(memory: int, seconds: int, processes: int, file_bytes: int, files: int) -> None:
    """Limits of this process and its children, beyond what it has now; where there is no /proc, of time and files."""
    most = {"RLIMIT_CPU": seconds, "RLIMIT_FSIZE": file_bytes, "RLIMIT_NOFILE": files, "RLIMIT_CORE": 0}
    statm = Path("/proc/self/statm")
    if statm.exists():
        pages = [int(n) * resource.getpagesize() for n in statm.read_text(encoding="utf-8").split()]
        most |= {"RLIMIT_DATA": pages[5] + memory, "RLIMIT_AS": pages[0] + 2 * memory, "RLIMIT_NPROC": processes}
    for name, value in most.items():
        resource.setrlimit(getattr(resource, name), (value, value))


def serve(link: socket.socket, notebook: Notebook) -> None:
    """Answer requests until the other side is gone; a copy of this process that a cell forked answers nothing."""
    process = os.getpid()
    while True:
        asked = wire.receive(link)
        match asked["do"]:
            case "run":
                reply = {"amiss": notebook.run(asked["source"], asked["definitions"])}
            case "write":
                Path(asked["name"]).write_text(asked["text"], encoding="utf-8")
                reply = {}
            case "limit":
                limit(**asked["limits"])
                reply = {}
            case "call":
                reply = notebook.call(asked["name"], asked["arguments"], asked["named"])
        if os.getpid() != process:
            os._exit(0)
        try:
            wire.send(link, reply)
        except (ValueError, TypeError, RecursionError, RuntimeError, MemoryError):
            wire.send(link, {"failed": "form"})


def main() -> None:
    link, user = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    with contextlib.suppress(OSError):  # where memory runs out, this process is the first to go
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="utf-8")
    if user:  # root's processes would be exempt from their limit
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    serve(link, Notebook())


if __name__ == "__main__":
    main()
