"""Every exercise in classroom/ with its cells in exercises/: what they define, and what an answer earns.

Answers run here in a namespace of this process: these are the book's own.
"""

import ast
import builtins
import functools
import importlib
import inspect
import re
import runpy
import time
from dataclasses import dataclass, field
from pathlib import Path

import jupytext
import numpy as np
import pytest

from lib import claims
from lib.book import asked
from lib.book.classroom import chapter, readings, slips
from lib.book.classroom.exercise import Answers, Exercise, generator, score

ROOT = Path(__file__).parents[1]
STUDIES = {p.stem: runpy.run_path(str(p))["EXERCISES"] for p in sorted((ROOT / "classroom").glob("*.py"))}
ALL = [pytest.param(study, e, id=f"{study}-{e.label}") for study, each in STUDIES.items() for e in each]
GRADED = [p for p in ALL if p.values[1].checks]
CLASS = ((b"one secret", "ada"), (b"one secret", "grace"), (b"another", "ada"))
CONSTANTS = ("0", "0.5", "1", "None", "[]", "True")
FITTED = "a table of the public check's cases"
SECONDS = 5  # of a core, for one solution with its public check


@dataclass
class Written:
    """An exercise as its cells have it: its statement, and the text of its solution and of its public check."""

    label: str
    statement: str
    solution: list = field(default_factory=list)  # cells
    check: str = ""


@functools.cache
def cells(study: str) -> list:
    """The cells from "## Exercises" to the next section."""
    notebook = chapter.together(jupytext.read(ROOT / "notebooks" / f"{study}.py").cells, study)
    heads = [i for i, c in enumerate(notebook) if c.cell_type == "markdown" and re.search("(?m)^## ", c.source)]
    first = next(i for i in heads if re.search("(?m)^## Exercises", notebook[i].source))
    return notebook[first : next(i for i in heads if i > first)]


def tagged(cell, tag: str) -> bool:
    return tag in cell.metadata.get("tags", [])


def setup(study: str) -> str:
    return cells(study)[1].source


def written(study: str) -> list[Written]:
    found: list[Written] = []
    for cell in cells(study)[2:]:
        if ":label: exercise-" in cell.source:
            label = cell.source.partition(":label: ")[2].partition("\n")[0]
            found.append(Written(label, cell.source))
        elif tagged(cell, "solution"):
            found[-1].solution.append(cell)
        else:
            found[-1].check += cell.source + "\n"
    return found


def text_of(study: str, exercise: Exercise) -> Written:
    return next(w for w in written(study) if w.label == exercise.label)


def solved(study: str, exercise: Exercise) -> str:
    return "\n".join(c.source for c in text_of(study, exercise).solution)


def functions(source: str) -> list[str]:
    return [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]


def fenced(hides: tuple[str, ...]) -> dict:
    """A namespace whose own imports cannot reach the hidden modules."""

    def imported(name, its_globals=None, its_locals=None, fromlist=(), level=0):
        for module in (name, *(f"{name}.{part}" for part in fromlist or ())):
            if any(f"{module}.".startswith(f"{hidden}.") for hidden in hides):
                raise ImportError(f"{module} is not to be used in this exercise")
        return __import__(name, its_globals, its_locals, fromlist, level)

    return {"__builtins__": vars(builtins) | {"__import__": imported}}


def points(study: str, exercise: Exercise, source: str, secret: bytes, student: str) -> int:
    """What an answer earns in the student's own assignment: setup, his or her data, the answer's cells."""
    scope = fenced(exercise.hides)
    exec(setup(study), scope)
    scope.update(exercise.data(generator(secret, student, exercise.label, "data")))
    exec(source, scope)
    return sum(score(exercise, Answers(lambda name, *args, **named: scope[name](*args, **named)), secret, student))


def passes(study: str, exercise: Exercise, source: str) -> bool:
    """Whether an answer passes the public check."""
    scope = {}
    exec(setup(study), scope)
    exec(source, scope)
    try:
        exec(text_of(study, exercise).check, scope)
    except Exception:
        return False
    return True


def watched(scope: dict, names: list[str]) -> dict[str, set[str]]:
    """What each parameter of the named functions is given from now on, by function and parameter."""
    given: dict[str, set[str]] = {}

    def watch(name: str, function):
        signature = inspect.signature(function)
        given.update({f"{name}, {parameter}": set() for parameter in signature.parameters})

        @functools.wraps(function)
        def call(*args, **named):
            for parameter, value in signature.bind(*args, **named).arguments.items():
                given[f"{name}, {parameter}"].add(str(value))
            return function(*args, **named)

        return call

    scope.update({name: watch(name, scope[name]) for name in names})
    return given


