"""How the exercises of ``exercises/mediation.py`` are graded: points, hidden tests, wrong answers."""

import numpy as np

from lib.book.classroom.exercise import Chapter, Check, Criterion, Exercise, Wrong
from lib.book.classroom.readings import (
    FAILS,
    HOLDS,
    MISTAKES,
    STUDENT,
    UNDECIDED,
    VERDICTS,
    answer,
    interval,
    intervals,
    same,
    table,
    verdict,
    verdicts,
)
from lib.book.classroom.slips import slips, solution

CHANGES = {"TE": (3, 0), "NIE": (1, 0), "rNDE": (1, 3), "NDE": (2, 0), "rNIE": (2, 3)}  # of y00, y01, y10, y11


def _effects_of(names):
    def test(answers, rng, data):
        for shape in ((), (3,), (2, 4)):
            y = rng.uniform(0, 1, (4, *shape))
            found = answers.five_effects(*y)
            if not all(same(found[name], y[CHANGES[name][0]] - y[CHANGES[name][1]]) for name in names):
                return False
        return True

    return test


DECOMPOSITION = Exercise(
    label="exercise-decomposition",
    objective="Compute the five effects of two switches from their four outcomes, signs included.",
    prerequisites="the definitions of the chapter; arrays",
    minutes=10,
    checks=(
        Check(2, "TE, NIE and NDE, of numbers and of arrays", _effects_of(("TE", "NIE", "NDE"))),
        Check(2, "the two reversed effects, of numbers and of arrays", _effects_of(("rNDE", "rNIE"))),
    ),
    wrong=(
        *slips(
            solution("mediation", "exercise-decomposition"),
            (
                "the reversed effects with the other sign",
                'y01 - y11, "NDE": y10 - y00, "rNIE": y10 - y11',
                'y11 - y01, "NDE": y10 - y00, "rNIE": y11 - y10',
                2,
            ),
            (
                "labels and encoder changed places",
                '"NIE": y01 - y00, "rNDE": y01 - y11, "NDE": y10 - y00',
                '"NIE": y10 - y00, "rNDE": y10 - y11, "NDE": y01 - y00',
                0,
            ),
            (
                "the reversed effects are the others with a minus",
                'y01 - y11, "NDE": y10 - y00, "rNIE": y10 - y11',
                'y00 - y10, "NDE": y10 - y00, "rNIE": y00 - y01',
                2,
            ),
        ),
        Wrong(
            "all effects 0",
            "def five_effects(y00, y01, y10, y11):\n    return dict.fromkeys(" + repr(list(CHANGES)) + ", 0.0)",
        ),
        Wrong(
            "the library in place of the definitions",
            "def five_effects(y00, y01, y10, y11):\n    from lib import mediation\n"
            "    return {name: v.numpy() for name, v in vars(mediation.effects(y00, y01, y10, y11)).items()}",
        ),
        Wrong(
            "the numbers of the first public case for all",
            "def five_effects(y00, y01, y10, y11):\n    return {'TE': -0.93, 'NIE': -0.11, 'rNDE': 0.82, "
            "'NDE': -0.85, 'rNIE': 0.08}",
        ),
    ),
    hides=("lib.mediation",),
)


def _orders(answers, rng, data):
    for r, a, b in (
        (0.9, 0.5, 0.2),
        (0.9, 0.85, 0.2),
        (0.3, 0.4, 0.6),
        *rng.uniform([0.6, 0.2, 0.1], [1, 0.9, 0.5], (4, 3)),
    ):
        total = min(r, a + b)
        first, second = min(r, b) / total, (max(r - a, 0) - max(r - a - b, 0)) / total
        if not same(answers.orders(r, a, b), (first, second)):
            return False
    return True


def _equal_from(answers, rng, data):
    return all(same(answers.equal_from(a, b), a + b) for a, b in rng.uniform(0.05, 0.9, (4, 2)))


FLOOR = Exercise(
    label="exercise-floor",
    objective="See how a floor under recall makes the share of the encoder depend on the order of the two changes.",
    prerequisites="the two orders of the chapter",
    minutes=15,
    checks=(
        Check(3, "both shares, with recall at its floor and above", _orders),
        Check(2, "from which recall on the two orders agree", _equal_from),
    ),
    wrong=(
        Wrong(
            "no floor",
            "def orders(r, a, b):\n    return b / (a + b), b / (a + b)\ndef equal_from(a, b):\n    return max(a, b)",
        ),
        *slips(
            solution("mediation", "exercise-floor"),
            (
                "a floor under the last cell alone",
                "return (y[0, 1] - y[0, 0]) / total, (y[1, 1] - y[1, 0]) / total",
                "return -b / total, (total + a) / total",
                2,
            ),
            (
                "the orders changed places",
                "return (y[0, 1] - y[0, 0]) / total, (y[1, 1] - y[1, 0]) / total",
                "return (y[1, 1] - y[1, 0]) / total, (y[0, 1] - y[0, 0]) / total",
                2,
            ),
            ("a constant as the limit", "return a + b", "return 0.7", 3),
        ),
    ),
)


def _toys(rng):
    return rng.uniform(0.2, 1.5, (5, 4)) * rng.choice([-1, 1], (5, 4))


def _gap(answers, rng, data):
    return all(same(answers.gap(a, b, c, d), a * d) for a, b, c, d in _toys(rng))


def _shares(answers, rng, data):
    for a, b, c, d in np.abs(_toys(rng)):
        y = {(t, m): (b + d * t) * a * m + c * t for t in (0, 1) for m in (0, 1)}
        total = y[1, 1] - y[0, 0]
        wanted = ((y[0, 1] - y[0, 0]) / total, (y[1, 1] - y[1, 0]) / total)
        if not same(answers.shares(a, b, c, d), wanted):
            return False
    return True


