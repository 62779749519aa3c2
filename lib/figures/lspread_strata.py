"""Charts of L_spread: the phase diagram under a slider of temperatures, optima over α, measured tables, strata."""

import altair as alt
import pandas as pd

from lib.figures.charts import COLOURS, INK, SHAPES


def phase(df: pd.DataFrame, settings: pd.DataFrame, width: int = 480) -> alt.LayerChart:
    """α* over the negatives of an anchor, a line a number of classes; a slider moves the temperature.

    df: classes (text), step (0, 1, … the slider's places), tau, negatives, alpha_star.  settings: rings, of the paper,
    shown at their own temperature: name, step, tau, negatives, alpha, alpha_star, classes.
    """
    taus = df.groupby("step").tau.first()
    slider = alt.binding_range(min=0, max=int(df.step.max()), step=1, name="temperature, in steps ")
    start = int((taus - 0.5).abs().idxmin())
    pick = alt.param(name="pick_tau", value=start, bind=slider)
    groups = list(dict.fromkeys(df.classes))
    colours = alt.Scale(domain=groups, range=list(COLOURS[: len(groups)]))
    shapes = alt.Scale(domain=groups, range=list(SHAPES[: len(groups)]))
    legend = alt.Legend(orient="bottom", title="classes K", columns=5)
    x = alt.X(
        "negatives:Q",
        title="negative views of an anchor",
        scale=alt.Scale(type="log", base=2, nice=False),
        axis=alt.Axis(format=",d", labelFlush=False),
    )
    y = alt.Y("alpha_star:Q", title="α", scale=alt.Scale(domain=[0, 1]))
    base = alt.Chart(df, width=width, height=320).transform_filter("datum.step == pick_tau")
    tips = ["classes:N", "negatives:Q", alt.Tooltip("tau:Q", format=".2f"), alt.Tooltip("alpha_star:Q", format=".3f")]
    line = base.mark_line(strokeWidth=2).encode(x, y, alt.Color("classes:N", scale=colours, legend=legend))
    dots = base.mark_point(filled=True, size=30, opacity=1).encode(
        x,
        y,
        alt.Color("classes:N", scale=colours, legend=legend),
        alt.Shape("classes:N", scale=shapes, legend=legend),
        tooltip=tips,
    )
    words = base.transform_aggregate(tau="min(tau)").transform_calculate(words="'τ = ' + format(datum.tau, '.2f')")
    words = words.mark_text(color=INK, fontSize=14, align="right").encode(
        text="words:N", x=alt.value(width - 8), y=alt.value(14)
    )
    note = base.transform_aggregate(n="count()").mark_text(color=INK, fontSize=12, align="right")
    note = note.encode(text=alt.value("above its line: collapse"), x=alt.value(width - 8), y=alt.value(32))
    mine = alt.Chart(settings).transform_filter("datum.step == pick_tau")
    about = [
        "name:N",
        "classes:N",
        "negatives:Q",
        *(alt.Tooltip(f"{c}:Q", format=".3f") for c in ("alpha", "alpha_star")),
    ]
    rings = mine.mark_point(shape="circle", size=170, filled=False, opacity=1, strokeWidth=3).encode(
        x, alt.Y("alpha:Q"), alt.Color("classes:N", scale=colours, legend=legend), tooltip=about
    )
    return (line + dots + words + note + rings).add_params(pick)


def optima(lines: pd.DataFrame, dots: pd.DataFrame, x: str, x_title: str, width: int = 150) -> alt.HConcatChart:
    """Cosine within classes over α, exact optima as lines, dots on or beside them, a panel a case.

    lines, dots: panel, what, the column ``x``, cosine.  rule, where lines have it: a dashed vertical line.  A single
    line is drawn in ink, so that the dots have the colours.
    """
    groups = list(dict.fromkeys(pd.concat([lines, dots]).what))
    palette = COLOURS if lines.what.nunique() > 1 else (INK, *COLOURS)
    legend = alt.Legend(orient="bottom", title=None, labelLimit=320, columns=2)
    colours = alt.Scale(domain=groups, range=list(palette[: len(groups)]))
    shapes = alt.Scale(domain=groups, range=[SHAPES[i % len(SHAPES)] for i in range(len(groups))])
    ends = alt.Scale(nice=False, domain=[float(lines[x].min()), float(lines[x].max())])
    where = alt.X(f"{x}:Q", title=x_title, scale=ends)
    low = min(-0.2, float(lines.cosine.min()))
    high = alt.Y("cosine:Q", title="cosine within classes", scale=alt.Scale(domain=[low, 1.05], nice=False))
    colour = alt.Color("what:N", scale=colours, legend=legend)
    tips = ["what:N", alt.Tooltip(f"{x}:Q", format=".3f"), alt.Tooltip("cosine:Q", format=".4f")]
    blocks = []
    for name, part in lines.groupby("panel", sort=False):
        base = alt.Chart(part, title=str(name), width=width, height=230)
        layers = [base.mark_line(strokeWidth=2, clip=True).encode(where, high, colour, tooltip=tips)]
        if "rule" in part:
            layers.append(base.mark_rule(color=INK, strokeDash=[4, 3]).encode(alt.X("mean(rule):Q", title=x_title)))
        points = alt.Chart(dots[dots.panel == name]).mark_point(filled=True, size=45, opacity=0.85)
        shape = alt.Shape("what:N", scale=shapes, legend=legend)
        layers.append(points.encode(where, high, colour, shape, tooltip=tips))
        blocks.append(alt.layer(*layers))
    return alt.hconcat(*blocks, spacing=14).resolve_scale(color="shared", shape="shared")


