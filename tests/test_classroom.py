"""What a class is handed, what it may hand in, and the tables of its grades."""

import csv
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import torch
import toy_class
from toy_class import RIGHT

from lib import study
from lib.book.classroom import assignment, exports, grade, notebook, results, roster, submissions
from lib.book.classroom.exercise import Answers, Criterion, Exercise, holds
from lib.book.classroom.results import Result
from lib.book.classroom.roster import Student
from lib.hashing import ROOT

SECRET = b"a secret of the tests, long enough"
SET = [name for name in study.names() if (ROOT / "classroom" / f"{name}.py").exists()]


def run(source):
    names = {"__name__": "__main__"}
    exec(compile(source, "cell", "exec"), names)
    return names


def test_a_question_is_read_as_it_stands_in_the_notebook():
    mean, own, floats, why = notebook.questions(toy_class.cells())
    assert [q.label for q in (mean, own, floats, why)] == [e.label for e in toy_class.EXERCISES]
    assert mean.text == "Write `mean(x)`, as in `toy-mean`." and mean.checks == "assert mean([1, 2, 6]) == 3"
    assert own.stub == "def total(more=0.0):\n    raise NotImplementedError" and own.functions == ["total"]
    assert why.open and why.solution == "Because the next seed may differ." and not why.functions


def test_the_students_notebook_has_stubs_and_no_solution():
    text = nbformat.writes(assignment.student_notebook(toy_class.toy()))
    assert (
        "np.sum" not in text
        and "next seed" not in text
        and toy_class.MARK not in text
        and "names the seeds" not in text
    )
    made = nbformat.reads(text, 4)
    names = [cell.metadata.nbgrader["grade_id"] for cell in made.cells]
    assert names[:4] == ["front", "setup", "exercise-mean", "exercise-mean-answer"] and len(set(names)) == len(names)
    with pytest.raises(NotImplementedError):
        run("\n".join(cell.source for cell in made.cells if cell.cell_type == "code") + "\n")


def test_the_instructors_notebook_runs_and_gives_full_points(capsys, monkeypatch):
    made = assignment.instructor_notebook(toy_class.toy())
    source = [cell.source for cell in made.cells if cell.cell_type == "code"]
    source[-2] = "from toy_class import EXERCISES"
    names = {"__name__": "__main__"}
    for cell in source:
        exec(compile(cell, "cell", "exec"), names)
    lines = capsys.readouterr().out.split("\n")[:3]
    assert lines == ["exercise-mean 3 of 3", "exercise-own 3 of 3", "exercise-floats 2 of 2"]
    assert "names the seeds" in nbformat.writes(made) and toy_class.MARK in nbformat.writes(made)


def test_each_student_has_data_of_his_own_and_reads_what_is_judged_by(tmp_path, monkeypatch):
    kinds = {"a": np.arange(3.0), "t": torch.tensor([1, 2]), "d": {"x": [1, 2.5]}, "n": 3}
    exercise = Exercise("exercise-x", "", "", 1, data=lambda rng: kinds | {"r": rng.normal()})
    ada, bob = (assignment.own([exercise], SECRET, name) for name in ("ada", "bob"))
    assert ada["r"] != bob["r"] and ada["r"] == assignment.own([exercise], SECRET, "ada")["r"]
    assert ada["r"] != assignment.own([exercise], SECRET + b".", "ada")["r"]
    monkeypatch.chdir(tmp_path)
    Path("data.json").write_text(assignment.as_json(ada), encoding="utf-8")
    found = run(assignment.reading(ada))
    assert (found["a"] == kinds["a"]).all() and torch.equal(found["t"], kinds["t"])
    assert (found["d"], found["n"], found["r"]) == (kinds["d"], 3, ada["r"])
    assert "torch" not in assignment.reading({"x": 1}) and not assignment.reading({})
    with pytest.raises(ValueError, match="both have data 'a'"):
        assignment.own([exercise, exercise], SECRET, "ada")


