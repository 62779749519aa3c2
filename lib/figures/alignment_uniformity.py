"""Charts of alignment and uniformity: densities on the circle, powers of M, encoders in the plane of both measures."""

import altair as alt
import numpy as np
import pandas as pd
import torch
from scipy import special
from torch import Tensor

from lib.encoders.stacks import Recipe
from lib.figures.theme import BLUE, COLOURS, GREY, INK, LEGEND, ORANGE, SHAPES, series, tips
from lib.images.sets import Images
from lib.studies.alignment_uniformity import ACROSS, PLANE, Harm, Measures

ACCURACY = ("#440154", "#3b528b", "#21918c", "#5ec962", "#d8c21a")  # low to high; lightness rises, seen by all
ARMS = ("balanced", "undersampled")
TURN = alt.X(
    "angle:Q",
    title="angle, degrees",
    scale=alt.Scale(domain=[-180, 180]),
    axis=alt.Axis(values=[-180, -90, 0, 90, 180], labelFlush=False),
)


def on_circle(pairs: pd.DataFrame, angles: pd.DataFrame, mean: pd.DataFrame) -> alt.VConcatChart:
    """A row an encoder: distances of positive pairs (histogram, mean dashed), density of all angles and of each class.

    pairs: encoder, distance, share; mean: encoder, distance; angles: encoder, class ("all" among them), angle in
    degrees, evenly spaced, density.  The darker a cell of the last panel, the more of its class lies there.
    """
    rows, half = [], float(np.diff(np.unique(angles.angle)).min()) / 2
    for name in dict.fromkeys(angles.encoder):
        one, mine = (df[df.encoder == name] for df in (pairs, angles))
        whole, parts = mine[mine["class"] == "all"], mine[mine["class"] != "all"]
        area = alt.Chart(whole, width=138, height=120).mark_area(color=GREY, opacity=0.35, line={"color": INK})
        area = area.encode(TURN, alt.Y("density:Q", title="density, all", scale=alt.Scale(domainMin=0)))
        flat = alt.Chart(whole).mark_rule(color=INK, strokeDash=[4, 3]).encode(y=alt.datum(1 / 360))
        cells = alt.Chart(parts.assign(a=parts.angle - half, b=parts.angle + half), width=150, height=120)
        cells = cells.mark_rect(color=BLUE).encode(
            TURN.copy(),
            alt.X2("b:Q"),
            alt.Y("class:N", sort=None, title="class"),
            alt.Opacity("density:Q", scale=alt.Scale(range=[0, 1]), legend=None),
            tooltip=["class:N", "angle:Q", alt.Tooltip("density:Q", format=".4f")],
        )
        cells.encoding.x.shorthand = "a:Q"
        bars = _histogram(one, mean[mean.encoder == name], name)
        rows.append(alt.hconcat(bars, area + flat, cells, spacing=14))
    return alt.vconcat(*rows, spacing=10)


def _histogram(one: pd.DataFrame, mean: pd.DataFrame, name: str) -> alt.LayerChart:
    half = float(one.distance.diff().median()) / 2
    bars = alt.Chart(one, title=alt.Title(name, anchor="start"), width=130, height=120)
    bars = bars.transform_calculate(a=f"datum.distance - {half}", b=f"datum.distance + {half}", zero="0")
    bars = bars.mark_rect(color=BLUE, opacity=0.75).encode(
        alt.X("a:Q", title="distance of a positive pair", scale=alt.Scale(domain=[0, 2])),
        alt.X2("b:Q"),
        alt.Y("share:Q", title="share of pairs"),
        alt.Y2("zero:Q"),
        tooltip=[alt.Tooltip("distance:Q", format=".2f"), alt.Tooltip("share:Q", format=".3f")],
    )
    return bars + alt.Chart(mean).mark_rule(color=INK, strokeDash=[4, 3]).encode(x="distance:Q")


