"""Who is in a class, and the secret that draws each student's data and tests."""

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from lib.hashing import ROOT

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
LEAST = 16  # bytes of a secret


@dataclass(frozen=True)
class Student:
    """One line of a roster: the name that files and grades go by, and what a gradebook wants."""

    id: str
    name: str = ""
    email: str = ""


def roster(path: str) -> list[Student]:
    """The students of a CSV file with the columns student[,name,email].

    ValueError: no file, no such column, an id that is no file name, or one that comes twice.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise ValueError(f"STUDENTS={path!r} is no file; give a CSV file with the columns student,name,email")
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8-sig"))))
    if not rows or "student" not in rows[0]:
        raise ValueError(f"STUDENTS={path!r} has no column 'student' or no line; give the columns student,name,email")
    found = [Student(*((row.get(name) or "").strip() for name in ("student", "name", "email"))) for row in rows]
    seen = set()
    for student in found:
        if not ID.fullmatch(student.id):
            raise ValueError(
                f"student {student.id!r} in {path}: letters, digits and ._@- are expected, a letter or digit first"
            )
        if student.id.lower() in seen:
            raise ValueError(f"student {student.id!r} stands twice in {path}; give each student one line")
        seen.add(student.id.lower())
    return found


def secret(path: str) -> bytes:
    """The bytes of the secret's file.  ValueError: none is named, it lies in the repository, or is too short."""
    advice = "make one with: head -c 32 /dev/urandom > ~/class.secret, and give SECRET=~/class.secret"
    if not path:
        raise ValueError(f"SECRET is not given: it draws each student's data and the hidden tests; {advice}")
    file = Path(path).expanduser()
    if not file.is_file():
        raise ValueError(f"SECRET={path!r} is no file; {advice}")
    if file.resolve().is_relative_to(ROOT):
        raise ValueError(f"SECRET={path!r} lies inside the repository, from where it would be published; {advice}")
    found = file.read_bytes()
    if len(found.strip()) < LEAST:
        raise ValueError(f"SECRET={path!r} holds {len(found.strip())} bytes, at least {LEAST} are expected; {advice}")
    return found
