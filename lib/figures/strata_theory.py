"""Charts of the theory of L_spread: limits under a slider, subsamples under two, bounds broken, weights that grow."""

import altair as alt
import numpy as np
import pandas as pd

from lib.figures import sliders
from lib.figures.theme import BLUE, COLOURS, GREY, INK, ORANGE, series, tips
from lib.strata import spread_limit
from lib.strata.spread_limit import Classes
from lib.studies.strata_theory import HELD

PARTS = ("L_align", "L_uniform", "L_neg")


def pulls(tau: float, dim: int = 8) -> pd.DataFrame:
    """What ``tug`` draws: the expectations behind the three limits over the spread b, for 2, 4 and 10 classes."""
    rows = []
    for c in (Classes(k, dim, b) for k in (2, 4, 10) for b in np.linspace(0, 1, 101).tolist()):
        half, (same, _) = spread_limit.terms(c, tau, 0.5), c.cosines
        rows.append((f"{c.number}", c.spread, same / tau, (same + c.spread) / tau, 2 * half.uniform, 2 * half.neg))
    return pd.DataFrame(rows, columns=["classes", "b", "align", "view", "same", "other"]).round(6)


def passages(dim: int = 8) -> pd.DataFrame:
    """What ``best`` draws: the best spread over alpha, for three temperatures and 2, 4 and 10 classes."""
    rows = [
        (f"τ = {tau:g}", f"{k}", alpha, spread_limit.best_spread(k, dim, tau, alpha), spread_limit.limit_alpha(k))
        for tau in (0.1, 0.5, 1.0)
        for k in (2, 4, 10)
        for alpha in np.unique([*np.linspace(0, 0.6, 121), spread_limit.limit_alpha(k)]).tolist()
    ]
    return pd.DataFrame(rows, columns=["panel", "classes", "alpha", "b", "threshold"]).round(6)


def tug(df: pd.DataFrame, alpha: float) -> alt.VConcatChart:
    """The three limits over the spread of classes, and their sum; a slider moves alpha, buttons the number of classes.

    df: classes (text), b (evenly spaced), and the expectations align (of a positive), view (of the augmentation),
    same and other (log-means over positives and negatives), all over tau.  alpha: the slider's start.
    """
    many = list(dict.fromkeys(df.classes))
    slide = sliders.slider("pick_alpha", "weight α", alpha, (0, 1), 0.01)
    pick = sliders.buttons("pick_classes", "classes K", many, many[min(1, len(many) - 1)])
    base = (
        alt.Chart(df, width=440)
        .transform_filter("datum.classes == pick_classes")
        .transform_calculate(
            L_align="-(pick_alpha * datum.align + (1 - pick_alpha) * datum.view)",
            L_uniform="(1 - pick_alpha) * datum.same",
            L_neg="pick_alpha * datum.other",
        )
        .transform_calculate(total="datum.L_align + datum.L_uniform + datum.L_neg")
    )
    lines = (
        base.properties(height=190)
        .transform_fold(list(PARTS), as_=["part", "value"])
        .mark_line(strokeWidth=2.2)
        .encode(
            alt.X("b:Q", title=None, axis=alt.Axis(labels=False)),
            alt.Y("value:Q", title="limit", scale=alt.Scale(zero=False)),
            *_lines(
                "part",
                PARTS,
                COLOURS[:3],
                [[6, 3], [2, 2], [8, 3, 2, 3]],
                alt.Legend(orient="top", title=None, symbolSize=250),
            ),
            tooltip=["part:N", alt.Tooltip("b:Q", format=".2f"), alt.Tooltip("value:Q", format=".4f")],
        )
    )
    where = alt.X("b:Q", title="spread b (0: classes collapse, 1: classes share a sphere)")
    high = alt.Y("total:Q", title="sum", scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=4))
    about = [alt.Tooltip("b:Q", format=".2f"), alt.Tooltip("total:Q", title="sum", format=".4f")]
    line = base.properties(height=110).mark_line(strokeWidth=2.2, color=ORANGE).encode(where, high, tooltip=about)
    least = base.transform_joinaggregate(low="min(total)").transform_filter("datum.total <= datum.low + 1e-12")
    dot = least.mark_point(filled=True, size=110, color=ORANGE, opacity=1).encode(where, high)
    words = (
        least.transform_calculate(words="'lowest at b = ' + format(datum.b, '.2f')")
        .mark_text(color=INK, align="center", fontSize=12)
        .encode(text="words:N", x=alt.value(220), y=alt.value(10))
    )
    hint = "raise α slowly and see at which value the lowest point of the sum reaches b = 0."
    return sliders.controlled(alt.vconcat(lines, line + dot + words, spacing=8), slide, pick, hint=hint)


