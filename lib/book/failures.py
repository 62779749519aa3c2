"""Why a build failed, in a line each: what Snakemake says of its jobs would otherwise stand after the reasons."""

import json
from pathlib import Path

EXECUTING = Path("build/executing")  # notebooks that papermill is at work on; one that failed stays there
LOGS = Path("build/logs")  # what training jobs say
MARK = "error: "


def since(start: float) -> list[str]:
    """The error of every study that failed after ``start``, and the last one of every training job that did."""
    found = []
    for path in sorted([*EXECUTING.glob("*.ipynb"), *LOGS.glob("*.log")]):
        if path.stat().st_mtime >= start and (reason := _of_study(path) if path.suffix == ".ipynb" else _of_job(path)):
            found.append(reason)
    return found


def _of_study(path: Path) -> str:
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        outputs = [output for cell in cells for output in cell.get("outputs", ()) if output["output_type"] == "error"]
    except (ValueError, KeyError):  # papermill was killed while it wrote
        return ""
    said = [f"run {path.stem}: {error['ename']}: {error['evalue'].strip()}".splitlines()[0] for error in outputs]
    return said[-1] if said else ""


def _of_job(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line.removeprefix(MARK).strip() for line in reversed(lines) if line.startswith(MARK)), "")
