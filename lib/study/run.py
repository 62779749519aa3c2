"""One run of a study: its folder, the encoders it needs, what it notes, judges and shows, and what it leaves behind."""

import ast
import functools
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

from lib import claims, records
from lib.encoders import recorded as encoders
from lib.encoders.units import AnyUnit
from lib.hashing import ROOT
from lib.study import kept, key, page, report
from lib.study.declared import parameters
from lib.study.results import Results

RUNS = Path("results/runs")
PLANNED = "BOOK_RUN"  # the id under which the graph expects the run
PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn", "torch", "openTSNE", "altair")


@dataclass
class Run(Results):
    """One run of a study with all its parameters; its folder is named by everything the numbers depend on."""

    values: dict
    started: float = field(default_factory=time.time)

    @property
    def id(self) -> str:
        """Preset and a hash of code cells, what they reach of the library, parameters, encoders, claims, files read."""
        return f"{self.values['preset']}-{key.key(self.study, json.dumps(self.values, sort_keys=True))}"

    @property
    def folder(self) -> Path:
        return RUNS / self.study / self.id

    @property
    def done(self) -> bool:
        return (self.folder / "executed.ipynb").exists()

    @functools.cached_property
    def plan(self):
        """Which encoders the run reads, by arm, as the study's module says."""
        return key.plan(self.study, self.values)

    @property
    def units(self) -> list[AnyUnit]:
        """The encoders that the run reads."""
        return self.plan.units

    @property
    def own(self) -> list[AnyUnit]:
        """Those of them that are trained here: of the others a run of record has all that the study measures."""
        asks = self._asks
        return [u for u in self.units if u.done or u not in asks or not encoders.of(u, asks[u])]

    @property
    def unrecorded(self) -> list[AnyUnit]:
        """Those that no run of record keeps with all that the study measures, asked where the data may be missing."""
        return [u for u in self.units if u not in self._asks or not encoders.known(u, self._asks[u])]

    @functools.cached_property
    def _asks(self) -> dict[AnyUnit, set[str]]:
        return getattr(self.plan, "asks", {})

    def _record(self, unit: AnyUnit) -> dict:
        return encoders.record(unit, self._asks.get(unit, ()))

    @property
    def p(self) -> SimpleNamespace:
        """The parameters as attributes."""
        return SimpleNamespace(**self.values)

    def train(self) -> None:
        """Train the encoders that are missing, through the same graph as ``make``; RuntimeError where one failed."""
        if all(unit.done for unit in self.own):
            return
        command = [sys.executable, "-m", "lib.book.make", "encoders", self.study, json.dumps(self.values)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8", errors="replace") as graph:
            reason = ""
            for line in graph.stderr:
                print(line, end="", file=sys.stderr, flush=True)
                reason = line.strip().removeprefix("error: ") if line.startswith("error: ") else reason
        if graph.returncode:
            raise RuntimeError(f"an encoder could not be trained: {reason or 'the reason stands above'}")

    def face(self) -> str:
        """What every figure says of itself: data, preset, device, seeds."""
        return face(self.values, sorted({self._record(unit)["device"] for unit in self.units}) or ["CPU"])

    @functools.cached_property
    def recorded(self) -> list[report.Record]:
        """The runs of record of the study, for a page that draws them; ``save``, later, keeps their names."""
        return report.recorded(self.study)

    def exact(self, claim: str, value) -> float:
        """Keep a number that has neither data nor seeds under its claim's name, and judge the claim on it."""
        self.note(f"{claim}: {claims.known()[claim].quantity}", value, seeds=0)
        return self.judge(claim, float(value), data=claims.NOTHING).effect

    def show(self, name: str, chart, alt: str, caption: str, data, source: str = "", face: str = "") -> None:
        """Show a chart, or a raster image, as the figure ``fig-<name>``: see ``page.show``.

        source: the lines that made it, "lib/harms/representation.py:representation_harm"; by default the notebook.
        face: what the figure says of itself, where it is not of the run's data and seeds.
        """
        where = source or f"notebooks/{self.study}.py"
        page.show(self.folder, name, chart, alt, caption, data, where, face or self.face())

    def table(self, header: list[str], rows: list[tuple]) -> None:
        """Show a table."""
        page.say(report.table(header, rows))

    def say(self, text: str) -> None:
        """Show prose, in Markdown, that holds numbers of this run."""
        page.say(text)

    def code(self, *objects) -> None:
        """Show the source of functions and classes of the library."""
        page.code(*objects)

    def short(self, text: str) -> None:
        """Show the answer in two or three sentences; the site moves it to the top of the page."""
        page.say(f":::{{admonition}} In short\n{text}\n:::")

    def verdicts(self, *names: str) -> None:
        """Show the claims: all of the study in the order of its file, or those that are named."""
        names = names or tuple(c.id for c in claims.of(self.study))
        text = report.verdicts(self.judged, report.recorded(self.study), list(names))
        page.say(text, verdicts=names)  # the site writes it anew, with the wording and the runs of record of then

    def stamp(self) -> None:
        """Show what made the page."""
        page.say(report.stamp(self))

    def save(
        self, seeds: int | None = None, data: dict[str, str] | None = None, measures: encoders.Measures | None = None
    ) -> None:
        """Write results.csv, claims.csv and provenance.json into the run folder, each whole or not at all.

        seeds: of a row that does not say; by default the run's.
        The record is written last and holds the sha256 of the files beside it.
        data: sha256 of the splits, {"train": ...}, of a study that trains its own nets; encoders bring theirs.
        measures: what was measured of the encoders, for the file that a run of record keeps in their place.
        """
        self.write(self.folder, self.id, self.p.seeds if seeds is None else seeds, self.p.preset, self.p.data)
        files = ["results.csv", "claims.csv"]
        if measures:
            encoders.write(self.folder / encoders.FILE, measures)
            files.append(encoders.FILE)
        records.seal(self.folder / kept.PROVENANCE, self.provenance(data), files)

    def provenance(self, data: dict[str, str] | None = None) -> dict:
        """Parameters, seeds, code, data, versions, device, time and memory of the run and of its encoders.

        recorded: the runs of record that the page draws; None of a page that draws none, whatever is recorded.
        """
        trained = [self._record(unit) for unit in self.units]
        data = trained[0]["data_sha256"] if trained else data or {}
        first, count = (0 if self.values.get("embeddings") else self.values.get(name, 0) for name in ("seed", "seeds"))
        return {
            "study": self.study,
            "run": self.id,
            "preset": self.values["preset"],
            "params": self.values,
            "seeds": sorted({seed for unit in self.units for seed in unit.seeds} or range(first, first + int(count))),
            "git": records.git_state(),
            "data": {"name": self.values["data"], **data},
            "recorded": [r.provenance["run"] for r in self.recorded] if "recorded" in vars(self) else None,
            **records.machine(PACKAGES),
            "device": sorted({r["device"] for r in trained}) or ["CPU"],
            "threads": sorted({r["threads"] for r in trained}) or [1],
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.started)),
            "seconds": round(time.time() - self.started, 1),
            "training_seconds": round(sum(r["seconds"] for r in trained), 1),
            "peak_memory_mib": max([records.peak_memory_mib(), *(r["peak_memory_mib"] for r in trained)]),
            "encoders": [
                {
                    "unit": u.name,
                    "seconds": r["seconds"],
                    "git": r["git"],
                    "device": r["device"],
                    "torch": r["packages"]["torch"],
                    "recorded": not u.done,
                }
                for u, r in zip(self.units, trained, strict=True)
            ],
        }


