"""How the exercises of ``exercises/strata_theory.py`` are graded: points, hidden tests, wrong answers."""

import itertools

import numpy as np
from scipy import special, stats

from lib.book.classroom.exercise import Chapter, Check, Criterion, Exercise, Wrong
from lib.book.classroom.readings import HOLDS, VERDICTS, interval, same, table
from lib.book.classroom.slips import slips, solution


def _only_first(p, q, n):
    """Chance that n draws hold the first stratum and not the second, by adding up how many are of the first."""
    k = np.arange(1, n + 1)
    return (special.comb(n, k) * p**k * (1 - p - q) ** (n - k)).sum()


def _likeliest(low, high, count):
    def test(answers, rng, data):
        for _ in range(count):
            total, share = rng.uniform(low, high), rng.uniform(0.1, 0.9)
            p, q = float(total * share), float(total * (1 - share))
            chances = [_only_first(p, q, n) for n in range(1, int(20 / q) if q > 0.05 else 400)]
            if answers.likeliest(p, q) != 1 + int(np.argmax(chances)):
                return False
        return True

    return test


RISE = Exercise(
    label="exercise-st-rise",
    objective="Find the maximum of a sequence from its steps, and see when a stated fall is right.",
    prerequisites="the section on subsamples; logarithms",
    minutes=20,
    checks=(
        Check(2, "frequent strata", _likeliest(0.3, 0.9, 25)),
        Check(2, "rare strata", _likeliest(0.05, 0.25, 25)),
    ),
    wrong=(
        Wrong("the first draw, as the paper's sentence has it", "def likeliest(p, q):\n    return 1"),
        Wrong("until the first is expected once", "def likeliest(p, q):\n    return math.ceil(1 / p)"),
        Wrong("until the second is expected once", "def likeliest(p, q):\n    return max(1, int(1 / q))"),
        *slips(
            solution("strata_theory", "exercise-st-rise"),
            ("rounded down", "math.ceil", "math.floor", 0),
            ("one draw too many", "return ", "return 1 + ", 0),
            ("the strata exchanged", "both =", "first, second = second, first\n    both =", 0),
            ("the second taken for as rare as the first", "both =", "second = first\n    both =", 0),
        ),
    ),
)


def _best(classes, dim, spread, view, tau, alpha):
    """From the proposition on the rate, its expectations by Gauss quadrature over the cosine."""
    x, w = special.roots_jacobi(120, (dim - 3) / 2, (dim - 3) / 2)
    weights, kernel = w / w.sum(), np.exp(spread * x / tau)
    mean = weights @ kernel
    variance = weights @ (kernel / mean - 1) ** 2
    r = (1 - alpha) * (np.exp(spread * view / tau) / mean - variance / 2)
    a = alpha * (np.exp((1 - spread) * classes / ((classes - 1) * tau)) - variance / 2)
    return 1 / (1 + np.sqrt(a / r))


def _shares(alphas):
    def test(answers, rng, data):
        for classes, dim, spread in itertools.product((2, 5), (4, 12), (0.1, 0.6)):
            view, tau = float(rng.uniform(0.5, 1)), float(rng.uniform(0.4, 1.2))
            for alpha in alphas:
                about = classes, dim, spread, view, tau, alpha
                if not same(answers.best_share(*about), _best(*about)):
                    return False
        return True

    return test


BUDGET = Exercise(
    label="exercise-st-budget",
    objective="Use a first-order rate to design a batch.",
    prerequisites="the proposition on the rate; minima under a constraint",
    minutes=15,
    checks=(
        Check(2, "equal weights of the two losses, several distributions and temperatures", _shares([0.5])),
        Check(2, "other weights", _shares([0.15, 0.8])),
    ),
    wrong=(
        Wrong("half and half", "def best_share(classes, dim, spread, view, tau, alpha):\n    return 0.5"),
        Wrong("the weights", "def best_share(classes, dim, spread, view, tau, alpha):\n    return 1 - alpha"),
        *slips(
            solution("strata_theory", "exercise-st-budget"),
            ("the constants in place of their roots", "math.sqrt", "abs", 0),
            ("the share of the negatives", "return math.sqrt(r)", "return math.sqrt(a)", 0),
            ("the weight ignored", "tau, alpha)\n", "tau, 0.5)\n", 2),
            ("the views ignored", "spread, view)", "spread, 1.0)", 0),
            ("the temperature ignored", "tau, alpha)\n", "0.5, alpha)\n", 0),
        ),
    ),
)


def _lengths(p):
    """The 1-norms of the weights of 1 to 5 points, from the linear system."""
    found = []
    for m in range(1, 6):
        j, i = np.meshgrid(np.arange(m + 1), np.arange(m + 1))
        right = sum(stats.binom.pmf(k, j, p) * stats.binom.pmf(i - k, m - j, 1 - p) for k in range(m + 1))
        found.append(np.abs(np.linalg.solve(p * right + (1 - p) * right[::-1], np.eye(m + 1)[1])).sum())
    return found


def _most(shares):
    def test(answers, rng, data):
        for p in shares:
            lengths = _lengths(p)
            for m, share in itertools.product((0, 2, 3, 4), (0.03, 0.97)):  # between the lengths of m and m + 1
                low = lengths[m - 1] if m else 1.0
                if answers.most_points(p, float(low + share * (lengths[m] - low))) != m:
                    return False
        return answers.most_points(1.0, 2.0) == 100

    return test


