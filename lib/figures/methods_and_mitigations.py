"""What the comparison of methods draws: rates that were tried, effects beside the paper's, similarity, the frontier."""

from pathlib import Path

import altair as alt
import pandas as pd
from torch import Tensor

from lib.figures import matrices
from lib.figures.theme import COLOURS, GREY, INK, LEGEND
from lib.intervals import Estimate
from lib.studies.shared.evidence import Evidence
from lib.study import Run, report

NAMES = {"simclr": "SimCLR", "simsiam": "SimSiam", "bcl": "BCL", "vicreg": "VICReg", "barlow_twins": "Barlow Twins"}
NAMES |= {"mae": "MAE"}


def called(label: str) -> str:
    """A method as its authors spell it, with what is added to it in words: "SimCLR + surgery clusters"."""
    name = next((n for n in NAMES if label == n or label.startswith((f"{n}_", f"{n},"))), "")
    rest = label.removeprefix(name)
    return NAMES.get(name, "") + (" + " * rest.startswith("_") + rest.lstrip("_").replace("_", " "))


def trials(path: Path, best: dict[str, float]) -> tuple[list[str], list[tuple]]:
    """Header and rows of the table of a tuning.csv: balanced accuracy by label and rate, the best rate of each bold."""
    tried = pd.read_csv(path)
    wide = tried.pivot(index="label", columns="learning_rate", values="balanced_accuracy").reindex(tried.label.unique())

    def cell(label: str, rate: float, accuracy: float) -> str:
        bold = "**" if best[label] == rate else ""
        return "failed" if pd.isna(accuracy) else f"{bold}{accuracy:.3f}{bold}"

    lines = [(called(label), *(cell(label, *item) for item in row.items())) for label, row in wide.iterrows()]
    return ["balanced accuracy at learning rate", *map(str, wide.columns)], lines


def effects(
    run: Run, tables: dict[str, dict[str, pd.DataFrame]], classes: tuple[str, ...]
) -> tuple[alt.HConcatChart, pd.DataFrame]:
    """The paper's matrices of effects, those of runs of record and this run's, a column an effect with its own scale.

    tables: by effect (TE, NIE) and method, row, column, value, low, high of this run.  Returns the chart and the frame
    drawn.
    """
    parts = {}
    for effect, here in tables.items():
        titles = {m: f": {effect} of {called(m)}" for m in here}
        panels = {f"{title}, CIFAR-10, 1 %": report.matrix(f"{m}_1pct", effect) for m, title in titles.items()}
        own = {titles[m]: cells for m, cells in here.items()}
        parts[effect] = matrices.beside(run, panels, own, {title: f"{effect} {m}" for m, title in titles.items()})
    columns = [matrices.heatmaps(part, classes, effect, cell=24, columns=1) for effect, part in parts.items()]
    chart = alt.hconcat(*columns, spacing=18).resolve_scale(color="independent")
    return chart, pd.concat([part.assign(effect=effect) for effect, part in parts.items()], ignore_index=True)


def similarity(seen: Evidence, cosine: Tensor, pull: Tensor, pairs: list[tuple[int, int]]) -> pd.DataFrame:
    """The cells (k, j) of ``similarity`` of the study, means over seeds: cell, look-alike, cosine, pull."""
    names = seen.classes
    cells = [(k, j) for k in seen.treated for j in range(len(names)) if j != k]
    return pd.DataFrame(
        {
            "cell": [f"{names[k]} → {names[j]}" for k, j in cells],
            "look-alike": ["yes" if cell in pairs else "no" for cell in cells],
            "cosine": cosine.mean(0),
            "pull": pull.mean(0),
        }
    )


def gains(found: dict[str, dict[str, Estimate]], best: list[str], pace: dict[str, float]) -> pd.DataFrame:
    """Rows of ``frontier``: remedy, frontier (yes or no), seconds a step, and gains in RH and accuracy with ends.

    found: of each remedy, by the names of ``measured.gains``; best: those on the frontier; pace: cost of a step.
    """
    columns = {"pull": "RH, look-alikes", "accuracy": "balanced accuracy"}
    return pd.DataFrame(
        {"remedy": called(label), "frontier": "yes" if label in best else "no", "seconds a step": pace[label]}
        | {f"{name}{end}": getattr(part[said], what) for name, said in columns.items() for end, what in ENDS.items()}
        for label, part in found.items()
    )


ENDS = {"": "value", "_low": "low", "_high": "high"}


MARKS = ("circle", "square", "cross", "diamond", "triangle-up", "triangle-down", "triangle-right", "triangle-left")


def frontier(df: pd.DataFrame) -> alt.LayerChart:
    """Gain in RH against gain in accuracy with bars of the intervals, names beside the dots of the frontier, lines at
    no gain.

    df: see ``gains``, ``len(MARKS)`` remedies at most.
    """
    known = list(df.remedy)
    hues = alt.Color("remedy:N", scale=alt.Scale(domain=known, range=list(COLOURS[: len(known)])), legend=LEGEND)
    shapes = alt.Shape("remedy:N", scale=alt.Scale(domain=known, range=list(MARKS[: len(known)])), legend=LEGEND)
    x = alt.X("pull:Q", title="gain in RH towards the look-alike", scale=alt.Scale(zero=False))
    y = alt.Y("accuracy:Q", title="gain in balanced accuracy", scale=alt.Scale(zero=False))
    base = alt.Chart(df, width=460, height=300)
    bars = base.mark_rule(color=GREY, strokeWidth=1, opacity=0.7)
    across = bars.encode(alt.X("pull_low:Q"), y, alt.X2("pull_high:Q"))
    along = bars.encode(x, alt.Y("accuracy_low:Q"), alt.Y2("accuracy_high:Q"))
    numbers = [alt.Tooltip(f"{c}:Q", format=".3f") for c in ("pull", "accuracy", "seconds a step")]
    dots = base.mark_point(filled=True, size=80, opacity=1).encode(x, y, hues, shapes, tooltip=["remedy:N", *numbers])
    names = alt.Chart(df[df.frontier == "yes"]).mark_text(align="left", dx=7, dy=-8, color=INK)
    neutral = {"color": INK, "strokeDash": [4, 3]}
    lines = [base.mark_rule(**neutral).encode(**{axis: alt.datum(0)}) for axis in ("x", "y")]
    return alt.layer(*lines, across, along, dots, names.encode(x, y, text="remedy:N"))
