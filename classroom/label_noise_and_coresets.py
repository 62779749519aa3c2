"""How the exercises of ``exercises/label_noise_and_coresets.py`` are graded: points, hidden tests, wrong answers."""

import numpy as np

from lib.book.classroom.exercise import Chapter, Check, Criterion, Exercise, Wrong
from lib.book.classroom.readings import VERDICTS, interval, same, table
from lib.book.classroom.slips import slips, solution


def _drained(buckets, size):
    """What the buckets are drained to, one point at a time: the least that is left of any that lost some."""
    left = list(buckets)
    while sum(left) > size:
        left[left.index(max(left))] -= 1
    cut = [n for n, full in zip(left, buckets, strict=True) if n < full]
    return min(cut) if cut else max(left)


def _levels(most, empty):
    def test(answers, rng, data):
        for n in (2, 5, 9):
            buckets = rng.integers(1, most, n)
            buckets = [int(b) for b in buckets] + [0] * empty
            for share in (0.1, 0.4, 0.8):
                size = max(1, int(share * sum(buckets)))
                if size < sum(buckets) and answers.level(buckets, size) != _level(buckets, size):
                    return False
        return True

    return test


def _level(buckets, size):
    low = _drained(buckets, size)  # the last round may be incomplete: one more would be too much
    return max(n for n in (low, low + 1) if sum(np.minimum(buckets, n)) <= size)


LEVEL = Exercise(
    label="exercise-applications-level",
    objective="Say in one number what draining the fullest bucket does to a class.",
    prerequisites="the section on coresets; loops",
    minutes=15,
    checks=(
        Check(2, "buckets of similar size", _levels(12, 0)),
        Check(2, "buckets of very different size, some of them empty", _levels(200, 2)),
    ),
    wrong=(
        Wrong("as many points in each", "def level(buckets, size):\n    return size // len(buckets)"),
        Wrong("the fullest bucket", "def level(buckets, size):\n    return max(buckets)"),
        *slips(
            solution("label_noise_and_coresets", "exercise-applications-level"),
            ("one level too high", "return found", "return found + 1", 0),
            (
                "points above the level count in full",
                "sum(min(b, found + 1) for b in buckets)",
                "sum(b for b in buckets if b <= found + 1)",
                0,
            ),
            ("the size ignored", "<= size", "<= sum(buckets) // 2", 0),
        ),
    ),
)


def _score(z, y, i, average):
    f = z / np.linalg.norm(z, axis=1, keepdims=True)
    means = {c: f[(y == c) & (np.arange(len(y)) != i)].mean(0) for c in np.unique(y)}
    own = means.pop(y[i])
    away = [f[i] @ m / (np.linalg.norm(m) if average == "centres" else 1) for m in means.values()]
    return f[i] @ own / np.linalg.norm(own) - np.mean(away)


def _scores(average):
    def test(answers, rng, data):
        for n, classes, d in ((9, 2, 3), (16, 4, 5)):
            z = rng.normal(0.3, 1, (n, d)) * rng.uniform(0.3, 4, (n, 1))
            y = rng.permutation(
                np.concatenate([np.repeat(np.arange(classes), 2), rng.integers(0, classes, n - 2 * classes)])
            )
            found = [answers.noise_score(z, y, i, average) for i in range(n)]
            if not same(found, [_score(z, y, i, average) for i in range(n)]):
                return False
        return True

    return test


SCORE = Exercise(
    label="exercise-applications-score",
    objective="Turn a sentence that can be read in two ways into two formulas.",
    prerequisites="the section on wrong labels; cosine similarity",
    minutes=20,
    checks=(
        Check(2, 'the score with average="centres"', _scores("centres")),
        Check(2, 'the score with average="points"', _scores("points")),
    ),
    wrong=(
        *slips(
            solution("label_noise_and_coresets", "exercise-applications-score"),
            ("one reading for both", ' if average == "centres" else 1', "", 2),
            ("the point counts in its own class", " & (np.arange(len(y)) != i)", "", 0),
            (
                "features are not divided by their length",
                "f = z / np.linalg.norm(z, axis=1, keepdims=True)",
                "f = z",
                0,
            ),
            ("the sum over the other classes in place of the mean", "np.mean(away)", "np.sum(away)", 0),
            ("the own class counts among the others", " if c != y[i]", "", 0),
            ("the largest of the other classes", "np.mean(away)", "np.max(away)", 0),
        ),
        Wrong(
            "the library in place of the loops",
            "def noise_score(z, y, i, average):\n    import torch\n    from lib.strata import noisy_labels\n"
            "    return float(noisy_labels.noise_scores(torch.from_numpy(z), torch.from_numpy(y), average)[i])",
        ),
    ),
    hides=("lib.strata.noisy_labels",),
)
THRESHOLDS = ((0.0, "above"), (-0.03, "above"), (0.01, "below"), (0.05, "below"))
SIZED = tuple(zip((3, 4, 6, 12), THRESHOLDS, strict=True))  # by number of seeds


