"""The study of the theory of L_spread: no encoders; its limits, samples, bounds and corrections in numbers."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from lib.images import Images
from lib.strata import divergence, label_noise, mean_classifier, spread_limit, subsampling, subsets
from lib.strata.debiasing import Pools
from lib.strata.mean_classifier import FeatureStrata
from lib.strata.spread_limit import Classes

FAMILY = tuple(Classes(4, 8, b, 0.9) for b in (0.0, 0.25, 0.5, 0.75, 1.0))
LADDER = tuple(2**k for k in range(2, 13))  # numbers of samples M = n⁺ = n⁻
GRID, DRAWS = (0.002, 0.01, 0.03, 0.1, 0.3), 1000  # probabilities of a stratum; the largest sample
SETS = ((4, 4, 200, 100), (4, 4, 200, 20), (20, 4, 200, 100))  # points of z, of z′, of the set, draws
SETS += ((40, 40, 2000, 1000), (4, 4, 2000, 1000))
EQUAL, UNEQUAL, DIGITS = "equal concentrations", "unequal concentrations", "digits"  # kinds of strata
CLOUDS = {f"κ = {k}": (float(k),) * 10 for k in (5, 10, 20, 40, 80, 160)}  # concentrations of ten strata
MIXED = {"five κ = 160, five κ = 10": (160.0,) * 5 + (10.0,) * 5, "one κ = 160, nine κ = 10": (160.0,) + (10.0,) * 9}
RIGHT = (0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)  # shares of right labels, of triplets
SHARES, MOST = (0.6, 0.7, 0.8, 0.9, 0.95), 8  # of right labels, and points, in lemma 7
LENGTH, CONDITION = "sum of absolute weights", "condition number"
VARIANCE = "variance, in that of true labels"
KINDS = ("both common", "one rare", "both rare")  # of pairs of strata, by how many of them are rare
BOTH, ONE, NONE = "both", "one", "none"  # how many of a pair the encoder saw
SUP_CON, SPREAD = subsets.LOSSES


def plan(p: SimpleNamespace) -> SimpleNamespace:
    """No encoders: everything is computed from formulas, simulated labels and raw images."""
    return SimpleNamespace(units=[])


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


def thought(found: subsets.Trained) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What encoders trained on shares of the data make of strata: a row a network and pair, and a row a network.

    Pairs, of strata of one class: loss, seed, share, subset, kind (``KINDS``), case (``BOTH``, ``ONE``, ``NONE``), and
    delta, half, information of ``divergence.apart``.  Networks: loss, seed, share, subset; delta, its mean over the
    pairs; fine and coarse, the losses of the classifier of means on strata and on classes; information about the
    stratum given the class, ``divergence.told_apart``, mean over the classes.
    """
    per_class, n = len(subsets.SIZES), subsets.FRESH
    parent = np.arange(found.z.shape[1]) // per_class
    rare = np.tile(np.array(subsets.SIZES) < max(subsets.SIZES), subsets.CLASSES)
    pairs = []
    for a, b in subsets.PAIRS:
        seen = (found.held[:, [a, b]] > 0).sum(1)
        about = {"kind": KINDS[rare[a] + rare[b]], "case": np.array([NONE, ONE, BOTH])[seen]}
        gaps = divergence.apart(found.z[:, a], found.z[:, b])._asdict()
        pairs.append(pd.DataFrame(found.who).assign(**about, **gaps))
    nets = pd.DataFrame(found.who).assign(delta=sum(part.delta for part in pairs) / len(pairs))
    rows = []
    for z in found.z:
        strata = FeatureStrata(z.reshape(-1, z.shape[-1]), np.arange(len(parent)).repeat(n), parent)
        told = [
            divergence.told_apart(part.reshape(-1, z.shape[-1]), np.arange(per_class).repeat(n))
            for part in np.split(z, subsets.CLASSES)
        ]
        rows.append((strata.fine_loss(), strata.coarse_loss(), np.mean(told)))
    return pd.concat(pairs, ignore_index=True), nets.assign(
        **dict(zip(("fine", "coarse", "information"), np.transpose(rows), strict=True))
    )


def difference(pairs: pd.DataFrame, loss: str, case: str, other: str) -> pd.Series:
    """How much farther apart pairs of one kind and share are in one case than in another, by seed.

    Of kinds with a rare stratum and shares at which a seed has both cases, each weighing a b / (a + b) for a and b
    pairs: the estimate with an effect of each kind and share.  A seed that never has both is left out.
    """
    part = pairs[(pairs.loss == loss) & pairs.case.isin([case, other])]
    table = part.pivot_table("delta", ["seed", "kind", "share"], "case", ["mean", "count"])
    table = table.dropna()
    a, b = table["count", case], table["count", other]
    weight = a * b / (a + b)
    gap = (table["mean", case] - table["mean", other]) * weight
    return gap.groupby("seed").sum() / weight.groupby("seed").sum()


def by_seed(frame: pd.DataFrame, column: str, **where) -> np.ndarray:
    """Mean of a column over the rows with these values, by seed, (seeds,)."""
    for name, value in where.items():
        frame = frame[frame[name].isin(value if isinstance(value, tuple) else (value,))]
    return frame.groupby("seed")[column].mean().to_numpy()


def observed(pairs: pd.DataFrame, nets: pd.DataFrame) -> dict[str, np.ndarray]:
    """The effect, one a seed, of each claim about encoders that are trained on shares of the data."""
    part = tuple(share for share in subsets.SHARES if share < 1)
    common, rare = (by_seed(pairs, "delta", loss=SPREAD, kind=kind, share=part) for kind in (KINDS[0], KINDS[2]))
    ranks = nets.groupby("seed").apply(lambda g: g[["delta", "fine", "coarse"]].corr("spearman").delta)
    return {
        "lspread-16a": difference(pairs, SPREAD, BOTH, ONE).to_numpy(),
        "lspread-16b": difference(pairs, SPREAD, BOTH, NONE).to_numpy(),
        "lspread-16c": common - rare,
        "lspread-16d": by_seed(nets, "delta", loss=SPREAD) - by_seed(nets, "delta", loss=SUP_CON),
        "lspread-17a": ranks.fine.to_numpy(),
        "lspread-17b": ranks.coarse.to_numpy(),
        "lspread-17c": by_seed(nets, "information", loss=SPREAD) - by_seed(nets, "information", loss=SUP_CON),
    }


def cases(pairs: pd.DataFrame) -> pd.DataFrame:
    """Of pairs with a rare stratum, by kind, share and case: chance (hypergeometric), seen (share of the pairs), and
    the values by seed of delta under each loss, an array a column.
    """
    total, rows = subsets.CLASSES * sum(subsets.SIZES), []
    for kind, first, second in ((KINDS[1], max(subsets.SIZES), min(subsets.SIZES)), (KINDS[2], *subsets.SIZES[-2:])):
        for share in subsets.SHARES[:-1]:
            held = subsampling.fixed_probabilities(first, second, total, round(share * total))
            chance = {BOTH: held.both, ONE: held.only_p + held.only_q, NONE: held.neither}
            part = pairs[(pairs.kind == kind) & (pairs.share == share)]
            for case, expected in chance.items():
                mine = part[part.case == case]
                deltas = [by_seed(mine, "delta", loss=loss) for loss in subsets.LOSSES]
                rows.append((kind, share, case, expected, len(mine) / len(part), *deltas))
    return pd.DataFrame(rows, columns=["kind", "share", "case", "chance", "seen", *subsets.LOSSES])
