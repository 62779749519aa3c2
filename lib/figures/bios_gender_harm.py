"""Charts of gender in text: the plane of the two ratios, and what a smaller share does."""

import altair as alt
import numpy as np
import pandas as pd

from lib.figures import charts, theme
from lib.figures.theme import INK

REGIONS = (  # corner of the plane (x, y: low or high), words
    ("low", "high", "F called harmed"),
    ("high", "low", "M called harmed"),
    ("high", "high", "neither"),
    ("low", "low", "both: never in plug-in form"),
)


def points(pairs, ratio: float, cut: dict[str, int], occupations: tuple[str, ...]) -> pd.DataFrame:
    """Rows of ``plane`` from the two ratios, (1 + T, K, 2): of balanced encoders, then with each treated group cut.

    ratio: the share that is kept; cut: the code of its occupation by the name of a treated group.
    """
    arm = ["balanced", *(f"{name} cut to {ratio:g}" for name in cut)]
    words = np.full((len(arm), len(occupations)), "", object)
    words[range(1, len(arm)), list(cut.values())] = list(cut)
    df = charts.long(pairs[..., 0], arm=arm, occupation=occupations).rename(columns={"value": "f"})
    return df.assign(m=np.ravel(pairs[..., 1]), treated=words.ravel())


def plane(df: pd.DataFrame, side: int = 360) -> alt.LayerChart:
    """GRH(o, F) against GRH(o, M), with the four regions named; a click in the legend picks an arm.

    df: occupation, arm, f, m (the two ratios), treated (words: what was cut there, or "").
    """
    pick = alt.selection_point(name="pick", fields=["arm"], bind="legend")
    reach = max(0.01, 1.25 * float((df[["f", "m"]] - 1).abs().max(axis=None)))
    ends = {"low": 1 - reach, "high": 1 + reach}
    scale = alt.Scale(domain=[1 - reach, 1 + reach], nice=False)
    x, y = (alt.X("f:Q", title="GRH(o, F)", scale=scale), alt.Y("m:Q", title="GRH(o, M)", scale=scale))
    forbidden = pd.DataFrame([{"x": ends["low"], "x2": 1.0, "y": ends["low"], "y2": 1.0}])
    ground = alt.Chart(forbidden).mark_rect(color=INK, opacity=0.1, tooltip=None)
    layers = [ground.encode(alt.X("x:Q", scale=scale), alt.X2("x2:Q"), alt.Y("y:Q", scale=scale), alt.Y2("y2:Q"))]
    rule = alt.Chart(pd.DataFrame([{}])).mark_rule(color=INK, strokeDash=[4, 3])
    layers += [rule.encode(x=alt.datum(1.0)), rule.encode(y=alt.datum(1.0))]
    for across, up, words in REGIONS:
        at = pd.DataFrame([{"f": ends[across], "m": ends[up], "words": words}])
        align = {"align": "left" if across == "low" else "right", "dx": 5 if across == "low" else -5}
        text = alt.Chart(at).mark_text(color=INK, fontSize=11, dy=9 if up == "high" else -9, tooltip=None, **align)
        layers.append(text.encode(x, y, text="words:N"))
    legend = alt.Legend(orient="bottom", title="encoder", columns=1, labelLimit=0)
    points = alt.Chart(df, width=side, height=side).mark_point(filled=True, size=60)
    points = points.encode(
        x,
        y,
        *theme.series("arm", df.arm, legend),
        opacity=alt.condition(pick, alt.value(0.9), alt.value(0.1)),
        tooltip=theme.tips(("occupation", "arm", "treated"), ("f", "m")),
    ).add_params(pick)
    names = alt.Chart(df[df.treated != ""]).mark_text(color=INK, align="left", dx=8, fontSize=11, tooltip=None)
    return alt.layer(*layers, points, names.encode(x, y, text="occupation:N"))


def dose(df: pd.DataFrame, width: int = 215, height: int = 150) -> alt.ConcatChart:
    """Change of each measure against the share that is kept, with intervals, a panel a measure.

    df: measure, group (the treated one), share, value, low, high; at share 1, where nothing is cut, the change is 0.
    """
    df = pd.concat([df, df.assign(share=1.0, value=0.0, low=0.0, high=0.0).drop_duplicates()], ignore_index=True)
    groups, shares = list(dict.fromkeys(df.group)), sorted(df.share.unique())
    apart = {g: 1.06 ** (2 * i - len(groups) + 1) for i, g in enumerate(groups)}  # so that intervals do not overlie
    df = df.assign(place=[r.share * (apart[r.group] if r.share < 1 else 1) for r in df.itertuples()])
    colour, shape = theme.series("group", groups, alt.Legend(orient="top", title="cut"))
    axis = alt.X(
        "place:Q",
        title="share that is kept",
        scale=alt.Scale(type="log", domain=[shares[0] / 1.3, 1.3]),
        axis=alt.Axis(values=shares, format="~g"),
    )
    panels = []
    for name, part in df.groupby("measure", sort=False):
        base = alt.Chart(part, title=alt.Title(name, anchor="start", fontSize=12), width=width, height=height)
        base = base.encode(axis, color=colour)
        y = alt.Y("value:Q", title=None)
        tips = theme.tips(("group",), ("share", "value", "low", "high"), ".4f")
        rule = alt.Chart(part).mark_rule(color=INK, strokeDash=[4, 3]).encode(y=alt.datum(0))
        whisker = base.mark_rule(strokeWidth=1.5).encode(alt.Y("low:Q", title=None), alt.Y2("high:Q"))
        points = base.mark_point(filled=True, size=55).encode(y, shape, tooltip=tips)
        panels.append(rule + base.mark_line(opacity=0.5).encode(y) + whisker + points)
    return alt.concat(*panels, columns=2, spacing=14)
