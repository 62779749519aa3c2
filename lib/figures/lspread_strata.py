"""Charts of L_spread: the phase diagram under a slider of temperatures, optima over α, measured tables, strata."""

import altair as alt
import numpy as np
import pandas as pd
import torch

from lib import intervals
from lib.figures import sliders
from lib.figures.theme import COLOURS, INK, series, tips
from lib.strata import gaussian, measures
from lib.strata.collapse import collapse_alpha

TAUS = np.round(np.arange(0.1, 1.0001, 0.05), 2)  # the places of the slider
ENDS = ("value", "low", "high")


def diagram(settings: pd.DataFrame) -> pd.DataFrame:
    """What ``phase`` draws: the large-sample α* over the negatives of an anchor, and the settings of a paper.

    settings: name, classes (text), tau, negatives, alpha, alpha_star.  Rows of lines have no name; step: the place of
    tau on the slider.
    """
    negatives = 2.0 ** torch.arange(0, 17)
    lines = [
        {
            "classes": str(k),
            "step": i,
            "tau": tau,
            "negatives": negatives,
            "alpha_star": collapse_alpha(k, negatives, tau),
        }
        for k in (2, 4, 10, 20, 100)
        for i, tau in enumerate(TAUS.tolist())
    ]
    rings = settings.assign(step=[int(np.abs(TAUS - t).argmin()) for t in settings.tau])
    return pd.concat([*(pd.DataFrame(line) for line in lines), rings], ignore_index=True)


def phase(df: pd.DataFrame, width: int = 480) -> alt.LayerChart:
    """α* over the negatives of an anchor, a line a number of classes; a slider moves the temperature.

    df: as ``diagram`` makes it; rows with a name are rings, drawn at their own temperature.
    """
    lines, settings = df[df.name.isna()], df[df.name.notna()]
    start = int(np.abs(TAUS - 0.5).argmin())
    pick = sliders.slider("pick_tau", "temperature τ", start, (0, len(TAUS) - 1))
    colour, shape = series("classes", lines.classes, alt.Legend(orient="bottom", title="classes K", columns=5))
    x = alt.X(
        "negatives:Q",
        title="negative views of an anchor",
        scale=alt.Scale(type="log", base=2, nice=False),
        axis=alt.Axis(format=",d", labelFlush=False),
    )
    y = alt.Y("alpha_star:Q", title="α", scale=alt.Scale(domain=[0, 1]))
    base = alt.Chart(lines, width=width, height=320).transform_filter("datum.step == pick_tau")
    line = base.mark_line(strokeWidth=2).encode(x, y, colour)
    about = ["classes:N", "negatives:Q", alt.Tooltip("tau:Q", format=".2f"), alt.Tooltip("alpha_star:Q", format=".3f")]
    dots = base.mark_point(filled=True, size=30, opacity=1).encode(x, y, colour, shape, tooltip=about)
    words = (
        base.transform_aggregate(tau="min(tau)")
        .transform_calculate(words="'τ = ' + format(datum.tau, '.2f')")
        .mark_text(color=INK, fontSize=14, align="right")
        .encode(text="words:N", x=alt.value(width - 8), y=alt.value(14))
    )
    note = (
        base.transform_aggregate(n="count()")
        .mark_text(color=INK, fontSize=12, align="right")
        .encode(text=alt.value("above its line: collapse"), x=alt.value(width - 8), y=alt.value(32))
    )
    rings = (
        alt.Chart(settings)
        .transform_filter("datum.step == pick_tau")
        .mark_point(shape="circle", size=170, filled=False, opacity=1, strokeWidth=3)
        .encode(x, alt.Y("alpha:Q"), colour, tooltip=tips(("name", "classes"), ("negatives", "alpha", "alpha_star")))
    )
    drawn, places = line + dots + words + note + rings, [f"τ = {tau:.2f}" for tau in TAUS]
    hint = "lower τ to 0.10 and see which of the paper's settings, the rings, lie above the line of their colour."
    return sliders.controlled(drawn, pick, pick_tau={"words": places}, hint=hint)


def optima(lines: pd.DataFrame, dots: pd.DataFrame, x: str, x_title: str, width: int = 150) -> alt.HConcatChart:
    """Cosine within classes over α, exact optima as lines, dots on or beside them, a panel a case.

    lines, dots: panel, what, the column ``x``, cosine.  rule, where lines have it: a dashed vertical line.  A single
    line is drawn in ink, so that the dots have the colours.
    """
    palette = COLOURS if lines.what.nunique() > 1 else (INK, *COLOURS)
    legend = alt.Legend(orient="bottom", title=None, labelLimit=320, columns=2)
    colour, shape = series("what", [*lines.what, *dots.what], legend, palette)
    where = alt.X(f"{x}:Q", title=x_title, scale=alt.Scale(nice=False, domain=[lines[x].min(), lines[x].max()]))
    scale = alt.Scale(domain=[min(-0.2, lines.cosine.min()), 1.05], nice=False)
    high = alt.Y("cosine:Q", title="cosine within classes", scale=scale)
    about = ["what:N", alt.Tooltip(f"{x}:Q", format=".3f"), alt.Tooltip("cosine:Q", format=".4f")]
    blocks = []
    for name, part in lines.groupby("panel", sort=False):
        base = alt.Chart(part, title=str(name), width=width, height=230)
        layers = [base.mark_line(strokeWidth=2, clip=True).encode(where, high, colour, tooltip=about)]
        if "rule" in part:
            layers.append(base.mark_rule(color=INK, strokeDash=[4, 3]).encode(alt.X("mean(rule):Q", title=x_title)))
        points = alt.Chart(dots[dots.panel == name]).mark_point(filled=True, size=45, opacity=0.85)
        blocks.append(alt.layer(*layers, points.encode(where, high, colour, shape, tooltip=about)))
    return alt.hconcat(*blocks, spacing=14).resolve_scale(color="shared", shape="shared")


