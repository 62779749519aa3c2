"""Charts of mediation: effects by kind of head, the encoder's share of the lost recall, assumptions that break."""

import altair as alt
import pandas as pd

from lib.figures import charts
from lib.figures.theme import BLUE, GREY, INK, LEGEND, series, tips
from lib.intervals import Estimate


def effects(means: dict[str, dict[str, Estimate]]) -> tuple[alt.VConcatChart, pd.DataFrame]:
    """Mean effects on recall, a block a kind of head, and the frame drawn.  means: by kind of head, by effect."""
    df = charts.estimates((f"{kind} heads", name, e) for kind, them in means.items() for name, e in them.items())
    return charts.dots(df, "change of recall", 0), df


def shares(found: list[tuple[str, str, Estimate]]) -> tuple[alt.VConcatChart, pd.DataFrame]:
    """Shares of the total effect, a block an order, against one half; and the frame drawn.

    found: (order, class, share) for every undersampled class in both orders.
    """
    df = charts.estimates(found)
    return charts.dots(df, "share of the total effect on recall", 0.5), df


def assumptions(df: pd.DataFrame) -> alt.VConcatChart:
    """Estimates as an assumption breaks, a panel an assumption; the truth is a dashed line.

    df: assumption, strength, estimate, value, low, high, as ``lib.studies.mediation.violated`` gives it.
    """
    colour, shape = series("kind", ["taken as it comes", "identified"], LEGEND, (GREY, BLUE))
    kinds = {"plain difference": "taken as it comes", "regression": "taken as it comes"}
    panels = []
    for words, part in df.groupby("assumption", sort=False):
        where = alt.X("strength:Q", title=words)
        high = alt.Y("value:Q", title="estimate", scale=alt.Scale(zero=False))
        drawn = part[part.estimate != "truth"].assign(kind=lambda d: d.estimate.map(kinds).fillna("identified"))
        truth = alt.Chart(part[part.estimate == "truth"]).mark_line(color=INK, strokeDash=[5, 4]).encode(where, high)
        base = alt.Chart(drawn, width=460, height=130).encode(where, colour)
        whiskers = base.mark_rule(strokeWidth=1.5).encode(alt.Y("low:Q"), alt.Y2("high:Q"))
        tip = tips(("estimate",), ("strength", "value", "low", "high"))
        points = base.mark_point(filled=True, size=50, opacity=1).encode(high, shape, tooltip=tip)
        panels.append(truth + base.mark_line().encode(high) + whiskers + points)
    return alt.vconcat(*panels, spacing=10).resolve_scale(color="shared", shape="shared")
