"""How the exercises of ``exercises/disentanglement.py`` are graded: points, hidden tests, wrong answers."""

import functools
import itertools

import numpy as np
from scipy import stats

from lib.book.classroom.exercise import Chapter, Check, Criterion, Exercise, Wrong
from lib.book.classroom.readings import FAILS, HOLDS, UNDECIDED, same
from lib.book.classroom.slips import slips, solution


def _fits(degrees, kappa):
    """Whether the corners of the turned square fit between two pairs of lines kappa apart."""
    turn = np.radians(degrees)
    corners = np.array(list(itertools.product((0, 1), repeat=2))) @ [
        [np.cos(turn), np.sin(turn)],
        [-np.sin(turn), np.cos(turn)],
    ]
    return np.ptp(corners, axis=0).max() <= kappa


def _narrow(answers, rng, data):
    for kappa in [1.002, *rng.uniform(1.02, 1.4, 6)]:
        found = float(answers.largest_turn(float(kappa)))
        if not (0 <= found <= 45 and _fits(found - 1e-4, kappa) and not _fits(found + 1e-4, kappa)):
            return False
    return True


def _wide(answers, rng, data):
    wide = [float(answers.largest_turn(float(k))) for k in (1.42, *rng.uniform(1.5, 3, 3))]
    return same(wide, [45.0] * 4) and float(answers.largest_turn(1.2)) < 40


BOX = Exercise(
    label="exercise-dis-box",
    objective="Turn the size of a box into the set of rotations that it allows.",
    prerequisites="the theorem on squared distances in a box; trigonometry",
    minutes=10,
    checks=(
        Check(2, "the angle for boxes narrower than the diagonal", _narrow),
        Check(1, "boxes in which every angle fits, beside one in which not", _wide),
    ),
    wrong=(
        Wrong(
            "a table of the public check's cases",
            "def largest_turn(kappa):\n    known = {1.1: 0.21, 1.25: 0.5625, 1.4: 0.96, 1.45: 1, 2: 1}\n"
            "    return np.degrees(np.arcsin(known.get(kappa, 0)) / 2)",
        ),
        Wrong("the angle of the diagonal", "def largest_turn(kappa):\n    return math.degrees(math.acos(1 / kappa))"),
        *slips(
            solution("disentanglement", "exercise-dis-box"),
            ("in radians", "np.degrees", "np.asarray", 0),
            ("the half of the double angle forgotten", " / 2", "", 0),
            ("wide boxes forgotten", "min(1.0, kappa**2 - 1)", "kappa**2 - 1", 2),
            ("the side in place of its square", "kappa**2", "kappa", 1),
        ),
    ),
)


def _taxicab(x):
    return np.abs(x[:, None] - x[None]).sum(2)


def _hidden(dims, sides):
    def test(answers, rng, data):
        for n, side in itertools.product(dims, sides):
            far = rng.permutation(np.repeat([False, True], 40))
            s = rng.uniform(0, side, (80, n)) + np.where(far, 1 - side, 0)[:, None]
            moved = np.asarray(answers.hidden_map(s, side), float)
            inside = (moved[far] >= 1 - side - 1e-9) & (moved[far] <= 1 + 1e-9)
            if not (
                moved.shape == s.shape
                and inside.all()
                and same(moved[~far], s[~far])
                and same(_taxicab(moved), _taxicab(s))
                and np.abs(moved - s).max() > side / 2
            ):
                return False
        return True

    return test


EXCHANGE = Exercise(
    label="exercise-dis-exchange",
    objective="Build a map that the taxicab distance leaves free, and see that the MCC does not notice.",
    prerequisites="the theorem on rooms; boolean masks",
    minutes=20,
    checks=(
        Check(
            3,
            "three factors and more: distances kept, the first room still, the second moved",
            _hidden((3, 5), (0.3, 0.12)),
        ),
        Check(2, "two factors, and rooms of other sizes", _hidden((2, 3), (0.44, 0.05))),
    ),
    wrong=(
        Wrong("nothing moves", "def hidden_map(s, side):\n    return s"),
        Wrong("both rooms are turned", "def hidden_map(s, side):\n    return np.roll(s, 1, axis=1)"),
        Wrong(
            "the far room mirrored",
            "def hidden_map(s, side):\n    return np.where((s >= 1 - side).all(1)[:, None], 2 - side - s, s)",
        ),
        Wrong(
            "the far room shifted by amounts whose sum is not 0",
            "def hidden_map(s, side):\n    far = (s >= 1 - side).all(1)\n    moved = s.copy()\n"
            "    moved[far, 0] += side\n    return moved",
        ),
        Wrong(
            "for the rooms and the dimension of one case",
            "def hidden_map(s, side):\n    return np.where((s >= 0.7).all(1)[:, None], s[:, [1, 2, 0]], s)",
        ),
        Wrong(
            "the library's exchange",
            "def hidden_map(s, side):\n    from lib import disentangle\n"
            "    return disentangle.exchange(s, np.array([[1 - side, 1.0]] * s.shape[1]))",
        ),
    ),
    hides=("lib.disentangle",),
)


def _batches(orders):
    def test(answers, rng, data):
        for a, n in itertools.product(orders, (1, 2, 4, 7)):
            b = float(a / 4 * rng.uniform(2, 60000) ** (-1 / n))
            size = next(size for size in range(2, 400) if a / 4 * (size * (size - 1)) ** (-1 / n) <= b)
            if answers.batch_for(a, n, b) != size:
                return False
        return answers.batch_for(orders[0], 3, 5.0) == 2

    return test


