"""The parameters of a study: what its notebook declares, what a preset or a command line gives, and the checks.

A study is ``notebooks/<study>.py`` in the py:percent format.  Its cell tagged "parameters" declares every parameter on
one line, ``name: type = default  # range help``, with the range in the usual notation: ``(0, 1]``, ``[1, inf)``,
``{this, that}``, or left out.  From that line come papermill's defaults, the check in the notebook, ``make params`` and
the check of presets and sweeps.
"""

import ast
import difflib
import functools
import math
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from lib.claims.entries import read_yaml
from lib.hashing import ROOT

TYPES = {"int": int, "float": float, "bool": bool, "str": str}
WHOLE = 2**53  # numbers from here on are no parameters: not every whole one is a float
SHOWN = 60  # characters of a refused value that are shown
LONGEST = 1000  # characters of a text
WORDS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


class ParameterError(ValueError):
    """A parameter, preset or study that does not exist, or a value outside its declaration."""


@dataclass(frozen=True)
class Parameter:
    """One declared parameter: name, type ("int", "float", "bool", "str"), default, range as written, help."""

    name: str
    type: str
    default: object
    range: str
    help: str

    def check(self, value):
        """The value, a whole number turned into a float where a float is declared; ParameterError otherwise."""
        kind, given = TYPES[self.type], value
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value) if abs(value) < WHOLE else math.inf
        if type(value) is not kind:
            raise ParameterError(f"{self.name}={_cut(given)} is a {type(given).__name__}; expected {self.expected}")
        if not self._inside(value):
            raise ParameterError(f"{self.name}={_cut(given)} is out of range; expected {self.expected}")
        return value

    def read(self, text: str):
        """The value written as ``text`` on a command line, checked."""
        try:
            if self.type == "bool":
                return self.check(WORDS[text.lower()])
            return self.check(TYPES[self.type](text))
        except (KeyError, ValueError) as error:
            if isinstance(error, ParameterError):
                raise
            message = f"{self.name}={_cut(text)} is not of type {self.type}; expected {self.expected}"
            raise ParameterError(message) from None

    @property
    def expected(self) -> str:
        """Type and range in words."""
        free = f"str of at most {LONGEST} characters" if self.type == "str" else self.type
        return f"{self.type} in {self.range}" if self.range else free

    def _inside(self, value) -> bool:
        if self.type in ("int", "float") and not abs(value) < WHOLE:  # nan too
            return False
        if self.type == "str" and len(value) > LONGEST:
            return False
        if not self.range:
            return True
        if self.range.startswith("{"):
            return str(value) in self.range.strip("{}").replace(" ", "").split(",")
        low, high = (float(end) for end in self.range[1:-1].split(","))
        above = value > low if self.range[0] == "(" else value >= low
        below = value < high if self.range[-1] == ")" else value <= high
        return above and below


def names() -> list[str]:
    """Every study of the book, sorted."""
    return sorted(path.stem for path in (ROOT / "notebooks").glob("*.py"))


def source(study: str) -> Path:
    """The study's file; ParameterError with the nearest name when there is none."""
    if study not in names():  # the name, not a path to a file that exists
        raise ParameterError(f"study {_cut(study)} does not exist; {_suggest(study, names())}")
    return ROOT / "notebooks" / f"{study}.py"


def cells(study: str) -> list[tuple[str, str]]:
    """The study's cells as (header, text); the header is what follows ``# %%``."""
    return split(source(study).read_text(encoding="utf-8"))


def split(text: str) -> list[tuple[str, str]]:
    """The cells of a file in the py:percent format, as ``cells`` gives them."""
    parts = re.split(r"^# %%(.*)\n", text, flags=re.M)
    return list(zip(parts[1::2], parts[2::2], strict=True))


@functools.cache
def parameters(study: str) -> dict[str, Parameter]:
    """The declared parameters by name, in order."""
    text = next((t for header, t in cells(study) if '"parameters"' in header), None)
    if text is None:
        raise ParameterError(f"study {study!r} has no cell tagged 'parameters'")
    lines, found = text.splitlines(), {}
    for node in ast.parse(text).body:
        comment = lines[node.end_lineno - 1][node.end_col_offset :].strip().lstrip("# ")
        bounds, help_ = re.fullmatch(r"([(\[][^,]+,[^)\]]+[)\]]|\{[^}]+\})?\s*(.*)", comment).groups()
        name = node.target.id
        found[name] = Parameter(name, node.annotation.id, ast.literal_eval(node.value), bounds or "", help_)
    return found


def preset(study: str, name: str) -> dict:
    """The values of ``presets/<name>/<study>.yaml``, checked."""
    known = {path.parent.name: path for path in sorted((ROOT / "presets").glob(f"*/{source(study).stem}.yaml"))}
    if name not in known:
        raise ParameterError(f"preset {_cut(name)} does not exist for {study}; {_suggest(name, list(known))}")
    return check(study, read_yaml(known[name]) or {})


def check(study: str, given: dict) -> dict:
    """The given values, each checked against its declaration; ParameterError for an unknown name."""
    known = parameters(study)
    for name in given:
        if name not in known:
            raise ParameterError(f"parameter {_cut(name)} does not exist in {study}; {_suggest(name, list(known))}")
    return {name: known[name].check(value) for name, value in given.items()}


def words(text: str, example: str) -> dict[str, str]:
    """The values of ``name=value`` words by name; quotation marks hold a value with blanks, as in a shell.

    ParameterError: another word, a name that comes twice, a quotation mark without its partner.
    """
    found = {}
    try:
        parts = shlex.split(text)
    except ValueError:
        raise ParameterError(f"{_cut(text)}: a quotation mark or a backslash has no partner") from None
    for word in parts:
        name, sign, value = word.partition("=")
        if not sign or not name:
            raise ParameterError(f"{_cut(word)} is not name=value; write for instance {example}")
        if name in found:
            raise ParameterError(f"{_cut(word)}: {name} is given already as {_cut(found[name])}; give each name once")
        found[name] = value
    return found


def _cut(value) -> str:
    """The value as Python writes it, the middle of a long one left out."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN // 2]}…{text[-8:]} ({len(text)} characters)"


def _suggest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
