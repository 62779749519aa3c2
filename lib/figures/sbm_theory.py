"""Charts of the block model: vectors that follow sliders, curves over the share of a block, a phase diagram."""

import altair as alt
import numpy as np
import pandas as pd

from lib.figures.charts import BLUE, COLOURS, GREY, INK, ORANGE, SHAPES

VECTORS = (("h₁", ORANGE), ("h₂", BLUE), ("h₃", GREY))


def play(df: pd.DataFrame, side: int = 300) -> alt.LayerChart:
    """The optimal h₁, h₂, h₃ on the circle, moved by sliders for share, connectivity and temperature.

    df: a full grid, tau (a few values), log2_share and alpha (each evenly spaced), t12, t23 (angles between h₁, h₂ and
    h₂, h₃ in radians).  Between the points of the grid the angles are interpolated linearly, in the page.
    """
    shares, alphas, taus = (sorted(df[c].unique().tolist()) for c in ("log2_share", "alpha", "tau"))
    share = _slider("log2_share", shares, "share of block 1, log₂ ", shares[-1])
    alpha = _slider("alpha", alphas, "connectivity α₁₂ ", 0.4)
    pick = alt.binding_radio(options=taus, name="temperature τ ")
    tau = alt.param(name="pick_tau", value=1 if 1 in taus else taus[0], bind=pick)
    hat = " * ".join(
        f"max(0, 1 - abs(pick_{name} - datum.{name}) / {float(values[1] - values[0])!r})"
        for name, values in (("log2_share", shares), ("alpha", alphas))
    )
    one = (
        alt.Chart(df)
        .transform_filter("datum.tau == pick_tau")
        .transform_calculate(w=hat)
        .transform_filter("datum.w > 0")
        .transform_calculate(a="datum.w * datum.t12", b="datum.w * datum.t23")
        .transform_aggregate(a="sum(a)", b="sum(b)", w="sum(w)")
        .transform_calculate(t1="datum.a / datum.w", t2="0", t3="-datum.b / datum.w")
    )
    text = " + ".join(
        [
            "'cos(h₁, h₂) = ' + format(cos(datum.t1), '.2f')",
            "'   cos(h₂, h₃) = ' + format(cos(datum.t3), '.2f')",
            "'   cos(h₁, h₃) = ' + format(cos(datum.t1 - datum.t3), '.2f')",
        ]
    )
    scale, none = alt.Scale(domain=[-1.35, 1.35]), None
    layers = [alt.Chart(_circle()).mark_line(color=INK, opacity=0.3).encode(order="i:Q")]
    for i, (name, colour) in enumerate(VECTORS, 1):
        vector = one.transform_calculate(x=f"cos(datum.t{i})", y=f"sin(datum.t{i})", zero="0")
        layers.append(vector.mark_rule(color=colour, strokeWidth=3).encode(x2="zero:Q", y2="zero:Q"))
        layers.append(vector.mark_point(color=colour, filled=True, size=90, opacity=1).encode())
        far = vector.transform_calculate(x="1.2 * datum.x", y=f"1.2 * datum.y + {0.12 * (i == 1)} * (datum.t1 < 0.25)")
        layers.append(far.mark_text(text=name, color=INK, fontSize=15).encode())
    words = one.transform_calculate(x="0", y="-1.33", words=text).mark_text(color=INK, fontSize=12)
    layers.append(words.encode(text="words:N"))
    axes = {"x": alt.X("x:Q", scale=scale, axis=none), "y": alt.Y("y:Q", scale=scale, axis=none)}
    chart = alt.layer(*(layer.encode(**axes) for layer in layers))
    return chart.add_params(share, alpha, tau).properties(width=side * 1.3, height=side * 1.3)


def _slider(name: str, values: list[float], title: str, start: float) -> alt.Parameter:
    ends = {"min": float(values[0]), "max": float(values[-1])}
    return alt.param(name=f"pick_{name}", value=start, bind=alt.binding_range(**ends, step=0.01, name=title))


def _circle() -> pd.DataFrame:
    turn = np.linspace(0, 2 * np.pi, 101)
    return pd.DataFrame({"i": range(101), "x": np.cos(turn), "y": np.sin(turn)})


