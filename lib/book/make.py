"""What ``make`` calls: the checks first, then Snakemake on the Snakefile."""

import argparse
import importlib
import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lib import records, study
from lib.book import asked, cost, engine, failures, profiles, runs, tune
from lib.book.wanted import missing, note_shown, quick_runs
from lib.encoders.text_settings import minilm
from lib.encoders.units import AnyUnit
from lib.study import ParameterError, Run

SWEEPS = study.RUNS / "sweeps"
HTML = Path("build/_build/html")


def build(wanted: list[Run], target: str, units: list[AnyUnit] | None = None) -> int:
    """Have Snakemake make the target from the wanted runs and units; returns its exit status."""
    with engine.only_one():
        runs_ = [{"study": r.study, "values": r.values} for r in wanted]
        jobs = missing(wanted, units or [])
        if any(getattr(unit.settings, "model", "") == "minilm" for job in jobs for unit in job):
            minilm()  # raises where its weights are not installed, before any job starts
        lines = [[unit.to_json() for unit in job] for job in jobs]
        note_shown()
        records.write_json(runs.REQUESTS, {"runs": runs_, "jobs": lines})
        return engine.snakemake([target, "--config", f"requests={runs.REQUESTS}"])


def announce(wanted: list[Run], units: list[AnyUnit] | None = None, site: bool = True) -> None:
    """Say what is missing, and about how long, how much disk and which download it takes; ask where that is long."""
    todo = [run for run in {run.id: run for run in wanted}.values() if not run.done]
    work = cost.Work(todo, missing(todo, units or []), site)
    print(work.described(), flush=True)
    work.agreed()


def command_book(_) -> int:
    wanted = quick_runs()
    announce(wanted)
    start, status = time.time(), build(wanted, "book")
    if status == 0:
        page = (HTML / "index.html").resolve().as_uri()
        print(f"The book is made ({time.time() - start:.0f} s). Open {page} or type 'make serve'.")
    return status


def command_archive(_) -> int:
    """Build the book, and pack it with its sources."""
    from lib.book import archive

    archive.committed()
    if status := command_book(_):
        return status
    path = archive.write(quick_runs())
    print(f"{path} ({path.stat().st_size / 2**20:.0f} MiB)")
    return 0


def command_pdf(_) -> int:
    """Build the book, and set it on paper."""
    from lib.book import pdf

    pdf.check()
    if status := command_book(_):
        return status
    print(pdf.write())
    return 0


def command_run(options) -> int:
    run = Run(options.study, asked.read_values(options.study, options.preset, options.parameters))
    announce([*quick_runs(), run])
    status = _make_pages([run], options.study)
    pages = sorted(HTML.glob(f"runs/{run.study}-{run.id}.html")) or [HTML / f"notebooks/{run.study}.html"]
    if status == 0:
        print(f"page: {pages[0].resolve().as_uri()}")
    return status


def command_sweep(options) -> int:
    """Execute a study over a grid of parameters, and build its table and chart."""
    from lib.book import sweeps

    grid = asked.read_grid(options.study, options.grid)
    if "preset" in grid:
        raise ParameterError("preset cannot be swept; give one with PRESET=")
    base = asked.read_values(options.study, options.preset, options.parameters)
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    print(f"planning {len(points)} run(s)", flush=True)
    wanted = [Run(options.study, study.complete(options.study, base | point)) for point in points]
    announce([*quick_runs(), *wanted])
    name = runs.digest([run.id for run in wanted])
    status = _make_pages(wanted, options.study, name, grid)
    if status == 0:
        print(sweeps.load(SWEEPS / f"{name}.json").table().to_string(index=False))
        print(f"table: {SWEEPS / name}.csv")
    return status


def command_params(options) -> int:
    rows = [(p.name, p.type, repr(p.default), p.range, p.help) for p in study.parameters(options.study).values()]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) + "  " + row[4])
    return 0


def command_tune(options) -> int:
    """Try learning rates on encoders of seeds that no study uses, and write the preset's tuning table."""
    preset = options.preset or "quick"
    values = study.complete(options.study, study.preset(options.study, preset))
    comparison = Run(options.study, values).plan
    if not hasattr(comparison, "arms") or options.study != "methods_and_mitigations":
        raise ParameterError(f"study {options.study!r} compares no methods; tune methods_and_mitigations")
    given = study.words(options.parameters or "", 'P="rates=0.05,0.1 seeds=2"')
    tried = tune.trials(comparison, **tune.options(given))
    units = [unit for group in tried.values() for unit in group]
    announce([], units, site=False)
    build([], "encoders", units)
    path = study.ROOT / "presets" / preset / "tuning.csv"
    tune.write(path, tried)
    print(path.read_text(encoding="utf-8"))
    print("learning_rates: " + ",".join(f"{label}={rate:g}" for label, rate in tune.best(path).items()))
    return 0