def test_a_secret_is_long_and_outside_the_repository(tmp_path):
    good, short, inside = tmp_path / "good", tmp_path / "short", ROOT / "build" / "secret-of-a-test"
    good.write_bytes(bytes(range(1, 33)))
    short.write_bytes(b"123456789012345\n")
    inside.parent.mkdir(exist_ok=True)
    inside.write_bytes(bytes(range(1, 33)))
    try:
        assert roster.secret(str(good)) == good.read_bytes()
        for path, why in {
            "": "SECRET is not given",
            str(tmp_path / "none"): "is no file",
            str(short): "15 bytes, at least 16",
            str(inside): "inside the repository",
        }.items():
            with pytest.raises(ValueError, match=why) as error:
                roster.secret(path)
            assert "head -c 32 /dev/urandom" in str(error.value)
    finally:
        inside.unlink()


@pytest.mark.parametrize(
    "text, why",
    [
        ("name\nAda\n", "no column 'student'"),
        ("student\n../ada\n", "'../ada'.*letters, digits"),
        ("student\nada\nAda\n", "'Ada' stands twice"),
    ],
)
def test_a_roster_is_checked(tmp_path, text, why):
    (tmp_path / "roster.csv").write_text(text)
    with pytest.raises(ValueError, match=why):
        roster.roster(str(tmp_path / "roster.csv"))


def test_a_roster_is_read(tmp_path):
    (tmp_path / "roster.csv").write_bytes("\ufeffstudent,email\nada,a@b.c\nbob,\n".encode())
    assert roster.roster(str(tmp_path / "roster.csv")) == [Student("ada", "", "a@b.c"), Student("bob")]


def test_exercises_that_do_not_fit_the_notebook_are_refused(tmp_path):
    one = toy_class.EXERCISES[0]
    for wanted, why in (
        ((Exercise("exercise-none", "", "", 1),), "'exercise-none' is not in study 'toy'; there are: exercise-mean"),
        (toy_class.EXERCISES[::-1], "another order"),
        ((one, one), "stand twice"),
        ((Exercise("exercise-mean", "", "", 1, rubric=(Criterion(1, ""),)),), "code: give it checks"),
        ((Exercise("exercise-why", "", "", 1, checks=one.checks),), "text: give it a rubric"),
    ):
        with pytest.raises(ValueError, match=why):
            toy_class.toy(wanted)
    assert toy_class.toy((one,)).points == 3
    for text, why in (("", "EXERCISES"), ("EXERCISES = ()", "no tuple"), ("1 / 0", "ZeroDivisionError")):
        (tmp_path / "x.py").write_text(text)
        with pytest.raises(ValueError, match=why):
            notebook.exercises(tmp_path / "x.py")
    for text, why in ((toy_class.STUDY.replace("exercise-setup", "x"), "0 cells tagged exercise-setup"),):
        with pytest.raises(ValueError, match=why):
            notebook.setup(toy_class.cells(text), "toy")
    with pytest.raises(ValueError, match="exercise-mean has 0 cells tagged solution"):
        notebook.questions(toy_class.cells(toy_class.STUDY.replace('"solution", "hide-input"', '"x"')))


def test_checks_are_drawn_anew_for_each_student_and_alike_each_time():
    seen = []
    answers = Answers(lambda name, x: seen.append(list(x)) or sum(x) / len(x))
    for name in ("ada", "ada", "bob"):
        assert holds(toy_class.EXERCISES[0], 0, answers, SECRET, name)
    assert seen[:2] == seen[2:4] and seen[0] != seen[4]


