"""Charts of minority collapse: thresholds under a slider of negatives, three classes on a circle, curves with dots."""

import altair as alt
import numpy as np
import pandas as pd

from lib.figures.charts import BLUE, COLOURS, INK, ORANGE, SHAPES


def boundary(df: pd.DataFrame, width: int = 232) -> alt.HConcatChart:
    """R* over the temperature, a line a number of minority classes, a panel a law; a slider moves the negatives M.

    df: law, minorities (text), step (0, 1, … the slider's places), negatives (text), tau, threshold.
    """
    last = int(df.step.max())
    slider = alt.binding_range(min=0, max=last, step=1, name=f"negatives M = 2^n; {last} is M = ∞: n ")
    pick = alt.param(name="pick_step", value=0, bind=slider)
    groups = list(dict.fromkeys(df.minorities))
    colours = alt.Scale(domain=groups, range=list(COLOURS[: len(groups)]))
    shapes = alt.Scale(domain=groups, range=list(SHAPES[: len(groups)]))
    y = alt.Scale(type="log", domain=[1, float(10 ** np.ceil(np.log10(df.threshold.max())))], nice=False)
    panels = []
    for law, part in df.groupby("law", sort=False):
        base = alt.Chart(part, title=str(law), width=width, height=270).transform_filter("datum.step == pick_step")
        line = base.mark_line(strokeWidth=2).encode(
            alt.X("tau:Q", title="temperature τ", scale=alt.Scale(type="log", nice=False)),
            alt.Y(
                "threshold:Q",
                title="R*: majority share / minority share",
                scale=y,
                axis=alt.Axis(format="~s", tickCount=6),
            ),
            alt.Color("minorities:N", title="minority classes B", scale=colours, legend=alt.Legend(orient="bottom")),
        )
        tips = [
            "minorities:N",
            "negatives:N",
            alt.Tooltip("tau:Q", format=".3g"),
            alt.Tooltip("threshold:Q", format=".4g"),
        ]
        dots = line.mark_point(filled=True, size=36, opacity=1).encode(
            alt.Shape("minorities:N", title="minority classes B", scale=shapes), tooltip=tips
        )
        words = base.transform_aggregate(n="min(negatives)").mark_text(color=INK, fontSize=13, align="right")
        words = words.transform_calculate(words="'M = ' + datum.n").encode(
            text="words:N", x=alt.value(width - 8), y=alt.value(16)
        )
        above = base.transform_aggregate(n="count()").mark_text(color=INK, fontSize=12, align="right")
        above = above.encode(text=alt.value("above its line: collapse"), x=alt.value(width - 8), y=alt.value(34))
        panels.append(line + dots + words + above)
    return alt.hconcat(*panels, spacing=14).resolve_scale(color="shared", shape="shared").add_params(pick)


def circle(df: pd.DataFrame, side: int = 330) -> alt.LayerChart:
    """One majority and two minority classes on the circle; a slider moves R, buttons the temperature.

    df: a full grid of tau (a few values) and log10_ratio (evenly spaced), angle from the majority to either minority.
    Between the points of the grid the angle is interpolated linearly, in the page.
    """
    ratios, taus = (sorted(df[c].unique().tolist()) for c in ("log10_ratio", "tau"))
    ends = {"min": float(ratios[0]), "max": float(ratios[-1]), "step": 0.01, "name": "log₁₀ R "}
    ratio = alt.param(name="pick_ratio", value=float(ratios[0]), bind=alt.binding_range(**ends))
    tau = alt.param(name="pick_tau", value=taus[-1], bind=alt.binding_radio(options=taus, name="temperature τ "))
    hat = f"max(0, 1 - abs(pick_ratio - datum.log10_ratio) / {float(ratios[1] - ratios[0])!r})"
    one = (
        alt.Chart(df)
        .transform_filter("datum.tau == pick_tau")
        .transform_calculate(w=hat)
        .transform_filter("datum.w > 0")
        .transform_calculate(a="datum.w * datum.angle")
        .transform_aggregate(a="sum(a)", w="sum(w)")
        .transform_calculate(t="datum.a / datum.w")
    )
    turn = np.linspace(0, 2 * np.pi, 101)
    ring = pd.DataFrame({"i": range(101), "x": np.cos(turn), "y": np.sin(turn)})
    layers = [alt.Chart(ring).mark_line(color=INK, opacity=0.3).encode(order="i:Q")]
    for name, angle, colour in (
        ("majority", "0", BLUE),
        ("minority 1", "datum.t", ORANGE),
        ("minority 2", "-datum.t", ORANGE),
    ):
        vector = one.transform_calculate(x=f"sin({angle})", y=f"cos({angle})", zero="0")
        layers.append(vector.mark_rule(color=colour, strokeWidth=3).encode(x2="zero:Q", y2="zero:Q"))
        layers.append(vector.mark_point(color=colour, filled=True, size=90, opacity=1).encode())
        apart = f"{(1 if name.endswith('1') else -1) * 0.3} * (datum.t > 2.8)" if name != "majority" else "0"
        far = vector.transform_calculate(x=f"1.42 * datum.x + {apart}", y="1.14 * datum.y")
        layers.append(far.mark_text(text=name, color=INK, fontSize=12).encode())
    text = "'cosine of the minorities ' + format(cos(2 * datum.t), '.3f')"
    text += " + ' · R = ' + format(pow(10, pick_ratio), '.3~r')"
    words = one.transform_calculate(x="0", y="-1.5", words=text).mark_text(color=INK, fontSize=12)
    layers.append(words.encode(text="words:N"))
    scale = alt.Scale(domain=[-1.6, 1.6])
    axes = {"x": alt.X("x:Q", scale=scale, axis=None), "y": alt.Y("y:Q", scale=scale, axis=None)}
    chart = alt.layer(*(layer.encode(**axes) for layer in layers))
    return chart.add_params(ratio, tau).properties(width=side, height=side)


