"""Charts of the worst groups: pictures of groups, maps of recovered ones, accuracies by group."""

import altair as alt
import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from lib import intervals
from lib.figures.theme import COLOURS, INK, SHAPES, series, tips
from lib.images.strata import Strata


def recovered(df: pd.DataFrame, side: int = 168) -> alt.ConcatChart:
    """Maps of the points of each class, coloured by true group; a click on a point leaves its recovered group alone.

    df: panel (loss and class), group (true, words), found (recovered, a code in the panel), x, y.  A row of panels a
    loss: panels come in order of appearance, two in a row.
    """
    pick = alt.selection_point(name="found", fields=["panel", "found"], on="click", clear="dblclick")
    groups = list(dict.fromkeys(df.group))
    colours = alt.Scale(domain=groups, range=list(COLOURS[: len(groups)]))
    shapes = alt.Scale(domain=groups, range=list(SHAPES[: len(groups)]))
    axis, legend = alt.Axis(labels=False, ticks=False, grid=False, domain=False), alt.Legend(orient="bottom", columns=2)
    panels = []
    for name, part in df.groupby("panel", sort=False):
        panels.append(
            alt.Chart(part, title=alt.Title(name, anchor="start", fontSize=12), width=side * 1.5, height=side)
            .mark_point(filled=True, size=24)
            .encode(
                alt.X("x:Q", axis=axis, title=None, scale=alt.Scale(zero=False)),
                alt.Y("y:Q", axis=axis, title=None, scale=alt.Scale(zero=False)),
                alt.Color("group:N", scale=colours, legend=legend, title="true group"),
                alt.Shape("group:N", scale=shapes, title="true group"),
                opacity=alt.condition(pick, alt.value(0.8), alt.value(0.06)),
                tooltip=["group:N", alt.Tooltip("found:N", title="recovered group")],
            )
            .add_params(pick)
        )
    return alt.concat(*panels, columns=2, spacing=12).resolve_scale(color="shared", shape="shared")


def accuracies(found: dict[str, np.ndarray], names: tuple[str, ...]) -> pd.DataFrame:
    """The frame of ``by_group`` from the test accuracy (seeds, groups) of each training; names: of the groups."""
    rows = [
        (training, group, *map(float, ends))
        for training, values in found.items()
        for group, ends in zip(names, zip(*intervals.over_seeds(values), strict=True), strict=True)
    ]
    return pd.DataFrame(rows, columns=["training", "group", "value", "low", "high"])


def by_group(df: pd.DataFrame, width: int = 430) -> alt.LayerChart:
    """Test accuracy of each group under each training, with intervals; a click in the legend picks a group.

    df: training, group, value, low, high.  The dashed line is the lowest mean of the first training.
    """
    pick = alt.selection_point(name="pick", fields=["group"], bind="legend")
    trainings, groups = list(dict.fromkeys(df.training)), list(dict.fromkeys(df.group))
    colours = alt.Scale(domain=groups, range=list(COLOURS[: len(groups)]))
    shapes = alt.Scale(domain=groups, range=list(SHAPES[: len(groups)]))
    legend = alt.Legend(orient="bottom", columns=2, labelLimit=240)
    base = alt.Chart(df, width=width, height=alt.Step(11)).encode(
        alt.Y("training:N", sort=trainings, title=None, axis=alt.Axis(labelLimit=260)),
        alt.YOffset("group:N", sort=groups),
        alt.Color("group:N", scale=colours, title="test group", legend=legend),
        opacity=alt.condition(pick, alt.value(1), alt.value(0.1)),
    )
    scale = alt.Scale(domain=[max(0.0, float(df.low.min()) - 0.02), 1], clamp=True)
    x, low = (alt.X(f"{c}:Q", title="test accuracy", scale=scale) for c in ("value", "low"))
    about = tips(("training", "group"), ("value", "low", "high"))
    least = float(df[df.training == trainings[0]].value.min())
    line = alt.Chart(df).mark_rule(color=INK, strokeDash=[4, 3]).encode(x=alt.datum(least))
    whisker = base.mark_rule(strokeWidth=1.5).encode(low, alt.X2("high:Q"))
    dots = base.mark_point(filled=True, size=50).encode(
        x, alt.Shape("group:N", scale=shapes, title="test group", legend=legend), tooltip=about
    )
    return line + whisker + dots.add_params(pick)


def by_size(cosine: dict[str, np.ndarray], train: Strata) -> pd.DataFrame:
    """The frame of ``strata`` from the cosine (seeds, strata) to the centre of the class, by loss."""
    size = torch.bincount(train.stratum, minlength=len(train.names)).tolist()
    rows = [
        (loss, stratum, n, *map(float, ends))
        for loss, values in cosine.items()
        for stratum, n, ends in zip(train.names, size, zip(*intervals.over_seeds(values), strict=True), strict=True)
    ]
    return pd.DataFrame(rows, columns=["loss", "stratum", "size", "value", "low", "high"])


def strata(df: pd.DataFrame, width: int = 150) -> alt.HConcatChart:
    """Cosine of strata to the centre of their class over their training images, a panel a loss; hovering marks one.

    df: loss, stratum, size, value, low, high.
    """
    hover = alt.selection_point(name="stratum", fields=["stratum"], on="pointerover", clear="pointerout")
    colour, shape = series(
        "stratum", df.stratum, alt.Legend(orient="bottom", columns=2, labelLimit=240, title="stratum")
    )
    scale = alt.Scale(domain=[float(df.low.min()), float(df.high.max())], zero=False, nice=True)
    x = alt.X(
        "size:Q",
        title="training images",
        scale=alt.Scale(type="log", nice=False, padding=24),
        axis=alt.Axis(format="~s", values=sorted(set(df["size"])), labelOverlap=True),
    )
    panels = []
    for i, (loss, part) in enumerate(df.groupby("loss", sort=False)):
        title = None if i else "cosine to the centre of the class"
        base = alt.Chart(part, title=str(loss), width=width, height=230).encode(
            x, colour, opacity=alt.condition(hover, alt.value(1), alt.value(0.25))
        )
        whisker = base.mark_rule(strokeWidth=1.5).encode(alt.Y("low:Q", title=title, scale=scale), alt.Y2("high:Q"))
        dots = base.mark_point(filled=True, size=70).encode(
            alt.Y("value:Q", title=title, scale=scale),
            shape,
            tooltip=tips(("stratum",), ("size", "value", "low", "high")),
        )
        panels.append(whisker + dots.add_params(hover))
    return alt.hconcat(*panels, spacing=12).resolve_scale(color="shared", shape="shared")


def pictures(groups: list[Tensor], labels: list[str], side: int = 40) -> Image.Image:
    """Images of groups, a row a group with its name at the left, enlarged without smoothing to ``side`` pixels.

    groups: for each group (n, channels, height, width) uint8.
    """
    font, step, text = ImageFont.load_default(13), side + 4, 14 + 8 * max(len(label) for label in labels)
    grid = Image.new("RGB", (text + step * max(len(x) for x in groups), step * len(groups) + 4), "white")
    draw = ImageDraw.Draw(grid)
    for row, (x, label) in enumerate(zip(groups, labels, strict=True)):
        draw.text((6, row * step + side // 2 - 6), label, "black", font)
        for i, pixels in enumerate(x):
            array = pixels.permute(1, 2, 0).numpy()  # (h, w, channels)
            one = Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array).convert("RGB")
            grid.paste(one.resize((side, side), Image.Resampling.NEAREST), (text + i * step, row * step + 4))
    return grid