def curves(df: pd.DataFrame, x: str, y: str, colour: str, panel: str, x_title: str, y_title: str) -> alt.FacetChart:
    """Lines over a logarithmic axis, a colour and a shape a group, a panel a value of ``panel``; hover shows values.

    df: the columns named, x above 0, and ``limit`` where a dashed line is wanted at the right end (NaN: none).
    """
    groups = list(dict.fromkeys(df[colour]))
    colours = alt.Scale(domain=groups, range=[COLOURS[i] for i in range(len(groups))])
    base = alt.Chart(df, width=250, height=220).encode(
        alt.X(f"{x}:Q", title=x_title, scale=alt.Scale(type="log", domain=[df[x].max(), df[x].min()], nice=False)),
        alt.Color(f"{colour}:N", scale=colours, legend=alt.Legend(orient="bottom")),
    )
    tips = [f"{colour}:N", alt.Tooltip(f"{x}:Q", format=".3g"), alt.Tooltip(f"{y}:Q", format=".4f")]
    line = base.mark_line(point=alt.OverlayMarkDef(size=28)).encode(
        alt.Y(f"{y}:Q", title=y_title, scale=alt.Scale(zero=False)), tooltip=tips
    )
    limit = base.mark_rule(strokeDash=[4, 3], strokeWidth=1.5).encode(y="limit:Q", x=alt.value(195), x2=alt.value(250))
    order = list(dict.fromkeys(df[panel]))
    facet = alt.Facet(f"{panel}:N", title=None, sort=order)
    return (line + limit if "limit" in df else line).facet(facet, columns=2).resolve_scale(x="shared")


def phase(df: pd.DataFrame) -> alt.FacetChart:
    """Predicted RH over share and connectivity, a panel a temperature.

    df: tau, share, alpha (a grid; written as text for the axes), value.
    """
    scale = alt.Scale(domain=[0, 2], domainMid=1, range=["#b35806", "#fdb863", "#f7f7f7", "#92c5de", "#2166ac"])
    shares, alphas = ([str(v) for v in dict.fromkeys(df[c])] for c in ("share", "alpha"))
    chart = alt.Chart(df, width=210, height=230).mark_rect()
    return chart.encode(
        alt.X("share:N", title="share of block 1", sort=shares, axis=alt.Axis(values=shares[::6], labelAngle=0)),
        alt.Y("alpha:N", title="connectivity α₁₂", sort=alphas[::-1], axis=alt.Axis(values=alphas[::2])),
        alt.Color("value:Q", scale=scale, title="RH(1, 2)", legend=alt.Legend(orient="bottom", gradientLength=220)),
        tooltip=["tau:N", "share:N", "alpha:N", alt.Tooltip("value:Q", format=".3f")],
    ).facet(alt.Facet("tau:N", title=None), columns=3)


def powers(df: pd.DataFrame, x: str, y: str, colour: str, x_title: str, y_title: str) -> alt.LayerChart:
    """Points, and a line through their means, on two logarithmic axes; a colour and a shape a group."""
    groups = list(dict.fromkeys(df[colour]))
    where = alt.X(f"{x}:Q", title=x_title, scale=alt.Scale(type="log", domain=[df[x].min(), df[x].max()], padding=15))
    scale = alt.Scale(domain=groups, range=list(COLOURS[: len(groups)]))
    colours = alt.Color(f"{colour}:N", title=None, scale=scale, legend=alt.Legend(orient="bottom", labelLimit=300))
    shapes = alt.Shape(f"{colour}:N", title=None, scale=alt.Scale(domain=groups, range=list(SHAPES[: len(groups)])))
    base = alt.Chart(df, width=460, height=280).encode(where, colours)
    high = alt.Y(f"{y}:Q", title=y_title, scale=alt.Scale(type="log"))
    tips = [f"{colour}:N", f"{x}:Q", alt.Tooltip(f"{y}:Q", format=".3g")]
    points = base.mark_point(filled=True, size=50).encode(high, shapes, tooltip=tips)
    return base.mark_line(opacity=0.5).encode(alt.Y(f"mean({y}):Q", title=y_title)) + points


def against(df: pd.DataFrame, x: str, y: str, label: str, group: str, x_title: str, y_title: str) -> alt.LayerChart:
    """Measured against predicted, neutral at 1 on both axes; a click in the legend picks a group.

    df: the columns ``x`` and ``y`` (numbers), ``label`` and ``group`` (words).
    """
    pick = alt.selection_point(name="pick", fields=[group], bind="legend")
    groups = list(dict.fromkeys(df[group]))
    scales = {"color": list(COLOURS * 4)[: len(groups)], "shape": list(SHAPES * 8)[: len(groups)]}
    colour, shape = (alt.Scale(domain=groups, range=scale) for scale in scales.values())
    points = (
        alt.Chart(df, width=420, height=300)
        .mark_point(filled=True, size=50)
        .encode(
            alt.X(f"{x}:Q", title=x_title, scale=alt.Scale(zero=False)),
            alt.Y(f"{y}:Q", title=y_title, scale=alt.Scale(zero=False)),
            alt.Color(f"{group}:N", scale=colour),
            alt.Shape(f"{group}:N", scale=shape),
            opacity=alt.condition(pick, alt.value(0.9), alt.value(0.1)),
            tooltip=[f"{label}:N", alt.Tooltip(f"{x}:Q", format=".3f"), alt.Tooltip(f"{y}:Q", format=".3f")],
        )
        .add_params(pick)
    )
    dashed = alt.Chart(df).mark_rule(color=INK, strokeDash=[4, 3])
    return dashed.encode(x=alt.datum(1)) + dashed.encode(y=alt.datum(1)) + points