def lines(
    df: pd.DataFrame, x: str, y: str, colour: str, x_title: str, y_title: str, log_y: bool = False
) -> alt.LayerChart:
    """Lines with points over a logarithmic axis, a colour and a shape a group; a click in the legend picks one."""
    pick = alt.selection_point(name="pick", fields=[colour], bind="legend")
    hue, shape = series(colour, df[colour], LEGEND)
    ends = [float(df[x].min()) / 1.1, float(df[x].max()) * 1.1]
    ticks = [v for k in range(-2, 5) for v in (10.0**k, 2 * 10.0**k, 5 * 10.0**k) if ends[0] <= v <= ends[1]]
    base = alt.Chart(df, width=430, height=270).encode(
        alt.X(
            f"{x}:Q",
            title=x_title,
            scale=alt.Scale(type="log", domain=ends, nice=False),
            axis=alt.Axis(values=ticks, format="~g"),
        ),
        hue,
        opacity=alt.condition(pick, alt.value(1), alt.value(0.12)),
    )
    high = alt.Y(f"{y}:Q", title=y_title, scale=alt.Scale(type="log" if log_y else "linear", zero=False))
    if log_y:
        high.axis = alt.Axis(values=[10.0**k for k in range(-8, 4)], format="~g")
    points = base.mark_point(filled=True, size=40).encode(high, shape, tooltip=tips((colour,), (x, y), ".4~g"))
    return base.mark_line().encode(high) + points.add_params(pick)


def weights(df: pd.DataFrame) -> alt.VConcatChart:
    """Accuracy, alignment and uniformity over the share of uniformity in the loss, one above the other.

    df: measure, share, value, low, high.
    """
    panels, measures = [], list(dict.fromkeys(df.measure))
    for i, measure in enumerate(measures):
        last, scale = i == len(measures) - 1, alt.Scale(zero=False)
        where = alt.X("share:Q", axis=alt.Axis(labels=last), title="share of uniformity in the loss" if last else None)
        base = alt.Chart(df[df.measure == measure], width=440, height=180 if i == 0 else 90).encode(where)
        band = base.mark_area(opacity=0.2, color=COLOURS[i])
        band = band.encode(alt.Y("low:Q", title=measure, scale=scale), alt.Y2("high:Q"))
        line = base.mark_line(color=COLOURS[i], point={"size": 40, "color": COLOURS[i], "shape": SHAPES[i]})
        about = tips((), ("share", "value", "low", "high"))
        panels.append(band + line.encode(alt.Y("value:Q", title=measure, scale=scale), tooltip=about))
    return alt.vconcat(*panels, spacing=8)


def plane(df: pd.DataFrame) -> alt.Chart:
    """Encoders in the plane of the two measures, coloured by accuracy, a shape a loss; lower left is best of both.

    df: alignment, uniformity, accuracy, loss, recipe (words).  A click in the legend of shapes picks a loss.
    """
    pick = alt.selection_point(name="pick", fields=["loss"], bind="legend")
    shapes = alt.Scale(domain=list(dict.fromkeys(df.loss)), range=list(SHAPES[: df.loss.nunique()]))
    legend = alt.Legend(orient="bottom", title=None, labelLimit=300, symbolFillColor=INK, symbolStrokeColor=INK)
    points = alt.Chart(df, width=430, height=320).mark_point(filled=True, size=75)
    return points.encode(
        alt.X("alignment:Q", title="alignment (lower: positive pairs closer)", scale=alt.Scale(zero=False)),
        alt.Y("uniformity:Q", title="uniformity (lower: more even)", scale=alt.Scale(zero=False)),
        alt.Color("accuracy:Q", scale=alt.Scale(range=list(ACCURACY)), legend=alt.Legend(format=".2f")),
        alt.Shape("loss:N", scale=shapes, legend=legend),
        opacity=alt.condition(pick, alt.value(0.9), alt.value(0.08)),
        tooltip=tips(("recipe", "loss"), ("alignment", "uniformity", "accuracy")),
    ).add_params(pick)


