"""Charts of minority collapse: thresholds under a slider of negatives, three classes on a circle, curves with dots."""

from types import SimpleNamespace

import altair as alt
import numpy as np
import pandas as pd
import torch

from lib import geometry
from lib.figures import sliders
from lib.figures.theme import BLUE, INK, ORANGE, series, tips
from lib.geometry import collapse
from lib.studies.minority_collapse import FRESH, number
from lib.studies.shared import majorities


def boundary(df: pd.DataFrame, width: int = 232) -> alt.HConcatChart:
    """R* over the temperature, a line a number of minority classes, a panel a law; a slider moves the negatives M.

    df: law, minorities (text), step (0, 1, … the slider's places), negatives (text), tau, threshold.
    """
    last = int(df.step.max())
    pick = sliders.slider("pick_step", "negatives of an anchor", 0, (0, last))
    places = [f"M = {m}" for m in df.drop_duplicates("step").sort_values("step").negatives]
    legend = alt.Legend(orient="bottom", title="minority classes B")
    colour, shape = series("minorities", df.minorities, legend)
    where = alt.X("tau:Q", title="temperature τ", scale=alt.Scale(type="log", nice=False))
    scale = alt.Scale(type="log", domain=[1, float(10 ** np.ceil(np.log10(df.threshold.max())))], nice=False)
    axis = alt.Axis(format="~s", tickCount=6)
    high = alt.Y("threshold:Q", title="R*: majority share / minority share", scale=scale, axis=axis)
    about, panels = tips(("minorities", "negatives"), ("tau", "threshold"), ".4~g"), []
    for law, part in df.groupby("law", sort=False):
        base = alt.Chart(part, title=str(law), width=width, height=270).transform_filter("datum.step == pick_step")
        line = base.mark_line(strokeWidth=2).encode(where, high, colour)
        dots = line.mark_point(filled=True, size=36, opacity=1).encode(shape, tooltip=about)
        words = base.transform_aggregate(n="min(negatives)").transform_calculate(words="'M = ' + datum.n")
        words = words.mark_text(color=INK, fontSize=13, align="right").encode(text="words:N")
        above = base.transform_aggregate(n="count()").mark_text(color=INK, fontSize=12, align="right")
        above = above.encode(text=alt.value("above its line: collapse"))
        texts = [t.encode(x=alt.value(width - 8), y=alt.value(y)) for t, y in ((words, 16), (above, 34))]
        panels.append(alt.layer(line, dots, *texts))
    drawn = alt.hconcat(*panels, spacing=14).resolve_scale(color="shared", shape="shared")
    hint = "move M from 1 to ∞ and see how far the lines rise, at a low and at a high temperature."
    return sliders.controlled(drawn, pick, pick_step={"words": places}, hint=hint)


def three_classes(df: pd.DataFrame, side: int = 330) -> alt.LayerChart:
    """One majority and two minority classes on the circle; a slider moves R, buttons the temperature.

    df: a full grid of tau (a few values) and log10_ratio (evenly spaced), angle from the majority to either minority.
    Between the points of the grid the angle is interpolated linearly, in the page.
    """
    ratios, taus = (sorted(df[c].unique().tolist()) for c in ("log10_ratio", "tau"))
    ratio = sliders.slider("pick_ratio", "ratio of shares R", ratios[0], (ratios[0], ratios[-1]), 0.01)
    tau = sliders.buttons("pick_tau", "temperature τ", taus, taus[-1])
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
    apart = "0.3 * (datum.t > 2.8)"  # of the labels, where the minorities have met
    layers += _vector(one, "majority", "0", BLUE, "0")
    layers += _vector(one, "minority 1", "datum.t", ORANGE, apart)
    layers += _vector(one, "minority 2", "-datum.t", ORANGE, f"-{apart}")
    text = "'cosine of the minorities ' + format(cos(2 * datum.t), '.3f')"
    text += " + ' · R = ' + format(pow(10, pick_ratio), '.3~r')"
    words = one.transform_calculate(x="0", y="-1.5", words=text).mark_text(color=INK, fontSize=12)
    layers.append(words.encode(text="words:N"))
    scale = alt.Scale(domain=[-1.6, 1.6])
    chart = alt.layer(*layers).encode(alt.X("x:Q", scale=scale, axis=None), alt.Y("y:Q", scale=scale, axis=None))
    hint = "raise R until the minorities meet, then choose the lowest temperature and do it again."
    drawn = chart.properties(width=side, height=side)
    return sliders.controlled(drawn, ratio, tau, pick_ratio={"base": 10}, hint=hint)


def _vector(one: alt.Chart, name: str, angle: str, colour: str, apart: str) -> list[alt.Chart]:
    """A line from the centre, its end, and its name moved sideways by ``apart``; both are Vega expressions."""
    vector = one.transform_calculate(x=f"sin({angle})", y=f"cos({angle})", zero="0")
    far = vector.transform_calculate(x=f"1.42 * datum.x + {apart}", y="1.14 * datum.y")
    return [
        vector.mark_rule(color=colour, strokeWidth=3).encode(x2="zero:Q", y2="zero:Q"),
        vector.mark_point(color=colour, filled=True, size=90, opacity=1),
        far.mark_text(text=name, color=INK, fontSize=12),
    ]


