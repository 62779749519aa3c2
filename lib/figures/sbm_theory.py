"""Charts of the block model: matrices of cosines, vectors that follow sliders, curves, a phase diagram."""

import altair as alt
import numpy as np
import pandas as pd

from lib.figures import charts, sliders, theme
from lib.figures.theme import BLUE, GREY, INK, ORANGE

VECTORS = (("h₁", ORANGE), ("h₂", BLUE), ("h₃", GREY))


def matrices(found: dict, labels: list[str]) -> tuple[alt.ConcatChart, pd.DataFrame]:
    """Cosines between blocks, (cases, K, K) by what they are of, a row of panels a case, with the rows drawn."""
    values = np.stack(list(found.values()), 1)  # (cases, found, K, K)
    names = [f"{name}, {label}" for label in labels for name in found]
    blocks = [str(k + 1) for k in range(values.shape[-1])]
    df = charts.long(values, panel=names, row=blocks, column=blocks)
    titles = ("block", "block", "cosine")
    return charts.heatmaps(df, neutral=0, reach=1, titles=titles, cell=34, columns=len(found)), df


def both(grid: dict, alphas: np.ndarray, shares: np.ndarray, limits: np.ndarray) -> pd.DataFrame:
    """Rows of ``curves`` for cos(h₁, h₂) and cos(h₂, h₃) under each objective: panel, α₁₂, share, value, limit.

    grid: optima by objective, batches (alphas, shares), the population's first; limits: of its cos(h₁, h₂), (alphas,).
    """
    cells = {"cos(h₁, h₂)": (0, 1), "cos(h₂, h₃)": (1, 2)}
    names = [f"{what}, {name.replace('_', ' ')}" for what in cells for name in grid]
    values = np.stack([o.cosines[:, :, i, j].numpy() for i, j in cells.values() for o in grid.values()])
    df = charts.long(values, panel=names, **{"α₁₂": [f"{a:g}" for a in alphas]}, share=shares)
    return df.assign(limit=np.where(df.panel == names[0], np.tile(np.repeat(limits, len(shares)), len(names)), np.nan))


def play(df: pd.DataFrame, side: int = 300) -> alt.LayerChart:
    """The optimal h₁, h₂, h₃ on the circle, moved by sliders for share, connectivity and temperature.

    df: a full grid, tau (a few values), log2_share and alpha (each evenly spaced), t12, t23 (angles between h₁, h₂ and
    h₂, h₃ in radians).  Between the points of the grid the angles are interpolated linearly, in the page.
    """
    shares, alphas, taus = (sorted(df[c].unique().tolist()) for c in ("log2_share", "alpha", "tau"))
    params = (
        sliders.slider("pick_log2_share", "share of block 1", shares[-1], (shares[0], shares[-1]), 0.01),
        sliders.slider("pick_alpha", "connectivity α₁₂", 0.4, (alphas[0], alphas[-1]), 0.01),
        sliders.buttons("pick_tau", "temperature τ", taus, 1 if 1 in taus else taus[0]),
    )
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
            "'|cos(h₂, h₃) = ' + format(cos(datum.t3), '.2f')",
            "'|cos(h₁, h₃) = ' + format(cos(datum.t1 - datum.t3), '.2f')",
        ]
    )
    turn = np.linspace(0, 2 * np.pi, 101)
    circle = pd.DataFrame({"i": range(101), "x": np.cos(turn), "y": np.sin(turn)})
    layers = [alt.Chart(circle).mark_line(color=INK, opacity=0.3).encode(order="i:Q")]
    for i, (name, colour) in enumerate(VECTORS, 1):
        vector = one.transform_calculate(x=f"cos(datum.t{i})", y=f"sin(datum.t{i})", zero="0")
        layers.append(vector.mark_rule(color=colour, strokeWidth=3).encode(x2="zero:Q", y2="zero:Q"))
        layers.append(vector.mark_point(color=colour, filled=True, size=90, opacity=1).encode())
        far = vector.transform_calculate(x="1.2 * datum.x", y=f"1.2 * datum.y + {0.12 * (i == 1)} * (datum.t1 < 0.25)")
        layers.append(far.mark_text(text=name, color=INK, fontSize=15).encode())
    words = one.transform_calculate(x="-1.35", y="1.3", words=text)
    words = words.mark_text(color=INK, fontSize=12, align="left", baseline="top", lineBreak="|")
    layers.append(words.encode(text="words:N"))
    where = {"scale": alt.Scale(domain=[-1.35, 1.35]), "axis": None}
    axes = {"x": alt.X("x:Q", **where), "y": alt.Y("y:Q", **where)}
    chart = alt.layer(*(layer.encode(**axes) for layer in layers))
    drawn = chart.properties(width=side * 1.3, height=side * 1.3)
    hint = "make block 1 rarer and see whom h₁ approaches; then take its connection α₁₂ away and do it again."
    return sliders.controlled(drawn, *params, pick_log2_share={"base": 2}, hint=hint)


