"""How the exercises of ``exercises/lspread_strata.py`` are graded: points, hidden tests, wrong answers."""

import itertools
import math

import numpy as np
from scipy import optimize

from lib.book.classroom.exercise import Chapter, Check, Criterion, Exercise, Wrong
from lib.book.classroom.readings import FAILS, HOLDS, UNDECIDED, VERDICTS, interval, same, table
from lib.book.classroom.slips import slips, solution


def _edge(alpha, classes, tau, views, clamped):
    """The batch at which the threshold crosses α, by bisection over its logarithm; infinite where it does not."""

    def above(log_batch):
        others = views * math.exp(log_batch) * (classes - 1) / classes
        near, far = math.exp(1 / tau), others * math.exp(-1 / (tau * (classes - 1)))
        odds = (near + far) / far * (classes - 1) / classes  # α*/(1 - α*), from the cosines of the collapsed simplex
        return (odds if clamped else odds / (1 + odds)) - alpha

    return math.inf if above(60) > 0 else math.exp(optimize.brentq(above, -60, 60, xtol=1e-13))


def _same_edge(found, wanted):
    return found == wanted if math.isinf(wanted) else same(found / wanted, 1.0)


def _edges(name, views, clamped, shares, finite):
    """Whether the answer has the edge at α a share of the way from the least that collapses (or from 0) to 1."""

    def test(answers, rng, data):
        for classes, share in itertools.product((2, 3, 10), shares):
            least = (classes - 1) / (classes if clamped else 2 * classes - 1)
            alpha = least + share * (1 - least) if finite else least * share
            for tau in rng.uniform(0.25, 0.95, 2):
                found = float(getattr(answers, name)(float(alpha), classes, float(tau)))
                if not _same_edge(found, _edge(alpha, classes, tau, views, clamped)):
                    return False
        return finite or math.isfinite(float(getattr(answers, name)(0.9, 2, 0.5)))

    return test


BATCH = Exercise(
    label="exercise-spread-batch",
    objective="Turn the threshold of a weight into the threshold of a batch size.",
    prerequisites="the theorem on where L_spread collapses, and its corollary",
    minutes=20,
    checks=(
        Check(
            3,
            "weights, numbers of classes and temperatures where a batch is large enough",
            _edges("batch_of_collapse", 2, False, (0.1, 0.5, 0.9), True),
        ),
        Check(
            1,
            "weights where none is, beside one where one is",
            _edges("batch_of_collapse", 2, False, (0.3, 0.95), False),
        ),
    ),
    wrong=slips(
        solution("lspread_strata", "exercise-spread-batch"),
        ("views in place of images", "(2 * (classes - 1))", "(classes - 1)", 1),
        ("no batch that is too small forgotten", "    if needed >= 1:\n        return math.inf\n", "", 3),
        ("the weight one half, always", "needed = ", "alpha = 0.5\n    needed = ", 0),
        ("the cosine between classes taken for 0", "classes / ((classes - 1) * tau)", "1 / tau", 1),
        ("two classes, always", "needed = ", "classes = 2\n    needed = ", 0),
        ("the weight of the other loss", "(1 / alpha - 1)", "(1 / (1 - alpha) - 1)", 0),
    ),
)


def _lengths(answers, rng, data):
    for n in (2, 5, 12):
        for b in (-0.9 / (n - 1), 0.0, float(rng.uniform(0.1, 0.9))):
            rows = np.linalg.cholesky((1 - b) * np.eye(n) + b)
            if not same(answers.mean_length(b, n), np.linalg.norm(rows.mean(0))):
                return False
    return True


def _least(answers, rng, data):
    for n in (2, 3, 8, 20):
        b = float(answers.repelled(n))
        gram = (1 - b) * np.eye(n) + b
        if not same(np.linalg.eigvalsh(gram).min(), 0.0, 1e-9) or same(b, 1.0):
            return False
    return True


SUPCON = Exercise(
    label="exercise-spread-supcon",
    objective="See from a Gram matrix how far the vectors of a class can be pushed apart.",
    prerequisites="inner products; the losses of the chapter",
    minutes=15,
    checks=(
        Check(2, "the length of the mean, for several numbers of vectors and cosines", _lengths),
        Check(2, "the least cosine, for several numbers of vectors", _least),
    ),
    wrong=(
        Wrong("orthogonal vectors", "def mean_length(b, n):\n    return n**-0.5\n\ndef repelled(n):\n    return 0.0"),
        *slips(
            solution("lspread_strata", "exercise-spread-supcon"),
            ("the square of the length", "math.sqrt(max(0.0, (1 + (n - 1) * b) / n))", "(1 + (n - 1) * b) / n", 2),
            ("the length of the sum", " / n))", " * n))", 2),
            ("self-pairs forgotten", "(1 + (n - 1) * b) / n", "b", 2),
            ("n in place of n - 1", "-1 / (n - 1)", "-1 / n", 2),
            ("views counted as images", "-1 / (n - 1)", "-1 / (2 * n - 1)", 2),
            ("the number of vectors ignored", "-1 / (n - 1)", "-0.2", 2),
        ),
    ),
)


