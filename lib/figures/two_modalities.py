"""Charts of images with captions: RH of pairs of classes and effects on recall, a tower each."""

import altair as alt
import pandas as pd
from torch import Tensor

from lib.figures import charts
from lib.figures.cifar10_undersampling import NULL, pair_dots
from lib.intervals import Estimate


def pairs(cells: dict[str, pd.DataFrame], null: dict[str, Tensor], alike: set[tuple[str, str]]) -> pd.DataFrame:
    """RH by tower: tower, group, label, value, low, high.

    cells: by tower row, column, value, low, high of the rare classes; null: by tower, RH without a treatment, any
    shape, or no entry where there is none; alike: (class, look-alike).
    """
    parts = []
    for tower, each in cells.items():
        found = pair_dots(each, None, alike)
        none = pd.DataFrame({"value": null[tower].flatten().tolist() if tower in null else []})
        none = none.assign(group=NULL, label=NULL)
        parts.append(pd.concat([found, none], ignore_index=True).assign(tower=f"{tower} tower"))
    return pd.concat(parts, ignore_index=True)


def beside(df: pd.DataFrame) -> alt.VConcatChart:
    """The frame of ``pairs``, a tower above the other, each before its own null, on one scale."""
    blocks = [
        charts.dots(part.assign(group=[g if g == NULL else f"{tower}, {g}" for g in part.group]), null=NULL)
        for tower, part in df.groupby("tower", sort=False)
    ]
    for block in (block for tower in blocks for block in tower.vconcat):
        block.layer[0].mark.clip = True  # a null may end beyond the axis, which spans the dots
    return alt.vconcat(*blocks, spacing=16).resolve_scale(x="shared")


def effects(means: dict[str, dict[str, Estimate]]) -> tuple[alt.VConcatChart, pd.DataFrame]:
    """Mean effects on the rare class's recall, a block a tower, and the frame drawn.  means: by tower, by effect."""
    df = charts.estimates((f"{tower} tower", name, e) for tower, them in means.items() for name, e in them.items())
    return charts.dots(df, "change of recall", 0), df


def beside_null(df: pd.DataFrame) -> str:
    """A sentence on the middle 95 % of the null of ``pairs`` by tower; empty where there is none."""
    parts = df[df.group == NULL].groupby("tower", sort=False).value
    ends = [f"{tower} {part.quantile(0.025):.2f} to {part.quantile(0.975):.2f}" for tower, part in parts]
    return f"Grey: the middle 95 % of the null, {', '.join(ends)}." if ends else ""