def command_prune(_) -> int:
    """Remove what older code made, while no build works."""
    with engine.only_one():
        return runs.prune()


def command_encoders(options) -> int:
    """Train what one run needs, for a study that papermill runs alone."""
    return build([Run(options.study, json.loads(options.values))], "encoders")


def command_execute(options) -> int:
    """Execute one run, with the encoders that it lacks, and build no page."""
    return build([Run(options.study, json.loads(options.values))], "studies")


def command_data(options) -> int:
    """Fetch or find a data set, check it, and write what it is."""
    from lib.book import data_sets

    records.write_json(options.output, data_sets.about(options.name))
    return 0


def _make_pages(wanted: list[Run], study_name: str, sweep: str = "", grid: dict | None = None) -> int:
    with_book = {run.id: run for run in [*quick_runs(), *wanted]}
    mark = "swept" if sweep else "requested"
    marked = [run for run in wanted if not (run.done and (sweep or (run.folder / mark).exists()))]
    for run in marked:  # if this build is interrupted, `make prune` keeps what it needs
        records.write_json(run.folder / mark, run.values)
    status = build(list(with_book.values()), "studies")
    finished = [run for run in wanted if (run.folder / "executed.ipynb").exists()]
    for run in finished:
        print(f"run {run.id}: {run.folder}")
        if not sweep and run in marked:  # anew: the site goes by time
            records.write_json(run.folder / mark, run.values)
    if status == 0 and sweep:
        from lib.book import sweeps

        path = SWEEPS / f"{sweep}.json"
        about = {
            "study": study_name,
            "preset": wanted[0].values["preset"],
            "grid": grid,
            "runs": [r.id for r in wanted],
        }
        if not path.exists():
            records.seal(path, about, ())
        with records.atomic(path.with_suffix(".csv")) as temporary:
            sweeps.load(path).table().to_csv(temporary, index=False)
    return status or build(list(with_book.values()), "book")


# The module of lib.book that holds each command, command_<name>; imported when it is asked for, as some take a second.
COMMANDS = dict.fromkeys(
    ("book", "archive", "pdf", "run", "sweep", "params", "prune", "tune", "encoders", "execute", "data"), "make"
) | {
    "compare": "runs",
    "record": "runs",
    "assignment": "classroom.assignment",
    "answers": "classroom.assignment",
    "grade": "classroom.grade",
    "new": "new",
    "readme": "readme",
    "lock": "lock",
    "open": "undecided",
    "why": "why",
    "campaign": "campaign",
}


def _command(name: str) -> Callable[[argparse.Namespace], int]:
    home = COMMANDS[name]
    module = sys.modules[__name__] if home == "make" else importlib.import_module(f"lib.book.{home}")
    return getattr(module, f"command_{name}")


def main() -> int:
    """Read the command line; one clear line and exit status 2 for bad input."""
    env = os.environ.get
    parser = argparse.ArgumentParser(prog="make", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    arguments = {"encoders": ("study", "values"), "execute": ("study", "values"), "data": ("name", "output")}
    for name in COMMANDS:
        command = commands.add_parser(name)
        for argument in arguments.get(name, ()):
            command.add_argument(argument)
    options = parser.parse_args()
    if options.command not in arguments:  # make hands its variables on through the environment
        options.study, options.preset, options.parameters = env("STUDY", ""), env("PRESET", ""), env("P", "")
        options.grid, options.a, options.b, options.run = env("GRID", ""), env("A", ""), env("B", ""), env("RUN", "")
        options.students, options.submissions = env("STUDENTS", ""), env("SUBMISSIONS", "")
        options.secret, options.classroom = env("SECRET", ""), env("CLASSROOM", "")
        options.only, options.trust = env("ONLY", ""), env("TRUST", "")
        options.since, options.list, options.hours = env("SINCE", ""), env("LIST", ""), env("HOURS", "")
    try:
        cost.cores()
        if options.command in ("book", "archive", "pdf", "run", "sweep", "tune"):
            profiles.check()
        if options.command in ("run", "sweep", "params", "assignment", "answers", "grade", "tune"):
            study.source(options.study)
        start = time.time()
        if status := _command(options.command)(options):
            for reason in failures.since(start):
                print(f"error: {reason}", file=sys.stderr)
        return status
    except (RuntimeError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