def cosines(df: pd.DataFrame, x_title: str, rule: float | None = None, width: int = 232) -> alt.HConcatChart:
    """Cosines between minorities over a logarithmic axis: lines of a theory, dots of what was measured or solved.

    df: panel, group, ratio, cosine; kind, "line" or another word, where not all are lines; limit where there is one,
    drawn dashed at the right end.  rule: a dashed vertical line.  Colour and shape tell the groups; one legend for all.
    """
    columns = 2 if df.group.str.len().max() > 20 else 4
    colours, shapes = series(
        "group", df.group, alt.Legend(title=None, orient="bottom", labelLimit=320, columns=columns)
    )
    ends = [float(df.ratio.min()), float(df.ratio.max())]
    where = alt.X(
        "ratio:Q",
        title=x_title,
        scale=alt.Scale(type="log", domain=ends, nice=False, padding=8),
        axis=alt.Axis(format="~s" if ends[1] > 100 else "~g", tickCount=5),
    )
    scale = alt.Scale(domain=[min(-0.5, float(df.cosine.min())), 1.02], nice=False)
    high = alt.Y("cosine:Q", title="cosine between minorities", scale=scale)
    about, panels = tips(("group",), ("ratio", "cosine"), ".4~g"), []
    for name, part in df.groupby("panel", sort=False):
        line = part[part.kind == "line"] if "kind" in df else part
        dots = part[part.kind != "line"] if "kind" in df else part
        base = alt.Chart(line, width=width, height=240, title=str(name))
        layers = [base.mark_line(strokeWidth=2).encode(where, high, colours, tooltip=about)]
        if rule is not None:
            layers.append(alt.Chart(line).mark_rule(color=INK, strokeDash=[4, 3]).encode(x=alt.datum(rule)))
        points = alt.Chart(dots).mark_point(filled=True, size=60 if "kind" in df else 26, opacity=0.9)
        layers.append(points.encode(where, high, colours, shapes, tooltip=about))
        if "limit" in df:
            dashed = alt.Chart(line.groupby("group", sort=False).tail(1)).mark_rule(color=INK, strokeDash=[4, 3])
            layers.append(dashed.encode(y="limit:Q", x=alt.value(width * 0.65), x2=alt.value(width)))
        panels.append(alt.layer(*layers))
    return alt.hconcat(*panels, spacing=14).resolve_scale(color="shared", shape="shared")


def of_residual(nets: pd.DataFrame, p: SimpleNamespace) -> dict:
    """What ``Run.show`` takes of residual networks: cosines, a dot a network, and the predicted lines over R/R*.

    nets: of ``majorities.measured``, of which a panel has a part of the images.
    """
    found, ratios = [], torch.tensor(np.unique([*np.geomspace(0.2, 2.5, 50), 1.0]))
    for m, mine in nets.groupby("negatives", sort=False):
        r = geometry.collapse_threshold(p.image_minorities, p.temperature, m, "iid")
        b = collapse.two_level(1, p.image_minorities, ratios * r, p.temperature, m, "iid").b
        line = pd.DataFrame({"ratio": ratios, "cosine": b, "kind": "line"})
        lines = [line.assign(panel=part) for part in majorities.PARTS.values()]
        both = *lines, mine.assign(kind="network", panel=mine.part)
        found += [part.assign(group=f"M = {number(m)}") for part in both]
    off = (nets.cosine - nets.predicted).abs().max()
    return {
        "chart": cosines(pd.concat(found)[["panel", "group", "ratio", "cosine", "kind"]], "R / R*", rule=1.0),
        "alt": f"Mean cosine between {p.image_minorities} minority classes under residual networks beside the "
        f"prediction, at half and twice R*: the farthest is {off:.2f} from it.",
        "caption": f"No network is farther than {off:.2f} from the prediction. A dot a network: {p.image_net}, "
        f"{p.majority:,} images of the majority class, {p.image_epochs} epochs, τ = {p.temperature:g}, iid negatives.",
        "data": nets,
        "source": "lib/encoders/majority.py:loss",
        "face": f"cifar10, {p.preset}, {p.seeds} seeds",
    }


def beside_prediction(p: SimpleNamespace, nets: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Cosines of networks on fresh points and the predicted line over R/R*: panel, group, ratio, cosine, kind.

    nets: of ``studies.minority_collapse.networks``; threshold: R*.
    """
    ratios = torch.tensor(np.unique([*np.geomspace(0.2, 2.5, 50), 1.0]))
    b = collapse.two_level(1, p.minorities, ratios * threshold, p.temperature).b
    line = pd.DataFrame({"group": "prediction", "ratio": ratios, "cosine": b, "kind": "line"})
    dots = nets.assign(group=nets.seed.map("network, seed {}".format), kind="network")
    panels = zip(FRESH, ("Gaussian classes", "digits not trained on"), strict=True)
    found = [pd.concat([line, dots[dots.part == part]]).assign(panel=panel) for part, panel in panels]
    return pd.concat(found)[["panel", "group", "ratio", "cosine", "kind"]]