def curves(
    lines: pd.DataFrame,
    dots: pd.DataFrame | None,
    x: str,
    y: str,
    colour: str,
    x_title: str,
    y_title: str,
    panel: str | None = None,
    limits: bool = False,
    rule: float | None = None,
    width: int = 232,
) -> alt.LayerChart | alt.HConcatChart:
    """Lines of a theory over a logarithmic axis, dots of what was measured or solved, a panel a value of ``panel``.

    lines, dots: the columns named; lines may hold ``limit``, drawn dashed at the right end (limits).  rule: a dashed
    vertical line.  Colour and shape tell the groups; the legend is shared.
    """
    both = lines if dots is None else pd.concat([lines, dots])
    groups = list(dict.fromkeys(both[colour]))
    legend = _legend(2 if max(len(g) for g in groups) > 20 else 4)
    colours = alt.Color(
        f"{colour}:N", scale=alt.Scale(domain=groups, range=list(COLOURS[: len(groups)])), legend=legend, title=None
    )
    shapes = alt.Shape(
        f"{colour}:N", scale=alt.Scale(domain=groups, range=list(SHAPES[: len(groups)])), legend=legend, title=None
    )
    where = alt.X(
        f"{x}:Q",
        title=x_title,
        scale=alt.Scale(type="log", domain=[float(both[x].min()), float(both[x].max())], nice=False, padding=8),
        axis=alt.Axis(format="~s" if both[x].max() > 100 else "~g", tickCount=5),
    )
    high = alt.Y(f"{y}:Q", title=y_title, scale=alt.Scale(domain=[min(-0.5, float(both[y].min())), 1.02], nice=False))
    tips = [f"{colour}:N", alt.Tooltip(f"{x}:Q", format=".4g"), alt.Tooltip(f"{y}:Q", format=".4f")]

    def block(name: str | None) -> alt.LayerChart:
        these = lines if name is None else lines[lines[panel] == name]
        base = alt.Chart(these, width=width, height=240, **({} if name is None else {"title": name}))
        over = []
        layers = [base.mark_line(strokeWidth=2).encode(where, high, colours, tooltip=tips)]
        if limits:
            ends = alt.Chart(these.groupby(colour, sort=False).tail(1))
            dashed = ends.mark_rule(color=INK, strokeDash=[4, 3], strokeWidth=1.5)
            over = [dashed.encode(y="limit:Q", x=alt.value(width * 0.65), x2=alt.value(width))]
        if rule is not None:
            layers.append(alt.Chart(these).mark_rule(color=INK, strokeDash=[4, 3]).encode(x=alt.datum(rule)))
        marks = these if dots is None else (dots if name is None else dots[dots[panel] == name])
        size = 26 if dots is None else 60
        points = alt.Chart(marks).mark_point(filled=True, size=size, opacity=0.9)
        return alt.layer(*layers, points.encode(where, high, colours, shapes, tooltip=tips), *over)

    if panel is None:
        return block(None)
    blocks = [block(name) for name in dict.fromkeys(lines[panel])]
    return alt.hconcat(*blocks, spacing=14).resolve_scale(color="shared", shape="shared")


def _legend(columns: int) -> alt.Legend:
    return alt.Legend(orient="bottom", labelLimit=320, columns=columns)
