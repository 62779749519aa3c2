"""Charts of mediation: effects by kind of head, and the encoder's share of the lost recall."""

import altair as alt
import pandas as pd

from lib.figures import charts
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
