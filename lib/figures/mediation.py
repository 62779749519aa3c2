"""Charts of mediation: effects by kind of head, and the encoder's share of the lost recall."""

import altair as alt
import pandas as pd

from lib.figures import charts
from lib.figures.theme import GREY, INK, ORANGE, tips
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
