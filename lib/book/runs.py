"""Small tools around finished runs: compare, record, prune, sweep tables."""

import contextlib
import hashlib
import json
import shutil
from pathlib import Path

import pandas as pd

from lib import records, study
from lib.encoders.recorded import FILE, MOST_BYTES
from lib.encoders.store import STORE
from lib.encoders.units import read_unit
from lib.study import RUNS, Run, kept
from lib.study.kept import provenance

RECORDED = Path("results/recorded")
REQUESTS = Path("build/requests.json")  # what the last build was asked for
KEPT = ("results.csv", "claims.csv", "provenance.json")
INDEX = ("quantity", "undersampled", "class_i", "class_j")  # what names a number
GIVEN = ("ratio", "seed")  # these do where a run has several


def digest(value) -> str:
    """Ten hex digits of a JSON value."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:10]


def find(name: str) -> Path:
    """The folder of a run or a run of record, by its id, the end of it, or its path; ValueError with those that exist.

    A run that was recorded is one run: its id gives its own folder, the path of the record the other.
    """
    folders = [path.parent for root in (RECORDED, RUNS) for path in sorted(root.glob("*/*/provenance.json"))]
    hits = {(f.parent.name, f.name): f for f in folders if name and f.name.endswith(name)}
    hits = [f for f in folders if str(f) == name.rstrip("/")] or list(hits.values())
    if len(hits) != 1:
        known = ", ".join(dict.fromkeys(f.name for f in folders)) or "none yet; make one with 'make run'"
        raise ValueError(f"run {name!r} is {'not there' if not hits else 'not unique'}; there are: {known}")
    return hits[0]


def compare(a: Path, b: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two runs side by side: (parameters that differ, every quantity that both have with its difference).

    ValueError: the runs have no quantity in common, or one has two rows of one name.
    """
    pa, pb = provenance(a)["params"], provenance(b)["params"]
    names = [n for n in {**pa, **pb} if pa.get(n) != pb.get(n)]
    params = pd.DataFrame({"parameter": names, "A": [pa.get(n) for n in names], "B": [pb.get(n) for n in names]})
    both = _matched(a, b)
    for name in GIVEN:  # one column where both have the same
        if both[f"{name}_A"].equals(both[f"{name}_B"]):
            both = both.rename(columns={f"{name}_A": name}).drop(columns=f"{name}_B")
    both["difference"] = both["value_B"] - both["value_A"]
    index = [c for name in (*INDEX, *GIVEN) for c in (name, f"{name}_A", f"{name}_B") if c in both and any(both[c])]
    columns = [f"{c}_{s}" for s in "AB" for c in ("value", "low", "high")]
    return params, both[[*index, *columns, "difference"]]


def _matched(a: Path, b: Path) -> pd.DataFrame:
    """The rows of one name in two runs, their other columns with _A and _B.

    Ratio and seed are part of the names of a quantity of which a run has rows that differ in them alone; else they are
    what the whole run was made with, and may differ.
    """
    tables = [_rows(folder) for folder in (a, b)]
    names = [*INDEX, *(f"by {name}" for name in GIVEN)]
    for table in tables:
        table[names[len(INDEX) :]] = table[list(GIVEN)]
    for name in GIVEN[::-1]:
        rest = [c for c in names if c != f"by {name}"]
        several = {quantity for table in tables for quantity in table["quantity"][table.duplicated(rest)]}
        for table in tables:
            table[f"by {name}"] = table[name].where(table["quantity"].isin(several), "")
    for folder, table in zip((a, b), tables, strict=True):
        twice = table[table.duplicated(names)]
        if len(twice):
            row = ", ".join(filter(None, twice.iloc[0][[*INDEX, *GIVEN]]))
            raise ValueError(f"{folder}/results.csv has two rows of one name ({row}); make the run again")
    both = tables[0].merge(tables[1], on=names, suffixes=("_A", "_B"))
    if both.empty:
        raise ValueError(f"{a} and {b} have no quantity in common; compare two runs of one study")
    return both


def _rows(folder: Path) -> pd.DataFrame:
    """The numbers of a run; what names a row as text, empty where there is nothing."""
    named = [*INDEX, *GIVEN]
    table = kept.table(folder, "results.csv", dtype=dict.fromkeys(named, str))
    texts = {name: table[name].fillna("") if name in table else "" for name in named}
    return table.assign(**texts)[[*named, "value", "low", "high"]]


def command_compare(options) -> int:
    """Print and keep the comparison of runs A and B."""
    a, b = find(options.a), find(options.b)
    params, table = compare(a, b)
    path = Path("build/compare") / f"{a.name}--{b.name}.csv"
    with records.atomic(path) as temporary:
        table.to_csv(temporary, index=False)
    print(f"A {a}\nB {b}\n\n{params.to_string(index=False) if len(params) else 'same parameters'}\n")
    print(table[~table["quantity"].str.startswith("cosine")].head(40).to_string(index=False))
    alone = " and ".join(f"{len(_rows(folder)) - len(table)} of {side}" for side, folder in (("A", a), ("B", b)))
    print(f"\n{len(table)} numbers of both, without {alone} that have no partner: {path}")
    return 0


