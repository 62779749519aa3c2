"""Hashes of code: what decides whether a result is stale.

A module counts with everything of ``lib`` it imports, directly or through others.  Comments, docstrings and layout do
not count, so that explaining the code better re-runs nothing.
"""

import ast
import functools
import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ("requirements.txt", "constraints.txt")


@functools.cache
def closure(module: str) -> tuple[str, ...]:
    """The ``lib`` modules that ``module`` needs, itself among them, sorted."""
    seen, todo = set(), [module]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += imports(_tree(name))
    return tuple(sorted(seen))


@functools.cache
def closure_hash(*modules: str) -> str:
    """A hash of the code of the modules and of all they import."""
    names = sorted({n for m in modules for n in closure(m)})
    return _hash("\n".join(f"{name}:{_code(name)}" for name in names))


@functools.cache
def lock_hash(*packages: str) -> str:
    """A hash of the pinned requirements; of the named packages alone where some are named."""
    lines = [line.split("#")[0].strip() for name in LOCK for line in (ROOT / name).read_text().splitlines()]
    wanted = [line for line in lines if line and (not packages or line.split("==")[0].lower() in packages)]
    return _hash("\n".join(sorted(wanted)))


def imports(tree: ast.AST) -> list[str]:
    """Names of the ``lib`` modules that a syntax tree imports anywhere, inside functions too."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "lib":
            found += [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lib."):
            found.append(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found += [a.name.split(".")[1] for a in node.names if a.name.startswith("lib.")]
    return found


def normal_form(tree: ast.AST) -> str:
    """The tree as text, without docstrings, positions and comments."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                body[0] = ast.Pass()
    return ast.dump(tree)


@functools.cache
def _tree(module: str) -> ast.AST:
    path = ROOT / "lib" / f"{module}.py"
    return ast.parse(path.read_text(), filename=str(path))


@functools.cache
def _code(module: str) -> str:
    return normal_form(_tree(module))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
