"""Hashes of code: what decides whether a result is stale.

What counts is *definitions*: those that an entry point can reach by name, each without docstrings, comments, imports, and
the name of its module.  So a definition may move to another file, and a file may be renamed, and nothing is stale.
"""

import ast
import copy
import functools
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ("requirements.txt", "constraints.txt")
# Modules that carry numbers and make none: how a result is named, kept, asked for and shown.
APART = ("lib.book", "lib.hashing", "lib.records", "lib.encoders.store", "lib.study.parameters", "lib.study.key")
APART += ("lib.study.run",)
# Decorators that keep a definition what it is; any other may register it, so that it counts with its module.
PLAIN = ("cache", "lru_cache", "cached_property", "property", "dataclass", "contextmanager", "no_grad", "overload")
PLAIN += ("staticmethod", "classmethod", "once_differentiable", "wraps", "vmap")

Key = tuple[str, str]  # module and name of a definition


@dataclass
class Module:
    """What a file of the library says at its top: names with the statements that bind them, and loose statements."""

    name: str
    bound: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imported: dict[str, tuple[str, str]] = field(default_factory=dict)  # name: (module, name there, "" the module)
    loose: list[ast.stmt] = field(default_factory=list)


def closure(*entries: Key) -> dict[Key, "Definition"]:
    """The definitions that the entries can reach, themselves among them, with what counts of each.

    entries: (module, name) of functions, classes or values of ``lib``.  KeyError: one that does not exist.
    """
    found: dict[Key, list[Reading]] = {}
    todo = list(entries)
    while todo:
        key = todo.pop()
        if key in found or _apart(key[0]):
            continue
        module = _module(key[0])
        found[key] = [_read(node, module) for node in (module.bound[key[1]] if key[1] else module.loose)]
        todo += [(key[0], "")] if module.loose else []
        todo += [reference for reading in found[key] for reference in reading.references]
    own = {key: digest([reading.text for reading in readings]) for key, readings in found.items()}
    return {
        key: Definition(
            "\n".join(r.text for r in readings), digest([own.get(k, "") for r in readings for k in r.references])
        )
        for key, readings in found.items()
    }


@functools.cache
def code_hash(*entries: Key) -> str:
    """Sixteen hex digits of the definitions that the entries can reach."""
    return digest(sorted(map(str, closure(*entries).values())))


def of_tree(tree: ast.Module) -> tuple[str, dict[Key, "Definition"]]:
    """The text that counts of code outside the library, as a notebook's cells, and the definitions it can reach."""
    reading = _Reader(Module("")).read(tree)
    return reading.text, closure(*reading.references)


@functools.cache
def lock_hash(*packages: str) -> str:
    """A hash of the pinned requirements; of the named packages alone where some are named."""
    lines = [line.split("#")[0].strip() for name in LOCK for line in (ROOT / name).read_text().splitlines()]
    wanted = [line for line in lines if line and (not packages or line.split("==")[0].lower() in packages)]
    return digest(sorted(wanted))


def digest(value) -> str:
    """Sixteen hex digits of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def normal_form(tree: ast.AST) -> str:
    """The tree as text, without docstrings, positions and comments."""
    return _Reader(Module("")).read(tree).text


def modules() -> Iterator[str]:
    """Every module of the library, sorted."""
    for path in sorted((ROOT / "lib").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def _module(name: str) -> Module | None:
    """The module of that name, read; None where the library has none."""
    base = ROOT.joinpath(*name.split("."))
    path = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    if not path.is_file():
        return None
    found, tree = Module(name), ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    for node in tree.body:
        if _bind_imports(node, found.imported, name if base.is_dir() else name.rpartition(".")[0]):
            continue
        names = list(_names(node))
        for bound in names:
            found.bound.setdefault(bound, []).append(node)
        documents = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not documents and (not names or _registers(node)):
            found.loose.append(node)
    return found


def _bind_imports(node: ast.AST, into: dict[str, tuple[str, str]], package: str) -> bool:
    """Note what an import statement binds; whether the node was one."""
    if isinstance(node, ast.Import):
        for a in node.names:
            into[a.asname or a.name.split(".")[0]] = (a.name if a.asname else a.name.split(".")[0], "")
    elif isinstance(node, ast.ImportFrom):
        above = ".".join(package.split(".")[: len(package.split(".")) + 1 - node.level]) if node.level else ""
        module = ".".join(part for part in (above, node.module or "") if part)
        for a in node.names:
            into[a.asname or a.name] = (module, a.name)
    else:
        return False
    return True


def _names(node: ast.stmt) -> Iterator[str]:
    """Names that a statement at the top of a module binds, in blocks too."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.For):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name))
    elif isinstance(node, ast.Try | ast.If | ast.With):
        for inner in ast.walk(node):
            if isinstance(inner, ast.Import | ast.ImportFrom):
                yield from (a.asname or a.name for a in inner.names)
            elif inner is not node and isinstance(inner, ast.stmt):
                yield from _names(inner)


