"""What the comparison of methods draws: learning rates that were tried, harm against similarity."""

from pathlib import Path

import pandas as pd
from torch import Tensor

from lib.studies.shared.evidence import Evidence


def trials(path: Path, best: dict[str, float]) -> tuple[list[str], list[tuple]]:
    """Header and rows of the table of a tuning.csv: balanced accuracy by label and rate, the best rate of each bold."""
    tried = pd.read_csv(path)
    wide = tried.pivot(index="label", columns="learning_rate", values="balanced_accuracy").reindex(tried.label.unique())

    def cell(label: str, rate: float, accuracy: float) -> str:
        bold = "**" if best[label] == rate else ""
        return "failed" if pd.isna(accuracy) else f"{bold}{accuracy:.3f}{bold}"

    lines = [(label, *(cell(label, *item) for item in row.items())) for label, row in wide.iterrows()]
    return ["balanced accuracy at learning rate", *map(str, wide.columns)], lines


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
