"""What students handed in: a folder or a zip of notebooks, and what a notebook holds, whoever wrote it."""

import functools
import hashlib
import io
import itertools
import json
import keyword
import re
import tokenize
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lib.book.classroom.notebook import BLANK, Question
from lib.book.classroom.roster import ID, Student

BYTES = 200 * 2**20  # of one file at most
MOODLE = re.compile(r"(.+)_\d+_assignsubmission_file_?")
CANVAS = re.compile(r"([a-z]+)_(?:LATE_)?\d+_\d+_.*", re.I)
LONGEST = 20_000  # characters of an open answer that are shown
SHORTEST = 30  # tokens of an answer that two students do not write alike by chance


@dataclass(frozen=True)
class Submission:
    """A student's notebook as bytes on demand, the ``data.json`` beside it, and what is to be said of the choice."""

    student: str
    read: Callable[[], bytes]
    data: Callable[[], bytes] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cell:
    """A cell of a submitted notebook: "code" or "markdown", its source, and the name that its metadata give it."""

    kind: str
    source: str
    name: str


def found(path: str, class_: list[Student]) -> tuple[list[Submission], list[str]]:
    """The submissions below a folder or in a zip, by student, and what was left out, with the reason.

    A submission is ``<student>.ipynb`` or the notebook in a folder ``<student>``; names that Moodle and Canvas give are
    known by a roster's names.  ValueError: there is no such folder, or nothing in it.
    """
    place = Path(path).expanduser() if path else Path()
    if not path or not (place.is_dir() or zipfile.is_zipfile(place)):
        raise ValueError(
            f"SUBMISSIONS={path!r} is neither a folder nor a zip; give the folder with <student>.ipynb files"
        )
    files, left_out = _in_zip(place) if place.is_file() else _in_folder(place)
    by_student: dict[str, list[tuple[PurePosixPath, Callable[[], bytes]]]] = {}
    for name, read in files.items():
        student = _student(name, class_)
        if not student:
            left_out.append(f"{str(name)!r}: no student's id or name")
        elif name.suffix == ".ipynb":
            by_student.setdefault(student, []).append((name, read))
    beside = {name.parent: read for name, read in files.items() if name.name == "data.json"}
    made = [_chosen(student, candidates, beside) for student, candidates in sorted(by_student.items())]
    if not made:
        raise ValueError(f"SUBMISSIONS={path!r} holds no notebook named after a student; {'; '.join(left_out[:3])}")
    return made, left_out


def _in_folder(place: Path) -> tuple[dict, list[str]]:
    files, left_out = {}, []
    for file in sorted([*place.glob("*"), *place.glob("*/*")]):
        name = PurePosixPath(file.relative_to(place).as_posix())
        if name.suffix != ".ipynb" and name.name != "data.json":
            continue
        if file.is_symlink() or (file.parent != place and file.parent.is_symlink()) or not file.is_file():
            left_out.append(f"{str(name)!r}: a link, or no file")
        elif file.stat().st_size > BYTES:
            left_out.append(f"{str(name)!r}: larger than {BYTES >> 20} MiB")
        else:
            files[name] = functools.partial(_whole, file.read_bytes)
    return files, left_out


def _in_zip(place: Path) -> tuple[dict, list[str]]:
    files, left_out = {}, []
    packed = zipfile.ZipFile(place)
    for about in packed.infolist():
        name = PurePosixPath(about.filename)
        if about.is_dir() or (name.suffix != ".ipynb" and name.name != "data.json"):
            continue
        if name.is_absolute() or ".." in name.parts or len(name.parts) > 2:
            left_out.append(f"{about.filename!r}: a path out of the folder, or too deep")
        elif about.file_size > BYTES:
            left_out.append(f"{about.filename!r}: larger than {BYTES >> 20} MiB")
        else:
            files[name] = functools.partial(_whole, functools.partial(packed.read, about))
    return files, left_out


