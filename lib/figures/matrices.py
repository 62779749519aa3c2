"""Matrices of the harms of undersampled classes: the paper's, those of runs of record and of a run, side by side."""

import altair as alt
import pandas as pd

from lib.figures import charts
from lib.studies.shared.arms import PAPER_ORDER
from lib.study import Run


def beside(
    run: Run, published: dict[str, pd.DataFrame], here: dict[str, pd.DataFrame], recorded: dict[str, str]
) -> pd.DataFrame:
    """One below the other, with the panel of each: panel, row, column, value, and low, high where there are intervals.

    published, here: by what follows "paper" and "this run" in the name of the panel; recorded: by what follows
    "recorded", the quantity as the results name it.  A quantity that a run of record lacks has no panel.
    """
    parts = [cells.assign(panel=f"paper{label}") for label, cells in published.items()]
    for record in run.recorded:
        has = {label: quantity for label, quantity in recorded.items() if record.has(quantity)}
        parts += [record.matrix(q).assign(panel=f"recorded{label}, {record.face}") for label, q in has.items()]
    parts += [cells.assign(panel=f"this run{label}, {run.face()}") for label, cells in here.items()]
    return pd.concat(parts, ignore_index=True)


def heatmaps(df: pd.DataFrame, classes: tuple[str, ...], quantity: str = "RH", **how) -> alt.ConcatChart:
    """The chart of ``beside``: the paper's panels in its own order of classes, this run's in that of ``classes``.

    RH is centred at 1, with the other class in its columns; any other quantity is a change of decisions, centred at 0.
    how: as ``charts.heatmaps``.
    """
    titles = (
        ("undersampled class", "other class") if quantity == "RH" else ("undersampled (true) class", "predicted class")
    )
    orders = {"paper": list(PAPER_ORDER), "this run": list(classes)}
    return charts.heatmaps(df, float(quantity == "RH"), orders, (*titles, quantity), **how)
