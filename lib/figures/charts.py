"""The kinds of chart that several studies share, and the frames they draw."""

import textwrap
from collections.abc import Iterable

import altair as alt
import numpy as np
import pandas as pd

from lib.figures.theme import BLUE, COLOURS, GREY, HARM, INK, LEGEND, ORANGE, SHAPES, series, tips


def long(values, **axes) -> pd.DataFrame:
    """The entries of an array as rows: a column an axis, with the labels given of its places, and ``value``."""
    index = pd.MultiIndex.from_product(list(axes.values()), names=list(axes))
    return index.to_frame(index=False).assign(value=np.ravel(values))


def heatmaps(
    df: pd.DataFrame,
    neutral: float = 1.0,
    orders: dict[str, list[str]] | None = None,
    titles: tuple[str, str, str] = ("undersampled class", "other class", "RH"),
    cell: int = 25,
    columns: int = 2,
    reach: float | None = None,
    bare: bool = False,
) -> alt.ConcatChart:
    """Matrices side by side on one diverging scale centred at ``neutral``; hovering marks a cell in all of them.

    df: panel, row, column, value, and low, high where there are intervals; panels stand in order of appearance.
    orders: class order of the panels whose names start with the key (default: order of appearance).
    titles: of rows, columns and value.
    reach: distance from neutral to the ends of the scale (default: the farthest value of all panels, so that reported
    and reproduced share one scale).  cell: pixels a cell.  bare: no numbers in the cells, no
    titles on the axes, the scale at the right.
    """
    reach = reach or max(float((df.value - neutral).abs().max()), 1e-9)
    hover = alt.selection_point(
        name="cell", fields=["row", "column"], on="pointerover", clear="pointerout", empty=False
    )
    panels = []
    for name, part in df.groupby("panel", sort=False):
        order = next((o for key, o in (orders or {}).items() if name.startswith(key)), None)
        order = order or list(dict.fromkeys([*part.column, *part.row]))
        panels.append(_matrix(part, order, name, neutral, reach, titles, cell, bare, hover))
    return alt.concat(*panels, columns=columns, spacing=18).resolve_scale(color="shared")


