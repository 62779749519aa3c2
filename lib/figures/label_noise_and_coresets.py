"""Charts of the experiments on labels: accuracy with intervals at a few levels, a mark a method."""

import altair as alt
import numpy as np
import pandas as pd

from lib.figures.theme import COLOURS, INK, SHAPES
from lib.intervals import estimate


def frame(rows: list[tuple[str, str, str, np.ndarray]], x: str) -> pd.DataFrame:
    """The frame of ``levels`` from rows of panel, series, level in words, and one number a seed, (seeds,)."""
    found = [(*words, e.value, e.low, e.high) for *words, values in rows for e in [estimate(values)]]
    return pd.DataFrame(found, columns=["panel", "series", x, "value", "low", "high"])


def levels(
    df: pd.DataFrame, x: str, x_title: str, y_title: str, rule: tuple[float, str] | None = None, width: int = 240
) -> alt.HConcatChart:
    """Values with intervals at a few levels, a panel a ``panel``; a click in the legend picks a series.

    df: panel, series, the column ``x`` of words in order, value, low, high.  Series stand side by side at each level.
    rule: a dashed line at a value, with its name.
    """
    pick = alt.selection_point(name="series", fields=["series"], bind="legend")
    series, levels_ = list(dict.fromkeys(df.series)), list(dict.fromkeys(df[x]))
    colours = alt.Scale(domain=series, range=list(COLOURS[: len(series)]))
    shapes = alt.Scale(domain=series, range=list(SHAPES[: len(series)]))
    legend = alt.Legend(orient="bottom", columns=4, labelLimit=260, title=None)
    ends = [*df.value, *df.low.dropna(), *df.high.dropna(), *([rule[0]] if rule else [])]
    scale = alt.Scale(domain=[min(ends), min(1.0, max(ends))], zero=False, nice=True, clamp=True)
    tips = ["series:N", alt.Tooltip(f"{x}:N", title=x_title)]
    tips += [alt.Tooltip(f"{c}:Q", format=".3f") for c in ("value", "low", "high")]
    panels, below = [], f"dashed: {rule[1]}" if rule else ""
    for name, part in df.groupby("panel", sort=False):
        base = alt.Chart(
            part, title=alt.Title(str(name), subtitle=below, anchor="start"), width=width, height=230
        ).encode(
            alt.X(f"{x}:N", sort=levels_, title=x_title, axis=alt.Axis(labelAngle=0)),
            alt.XOffset("series:N", sort=series),
            alt.Color("series:N", scale=colours, legend=legend),
            opacity=alt.condition(pick, alt.value(1), alt.value(0.12)),
        )
        y = alt.Y("value:Q", title=y_title, scale=scale)
        whisker = base.mark_rule(strokeWidth=1.5).encode(alt.Y("low:Q", title=y_title, scale=scale), alt.Y2("high:Q"))
        dot = base.mark_point(filled=True, size=60, opacity=1)
        dot = dot.encode(y, alt.Shape("series:N", scale=shapes, legend=legend), tooltip=tips).add_params(pick)
        layers = [whisker, dot]
        if rule:
            layers.append(alt.Chart(part).mark_rule(color=INK, strokeDash=[4, 3]).encode(y=alt.datum(rule[0])))
        panels.append(alt.layer(*layers))
    return alt.hconcat(*panels, spacing=14).resolve_scale(color="shared", shape="shared")
