"""Charts of mediation: effects beside the paper's, by kind of head, the encoder's share, the pathway, assumptions."""

import altair as alt
import numpy as np
import pandas as pd

from lib.figures import charts, matrices, sliders
from lib.figures.theme import BLUE, GREY, INK, LEGEND, ORANGE, series, tips
from lib.intervals import Estimate
from lib.studies.shared.arms import known_pairs
from lib.study import report

TEN = {  # the paper's panels of ten classes, of TE and of NIE, by figure
    "SimCLR, 1 %": "simclr_1pct",
    "SimCLR, 5 %": "simclr_5pct",
    "SimSiam, 1 %": "simsiam_1pct",
    "BCL, 1 %": "bcl_1pct",
}
SIX = {  # its panels of six classes, by effect and figure; of rNDE it prints the negative
    "TE": {
        "SimCLR, 1 %, six classes": "simclr_1pct_TE_6class.csv",
        "SimCLR, 5 %, six classes": "simclr_5pct_TE_6class.csv",
        "BCL, 1 %, six classes": "bcl_1pct_TE_6class.csv",
    },
    "NIE": {
        "SimCLR, 1 %, six classes": "simclr_1pct_NIE_6class.csv",
        "SimCLR, 5 %, six classes": "simclr_5pct_NIE_6class.csv",
        "BCL, 1 %, six classes": "bcl_1pct_NIE_6class.csv",
    },
    "rNDE": {
        "SimCLR, 1 %, six classes": "simclr_1pct_minus_rNDE_6class.csv",
        "SimCLR, 5 %, six classes": "simclr_5pct_minus_rNDE_6class.csv",
    },
}


def printed(effect: str) -> dict[str, pd.DataFrame]:
    """The paper's panels of an effect, by figure: row, column, value; none of NDE and rNIE."""
    found = {figure: report.matrix(config, effect) for figure, config in TEN.items() if effect in ("TE", "NIE")}
    sign = -1 if effect == "rNDE" else 1
    for figure, name in SIX.get(effect, {}).items():
        wide = sign * pd.read_csv(report.REPORTED / name, index_col=0)
        found[figure] = wide.rename_axis("row").reset_index().melt("row", var_name="column")
    return found


def elsewhere(panel: pd.DataFrame) -> tuple[dict[str, str], int]:
    """The classes whose most affected other class is not their look-alike, with that class; and how many have one.

    panel: row, column, value of a change of decisions; the most affected class has the largest change, of either sign.
    """
    wide = panel.pivot(index="row", columns="column", values="value")
    wide = wide[list(wide.index)].abs()
    most = wide.mask(np.eye(len(wide), dtype=bool)).idxmax(axis=1)
    pairs = [(wide.index[k], wide.index[j]) for k, j in known_pairs(tuple(wide.index))]
    return {k: most[k] for k, j in pairs if most[k] != j}, len(pairs)