def measured(df: pd.DataFrame, order: list[str], width: int = 420) -> alt.VConcatChart:
    """A number of every arm with its interval, by source (reported, recorded, this run), one block a quantity.

    df: quantity, arm, source, value, low, high (NaN: no interval).  Hovering a dot strengthens its source.
    """
    sources = list(dict.fromkeys(df.source))
    hover = alt.selection_point(name="source", fields=["source"], on="pointerover", clear="pointerout")
    legend = alt.Legend(orient="bottom", title=None, labelLimit=420, columns=1)
    colour = alt.Color("source:N", scale=alt.Scale(domain=sources, range=list(COLOURS[: len(sources)])), legend=legend)
    shape = alt.Shape("source:N", scale=alt.Scale(domain=sources, range=list(SHAPES[: len(sources)])), legend=legend)
    tips = ["arm:N", "source:N", *(alt.Tooltip(f"{c}:Q", format=".3f") for c in ("value", "low", "high"))]
    blocks = []
    for name, part in df.groupby("quantity", sort=False):
        here = [arm for arm in order if arm in set(part.arm)]
        base = alt.Chart(part, title=alt.Title(str(name), anchor="start"), width=width, height=alt.Step(26)).encode(
            alt.Y("arm:N", sort=here, title=None),
            alt.YOffset("source:N", sort=sources),
            color=colour,
            opacity=alt.condition(hover, alt.value(1), alt.value(0.2)),
        )
        whisker = base.mark_rule(strokeWidth=1.5).encode(alt.X("low:Q", title=None), alt.X2("high:Q"))
        dot = base.mark_point(filled=True, size=60).encode(
            alt.X("value:Q", title=None, scale=alt.Scale(zero=False)), shape, tooltip=tips
        )
        blocks.append(whisker + dot.add_params(hover))
    return alt.vconcat(*blocks, spacing=10)


def strata(df: pd.DataFrame, x_title: str, width: int = 330) -> alt.LayerChart:
    """Mean cosine of a stratum to the centre of its class over its size, a line a loss; the legend picks a loss.

    df: loss, size, value, low, high.
    """
    pick = alt.selection_point(name="pick", fields=["loss"], bind="legend")
    losses = list(dict.fromkeys(df.loss))
    colour = alt.Color(
        "loss:N", scale=alt.Scale(domain=losses, range=list(COLOURS[: len(losses)])), legend=alt.Legend(title=None)
    )
    shape = alt.Shape("loss:N", scale=alt.Scale(domain=losses, range=list(SHAPES[: len(losses)])), title=None)
    base = alt.Chart(df, width=width, height=270).encode(
        alt.X(
            "size:Q",
            title=x_title,
            scale=alt.Scale(type="log", padding=12),
            axis=alt.Axis(format="~s", values=sorted(set(df["size"]))),
        ),
        opacity=alt.condition(pick, alt.value(1), alt.value(0.1)),
        color=colour,
    )
    title = "mean cosine to the centre of the class"
    whisker = base.mark_rule().encode(alt.Y("low:Q", title=title), alt.Y2("high:Q"))
    y = alt.Y("value:Q", title=title, scale=alt.Scale(zero=False))
    tips = ["loss:N", "size:Q", *(alt.Tooltip(f"{c}:Q", format=".3f") for c in ("value", "low", "high"))]
    return (
        whisker
        + base.mark_line().encode(y)
        + base.mark_point(filled=True, size=60).encode(y, shape, tooltip=tips).add_params(pick)
    )
