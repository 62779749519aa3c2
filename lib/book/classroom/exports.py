"""Grades and assignments in the forms of other systems: Canvas, Moodle, Gradescope, nbgrader."""

import ast
import copy
import csv
from pathlib import Path

import nbformat

from lib import records
from lib.book.classroom.feedback import WHY
from lib.book.classroom.notebook import Assignment
from lib.book.classroom.results import Result

CONFIG = """# nbgrader's autograder runs students' code on this machine without a fence: use it on code that you trust.
c = get_config()
c.CourseDirectory.course_id = "harms-and-geometry"
"""


def write_csv(path: Path, rows: list[tuple]) -> None:
    with records.atomic(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as f:
        csv.writer(f).writerows(rows)


def tables(folder: Path, set_: Assignment, results: list[Result]) -> None:
    """``grades.csv``, ``canvas.csv``, ``moodle.csv``, and ``manual-template.csv`` for points that a person gives.

    Canvas: the columns of its gradebook's export, points possible in the second line; a student is found by SIS User ID
    or SIS Login ID (https://community.instructure.com, "import grades in the Gradebook").  Moodle: one line a student,
    to be mapped by "ID number" or "Email address" (https://docs.moodle.org/en/Grade_import).
    """
    labels = [exercise.label for _, exercise in set_.parts]
    work, of = f"{set_.study}", set_.points
    grades = [("student", "name", *labels, "total", "of", "criteria without points", "notes")]
    canvas = [("Student", "ID", "SIS User ID", "SIS Login ID", "Section", work), ("    Points Possible", *[""] * 4, of)]
    moodle = [("ID number", "Email address", work)]
    template = [("student", "exercise", "criterion", "points", "comment", "most", "what")]
    for result in results:
        points, student = result.points(set_), result.student
        total = sum(points.values())
        notes = "; ".join(
            [result.found[k] for k in ("unread", "stopped") if k in result.found] + [*result.found.get("notes", [])]
        )
        grades.append((student.id, student.name, *points.values(), total, of, result.waiting(set_), notes))
        canvas.append((student.name or student.id, "", student.id, student.email or student.id, "", total))
        moodle.append((student.id, student.email, total))
        for _, exercise in set_.parts:
            for n, criterion in enumerate(exercise.rubric, 1):
                given, comment = result.manual.get((exercise.label, n), ("", ""))
                template.append((student.id, exercise.label, n, given, comment, criterion.points, criterion.what))
    names = {"grades": grades, "canvas": canvas, "moodle": moodle, "manual-template": template}
    for name, rows in names.items():
        write_csv(folder / f"{name}.csv", rows)


def summary(set_: Assignment, results: list[Result]) -> str:
    """The table of points by student and exercise, as text."""
    rows = [("student", *(e.label.removeprefix("exercise-") for _, e in set_.parts), "total")]
    rows += [(r.student.id, *map(str, r.points(set_).values()), str(sum(r.points(set_).values()))) for r in results]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def gradescope(folder: Path, set_: Assignment, results: list[Result]) -> None:
    """One ``results.json`` a student (https://gradescope-autograders.readthedocs.io/en/latest/specs/)."""
    for result in results:
        tests = []
        for _, exercise in set_.parts:
            judged = result.checks(exercise.label)
            for n, check in enumerate(exercise.checks):
                ok, why = judged[n] if n < len(judged) else (False, "missing")
                name, given = f"{exercise.label}: {check.says}", check.points if ok else 0
                tests.append(_test(name, f"{exercise.label}.{n + 1}", given, check.points, "" if ok else WHY[why]))
            for n, criterion in enumerate(exercise.rubric, 1):
                given, comment = result.manual.get((exercise.label, n), (0, "not graded yet"))
                tests.append(
                    _test(
                        f"{exercise.label}: {criterion.what}", f"{exercise.label}.{n}", given, criterion.points, comment
                    )
                )
        about = {"score": sum(result.points(set_).values()), "visibility": "after_published", "tests": tests}
        records.write_json(folder / result.student.id / "results.json", about)


def _test(name: str, number: str, given: float, most: float, said: str) -> dict:
    return {"name": name, "number": number, "score": given, "max_score": most, "output": said}


def nbgrader_course(folder: Path, set_: Assignment, student: nbformat.NotebookNode) -> None:
    """An nbgrader course: ``source`` with solutions to be cut out, and ``release``, the student's notebook.

    Hidden tests stay out of it: nbgrader's autograder runs them beside the code that they judge.
    """
    source = copy.deepcopy(student)
    solutions = {f"{q.label}-answer": (q, e) for q, e in set_.parts}
    for cell in source.cells:
        if cell.metadata.nbgrader["grade_id"] in solutions:
            question, exercise = solutions[cell.metadata.nbgrader["grade_id"]]
            rubric = "\n".join(["Rubric:", "", *(f"* {c.points}: {c.what}" for c in exercise.rubric)])
            cell.source = f"{question.solution}\n\n{rubric}" if question.open else _marked(question.solution)
    records.write_text(folder / "nbgrader_config.py", CONFIG)
    for kind, made in {"source": source, "release": student}.items():
        records.write_text(folder / kind / set_.study / f"{set_.study}.ipynb", nbformat.writes(made) + "\n")


def _marked(solution: str) -> str:
    """The solution with nbgrader's marks: around the body of each function, and around each other statement."""
    lines, parts = solution.splitlines(), []
    for node in ast.parse(solution).body:
        start = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))]) - 1
        text, head = lines[start : node.end_lineno], 0
        if isinstance(node, ast.FunctionDef) and node.body[0].lineno > node.lineno:
            head = node.body[0].lineno - 1 - start
        indent = " " * (node.body[0].col_offset if head else 0)
        parts.append(
            "\n".join([*text[:head], f"{indent}### BEGIN SOLUTION", *text[head:], f"{indent}### END SOLUTION"])
        )
    return "\n\n\n".join(parts)