def beside(published: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """What ``matrices.beside`` takes for one panel in which a reader chooses among the paper's: with ``figure``."""
    if not published:
        return {}
    parts = [cells.assign(figure=figure) for figure, cells in published.items()]
    return {", CIFAR-10": pd.concat(parts, ignore_index=True)}


def matrix(df: pd.DataFrame, classes: tuple[str, ...], effect: str) -> alt.ConcatChart:
    """The matrices of an effect; where the frame has ``figure``, buttons choose the panel of the paper."""
    chart = matrices.heatmaps(df, classes, effect)
    if "figure" not in df:
        return chart
    figures = list(df.figure.dropna().unique())
    paper = chart.concat[0].transform_filter("datum.figure === pick_figure")
    for layer in paper.layer:
        layer.title = alt.Title(alt.ExprRef("'paper: ' + pick_figure"), subtitle="CIFAR-10", anchor="start")
    chart.concat[0] = paper
    pick = sliders.buttons("pick_figure", "figure of the paper ", figures, figures[0])
    return sliders.controlled(chart, pick, hint="choose a figure of the paper; the other panels are SimCLR's")


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


CELLS = {"Y(0,0)": ("balanced", "balanced"), "Y(0,1)": ("balanced", "undersampled")}  # labels, encoder
CELLS |= {"Y(1,0)": ("undersampled", "balanced"), "Y(1,1)": ("undersampled", "undersampled")}
EFFECTS = {"Y(0,1)": "NIE", "Y(1,0)": "NDE", "Y(1,1)": "TE"}  # of a cell, as the change from Y(0,0)


def pathway(found: dict[str, dict[str, Estimate]]) -> tuple[alt.VConcatChart, pd.DataFrame]:
    """From images to a decision: a switch on the encoder, one on the labels, and the recall that each setting costs.

    found: by run, by effect (NIE, NDE, TE), the mean change of recall.  Returns the chart and the frame drawn.
    """
    zero = Estimate(0.0, 0.0, 0.0)
    rows = [
        (run, cell, *CELLS[cell], effects[EFFECTS[cell]] if cell in EFFECTS else zero)
        for run, effects in found.items()
        for cell in CELLS
    ]
    df = charts.estimates(rows, "run", "cell", "labels", "encoder")
    options = ["balanced", "undersampled"]
    picks = [
        alt.param(
            name=f"pick_{part}", value=options[part == "encoder"], bind=alt.binding_radio(options=options, name=name)
        )
        for part, name in (("encoder", "images of the encoder "), ("labels", "labels of the head "))
    ]
    run = alt.binding_radio(options=list(found), name="run ")
    picks.append(alt.param(name="pick_run", value=list(found)[-1], bind=run))
    return alt.vconcat(_boxes(), _cells(df), spacing=14).add_params(*picks), df


def _boxes() -> alt.LayerChart:
    parts = pd.DataFrame({"part": ["images", "encoder", "head", "decision"], "x": [0, 1, 2, 3]})
    scale = alt.Scale(domain=[-0.4, 3.4], nice=False)
    base = alt.Chart(parts, width=440, height=46).transform_calculate(
        left="datum.x - 0.36", right="datum.x + 0.36", next="datum.x + 0.5"
    )
    x, middle = alt.X("x:Q", axis=None, scale=scale), alt.YValue(23)
    cut = (
        "(datum.part == 'encoder' && pick_encoder == 'undersampled') || "
        "(datum.part == 'head' && pick_labels == 'undersampled')"
    )
    filled = alt.condition(cut, alt.value(ORANGE), alt.value("transparent"))
    box = base.mark_rect(stroke=INK, cornerRadius=4, tooltip=None)
    box = box.encode(
        alt.X("left:Q", axis=None, scale=scale), alt.X2("right:Q"), alt.YValue(5), alt.Y2Value(41), color=filled
    )
    name = base.mark_text(fontSize=13, tooltip=None).encode(x, middle, text="part:N")
    name = name.encode(color=alt.condition(cut, alt.value("#111"), alt.value(INK)))
    arrows = base.transform_filter("datum.x < 3").mark_text(text="→", fontSize=16, color=INK, tooltip=None)
    return box + name + arrows.encode(alt.X("next:Q", axis=None, scale=scale), middle)


def _cells(df: pd.DataFrame) -> alt.LayerChart:
    low, high = min(0.0, float(df.low.min())), max(0.0, float(df.high.max()))
    scale = alt.Scale(domain=[low - 0.05, high + 0.05], nice=False)
    base = alt.Chart(df, width=440, height=alt.Step(26)).transform_filter("datum.run == pick_run")
    base = base.encode(
        alt.X("value:Q", title="change of the undersampled class's recall from Y(0,0)", scale=scale),
        alt.Y("cell:N", title="Y(labels, encoder)", sort=list(CELLS)),
    )
    chosen = "datum.labels == pick_labels && datum.encoder == pick_encoder"
    colour = alt.condition(chosen, alt.value(ORANGE), alt.value(GREY))
    bar = base.mark_bar(height=12).encode(color=colour, tooltip=tips(("run", "cell"), ("value", "low", "high")))
    interval = base.mark_rule(color=INK, tooltip=None).encode(alt.X("low:Q"), alt.X2("high:Q"))
    text = base.transform_filter(chosen).mark_text(align="right", dx=-8, fontSize=13, color=INK, tooltip=None)
    return bar + interval + text.encode(alt.X("low:Q"), text=alt.Text("value:Q", format="+.3f"))


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
