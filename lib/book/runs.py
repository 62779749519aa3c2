"""Small tools around finished runs: compare, record, prune, sweep tables, the student version of a study."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import pandas as pd

from lib import records, study
from lib.encoders.store import STORE
from lib.study import RUNS, Run, kept
from lib.study.kept import provenance

RECORDED = Path("results/recorded")
KEPT = ("results.csv", "claims.csv", "provenance.json")
INDEX = ["quantity", "undersampled", "class_i", "class_j", "ratio"]


def digest(value) -> str:
    """Ten hex digits of a JSON value."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:10]


def find(name: str) -> Path:
    """The folder of a run or of a run of record, by its id or the end of it; ValueError with those that exist."""
    folders = [path.parent for root in (RUNS, RECORDED) for path in sorted(root.glob("*/*/provenance.json"))]
    hits = [f for f in folders if name and f.name.endswith(name)]
    if len(hits) != 1:
        known = ", ".join(f.name for f in folders) or "none yet; make one with 'make run'"
        raise ValueError(f"run {name!r} is {'not there' if not hits else 'not unique'}; there are: {known}")
    return hits[0]


def compare(a: Path, b: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two runs side by side: (parameters that differ, every quantity that both have with its difference)."""
    pa, pb = provenance(a)["params"], provenance(b)["params"]
    names = [n for n in {**pa, **pb} if pa.get(n) != pb.get(n)]
    params = pd.DataFrame({"parameter": names, "A": [pa.get(n) for n in names], "B": [pb.get(n) for n in names]})
    ra, rb = (pd.read_csv(kept.file(folder, "results.csv"), dtype={c: str for c in INDEX}) for folder in (a, b))
    index = [c for c in INDEX if c in ra and c in rb and c != "ratio"]
    both = ra.fillna({c: "" for c in index}).merge(rb.fillna({c: "" for c in index}), on=index, suffixes=("_A", "_B"))
    both["difference"] = both["value_B"] - both["value_A"]
    columns = [f"{c}_{s}" for s in "AB" for c in ("value", "low", "high")]
    return params, both[[*index, *columns, "difference"]]


def command_compare(options) -> int:
    """Print and keep the comparison of runs A and B."""
    a, b = find(options.a), find(options.b)
    params, table = compare(a, b)
    path = Path("build/compare") / f"{a.name}--{b.name}.csv"
    with records.atomic(path) as temporary:
        table.to_csv(temporary, index=False)
    print(f"A {a}\nB {b}\n\n{params.to_string(index=False) if len(params) else 'same parameters'}\n")
    print(table[~table["quantity"].str.startswith("cosine")].head(40).to_string(index=False))
    print(f"\n{len(table)} quantities: {path}")
    return 0


def command_record(options) -> int:
    """Copy a run into results/recorded, as a run of record; a run of uncommitted code is refused."""
    folder = find(options.run)
    about = provenance(folder)
    trees = [about["git"], *(e["git"] for e in about["encoders"]), records.git_state()]
    if any(tree["dirty"] or not tree["commit"] for tree in trees):
        raise ValueError(f"run {folder.name}: made from, or recorded in, a tree with uncommitted changes; commit first")
    target = RECORDED / folder.parent.name / folder.name
    for path in [kept.file(folder, name) for name in KEPT]:
        with records.atomic(target / path.name) as temporary:
            shutil.copyfile(path, temporary)
    print(f"recorded: {target}; commit it")
    return 0


def command_prune(_) -> int:
    """Remove runs that the present code would not make again under their name.

    Encoders go too, but for those that the book or a run that stays needs.
    """
    book = [Run(name, study.complete(name, study.preset(name, "quick"))) for name in study.names()]
    freed, keep = 0, {unit.name for run in book for unit in run.units}
    for path in sorted(RUNS.glob("*/*/")):
        if path.parent.name == "sweeps":
            continue
        run = _again(path)
        if run is None or run.id != path.name:
            freed += _remove(path)
        else:
            keep |= {unit.name for unit in run.units}
    for path in sorted((RUNS / "sweeps").glob("*.json")):
        sweep = json.loads(path.read_text())
        if not all((RUNS / sweep["study"] / run).exists() for run in sweep["runs"]):
            path.unlink()
            path.with_suffix(".csv").unlink(missing_ok=True)
    for path in sorted(STORE.glob("*/")):
        if path.name not in keep:
            freed += _remove(path)
    print(f"{freed / 2**20:.1f} MiB freed")
    return 0


def command_student(options) -> int:
    """Write the student version of a study: the same notebook with every solution cell emptied."""
    text = study.source(options.study).read_text(encoding="utf-8")
    path = Path("build/student") / f"{options.study}.py"
    records.write_text(path, student_version(text))
    print(path)
    return 0


def student_version(text: str) -> str:
    """py:percent source with the body of each cell tagged "solution" replaced by a line that asks for it."""
    parts = re.split(r"(?m)^(?=# %%)", text)
    emptied = [
        part.split("\n", 1)[0] + "\n# Your answer here.\n\n" if '"solution"' in part.split("\n", 1)[0] else part
        for part in parts
    ]
    return "".join(emptied)


def _again(folder: Path) -> Run | None:
    try:
        about = provenance(folder)
        return Run(about["study"], study.complete(about["study"], about["params"]))
    except (OSError, KeyError, ValueError):
        return None


def _remove(folder: Path) -> int:
    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    shutil.rmtree(folder)
    print(f"removed {folder}")
    return size