def test_submissions_are_found_by_id_and_by_the_names_of_canvas_and_moodle(tmp_path):
    class_ = [Student("s1", "Ada King Lovelace"), Student("s2", "Bob Moss"), Student("s3")]
    for name in (
        "lovelaceadaking_LATE_123_456_toy.ipynb",
        "Bob Moss_9912_assignsubmission_file_/toy.ipynb",
        "S3/one.ipynb",
        "S3/two.ipynb",
        "Eve Who_17_assignsubmission_file_/toy.ipynb",
        "notes.txt",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    found, left_out = submissions.found(str(tmp_path), class_)
    assert [s.student for s in found] == ["s1", "s2", "s3"] and len(left_out) == 1 and "Eve Who" in left_out[0]
    assert found[2].notes == ("2 notebooks were handed in; S3/one.ipynb is graded",)
    for path in ("", str(tmp_path / "none"), str(tmp_path / "notes.txt")):
        with pytest.raises(ValueError, match="SUBMISSIONS="):
            submissions.found(path, [])


def test_an_open_answer_is_found_by_its_name_and_by_its_place():
    question = notebook.questions(toy_class.cells())[3]
    made = toy_class.handed_in(RIGHT | {"exercise-why": "It is one draw."})
    for strip in (False, True):
        if strip:
            for cell in made["cells"]:
                cell["metadata"] = {}
        cells = submissions.cells(json.dumps(made).encode())
        assert submissions.text_answer(cells, question) == "It is one draw."
    assert submissions.text_answer(submissions.cells(json.dumps(toy_class.handed_in({})).encode()), question) == ""


def test_a_copy_is_known_under_other_names_and_layout():
    question = notebook.questions(toy_class.cells())[0]
    code = "def mean(x):\n    n, total = 0, 0.0\n    for v in x:\n        n, total = n + 1, total + v\n    return n"
    copy = "# mine\ndef mean(a):\n  'The mean.'\n  k, s = 0, 0.0\n  for b in a:\n    k, s = k+1, s+b\n  return k"
    texts = (code, copy, code + " + 1")
    prints = [submissions.fingerprint([submissions.Cell("code", text, "")], question) for text in texts]
    assert prints[0] == prints[1] != prints[2] and prints[0]
    assert submissions.fingerprint([submissions.Cell("code", RIGHT["exercise-mean"], "")], question) == ""  # too short


def test_submissions_of_one_origin_are_flagged_and_chance_is_not():
    set_ = toy_class.toy()
    long = "def mean(x):\n    n, total = 0, 0.0\n    for v in x:\n        n, total = n + 1, total + v\n    return total"
    floats = "def floats(x):\n    found = []\n    for v in x:\n        found.append(float(v) * 1 + 0)\n    return found"
    mine, yours = {"exercise-mean": long, "exercise-floats": floats}, {"exercise-mean": long}
    found = []
    for name, answers in {"ada": mine, "bob": mine, "eve": yours}.items():
        cells = submissions.cells(json.dumps(toy_class.handed_in(answers, "eve")).encode())
        prints = {q.label: submissions.fingerprint(cells, q) for q, _ in set_.parts if not q.open}
        found.append(Result(Student(name), {"prints": prints, "owner": "eve"}, {}))
    found[0].found["data_of"] = {"exercise-own": "eve"}
    assert results.flags(set_, found) == [
        ("ada bob", "exercise-mean exercise-floats", "the same code, names and layout apart"),
        ("ada eve", "", "the notebook was made for the other"),
        ("ada eve", "exercise-own", "the answer is right for the other's data"),
        ("bob eve", "", "the notebook was made for the other"),
    ]


def two_results():
    ok, bad = [True, ""], [False, "raised"]
    checks = {"exercise-mean": [ok, bad], "exercise-own": [ok], "exercise-floats": [ok, ok]}
    given = {("exercise-why", 1): (1.5, "fine"), ("exercise-why", 2): (1, "")}
    return [
        Result(Student("ada", "Ada <b>", "a@b.c"), {"checks": checks}, given),
        Result(Student("bob"), {"unread": "the file is empty"}, {}),
    ]


def test_the_tables_are_what_canvas_moodle_and_gradescope_take(tmp_path):
    set_ = toy_class.toy()
    exports.tables(tmp_path, set_, two_results())
    exports.gradescope(tmp_path, set_, two_results())
    texts = {name: (tmp_path / f"{name}.csv").read_text() for name in ("grades", "canvas", "moodle")}
    rows = {name: list(csv.reader(text.splitlines())) for name, text in texts.items()}
    assert rows["grades"][1][:8] == ["ada", "Ada <b>", "2", "3", "2", "2.5", "9.5", "11"]
    assert rows["canvas"][0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "toy"]
    assert rows["canvas"][1:] == [
        ["    Points Possible", "", "", "", "", "11"],
        ["Ada <b>", "", "ada", "a@b.c", "", "9.5"],
        ["bob", "", "bob", "bob", "", "0"],
    ]
    assert rows["moodle"] == [["ID number", "Email address", "toy"], ["ada", "a@b.c", "9.5"], ["bob", "", "0"]]
    made = json.loads((tmp_path / "ada/results.json").read_text())
    assert made["score"] == 9.5 == sum(test["score"] for test in made["tests"])
    assert sum(test["max_score"] for test in made["tests"]) == set_.points
    assert made["visibility"] in ("hidden", "after_due_date", "after_published", "visible")
    assert all({type(test[k]) for k in ("name", "number", "output")} == {str} for test in made["tests"])


def test_points_of_a_person_are_read_and_checked(tmp_path):
    path, head = tmp_path / "manual.csv", "student,exercise,criterion,points,comment\n"
    path.write_text(head + "ada,exercise-why,1,1.5,fine\nada,exercise-why,2,,\n")
    assert results.manual(path, toy_class.toy()) == {"ada": {("exercise-why", 1): (1.5, "fine")}}
    for line, why in {
        "ada,exercise-why,3,1,": "line 2: exercise 'exercise-why' has no criterion '3'",
        "ada,exercise-mean,1,1,": "no criterion '1'",
        "ada,exercise-why,1,9,": "points='9'; a number from 0 to 2",
        "ada,exercise-why,1,nan,": "points='nan'",
        "ada,exercise-why,1,1,\nada,exercise-why,1,1,": "line 3.*stand there twice",
    }.items():
        path.write_text(head + line + "\n")
        with pytest.raises(ValueError, match=why):
            results.manual(path, toy_class.toy())
    assert results.manual(tmp_path / "none.csv", toy_class.toy()) == {}


def test_feedback_is_text_whatever_a_student_is_called_or_wrote():
    ada, bob = two_results()
    ada.found["amiss"] = {"3": ["line 1: NameError: <script>"]}
    ada.found["texts"] = {"exercise-why": "<script>alert(1)</script>"}
    page = grade.feedback.page(toy_class.toy(), ada)
    assert "<script" not in page and "<b>" in page and "Ada &lt;b&gt;" in page and "9.5 of 11" in page
    assert "The file is empty." in grade.feedback.page(toy_class.toy(), bob)
    assert "<script" not in grade.feedback.open_answers(toy_class.toy(), [ada, bob])


def options(**given):
    return SimpleNamespace(
        **dict.fromkeys(("students", "submissions", "secret", "classroom", "only", "trust"), "") | {"study": ""} | given
    )


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder of its own, with a secret and a roster."""
    monkeypatch.chdir(tmp_path)
    Path("secret").write_bytes(bytes(range(1, 33)))
    Path("roster.csv").write_text("student,name,email\nada,Ada L,a@b.c\nbob,,\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", SET)
def test_an_assignment_is_written(name, here, capsys):
    assert assignment.command_assignment(options(study=name, students="roster.csv", secret="secret")) == 0
    folder = Path("build/class") / name
    made = nbformat.read(folder / "student.ipynb", 4)
    text, set_ = (folder / "student.ipynb").read_text(), notebook.assignment(name)
    for question, exercise in set_.parts:
        lines = [
            line.strip()
            for line in question.solution.splitlines()
            if not line.strip().startswith(("def ", "from ", "import ")) and len(line.strip()) > 25
        ]
        assert not [line for line in lines if json.dumps(line)[1:-1] in text]
        assert exercise.objective[:20] in text
    assert sum(cell.metadata.nbgrader.get("points", 0) for cell in made.cells) == set_.points
    assert {path.name for path in (folder / "students").iterdir()} == {"ada", "bob"}
    with zipfile.ZipFile(folder / f"{name}.zip") as packed:
        assert nbformat.reads(packed.read(f"{name}.ipynb").decode(), 4) == made
    assert str(set_.points) in capsys.readouterr().out


@pytest.mark.parametrize("name", SET[:1])
def test_an_nbgrader_course_is_released_by_nbgrader_itself(name, here):
    assignment.command_assignment(options(study=name))
    course = Path("build/class") / name / "nbgrader"
    source, release = (nbformat.read(course / kind / name / f"{name}.ipynb", 4) for kind in ("source", "release"))
    assert [c.metadata.nbgrader for c in source.cells] == [c.metadata.nbgrader for c in release.cells]
    for cell in source.cells:
        about = cell.metadata.nbgrader
        keys = {"schema_version", "grade_id", "grade", "solution", "locked", "task", "points"}
        assert set(about) <= keys and about["schema_version"] == 3 and about["grade"] == ("points" in about)
        if cell.cell_type == "markdown":
            assert about["grade"] == about["solution"]  # as nbgrader's validator wants it
        elif about["solution"]:
            assert cell.source.count("### BEGIN SOLUTION") == cell.source.count("### END SOLUTION") > 0
    if not shutil.which("nbgrader"):
        pytest.skip("nbgrader is not installed: its own generate_assignment did not run")
    shutil.rmtree(course / "release")
    subprocess.run(["nbgrader", "generate_assignment", name, "--create"], cwd=course, check=True)
    theirs = nbformat.read(course / "release" / name / f"{name}.ipynb", 4)
    ids = [c.metadata.nbgrader["grade_id"] for c in theirs.cells]
    assert ids == [c.metadata.nbgrader["grade_id"] for c in release.cells]
    for made, own in zip(theirs.cells, release.cells, strict=True):
        if own.metadata.nbgrader["solution"] and own.cell_type == "code":
            functions = notebook._functions(own.source)
            assert [f.name for f in notebook._functions(made.source)] == [f.name for f in functions]
            assert made.source.count("raise NotImplementedError") == len(functions)
        elif not own.metadata.nbgrader["solution"]:
            assert made.source == own.source


def test_a_students_own_copy_is_written_once(here, capsys):
    assignment.command_answers(options(study=SET[0]))
    path = Path(capsys.readouterr().out.strip())
    path.write_text("my work", encoding="utf-8")
    assignment.command_answers(options(study=SET[0]))
    assert path.read_text(encoding="utf-8") == "my work" and path.parts[0] == "answers"


@pytest.mark.parametrize(
    "given, why",
    [
        ({}, "SECRET is not given"),
        ({"SECRET": "secret"}, "SUBMISSIONS=''"),
        ({"SECRET": "secret", "SUBMISSIONS": "in", "ONLY": "eve"}, "ONLY='eve'.*ada"),
        ({"SECRET": "secret", "SUBMISSIONS": "in", "TRUST": "1"}, "TRUST='1'"),
        ({"SECRET": "secret", "SUBMISSIONS": "in", "CLASSROOM": "none"}, "none does not exist"),
        ({"SECRET": "secret", "SUBMISSIONS": "in", "STUDENTS": "none.csv"}, "STUDENTS='none.csv'"),
    ],
)
def test_make_grade_refuses_bad_input_in_one_line(here, given, why):
    Path("in").mkdir()
    Path("in/ada.ipynb").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match=why):
        grade.command_grade(options(study=SET[0], **{name.lower(): value for name, value in given.items()}))


def test_make_hands_the_variables_on():
    environment = {k: v for k, v in os.environ.items() if k != "MAKEFLAGS"} | {"MAKEFLAGS": ""}
    words = ["make", "-s", "grade", f"STUDY={SET[0]}", "SECRET=/none", f"PY={sys.executable}", "-o", ".venv/core"]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode and "error: SECRET='/none' is no file" in done.stderr
    words = ["make", "-n", "lab", f"STUDY={SET[0]}", "STUDENT=yes", "-o", ".venv/lab", "-o", ".venv/core"]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, encoding="utf-8")
    assert "lib.book.make answers" in done.stdout and "notebooks" not in done.stdout.replace("notebook-dir", "")
