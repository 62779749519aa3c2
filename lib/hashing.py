"""Hashes of code: what decides whether a result is stale.

What counts is *definitions*: those that an entry point can reach by name, each without docstrings, comments, imports
and the name of its module.  A definition may move to another file, and a file may be renamed: nothing is stale then.
"""

import ast
import functools
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ("requirements.txt", "constraints.txt")
# Modules that carry numbers and make none: how a result is named, kept, asked for, checked and shown.
APART = ("lib.book", "lib.hashing", "lib.records", "lib.encoders.store", "lib.study.declared", "lib.study.key")
APART += ("lib.study.run", "lib.checks")
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
    readings: dict[int, "Reading"] = field(default_factory=dict)  # by the identity of a statement


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
        if module is None or (key[1] and key[1] not in module.bound):
            raise KeyError(f"{'.'.join(key)} is named by code of the library and does not exist")
        found[key] = [_read(node, module) for node in (module.bound[key[1]] if key[1] else module.loose)]
        todo += [(key[0], "")] if module.loose else []
        todo += [reference for reading in found[key] for reference in reading.references]
    own = _told_apart(found)
    return {
        key: Definition(
            "\n".join(r.text for r in readings), digest([own.get(k, "") for r in readings for k in r.references])
        )
        for key, readings in found.items()
    }


def _told_apart(found: dict[Key, list["Reading"]]) -> dict[Key, str]:
    """A hash of each definition: of its text, and of what it names too, as long as that tells equal texts apart."""
    own = {key: digest([reading.text for reading in readings]) for key, readings in found.items()}
    while True:
        named = {key: [own.get(k, "") for reading in found[key] for k in reading.references] for key in found}
        finer = {key: digest([own[key], named[key]]) for key in found}
        if len(set(finer.values())) == len(set(own.values())):
            return own
        own = finer


@functools.cache
def code_hash(*entries: Key) -> str:
    """Sixteen hex digits of the definitions that the entries can reach."""
    return digest(sorted(map(str, closure(*entries).values())))


def of_cells(cells: list[ast.Module]) -> tuple[list[str], dict[Key, "Definition"]]:
    """The text that counts of each piece of code outside the library, as a notebook's cells, and what they can reach.

    What one cell imports, the others see.
    """
    scope = Module("")
    for node in (node for cell in cells for node in ast.walk(cell)):
        _bind_imports(node, scope.imported, "")
    readings = [_Reader(scope).read(cell) for cell in cells]
    return [r.text for r in readings], closure(*(key for r in readings for key in r.references))


@functools.cache
def lock_hash(*packages: str) -> str:
    """A hash of the pinned requirements; of the named packages alone where some are named."""
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in LOCK]
    lines = [line.split("#")[0].strip() for text in texts for line in text.splitlines()]
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
    package = name if base.is_dir() else name.rpartition(".")[0]
    return _parsed(name, package, path.read_text(encoding="utf-8")) if path.is_file() else None


@functools.cache
def _parsed(name: str, package: str, text: str) -> Module:
    found, tree = Module(name), ast.parse(text, filename=name)
    for node in tree.body:
        if _bind_imports(node, found.imported, package):
            continue
        names = list(_names(node))
        for bound in names:
            found.bound.setdefault(bound, []).append(node)
        silent = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        silent |= isinstance(node, ast.If) and "__main__" in ast.dump(node.test)
        if not silent and (not names or _registers(node)):
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


def _read(node: ast.stmt, module: Module) -> Reading:
    if id(node) not in module.readings:
        module.readings[id(node)] = _Reader(module).read(node)
    return module.readings[id(node)]


class _Reader:
    """Writes code as text, without docstrings, imports and positions; what comes from elsewhere stands there as what it
    is, not by where it lies.

    A module that is named alone, and not also a variable of the code, stands for all that it defines.
    """

    def __init__(self, scope: Module):
        self.scope, self.references, self.local = scope, [], set()

    def read(self, tree: ast.AST) -> Reading:
        inner = dict(self.scope.imported)
        for node in ast.walk(tree):
            _bind_imports(node, inner, self.scope.name.rpartition(".")[0])
            if isinstance(node, ast.arg):
                self.local.add(node.arg)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self.local.add(node.id)
        self.scope = Module(self.scope.name, self.scope.bound, inner)
        return Reading(self._text(tree), tuple(self.references))

    def _text(self, node) -> str:
        if isinstance(node, list):
            return f"[{','.join(filter(None, map(self._text, node)))}]"  # an import leaves no mark
        if not isinstance(node, ast.AST):
            return repr(node)
        if isinstance(node, ast.Name | ast.Attribute) and (known := self._known(node)):
            return known
        if isinstance(node, ast.Import | ast.ImportFrom | ast.expr_context):
            return ""
        fields = [getattr(node, name, None) for name in node._fields]
        if _documented(node):
            fields[node._fields.index("body")] = node.body[1:]
        return f"{type(node).__name__}({','.join(map(self._text, fields))})"

    def _known(self, node: ast.Name | ast.Attribute) -> str:
        found, known = _target(node, self.scope)
        if not known or not found:
            return ""
        if isinstance(found, str):
            return f"<{found}>"
        if found[1]:
            self.references.append(found)
        elif not (isinstance(node, ast.Name) and node.id in self.local):
            self.references += [(found[0], name) for name in _module(found[0]).bound]
        return f"<{found[1] or 'a module'}>"


def _documented(node: ast.AST) -> bool:
    body = getattr(node, "body", None)
    first = body[0] if isinstance(body, list) and body else None
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)


def named(texts: Iterable[str], files: Iterable[Path]) -> list[Path]:
    """The files whose name, with or without its ending, stands as a string of its own in texts that count."""
    whole = "\n".join(texts)
    return sorted(f for f in files if f"Constant({f.name!r}," in whole or f"Constant({f.stem!r}," in whole)
