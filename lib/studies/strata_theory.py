"""The study of the theory of L_spread: its limits, samples, bounds and corrections in numbers."""

import math
from functools import partial

import numpy as np
import pandas as pd
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from lib.images import Images
from lib.strata import label_noise, mean_classifier, spread_limit, subsampling
from lib.strata.debiasing import Pools
from lib.strata.mean_classifier import FeatureStrata
from lib.strata.spread_limit import Classes

FAMILY = tuple(Classes(4, 8, b, 0.9) for b in (0.0, 0.25, 0.5, 0.75, 1.0))
LADDER = tuple(2**k for k in range(2, 13))  # numbers of samples M = n⁺ = n⁻
GRID, DRAWS = (0.002, 0.01, 0.03, 0.1, 0.3), 1000  # probabilities of a stratum; the largest sample
SETS = ((4, 4, 200, 100), (4, 4, 200, 20), (20, 4, 200, 100))  # points of z, of z′, of the set, draws
SETS += ((40, 40, 2000, 1000), (4, 4, 2000, 1000))
HELD = ("both", "only z", "only z′", "neither")  # what a sample holds of two strata
EQUAL, UNEQUAL, DIGITS = "equal concentrations", "unequal concentrations", "digits"  # kinds of strata
CLOUDS = {f"κ = {k}": (float(k),) * 10 for k in (5, 10, 20, 40, 80, 160)}  # concentrations of ten strata
MIXED = {"five κ = 160, five κ = 10": (160.0,) * 5 + (10.0,) * 5, "one κ = 160, nine κ = 10": (160.0,) + (10.0,) * 9}
RIGHT = (0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)  # shares of right labels, of triplets
SHARES, MOST = (0.6, 0.7, 0.8, 0.9, 0.95), 8  # of right labels, and points, in lemma 7
LENGTH, CONDITION = "sum of absolute weights", "condition number"
VARIANCE = "variance, in that of true labels"


def limit_errors(tau: float, alpha: float) -> pd.DataFrame:
    """L_spread with M positives and negatives less the sum of its three limits: rows M, a column a spread."""
    errors = {
        c.spread: [spread_limit.loss(c, tau, alpha, m, m) - sum(spread_limit.terms(c, tau, alpha)) for m in LADDER]
        for c in FAMILY
    }
    return pd.DataFrame(errors, index=pd.Index(LADDER, name="M"))


def limit_checks(tau: float, alpha: float, draws: int, seed: int) -> pd.DataFrame:
    """The loss at M = 64 beside the mean of so many drawn ones, by spread: loss, drawn, its standard error, off.

    off: their distance in standard errors, 0 where nothing varies; first: the first-order error at the largest M.
    """
    rows = []
    for c in FAMILY:
        drawn = spread_limit.drawn(c, tau, alpha, 64, draws, seed)
        loss, error = spread_limit.loss(c, tau, alpha, 64, 64), drawn.std() / draws**0.5
        off = abs(drawn.mean() - loss) / error if error > 1e-12 else 0.0
        first = sum(spread_limit.first_order(c, tau, alpha)) / LADDER[-1]
        rows.append((c.spread, loss, drawn.mean(), error, off, first))
    return pd.DataFrame(rows, columns=["spread", "loss", "drawn", "error", "off", "first"])


def limit_rows(tau: float, alpha: float) -> tuple[dict[str, float], list[tuple[str, ...]]]:
    """The three limits and their sum, 4 classes, d = 8, s = 1, at three spreads: numbers by name, rows of a table."""
    rows, kept = [], {}
    for name, b in {"collapsed simplex": 0.0, "half spread": 0.5, "one sphere for all": 1.0}.items():
        limits = spread_limit.terms(Classes(4, 8, b), tau, alpha)._asdict()
        limits = {f"L_{word}": v for word, v in limits.items()} | {"sum": sum(limits.values())}
        kept |= {f"{word}, {name}": v for word, v in limits.items()}
        rows.append((name, f"{b:g}", *(f"{v:.4f}" for v in limits.values())))
    return kept, rows


