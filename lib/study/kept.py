"""What a run left, checked when it is read: its record, and the files of which the record holds the sha256."""

from pathlib import Path

from lib import records

PROVENANCE = "provenance.json"


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


def remedy(folder: Path) -> str:
    """What to do about a damaged file."""
    again = f"remove the folder {folder} and run again"
    return f"take it from git again: git restore {folder}" if "recorded" in folder.parts else again
