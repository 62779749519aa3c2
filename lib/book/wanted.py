"""What a build is asked for, what of it is missing, and the files that the site is made of."""

import json
from pathlib import Path

from lib import records, study
from lib.book import address, jobs, profiles
from lib.encoders.units import AnyUnit, read_unit
from lib.study import Run

SITE = (
    "_config.yml",
    "_toc.yml",
    "book/**/*",
    "notebooks/*.py",
    "exercises/*.py",
    "lib/**/*.py",
    "claims/*.yaml",
    "classroom/*.py",
    "presets/*/*.yaml",
    "records.yaml",
    "results/recorded/**/*",
)
SHOWN = Path("build/shown.json")  # names what the site is made of: what comes or goes, however old, makes it stale
SITE += (str(SHOWN),)
SITE += ("benchmarks/results.json", "benchmarks/gpu.json", "benchmarks/coverage.csv", "results/reported/*")
SITE += ("results/runs/*/*/requested", "results/runs/sweeps/*.json")


def quick_runs() -> list[Run]:
    """Every study of the book with its quick preset."""
    return [Run(name, study.complete(name, study.preset(name, "quick"))) for name in study.names()]


def missing(wanted: list[Run], more: list[AnyUnit] = ()) -> list[list[AnyUnit]]:
    """The jobs that train what the runs to execute lack, and what is lacking of more units."""
    units = {unit.name: unit for unit in [*more, *(u for run in wanted if not run.done for u in run.own)]}
    most = jobs.SUBMITTED_SECONDS if profiles.submits() else jobs.JOB_SECONDS
    found = jobs.together([unit for unit in units.values() if not unit.done], most)
    for job in found:
        jobs.processes(job)  # refused before any work
    return found


def bases(units: list[AnyUnit]) -> list[str]:
    """Records of the units from whose weights these trainings begin."""
    return sorted({f"{unit.base.folder}/record.json" for unit in units if unit.base})


def requested(path: str | None) -> tuple[list[Run], list[list[AnyUnit]]]:
    """The runs in a requests file and the training jobs; those of the book's own runs where no file is given."""
    if not path:
        return quick_runs(), missing(quick_runs())
    asked = json.loads(Path(path).read_text(encoding="utf-8"))
    units = [[read_unit(text) for text in job] for job in asked["jobs"]]
    return [Run(r["study"], r["values"]) for r in asked["runs"]], units


def site_files() -> list[str]:
    """Files whose change makes the site stale: prose, sources, recorded and reported numbers, asked-for runs."""
    files = (path for pattern in SITE for path in Path().glob(pattern) if path.is_file())
    braces = set("{}")  # Snakemake would take them for a wildcard
    return sorted(str(path) for path in files if "__pycache__" not in path.parts and not braces & set(str(path)))


def note_shown() -> None:
    """Write the names of the files that the site is made of, where they are others than at the last build."""
    asked = [path.with_name("executed.ipynb") for path in Path().glob("results/runs/*/*/requested")]
    names = {*site_files(), *(str(path) for path in asked if path.exists())} - {str(SHOWN)}
    text = json.dumps([address.repository(), *sorted(names)], indent=1)  # a site with another address is another site
    if not SHOWN.exists() or SHOWN.read_text(encoding="utf-8") != text:
        records.write_text(SHOWN, text)
