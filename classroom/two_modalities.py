"""The exercises of ``notebooks/two_modalities.py``: points, hidden tests, wrong answers."""

import numpy as np

from lib.book.classroom import readings
from lib.book.classroom.exercise import Check, Criterion, Exercise
from lib.book.classroom.slips import slips

THRESHOLD = 0.1


def _expected(answers, rng, data):
    for n in (4, 25, 90):
        scale = float(rng.uniform(0.5, 3))
        simulated = np.abs(rng.normal(0, scale, (4000, n)).mean(1))
        error = simulated.std() / len(simulated) ** 0.5
        if abs(answers.expected(n, scale) - simulated.mean()) > 5 * error:
            return False
    return True


DISTANCE = Exercise(
    label="exercise-two_modalities",
    objective="Know how far the mean of so many draws lies from the mean of their law.",
    prerequisites="the variance of a mean; the normal law",
    minutes=10,
    checks=(Check(2, "the expected distance, for several numbers of draws and scales", _expected),),
    wrong=slips(
        "def expected(n, scale):\n    return scale * (2 / (np.pi * n)) ** 0.5",
        ("the standard deviation", "(2 / (np.pi * n))", "(1 / n)", 0),
        ("the scale ignored", "scale * ", "", 0),
        ("the number of draws ignored", "np.pi * n", "np.pi * 25", 0),
    ),
)


def _ask(answers, rng, values, threshold, side):
    return answers.reading(values, threshold, side)


RERUN = Exercise(
    label="exercise-two_modalities-rerun",
    objective="Rerun the study with another parameter, and read interval and verdict.",
    prerequisites="the chapter; how to read this book, on verdicts",
    minutes=20,
    checks=(
        Check(2, "the interval, for several numbers of seeds", readings.intervals(_ask, THRESHOLD)),
        Check(2, "the verdict, at several thresholds and on both sides", readings.verdicts(_ask, (THRESHOLD, 0.3))),
    ),
    wrong=slips(
        readings.answer("values, threshold, side", "values"),
        *((why, readings.STUDENT, half, 2) for why, half in readings.MISTAKES.items()),
        ("what fails is not decided", f"FAILS if ({readings.SHORT})", f"UNDECIDED if ({readings.SHORT})", 2),
    ),
    data=lambda rng: {"distances": readings.table(rng, str(rng.choice(readings.VERDICTS)), THRESHOLD, "below")},
)

OPEN = Exercise(
    label="exercise-two_modalities-open",
    objective="Say what a claim leaves open, and design the run that would decide it.",
    prerequisites="the chapter",
    minutes=20,
    rubric=(
        Criterion(2, "names what the claim does not say: the number of draws, or the law"),
        Criterion(3, "a run that decides: draws, seeds and threshold, fixed before"),
    ),
)

EXERCISES = (DISTANCE, RERUN, OPEN)
