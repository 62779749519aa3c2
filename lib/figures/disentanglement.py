"""Charts of disentanglement: a lattice under training, a box that lets axes turn, rooms that meet, a rare corner."""

import altair as alt
import numpy as np
import pandas as pd

from lib.figures import charts, sliders
from lib.figures.theme import BLUE, GREY, INK, ORANGE, tips
from lib.studies.disentanglement import RARE_NAMES, SCALES, START, angle

FACTOR = ("#440154", "#3b528b", "#21918c", "#5ec962", "#d8c21a")  # low to high; lightness rises, seen by all
REACH = alt.Scale(domain=[-0.3, 1.3], nice=False)


def frames(at: np.ndarray, codes: dict[str, list[tuple[int, np.ndarray]]]) -> pd.DataFrame:
    """The frame of ``moving``: a row a point of the lattice (m, 2) at each step of each recipe.

    recipe, frame (0, 1, …), step, i and j (column and row of the lattice), x, y.
    """
    side = round(len(at) ** 0.5)
    where = {"i": np.arange(len(at)) % side, "j": np.arange(len(at)) // side}
    parts = [
        pd.DataFrame({"recipe": name, "frame": f, "step": step, **where, "x": z[:, 0].round(3), "y": z[:, 1].round(3)})
        for name, kept in codes.items()
        for f, (step, z) in enumerate(kept)
    ]
    return pd.concat(parts, ignore_index=True)


def turned(part: pd.DataFrame) -> float:
    """Degrees between the axes of the factors and of the codes of one frame of ``moving``."""
    return angle(part[["i", "j"]].to_numpy(float), part[["x", "y"]].to_numpy())


def _net(base: alt.Chart, x: alt.X, y: alt.Y, colour: alt.Color) -> list[alt.Chart]:
    """Rows and columns of a lattice as lines, its points coloured by the column.  base: with i, j."""
    lines = [
        base.mark_line(color=INK, opacity=0.45, strokeWidth=1).encode(x, y, detail=f"{own}:N", order=f"{other}:Q")
        for own, other in (("i", "j"), ("j", "i"))
    ]
    return [*lines, base.mark_point(filled=True, size=26, opacity=1).encode(x, y, colour)]


def _hue(most: float, title: str = "factor s₁") -> alt.Color:
    scale, axis = alt.Scale(domain=[0, most], range=list(FACTOR)), alt.Legend(format=".1f", title=title)
    return alt.Color("shade:Q", scale=scale, legend=axis)


def moving(df: pd.DataFrame, side: int = 250) -> alt.HConcatChart:
    """The lattice of true factors beside its image under an encoder; buttons pick the recipe, a slider the step.

    df: as ``frames`` makes it.
    """
    names, last, most = list(dict.fromkeys(df.recipe)), int(df.frame.max()), int(df.i.max())
    recipe = sliders.buttons("pick_recipe", "recipe", names, names[0])
    frame = sliders.slider("pick_frame", "training", last, (0, last))
    steps = [f"step {step:,}" for step in df[df.recipe == names[0]].drop_duplicates("frame").sort_values("frame").step]
    hue = _hue(1.0)
    true = df[(df.recipe == names[0]) & (df.frame == 0)].assign(x=df.i / most, y=df.j / most, shade=df.i / most)
    at = (alt.X("x:Q", title="s₁", scale=REACH), alt.Y("y:Q", title="s₂", scale=REACH))
    left = alt.layer(*_net(alt.Chart(true, title="factors", width=side, height=side), *at, hue))
    seen = alt.Chart(df, title="codes", width=side, height=side)
    seen = seen.transform_filter("datum.recipe == pick_recipe && datum.frame == pick_frame")
    seen = seen.transform_calculate(shade=f"datum.i / {most}")
    wide = alt.Scale(domain=[-0.7, 1.7], nice=False, clamp=True)
    codes = (alt.X("x:Q", title="z, matched to s₁", scale=wide), alt.Y("y:Q", title="z, matched to s₂", scale=wide))
    words = seen.transform_aggregate(step="max(step)").transform_calculate(words="'step ' + datum.step")
    words = words.mark_text(color=INK, fontSize=12, align="left").encode(
        text="words:N", x=alt.value(6), y=alt.value(12)
    )
    right = alt.layer(*_net(seen, *codes, hue), words)
    hint = "go from the first step to the last under each recipe and see which one keeps the axes of the factors."
    drawn = alt.hconcat(left, right, spacing=24)
    return sliders.controlled(drawn, recipe, frame, pick_frame={"words": steps}, hint=hint)


def boxes(df: pd.DataFrame, side: int = 240) -> alt.HConcatChart:
    """What a box of κ lets turn: the true square turned as far as it fits, beside the trained encoders; a slider for κ.

    df: kappa, seed, angle (degrees, 0 to 45).
    """
    kappa = sliders.slider("pick_kappa", "side of the box κ", 1.25, (1, 1.5), 0.01)
    turn = "asin(min(1, pick_kappa * pick_kappa - 1)) / 2"
    corners = pd.DataFrame({"k": range(5), "u": [-0.5, 0.5, 0.5, -0.5, -0.5], "v": [-0.5, -0.5, 0.5, 0.5, -0.5]})
    scale = alt.Scale(domain=[-0.85, 0.85], nice=False)
    where = {"x": alt.X("x:Q", scale=scale, axis=None), "y": alt.Y("y:Q", scale=scale, axis=None), "order": "k:Q"}
    base = alt.Chart(corners, width=side, height=side)
    outer = base.transform_calculate(x="pick_kappa * datum.u", y="pick_kappa * datum.v")
    inner = base.transform_calculate(
        x=f"cos({turn}) * datum.u - sin({turn}) * datum.v", y=f"sin({turn}) * datum.u + cos({turn}) * datum.v"
    )
    drawn = [
        outer.mark_line(color=INK, strokeDash=[4, 3]).encode(**where),
        inner.mark_line(color=BLUE, strokeWidth=2.5).encode(**where),
    ]
    words = f"'rotations that fit: up to ' + format({turn} * 180 / PI, '.1f') + '°'"
    one = alt.Chart(corners.head(1)).transform_calculate(words=words).mark_text(color=INK, fontSize=12)
    drawn.append(one.encode(text="words:N", x=alt.value(side / 2), y=alt.value(side - 4)))
    grid = np.round(np.linspace(1, 1.5, 101), 3)
    most = np.degrees(np.arcsin(np.minimum(1, grid**2 - 1))) / 2
    area = alt.Chart(pd.DataFrame({"kappa": grid, "most": most}), width=side, height=side)
    x = alt.X("kappa:Q", title="box κ, in true boxes", scale=alt.Scale(domain=[0.97, 1.5], nice=False))
    fits = area.mark_area(color=GREY, opacity=0.3).encode(x, alt.Y("most:Q", title="angle of the axes, degrees"))
    dots = alt.Chart(df).mark_point(filled=True, size=55, color=ORANGE, opacity=0.9)
    dots = dots.encode(x, alt.Y("angle:Q"), tooltip=tips((), ("kappa", "seed", "angle"), ".3~g"))
    rule = alt.Chart(corners.head(1)).transform_calculate(kappa="pick_kappa").mark_rule(color=INK, strokeDash=[4, 3])
    right = alt.layer(fits, rule.encode(x="kappa:Q"), dots)
    hint = "widen the box from the true one, κ = 1, and see how far the square may turn."
    both = alt.hconcat(alt.layer(*drawn), right, spacing=28)
    return sliders.controlled(both, kappa, pick_kappa={"unit": "true boxes"}, hint=hint)


def meeting(heights: np.ndarray, changes: list[tuple[float, float]]) -> pd.DataFrame:
    """The frame of ``rooms``, of the changes that ``studies.shared.exact.meeting_rooms`` finds at the heights."""
    change, squared = np.round(changes, 4).T
    return pd.DataFrame({"step": range(len(heights)), "height": heights, "change": change, "squared": squared})


def rooms(df: pd.DataFrame, width: float = 0.3, side: int = 330) -> alt.LayerChart:
    """Two rooms, the far one moved by a slider; buttons exchange its factors about its corner.

    df: step (0, 1, … the slider's places), height, change (largest of a taxicab distance under the exchange), squared.
    """
    last = int(df.step.max())
    slide = sliders.slider("pick_step", "height of the far room", last, (0, last))
    heights = [f"{height:.2f}" for height in df.sort_values("step").height]
    kinds = ["as they are", "exchanged"]
    kind = sliders.buttons("pick_map", "factors there", kinds, kinds[1])
    at = [(i, j) for i in range(7) for j in range(7)]
    mesh = pd.DataFrame(at, columns=["i", "j"]).assign(
        u=lambda d: (d.i * width / 6).round(4), v=lambda d: (d.j * width / 6).round(4), shade=lambda d: d.i / 6
    )
    scale = alt.Scale(domain=[-0.05, 1.08], nice=False)
    x, y = alt.X("x:Q", title="first coordinate", scale=scale), alt.Y("y:Q", title="second coordinate", scale=scale)
    near = alt.Chart(mesh).transform_calculate(x="datum.u", y="datum.v")
    height = f"(pick_step * {float(df.height.max()) / last!r})"
    far = alt.Chart(mesh).transform_calculate(
        x=f"{1 - width!r} + (pick_map == '{kinds[1]}' ? datum.v : datum.u)",
        y=f"{height} + (pick_map == '{kinds[1]}' ? datum.u : datum.v)",
    )
    hue = _hue(1.0, "true s₁ in the room")
    chosen = alt.Chart(df).transform_filter("datum.step == pick_step")
    numbers = "format(datum.change, '.2f') + ' taxicab, ' + format(datum.squared, '.2f') + ' squared'"
    text = f"'largest change of a distance:|' + {numbers}"
    words = chosen.transform_calculate(words=text)
    words = words.mark_text(color=INK, fontSize=12, align="left", lineBreak="|")
    words = words.encode(text="words:N", x=alt.value(4), y=alt.value(8))
    chart = alt.layer(*_net(near, x, y, hue), *_net(far, x, y, hue), words)
    hint = "exchange the factors of the far room, and lower it until both rooms are on one line."
    drawn = chart.properties(width=side, height=side)
    return sliders.controlled(drawn, slide, kind, pick_step={"words": heights}, hint=hint)


def learned_corner(at: np.ndarray, codes: np.ndarray, rh: np.ndarray, shares: list[float]) -> pd.DataFrame:
    """The frame of ``corner``: a row a point of the lattice (m, 2) for each density and recipe.

    codes: (ε, recipes, m, 2), matched; rh: (ε, recipes) means over seeds.
    """
    side, parts = round(len(at) ** 0.5), []
    for e, share in enumerate(shares):
        for r, name in enumerate(RARE_NAMES):
            z = codes[e, r]
            where = {"i": np.arange(len(at)) % side, "j": np.arange(len(at)) // side}
            place = {"x": z[:, 0].round(3), "y": z[:, 1].round(3)}
            about = {"recipe": name, "step": e, "density": share, "rh": round(float(rh[e, r]), 3)}
            rare = (at > START).all(1).astype(int)
            parts.append(pd.DataFrame(about | where | place | {"rare": rare}))
    return pd.concat(parts, ignore_index=True)


def corner(df: pd.DataFrame, side: int = 165) -> alt.HConcatChart:
    """The learned plane of three recipes, points of the rare corner marked; a slider over the density there.

    df: as ``learned_corner`` makes it.
    """
    last = int(df.step.max())
    pick = sliders.slider("pick_density", "density of the corner", last, (0, last))
    densities = [f"{density:g}" for density in df.drop_duplicates("step").sort_values("step").density]
    scale, panels = alt.Scale(domain=[-0.3, 1.3], nice=False, clamp=True), []
    for name, part in df.groupby("recipe", sort=False):
        base = alt.Chart(part, title=alt.Title(str(name), anchor="start"), width=side, height=side)
        base = base.transform_filter("datum.step == pick_density")
        x, y = alt.X("x:Q", title="code of s₁", scale=scale), alt.Y("y:Q", title="code of s₂", scale=scale)
        lines = [
            base.mark_line(color=INK, opacity=0.5, strokeWidth=1).encode(x, y, detail=f"{a}:N", order=f"{b}:Q")
            for a, b in (("i", "j"), ("j", "i"))
        ]
        rare = base.transform_filter("datum.rare == 1").mark_point(filled=True, size=26, color=ORANGE, opacity=1)
        text = "'density ' + datum.density + ', RH ' + format(datum.rh, '.2f')"
        words = base.transform_aggregate(density="max(density)", rh="max(rh)").transform_calculate(words=text)
        words = words.mark_text(color=INK, fontSize=12, align="left")
        panels.append(
            alt.layer(*lines, rare.encode(x, y), words.encode(text="words:N", x=alt.value(4), y=alt.value(8)))
        )
    hint = "thin the corner out and see under which recipe its points leave their places."
    drawn = alt.hconcat(*panels, spacing=12)
    return sliders.controlled(drawn, pick, pick_density={"words": densities}, hint=hint)


def ranges(mcc: np.ndarray, ends: np.ndarray, names: list[str]) -> pd.DataFrame:
    """The frame of ``range_map``, of what ``studies.disentanglement.by_scale`` finds: a row a loss and scale.

    loss, b, low and high (the ends of the cell), mcc (mean over seeds), end (of the loss).
    """
    edges = np.sqrt(np.array(SCALES[1:]) * SCALES[:-1])
    highs, lows = [SCALES[0] ** 2 / edges[0], *edges], [*edges, SCALES[-1] ** 2 / edges[-1]]
    cells = charts.long(mcc.mean(2).round(4), loss=names, b=SCALES).rename(columns={"value": "mcc"})
    sides = {"low": np.tile(lows, len(names)).round(5), "high": np.tile(highs, len(names)).round(5)}
    return cells.assign(**sides, end=np.repeat(ends.round(5), len(SCALES)))


def range_map(df: pd.DataFrame, width: int = 420, row: int = 34) -> alt.LayerChart:
    """MCC over loss and scale, a dashed line in each row where the loss's range ends.  df: as ``ranges`` makes it."""
    names = list(dict.fromkeys(df.loss))
    base = alt.Chart(df, width=width, height=row * len(names))
    axis = alt.Axis(values=list(SCALES), format=".2~f")
    span = [float(df.low.min()), float(df.high.max())]
    x = alt.X("low:Q", title="scale b of the pairs", scale=alt.Scale(type="log", domain=span, nice=False), axis=axis)
    y = alt.Y("loss:N", sort=names, title=None, scale=alt.Scale(paddingInner=0.06, paddingOuter=0))
    hue = alt.Scale(domain=[0.5, 1], range=[FACTOR[0], FACTOR[1], FACTOR[2], FACTOR[3]], clamp=True)
    legend = alt.Legend(title="MCC", format=".1f", gradientLength=row * len(names) - 30)
    cells = base.mark_rect().encode(
        x,
        y,
        alt.X2("high:Q"),
        color=alt.Color("mcc:Q", scale=hue, legend=legend),
        tooltip=tips(("loss",), ("b", "mcc")),
    )
    words = base.mark_text(fontSize=12).encode(
        x=alt.X("b:Q"),
        y=y,
        text=alt.Text("mcc:Q", format=".2f"),
        color=alt.condition("datum.mcc > 0.8", alt.value("#000"), alt.value("#fff")),
    )
    ends = base.transform_filter(f"isValid(datum.end) && datum.b == {SCALES[0]}")
    ends = ends.mark_tick(thickness=3, size=row - 2, color=ORANGE, opacity=1).encode(x=alt.X("end:Q"), y=y)
    return alt.layer(cells, ends, words)