def _pair(rng, gap):
    """Two columns with these differences, on levels that vary far more from seed to seed."""
    second = rng.normal(0.8, 0.1, len(gap))
    return (second + gap).tolist(), second.tolist()


def _interval(answers, rng, data):
    gaps = [table(rng, wanted, x, side, n) for wanted in VERDICTS for n, (x, side) in SIZED]
    cases = [*(_pair(rng, gap) for gap in gaps), (data["spread_accuracy"], data["sup_con_accuracy"])]
    found = [answers.verdict(*pair, 0.0, "above")[:2] for pair in cases]
    return same(found, [interval(np.subtract(*pair)) for pair in cases])


def _verdicts(wanted_side):
    def test(answers, rng, data):
        for x, side in (each for each in THRESHOLDS if each[1] == wanted_side):
            for wanted in VERDICTS:
                if answers.verdict(*_pair(rng, table(rng, wanted, x, side)), x, side)[2] != wanted:
                    return False
        return True

    return test


def _own(rng):
    first, second = _pair(rng, np.array(table(rng, str(rng.choice(VERDICTS)), 0.0, "above", 6)))
    return {"spread_accuracy": np.round(first, 4).tolist(), "sup_con_accuracy": np.round(second, 4).tolist()}


RERUN = Exercise(
    label="exercise-applications-rerun",
    objective="Rerun the study with fewer labels, and compare two losses by seed.",
    prerequisites="the chapter; how to read this book, on verdicts",
    minutes=25,
    checks=(
        Check(3, "the interval of the difference by seed", _interval),
        Check(2, "verdicts of claims that say above", _verdicts("above")),
        Check(2, "verdicts of claims that say below", _verdicts("below")),
    ),
    wrong=slips(
        solution("label_noise_and_coresets", "exercise-applications-rerun"),
        (
            "two independent groups in place of pairs",
            "gap.std(ddof=1)",
            "np.hypot(np.std(first, ddof=1), np.std(second, ddof=1))",
            0,
        ),
        ("the normal law in place of Student's", "stats.t.ppf(0.975, n - 1)", "1.96", 4),
        ("the spread of the seeds, not of their mean", " / n**0.5", "", 4),
        ("the second minus the first", "(first, second)\n    n", "(second, first)\n    n", 0),
        ("the mean decides", "(low > threshold, high < threshold)", "(mean > threshold, mean < threshold)", 5),
        ("the side ignored", 'if side == "below"', "if False", 5),
        ("the threshold ignored", "n, mean = ", "threshold = 0\n    n, mean = ", 3),
    ),
    data=_own,
)

OPEN = Exercise(
    label="exercise-applications-open",
    objective="Tell a good ranking from a method that helps, and name the baseline that is missing.",
    prerequisites="the chapter, its claims and limits",
    minutes=30,
    rubric=(
        Criterion(2, "compares with a baseline of the chapter: raw pixels, or SupCon's features"),
        Criterion(
            2, "says that detection is no gain of accuracy, and that the claims on what is recovered are not decided"
        ),
        Criterion(2, "names a setting that makes it easy: ν given, symmetric noise, a head on right labels"),
        Criterion(
            3, "designs a run that decides: another noise or head, baselines treated alike, accuracy, pairs by seed"
        ),
        Criterion(
            1, "fixes threshold and seeds before the run, and says which result would speak against the sentence"
        ),
    ),
)

CHAPTER = Chapter("intermediate", "cross-entropy", after=("lspread_strata",))
EXERCISES = (LEVEL, SCORE, RERUN, OPEN)