def collapsed_rows(seed: int) -> tuple[dict[str, float], list[tuple], float]:
    """Lemma 3: losses that projected gradient finds, by name, rows of a table, the largest distance from the bound."""
    rows, kept, gaps = [], {}, []
    for k, m in ((2, 5), (4, 3), (10, 2), (20, 5)):
        lower, upper = mean_classifier.collapsed_bounds(k, m)
        found, _ = mean_classifier.best_on_collapsed(k, m, seed=seed)
        kept[f"coarse-to-fine loss on collapsed classes, K = {k}, m = {m}"] = found
        gaps.append(abs(found - lower))
        noisy = [mean_classifier.collapsed_loss(k, m, share) for share in (1.0, 0.9, 0.5)]
        rest = (*noisy, upper, lower - mean_classifier.collapsed_bounds(k)[0], math.log(m))
        rows.append((k, m, f"{lower:.4f}", f"{gaps[-1]:.0e}", *(f"{v:.4f}" for v in rest)))
    return kept, rows, max(gaps)


def weight_rows() -> tuple[list[tuple[str, ...]], float]:
    """Rows of a table of lemma 6's weights by share of right labels; their distance from the solved system."""
    rows, gaps = [], []
    for share in np.round(np.arange(0.55, 0.96, 0.05), 2).tolist():
        w = label_noise.debias_weights(share)
        solved = np.linalg.solve(*label_noise.correction_system(share))
        gaps.append(np.abs(solved - np.array([w.w_plus, -w.w_minus, w.w1, -w.w2, -w.w2])).max())
        true = label_noise.noisy_triplets(share)[1, 0]
        rows.append((f"{share:.2f}", f"{true:.1%}", *(f"{v:.3f}" for v in w), f"{gaps[-1]:.0e}"))
    return rows, max(gaps)


def samples(count: int, seed: int) -> pd.DataFrame:
    """What samples hold of two strata, a row a pair p, q of ``GRID``.

    off: largest distance of the four probabilities from ``count`` simulated samples of 60 draws, in standard errors.
    star: n*; miss: distance of the best whole n from n*, or from 1 where n* is smaller; falls: share of the steps of n
    at which holding the first stratum alone becomes less likely; rises: whether the first step makes it more likely.
    """
    n, rows = np.arange(1, DRAWS + 1), []
    for i, (p, q) in enumerate((p, q) for p in GRID for q in GRID):
        truth = np.array(subsampling.subsample_probabilities(p, q, 60))
        seen = subsampling.counted(p, q, 60, count, seed + i) / count
        off = np.abs(seen - truth) / np.sqrt(np.maximum(truth * (1 - truth), 1 / count) / count)
        alone, star = subsampling.subsample_probabilities(p, q, n).only_p, subsampling.peak(p, q)
        miss = abs(n[alone.argmax()] - max(star, 1))
        rows.append((p, q, off.max(), star, miss, (np.diff(alone) < 0).mean(), alone[1] > alone[0]))
    return pd.DataFrame(rows, columns=["p", "q", "off", "star", "miss", "falls", "rises"])


def held_sets() -> tuple[dict[str, float], list[tuple[str, ...]]]:
    """What draws from the sets ``SETS`` hold: probabilities by name, and rows of a table, independent / fixed."""
    notes, rows = {}, []
    for first, second, total, n in SETS:
        drawn = subsampling.subsample_probabilities(first / total, second / total, n)
        fixed = subsampling.fixed_probabilities(first, second, total, n)
        for how, four in (("independent", drawn), ("fixed set", fixed)):
            notes |= {
                f"{word}, {how}, {first} and {second} of {total}, n = {n}": v
                for word, v in zip(HELD, four, strict=True)
            }
        cells = [f"{a:.4f} / {b:.4f}" for a, b in zip(drawn, fixed, strict=True)]
        rows.append((f"{first}, {second} of {total}; {n} drawn", *cells))
    return notes, rows