def constant(study: str, exercise: Exercise, value: str) -> str:
    names = functions(solved(study, exercise))
    return "\n".join(f"def {name}(*args, **named):\n    return {value}\n" for name in names)


@pytest.mark.parametrize("study", STUDIES)
def test_notebook_and_classroom_have_the_same_exercises_in_one_order(study):
    assert [w.label for w in written(study)] == [e.label for e in STUDIES[study]]
    assert len({e.label for e in STUDIES[study]}) == len(STUDIES[study])


@pytest.mark.parametrize("study", STUDIES)
def test_every_study_has_a_rerun_that_make_accepts_and_an_open_question(study):
    command = re.compile(rf'make run STUDY={study}(?: PRESET=(\w+))? P="([^"]+)"')
    (found,) = [m for w in written(study) for m in command.finditer(w.statement)]
    preset = found[1] or "quick"
    assert asked.read_values(study, preset, found[2]) != asked.read_values(study, preset, "")
    assert any(e.rubric for e in STUDIES[study])


@pytest.mark.parametrize("study", STUDIES)
def test_one_setup_cell_stands_under_the_heading_and_nothing_uses_the_run(study):
    found = cells(study)
    assert [i for i, c in enumerate(found) if tagged(c, "exercise-setup")] == [1]
    assert found[1].cell_type == "code"
    for cell in found:
        if cell.cell_type == "code":
            names = {n.id for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.Name)}
            assert not names & {"run", "seen", "p", "study"}, cell.source


@pytest.mark.parametrize(("study", "exercise"), ALL)
def test_an_exercise_says_what_it_asks(study, exercise):
    text = text_of(study, exercise)
    assert exercise.objective and exercise.prerequisites and 0 < exercise.minutes <= 120 and exercise.points > 0
    assert bool(exercise.checks) != bool(exercise.rubric)
    assert text.statement.startswith(":::{exercise}") and text.statement.rstrip().endswith(":::")
    kind = {"code"} if exercise.checks else {"markdown"}
    assert {c.cell_type for c in text.solution} == kind
    assert bool(text.check.strip()) == bool(exercise.checks)
    if exercise.checks:
        missing = [name for name in functions(solved(study, exercise)) if f"`{name}(" not in text.statement]
        assert not missing, f"the statement does not name {missing}"


@pytest.mark.parametrize(("study", "exercise"), GRADED)
def test_setup_solution_and_public_check_run_by_themselves(study, exercise):
    scope, started = {}, time.process_time()
    for source in (setup(study), solved(study, exercise), text_of(study, exercise).check):
        exec(source, scope)
    assert time.process_time() - started < SECONDS


@pytest.mark.parametrize("study", STUDIES)
def test_the_cells_run_one_after_another_and_leave_the_students_data_alone(study):
    scope: dict = {}
    exec(setup(study), scope)
    data = {name: str(scope[name]) for e in STUDIES[study] for name in e.data(generator(*CLASS[0], e.label, "data"))}
    for cell in cells(study)[2:]:
        if cell.cell_type == "code":
            exec(cell.source, scope)
    assert {name: str(scope[name]) for name in data} == data


@pytest.mark.parametrize(("study", "exercise"), GRADED)
def test_public_and_hidden_tests_use_two_values_of_every_parameter(study, exercise):
    solution, scope = solved(study, exercise), {}
    exec(setup(study), scope)
    exec(solution, scope)
    public = watched(scope, functions(solution))
    exec(text_of(study, exercise).check, scope)
    hidden = watched(scope, functions(solution))
    score(exercise, Answers(lambda name, *args, **named: scope[name](*args, **named)), *CLASS[0])
    for where, given in (("public", public), ("hidden", hidden)):
        alike = {parameter: values for parameter, values in given.items() if len(values) < 2}
        assert not alike, f"the {where} tests give one value or none to {alike}"


@pytest.mark.parametrize(("study", "exercise"), GRADED)
def test_the_solution_earns_all_points_whoever_is_asked(study, exercise):
    for secret, student in CLASS:
        assert points(study, exercise, solved(study, exercise), secret, student) == exercise.points, student