def _whole(read: Callable[[], bytes]) -> bytes:
    """A file's bytes; where they cannot be read, some that are no notebook, for one bad file stops nobody."""
    try:
        return read()
    except (OSError, ValueError, RuntimeError, NotImplementedError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        return f"unreadable: {error}".encode(errors="replace")


def _student(name: PurePosixPath, class_: list[Student]) -> str:
    """The id in a submission's path; empty where there is none."""
    word = name.parts[0] if len(name.parts) > 1 else name.stem
    letters = lambda text: re.sub(r"[\W\d_]", "", text.lower())  # noqa: E731
    for student in class_:
        first, _, last = student.name.rpartition(" ")
        moodle, canvas = MOODLE.fullmatch(word), CANVAS.fullmatch(word)
        if word.lower() == student.id.lower():
            return student.id
        if student.name and moodle and moodle[1].strip().lower() == student.name.lower():
            return student.id
        if student.name and canvas and canvas[1].lower() == letters(last + first):
            return student.id
    return word if ID.fullmatch(word) and not MOODLE.fullmatch(word) else ""


def _chosen(student: str, candidates: list, beside: dict) -> Submission:
    ordered = sorted(candidates, key=lambda item: (len(item[0].parts), item[0].stem != student, str(item[0])))
    name, read = ordered[0]
    more = f"{len(ordered)} notebooks were handed in; {name} is graded"
    return Submission(
        student, read, beside.get(name.parent) if len(name.parts) > 1 else None, (more,) * (len(ordered) > 1)
    )


def cells(blob: bytes) -> list[Cell]:
    """The code and text cells of a notebook.  ValueError: it is none."""
    if not blob.strip():
        raise ValueError("the file is empty")
    try:
        made = json.loads(blob)
        raw = made["cells"] if "cells" in made else [c for sheet in made["worksheets"] for c in sheet["cells"]]
        return [_cell(cell) for cell in raw if isinstance(cell, dict)]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise ValueError("the file is no notebook") from None


def _cell(raw: dict) -> Cell:
    source = raw.get("source", raw.get("input", ""))
    text = "".join(part for part in source if isinstance(part, str)) if isinstance(source, list) else source
    about = raw.get("metadata")
    about = about.get("nbgrader") if isinstance(about, dict) else None
    name = about.get("grade_id") if isinstance(about, dict) else ""
    kind = "code" if raw.get("cell_type") == "code" else "markdown"
    texts = [part.encode(errors="replace").decode() if isinstance(part, str) else "" for part in (text, name)]
    return Cell(kind, *texts)


def owner(blob: bytes) -> str:
    """The student whose assignment a notebook was, as its metadata say; empty where they say nothing."""
    try:
        return str(json.loads(blob)["metadata"]["book"]["student"])[:64].encode(errors="replace").decode()
    except (ValueError, RecursionError, KeyError, TypeError):
        return ""


def text_answer(written: list[Cell], question: Question) -> str:
    """The answer to an open question: in the cell of its name, else in the text cell after the question's."""
    named = [c.source for c in written if c.kind == "markdown" and c.name == f"{question.label}-answer"]
    texts = [c for c in written if c.kind == "markdown"]
    after = [b.source for a, b in itertools.pairwise(texts) if f"`{question.label}`" in a.source.partition("\n")[0]]
    candidates = [text.strip() for text in [*named, *after] if text.strip() not in ("", BLANK)]
    return max(candidates, key=len, default="")[:LONGEST]


def fingerprint(written: list[Cell], question: Question) -> str:
    """A hash of an answer's code without comments, layout, texts and names; empty where it is short or missing."""
    heads = [re.compile(rf"^def {name}\b", re.M) for name in question.functions]
    source = "\n".join(c.source for c in written if c.kind == "code" and any(head.search(c.source) for head in heads))
    return _normal(source)


def _normal(source: str) -> str:
    names: dict[str, int] = {}
    words = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
                words.append(f"name{names.setdefault(token.string, len(names))}")
            elif token.type in (tokenize.NAME, tokenize.OP, tokenize.NUMBER):
                words.append(token.string)
    except (tokenize.TokenError, SyntaxError):
        words = source.split()
    return hashlib.sha256(" ".join(words).encode(errors="replace")).hexdigest() if len(words) >= SHORTEST else ""
