"""How the exercises of ``exercises/alignment_uniformity.py`` are graded: points, hidden tests, wrong answers."""

import itertools
import math

import numpy as np
from scipy import special

from lib.book.classroom.exercise import Chapter, Check, Criterion, Exercise, Wrong
from lib.book.classroom.readings import HOLDS, UNDECIDED, VERDICTS, interval, same, table
from lib.book.classroom.slips import slips, solution


def _gap(n, t):
    """Uniformity of n spikes minus that of the circle, from the spikes themselves and from a Bessel function."""
    squares = 2 - 2 * np.cos(2 * np.pi * np.arange(n) / n)
    return np.log(np.exp(-t * squares).mean()) - np.log(special.ive(0, 2 * t))


def _caps(gaps):
    def test(answers, rng, data):
        cases = [(int(n), gap) for n in rng.integers(2, 25, 4) for gap in gaps]
        return all(same(_gap(n, answers.smallest_t(n, gap)), gap, 1e-4 * gap) for n, gap in cases)

    return test


CAP = Exercise(
    label="exercise-au-cap",
    objective="Invert a measure by bisection, and see which t tells spikes from the circle.",
    prerequisites="bisection; the proposition on spikes",
    minutes=15,
    checks=(
        Check(2, "the t of a gap of 0.1, for several numbers of spikes", _caps([0.1])),
        Check(2, "the t of smaller and of larger gaps", _caps([0.01, 0.4, 0.9])),
    ),
    wrong=(
        Wrong("the rule of thumb n²/4", "def smallest_t(n, gap):\n    return n**2 / 4"),
        *slips(
            solution("alignment_uniformity", "exercise-au-cap"),
            ("the gap ignored", "> gap", "> 0.1", 2),
            ("the number of spikes ignored", "spikes_gap(n, t)", "spikes_gap(10, t)", 0),
            ("the wrong half is kept", "(low, t) if", "(t, high) if", 0),
            ("the spikes' own measure in place of the gap", "spikes_gap", "uniformity_of_spikes", 0),
            ("too few halvings", "range(80)", "range(10)", 0),
        ),
    ),
)


def _cancelled(temperatures):
    def test(answers, rng, data):
        for dim, tau in itertools.product((2, 3, 6, 11), temperatures):
            x, w = special.roots_jacobi(200, (dim - 3) / 2, (dim - 3) / 2)
            w /= w.sum()
            mean = w @ np.exp(x / tau)
            variance = w @ (np.exp(x / tau) - mean) ** 2
            if not same(answers.cancelling_cosine(dim, tau), tau * np.log(variance / (2 * mean))):
                return False
        return True

    return test


CANCEL = Exercise(
    label="exercise-au-cancel",
    objective="Read from a first-order constant when two sources of error cancel.",
    prerequisites="the proposition on the rate; moment-generating functions",
    minutes=15,
    checks=(
        Check(2, "the cosine at temperature 0.5, in several dimensions", _cancelled([0.5])),
        Check(2, "the cosine at lower and at higher temperatures", _cancelled([0.15, 0.3, 1.0])),
    ),
    wrong=(
        Wrong("a table of the public check's case", "def cancelling_cosine(dim, tau):\n    return 0.146"),
        *slips(
            solution("alignment_uniformity", "exercise-au-cancel"),
            ("the half of the second-order term forgotten", " / 2) + log_mu", ") + log_mu", 0),
            ("the relative variance taken for v / μ", " + log_mu)", ")", 0),
            ("the temperature ignored", "return tau", "return 0.5", 2),
            ("the dimension ignored", "log_mgf(dim", "log_mgf(2", 0),
            ("the second moment in place of the variance", "math.expm1(", "math.exp(", 0),
        ),
    ),
)


def _least(dim, t):
    """From the Gram matrix of the corners, whose mean over all entries is that over all pairs of images."""
    x, w = special.roots_jacobi(200, (dim - 3) / 2, (dim - 3) / 2)
    sphere = np.log(w @ np.exp(-t * (2 - 2 * x)) / w.sum())
    for classes in itertools.count(2):
        cosines = np.full((classes, classes), -1 / (classes - 1))
        np.fill_diagonal(cosines, 1)
        if np.log(np.exp(-t * (2 - 2 * cosines)).mean()) < sphere:
            return classes


def _classes(dims, ts):
    def test(answers, rng, data):
        return all(answers.least_classes(d, t) == _least(d, t) for d in dims for t in ts)

    return test


