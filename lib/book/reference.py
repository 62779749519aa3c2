"""The reference of the helper and theory packages, from what their sources say: no module is imported."""

import ast
import functools
import re
from pathlib import Path

from lib.book.architecture import packages
from lib.encoders.recorded import FILE
from lib.hashing import ROOT

FACES = (
    "losses",
    "images",
    "text",
    "encoders",
    "probe",
    "harms",
    "mediation",
    "geometry",
    "sbm",
    "strata",
    "disentangle",
)
SPECIAL = re.compile(r"([\\*_{}\[\]<>#|$~^])")
CODE = re.compile(r"(``.+?``)")
Public = ast.FunctionDef | ast.ClassDef


def text() -> str:
    """A section a package: what it is, and each name that it offers, with signature, docstring and a link to its lines.

    Of a package that offers no names: its modules.
    """
    said = {name: what for name, what, _ in packages()}
    return "\n\n".join(f"## `lib.{name}`\n\n{_prose(said[f'lib.{name}'])}\n\n{_package(name)}" for name in FACES)


def outputs(recorded: list) -> str:
    """A line a run of record that keeps what was measured of its encoders, with the file."""
    rows = [(run, run.folder / FILE) for run in recorded if (run.folder / FILE).exists()]
    return "\n".join(
        f'* <a href="{run.static}/{FILE}" download>{run.study}, {run.id}</a>: {run.face}; '
        f"{path.stat().st_size / 2**20:.1f} MiB"
        for run, path in rows
    )


def offered(package: str) -> list[tuple[str, str, Public]]:
    """Name, file and definition of every public function and class that a package's ``__init__`` imports."""
    face = ROOT / "lib" / package / "__init__.py"
    found = []
    for node in _tree(face).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lib."):
            path = ROOT.joinpath(*node.module.split(".")).with_suffix(".py")
            known = {n.name: n for n in _tree(path).body if isinstance(n, Public)} if path.exists() else {}
            found += [(a.name, path.relative_to(ROOT).as_posix(), known[a.name]) for a in node.names if a.name in known]
    return found


def signature(name: str, node: Public) -> str:
    """How a function is called, or a class made, in the words of its source."""
    if isinstance(node, ast.FunctionDef):
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        return f"{name}({ast.unparse(node.args)}){returns}"
    fields = [ast.unparse(n) for n in node.body if isinstance(n, ast.AnnAssign)]
    made = next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
    if made:
        return f"{name}({ast.unparse(made.args).removeprefix('self, ').removeprefix('self')})"
    return f"{name}({', '.join(fields)})"


def _package(name: str) -> str:
    if found := offered(name):
        return "\n\n".join(_entry(*each) for each in found)
    modules = [path for path in sorted((ROOT / "lib" / name).glob("*.py")) if path.stem != "__init__"]
    lines = []
    for path in modules:
        first = (ast.get_docstring(_tree(path)) or "").partition("\n\n")[0]
        lines.append(f"* [`{path.stem}`](../{path.relative_to(ROOT).as_posix()}): {_prose(' '.join(first.split()))}")
    return "\n".join(lines)


def _entry(name: str, path: str, node: Public) -> str:
    said = ast.get_docstring(node) or ""
    return f"**[`{name}`](../{path}#{name})**\n\n```python\n{signature(name, node)}\n```\n\n{_docstring(said)}".strip()


def _docstring(said: str) -> str:
    """Paragraphs, with examples as code."""
    parts = []
    for part in re.split(r"\n\s*\n", said):
        if ">>>" in part:
            before, _, example = part.partition(">>>")
            parts += [_prose(before), f"```python\n>>>{example.rstrip()}\n```"]
        else:
            parts.append(_prose(part))
    return "\n\n".join(filter(None, parts))


def _prose(said: str) -> str:
    """Words of a docstring as Markdown: what stands between double backticks is code, the rest is meant as it is."""
    words = " ".join(said.split())
    return "".join(p[1:-1] if p.startswith("``") else SPECIAL.sub(r"\\\1", p) for p in CODE.split(words))


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