def moves(df: pd.DataFrame, width: int = 150) -> alt.HConcatChart:
    """What each class has balanced (circle) and undersampled (triangle), a row a class, a panel a measure.

    df: panel, class, arm ("balanced", "undersampled"), value.
    """
    legend = alt.Legend(orient="bottom", title=None)
    colour = alt.Color("arm:N", scale=alt.Scale(domain=ARMS, range=[BLUE, ORANGE]), legend=legend)
    shape = alt.Shape("arm:N", scale=alt.Scale(domain=ARMS, range=["circle", "triangle-up"]), legend=legend)
    panels = []
    for i, (name, part) in enumerate(df.groupby("panel", sort=False)):
        base = alt.Chart(part, title=alt.Title(name, anchor="start"), width=width, height=alt.Step(20)).encode(
            alt.X("value:Q", title=None, scale=alt.Scale(zero=False)),
            alt.Y("class:N", sort=None, title=None, axis=alt.Axis(labels=i == 0, ticks=False)),
        )
        points = base.mark_point(filled=True, size=60, opacity=1)
        points = points.encode(colour, shape, tooltip=tips(("class", "arm"), ("value",)))
        panels.append(base.mark_line(color=INK, opacity=0.4).encode(detail="class:N") + points)
    return alt.hconcat(*panels, spacing=16)


def of_circle(z1: Tensor, z2: Tensor, held: Images) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The frames of ``on_circle`` from two views' features (3, n, 2) of held-out images, an encoder of PLANE each.

    Densities are a degree, by a von Mises kernel of concentration 40.
    """
    grid, bins = np.arange(-180, 181, 5), np.linspace(0, 2, 21)
    pairs, angles, means = [], [], []
    for name, a, b in zip(PLANE, z1.double(), z2.double(), strict=True):
        apart = (a - b).norm(dim=1).numpy()
        share = np.histogram(apart, bins)[0] / len(apart)
        pairs.append(pd.DataFrame({"encoder": name, "distance": (bins[1:] + bins[:-1]) / 2, "share": share}))
        means.append({"encoder": name, "distance": float(apart.mean())})
        theta = torch.atan2(a[:, 1], a[:, 0]).numpy()
        bump = np.exp(40 * (np.cos(np.deg2rad(grid)[:, None] - theta) - 1)) / (360 * special.ive(0, 40))
        for label, hit in [("all", slice(None)), *((c, (held.y == k).numpy()) for k, c in enumerate(held.classes))]:
            density = bump[:, hit].mean(1).round(5)
            angles.append(pd.DataFrame({"encoder": name, "class": label, "angle": grid, "density": density}))
    return pd.concat(pairs), pd.concat(angles), pd.DataFrame(means)


def spread(recipes: list[Recipe], found: Measures, seeds: range) -> pd.DataFrame:
    """The frame of ``plane``: a row an encoder, with its recipe in words."""
    words = [
        f"τ = {r.tau:.2f}"
        if r.contrastive
        else f"weights {r.align:.2f} : {r.uniform:.2f}, α = {r.alpha:g}, t = {r.t:g}"
        for r in recipes
    ]
    about = {"recipe": [f"{w}, d = {r.dim}, rate {r.learning_rate:g}" for w, r in zip(words, recipes, strict=True)]}
    about["loss"] = ["contrastive" if r.contrastive else "alignment + uniformity" for r in recipes]
    each = ({name: m[s].round(4) for name, m in found._asdict().items()} for s in range(len(seeds)))
    return pd.concat([pd.DataFrame(about | {"seed": seed} | m) for seed, m in zip(seeds, each, strict=True)])


def standing(harm: Harm, classes: list[str], names: tuple[str, ...]) -> pd.DataFrame:
    """The frame of ``moves``: means over seeds of the classes that are cut, each with its look-alike; names: of all."""
    pairs = [f"{c} → {names[k]}" for c, k in zip(classes, harm.alike, strict=True)]
    found = [
        pd.DataFrame({"panel": panel, "class": pairs, "arm": arm, "value": part.mean(0)[i].round(4)})
        for i, panel in enumerate(ACROSS)
        for arm, part in zip(ARMS, (harm.balanced, harm.cut), strict=True)
    ]
    return pd.concat(found, ignore_index=True)
