"""What a run's name is made of: all that its numbers and its page depend on, and nothing else."""

import ast
import functools
import hashlib
import importlib
import json
import re
from pathlib import Path
from types import SimpleNamespace

from lib import claims, hashing
from lib.hashing import ROOT
from lib.study.declared import ParameterError, cells, check, parameters

RULES = (("lib.claims.rule", "judge"), ("lib.claims.rule", "judge_number"), ("lib.study.results", "Results"))


def plan(study: str, values: dict):
    """What the study needs with these parameters, as its module in ``lib.studies.plans`` says; it has ``units``.

    ValueError where the parameters contradict each other.
    """
    return importlib.import_module(f"lib.studies.plans.{study}").plan(SimpleNamespace(**values))


def complete(study: str, given: dict) -> dict:
    """Every parameter of the study: the given values over the defaults, checked alone and together."""
    values = {name: p.default for name, p in parameters(study).items()} | check(study, given)
    try:
        plan(study, values)
    except ValueError as error:
        raise ParameterError(str(error)) from None
    return values


def parts(study: str, values: dict) -> dict[str, dict[str, str]]:
    """What the key of a run is made of, by kind, each part with a hash of its own.

    cells: the notebook's code; definitions: what they reach in the library; parameters; encoders; claims: the rule,
    threshold, data, nets, null and kind of interval of each of the study's own; files: reported files that the code
    names, a reader's embeddings; packages.
    Recorded runs are no part: recording a run renames none, and its record says which of them its page shows.
    """
    cell_texts, reached = _code(study)
    texts = [*cell_texts, *(d.text for d in reached.values())]
    files = hashing.named(texts, (ROOT / "results/reported").glob("*.csv"))
    given = Path(values.get("embeddings") or "").expanduser()
    files += sorted(given.glob("*.npy")) if values.get("embeddings") and given.is_dir() else [given]
    return {
        "cells": {f"cell {i}": hashing.digest(text) for i, text in enumerate(cell_texts, 1)},
        "definitions": {f"{module}.{name}": hashing.digest(d.text) for (module, name), d in reached.items()},
        "parameters": {name: json.dumps(value) for name, value in values.items()},
        "encoders": {unit.name: unit.key for unit in plan(study, values).units},
        "claims": {c.id: json.dumps(_rule(c)) for c in claims.of(study)},
        "files": {_relative(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files if p.is_file()},
        "packages": {"pins": hashing.lock_hash()},
    }


@functools.cache
def key(study: str, values: str) -> str:
    """Ten hex digits of a run's parts; ``values`` is JSON."""
    found = parts(study, json.loads(values))
    found["definitions"] = sorted(map(str, _code(study)[1].values()))  # where a definition lies does not count
    found["cells"] = list(found["cells"].values())
    return hashing.digest(found)[:10]


@functools.cache
def _code(study: str) -> tuple[list[str], dict[hashing.Key, hashing.Definition]]:
    """The text that counts of every code cell, prose and parameters left out, and the definitions that they reach."""
    code = [t for h, t in cells(study) if "[markdown]" not in h and '"parameters"' not in h]
    trees = [ast.parse(re.sub(r"^\s*[%!].*$", "", text, flags=re.M)) for text in code]
    texts, reached = hashing.of_cells(trees)
    return texts, hashing.closure(*RULES) | reached


def _rule(c: claims.Claim) -> list:
    return [c.side, c.threshold, c.strict, c.data, c.nets, c.share, c.within, c.against, c.gated, c.printed]


def _relative(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
