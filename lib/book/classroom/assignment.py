"""What a teacher hands out: ``make assignment STUDY=x [STUDENTS=roster.csv] [SECRET=path] [CLASSROOM=path]``."""

import json
import shutil
import zipfile
from pathlib import Path

import nbformat
import numpy as np
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from torch import Tensor

from lib import records
from lib.book.classroom import exports, notebook
from lib.book.classroom.exercise import Exercise, Plain, generator
from lib.book.classroom.notebook import BLANK, Assignment, Question
from lib.book.classroom.roster import roster, secret

CLASS = Path("build/class")
ANSWERS = Path("answers")  # a student's own work: made once, never written again
FRONT = """# {title}: assignment

{points} points. Write your answers into the cells that end in `raise NotImplementedError` and those that say
"Your answer here", and leave the names of the functions as they are. The cell after each answer checks it in part; more
tests follow when it is graded. Add cells where you like, save, and hand in this file.
"""
PREVIEW = """from lib.book.classroom.exercise import Answers, generator, score

def called(name, /, *arguments, **named):
    return globals()[name](*arguments, **named)

secret = b"a preview, no secret"
for exercise in EXERCISES:
    globals().update(exercise.data(generator(secret, "preview", exercise.label, "data")))
    if exercise.checks:
        print(exercise.label, sum(score(exercise, Answers(called), secret, "preview")), "of", exercise.points)
"""


def own(exercises: list[Exercise], key: bytes, student: str) -> dict[str, Plain]:
    """A student's own data of all exercises, by name.  ValueError: two exercises give one name."""
    found: dict[str, Plain] = {}
    for exercise in exercises:
        data = exercise.data(generator(key, student, exercise.label, "data"))
        if twice := set(data) & set(found):
            raise ValueError(f"{exercise.label} and an exercise before it both have data {min(twice)!r}; rename one")
        found |= data
    return found


def as_json(data: dict[str, Plain]) -> str:
    """Data as the text of ``data.json``; arrays and tensors are nested lists."""
    lists = lambda value: value.tolist() if isinstance(value, np.ndarray | Tensor | np.generic) else value  # noqa: E731
    return json.dumps({name: lists(value) for name, value in data.items()}, indent=1, default=lists) + "\n"


def reading(data: dict[str, Plain]) -> str:
    """Source of the cell that reads ``data.json``; empty where there is no data."""
    if not data:
        return ""
    arrays, tensors = (any(isinstance(v, kind) for v in data.values()) for kind in (np.ndarray, Tensor))
    lines = [
        "import json",
        "from pathlib import Path",
        "",
        *["import numpy as np"] * arrays,
        *["import torch"] * tensors,
    ]
    lines += ['own = json.loads(Path("data.json").read_text(encoding="utf-8"))  # your own data, beside this notebook']
    for name, value in data.items():
        read = f'own["{name}"]'
        if isinstance(value, np.ndarray):
            read = f'np.array({read}, dtype="{value.dtype}")'
        if isinstance(value, Tensor):
            read = f"torch.tensor({read}, dtype={value.dtype})"
        lines.append(f"{name} = {read}")
    return "\n".join(lines)


def student_notebook(set_: Assignment, student: str = "", read: str = "") -> nbformat.NotebookNode:
    """Questions, setup, stubs and public checks; ``read`` is the source that reads the student's own data."""
    cells = [_markdown("front", FRONT.format(title=set_.title, points=set_.points)), _locked("setup", set_.setup)]
    cells += [_locked("data", read)] if read else []
    for number, (question, exercise) in enumerate(set_.parts, 1):
        cells += [_markdown(question.label, _heading(number, question, exercise)), *_blank(question, exercise)]
    return _notebook(set_.study, cells, student)


def instructor_notebook(set_: Assignment) -> nbformat.NotebookNode:
    """Solutions, public checks, rubrics, and the hidden tests as source; the last cell runs them on the solutions."""
    cells = [_markdown("front", f"# {set_.title}: for the instructor\n\n{set_.points} points.\n\n{_sums(set_)}")]
    cells.append(_locked("setup", set_.setup))
    for number, (question, exercise) in enumerate(set_.parts, 1):
        cells.append(_markdown(question.label, _heading(number, question, exercise, hidden=True)))
        if question.open:
            cells.append(_markdown(f"{question.label}-answer", question.solution))
        else:
            cells += [new_code_cell(question.solution), new_code_cell(question.checks)]
    cells += [_markdown("hidden", "## Hidden tests"), new_code_cell(set_.source), new_code_cell(PREVIEW)]
    return _notebook(set_.study, cells)