def command_record(options) -> int:
    """Copy a run into results/recorded, as a run of record."""
    print(f"recorded: {record(find(options.run), RECORDED)}; commit it")
    return 0


def record(folder: Path, root: Path) -> Path:
    """Copy a run's tables, its record and what was measured of its encoders to its place under ``root``, and return it.

    A file of measures that is too large for git stays behind, and is named.
    ValueError: a run, or encoders, of uncommitted code, or a tree with uncommitted changes.
    """
    about = provenance(folder)
    trees = [about["git"], *(e["git"] for e in about["encoders"]), records.git_state()]
    if any(tree["dirty"] or not tree["commit"] for tree in trees):
        raise ValueError(f"run {folder.name}: made from, or recorded in, a tree with uncommitted changes; commit first")
    target, measures = root / folder.parent.name / folder.name, folder / FILE
    fits = measures.exists() and measures.stat().st_size <= MOST_BYTES
    if measures.exists() and not fits:
        print(f"not kept: {measures} ({measures.stat().st_size / 2**20:.1f} MiB, at most {MOST_BYTES / 2**20:.0f})")
    for path in [kept.file(folder, name) for name in (*([FILE] if fits else []), *KEPT)]:
        with records.atomic(target / path.name) as temporary:
            shutil.copyfile(path, temporary)
    return target


def prune() -> int:
    """Remove runs that the present code would not make again under their name; the caller holds the build's lock.

    Encoders go too, but for those that the book, a run that stays, or an interrupted build needs.  A run whose record
    is damaged stays, and is named.
    """
    asked, keep = _interrupted()
    wanted = [*(Run(name, study.complete(name, study.preset(name, "quick"))) for name in study.names()), *asked]
    freed, stay = 0, {run.folder for run in wanted}
    for path in sorted(RUNS.glob("*/*/")):
        if path.parent.name == "sweeps":
            continue
        try:
            run = _again(path)
        except ValueError as error:
            print(f"kept {path}: {error}")
            continue
        if run and run.folder == path:
            wanted.append(run)
            if not run.done:
                print(f"kept {path}: asked for and not finished; to give it up, delete the folder")
        elif path not in stay:
            freed += _remove(path)
    for path in sorted((RUNS / "sweeps").glob("*.json")):
        try:
            sweep = kept.sweep(path)
        except records.Damaged as error:
            print(f"kept {path}: {error}")
            continue
        if not all((RUNS / sweep["study"] / run).exists() for run in sweep["runs"]):
            path.unlink()
            path.with_suffix(".csv").unlink(missing_ok=True)
    keep |= {unit.folder.name for run in wanted for unit in _with_bases(run.units)}
    for path in sorted(STORE.glob("*/")):
        if path.name not in keep:
            freed += _remove(path)
    print(f"{freed / 2**20:.1f} MiB freed")
    return 0


def _interrupted() -> tuple[list[Run], set[str]]:
    """The runs of the last build, and the folders of its jobs' encoders, by name, where it did not come to their end.

    What the present code would not make any more is left out.  ValueError: the file that says so is damaged.
    """
    try:
        asked = json.loads(REQUESTS.read_text(encoding="utf-8"))
        runs = [_run(r["study"], r["values"]) for r in asked["runs"]]
        texts = [text for job in asked["jobs"] for text in job]
    except FileNotFoundError:
        return [], set()
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{REQUESTS} is damaged: start the interrupted build again, or delete the file") from None
    units = []
    for text in texts:
        with contextlib.suppress(KeyError, TypeError, ValueError):
            units.append(read_unit(text))
    at_work = units if not all(unit.done for unit in units) else []
    return [run for run in runs if run], {unit.folder.name for unit in _with_bases(at_work)}


def _with_bases(units: list) -> list:
    """The units, and those from whose weights their training begins."""
    return [*units, *(unit.base for unit in units if unit.base)]


def _again(folder: Path) -> Run | None:
    """The run that the present code makes of a folder's parameters; None where it makes none, or nobody asked for it.

    ValueError: the parameters cannot be read any more.
    """
    if (folder / "provenance.json").exists():
        values = provenance(folder)["params"]
        if not isinstance(values, dict):
            raise ValueError(f"{folder}/provenance.json is damaged; {kept.remedy(folder)}")
        return _run(folder.parent.name, values)
    if (folder / "executed.ipynb").exists():
        raise ValueError(f"it has no provenance.json; {kept.remedy(folder)}")
    for name in ("requested", "swept"):
        if (folder / name).exists():
            try:
                return _run(folder.parent.name, {**json.loads((folder / name).read_text(encoding="utf-8"))})
            except (TypeError, ValueError):
                raise ValueError(
                    f"its file {name!r} does not say what was asked for; ask again, or delete the folder"
                ) from None
    return None


def _run(name: str, values: dict) -> Run | None:
    """A run of the present code; None where it has no such study, parameter or value."""
    try:
        return Run(name, study.complete(name, values))
    except study.ParameterError:
        return None


def _remove(folder: Path) -> int:
    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    shutil.rmtree(folder)
    print(f"removed {folder}")
    return size
