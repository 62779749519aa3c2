"""Geometry in one picture: three classes on a circle, moved by α, τ and R from spread to collapse."""

import math

import altair as alt
import numpy as np
import pandas as pd
import torch

from lib.figures import sliders
from lib.figures.theme import BLUE, GREY, INK, ORANGE
from lib.geometry import collapse_threshold
from lib.strata import spread_limit, unequal

TAUS = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9)  # the places of the slider
ALPHAS = np.round(np.arange(0, 0.5001, 0.02), 2)  # from 0.5 on nothing changes: every class has collapsed
LOG2_RATIOS = np.arange(0, 7.01, 0.5)
START = {"alpha": 0.3, "tau": 0.5, "log2_ratio": 0.0}
CLASSES = (("majority", BLUE), ("minority 1", ORANGE), ("minority 2", ORANGE))
KEYS, LISTS = ("tau", "log2_ratio", "alpha"), ("majority", "minority", "angle")
FLAT = ["alpha", *LISTS]
COLLAPSES, SPREADS = "collapses at its own α*", "does not collapse"


def configurations() -> pd.DataFrame:
    """The optima of ``unequal.best``, a row each: tau, log2_ratio, alpha; b of majority and minorities; angle.

    At the places of the three sliders, and at R*.  Where the classes share one circle, the angle is that of the next
    larger α.
    """
    parts = []
    for tau, star in zip(TAUS, thresholds().ratio_star, strict=True):
        ratios = np.sort([*LOG2_RATIOS, np.log2(star).round(4)])
        found = unequal.best(2 ** torch.from_numpy(ratios)[:, None], tau, torch.from_numpy(ALPHAS))
        places = [grid.ravel() for grid in np.meshgrid(ratios, ALPHAS, indexing="ij")]
        values = [v.flatten().numpy().round(3) for v in (found.majority, found.minority, found.angle)]
        parts.append(pd.DataFrame(dict(zip((*KEYS[1:], *LISTS), [*places, *values], strict=True))).assign(tau=tau))
    df = pd.concat(parts, ignore_index=True)[[*KEYS, *LISTS]]
    df.loc[df.majority > 0.999, "angle"] = np.nan
    return df.assign(angle=df.groupby(list(KEYS[:2])).angle.bfill())


def thresholds() -> pd.DataFrame:
    """α* of equal classes and R* of collapsed ones at the places of the temperature's slider, a row a place."""
    star = spread_limit.limit_alpha(3)
    ratios = [collapse_threshold(2, tau, math.inf, "label_aware") for tau in TAUS]
    return pd.DataFrame({"place": range(len(TAUS)), "tau": TAUS, "alpha_star": star, "ratio_star": ratios})


def chart(df: pd.DataFrame, stars: pd.DataFrame, weights: pd.DataFrame, ratios: pd.DataFrame) -> alt.HConcatChart:
    """The circle, and beside it how far classes spread over α and how far the minorities stand apart over R.

    df: of ``configurations``; stars: of ``thresholds``; weights: published settings, name, tau, alpha, alpha_star (of
    each its own); ratios: published ratios of shares, name, ratio.
    """
    end = df[df.alpha == ALPHAS[-1]].assign(alpha=1.0)  # to which the lines go on
    wide = pd.concat([df, end]).groupby(list(KEYS[:2]), as_index=False)[FLAT].agg(list)
    pick = (
        sliders.slider("pick_alpha", "weight α", START["alpha"], (0, 1), 0.02),
        sliders.slider("pick_tau", "temperature τ", TAUS.index(START["tau"]), (0, len(TAUS) - 1)),
        sliders.slider("pick_ratio", "ratio of shares R", START["log2_ratio"], (0, LOG2_RATIOS[-1]), 0.5),
    )
    base = alt.Chart(wide).transform_filter(f"datum.tau == {list(TAUS)}[pick_tau]")
    panels = _spreads(base, stars), _strip_of_alpha(weights), _apart(base, stars), _strip_of_ratios(ratios)
    apart = dict.fromkeys(("color", "shape", "strokeDash"), "independent")
    beside = alt.vconcat(*panels, spacing=8).resolve_scale(**apart)
    hint = "raise α until the classes collapse; then go back to α = 0.3 and raise R until the minorities meet."
    says = {"pick_tau": {"words": [f"τ = {tau:g}" for tau in TAUS]}, "pick_ratio": {"base": 2}}
    both = alt.hconcat(_circle(base), beside, spacing=24).resolve_scale(**apart)
    return sliders.controlled(both, *pick, hint=hint, **says)