def _sums(set_: Assignment) -> str:
    rows = [f"| {e.label} | {e.objective} | {e.prerequisites} | {e.minutes} | {e.points} |" for _, e in set_.parts]
    return "\n".join(["| exercise | objective | prerequisites | minutes | points |", "|---|---|---|---|---|", *rows])


def _heading(number: int, question: Question, exercise: Exercise, hidden: bool = False) -> str:
    lines = [
        f"## Exercise {number}: `{question.label}`",
        f"{exercise.points} points, about {exercise.minutes} minutes.",
    ]
    lines += [f"*{exercise.objective}* Needs: {exercise.prerequisites}.", question.text]
    parts = [f"* {c.points}: {c.what}" for c in exercise.rubric] + [f"* {c.points}: {c.says}" for c in exercise.checks]
    return "\n\n".join([*lines, *(["\n".join(["Points:", "", *parts])] if hidden else [])])


def _blank(question: Question, exercise: Exercise) -> list[nbformat.NotebookNode]:
    answer = f"{question.label}-answer"
    if question.open:
        graded = {"grade": True, "solution": True, "locked": False, "points": exercise.points}
        return [_graded(new_markdown_cell(BLANK), answer, graded)]
    stub = _graded(new_code_cell(question.stub), answer, {"grade": False, "solution": True, "locked": False})
    checked = {"grade": True, "solution": False, "locked": True, "points": exercise.points}
    return [stub, _graded(new_code_cell(question.checks), f"{question.label}-checks", checked)]


def _markdown(name: str, text: str) -> nbformat.NotebookNode:
    return _graded(new_markdown_cell(text.strip()), name, {"grade": False, "solution": False, "locked": True})


def _locked(name: str, source: str) -> nbformat.NotebookNode:
    return _graded(new_code_cell(source), name, {"grade": False, "solution": False, "locked": True})


def _graded(cell: nbformat.NotebookNode, name: str, about: dict) -> nbformat.NotebookNode:
    """The cell with its name, as nbgrader's metadata have it (version 3)."""
    cell.metadata["nbgrader"] = {"schema_version": 3, "grade_id": name, "task": False, **about}
    return cell


def _notebook(name: str, cells: list[nbformat.NotebookNode], student: str = "") -> nbformat.NotebookNode:
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    about = {"kernelspec": kernel, "book": {"study": name, "student": student}}
    return new_notebook(cells=cells, metadata=about)


def command_assignment(options) -> int:
    """Write what a teacher hands out of one study, and say where it is."""
    set_ = notebook.assignment(options.study, options.classroom)
    exercises = [exercise for _, exercise in set_.parts]
    class_ = roster(options.students) if options.students else []
    key = secret(options.secret) if class_ else b"public"
    folder = CLASS / set_.study
    names = own(exercises, key, "")
    students = {s: own(exercises, key, s.id) for s in class_}
    plain = student_notebook(set_)
    _write(folder / "student.ipynb", plain)
    _write(folder / "instructor.ipynb", instructor_notebook(set_))
    _zip(folder / f"{set_.study}.zip", {f"{set_.study}.ipynb": nbformat.writes(plain)})
    exports.nbgrader_course(folder / "nbgrader", set_, plain)
    if class_:
        shutil.rmtree(folder / "students", ignore_errors=True)
    for student, data in students.items():
        _write(
            folder / "students" / student.id / f"{set_.study}.ipynb", student_notebook(set_, student.id, reading(data))
        )
        if data:
            records.write_text(folder / "students" / student.id / "data.json", as_json(data))
    made = [f"student.ipynb, instructor.ipynb, {set_.study}.zip, nbgrader/"]
    made += [f"students/ (a folder for each of {len(class_)})"] if class_ else []
    print(f"{set_.study}: {len(exercises)} exercises, {set_.points} points. In {folder}: {', '.join(made)}")
    if names and not class_:
        print(
            f"Each student has data of his or her own here ({', '.join(names)}), by which answers are graded: "
            "give STUDENTS=roster.csv SECRET=path, and hand out the folders"
        )
    return 0


def command_answers(options) -> int:
    """A student's own copy of an assignment, made where there is none; its path is printed."""
    set_ = notebook.assignment(options.study, options.classroom)
    path = ANSWERS / f"{set_.study}.ipynb"
    if not path.exists():
        _write(path, student_notebook(set_))
    print(path)
    return 0


def _write(path: Path, made: nbformat.NotebookNode) -> None:
    nbformat.validate(made)
    records.write_text(path, nbformat.writes(made) + "\n")


def _zip(path: Path, files: dict[str, str]) -> None:
    with records.atomic(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in files.items():
            packed.writestr(zipfile.ZipInfo(name), text)