def best(df: pd.DataFrame) -> alt.FacetChart:
    """The best spread over alpha, a line a number of classes, a panel a temperature; dots: where collapse begins.

    df: panel, classes (text), alpha, b, and threshold (the alpha at which b reaches 0).
    """
    colour, shape = series("classes", df.classes, alt.Legend(orient="bottom", title="classes K"))
    base = alt.Chart(df, width=170, height=210)
    line = base.mark_line(strokeWidth=2.2).encode(
        alt.X("alpha:Q", title="α"),
        alt.Y("b:Q", title="best spread b"),
        colour,
        tooltip=tips(("classes",), ("alpha", "b")),
    )
    ends = base.transform_aggregate(alpha="min(threshold)", groupby=["classes", "panel"]).transform_calculate(b="0")
    ends = ends.mark_point(filled=True, size=70, opacity=1).encode(x="alpha:Q", y="b:Q", color=colour, shape=shape)
    return (line + ends).facet(alt.Facet("panel:N", title=None, sort=list(dict.fromkeys(df.panel))), columns=3)


def held(df: pd.DataFrame, p: float, q: float) -> alt.LayerChart:
    """What n draws hold of two strata, computed in the page; sliders move the probabilities of z and of z′.

    df: n, whole and rising.  p, q: where the sliders start.
    """
    params = [
        sliders.slider(f"pick_{v}", f"probability {v} of {of}", round(float(np.log10(start)), 2), (-4, -0.31), 0.01)
        for v, start, of in (("p", p, "z"), ("q", q, "z′"))
    ]
    chance = {"p": "pow(10, pick_p)", "q": "pow(10, pick_q)"}
    none, no_p, no_q = f"(1 - {chance['p']} - {chance['q']})", f"(1 - {chance['p']})", f"(1 - {chance['q']})"
    base = alt.Chart(df, width=460, height=280).transform_calculate(
        neither=f"pow({none}, datum.n)",
        a=f"pow({no_q}, datum.n) - pow({none}, datum.n)",
        b=f"pow({no_p}, datum.n) - pow({none}, datum.n)",
    )
    where = alt.X(
        "n:Q",
        title="draws n",
        scale=alt.Scale(type="log", domain=[float(df.n.min()), float(df.n.max())], nice=False),
        axis=alt.Axis(values=[10**k for k in range(6)], format="~s"),
    )
    legend = alt.Legend(orient="bottom", title="the sample holds", symbolSize=250)
    lines = (
        base.transform_calculate(both="1 - datum.neither - datum.a - datum.b")
        .transform_calculate(**{"only z": "datum.a", "only z′": "datum.b"})
        .transform_fold(list(HELD), as_=["held", "value"])
        .mark_line(strokeWidth=2.2)
        .encode(
            where,
            alt.Y("value:Q", title="probability", scale=alt.Scale(domain=[0, 1])),
            *_lines("held", HELD, (BLUE, ORANGE, COLOURS[2], GREY), [[1, 0], [1, 0], [6, 3], [2, 2]], legend),
            tooltip=["held:N", "n:Q", alt.Tooltip("value:Q", format=".4f")],
        )
    )
    peak = f"log(log({none}) / log({no_q})) / log({no_q} / {none})"
    one = alt.Chart(pd.DataFrame({"one": [1]})).transform_calculate(star=peak)
    rule = one.mark_rule(color=ORANGE, strokeDash=[3, 3]).encode(alt.X("star:Q"))
    text = f"'p = ' + format({chance['p']}, '.2~g') + ', q = ' + format({chance['q']}, '.2~g')"
    text += " + '|only z likeliest at n* = ' + format(datum.star, '.1f')"
    words = (
        one.transform_calculate(words=text)
        .mark_text(color=INK, align="left", fontSize=12, lineBreak="|")
        .encode(text="words:N", x=alt.value(6), y=alt.value(-22))
    )
    hint = "make z′ ten times rarer than z and see for how many draws a sample holds z alone."
    says = {"pick_p": {"base": 10}, "pick_q": {"base": 10}}
    return sliders.controlled(lines + rule + words, *params, hint=hint, **says)


def distances(df: pd.DataFrame) -> alt.FacetChart:
    """Distance of the means of two strata over the share of the data trained on, a line a kind of pair, a panel a loss.

    df: panel, kind (words), share, value, low, high.
    """
    colour, shape = series("kind", df.kind, alt.Legend(orient="bottom", title="strata of the pair"))
    axis = alt.Axis(format="~%", values=sorted(set(df.share)), labelFlush=False)
    scale = alt.Scale(type="log", nice=False, padding=16)
    where = alt.X("share:Q", title="share of the data trained on", scale=scale, axis=axis)
    base, title = alt.Chart(df, width=230, height=240).encode(where, colour), "distance of the means"
    bars = base.mark_rule(strokeWidth=1.5).encode(alt.Y("low:Q", title=title), alt.Y2("high:Q"))
    y, about = alt.Y("value:Q", title=title), tips(("kind",), ("share", "value", "low", "high"))
    dots = base.mark_point(filled=True, size=50, opacity=1).encode(y, shape, tooltip=about)
    layers = bars + base.mark_line(opacity=0.6).encode(y) + dots
    return layers.facet(alt.Facet("panel:N", title=None, sort=list(dict.fromkeys(df.panel))), columns=2)