BATCH = Exercise(
    label="exercise-dis-batch",
    objective="Invert a scaling law, and see how fast the batch grows with the number of factors.",
    prerequisites="the section on the offset; quadratic equations",
    minutes=15,
    checks=(
        Check(2, "order 1, several numbers of factors and scales", _batches([1])),
        Check(2, "higher orders", _batches([2, 1.5])),
    ),
    wrong=(
        Wrong("the smallest batch, always", "def batch_for(a, n, b):\n    return 2"),
        *slips(
            solution("disentanglement", "exercise-dis-batch"),
            (
                "B² in place of B(B - 1)",
                "(1 + math.sqrt(1 + 4 * (a / (4 * b)) ** n)) / 2",
                "(a / (4 * b)) ** (n / 2)",
                0,
            ),
            ("rounded down", "math.ceil", "math.floor", 0),
            ("the number of factors ignored", "** n", "** 4", 0),
            ("the order ignored", "a / (4 * b)", "1 / (4 * b)", 2),
        ),
    ),
)


def _draw(rng, wanted, threshold, side, n):
    """Zeros and ones in an order of their own, of which the exact interval makes the wanted verdict."""
    found = [k for k in range(n + 1) if _judged(k, n, threshold, side)[2] == wanted]
    ones = int(rng.choice(found))
    return rng.permutation([1] * ones + [0] * (n - ones)).tolist()


@functools.cache
def _ends(k, n):
    found = stats.binomtest(k, n).proportion_ci(0.95, "exact")
    return float(found.low), float(found.high)


def _judged(k, n, threshold, side):
    low, high = _ends(k, n)
    above, below = low > threshold, high < threshold
    if not (above or below):
        return low, high, UNDECIDED
    return low, high, HOLDS if (above if side == "above" else below) else FAILS


def _interval(answers, rng, data):
    some = [rng.permutation([1] * k + [0] * (n - k)).tolist() for n in (3, 12, 30) for k in (0, 1, n // 2, n - 1, n)]
    for values in [*some, data["exchanged"]]:
        low, high, _ = answers.verdict(values, 0.1, "above")
        if not same([low, high], _judged(sum(values), len(values), 0.1, "above")[:2]):
            return False
    return True


def _verdicts(side):
    def test(answers, rng, data):
        for wanted, x in itertools.product((HOLDS, FAILS, UNDECIDED), (0.3, 0.5, 0.7)):
            if answers.verdict(_draw(rng, wanted, x, side, 25), x, side)[2] != wanted:
                return False
        return True

    return test


RERUN = Exercise(
    label="exercise-dis-rerun",
    objective="Rerun the study with another mixing, and read a share with its exact interval and verdict.",
    prerequisites="the chapter; how to read this book, on verdicts; the binomial distribution",
    minutes=30,
    checks=(
        Check(3, "the interval, of no, some and all ones, for three seeds and more", _interval),
        Check(2, "verdicts of claims that say above", _verdicts("above")),
        Check(2, "verdicts of claims that say below", _verdicts("below")),
    ),
    wrong=(
        *slips(
            solution("disentanglement", "exercise-dis-rerun"),
            ("no ones: no interval", "if k else 0.0", "", 4),
            ("tails of 5 % in place of 2.5 %", "0.025", "0.05", 4),
            ("the share decides", "(low > threshold, high < threshold)", "(k / n > threshold, k / n < threshold)", 5),
            ("the side ignored", 'if side == "below"', "if True", 5),
            ("the threshold ignored", "n, k = ", "threshold = 0.1\n    n, k = ", 3),
        ),
        Wrong(
            "the normal law",
            "def verdict(exchanged, threshold, side):\n    n, share = len(exchanged), np.mean(exchanged)\n"
            "    half = 1.96 * np.sqrt(share * (1 - share) / n)\n    low, high = share - half, share + half\n"
            '    word = FAILS if (low > threshold) == (side == "below") else HOLDS\n'
            "    return low, high, UNDECIDED if low <= threshold <= high else word",
            4,
        ),
        Wrong("the record's own", "def verdict(exchanged, threshold, side):\n    return 0.3489, 0.9008, HOLDS"),
    ),
    data=lambda rng: {"exchanged": (rng.random(12) < rng.uniform(0, 0.9)).astype(int).tolist()},
)

OPEN = Exercise(
    label="exercise-dis-open",
    objective="Say what a measure cannot see, and which one would.",
    prerequisites="the chapter, its claims and limits",
    minutes=30,
    rubric=(
        Criterion(2, "says that the MCC has a floor, or how high that of a random rotation is"),
        Criterion(
            2,
            "says that an exchange within one of two rooms, or a wrong distance, leaves the MCC high, with the number",
        ),
        Criterion(2, "names what to report beside it: isometry gap, worst room, spread over seeds"),
        Criterion(
            3, "designs a run that decides: two rooms, matching within each, a share over seeds with its exact interval"
        ),
        Criterion(1, "gives a number of seeds with a reason, and the result that would speak against recovery"),
    ),
)

CHAPTER = Chapter("advanced", "orthogonal matrices; independent components")
EXERCISES = (BOX, EXCHANGE, BATCH, RERUN, OPEN)
