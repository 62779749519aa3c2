"""Which modules an import brings, read from the sources and not from this process."""

import ast
from collections.abc import Iterator
from pathlib import Path

from lib.hashing import ROOT


def file(module: str) -> Path:
    """The file of a module of the library."""
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def at_import(module: str) -> set[str]:
    """What is loaded when the module is imported: modules of the library, and the first names of all others."""
    return _walk(module, later=False)


def anywhere(module: str) -> set[str]:
    """The same, with the imports that stand within functions."""
    return _walk(module, later=True)


def _walk(module: str, later: bool) -> set[str]:
    found, todo = set(), [module]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += _imported(file(name), later) if name.partition(".")[0] == "lib" else []
    return found - {module}


def _imported(path: Path, later: bool) -> Iterator[str]:
    for node in _statements(ast.parse(path.read_text(encoding="utf-8")), later):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.partition(".")[0] != "lib":
                yield name.partition(".")[0]
                continue
            parts = name.split(".")
            whole = (".".join(parts[:n]) for n in range(1, len(parts) + 1))
            yield from (part for part in whole if file(part).exists())  # a package's own file runs first


def _statements(node: ast.AST, later: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.Lambda) and not later:
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        yield child
        yield from _statements(child, later)
