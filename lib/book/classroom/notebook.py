"""The exercises of a study as ``exercises/<study>.py`` asks them, and those that a teacher's file sets of them."""

import ast
import importlib.util
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from lib import study
from lib.book.classroom.exercise import Chapter, Exercise
from lib.hashing import ROOT
from lib.study.declared import split

ASKED = ROOT / "exercises"
FILES = ROOT / "classroom"
BLANK = "*Your answer here.*"  # of an open question
ROLE = re.compile(r"\{[\w:]+\}`(?:[^`<]*<)?([^`>]+)>?`")  # of the book's markdown, in a plain notebook


@dataclass(frozen=True)
class Question:
    """One exercise: its text, its solution and public checks as source; of an open one, text alone."""

    label: str
    text: str
    solution: str
    checks: str
    open: bool

    @property
    def functions(self) -> list[str]:
        """Names of the functions that an answer defines."""
        return [f.name for f in _functions(self.solution)] if not self.open else []

    @property
    def stub(self) -> str:
        """The heads of the solution's functions, to be filled."""
        parts = []
        for function in _functions(self.solution):
            function.body = ast.parse("raise NotImplementedError").body
            function.decorator_list = []
            parts.append(ast.unparse(function))
        return "\n\n\n".join(parts)


@dataclass(frozen=True)
class Assignment:
    """What is set: a study's title, its setup cell, and pairs of question and exercise; ``source`` of the exercises."""

    study: str
    title: str
    setup: str
    parts: tuple[tuple[Question, Exercise], ...]
    source: str

    @property
    def points(self) -> int:
        return sum(exercise.points for _, exercise in self.parts)


def _functions(source: str) -> list[ast.FunctionDef]:
    body = ast.parse(source).body
    return [node for node in body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]


def text(name: str) -> str:
    """The text of ``exercises/<study>.py``; empty where there is no such file."""
    path = ASKED / f"{name}.py"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def cells(name: str) -> list[tuple[str, str]]:
    """The cells in which a study's exercises are asked and solved, as (header, text)."""
    return split(text(name))


def questions(cells: list[tuple[str, str]]) -> list[Question]:
    """The exercises of (header, text) cells, in order.  ValueError: one has no solution, or no function to write."""
    starts = [n for n, (_, text) in enumerate(cells) if re.search(r"^# :::+\s*\{exercise\}", text, re.M)]
    found = []
    for start in starts:
        rest = cells[start + 1 :]
        ends = [n for n, (header, _) in enumerate(rest) if "[markdown]" in header and '"solution"' not in header]
        found.append(_question(cells[start][1], rest[: ends[0]] if ends else rest))
    return found


def _question(text: str, following: list[tuple[str, str]]) -> Question:
    lines = _markdown(text).splitlines()
    first = next(n for n, line in enumerate(lines) if re.match(r":::+\s*\{exercise\}", line))
    last = next(n for n, line in enumerate(lines) if n > first and re.fullmatch(r":::+\s*", line))
    body = [line for line in lines[first + 1 : last] if not re.match(r":[\w-]+:", line)]
    label = next(re.sub(r":label:\s*", "", line) for line in lines[first:last] if line.startswith(":label:")).strip()
    solved = [(header, cell) for header, cell in following if '"solution"' in header]
    if len(solved) != 1:
        raise ValueError(f"{label} has {len(solved)} cells tagged solution; give it one, after its text")
    is_open = "[markdown]" in solved[0][0]
    solution = _markdown(solved[0][1]) if is_open else solved[0][1].strip()
    checks = "\n\n".join(
        cell.strip() for header, cell in following if "[markdown]" not in header and (header, cell) not in solved
    )
    question = Question(label, plain("\n".join(body)).strip(), solution, checks, is_open)
    if not is_open and not question.functions:
        raise ValueError(f"{label} has a solution that defines no function; let it define what the checks call")
    return question


def _markdown(text: str) -> str:
    return "\n".join(re.sub("^# ?", "", line) for line in text.splitlines()).strip()


def plain(text: str) -> str:
    """Markdown of the book as a notebook shows it: a reference is the name of what it refers to."""
    return ROLE.sub(r"`\1`", text)


def setup(cells: list[tuple[str, str]], name: str) -> str:
    """The source of the cell tagged "exercise-setup".  ValueError: there is none."""
    found = [text.strip() for header, text in cells if '"exercise-setup"' in header]
    if len(found) != 1:
        raise ValueError(
            f"study {name!r} has {len(found)} cells tagged exercise-setup; give it one, before its exercises"
        )
    return found[0]


def exercises(path: Path) -> tuple[Exercise, ...]:
    """``EXERCISES`` of a file.  ValueError: it cannot be read, or holds none."""
    if not path.is_file():
        raise ValueError(f"{path} does not exist; name the folder of your exercises, or one file, with CLASSROOM=path")
    found = _held(path, "EXERCISES")
    listed = tuple(found) if isinstance(found, tuple | list) else ()
    if not listed or not all(isinstance(exercise, Exercise) for exercise in listed):
        raise ValueError(f"{path}: EXERCISES is no tuple of Exercise; see classroom/ for examples")
    return listed


def chapter(path: Path) -> Chapter:
    """``CHAPTER`` of a file of the book's.  ValueError: it cannot be read, or holds none."""
    found = _held(path, "CHAPTER")
    if not isinstance(found, Chapter):
        raise ValueError(f"{path}: CHAPTER is no Chapter; see classroom/ for examples")
    return found


def _held(path: Path, name: str) -> object:
    spec = importlib.util.spec_from_file_location(f"classroom_{path.stem}", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        return getattr(module, name)
    except Exception as error:
        raise ValueError(
            f"{path} cannot be read ({type(error).__name__}: {error}); see classroom/ for examples"
        ) from error


def assignment(name: str, classroom: str = "") -> Assignment:
    """What is set of a study: all that ``classroom/<study>.py`` names, or a teacher's own file or folder.

    ValueError: the study or file is not there, they do not belong together, or one name of data stands for two things.
    """
    path = Path(classroom).expanduser() if classroom else FILES
    path = path / f"{study.source(name).stem}.py" if path.is_dir() or not classroom else path
    written = [*study.cells(name), *cells(name)]
    return joined(name, written, exercises(path), path.read_text(encoding="utf-8"))


def joined(name: str, cells: list[tuple[str, str]], wanted: tuple[Exercise, ...], source: str) -> Assignment:
    """The assignment of exercises that the cells of a study hold; ValueError as above."""
    known = {question.label: question for question in questions(cells)}
    labels = [exercise.label for exercise in wanted]
    if unknown := [label for label in labels if label not in known]:
        raise ValueError(f"exercise {unknown[0]!r} is not in study {name!r}; there are: {', '.join(known)}")
    if labels != [label for label in known if label in labels]:
        raise ValueError(
            f"EXERCISES of {name!r} stand twice or in another order than in the study: {', '.join(labels)}"
        )
    for exercise in wanted:
        is_open = known[exercise.label].open
        if bool(exercise.checks) == is_open or bool(exercise.rubric) != is_open:
            kind = "text: give it a rubric and no checks" if is_open else "code: give it checks and no rubric"
            raise ValueError(f"exercise {exercise.label!r} has a solution in {kind}")
    title = next((m[1] for _, text in cells if (m := re.search(r"^# # (.+)$", text, re.M))), name)
    return Assignment(name, title, setup(cells, name), tuple((known[e.label], e) for e in wanted), source)
