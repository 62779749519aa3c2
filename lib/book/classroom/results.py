"""What a submission got: from its judge, and from a person; and what submissions have in common."""

import csv
from dataclasses import dataclass
from pathlib import Path

from lib.book.classroom import submissions
from lib.book.classroom.notebook import Assignment
from lib.book.classroom.roster import Student


@dataclass(frozen=True)
class Result:
    """What a student's submission got.  ``found`` is what the judge said; ``manual`` the points of each criterion."""

    student: Student
    found: dict
    manual: dict[tuple[str, int], tuple[float, str]]

    def checks(self, label: str) -> list[tuple[bool, str]]:
        """For each check that was judged, whether it holds, and why not."""
        return [tuple(pair) for pair in self.found.get("checks", {}).get(label, [])]

    def points(self, set_: Assignment) -> dict[str, float]:
        """By exercise."""
        return {exercise.label: self._of(exercise) for _, exercise in set_.parts}

    def _of(self, exercise) -> float:
        judged = zip(exercise.checks, self.checks(exercise.label), strict=False)
        given = [self.manual.get((exercise.label, n), (0, ""))[0] for n in range(1, len(exercise.rubric) + 1)]
        return sum(check.points for check, (passed, _) in judged if passed) + sum(given)

    def waiting(self, set_: Assignment) -> int:
        """How many criteria of open questions have no points yet."""
        wanted = [(e.label, n) for _, e in set_.parts for n in range(1, len(e.rubric) + 1)]
        return sum(key not in self.manual for key in wanted)


def merged(said: list[dict]) -> dict:
    """One dict of all that a judge said."""
    found: dict = {"checks": {}, "data_of": {}}
    for one in said:
        if "check" in one:
            found["checks"].setdefault(one["exercise"], []).append([one["passed"], one["why"]])
        elif "data_of" in one:
            found["data_of"][one["exercise"]] = one["data_of"]
        else:
            found |= one
    return found


def manual(path: Path, set_: Assignment) -> dict[str, dict[tuple[str, int], tuple[float, str]]]:
    """Points and comments of criteria by student, from the columns student,exercise,criterion,points[,comment].

    A line without points says nothing.  ValueError: no such exercise or criterion, points beyond its own, a line twice.
    """
    most = {(e.label, n): c.points for _, e in set_.parts for n, c in enumerate(e.rubric, 1)}
    found: dict[str, dict] = {}
    if not path.is_file():
        return found
    with open(path, encoding="utf-8-sig", newline="") as f:
        for number, row in enumerate(csv.DictReader(f), 2):
            where, points = f"{path}, line {number}", (row.get("points") or "").strip()
            criterion = (row.get("criterion") or "").strip()
            key = ((row.get("exercise") or "").strip(), int(criterion) if criterion.isdecimal() else 0)
            if key not in most:
                raise ValueError(
                    f"{where}: exercise {key[0]!r} has no criterion {criterion!r}; see manual-template.csv"
                )
            if not points:
                continue
            given = _number(points, where, most[key])
            own = found.setdefault((row.get("student") or "").strip(), {})
            if key in own:
                raise ValueError(f"{where}: student, exercise and criterion stand there twice; give each one line")
            own[key] = (given, (row.get("comment") or "").strip())
    return found


def _number(text: str, where: str, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= most:
        raise ValueError(f"{where}: points={text!r}; a number from 0 to {most} is expected")
    return int(value) if value.is_integer() else value


def flags(set_: Assignment, results: list[Result]) -> list[tuple[str, str, str]]:
    """(students, exercises, reason) where submissions have the same origin; for a person to look at."""
    own = {
        q.label: submissions.fingerprint([submissions.Cell("code", q.solution, "")], q)
        for q, _ in set_.parts
        if not q.open
    }
    prints = {r.student.id: {k: v for k, v in r.found.get("prints", {}).items() if v} for r in results}
    found = []
    for student, mine in prints.items():
        as_published = [label for label, value in mine.items() if own.get(label) == value]
        if as_published:
            found.append((student, " ".join(as_published), "the published solution, names and layout apart"))
        for other, theirs in prints.items():
            same = [label for label, value in mine.items() if theirs.get(label) == value and own.get(label) != value]
            if student < other and len(same) > 1:
                found.append((f"{student} {other}", " ".join(same), "the same code, names and layout apart"))
    for result in results:
        if result.found.get("owner") not in (None, "", result.student.id):
            found.append((f"{result.student.id} {result.found['owner']}", "", "the notebook was made for the other"))
        if result.found.get("data_from"):
            found.append(
                (f"{result.student.id} {result.found['data_from']}", "", "the other's data.json was handed in")
            )
        for label, other in result.found.get("data_of", {}).items():
            found.append((f"{result.student.id} {other}", label, "the answer is right for the other's data"))
    return found
