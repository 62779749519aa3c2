"""A small book: the real prose, chapters with invented numbers, and every kind of chart that answers the pointer."""

import functools
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml

from lib import claims, study
from lib.book import contents, make, reference, run_records, site, sources_shown, sweeps, wanted
from lib.figures import charts, disentanglement, lspread_strata, minority_collapse, sbm_theory
from lib.figures.cifar10_undersampling import NULL
from lib.hashing import ROOT
from lib.study import page

STUDY = "cifar10_undersampling"
FACE = "digits, quick, CPU, 3 seeds"
SOURCE = "lib/harms/representation.py:representation_harm"
Drawn = dict[str, tuple[object, pd.DataFrame]]  # name of a figure: chart and data


def make_run(folder: Path, name: str = STUDY, figures: Drawn | None = None, effect: float = 0.8, **changed) -> Path:
    """A finished run with invented numbers: the present notebook's cells, its figures and two judgements."""
    outputs = {key: _shown(folder, key, *drawn) for key, drawn in (heat() if figures is None else figures).items()}
    notebook = jupytext.read(ROOT / f"notebooks/{name}.py")
    cells = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [outputs.pop(key) for key in list(outputs) if f'"{key}",' in cell.source]
        cells.append(cell)
        if "parameters" in cell.metadata.get("tags", []):
            cells.append(nbformat.v4.new_code_cell("seed = 0", metadata={"tags": ["injected-parameters"]}))
    [c for c in cells if c.cell_type == "code"][-1].outputs += outputs.values()
    notebook.cells = cells
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, folder / "executed.ipynb")
    row = {"effect": effect, "low": effect - 0.1, "high": effect + 0.1, "seeds": 3, "preset": "quick", "data": "digits"}
    row |= {"run": folder.name, "mark": "analogue", "verdict": claims.HOLDS, "source": "run"}
    row |= {"claim": claims.of(name)[0].id if claims.of(name) else "none"}
    row |= {"null_low": 1.05, "null_high": 1.1}
    author = row | {"source": "authors", "seeds": 0, "low": None, "high": None, "mark": ""}
    pd.DataFrame([row, author]).to_csv(folder / "claims.csv", index=False)
    pd.DataFrame([{"study": name, "quantity": "RH", "value": 0.9}]).to_csv(folder / "results.csv", index=False)
    values = {key: p.default for key, p in study.parameters(name).items()} | changed
    record = {"study": name, "run": folder.name, "preset": "quick", "params": values, "seeds": [0, 1, 2]}
    record |= {"git": {"commit": "abcdef0123456789", "dirty": True}, "data": {"name": "digits"}, "python": "3.11.2"}
    record |= {"packages": {"torch": "2"}, "processor": "Some processor", "device": ["CPU"], "threads": [1]}
    record |= {"started": "2026-01-01T00:00:00Z", "seconds": 61.0, "training_seconds": 240.0, "peak_memory_mib": 700}
    (folder / "provenance.json").write_text(json.dumps(record))
    return folder