def _circle(base: alt.Chart) -> alt.LayerChart:
    """Arcs as wide as the angle of an image to its class's vector; the vectors are as long as the class's mean."""
    one = (
        base.transform_filter("datum.log2_ratio == pick_ratio")
        .transform_flatten(FLAT)
        .transform_filter("abs(datum.alpha - min(pick_alpha, 0.5)) < 0.005")
        .transform_calculate(big="acos(sqrt(1 - datum.majority))", small="acos(sqrt(1 - datum.minority))")
    )
    turn = np.linspace(0, 2 * np.pi, 101)
    ring = pd.DataFrame({"i": range(101), "x": np.cos(turn), "y": np.sin(turn)})
    layers = [alt.Chart(ring).mark_line(color=INK, opacity=0.25).encode(order="i:Q")]
    middles, widths = ("0", "datum.angle", "-datum.angle"), ("big", "small", "small")
    for i, ((name, colour), middle, width) in enumerate(zip(CLASSES, middles, widths, strict=True)):
        radius = 1 - 0.07 * i
        arc = (
            one.transform_calculate(s="sequence(-1, 1.01, 0.2)")
            .transform_flatten(["s"])
            .transform_calculate(turn=f"{middle} + datum.s * datum.{width}")
            .transform_calculate(x=f"{radius} * sin(datum.turn)", y=f"{radius} * cos(datum.turn)")
        )
        layers.append(arc.mark_line(color=colour, strokeWidth=6, opacity=0.35).encode(order="s:Q"))
        layers.append(arc.mark_point(color=colour, filled=True, size=34, opacity=1))
        long = f"sqrt(1 - datum.{'majority' if i == 0 else 'minority'})"
        vector = one.transform_calculate(x=f"{long} * sin({middle})", y=f"{long} * cos({middle})", zero="0")
        layers.append(vector.mark_rule(color=colour, strokeWidth=3).encode(x2="zero:Q", y2="zero:Q"))
        aside = f"{(0, 0.34, -0.34)[i]} * (datum.angle > 2.7)"  # the labels, where the minorities have met
        far = one.transform_calculate(x=f"1.28 * sin({middle}) + {aside}", y=f"1.14 * cos({middle})")
        layers.append(far.mark_text(text=name, color=INK, fontSize=12))
    degrees = "format({} * 57.2958, '.0f') + '°'"
    words = " + ".join(
        [
            "'image to its class:|majority ' + " + degrees.format("datum.big"),
            "', minority ' + " + degrees.format("datum.small"),
            "'|between minorities: ' + " + degrees.format("min(2 * datum.angle, 6.28319 - 2 * datum.angle)"),
        ]
    )
    said = one.transform_calculate(x="-1.55", y="1.62", words=words)
    layers.append(
        said.mark_text(color=INK, fontSize=12, align="left", baseline="top", lineBreak="|").encode(text="words:N")
    )
    scale = alt.Scale(domain=[-1.62, 1.62])
    axes = alt.X("x:Q", scale=scale, axis=None), alt.Y("y:Q", scale=scale, axis=None)
    return alt.layer(*layers).encode(*axes).properties(width=360, height=360)


def _spreads(base: alt.Chart, stars: pd.DataFrame) -> alt.LayerChart:
    x = alt.X("alpha:Q", title=None, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(labels=False, ticks=False))
    title = "image to its class"
    curves = (
        base.transform_filter("datum.log2_ratio == pick_ratio")
        .transform_flatten(FLAT)
        .transform_fold(["majority", "minority"], as_=["kind", "b"])
        .transform_calculate(degrees="acos(sqrt(1 - datum.b)) * 57.2958")
    )
    legend, kinds = alt.Legend(title=None, orient="top", symbolType="stroke", symbolSize=250), ["majority", "minority"]
    colour = alt.Color("kind:N", scale=alt.Scale(domain=kinds, range=[BLUE, ORANGE]), legend=legend)
    dash = alt.StrokeDash("kind:N", scale=alt.Scale(domain=kinds, range=[[1, 0], [6, 3]]), legend=legend)
    axis = alt.Axis(values=[0, 45, 90], labelExpr="datum.value + '°'")
    y = alt.Y("degrees:Q", title=title, scale=alt.Scale(domain=[0, 95]), axis=axis)
    line = curves.mark_line(strokeWidth=2.2).encode(x, y, colour, dash)
    here = curves.transform_filter("abs(datum.alpha - min(pick_alpha, 0.5)) < 0.005").transform_calculate(
        alpha="pick_alpha"
    )
    dots = here.mark_point(filled=True, size=80, opacity=1).encode(x, y, colour)
    return _rule(line + dots, stars, "alpha_star", "α*").properties(width=260, height=105)


