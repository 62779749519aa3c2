"""The contract of a study: its parameters, its run folder, and what a run leaves behind.

A study is ``notebooks/<study>.py`` in the py:percent format.  Its cell tagged "parameters" declares every parameter on
one line, ``name: type = default  # range help``, with the range in the usual notation: ``(0, 1]``, ``[1, inf)``,
``{this, that}``, or left out.  From that line come papermill's defaults, the check in the notebook, ``make params`` and
the check of presets and sweeps.
"""

import ast
import difflib
import functools
import hashlib
import json
import math
import os
import re
import time
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import SimpleNamespace

from lib import code, plans, records
from lib.claims import Judgement
from lib.encoders import Unit

ROOT = code.ROOT
RUNS = Path("results/runs")
PLANNED = "BOOK_RUN"  # the id under which the graph expects the run
TYPES = {"int": int, "float": float, "bool": bool, "str": str}
WORDS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}
PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn", "torch", "openTSNE", "altair")
COLUMNS = ("study", "run", "quantity", "undersampled", "class_i", "class_j", "ratio", "seed")
TAIL = ("value", "low", "high", "seeds", "preset", "data")


class ParameterError(ValueError):
    """A parameter, preset or study that does not exist, or a value outside its declaration."""


@dataclass(frozen=True)
class Parameter:
    """One declared parameter: name, type ("int", "float", "bool", "str"), default, range as written, help."""

    name: str
    type: str
    default: object
    range: str
    help: str

    def check(self, value):
        """The value, a whole number turned into a float where a float is declared; ParameterError otherwise."""
        kind, given = TYPES[self.type], value
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not kind:
            raise ParameterError(f"{self.name}={value!r} is a {type(value).__name__}; expected {self.expected}")
        if not self._inside(value):
            raise ParameterError(f"{self.name}={given!r} is out of range; expected {self.expected}")
        return value

    def read(self, text: str):
        """The value written as ``text`` on a command line, checked."""
        try:
            if self.type == "bool":
                return self.check(WORDS[text.lower()])
            return self.check(TYPES[self.type](text))
        except (KeyError, ValueError) as error:
            if isinstance(error, ParameterError):
                raise
            raise ParameterError(f"{self.name}={text!r} is not of type {self.type}; expected {self.expected}") from None

    @property
    def expected(self) -> str:
        """Type and range in words."""
        return f"{self.type} in {self.range}" if self.range else self.type

    def _inside(self, value) -> bool:
        if not self.range:
            return True
        if self.range.startswith("{"):
            return str(value) in self.range.strip("{}").replace(" ", "").split(",")
        low, high = (float(end) for end in self.range[1:-1].split(","))
        above = value > low if self.range[0] == "(" else value >= low
        below = value < high if self.range[-1] == ")" else value <= high
        return math.isfinite(value) and above and below


def names() -> list[str]:
    """Every study of the book, sorted."""
    return sorted(path.stem for path in (ROOT / "notebooks").glob("*.py"))


def source(study: str) -> Path:
    """The study's file; ParameterError with the nearest name when there is none."""
    path = ROOT / "notebooks" / f"{study}.py"
    if not path.exists():
        raise ParameterError(f"study {study!r} does not exist; {_suggest(study, names())}")
    return path


def cells(study: str) -> list[tuple[str, str]]:
    """The study's cells as (header, text); the header is what follows ``# %%``."""
    parts = re.split(r"^# %%(.*)\n", source(study).read_text(encoding="utf-8"), flags=re.M)
    return list(zip(parts[1::2], parts[2::2], strict=True))


@functools.cache
def parameters(study: str) -> dict[str, Parameter]:
    """The declared parameters by name, in order."""
    text = next((t for header, t in cells(study) if '"parameters"' in header), None)
    if text is None:
        raise ParameterError(f"study {study!r} has no cell tagged 'parameters'")
    lines, found = text.splitlines(), {}
    for node in ast.parse(text).body:
        comment = lines[node.end_lineno - 1][node.end_col_offset :].strip().lstrip("# ")
        bounds, help_ = re.fullmatch(r"([(\[][^,]+,[^)\]]+[)\]]|\{[^}]+\})?\s*(.*)", comment).groups()
        name = node.target.id
        found[name] = Parameter(name, node.annotation.id, ast.literal_eval(node.value), bounds or "", help_)
    return found