COLLAPSE = Exercise(
    label="exercise-au-collapse",
    objective="Compare collapsed classes with the uniform distribution by the measure that is said to detect collapse.",
    prerequisites="the propositions on the sphere and on a batch",
    minutes=15,
    checks=(
        Check(2, "the number of classes at t = 2, in several dimensions", _classes((2, 3, 6, 10), (2.0,))),
        Check(2, "the number of classes at other t", _classes((2, 4, 8), (0.3, 1.0, 3.0))),
    ),
    wrong=(
        Wrong("the simplex that fills the space", "def least_classes(dim, t):\n    return dim + 1"),
        *slips(
            solution("alignment_uniformity", "exercise-au-collapse"),
            ("t ignored", "classes = 2", "classes, t = 2, 2.0", 2),
            ("pairs in one place forgotten", "uniformity_of_classes", "uniformity_of_simplex", 0),
            ("the last that does not", "return classes", "return classes - 1", 0),
            ("the dimension ignored", "sphere(dim", "sphere(2", 0),
            ("one image of each class", "_classes(classes, t)", "_classes(classes, t, 1)", 0),
        ),
    ),
)
THRESHOLDS = ((-0.2, "below"), (0.3, "below"), (-0.5, "above"), (0.1, "above"))
SIZED = tuple(zip((3, 4, 6, 12), THRESHOLDS, strict=True))  # by number of seeds


def _interval(answers, rng, data):
    tables = [table(rng, wanted, x, side, n) for wanted in VERDICTS for n, (x, side) in SIZED]
    found = [answers.verdict(t, -0.2, "below")[:2] for t in [*tables, data["uniformity_gap"]]]
    return same(found, [interval(t) for t in [*tables, data["uniformity_gap"]]])


def _verdicts(sides):
    def test(answers, rng, data):
        cases = [(wanted, x, side) for wanted in VERDICTS for x, side in THRESHOLDS if side in sides]
        found = [answers.verdict(table(rng, wanted, x, side), x, side)[2] for wanted, x, side in cases]
        return found == [wanted for wanted, *_ in cases]

    return test


def _too_little(answers, rng, data):
    decided = table(rng, HOLDS, -0.2, "below", 3)
    for values in (decided[:2], decided[:1], [decided[0]] * 5):
        low, high, word = answers.verdict(values, -0.2, "below")
        if not (math.isnan(low) and math.isnan(high) and word == UNDECIDED):
            return False
    return answers.verdict(decided, -0.2, "below")[2] == HOLDS


RERUN = Exercise(
    label="exercise-au-rerun",
    objective="Rerun the study at another temperature, and turn one number a seed into interval and verdict.",
    prerequisites="the chapter; how to read this book, on verdicts",
    minutes=25,
    checks=(
        Check(3, "the interval, for three seeds and more", _interval),
        Check(2, "verdicts of claims that say below", _verdicts(("below",))),
        Check(2, "verdicts of claims that say above", _verdicts(("above",))),
        Check(1, "what decides nothing: too few seeds, values that are all equal", _too_little),
    ),
    wrong=slips(
        solution("alignment_uniformity", "exercise-au-rerun"),
        ("the normal law in place of Student's", "stats.t.ppf(0.975, n - 1)", "1.96", 5),
        ("one tail in place of two", "0.975", "0.95", 5),
        ("the spread of the seeds, not of their mean", " / n**0.5", "", 5),
        ("the mean decides", "(high < threshold, low > threshold)", "(mean < threshold, mean > threshold)", 6),
        ("the side ignored", 'if side == "below"', "if True", 6),
        ("the threshold ignored", "n, mean = ", "threshold = -0.2\n    n, mean = ", 4),
        ("two seeds decide", "n < 3", "n < 2", 7),
        ("equal values decide", " or np.ptp(values) == 0", "", 7),
        ("never decided", "HOLDS if passes else FAILS if fails else UNDECIDED", "UNDECIDED", 3),
    ),
    data=lambda rng: {"uniformity_gap": table(rng, str(rng.choice(VERDICTS)), -0.2, "below", spread=0.05)},
)

OPEN = Exercise(
    label="exercise-au-open",
    objective="Tell a regression over encoders from the effect of changing one, and design the experiment.",
    prerequisites="the chapter, its claims and limits; linear regression",
    minutes=30,
    rubric=(
        Criterion(2, "says that a regression over drawn encoders predicts, and is no effect of an intervention"),
        Criterion(
            2, "names what moves both, such as temperature or learning rate, or that R² depends on the recipes drawn"
        ),
        Criterion(2, "uses a result of the chapter against the sentence: uniformity alone, spikes, the better half"),
        Criterion(
            3, "designs an experiment that changes one thing, holds the rest or tunes it alike, and pairs by seed"
        ),
        Criterion(
            1, "fixes threshold and seeds before the run, and says which result would speak against the sentence"
        ),
    ),
)

CHAPTER = Chapter("intermediate", "the uniform law on a sphere; moment-generating functions")
EXERCISES = (CAP, CANCEL, COLLAPSE, RERUN, OPEN)