def curves(df: pd.DataFrame, colour: str, title: str) -> alt.FacetChart:
    """Lines over the share of block 1 on a logarithmic axis, a colour a group, panel by panel; hover shows values.

    df: panel, share, value, the column ``colour``, and ``limit`` where a dashed line is wanted at the right end (NaN:
    none); title: of the values.
    """
    where = alt.Scale(type="log", domain=[df.share.max(), df.share.min()], nice=False)
    base = alt.Chart(df, width=250, height=220).encode(
        alt.X("share:Q", title="share of block 1", scale=where),
        alt.Color(f"{colour}:N", sort=None, legend=alt.Legend(orient="bottom")),
    )
    tips = [f"{colour}:N", alt.Tooltip("share:Q", format=".3g"), alt.Tooltip("value:Q", title=title, format=".4f")]
    line = base.mark_line(point=alt.OverlayMarkDef(size=28)).encode(
        alt.Y("value:Q", title=title, scale=alt.Scale(zero=False)), tooltip=tips
    )
    limit = base.mark_rule(strokeDash=[4, 3], strokeWidth=1.5).encode(y="limit:Q", x=alt.value(195), x2=alt.value(250))
    facet = alt.Facet("panel:N", title=None, sort=list(dict.fromkeys(df.panel)))
    return (line + limit if "limit" in df else line).facet(facet, columns=2).resolve_scale(x="shared")


def phase(df: pd.DataFrame) -> alt.FacetChart:
    """Predicted RH over share and connectivity, a panel a temperature.

    df: tau, share, alpha (a grid; written as text for the axes), value.
    """
    most = max(1.0, float(df.value.max()))  # the scale ends where the data do, at the neutral 1 at least
    colours = ["#b35806", "#fdb863", "#f7f7f7", *(["#92c5de", "#2166ac"] if most > 1 else [])]
    scale = alt.Scale(domain=[0, *([0.5, 1, (1 + most) / 2] if most > 1 else [0.5]), most], range=colours)
    shares, alphas = ([str(v) for v in dict.fromkeys(df[c])] for c in ("share", "alpha"))
    parts = alt.Axis(values=shares[::8], labelAngle=0, labelExpr="'1/' + format(1 / toNumber(datum.value), ',.0f')")
    chart = alt.Chart(df, width=190, height=230).mark_rect()
    return chart.encode(
        alt.X("share:N", title="share of block 1", sort=shares, axis=parts),
        alt.Y("alpha:N", title="connectivity α₁₂", sort=alphas[::-1], axis=alt.Axis(values=alphas[::2])),
        alt.Color("value:Q", scale=scale, title="RH(1, 2)", legend=alt.Legend(orient="bottom", gradientLength=220)),
        tooltip=["tau:N", "share:N", "alpha:N", alt.Tooltip("value:Q", format=".3f")],
    ).facet(alt.Facet("tau:N", title=None), columns=3)


def powers(df: pd.DataFrame) -> alt.LayerChart:
    """Distances against the number of nodes on two logarithmic axes, and lines through their means.

    df: measure (a colour and a shape each), n, value.
    """
    where = alt.X("n:Q", title="nodes n", scale=alt.Scale(type="log", domain=[df.n.min(), df.n.max()], padding=15))
    colour, shape = theme.series("measure", df.measure, alt.Legend(orient="bottom", title=None, labelLimit=300))
    base = alt.Chart(df, width=460, height=280).encode(where, colour)
    points = base.mark_point(filled=True, size=50).encode(
        alt.Y("value:Q", title="distance", scale=alt.Scale(type="log")),
        shape,
        tooltip=theme.tips(("measure",), ("n", "value"), ".3g"),
    )
    return base.mark_line(opacity=0.5).encode(alt.Y("mean(value):Q", title="distance")) + points