def measured(df: pd.DataFrame, order: list[str], width: int = 420) -> alt.VConcatChart:
    """A number of every arm with its interval, by source (reported, recorded, this run), one block a quantity.

    df: quantity, arm, source, value, low, high (NaN: no interval).  Hovering a dot strengthens its source.
    """
    hover = alt.selection_point(name="source", fields=["source"], on="pointerover", clear="pointerout")
    colour, shape = series("source", df.source, alt.Legend(orient="bottom", title=None, labelLimit=420, columns=1))
    blocks = []
    for name, part in df.groupby("quantity", sort=False):
        here = [arm for arm in order if arm in set(part.arm)]
        base = alt.Chart(part, title=alt.Title(str(name), anchor="start"), width=width, height=alt.Step(26)).encode(
            alt.Y("arm:N", sort=here, title=None),
            alt.YOffset("source:N", sort=list(dict.fromkeys(df.source))),
            color=colour,
            opacity=alt.condition(hover, alt.value(1), alt.value(0.2)),
        )
        whisker = base.mark_rule(strokeWidth=1.5).encode(alt.X("low:Q", title=None), alt.X2("high:Q"))
        x, about = alt.X("value:Q", title=None, scale=alt.Scale(zero=False)), tips(("arm", "source"), ENDS)
        blocks.append(whisker + base.mark_point(filled=True, size=60).encode(x, shape, tooltip=about).add_params(hover))
    return alt.vconcat(*blocks, spacing=10)


def strata(df: pd.DataFrame, x_title: str, width: int = 330) -> alt.LayerChart:
    """Mean cosine of a stratum to the centre of its class over its size, a line a loss; the legend picks a loss.

    df: loss, size, value, low, high.
    """
    pick = alt.selection_point(name="pick", fields=["loss"], bind="legend")
    colour, shape = series("loss", df.loss, alt.Legend(title=None))
    axis = alt.Axis(format="~s", values=sorted(set(df["size"])))
    base = alt.Chart(df, width=width, height=270).encode(
        alt.X("size:Q", title=x_title, scale=alt.Scale(type="log", padding=12), axis=axis),
        opacity=alt.condition(pick, alt.value(1), alt.value(0.1)),
        color=colour,
    )
    title = "mean cosine to the centre of the class"
    whisker = base.mark_rule().encode(alt.Y("low:Q", title=title), alt.Y2("high:Q"))
    y = alt.Y("value:Q", title=title, scale=alt.Scale(zero=False))
    dots = base.mark_point(filled=True, size=60).encode(y, shape, tooltip=tips(("loss", "size"), ENDS))
    return whisker + base.mark_line().encode(y) + dots.add_params(pick)


def by_size(cosine: torch.Tensor, losses: list[str], sizes: tuple[int, ...] = gaussian.SIZES) -> pd.DataFrame:
    """What ``strata`` draws of cosines (losses, seeds, strata): means over the strata of one size, with intervals."""
    alone = cosine.unflatten(-1, (gaussian.CLASSES, -1)).mean(-2)  # (losses, seeds, strata of a class)
    rows = [
        (loss, size, *map(float, intervals.over_seeds(part[:, torch.tensor(sizes) == size].mean(1))))
        for loss, part in zip(losses, alone, strict=True)
        for size in sorted(set(sizes))
    ]
    return pd.DataFrame(rows, columns=["loss", "size", *ENDS])


def one_class(seen, arms: list[str], names: tuple[str, ...]) -> pd.DataFrame:
    """What ``charts.maps`` draws of the first coarse class: t-SNE of the first seed's test features.

    seen: z by arm, y and stratum, as the study measures them; names: of the strata.
    """
    mine = (seen.y == 0).nonzero()[:400, 0]
    mine = mine[seen.stratum[mine].argsort(stable=True)]
    points = {"image": mine, "class": [names[i] for i in seen.stratum[mine].tolist()]}
    frames = [
        pd.DataFrame(
            {"panel": arm}
            | points
            | dict(zip("xy", measures.tsne(seen.z[arm][0, mine]).T.round(decimals=2), strict=True))
        )
        for arm in arms
    ]
    return pd.concat(frames, ignore_index=True)
