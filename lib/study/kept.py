"""What a run left, checked when it is read: its record, and the files of which the record holds the sha256."""

from pathlib import Path
from typing import TYPE_CHECKING

from lib import records

if TYPE_CHECKING:  # takes a second, and the graph is planned without
    import pandas as pd

PROVENANCE = "provenance.json"
NEEDS = {"results.csv": ("quantity", "value"), "claims.csv": ("source", "claim", "effect", "seeds", "verdict")}
NUMBERS = ("value", "effect", "low", "high", "seeds")


def provenance(folder: Path) -> dict:
    """The record of a run; FileNotFoundError without one, ``records.Damaged`` where it is not whole."""
    found = records.read_json(folder / PROVENANCE, remedy(folder), ("params",))
    if not isinstance(found["params"], dict) or not isinstance(found.get("study", ""), str):
        raise records.Damaged(
            f"{folder / PROVENANCE} is damaged (study or params are of another kind); {remedy(folder)}"
        )
    return found


def file(folder: Path, name: str) -> Path:
    """The path of one of a run's files, after a look whether it is what was written; ``records.Damaged``, by name."""
    record = provenance(folder)
    return folder / name if name == PROVENANCE else records.checked(folder, name, record, remedy(folder))


def table(folder: Path, name: str, **options) -> "pd.DataFrame":
    """A run's results.csv or claims.csv, checked as ``file`` checks it; options: of pandas' ``read_csv``.

    ``records.Damaged``, by name: it is no table with commas, points and the names of its columns, as a spreadsheet
    leaves one behind.
    """
    import pandas as pd

    path = file(folder, name)
    try:
        header = path.read_bytes().partition(b"\n")[0].decode().strip()
        found = pd.read_csv(path, encoding="utf-8", **options)
        found[[c for c in NUMBERS if c in found]].astype(float)
    except ValueError as error:
        raise records.Damaged(f"{path} is damaged ({str(error).splitlines()[0]}); {remedy(folder)}") from None
    if header.startswith("\ufeff") or not set(NEEDS[name]) <= set(header.split(",")):
        raise records.Damaged(
            f"{path} is damaged (its first line, {header[:60]!r}, is not {','.join(NEEDS[name])} and other names with "
            f"commas between them; a spreadsheet may have saved it); {remedy(folder)}"
        )
    return found


def sweep(path: Path) -> dict:
    """The file of a sweep: study, preset, grid and runs; ``records.Damaged`` where it is not what was written."""
    return records.read_json(path, "remove it and start the sweep again", ("study", "grid", "runs"))


def remedy(folder: Path) -> str:
    """What to do about a damaged file."""
    again = f"remove the folder {folder} and run again"
    return f"take it from git again: git restore {folder}" if "recorded" in folder.parts else again