def _matrix(part, order, name, neutral, reach, titles, cell, bare, hover):
    rows, present = [c for c in order if c in set(part.row)], [c for c in order if c in set(part.column)]
    scale = alt.Scale(domain=[neutral - reach, neutral + reach], domainMid=neutral, range=list(HARM), clamp=True)
    where = {"orient": "right", "gradientLength": 100} if bare else {"orient": "bottom", "gradientLength": 220}
    legend = alt.Legend(title=titles[2], gradientThickness=10, format=".2f", **where)
    tips = [alt.Tooltip("row:N", title=titles[0]), alt.Tooltip("column:N", title=titles[1])]
    tips += [
        alt.Tooltip(f"{c}:Q", title=t, format=".3f")
        for c, t in zip(("value", "low", "high"), (titles[2], "low", "high"), strict=True)
        if c in part
    ]
    first, _, rest = name.partition(", ")  # "this run, digits, quick, …": the source above, the rest below
    width = cell * len(present)
    title = alt.Title(
        first, subtitle=textwrap.wrap(rest, max(width // 6, 12)), anchor="start"
    )  # about 6 pixels a letter
    base = alt.Chart(part, title=title, width=width, height=cell * len(rows)).encode(
        alt.X(
            "column:N",
            sort=present,
            title=None if bare else titles[1],
            axis=alt.Axis(labelAngle=-90 if _long(present) else 0),
        ),
        alt.Y("row:N", sort=rows, title=None if bare or len(rows) < 5 else titles[0]),  # taller than a low matrix
    )
    cells = base.mark_rect().encode(
        color=alt.Color("value:Q", scale=scale, legend=legend),
        stroke=alt.condition(hover, alt.value("#000"), alt.value(None)),
        strokeWidth=alt.condition(hover, alt.value(2), alt.value(0)),
        tooltip=tips,
    )
    cells = cells.add_params(hover)
    if bare:
        return cells
    dark = f"abs(datum.value - {neutral}) > {0.75 * reach}"
    text = base.mark_text(fontSize=8.5 if part.value.min() < 0 else 9.5, tooltip=None).encode(
        text=alt.Text("value:Q", format=".2f"), color=alt.condition(dark, alt.value("#fff"), alt.value("#111"))
    )
    return cells + text


_ABOUT = ["group:N", "label:N", *(alt.Tooltip(f"{c}:Q", format=".3f") for c in ("value", "low", "high"))]


def estimates(found: Iterable[tuple], *names: str) -> pd.DataFrame:
    """Rows (label, ..., estimate) as a frame: the labels under these names, by default group and label, as ``dots``
    wants them, then value, low, high.
    """
    rows = [(*labels, e.value, e.low, e.high) for *labels, e in found]
    return pd.DataFrame(rows, columns=[*(names or ("group", "label")), "value", "low", "high"])


def dots(
    df: pd.DataFrame, title: str = "RH", neutral: float = 1.0, null: str = "", width: int = 520
) -> alt.VConcatChart:
    """Values with their intervals against the neutral value, one block a group; hovering a dot strengthens it.

    df: group, label, value, low, high (NaN: no interval).  The smallest group stands first, labels by value.
    A group of more than 30 is one strip of dots, its labels and intervals in the tooltips alone.
    null: a group that is drawn as a grey band behind the others, over the middle 95 % of its values.
    """
    band = df[df.group == null].value
    df = df[df.group != null]
    ends = [neutral, *df.value, *df.low.dropna(), *df.high.dropna()]
    ticks, scale = (
        alt.Axis(tickCount=8, labelFlush=False),
        alt.Scale(domain=[min(ends), max(ends)], nice=True, zero=False),
    )
    hover = alt.selection_point(name="dot", fields=["group", "label"], on="pointerover", clear="pointerout")
    parts = sorted((part for _, part in df.groupby("group", sort=False)), key=len)
    colours = (BLUE, GREY, ORANGE, *COLOURS[2:5])
    blocks = []
    for i, part in enumerate(parts):
        axis = alt.X("value:Q", title=title if i == len(parts) - 1 else None, axis=ticks, scale=scale)
        draw = _strip if len(part) > 30 else _block
        block = draw(part, axis, width, colours[i], SHAPES[i], hover)
        line = alt.Chart(part).mark_rule(color=INK, strokeDash=[4, 3]).encode(x=alt.datum(neutral))
        blocks.append(alt.layer(*_band(band, null), line, block))
    return alt.vconcat(*blocks, spacing=6).resolve_scale(x="shared")


def _band(values: pd.Series, name: str) -> list[alt.Chart]:
    if values.empty:
        return []
    low, high = np.quantile(values, [0.025, 0.975], method="inverted_cdf")
    where = pd.DataFrame([{"from": low, "to": high, "what": name}])
    about = ["what:N", *(alt.Tooltip(f"{c}:Q", format=".3f") for c in ("from", "to"))]
    area = alt.Chart(where).mark_rect(color=GREY, opacity=0.25, tooltip=None)
    return [area.encode(alt.X("from:Q"), alt.X2("to:Q"), tooltip=about)]


def _block(part, axis, width, colour, shape, hover):
    title = alt.Title(part.group.iloc[0], anchor="start", fontSize=12)
    base = alt.Chart(part, title=title, width=width, height=alt.Step(15)).encode(
        alt.Y("label:N", sort=alt.SortField("value"), title=None),
        opacity=alt.condition(hover, alt.value(1), alt.value(0.25)),
    )
    whisker = base.mark_rule(strokeWidth=1.5, color=colour).encode(alt.X("low:Q"), alt.X2("high:Q"))
    dot = base.mark_point(filled=True, size=55, color=colour, shape=shape, opacity=1)
    return whisker + dot.encode(axis, tooltip=_ABOUT).add_params(hover)


def _strip(part, axis, width, colour, shape, hover):
    """All dots of a large group, in lanes by the order of their values, so that none covers another."""
    part = part.assign(lane=part.value.rank(method="first").mod(7))
    title = alt.Title(f"{part.group.iloc[0]} ({len(part)})", anchor="start", fontSize=12)
    base = alt.Chart(part, title=title, width=width, height=76)
    dot = base.mark_point(filled=True, size=34, color=colour, shape=shape, opacity=1).encode(
        axis,
        alt.Y("lane:O", axis=None, title=None),
        opacity=alt.condition(hover, alt.value(0.85), alt.value(0.25)),
        tooltip=_ABOUT,
    )
    return dot.add_params(hover)


def scatter(
    df: pd.DataFrame, x: str, y: str, label: str, colour: str, x_title: str, y_title: str, neutral: float = 0
) -> alt.LayerChart:
    """Dots with their names in the tooltip and a line at the neutral y; a click in the legend picks a colour.

    df: the columns ``x``, ``y`` (numbers), ``label`` and ``colour`` (words).
    """
    pick = alt.selection_point(name="pick", fields=[colour], bind="legend")
    groups = list(dict.fromkeys(df[colour]))
    colours = alt.Scale(domain=groups, range=[(GREY, ORANGE, *COLOURS)[i] for i in range(len(groups))])
    line = alt.Chart(df).mark_rule(color=INK, strokeDash=[4, 3]).encode(y=alt.datum(neutral))
    dots = (
        alt.Chart(df, width=460, height=300)
        .mark_point(filled=True, size=55)
        .encode(
            alt.X(f"{x}:Q", title=x_title, scale=alt.Scale(zero=False)),
            alt.Y(f"{y}:Q", title=y_title, scale=alt.Scale(zero=False)),
            alt.Color(f"{colour}:N", scale=colours),
            alt.Shape(f"{colour}:N", scale=alt.Scale(domain=groups, range=list(SHAPES[: len(groups)]))),
            opacity=alt.condition(pick, alt.value(0.9), alt.value(0.1)),
            tooltip=[f"{label}:N", alt.Tooltip(f"{x}:Q", format=".3f"), alt.Tooltip(f"{y}:Q", format=".3f")],
        )
        .add_params(pick)
    )
    return line + dots


def maps(df: pd.DataFrame, width: int = 320) -> alt.HConcatChart:
    """Two maps of the same images: a brush, or a class of the legend, marks the same images in both.

    df: panel, image (id), class, x, y; each image once in each of the two panels.  ValueError: not two panels, or an
    image that is not in both.
    """
    panels = list(dict.fromkeys(df.panel))
    wide = df.pivot(index=["image", "class"], columns="panel", values=["x", "y"])
    if len(panels) != 2 or wide.isna().any(axis=None):
        raise ValueError(f"two panels with the same images are expected, got {panels} with {len(wide)} images in all")
    wide.columns = [f"{axis}{panels.index(panel)}" for axis, panel in wide.columns]
    wide = wide.reset_index()
    classes = list(dict.fromkeys(df["class"]))
    brush = alt.selection_interval(name="brush")
    pick = alt.selection_point(name="pick", fields=["class"], bind="legend")
    ranges = {"range": [(COLOURS * 4)[i] for i in range(len(classes))], "domain": classes}
    shapes = {"range": [(SHAPES * 8)[i] for i in range(len(classes))], "domain": classes}

    def panel(i):
        axis = alt.Axis(labels=False, ticks=False, grid=False, domain=False)
        return (
            alt.Chart(wide, title=panels[i], width=width, height=width)
            .mark_point(filled=True, size=22)
            .encode(
                alt.X(f"x{i}:Q", axis=axis, title=None, scale=alt.Scale(zero=False)),
                alt.Y(f"y{i}:Q", axis=axis, title=None, scale=alt.Scale(zero=False)),
                alt.Color("class:N", scale=alt.Scale(**ranges), legend=alt.Legend(orient="bottom", columns=5)),
                alt.Shape("class:N", scale=alt.Scale(**shapes)),
                opacity=alt.condition(brush & pick, alt.value(0.9), alt.value(0.06)),
                tooltip=["class:N", "image:N"],
            )
            .add_params(brush, pick)
        )

    return alt.hconcat(panel(0), panel(1), spacing=12)


def curves(df: pd.DataFrame, balanced: str = "balanced", width: int = 510, height: int = 300) -> alt.LayerChart:
    """Loss by epoch, a line an encoder: the balanced ones strong, the others pale; hovering brings one forward.

    df: encoder, undersampled (class name, or ``balanced``), epoch, loss.
    """
    kinds = [balanced, "one class undersampled"]
    df = df.assign(trained=np.where(df.undersampled == balanced, *kinds))
    scale = alt.Scale(domain=kinds, range=[INK, COLOURS[4]])
    hover = alt.selection_point(
        name="line", fields=["encoder"], on="pointerover", nearest=True, clear="pointerout", empty=False
    )
    strong = f"datum.trained === '{balanced}'"
    base = alt.Chart(df, width=width, height=height).encode(
        alt.X("epoch:Q", title="epoch"),
        alt.Y("loss:Q", title="contrastive loss", scale=alt.Scale(zero=False)),
        detail="encoder:N",
    )
    width_ = alt.when(hover).then(alt.value(4)).when(strong).then(alt.value(2.5)).otherwise(alt.value(1))
    pale = alt.when(hover).then(alt.value(1)).when(strong).then(alt.value(1)).otherwise(alt.value(0.35))
    colour = alt.Color("trained:N", scale=scale, title="encoder", legend=alt.Legend(orient="bottom"))
    line = base.mark_line().encode(colour, strokeWidth=width_, opacity=pale)
    tips = ["encoder:N", "undersampled:N", "epoch:Q", alt.Tooltip("loss:Q", format=".4f")]
    near = base.mark_circle(opacity=0, size=40).encode(tooltip=tips).add_params(hover)
    return line + near


def rates(df: pd.DataFrame) -> alt.LayerChart:
    """Errors against M on two logarithmic axes, a colour and a shape a group; dashed: the powers -1 and -1/2.

    df: features (words), M, error.  The dashed lines start above the largest error at the smallest M.
    """
    ends = np.array([df.M.min(), df.M.max()], float)
    top = 1.6 * df[df.M.min() == df.M].error.max()
    powers = (("M^(-1/2)", -0.5), ("1/M", -1.0))
    guides = pd.concat(
        [pd.DataFrame({"M": ends, "error": top * (ends / ends[0]) ** p, "power": name}) for name, p in powers]
    )
    colour, shape = series("features", df.features, LEGEND)
    ticks = alt.Axis(values=[4.0**k for k in range(1, 12) if 4.0**k <= ends[1]], format=",d")
    where = alt.X("M:Q", title="negatives M", axis=ticks)
    where.scale = alt.Scale(type="log", domain=[ends[0], 4 * ends[1]], nice=False)
    high = alt.Y("error:Q", title="distance from the limit", scale=alt.Scale(type="log"))
    high.axis = alt.Axis(format="~g", values=[10.0**k for k in range(-8, 4)])
    dashed = alt.Chart(guides, width=440, height=310).mark_line(color=INK, strokeDash=[5, 4], opacity=0.7)
    dashed = dashed.encode(where, high, detail="power:N")
    words = alt.Chart(guides[ends[1] == guides.M]).mark_text(color=INK, align="left", dx=5)
    base = alt.Chart(df).encode(where, high, colour)
    points = base.mark_point(filled=True, size=45, opacity=1).encode(
        shape, tooltip=tips(("features",), ("M", "error"), ".3~g")
    )
    return dashed + words.encode(where, high, text="power:N") + base.mark_line() + points


def sweep(df: pd.DataFrame, x: str, colour: str, width: int = 420, height: int = 150) -> alt.VConcatChart:
    """Effects with intervals against a swept parameter, a block a claim; hovering marks one run in all blocks.

    df: claim, effect, low, high, threshold, verdict, run, and the columns ``x`` and ``colour``.
    """
    hover = alt.selection_point(name="run", fields=["run"], on="pointerover", clear="pointerout")
    positive = pd.api.types.is_numeric_dtype(df[x]) and df[x].min() > 0 and df[x].max() >= 10 * df[x].min()
    numeric = alt.X(f"{x}:Q", axis=alt.Axis(values=sorted(df[x].unique())), scale=alt.Scale(type="log", padding=20))
    where = numeric if positive else alt.X(f"{x}:O", axis=alt.Axis(labelAngle=0))
    values = sorted(df[colour].unique())
    colours = alt.Scale(domain=values, range=[(COLOURS * 9)[i] for i in range(len(values))])

    def block(claim, part):
        base = alt.Chart(part, title=claim, width=width, height=height).encode(
            where,
            color=alt.Color(f"{colour}:N", scale=colours),
            opacity=alt.condition(hover, alt.value(1), alt.value(0.25)),
        )
        tips = ["run:N", f"{x}:N", f"{colour}:N", alt.Tooltip("effect:Q", format=".3f"), "verdict:N"]
        line = (
            alt.Chart(part).mark_rule(color=INK, strokeDash=[4, 3]).encode(alt.Y("mean(threshold):Q", title="effect"))
        )
        whisker = base.mark_rule().encode(alt.Y("low:Q", title="effect"), alt.Y2("high:Q"))
        effect = alt.Y("effect:Q", title="effect", scale=alt.Scale(zero=False))
        return line + whisker + base.mark_circle(size=70).encode(effect, tooltip=tips).add_params(hover)

    return alt.vconcat(*(block(claim, part) for claim, part in df.groupby("claim", sort=False)))


def _long(names: list[str]) -> bool:
    return max(len(n) for n in names) > 3
