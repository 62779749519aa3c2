"""An exercise of a study: what it is worth, how an answer is checked, and which answers are wrong.

``classroom/<study>.py`` holds ``EXERCISES``, a tuple of them, one for each that ``exercises/<study>.py`` asks, in its
order, and ``CHAPTER``, what the chapter asks of its reader.
"""

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

Plain = bool | int | float | str | list | tuple | dict | np.ndarray | Tensor | None  # what a check may exchange


class Answers:
    """The functions that a student's cells define, as attributes: ``answers.share(n_k, w)`` calls the one of that name.

    Arguments and results are plain data.  Whatever goes wrong in a call is an exception.
    """

    def __init__(self, call: Callable[..., Plain]) -> None:
        self._call = call

    def __getattr__(self, name: str) -> Callable[..., Plain]:
        return functools.partial(self._call, name)


@dataclass(frozen=True)
class Check:
    """Points for one property of an answer.

    test: (answers, a generator of the student's own, the student's data) to whether the property holds; an exception
    counts as no.  says: what a student reads where it does not hold, without any input or value of the test.
    """

    points: int
    says: str
    test: Callable[[Answers, np.random.Generator, dict[str, Plain]], bool]


@dataclass(frozen=True)
class Wrong:
    """A plausible wrong answer: source in place of the solution's, and the most points that it may get."""

    why: str
    source: str
    most: int = 0


@dataclass(frozen=True)
class Criterion:
    """Points of an open question, given by a person."""

    points: int
    what: str


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    label: as where it is asked, "exercise-weights".  checks: its hidden tests; none for an open question, which has a
    rubric.  hides: modules of the library that an answer may not import, for they hold the answer.  data: what each
    student gets of his or her own, by name, from a generator; the public values stand in the setup cell.
    """

    label: str
    objective: str
    prerequisites: str
    minutes: int
    checks: tuple[Check, ...] = ()
    wrong: tuple[Wrong, ...] = ()
    rubric: tuple[Criterion, ...] = ()
    hides: tuple[str, ...] = ()
    data: Callable[[np.random.Generator], dict[str, Plain]] = field(default=lambda rng: {})

    @property
    def points(self) -> int:
        return sum(part.points for part in (*self.checks, *self.rubric))


def generator(secret: bytes, student: str, label: str, use: str) -> np.random.Generator:
    """The numbers of one student, exercise and use ("data", "test"), that nobody knows without the secret."""
    text = b"\0".join((secret, student.encode(), label.encode(), use.encode()))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text).digest()))


def score(exercise: Exercise, answers: Answers, secret: bytes, student: str) -> list[int]:
    """The points of each check."""
    checks = enumerate(exercise.checks)
    return [check.points if holds(exercise, n, answers, secret, student) else 0 for n, check in checks]


def holds(exercise: Exercise, n: int, answers: Answers, secret: bytes, student: str, data_of: str = "") -> bool:
    """Whether check ``n`` holds of a student's answers, on the student's own data or on another's."""
    data = exercise.data(generator(secret, data_of or student, exercise.label, "data"))
    try:
        return bool(exercise.checks[n].test(answers, generator(secret, student, exercise.label, f"test {n}"), data))
    except Exception:  # an answer may return anything, and fail in any way
        return False


LEVELS = ("introductory", "intermediate", "advanced")


@dataclass(frozen=True)
class Chapter:
    """What a chapter asks of its reader, beyond what all of them do.

    level: one of ``LEVELS``.  needs: what must be known, in words; "" for no more.  after: studies whose chapters are
    to be read before.  ValueError: another level.
    """

    level: str
    needs: str = ""
    after: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise ValueError(f"level={self.level!r} of a chapter; give one of {', '.join(LEVELS)}")