INTERACTION = Exercise(
    label="exercise-interaction",
    objective="Derive from a structural model why an interaction separates the two orders.",
    prerequisites="the toy model of the chapter",
    minutes=15,
    checks=(
        Check(2, "the gap between -rNIE and NIE, for coefficients of either sign", _gap),
        Check(2, "the share of the mediator in both orders", _shares),
    ),
    wrong=(
        *slips(
            solution("mediation", "exercise-interaction"),
            ("the size of the mediator's change ignored", " * a", "", 0),
            ("NIE in place of the gap", "return d * a", "return b * a", 2),
            ("the gap with the other sign", "return d * a", "return -d * a", 2),
            ("no interaction in the total", "(b + d) * a + c", "b * a + c", 2),
        ),
        Wrong(
            "a constant, right for the public coefficients",
            "def gap(a, b, c, d):\n    return 0.91\ndef shares(a, b, c, d):\n    return 0.27, 0.81",
        ),
        Wrong(
            "the library in place of a closed form",
            "def gap(a, b, c, d):\n    from lib import mediation\n    e = mediation.Toy(a, b, c, d).true()\n"
            "    return float(-e.rNIE - e.NIE)\n"
            "def shares(a, b, c, d):\n    from lib import mediation\n    e = mediation.Toy(a, b, c, d).true()\n"
            "    return float(e.NIE / e.TE), float(-e.rNIE / e.TE)",
        ),
    ),
    hides=("lib.mediation",),
)

THRESHOLDS = (0.05, 0.5)


def _ask(answers, rng, values, threshold, side):
    """A total of clear sign, and the part of it that the shares say."""
    te = rng.uniform(-0.7, -0.5, len(values))
    return answers.reading((te * values).tolist(), te.tolist(), threshold)


def _total(answers, rng, data):
    """The same shares of a total that is not clear of 0, that is clear of it, and that is above it."""
    for x in THRESHOLDS:
        for wanted in (HOLDS, FAILS):
            share, found = table(rng, wanted, x, "above"), []
            for te in (rng.uniform(-0.7, -0.5, 5), np.array([0.3, -0.4, -0.6, 0.1, -0.2]), rng.uniform(0.5, 0.7, 5)):
                found.append(answers.reading((te * share).tolist(), te.tolist(), x)[2])
            if found != [wanted, UNDECIDED, UNDECIDED]:
                return False
    return True


def _own_table(answers, rng, data):
    """Read as it stands, and with the part doubled: no constant serves both."""
    te = np.array(data["te"])
    for factor in (1, 2):
        nie = factor * np.array(data["nie"])
        low, high = interval(nie / te)
        found = answers.reading(nie.tolist(), te.tolist(), 0.5)
        if not same(found[:2], (low, high)) or found[2] != verdict(low, high, 0.5, "above"):
            return False
    return True


def _answer(values="np.divide(nie, te)", half=STUDENT, holds="low > threshold", fails="high < threshold", clear=None):
    clear = clear or "np.mean(te) + stats.t.ppf(0.975, n - 1) * np.std(te, ddof=1) / n**0.5 < 0"
    return answer("nie, te, threshold", values, half, f"{clear} and {holds}", f"{clear} and {fails}")


def _own(rng):
    share = np.array(table(rng, str(rng.choice(VERDICTS)), 0.5, "above"))
    te = rng.uniform(-0.7, -0.5, 5).round(4)
    return {"nie": (te * share).round(4).tolist(), "te": te.tolist()}


RERUN = Exercise(
    label="exercise-mediation-rerun",
    objective="Rerun the study at another ratio, and read the share of the encoder with its interval and premise.",
    prerequisites="the chapter; how to read this book, on verdicts",
    minutes=30,
    checks=(
        Check(2, "the interval of the share, for three seeds and more", intervals(_ask, 0.5, "above")),
        Check(2, "the verdict where the total is clear of 0", verdicts(_ask, THRESHOLDS, ("above",))),
        Check(2, "no verdict where the total is not clearly a loss", _total),
        Check(2, "the table of the assignment, and the same with the part doubled", _own_table),
    ),
    wrong=(
        *(Wrong(why, _answer(half=half), 4) for why, half in MISTAKES.items()),
        Wrong("the total may be anything", _answer(clear="True"), 6),
        Wrong("the total has to be negative on average only", _answer(clear="np.mean(te) < 0"), 6),
        Wrong("the part in place of the share", _answer("nie")),
        Wrong("the threshold ignored", _answer(holds="low > 0.5", fails="high < 0.5"), 4),
        Wrong("the mean decides", _answer(holds="mean > threshold", fails="mean < threshold"), 6),
        Wrong("one total for all seeds", _answer("np.divide(nie, np.mean(te))"), 2),
    ),
    data=_own,
)

OPEN = Exercise(
    label="exercise-mediation-open",
    objective="Criticise a claim about the share of a cause that rests on one order and one kind of head.",
    prerequisites="the chapter, its claims and limits; exercise-floor",
    minutes=30,
    rubric=(
        Criterion(2, "says what the share is a share of, and that the paper's figures give 0.13, below one half"),
        Criterion(2, "says that the share depends on the order, and names a floor or interaction as the reason"),
        Criterion(2, "says that TE depends on the head, which sees a handful of images of the class at T = 1"),
        Criterion(
            3, "designs a run: both orders, heads other than the paper's, ratios at which recall is off its floor"
        ),
        Criterion(1, "states before the run which numbers would support the word primary"),
    ),
)

CHAPTER = Chapter("intermediate", "logistic regression", after=("cifar10_undersampling",))
EXERCISES = (DECOMPOSITION, FLOOR, INTERACTION, RERUN, OPEN)
