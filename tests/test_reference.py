"""The reference says what the packages offer, and its example computes what the run of record says."""

import importlib
import inspect
import re
import subprocess
import sys
from urllib.parse import unquote

import pandas as pd
import pytest

from lib.book import reference, run_records
from lib.encoders.recorded import FILE
from lib.hashing import ROOT

FIRST = ROOT / "results/recorded/cifar10_undersampling/gpu-3c84f9aaec"


@pytest.mark.parametrize("package", reference.FACES)
def test_every_name_that_a_package_offers_is_there_with_its_signature(package):
    """Against the packages as Python imports them."""
    module = importlib.import_module(f"lib.{package}")
    there = {
        name: value
        for name, value in vars(module).items()
        if (inspect.isfunction(value) or inspect.isclass(value)) and value.__module__.startswith("lib.")
    }
    said = {name: node for name, _, node in reference.offered(package)}
    assert set(said) == set(there)
    for name, value in there.items():
        if inspect.isfunction(inspect.unwrap(value)):
            parameters = inspect.signature(inspect.unwrap(value)).parameters
            given = re.findall(r"\w+", " ".join(parameters))
            assert [p for p in given if p not in reference.signature(name, said[name])] == []
        assert inspect.getdoc(value), f"{name} has no docstring"


def test_the_whole_reference_names_every_package_and_links_to_lines():
    text = reference.text()
    assert [name for name in reference.FACES if f"## `lib.{name}`" not in text] == []
    links = re.findall(r"\]\(\.\./(lib/[\w/]+\.py)", text)
    assert len(links) > 100 and all((ROOT / path).exists() for path in links)
    assert "[`nt_xent`](../lib/losses/self_supervised.py#nt_xent)" in text


def test_the_example_gives_the_number_of_the_run_of_record():
    code = re.search(r"```python\n(.*?)```", (ROOT / "book/library.md").read_text(), re.S)[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=FIRST, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    kept = pd.read_csv(FIRST / "results.csv")
    cell = kept[(kept.quantity == "RH") & (kept.undersampled == "truck") & (kept.class_i == "truck")]
    (value,) = cell[cell.class_j == "automobile"].value
    assert float(done.stdout) == pytest.approx(value, abs=1e-6)


def test_the_files_of_encoders_can_be_downloaded():
    links = re.findall(r'href="([^"]*)"', reference.outputs(run_records.recorded()))
    kept = sorted(path.parent / FILE for path in ROOT.glob("results/recorded/*/*/provenance.json"))
    files = [path for path in kept if path.exists()]
    assert [unquote(link) for link in links] == [
        f"_static/recorded/{path.relative_to(ROOT / 'results/recorded').as_posix()}" for path in files
    ]
    assert files[0].parent == FIRST, "the page says that the example reads the first file"