@pytest.mark.parametrize(("study", "exercise"), GRADED)
def test_blanks_and_constants_earn_nothing(study, exercise):
    for value in CONSTANTS:
        source = constant(study, exercise, value)
        assert points(study, exercise, source, *CLASS[0]) == 0, f"return {value}"
        assert not passes(study, exercise, source), f"the public check accepts return {value}"
    assert points(study, exercise, "", *CLASS[0]) == 0


@pytest.mark.parametrize(("study", "exercise"), GRADED)
def test_wrong_answers_lose_the_points_that_they_should(study, exercise):
    assert len(exercise.wrong) >= 2
    for wrong in exercise.wrong:
        assert wrong.most < exercise.points
        for secret, student in CLASS:
            earned = points(study, exercise, wrong.source, secret, student)
            assert earned <= wrong.most, f"{wrong.why}: {earned} of {exercise.points}"


@pytest.mark.parametrize(("study", "exercise"), GRADED)
def test_no_worthless_answer_passes_the_public_check_but_a_table_of_it_and_the_library(study, exercise):
    hidden = [module.rpartition(".")[2] for module in exercise.hides]
    for wrong in exercise.wrong:
        if wrong.why == FITTED:
            assert passes(study, exercise, wrong.source) and wrong.most == 0
        elif wrong.most == 0 and not any(module in wrong.source for module in hidden):
            assert not passes(study, exercise, wrong.source), wrong.why


@pytest.mark.parametrize(("study", "exercise"), GRADED)
def test_right_values_at_the_public_checks_arguments_alone_earn_nothing(study, exercise):
    """Whoever keeps what a right answer gives the public check, and answers the rest with the first of it."""
    scope, known = {}, {}
    exec(setup(study), scope)
    exec(solved(study, exercise), scope)

    def kept(name, right):
        return lambda *args, **named: known.setdefault((name, repr((args, named))), right(*args, **named))

    scope |= {name: kept(name, scope[name]) for name in functions(solved(study, exercise))}
    exec(text_of(study, exercise).check, scope)

    def call(name, *args, **named):
        first = next(value for (other, _), value in known.items() if other == name)
        return known.get((name, repr((args, named))), first)

    for secret, student in CLASS:
        assert sum(score(exercise, Answers(call), secret, student)) == 0, student


@pytest.mark.parametrize(("study", "exercise"), ALL)
def test_a_students_own_data_are_his_or_hers_and_the_setup_has_public_ones(study, exercise):
    own = [exercise.data(generator(*who, exercise.label, "data")) for who in CLASS]
    again = exercise.data(generator(*CLASS[0], exercise.label, "data"))
    scope: dict = {}
    exec(setup(study), scope)
    assert set(own[0]) <= set(scope)
    for name, value in own[0].items():
        assert np.array_equal(np.asarray(value), np.asarray(again[name]))
        assert np.asarray(value).shape == np.asarray(scope[name]).shape
    assert not own[0] or len({str(each) for each in own}) == len(CLASS)


@pytest.mark.parametrize("module", sorted({m for p in ALL for m in p.values[1].hides}))
def test_a_hidden_module_is_one_of_the_library(module):
    assert importlib.import_module(module)


def test_a_slip_is_made_of_the_published_solution_without_what_explains_it():
    found = slips.solution("lspread_strata", "exercise-spread-supcon")
    kept = [line for c in cells("lspread_strata") for line in c.source.splitlines() if tagged(c, "solution")]
    assert [line for line in found.splitlines() if line not in kept] == []
    assert functions(found) == ["mean_length", "repelled"] and '"""' not in found
    with pytest.raises(ValueError, match="'exercise-spread-open' has no solution"):
        slips.solution("lspread_strata", "exercise-spread-open")


def test_the_rule_of_the_hidden_tests_is_that_of_the_book():
    rng = np.random.default_rng(0)
    claim = {"above": claims.known()["harms-5a"], "below": claims.known()["harms-1"]}
    for side in claims.SIDES:
        for wanted in readings.VERDICTS:
            values = readings.table(rng, wanted, claim[side].threshold, side)
            _, low, high = claims.interval(claim[side], values)
            assert readings.same(readings.interval(values), (low, high), 1e-12)
            assert claims.decide(claim[side], low, high) == wanted


def test_same_takes_no_other_shape_for_the_right_answer():
    assert readings.same([1, 2], np.array([1.0, 2.0])) and not readings.same(1, [1.0, 1.0])
    assert not readings.same([1.0], 1.0) and not readings.same(1.001, 1.0) and not readings.same(float("nan"), 1.0)
