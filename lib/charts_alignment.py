"""Charts of alignment and uniformity: densities on the circle, powers of M, encoders in the plane of the two measures."""

import altair as alt
import numpy as np
import pandas as pd

from lib.charts import BLUE, COLOURS, GREY, INK, ORANGE, SHAPES

ACCURACY = ("#440154", "#3b528b", "#21918c", "#5ec962", "#d8c21a")  # low to high; lightness rises, seen by all


def circle(pairs: pd.DataFrame, angles: pd.DataFrame, mean: pd.DataFrame) -> alt.VConcatChart:
    """A row an encoder: distances of positive pairs (histogram, mean dashed), density of all angles and of each class.

    pairs: encoder, distance, share; mean: encoder, distance; angles: encoder, class ("all" among them), angle in
    degrees, density.  A click in the legend picks a class.
    """
    pick = alt.selection_point(name="pick", fields=["class"], bind="legend")
    names = [c for c in dict.fromkeys(angles["class"]) if c != "all"]
    colours = alt.Scale(domain=names, range=[(COLOURS * 4)[i] for i in range(len(names))])
    turn = alt.X(
        "angle:Q",
        title="angle, degrees",
        scale=alt.Scale(domain=[-180, 180]),
        axis=alt.Axis(values=[-180, -90, 0, 90, 180]),
    )
    rows = []
    for name in dict.fromkeys(angles.encoder):
        one, whole = pairs[pairs.encoder == name], angles[(angles.encoder == name) & (angles["class"] == "all")]
        width = float(one.distance.diff().median())
        bars = alt.Chart(one, title=alt.Title(name, anchor="start"), width=170, height=120).transform_calculate(
            a=f"datum.distance - {width / 2}", b=f"datum.distance + {width / 2}"
        )
        bars = bars.mark_bar(color=BLUE, opacity=0.75).encode(
            alt.X("a:Q", title="distance of a positive pair", scale=alt.Scale(domain=[0, 2])),
            alt.X2("b:Q"),
            alt.Y("share:Q", title="share of pairs"),
            tooltip=[alt.Tooltip("distance:Q", format=".2f"), alt.Tooltip("share:Q", format=".3f")],
        )
        rule = alt.Chart(mean[mean.encoder == name]).mark_rule(color=INK, strokeDash=[4, 3]).encode(x="distance:Q")
        area = alt.Chart(whole, width=170, height=120).mark_area(color=GREY, opacity=0.35, line={"color": INK})
        area = area.encode(turn, alt.Y("density:Q", title="density, all images", scale=alt.Scale(domainMin=0)))
        flat = alt.Chart(whole).mark_rule(color=INK, strokeDash=[4, 3]).encode(y=alt.datum(1 / 360))
        part = angles[(angles.encoder == name) & (angles["class"] != "all")]
        lines = (
            alt.Chart(part, width=200, height=120)
            .mark_line(strokeWidth=1.6)
            .encode(
                turn,
                alt.Y("density:Q", title="density, by class"),
                alt.Color("class:N", scale=colours, title="class", legend=alt.Legend(orient="bottom", columns=10)),
                opacity=alt.condition(pick, alt.value(0.95), alt.value(0.08)),
                tooltip=["class:N", "angle:Q", alt.Tooltip("density:Q", format=".4f")],
            )
        )
        rows.append(alt.hconcat(bars + rule, area + flat, lines.add_params(pick), spacing=14))
    return alt.vconcat(*rows, spacing=10)


def rates(df: pd.DataFrame, x: str = "M", y: str = "error", name: str = "features") -> alt.LayerChart:
    """Errors on two logarithmic axes, a colour and a shape a group; dashed: the powers -1 and -1/2 from one point.

    df: the columns named; the dashed lines start at the largest value of the smallest x.
    """
    first, top = df[x].min(), df[df[x] == df[x].min()][y].max()
    grid = np.array([first, df[x].max()], float)
    guides = pd.concat(
        [
            pd.DataFrame({x: grid, y: top * 1.6 * (grid / first) ** p, "power": s})
            for p, s in ((-0.5, "M^(-1/2)"), (-1.0, "1/M"))
        ]
    )
    groups = list(dict.fromkeys(df[name]))
    colours = alt.Scale(domain=groups, range=[(COLOURS * 4)[i] for i in range(len(groups))])
    shapes = alt.Scale(domain=groups, range=[(SHAPES * 8)[i] for i in range(len(groups))])
    where = alt.X(
        f"{x}:Q", title="negatives M", scale=alt.Scale(type="log", domain=[first, float(df[x].max()) * 3.2], nice=False)
    )
    high = alt.Y(f"{y}:Q", title="distance from the limit", scale=alt.Scale(type="log"), axis=alt.Axis(format="~g"))
    dashed = (
        alt.Chart(guides, width=440, height=310)
        .mark_line(color=INK, strokeDash=[5, 4], opacity=0.7)
        .encode(where, high, detail="power:N")
    )
    words = (
        alt.Chart(guides[guides[x] == grid[1]])
        .mark_text(color=INK, align="left", dx=5)
        .encode(where, high, text="power:N")
    )
    base = alt.Chart(df).encode(
        where,
        high,
        alt.Color(
            f"{name}:N", title=None, scale=colours, legend=alt.Legend(orient="bottom", columns=2, labelLimit=300)
        ),
    )
    tips = [f"{name}:N", f"{x}:Q", alt.Tooltip(f"{y}:Q", format=".3g")]
    points = base.mark_point(filled=True, size=45, opacity=1).encode(
        alt.Shape(f"{name}:N", title=None, scale=shapes), tooltip=tips
    )
    return dashed + words + base.mark_line() + points