def face(values: dict, devices: list[str]) -> str:
    """Data, share kept, preset, device and seeds of a run with these parameters, for its figures."""
    if values.get("embeddings"):
        return f"{values['data']} classes, your encoders from {Path(values['embeddings']).name}"
    part = f" ({values['classes'].count(',') + 1} classes)" if values.get("classes", "all") != "all" else ""
    data = "simulated data" if values["data"] == "none" else values["data"]
    kept = f", {100 * values['ratio']:g} % kept" if "ratio" in values else ""
    if kept and values.get("undersampled", "all") != "all":
        kept += f" of {values['undersampled'].count(',') + 1} classes"
    start = ", ImageNet start" if values.get("pretrained") else ""
    folds = f", one of {values['folds']} folds held out by each" if values.get("folds") else ""
    made = f"{values['preset']}, {' and '.join(devices)}, {values['seeds']} seeds"
    return f"{data}{part}{kept}, {made}{start}{folds}"


def injected(cells: list[str]) -> list[str]:
    """The names that papermill's cell, the last that begins with the comment "Parameters", assigns."""
    text = next((cell for cell in reversed(cells) if cell.lstrip().startswith("# Parameters\n")), "")
    return [target.id for node in ast.parse(text).body if isinstance(node, ast.Assign) for target in node.targets]


def start(study: str, namespace: dict) -> Run:
    """The first call of a study: check what papermill injected, train what is missing, return the run.

    namespace: the notebook's ``globals()``.  Parameters are the declared names and what papermill's cell assigns; a
    name of these that is not declared is refused, like a value outside its declaration.  The clear line comes last.
    """
    os.chdir(ROOT)  # JupyterLab starts a kernel in the notebook's folder
    from IPython import get_ipython

    shell = get_ipython()
    names = {**parameters(study), **dict.fromkeys(injected(shell.history_manager.input_hist_raw if shell else []))}
    run = Run(study, key.complete(study, {name: namespace[name] for name in names if name in namespace}))
    planned = os.environ.get(PLANNED, run.id)
    if planned != run.id:
        raise RuntimeError(f"run {planned} was planned, but code or files changed since; start it again")
    records.end_with_build()
    run.train()
    return run