def _strip_of_alpha(weights: pd.DataFrame) -> alt.LayerChart:
    """The published settings, a dot each; those at the slider's temperature are strong."""
    weights = weights.assign(
        kind=np.where(weights.alpha > weights.alpha_star, COLLAPSES, SPREADS),
        place=weights.groupby("alpha").cumcount(),
    )
    kinds = [COLLAPSES, SPREADS]
    legend = alt.Legend(title=None, orient="bottom", columns=1)
    near = f"abs(datum.tau - {list(TAUS)}[pick_tau]) < 0.05"
    dots = alt.Chart(weights, width=260, height=54).mark_point(filled=True, size=55)
    drawn = dots.encode(
        alt.X("alpha:Q", title="α, and the published ones", scale=alt.Scale(domain=[0, 1])),
        alt.Y("place:Q", axis=None, scale=alt.Scale(domain=[-0.6, 4.6])),
        alt.Color("kind:N", scale=alt.Scale(domain=kinds, range=["#aa4499", GREY]), legend=legend),
        alt.Shape("kind:N", scale=alt.Scale(domain=kinds, range=["square", "circle"]), legend=legend),
        opacity=alt.condition(near, alt.value(1), alt.value(0.4)),
        tooltip=["name:N", *(alt.Tooltip(f"{c}:Q", format=".3~f") for c in ("tau", "alpha", "alpha_star"))],
    )
    return alt.layer(drawn)


def _apart(base: alt.Chart, stars: pd.DataFrame) -> alt.LayerChart:
    x = alt.X("ratio:Q", title=None, scale=_ratios(), axis=alt.Axis(labels=False, ticks=False))
    curve = (
        base.transform_flatten(FLAT)
        .transform_filter("abs(datum.alpha - min(pick_alpha, 0.5)) < 0.005")
        .transform_calculate(
            ratio="pow(2, datum.log2_ratio)", degrees="min(2 * datum.angle, 6.28319 - 2 * datum.angle) * 57.2958"
        )
    )
    axis = alt.Axis(values=[0, 60, 120], labelExpr="datum.value + '°'")
    y = alt.Y("degrees:Q", title="between minorities", scale=alt.Scale(domain=[0, 125]), axis=axis)
    line = curve.mark_line(strokeWidth=2.2, color=ORANGE).encode(x, y)
    dot = curve.transform_filter("datum.log2_ratio == pick_ratio").mark_point(
        filled=True, size=80, color=ORANGE, opacity=1
    )
    return _rule(line + dot.encode(x, y), stars, "ratio_star", "R*").properties(width=260, height=105)


def _strip_of_ratios(ratios: pd.DataFrame) -> alt.LayerChart:
    axis = alt.Axis(values=[2**k for k in range(8)])
    where = alt.X("ratio:Q", title="R, and the published shares of a rare class", scale=_ratios(), axis=axis)
    base = alt.Chart(ratios, width=260, height=26).encode(where)
    dots = base.mark_point(filled=True, size=55, color=GREY, opacity=1).encode(tooltip=["name:N", "ratio:Q"])
    return dots + base.mark_text(color=INK, align="right", dx=-7, fontSize=11).encode(text="label:N")


def _ratios() -> alt.Scale:
    return alt.Scale(type="log", base=2, domain=[1, 2 ** LOG2_RATIOS[-1]], nice=False)


def _rule(drawn: alt.LayerChart, stars: pd.DataFrame, column: str, name: str) -> alt.LayerChart:
    """The chart with a dashed line at a threshold of the slider's temperature, and its name."""
    base = alt.Chart(stars).transform_filter("datum.place == pick_tau")
    rule = base.mark_rule(color=INK, strokeDash=[4, 3]).encode(x=f"{column}:Q")
    said = base.transform_calculate(words=f"'{name} = ' + format(datum.{column}, '.2~f')")
    text = said.mark_text(color=INK, align="left", dx=4, fontSize=12).encode(
        x=f"{column}:Q", y=alt.value(8), text="words:N"
    )
    return drawn + rule + text