def lines(
    df: pd.DataFrame, x: str, y: str, colour: str, x_title: str, y_title: str, log_x: bool = False, log_y: bool = False
) -> alt.LayerChart:
    """Lines with points, a colour and a shape a group, bands where ``low`` and ``high`` are there; legend picks one."""
    pick = alt.selection_point(name="pick", fields=[colour], bind="legend")
    groups = list(dict.fromkeys(df[colour]))
    colours = alt.Scale(domain=groups, range=[(COLOURS * 4)[i] for i in range(len(groups))])
    shapes = alt.Scale(domain=groups, range=[(SHAPES * 8)[i] for i in range(len(groups))])
    x_scale, y_scale = (alt.Scale(type="log" if log else "linear", zero=False) for log in (log_x, log_y))
    base = alt.Chart(df, width=430, height=270).encode(
        alt.X(f"{x}:Q", title=x_title, scale=x_scale),
        alt.Color(
            f"{colour}:N", title=None, scale=colours, legend=alt.Legend(orient="bottom", columns=2, labelLimit=320)
        ),
        opacity=alt.condition(pick, alt.value(1), alt.value(0.12)),
    )
    high = alt.Y(f"{y}:Q", title=y_title, scale=y_scale)
    tips = [f"{colour}:N", alt.Tooltip(f"{x}:Q", format=".3~g"), alt.Tooltip(f"{y}:Q", format=".4~g")]
    points = base.mark_point(filled=True, size=40).encode(
        high, alt.Shape(f"{colour}:N", title=None, scale=shapes), tooltip=tips
    )
    chart = base.mark_line().encode(high) + points.add_params(pick)
    if "low" not in df:
        return chart
    return base.mark_area(opacity=0.18).encode(alt.Y("low:Q", title=y_title, scale=y_scale), alt.Y2("high:Q")) + chart


def weights(df: pd.DataFrame) -> alt.VConcatChart:
    """Accuracy, alignment and uniformity over the share of uniformity in the loss, one above the other.

    df: measure, share, value, low, high.
    """
    panels = []
    measures = list(dict.fromkeys(df.measure))
    for i, measure in enumerate(measures):
        last = i == len(measures) - 1
        base = alt.Chart(df[df.measure == measure], width=440, height=180 if i == 0 else 90).encode(
            alt.X("share:Q", title="share of uniformity in the loss" if last else None, axis=alt.Axis(labels=last))
        )
        scale = alt.Scale(zero=False)
        band = base.mark_area(opacity=0.2, color=COLOURS[i]).encode(
            alt.Y("low:Q", title=measure, scale=scale), alt.Y2("high:Q")
        )
        tips = [alt.Tooltip(f"{c}:Q", format=".3f") for c in ("share", "value", "low", "high")]
        line = base.mark_line(color=COLOURS[i], point={"size": 40, "color": COLOURS[i], "shape": SHAPES[i]})
        panels.append(band + line.encode(alt.Y("value:Q", title=measure, scale=scale), tooltip=tips))
    return alt.vconcat(*panels, spacing=8)


def plane(df: pd.DataFrame) -> alt.Chart:
    """Encoders in the plane of the two measures, coloured by accuracy, a shape a loss; lower left is best of both.

    df: alignment, uniformity, accuracy, loss, recipe (words).
    """
    shapes = alt.Scale(domain=list(dict.fromkeys(df.loss)), range=list(SHAPES[: df.loss.nunique()]))
    tips = [
        "recipe:N",
        "loss:N",
        *(alt.Tooltip(f"{c}:Q", format=".3f") for c in ("alignment", "uniformity", "accuracy")),
    ]
    return (
        alt.Chart(df, width=430, height=320)
        .mark_point(filled=True, size=75, opacity=0.9)
        .encode(
            alt.X("alignment:Q", title="alignment (lower: positive pairs closer)", scale=alt.Scale(zero=False)),
            alt.Y("uniformity:Q", title="uniformity (lower: more even)", scale=alt.Scale(zero=False)),
            alt.Color("accuracy:Q", scale=alt.Scale(range=list(ACCURACY)), legend=alt.Legend(format=".2f")),
            alt.Shape("loss:N", scale=shapes),
            tooltip=tips,
        )
    )


def moves(df: pd.DataFrame, panel: str = "panel") -> alt.HConcatChart:
    """Where each class stands balanced (circle) and undersampled (triangle), joined; a panel for each pair of axes.

    df: panel, class, arm ("balanced", "undersampled"), x, y, x_title, y_title.
    """
    arms = alt.Scale(domain=["balanced", "undersampled"], range=[BLUE, ORANGE])
    shapes = alt.Scale(domain=["balanced", "undersampled"], range=["circle", "triangle-up"])
    panels = []
    for name, part in df.groupby(panel, sort=False):
        base = alt.Chart(part, title=alt.Title(name, anchor="start"), width=250, height=260).encode(
            alt.X("x:Q", title=part.x_title.iloc[0], scale=alt.Scale(zero=False, padding=12)),
            alt.Y("y:Q", title=part.y_title.iloc[0], scale=alt.Scale(zero=False, padding=12)),
        )
        line = base.mark_line(color=INK, opacity=0.45).encode(detail="class:N")
        legend = alt.Legend(orient="bottom", title=None)
        tips = ["class:N", "arm:N", alt.Tooltip("x:Q", format=".3f"), alt.Tooltip("y:Q", format=".3f")]
        points = base.mark_point(filled=True, size=60, opacity=1).encode(
            alt.Color("arm:N", scale=arms, legend=legend), alt.Shape("arm:N", scale=shapes, legend=legend), tooltip=tips
        )
        words = base.transform_filter("datum.arm == 'undersampled'").mark_text(color=INK, dx=8, dy=-7, fontSize=11)
        panels.append(line + points + words.encode(text="class:N"))
    return alt.hconcat(*panels, spacing=20)