def lemma_trials(digits: Images, trials: int, points: int, seed: int) -> pd.DataFrame:
    """Lemmas 1 and 2 on generated strata, ``trials`` of each setting, and on three representations of digits.

    A row a trial and lemma: panel, group, kind, excess of the loss over the bound at multiplier 1, and the smallest
    multiplier that suffices.
    """
    x, y = digits.x.numpy().reshape(len(digits), -1) / 255, digits.y.numpy()
    turned = LinearDiscriminantAnalysis().fit(x, y).transform(x)
    features = {"pixels": x, "pixels less their mean": x - x.mean(0), "linear discriminants": turned}
    tried = {
        (group, kind): map(partial(mean_classifier.rotated_strata, ks, 2, 16, points), range(seed, seed + trials))
        for kind, settings in ((EQUAL, CLOUDS), (UNEQUAL, MIXED))
        for group, ks in settings.items()
    } | {
        (f"digits, {name}", DIGITS): [
            FeatureStrata(z / np.linalg.norm(z, axis=1, keepdims=True), y, np.arange(10) // 5)
        ]
        for name, z in features.items()
    }
    rows = [
        (f"lemma {lemma}", *about, loss(strata) - bound(strata), strata.smallest_multiplier(lemma))
        for about, several in tried.items()
        for strata in several
        for lemma, (loss, bound) in mean_classifier.LEMMAS.items()
    ]
    return pd.DataFrame(rows, columns=["panel", "group", "kind", "excess", "multiplier"])


def lemma_rows(trials: pd.DataFrame) -> tuple[dict[str, np.ndarray | float], list[list[str]]]:
    """What ``lemma_trials`` found, by name, one number a trial or one alone; rows of a table, a group each."""
    rows: dict[str, list[str]] = {}
    kept: dict[str, np.ndarray | float] = {}
    for (group, lemma), part in trials.groupby(["group", "panel"], sort=False):
        over, many = part.excess.to_numpy(), len(part) > 1
        kept[f"mean excess over {lemma}, {group}"] = over if many else over[0]
        kept[f"largest excess over {lemma}, {group}"] = over.max()
        kept[f"largest multiplier needed in {lemma}, {group}"] = part.multiplier.max()
        span = f"{over.min():+.1e}" + (f" to {over.max():+.1e}" if many else "")
        rows[group] = [*rows.get(group, [group]), f"{(over > 0).mean():.0%}", span, f"{part.multiplier.max():.4f}"]
    return kept, list(rows.values())


def corrections(world: Pools, draws: int, seed: int) -> pd.DataFrame:
    """The loss of drawn noisy triplets at shares p of right labels: loss ("as labelled", "corrected"), p, mean, sd.

    low, high: three standard errors around the mean; score: its distance from the true loss in standard errors.
    """
    truth, rows = world.clean_loss(), []
    for i, p in enumerate(RIGHT):
        for name, v in zip(("as labelled", "corrected"), world.noisy_loss(p, draws, seed + i), strict=True):
            mean, error = v.mean(), v.std() / len(v) ** 0.5
            rows.append((name, p, mean, mean - 3 * error, mean + 3 * error, v.std(), (mean - truth) / error))
    return pd.DataFrame(rows, columns=["loss", "p", "mean", "low", "high", "sd", "score"])


def growth(world: Pools, draws: int, seed: int) -> tuple[pd.DataFrame, float, float]:
    """What grows with the number of points m that lemma 7 corrects: panel, p (text), m, value, bound (or NaN).

    Also the largest distance of the eigenvalues from their closed form, and of P w from the indicator of one positive.
    """
    rows, eigen, residual = [], [], []
    for p in SHARES:
        for m in range(1, MOST + 1):
            matrix, w = label_noise.lemma7_matrix(m, p), label_noise.lemma7_weights(m, p)
            found = np.sort(np.linalg.eigvals(matrix).real)[::-1]
            eigen.append(np.abs(found - label_noise.lemma7_eigenvalues(m, p)).max())
            residual.append(np.abs(matrix @ w - np.eye(m + 1)[1]).max())
            bound = (2 * p - 1) ** -(2 * ((m + 1) // 2))
            rows.append((LENGTH, f"{p:g}", m, np.abs(w).sum(), bound))
            rows.append((CONDITION, f"{p:g}", m, np.linalg.cond(matrix), bound))
    for p, m in ((p, m) for p in SHARES[2:] for m in (1, 2, 4, 8)):
        corrected, clean = world.noisy_sum(m, p, draws, seed + m), world.clean_sum(m, draws, seed + 100 + m)
        rows.append((VARIANCE, f"{p:g}", m, corrected.var() / clean.var(), np.nan))
    return pd.DataFrame(rows, columns=["panel", "p", "m", "value", "bound"]), max(eigen), max(residual)