def preset(study: str, name: str) -> dict:
    """The values of ``presets/<name>/<study>.yaml``, checked."""
    import yaml

    path = ROOT / "presets" / name / f"{source(study).stem}.yaml"
    if not path.exists():
        known = sorted(p.parent.name for p in (ROOT / "presets").glob(f"*/{study}.yaml"))
        raise ParameterError(f"preset {name!r} does not exist for {study}; {_suggest(name, known)}")
    return check(study, yaml.safe_load(path.read_text(encoding="utf-8")) or {})


def check(study: str, given: dict) -> dict:
    """The given values, each checked against its declaration; ParameterError for an unknown name."""
    known = parameters(study)
    for name in given:
        if name not in known:
            raise ParameterError(f"parameter {name!r} does not exist in {study}; {_suggest(name, list(known))}")
    return {name: known[name].check(value) for name, value in given.items()}


def complete(study: str, given: dict) -> dict:
    """Every parameter of the study: the given values over the defaults, checked alone and together."""
    values = {name: p.default for name, p in parameters(study).items()} | check(study, given)
    try:
        plans.units(study, values)
    except ValueError as error:
        raise ParameterError(str(error)) from None
    return values


@dataclass
class Run:
    """One run of a study with all its parameters; its folder is named by everything the numbers depend on."""

    study: str
    values: dict
    started: float = field(default_factory=time.time)

    @property
    def id(self) -> str:
        """Preset and a hash of code cells, library code, parameters, encoders, files read and lock file."""
        return f"{self.values['preset']}-{run_key(self.study, json.dumps(self.values, sort_keys=True))}"

    @property
    def folder(self) -> Path:
        return RUNS / self.study / self.id

    @property
    def done(self) -> bool:
        return (self.folder / "executed.ipynb").exists()

    @property
    def units(self) -> list[Unit]:
        """The encoders that the run reads."""
        return plans.units(self.study, self.values)

    @property
    def p(self) -> SimpleNamespace:
        """The parameters as attributes."""
        return SimpleNamespace(**self.values)

    def train(self) -> None:
        """Train the encoders that are missing, through the same graph as ``make``."""
        missing = [unit for unit in self.units if not unit.done]
        if missing:
            from lib import graph

            graph.train(self.study, self.values)

    def face(self) -> str:
        """What every figure says of itself: data, preset, device, seeds."""
        return face(self.values, sorted({unit.record["device"] for unit in self.units}) or ["CPU"])

    def save(self, rows, judged, seeds: int | None = None, data: dict[str, str] | None = None) -> None:
        """Write results.csv, claims.csv and provenance.json into the run folder, each whole or not at all.

        rows: dicts with ``quantity``, index columns, ``value`` and, where there are any, ``low``, ``high``, ``seeds``.
        judged: (source, Judgement) pairs, source "authors" or "run".  seeds: of a row that does not say.
        data: sha256 of the splits, {"train": ...}, of a study that trains its own nets; encoders bring theirs.
        """
        import pandas as pd

        p, run = self.p, self.id
        about = {"study": self.study, "run": run, "seeds": seeds or p.seeds, "preset": p.preset, "data": p.data}
        table = pd.DataFrame([about | row for row in rows])
        columns = [c for c in (*COLUMNS, *TAIL) if c in table]
        elsewhere = p.data not in plans.PAPER_DATA.get(self.study, (p.data,))
        tail = {"preset": p.preset, "data": p.data, "run": run}
        verdicts = pd.DataFrame(
            [
                {"source": source} | asdict(j) | tail | {"analogue": elsewhere and source == "run"}
                for source, j in judged
            ],
            columns=["source", *(f.name for f in fields(Judgement)), *tail, "analogue"],
        )
        for name, frame in (("results", table[columns]), ("claims", verdicts)):
            with records.atomic(self.folder / f"{name}.csv") as path:
                frame.to_csv(path, index=False, float_format="%.6g")
        records.write_json(self.folder / "provenance.json", self.provenance(data))

    def provenance(self, data: dict[str, str] | None = None) -> dict:
        """Parameters, seeds, code, data, versions, device, time and memory of the run and of its encoders."""
        trained = [unit.record for unit in self.units]
        data = trained[0]["data_sha256"] if trained else data or {}
        first, count = (0 if self.values.get("embeddings") else self.values.get(name, 0) for name in ("seed", "seeds"))
        return {
            "study": self.study,
            "run": self.id,
            "preset": self.values["preset"],
            "params": self.values,
            "seeds": sorted({unit.seed for unit in self.units} or range(first, first + int(count))),
            "git": records.git_state(),
            "data": {"name": self.values["data"], **data},
            **records.machine(PACKAGES),
            "device": sorted({r["device"] for r in trained}) or ["CPU"],
            "threads": sorted({r["threads"] for r in trained}) or [1],
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.started)),
            "seconds": round(time.time() - self.started, 1),
            "training_seconds": round(sum(r["seconds"] for r in trained), 1),
            "peak_memory_mib": max([records.peak_memory_mib(), *(r["peak_memory_mib"] for r in trained)]),
            "encoders": [
                {"unit": u.name, "seconds": r["seconds"], "git": r["git"]}
                for u, r in zip(self.units, trained, strict=True)
            ],
        }