def ends_of(df: pd.DataFrame) -> str:
    """Where the lines of ``distances`` begin and end, in words; df: of one panel."""
    ends = {kind: part.value for kind, part in df.groupby("kind", sort=False)}
    return ", ".join(f"{kind} {v.iloc[0]:.2f} to {v.iloc[-1]:.2f}" for kind, v in ends.items())


def excess(df: pd.DataFrame) -> alt.HConcatChart:
    """By how much a loss is above its bound, a dot a trial, a panel a lemma; right of 0 the bound is broken.

    df: panel, group (words, in order), excess, multiplier (the smallest that suffices), kind (words).
    """
    colour, shape = series("kind", df.kind, alt.Legend(orient="bottom", title=None, labelLimit=300))
    x = alt.X(
        "excess:Q", title="loss minus bound", axis=alt.Axis(tickCount=4, format="~g"), scale=alt.Scale(padding=12)
    )
    about = ["group:N", alt.Tooltip("excess:Q", format=".2e"), alt.Tooltip("multiplier:Q", format=".4f")]
    panels = []
    for i, (name, part) in enumerate(df.groupby("panel", sort=False)):
        labels = alt.Axis(labels=i == 0, ticks=False, labelLimit=260, labelPadding=10)
        y = alt.Y("group:N", sort=list(dict.fromkeys(df.group)), title=None, axis=labels)
        base = alt.Chart(part, title=alt.Title(str(name), anchor="start"), width=200, height=alt.Step(21))
        dots = base.mark_point(filled=True, size=34, opacity=0.6).encode(x, y, colour, shape, tooltip=about)
        panels.append(alt.Chart(part).mark_rule(color=INK, strokeDash=[4, 3]).encode(x=alt.datum(0)) + dots)
    return alt.hconcat(*panels, spacing=12)


def corrected(df: pd.DataFrame, truth: float) -> alt.HConcatChart:
    """Left: the mean loss over the share of right labels, plain and corrected, with three standard errors, and the
    truth; right: the standard deviation of one triplet.

    df: loss (words), p, mean, low, high, sd.
    """
    colour, shape = series("loss", df.loss, alt.Legend(orient="bottom", title=None), (ORANGE, BLUE))
    where = alt.X("p:Q", title="share of right labels p", scale=alt.Scale(zero=False, padding=12))
    base = alt.Chart(df, width=225, height=250).encode(where, colour)
    about = tips(("loss",), ("p", "mean", "low", "high", "sd"))
    bars = base.mark_rule(strokeWidth=1.5).encode(alt.Y("low:Q", title="mean loss"), alt.Y2("high:Q"))
    dots = base.mark_point(filled=True, size=50, opacity=1)
    means = dots.encode(alt.Y("mean:Q", title="mean loss", scale=alt.Scale(zero=False)), shape, tooltip=about)
    line = alt.Chart(df).mark_rule(color=INK, strokeDash=[4, 3]).encode(y=alt.datum(truth))
    high = alt.Y("sd:Q", title="standard deviation of a triplet", scale=alt.Scale(type="log"))
    right = base.mark_line(opacity=0.6).encode(high) + dots.encode(high, shape, tooltip=about)
    return alt.hconcat(line + bars + means, right, spacing=22)


def growth(df: pd.DataFrame) -> alt.FacetChart:
    """Quantities that grow with the number of points, on a logarithmic scale, a line a share of right labels.

    df: panel, p (text), m, value, bound (dashed: the power it is held against).
    """
    colour, shape = series("p", df.p, alt.Legend(orient="bottom", title="right labels p"))
    scale, axis = alt.Scale(type="log"), alt.Axis(format="~e", tickCount=6)
    base = alt.Chart(df, width=170, height=250).encode(alt.X("m:Q", title="points m", axis=alt.Axis(tickMinStep=1)))
    dashed = base.mark_line(strokeDash=[4, 3], opacity=0.8).encode(alt.Y("bound:Q", scale=scale), colour)
    y, about = alt.Y("value:Q", title=None, scale=scale, axis=axis), tips(("p",), ("m", "value", "bound"), ".4g")
    dots = base.mark_point(filled=True, size=50, opacity=1).encode(y, colour, shape, tooltip=about)
    return (dashed + dots).facet(alt.Facet("panel:N", title=None, sort=list(dict.fromkeys(df.panel))), columns=3)


def _lines(field: str, names: tuple[str, ...], colours, dashes, legend: alt.Legend) -> tuple[alt.Color, alt.StrokeDash]:
    """Colour and dashes of lines with these names, in one legend."""
    return (
        alt.Color(f"{field}:N", scale=alt.Scale(domain=list(names), range=list(colours)), legend=legend),
        alt.StrokeDash(f"{field}:N", scale=alt.Scale(domain=list(names), range=dashes), legend=legend),
    )
