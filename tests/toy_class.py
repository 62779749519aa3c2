"""A small study with exercises, and notebooks that answer them: rightly, wrongly, or with ill will."""

import json
import re

import nbformat

from lib.book.classroom import assignment, notebook
from lib.book.classroom.exercise import Check, Criterion, Exercise

STUDY = '''
# %% [markdown]
# # A toy study

# %% tags=["exercise-setup"]
import numpy as np
from lib import checks

numbers = [1.0, 2.0, 3.0]

# %% [markdown]
# :::{exercise}
# :label: exercise-mean
# Write `mean(x)`, as in {prf:ref}`toy-mean`.
# :::


# %% tags=["solution", "hide-input"]
def mean(x):
    """The sum over the number."""
    return float(np.sum(x)) / len(x)


# %%
assert mean([1, 2, 6]) == 3

# %% [markdown]
# :::{exercise}
# :label: exercise-own
# Write `total(more=0.0)`, the sum of your `numbers` and `more`.
# :::


# %% tags=["solution", "hide-input"]
def total(more=0.0):
    return sum(numbers) + more


# %%
assert total() == sum(numbers)

# %% [markdown]
# :::{exercise}
# :label: exercise-floats
# Write `floats(values)`, the numbers as a list of floats, without the library.
# :::


# %% tags=["solution", "hide-input"]
def floats(values):
    return [float(value) for value in values]


# %%
assert floats([1, 2]) == [1.0, 2.0]

# %% [markdown]
# :::{exercise}
# :label: exercise-why
# Why is a mean no proof?
# :::

# %% [markdown] tags=["solution"]
# Because the next seed may differ.

# %% [markdown]
# ## Stamp
'''
MARK = "hidden-input-of-the-tests"  # text that only hidden tests hold


def near(found, wanted):
    return type(found) in (int, float) and abs(found - wanted) < 1e-9


def _mean(answers, rng, data):
    lists = [rng.normal(size=n).tolist() for n in (3, 5)]
    return all(near(answers.mean(x), sum(x) / len(x)) for x in lists)


def _mean_of_array(answers, rng, data):
    x = rng.normal(size=7)
    return near(answers.mean(x), x.mean()) and answers.mean([7.5]) == 7.5


def _total(answers, rng, data):
    more = rng.normal()
    return near(answers.total(), sum(data["numbers"])) and near(answers.total(more=more), sum(data["numbers"]) + more)


def _floats(answers, rng, data):
    whole = rng.integers(0, 100, 5)
    found = [answers.floats(whole.tolist()), answers.floats(tuple(whole.tolist()))]
    return found == [whole.tolist()] * 2 and all(type(value) is float for values in found for value in values)


def _floats_of_array(answers, rng, data):
    x = rng.normal(size=4)
    return answers.floats(x) == x.tolist() and MARK not in str(answers.floats([0.123456]))


EXERCISES = (
    Exercise(
        "exercise-mean",
        "Know the mean.",
        "sums",
        5,
        checks=(Check(2, "the mean of lists", _mean), Check(1, "the mean of an array", _mean_of_array)),
    ),
    Exercise(
        "exercise-own",
        "Sum your own numbers.",
        "sums",
        5,
        checks=(Check(3, "the sum of your numbers", _total),),
        data=lambda rng: {"numbers": rng.normal(size=4).round(6).tolist()},
    ),
    Exercise(
        "exercise-floats",
        "Write a conversion.",
        "floats",
        10,
        checks=(Check(1, "lists and tuples", _floats), Check(1, "an array", _floats_of_array)),
        hides=("lib.checks",),
    ),
    Exercise(
        "exercise-why", "Doubt.", "none", 5, rubric=(Criterion(2, "names the seeds"), Criterion(1, "says how many"))
    ),
)


def cells(text=STUDY):
    parts = re.split(r"^# %%(.*)\n", text, flags=re.M)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def toy(exercises=EXERCISES):
    return notebook.joined("toy", cells(), exercises, MARK)


RIGHT = {question.label: question.solution for question in notebook.questions(cells())}


def handed_in(answers, student="", before=(), after=()):
    """A student's notebook as JSON with answers by label, and code cells at its beginning and end."""
    data = assignment.own(list(EXERCISES), b"only the names count", student)
    made = assignment.student_notebook(toy(), student, assignment.reading(data))
    for cell in made.cells:
        label = cell.metadata.nbgrader["grade_id"].removesuffix("-answer")
        if cell.metadata.nbgrader["solution"] and label in answers:
            cell.source = answers[label]
    new = [[nbformat.v4.new_code_cell(source) for source in sources] for sources in (before, after)]
    made.cells = [*new[0], *made.cells, *new[1]]
    return json.loads(nbformat.writes(made))