def face(values: dict, devices: list[str]) -> str:
    """Data, preset, device and seeds of a run with these parameters, for its figures."""
    if values.get("embeddings"):
        return f"{values['data']} classes, your encoders from {Path(values['embeddings']).name}"
    part = f" ({values['classes'].count(',') + 1} classes)" if values.get("classes", "all") != "all" else ""
    start = ", ImageNet start" if values.get("pretrained") else ""
    return f"{values['data']}{part}, {values['preset']}, {' and '.join(devices)}, {values['seeds']} seeds{start}"


def start(study: str, namespace: dict) -> Run:
    """The first call of a study: check what papermill injected, train what is missing, return the run.

    namespace: the notebook's ``globals()``.  A name that is neither declared nor the notebook's own was injected under
    a wrong name and is refused, like a value outside its declaration; the clear line is the last one of the error.
    """
    os.chdir(ROOT)  # JupyterLab starts a kernel in the notebook's folder
    own = {"In", "Out", "exit", "quit", "open", "get_ipython", "study"}
    given = {k: v for k, v in namespace.items() if not k.startswith("_") and k not in own}
    run = Run(study, complete(study, given))
    planned = os.environ.get(PLANNED, run.id)
    if planned != run.id:
        raise RuntimeError(f"run {planned} was planned, but code or files changed since; start it again")
    records.end_with_build()
    run.train()
    return run


@functools.cache
def run_key(study: str, values: str) -> str:
    """Ten hex digits of all that a run's numbers depend on; ``values`` is JSON, prose does not count."""
    code_cells = [(h, t) for h, t in cells(study) if "[markdown]" not in h]
    texts = [t for h, t in code_cells if '"parameters"' not in h]  # parameters count through ``values``
    trees = [ast.parse(re.sub(r"^\s*[%!].*$", "", text, flags=re.M)) for text in texts]
    modules = sorted({m for tree in trees for m in code.imports(tree)})
    given = json.loads(values)
    outside = [Path(given.get("embeddings") or "")]  # and the published and recorded numbers that the page shows
    outside += sorted((ROOT / "results").glob("reported/*.csv"))
    outside += sorted((ROOT / "results").glob(f"recorded/{study}/*/*"))
    parts = [
        [code.normal_form(tree) for tree in trees],
        code.closure_hash(*modules),
        values,
        [unit.key for unit in plans.units(study, given)],
        [hashlib.sha256(path.read_bytes()).hexdigest() for path in outside if path.is_file()],
        code.lock_hash(),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:10]


def _suggest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