def build(folder: Path) -> Path:
    """Make the book in an empty folder, with the chapters that have figures here alone; returns the pages' folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_records, "RESULTS", folder / "results")
        patch.setattr(sweeps, "on_this_machine", list)
        patch.setattr(sources_shown, "sources", functools.cache(linked))
        runs = {name: make_run(folder / f"results/runs/{name}/quick-1", name, draw()) for name, draw in FIGURES.items()}
        site.assemble(runs, folder / "source")
    pages = folder / "source/_toc.yml"
    toc = yaml.safe_load(pages.read_text())
    for part in toc["parts"]:
        part["chapters"] = [c for c in part["chapters"] if list(pages.parent.glob(f"{c['file']}.*"))]
    pages.write_text(yaml.safe_dump(toc))
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", "source", "--path-output", ".", "--quiet"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)  # links to other chapters lead nowhere
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "_build/html"


def linked() -> list[str]:
    """The source files to which the prose of the small book links, and its figures."""
    prose = [*(ROOT / "book").glob("*.md"), contents.ROWS, *(ROOT / f"notebooks/{name}.py" for name in FIGURES)]
    found = re.findall(
        r"\b(?:lib|notebooks)/[\w/]+\.py", " ".join([SOURCE, reference.text(), *(path.read_text() for path in prose)])
    )
    return sorted({path for path in found if (ROOT / path).exists()})


def current() -> Path | None:
    """The pages of the whole book, where it was built and nothing has changed since."""
    if given := os.environ.get("BOOK_HTML"):
        return Path(given)
    made = ROOT / "build/site"
    if not made.exists() or any(not run.done for run in wanted.quick_runs()):
        return None
    newest = max((ROOT / path).stat().st_mtime for path in wanted.site_files())
    return ROOT / make.HTML if made.stat().st_mtime >= newest else None


def heat() -> Drawn:
    """Four cells."""
    names = ["panel", "row", "column", "value"]
    table = pd.DataFrame([("this run", a, b, 0.9) for a in "01" for b in "01"], columns=names)
    return {"rh": (charts.heatmaps(table), table)}


def undersampling() -> Drawn:
    """Two matrices of ten classes, pairs beside a null, a map of 150 images twice, and the curves of three encoders."""
    draw, classes = np.random.default_rng(0), [str(k) for k in range(10)]
    grid = [(panel, a, b) for panel in ("paper, 10 seeds", f"this run, {FACE}") for a in classes for b in classes]
    rh = pd.DataFrame(grid, columns=["panel", "row", "column"]).assign(value=draw.normal(1, 0.1, 200).round(3))
    groups = {"look-alikes": 8, "other pairs": 40, NULL: 30}  # dots with intervals, a strip of dots, a band
    pairs = pd.DataFrame([(g, f"{k} · {g}") for g, n in groups.items() for k in range(n)], columns=["group", "label"])
    pairs = pairs.assign(value=np.linspace(0.8, 1.1, len(pairs)))
    pairs = pairs.assign(low=pairs.value - 0.05, high=pairs.value + 0.05)
    images = [
        {"panel": panel, "image": i, "class": classes[i % 10], "x": float(x), "y": float(y)}
        for panel in ("balanced", "undersampled")
        for i, (x, y) in enumerate(draw.uniform(-1, 1, (150, 2)).round(2))
    ]
    curves = [
        {"encoder": f"{who}, seed 0", "undersampled": who, "epoch": epoch, "loss": start - 0.2 * epoch}
        for who, start in (("balanced", 4.0), ("3", 4.3), ("8", 4.6))
        for epoch in range(5)
    ]
    maps, loss = pd.DataFrame(images), pd.DataFrame(curves)
    return {
        "rh": (charts.heatmaps(rh, orders={"paper": classes, "this run": classes}), rh),
        "pairs": (charts.dots(pairs, null=NULL), pairs),
        "map": (charts.maps(maps), maps),
        "loss": (charts.curves(loss), loss),
    }


def play() -> Drawn:
    """Angles of three vectors that depend smoothly on the place of every slider."""
    mesh = np.meshgrid((0.5, 1.0, 2.0), np.linspace(-8, -1, 29), np.linspace(0, 0.9, 19), indexing="ij")
    table = pd.DataFrame(dict(zip(("tau", "log2_share", "alpha"), (m.ravel() for m in mesh), strict=True))).round(6)
    table["t12"] = (1.8 - 0.1 * table.tau + 0.05 * table.log2_share - table.alpha).round(5)
    table["t23"] = (1.9 - 0.1 * table.tau - 0.02 * table.log2_share - 0.2 * table.alpha).round(5)
    return {"play": (sbm_theory.play(table), table)}


def collapse() -> Drawn:
    """Thresholds that grow with the negatives, and angles that close as the ratio grows."""
    phase = pd.DataFrame(
        [
            {"law": law, "minorities": b, "step": step, "negatives": str(2**step), "tau": tau}
            | {"threshold": round((2 + step + int(b)) * math.exp(1 / tau), 3)}
            for law in ("label-aware", "iid")
            for b in ("2", "4", "9")
            for step in range(6)
            for tau in (0.3, 0.5, 1.0)
        ]
    )
    circle = pd.DataFrame([{"tau": t, "log10_ratio": round(x, 4)} for t in (0.3, 1.0) for x in np.linspace(0, 3, 61)])
    circle["angle"] = (2.1 + (math.pi - 2.1) * (circle.log10_ratio * circle.tau / 3)).round(5)
    return {
        "phase": (minority_collapse.boundary(phase), phase),
        "circle": (minority_collapse.three_classes(circle), circle),
    }


def spread() -> Drawn:
    """A threshold over the negatives at nine temperatures, three rings at two of them, and a map by stratum."""
    taus = [round(0.1 * n, 1) for n in range(1, 10)]
    lines = pd.DataFrame(
        [
            {"classes": k, "step": step, "tau": tau, "negatives": 2.0**m, "alpha_star": round(tau * m / 12, 4)}
            for k in ("2", "10")
            for step, tau in enumerate(taus)
            for m in range(4, 10)
        ]
    )
    rings = [("one", 0.5, 0.25, "2"), ("two", 0.5, 0.5, "10"), ("three", 0.1, 0.75, "10")]
    settings = pd.DataFrame(
        [
            {"name": name, "step": taus.index(tau), "tau": tau, "negatives": 254.0, "alpha": alpha, "classes": classes}
            | {"alpha_star": 0.4}
            for name, tau, alpha, classes in rings
        ]
    )
    both, draw = pd.concat([lines, settings]), np.random.default_rng(1)
    points = pd.DataFrame(
        [
            {"panel": panel, "image": i, "class": f"stratum {i % 4}", "x": float(x), "y": float(y)}
            for panel in ("sup con", "spread")
            for i, (x, y) in enumerate(draw.uniform(-1, 1, (80, 2)))
        ]
    )
    return {
        "phase": (lspread_strata.phase(both), both),
        "map": (charts.maps(points), points),
    }


def factors() -> Drawn:
    """A lattice that two recipes turn step by step, boxes, rooms that meet, a corner that shrinks."""
    line = np.linspace(0, 1, 6)
    at = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)

    def turned(step: int, pace: float) -> np.ndarray:
        a = math.pi / 180 * pace * step
        return (at - 0.5) @ np.array([[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]]) + 0.5

    moving = disentanglement.frames(at, {f"pace {p}": [(10 * f, turned(f, p)) for f in range(4)] for p in (0, 9)})
    box = pd.DataFrame([{"kappa": k, "seed": s, "angle": 4.0 * s} for k in (1.0, 1.25) for s in range(3)])
    meet = disentanglement.meeting(np.linspace(0, 0.7, 15), [(max(0, 0.6 - 0.12 * i), 0.6) for i in range(15)])
    density, rh = [1.0, 0.2, 0.05], np.array([[1.0, 1.0, 1.0], [0.9, 1.0, 1.0], [0.8, 0.95, 1.1]])
    codes = np.stack([np.stack([at * r for r in row]) for row in rh])
    rare = disentanglement.learned_corner(at, codes, rh, density)
    return {
        "lattice": (disentanglement.moving(moving), moving),
        "box": (disentanglement.boxes(box), box),
        "rooms": (disentanglement.rooms(meet), meet),
        "corner": (disentanglement.corner(rare), rare),
    }


FIGURES = {STUDY: undersampling, "sbm_theory": play, "minority_collapse": collapse, "lspread_strata": spread}
FIGURES |= {"disentanglement": factors}


def _shown(folder: Path, name: str, chart, data: pd.DataFrame) -> nbformat.NotebookNode:
    """The output of a cell that shows the chart."""
    with pytest.MonkeyPatch.context() as patch:
        shown = []
        patch.setattr(page, "display", lambda item: shown.append(item.data))
        page.show(folder, name, chart, "RH is 0.90", "Caption.", data, SOURCE, FACE)
    return nbformat.v4.new_output("display_data", {"text/html": shown[0]})
