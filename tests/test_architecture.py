"""The walls of the house: who imports whom, what runs alone, one name a study, pages that stay short."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lib import study
from lib.book import readme, sources_shown
from lib.book.classroom import notebook
from lib.book.new import FILES
from lib.hashing import ROOT

FLAT = {"__init__", "checks", "hashing", "intervals", "records", "sources"}
LINES, CELL = 650, 40  # of a notebook, and of a cell of code
HELPERS = ("accelerate", "numpy", "safetensors", "scikit-learn", "torch", "torchvision", "transformers")
ALONE = """
import importlib.metadata as metadata, re, sys
from importlib.machinery import PathFinder

def needed(name, found):
    name = re.sub("[-_.]+", "-", name).lower()
    if name not in found:
        found.add(name)
        try:
            requires = metadata.requires(name) or ()
        except metadata.PackageNotFoundError:
            return found
        for line in requires:
            if "extra ==" not in line:
                needed(re.match(r"[\\w.-]+", line)[0], found)
    return found

allowed = set()
for helper in %r:
    needed(helper, allowed)
owners = metadata.packages_distributions()

class Wall(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        dists = {re.sub("[-_.]+", "-", d).lower() for d in owners.get(name.partition(".")[0], ())}
        return None if dists and not dists & allowed else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Wall
import lib.losses, lib.encoders, lib.harms, lib.images, lib.text, lib.probe, lib.mediation
from lib.encoders import coarse, pretrain, robust, simcse, units
print("imported", "pandas" in sys.modules)
"""

PLANNING = """
import sys
from lib import study
from lib.book import make
from lib.hashing import ROOT

heavy = ("torch", "torchvision", "transformers", "safetensors", "scipy", "sklearn")
solved = []
for path in sorted((ROOT / "presets").glob("*/*.yaml")):
    values = study.preset(path.stem, path.parent.name)
    if values.get("image_net", "none") != "none":
        solved.append(path.stem)
    else:
        assert study.Run(path.stem, study.complete(path.stem, values)).id and not set(heavy) & set(sys.modules), path
print("planned", *sorted(set(solved)))
"""


def test_imports_go_one_way():
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_training_helpers_run_where_there_is_no_book():
    done = subprocess.run([sys.executable, "-c", ALONE % (HELPERS,)], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.startswith("imported False"), done.stderr


def test_the_graph_is_planned_without_torch():
    """But for the networks of minority collapse, whose class sizes follow from a threshold that is solved."""
    done = subprocess.run([sys.executable, "-c", PLANNING], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "planned minority_collapse", done.stderr


def test_modules_live_in_packages():
    assert {path.stem for path in (ROOT / "lib").glob("*.py")} == FLAT
    packages = [path.parent for path in (ROOT / "lib").glob("*/__init__.py")]
    assert len(packages) + len(FLAT) <= 22  # what stands at the top of lib
    for package in packages:
        text = (package / "__init__.py").read_text()
        assert "May import" in text or "Imports nothing" in text or package.name == "book", package


@pytest.mark.parametrize("name", study.names())
def test_a_study_is_eight_files_of_one_name(name):
    missing = [pattern.format(name) for pattern in FILES.values() if not (ROOT / pattern.format(name)).exists()]
    assert not missing


def test_files_of_studies_belong_to_a_notebook():
    names = set(study.names())
    assert {path.stem for path in (ROOT / "claims").glob("*.yaml")} == names
    assert {path.stem for path in (ROOT / "presets").glob("*/*.yaml")} == names
    for folder in ("classroom", "exercises"):
        assert {path.stem for path in (ROOT / folder).glob("*.py")} == names
    for folder in ("lib/studies", "lib/studies/plans"):
        assert {path.stem for path in (ROOT / folder).glob("*.py")} - {"__init__"} == names


@pytest.mark.parametrize("name", study.names())
def test_a_notebook_is_short_and_shows_its_idea(name):
    text = study.source(name).read_text()
    assert len(text.splitlines()) <= LINES
    assert "# ## Exercises" not in text and '"solution"' not in text, f"these stand in exercises/{name}.py"
    code = [(header, body.strip()) for header, body in study.cells(name) if "[markdown]" not in header]
    asked = [body.strip() for header, body in notebook.cells(name) if "[markdown]" not in header]
    assert max(len(body.splitlines()) for body in [*asked, *(body for _, body in code)]) <= CELL
    for tag in ("in-short", "main-figure"):
        assert sum(f'"{tag}"' in header for header, _ in code) == 1, "every study opens with what it found"
    shown = [body for header, body in code if not re.search("hide-input|remove-", header) and "assert" not in body]
    assert len(shown) >= 3, "cells that carry the idea stand open"


def test_the_readme_says_what_the_book_says():
    text = (ROOT / "README.md").read_text()
    assert readme.filled(text) == text, "run `make readme`"


@pytest.mark.parametrize("name", study.names())
def test_what_a_page_says_made_a_figure_is_there(name):
    for path, function in re.findall(r'"((?:lib|notebooks)/[\w/]+\.py):(\w+)"', study.source(name).read_text()):
        assert sources_shown.address(path, function)


def test_every_text_file_is_read_and_written_in_an_encoding_that_is_named():
    """What ruff's rule cannot see: paths whose type it does not infer, and what other processes print."""
    bare = []
    for path in (
        p for folder in ("lib", "notebooks", "exercises", "benchmarks", "book") for p in (ROOT / folder).rglob("*.py")
    ):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or ast.unparse(node.func) == "records.write_text":
                continue
            called, given = ast.unparse(node.func), {keyword.arg for keyword in node.keywords}
            as_text = called.startswith("subprocess.") and "text" in given
            if as_text or (called.endswith((".read_text", ".write_text")) and "encoding" not in given):
                bare.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not bare