CLAMP = Exercise(
    label="exercise-spread-clamp",
    objective="Say what a line of released code changes in a theorem about the loss of the text.",
    prerequisites="the corollary, (iv); the exercise on the batch size",
    minutes=20,
    checks=(
        Check(
            3,
            "weights, numbers of classes and temperatures where a batch is large enough",
            _edges("clamped_batch", 1, True, (0.2, 0.6, 1.0), True),
        ),
        Check(
            1, "weights where none is, beside one where one is", _edges("clamped_batch", 1, True, (0.4, 0.95), False)
        ),
    ),
    wrong=slips(
        solution("lspread_strata", "exercise-spread-clamp"),
        ("images of one class in place of the batch", " * classes / (classes - 1)", " / (classes - 1)", 1),
        ("two views", "* classes / (classes - 1)", "* classes / (2 * (classes - 1))", 1),
        ("L_attract, always", "needed = ", "alpha = 1.0\n    needed = ", 0),
        (
            "the threshold without the clamp",
            "(classes - 1) / (classes * alpha)",
            "(1 / alpha - 1) * (classes - 1) / classes",
            0,
        ),
        ("no batch that is too small forgotten", "    if needed >= 1:\n        return math.inf\n", "", 3),
        ("two classes, always", "needed = ", "classes = 2\n    needed = ", 0),
    ),
)
THRESHOLDS = ((0.05, "above"), (-0.1, "above"), (0.2, "below"), (0.0, "below"))


def _trained(rng, seeds, gain, spread=0.02):
    """Accuracies before and after training, with exactly this mean gain and standard deviation of it by seed."""
    before, z = rng.uniform(0.3, 0.7, seeds), rng.normal(size=seeds)
    after = before + gain + spread * (z - z.mean()) / z.std(ddof=1)
    return after.tolist(), before.tolist()


def _interval(answers, rng, data):
    tables = [table(rng, wanted, 0.05, "above", n) for wanted in VERDICTS for n in (3, 5, 10)] + [data["transfer_gap"]]
    found = [answers.verdict(t, 0.05, "above", *_trained(rng, len(t), 0.2))[:2] for t in tables]
    return same(found, [interval(t) for t in tables])


def _verdicts(wanted_side):
    def test(answers, rng, data):
        for x, side in (each for each in THRESHOLDS if each[1] == wanted_side):
            for wanted in VERDICTS:
                if answers.verdict(table(rng, wanted, x, side), x, side, *_trained(rng, 5, 0.2))[2] != wanted:
                    return False
        return True

    return test


def _gated(answers, rng, data):
    for wanted in (HOLDS, FAILS):
        values = table(rng, wanted, 0.05, "above")
        for gain, spread, word in (
            (0.2, 0.02, wanted),
            (0.06, 0.005, wanted),
            (0.04, 0.005, UNDECIDED),
            (0.2, 0.4, UNDECIDED),
        ):
            if answers.verdict(values, 0.05, "above", *_trained(rng, 5, gain, spread))[2] != word:
                return False
    return True


def _own(rng):
    after, before = _trained(rng, 5, float(rng.choice([0.03, 0.12])))
    values = table(rng, str(rng.choice(VERDICTS)), 0.05, "above")
    return {"transfer_gap": values, "trained": np.round(after, 4).tolist(), "untrained": np.round(before, 4).tolist()}


RERUN = Exercise(
    label="exercise-spread-rerun",
    objective="Rerun the study at another temperature, and ask first whether its encoders learned at all.",
    prerequisites="the chapter; how to read this book, on verdicts",
    minutes=30,
    checks=(
        Check(3, "the interval of the values", _interval),
        Check(2, "verdicts of claims that say above, of encoders that learned", _verdicts("above")),
        Check(2, "verdicts of claims that say below, of encoders that learned", _verdicts("below")),
        Check(2, "verdicts of encoders that learned little, or that certainly learned", _gated),
    ),
    wrong=slips(
        solution("lspread_strata", "exercise-spread-rerun"),
        ("whether the encoders learned is not asked", "if not learned", "if False", 7),
        ("the mean gain alone is asked", " and interval(gain)[0] > 0", "", 7),
        ("any gain that is certain is enough", "gain.mean() >= 0.05 and ", "", 7),
        ("the normal law in place of Student's", "stats.t.ppf(0.975, len(x) - 1)", "1.96", 6),
        ("the spread of the seeds, not of their mean", " / len(x) ** 0.5", "", 6),
        ("the side ignored", 'if side == "below"', "if False", 7),
        ("the threshold ignored", "    low, high = interval", "    threshold = 0.05\n    low, high = interval", 5),
        ("encoders that did not learn fail the claim", "UNDECIDED if not learned", "FAILS if not learned", 7),
    ),
    data=_own,
)

OPEN = Exercise(
    label="exercise-spread-open",
    objective="Tell a theorem about the optimum of a loss from a statement about trained encoders.",
    prerequisites="the chapter, its claims and limits",
    minutes=30,
    rubric=(
        Criterion(2, "says that α* is about free vectors and the exact loss, at its optimum"),
        Criterion(2, "names what may keep an encoder from it: net, views, cross-entropy, an early end, the clamp"),
        Criterion(2, "uses a number against the sentence: the paper's cosine, or the continuous transition at α*"),
        Criterion(
            3,
            "designs a run that decides: a setting above α* beside one below, cosine within classes, SupCon beside it",
        ),
        Criterion(1, "fixes threshold and seeds before, and says which result would speak against the sentence"),
    ),
)

CHAPTER = Chapter("advanced", "second derivatives of functions on a sphere")
EXERCISES = (BATCH, SUPCON, CLAMP, RERUN, OPEN)
