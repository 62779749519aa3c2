"""What encoders trained on shares of the data make of pairs of strata: tables and effects of ``lib.strata.subsets``."""

import numpy as np
import pandas as pd

from lib.intervals import estimate
from lib.strata import divergence, subsampling, subsets
from lib.strata.mean_classifier import FeatureStrata

KINDS = ("both common", "one rare", "both rare")  # of pairs of strata, by how many of them are rare
BOTH, ONE, NONE = "both", "one", "none"  # how many of a pair the encoder saw
SUP_CON, SPREAD = subsets.LOSSES


def measured(found: subsets.Trained) -> tuple[pd.DataFrame, pd.DataFrame]:
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
        about = {"kind": KINDS[rare[[a, b]].sum()], "case": np.array([NONE, ONE, BOTH])[seen]}
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


def unseen(pairs: pd.DataFrame) -> np.ndarray:
    """Mean distance under L_spread of two strata of which the encoder saw none, by seed."""
    return by_seed(pairs, "delta", loss=SPREAD, case=NONE)


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


def cases(pairs: pd.DataFrame) -> list[tuple[str, ...]]:
    """Rows of a table: kind of pair, share, how many of the pair were seen, chance (hypergeometric), share of the pairs
    in which that was so, and the distance under each loss with its interval over seeds.  Kinds with a rare stratum.
    """
    total, rows = subsets.CLASSES * sum(subsets.SIZES), []
    for kind, first, second in ((KINDS[1], max(subsets.SIZES), min(subsets.SIZES)), (KINDS[2], *subsets.SIZES[-2:])):
        for share in subsets.SHARES[:-1]:
            held = subsampling.fixed_probabilities(first, second, total, round(share * total))
            part = pairs[(pairs.kind == kind) & (pairs.share == share)]
            for case, chance in ((BOTH, held.both), (ONE, held.only_p + held.only_q), (NONE, held.neither)):
                mine = part[part.case == case]
                deltas = [by_seed(mine, "delta", loss=loss) for loss in subsets.LOSSES]
                cells = [str(estimate(v)) if len(v) else "–" for v in deltas]
                rows.append((kind, f"{share:g}", case, f"{chance:.3f}", f"{len(mine) / len(part):.3f}", *cells))
    return rows


def distances(pairs: pd.DataFrame) -> pd.DataFrame:
    """Mean distance of two strata with its interval over seeds: panel (the loss), kind, share, value, low, high."""
    rows = []
    for loss in subsets.LOSSES:
        for kind in KINDS:
            for share in subsets.SHARES:
                found = estimate(by_seed(pairs, "delta", loss=loss, kind=kind, share=share))
                rows.append((loss, kind, share, found.value, found.low, found.high))
    return pd.DataFrame(rows, columns=["panel", "kind", "share", "value", "low", "high"])