MOST = Exercise(
    label="exercise-st-most",
    objective="Turn exponential growth of weights into the number of points that a budget allows.",
    prerequisites="lemma 7 and the theorem on spectrum and length",
    minutes=15,
    checks=(
        Check(2, "nine of ten labels right, several budgets", _most([0.9])),
        Check(2, "other shares of right labels", _most([0.7, 0.8, 0.95])),
    ),
    wrong=slips(
        solution("strata_theory", "exercise-st-most"),
        (
            "the lower bound in place of the length",
            "np.abs(label_noise.lemma7_weights(fits + 1, right)).sum()",
            "(2 * right - 1) ** (-2 * ((fits + 2) // 2))",
            0,
        ),
        (
            "the upper bound in place of the length",
            "np.abs(label_noise.lemma7_weights(fits + 1, right)).sum()",
            "(2 * right - 1) ** -(fits + 2)",
            0,
        ),
        (
            "the sum in place of the sum of absolute values",
            "np.abs(label_noise.lemma7_weights(fits + 1, right)).sum()",
            "label_noise.lemma7_weights(fits + 1, right).sum()",
            0,
        ),
        ("one point too many", "return fits", "return fits + 1", 0),
        ("the share of right labels ignored", "fits = 0", "right, fits = 0.9, 0", 0),
        ("the budget ignored", "fits = ", "budget = 10.0\n    fits = ", 0),
    ),
)
THRESHOLDS = (1.0, 2.5, -0.5)


def _tables(rng, x):
    return [table(rng, wanted, x, "above", n, 0.5) for wanted, n in itertools.product(VERDICTS, (3, 8))]


def _interval(answers, rng, data):
    tables = [*_tables(rng, 1.0), data["excess"]]
    return same([answers.verdict(t, 1.0)[:2] for t in tables], [interval(t) for t in tables])


def _verdicts(answers, rng, data):
    cases = [(wanted, x, table(rng, wanted, x, "above", 8, 0.5)) for wanted in VERDICTS for x in THRESHOLDS]
    z = np.sort(rng.normal(size=20))
    cases.append((HOLDS, z[3], z - z.mean() + z[3] + 0.7 * z.std(ddof=1)))  # though some are below
    return all(answers.verdict(list(map(float, t)), float(x))[2] == wanted for wanted, x, t in cases)


def _needed(answers, rng, data):
    """The first number of trials at which the t test against the threshold has a p value below 5 %."""
    trials = np.arange(3, 5000)
    for x in (1.0, 2.5):
        for t in (*_tables(rng, x), [x + 0.7, x + 0.9, x + 1.0], data["excess"]):
            away, sd = abs(np.mean(t) - x), np.std(t, ddof=1)
            if answers.trials_needed(t, x) != trials[2 * stats.t.sf(away / sd * trials**0.5, trials - 1) < 0.05][0]:
                return False
    return True


def _own(rng):
    while True:  # a mean so near the threshold that thousands of trials would be needed is no exercise
        excess = np.round(rng.normal(rng.uniform(0.5, 2), 0.5, 8), 2)
        if abs(excess.mean() - 1) > 0.05:
            return {"excess": excess.tolist()}


RERUN = Exercise(
    label="exercise-st-rerun",
    objective="Rerun the study with larger strata, read a mean with its interval, and plan how many trials decide.",
    prerequisites="the section on lemmas 1 and 2; how to read this book, on verdicts",
    minutes=30,
    checks=(
        Check(3, "the interval of the mean", _interval),
        Check(2, "the verdict, at several thresholds", _verdicts),
        Check(3, "the number of trials, for means near to the threshold and far from it", _needed),
    ),
    wrong=(
        Wrong(
            "the table's own",
            "def verdict(values, threshold):\n    return 1.4257, 2.3493, HOLDS\n\n"
            "def trials_needed(values, threshold):\n    return 4",
        ),
        *slips(
            solution("strata_theory", "exercise-st-rerun"),
            ("the normal law in place of Student's", "stats.t.ppf(0.975, n - 1)", "1.96", 2),
            (
                "the smallest decides, as in the claim",
                "HOLDS if low > threshold",
                "HOLDS if min(values) > threshold",
                6,
            ),
            ("the spread of the trials, not of their mean", "ddof=1) / n**0.5\n    low", "ddof=1)\n    low", 5),
            (
                "the table's own number of trials",
                "n = abs(np.mean(values) - threshold), np.std(values, ddof=1), 3",
                "n = abs(np.mean(values) - threshold), np.std(values, ddof=1), len(values)",
                5,
            ),
            (
                "the standard deviation of the mean taken for that of a trial",
                "np.std(values, ddof=1), 3",
                "np.std(values, ddof=1) / len(values) ** 0.5, 3",
                5,
            ),
            ("the threshold ignored", "n, mean = ", "threshold = 1\n    n, mean = ", 6),
        ),
    ),
    data=_own,
)

OPEN = Exercise(
    label="exercise-st-open",
    objective="Say what of a lemma is false, by how much, and what can still be built on it.",
    prerequisites="the section on lemmas 1 and 2, and the limits",
    minutes=30,
    rubric=(
        Criterion(
            2, "says that the lemmas ask for some multiplier, and that only the reading in which it is 1 is false"
        ),
        Criterion(
            2, "gives the size of the excess or of the multiplier, and says that equal strata are proved, not tried"
        ),
        Criterion(2, "says that the multiplier depends on f, so that the order of bounds need not be that of losses"),
        Criterion(
            3,
            "designs a computation that decides: trained encoders, bound and loss of each, share of right orders",
        ),
        Criterion(1, "gives seeds and an interval, and says which result would speak against using the bound"),
    ),
)

CHAPTER = Chapter("advanced", "concentration inequalities; eigenvalues", after=("lspread_strata",))
EXERCISES = (RISE, BUDGET, MOST, RERUN, OPEN)