def _registers(node: ast.stmt) -> bool:
    def word(d: ast.expr) -> str:
        d = d.func if isinstance(d, ast.Call) else d
        return d.attr if isinstance(d, ast.Attribute) else getattr(d, "id", "")

    return any(word(d) not in PLAIN for d in getattr(node, "decorator_list", []))


def _apart(module: str) -> bool:
    return any(module == name or module.startswith(name + ".") for name in APART)


@functools.cache
def _resolve(module: str, name: str) -> Key | None:
    """Where the library defines what a module calls by that name; a module itself is (module, ""); None: outside."""
    if not (module == "lib" or module.startswith("lib.")):
        return None
    if not name:
        return (module, "") if _module(module) else None
    found = _module(module)
    if found is None:
        return None
    if name in found.imported:
        return _resolve(*found.imported[name])
    if name in found.bound:
        return module, name
    return (f"{module}.{name}", "") if _module(f"{module}.{name}") else None


def _target(node: ast.AST, scope: Module) -> tuple[Key | str | None, bool]:
    """What a name or a dotted name means: a definition, the dotted name of something outside, or None."""
    if isinstance(node, ast.Name):
        if node.id in scope.imported:
            module, name = scope.imported[node.id]
            return _resolve(module, name) or ".".join(part for part in (module, name) if part), True
        return ((scope.name, node.id), True) if node.id in scope.bound else (None, False)
    base, known = _target(node.value, scope) if isinstance(node, ast.Attribute | ast.Name) else (None, False)
    if known and isinstance(base, tuple) and base[1] == "":
        return _resolve(base[0], node.attr), True
    return None, False


@dataclass(frozen=True)
class Definition:
    """What counts of a definition: its own text, and a hash of the texts of those that it names."""

    text: str
    named: str

    def __str__(self) -> str:
        return f"{self.text} {self.named}"


@dataclass(frozen=True)
class Reading:
    """What counts of a piece of code: its text, and the definitions of the library that it names, in order."""

    text: str
    references: tuple[Key, ...]


_readings: dict[int, Reading] = {}  # by the identity of a statement, which its module keeps


def _read(node: ast.stmt, module: Module) -> Reading:
    if id(node) not in _readings:
        _readings[id(node)] = _Reader(module).read(node)
    return _readings[id(node)]


class _Reader(ast.NodeTransformer):
    """Leaves out docstrings and imports; names what comes from elsewhere by what it is, not by where it lies.

    A module that is named alone, and not also a variable of the code, stands for all that it defines.
    """

    def __init__(self, scope: Module):
        self.scope, self.references, self.local = scope, [], set()

    def read(self, node: ast.AST) -> Reading:
        node = copy.deepcopy(node)
        inner = dict(self.scope.imported)
        for part in ast.walk(node):
            _bind_imports(part, inner, self.scope.name.rpartition(".")[0])
            if isinstance(part, ast.arg):
                self.local.add(part.arg)
            elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                self.local.add(part.id)
        self.scope = Module(self.scope.name, self.scope.bound, inner)
        return Reading(ast.dump(self.visit(node)), tuple(self.references))

    def generic_visit(self, node):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                body[0] = ast.Pass()
        return super().generic_visit(node)

    def visit_Import(self, node):
        return ast.Pass()

    visit_ImportFrom = visit_Import

    def visit_Name(self, node):
        return self._known(node) or node

    def visit_Attribute(self, node):
        return self._known(node) or self.generic_visit(node)

    def _known(self, node: ast.Name | ast.Attribute) -> ast.Name | None:
        found, known = _target(node, self.scope)
        if not known or not found:
            return None
        if isinstance(found, str):
            return ast.Name(found, node.ctx)
        if found[1]:
            self.references.append(found)
        elif not (isinstance(node, ast.Name) and node.id in self.local):
            self.references += [(found[0], name) for name in _module(found[0]).bound]
        return ast.Name(found[1] or "a module", node.ctx)


def names_in(texts: Iterable[str], words: Iterable[str]) -> list[str]:
    """The words that stand as a string of their own in texts that count, sorted."""
    whole = "\n".join(texts)
    return sorted(word for word in words if f"Constant(value={word!r})" in whole)
