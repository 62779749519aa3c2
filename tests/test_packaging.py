"""The files that say what to install agree with one another and with what the code imports."""

import ast
import os
import re
import shlex
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import imports
import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rattler import MatchSpec

from lib import hashing
from lib.book import lock

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())
EXTRAS = {k: [Requirement(r) for r in v] for k, v in PROJECT["project"]["optional-dependencies"].items()}
CONDA_NAMES = {"torch": "pytorch", "snakemake": "snakemake-minimal"}  # where conda's name is not PyPI's in lower case
CONDA_ONLY = {"python", "pip", "make"}
TRAINING = {"torch", "torchvision", "numpy", "scikit-learn", "safetensors", "transformers", "accelerate"}


def pins(name: str) -> list[Requirement]:
    lines = [line.split("#")[0].strip() for line in (ROOT / name).read_text().splitlines()]
    return [Requirement(line) for line in lines if line]


CORE, CONSTRAINTS = pins("requirements.txt"), pins("constraints.txt")


def names(requirements) -> set[str]:
    return {canonicalize_name(r.name) for r in requirements}


def exact(requirements) -> dict[str, str]:
    """Name to version; every requirement must be an exact pin without marker, extra, URL or local version."""
    found = {}
    for r in requirements:
        (spec,) = r.specifier
        assert spec.operator == "==" and "*" not in spec.version and "+" not in spec.version, f"{r} is no exact pin"
        assert not (r.marker or r.extras or r.url), f"{r} says more than a name and a version"
        assert canonicalize_name(r.name) not in found, f"{r.name} is pinned twice"
        found[canonicalize_name(r.name)] = spec.version
    return found


def conda_specs() -> list[str]:
    return [d for d in CONDA["dependencies"] if isinstance(d, str)]


def conda_pip() -> list[Requirement]:
    return [Requirement(line) for d in CONDA["dependencies"] if isinstance(d, dict) for line in d["pip"]]


def test_every_requirement_is_pinned_once():
    exact(CORE + CONSTRAINTS)
    for requirements in EXTRAS.values():
        exact(CORE + requirements)


def test_constraints_leave_cuda_to_the_build_of_torch():
    assert not [n for n in names(CORE + CONSTRAINTS) if re.match(r"(nvidia|cuda|triton)", n)]


def test_the_pins_cover_all_that_the_requirements_pull_in():
    """Nothing floats: walk the installed metadata from requirements.txt."""
    pinned = exact(CORE + CONSTRAINTS)
    left = {n for n in names(CONSTRAINTS) if n != "appnope"}  # appnope: macOS alone
    seen, todo = set(), [(canonicalize_name(r.name), "") for r in CORE]
    while todo:
        name, extra = todo.pop()
        if (name, extra) in seen or re.match(r"(nvidia|cuda|triton)", name):
            continue
        seen.add((name, extra))
        assert name in pinned, f"{name} is pulled in, but neither requirements.txt nor constraints.txt pins it"
        for text in metadata.requires(name) or []:
            r = Requirement(text)
            if not r.marker or r.marker.evaluate({**default_environment(), "extra": extra}):
                assert r.specifier.contains(pinned.get(canonicalize_name(r.name), "0"), prereleases=True) or re.match(
                    r"(nvidia|cuda|triton)", r.name
                ), f"{name} wants {r}, pinned is {pinned.get(canonicalize_name(r.name))}"
                todo += [(canonicalize_name(r.name), e) for e in ("", *r.extras)]
    # What only other Pythons than this one need: papermill asks for aiohttp on 3.12 alone.
    left -= {n for n, _ in seen}
    only_312 = {"aiohttp", "aiohappyeyeballs", "aiosignal", "frozenlist", "multidict", "propcache", "yarl"}
    assert left <= only_312 | {"tzdata", "greenlet"}, "constraints.txt pins what nothing needs"


def test_conda_specs_parse_and_agree_with_the_requirements():
    core = exact(CORE)
    specs = [MatchSpec(text, strict=True) for text in conda_specs()]
    found = {str(s.name.normalized if hasattr(s.name, "normalized") else s.name): s for s in specs}
    assert len(found) == len(specs), "a package is named twice"
    by_conda = {CONDA_NAMES.get(n, n): n for n in core}
    pip = exact(conda_pip())
    assert not set(found) & set(pip)
    assert set(found) - CONDA_ONLY | set(pip) == set(by_conda)
    for name, version in pip.items():
        assert version == core[name]
    for name in set(found) - CONDA_ONLY:
        assert str(found[name].version) == f"=={core[by_conda[name]]}"


def test_conda_refuses_a_broken_spec():
    with pytest.raises(Exception, match=r"version|build"):
        MatchSpec("numpy !!= 2", strict=True)


def test_the_python_range_is_the_same_everywhere():
    wanted = {3: PROJECT["project"]["requires-python"]}[sys.version_info.major]
    python = next(s for s in conda_specs() if s.startswith("python>"))
    assert python == f"python{wanted}" == "python>=3.11,<3.14"
    assert PROJECT["tool"]["ruff"]["target-version"] == "py311"


def imported(path: Path) -> set[str]:
    """Top-level names of the modules that a file imports anywhere."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {a.name.split(".")[0] for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


def third_party(paths) -> dict[str, set[str]]:
    """Distribution to the files that import it, without the standard library and the repository's own modules."""
    paths = list(paths)
    own = {"lib", "tests", "conftest", *(p.stem for p in paths)}
    providers, found = metadata.packages_distributions(), {}
    for path in paths:
        for module in imported(path) - own - set(sys.stdlib_module_names):
            assert module in providers, f"{path} imports {module}, which is not installed"
            dists = {canonicalize_name(d) for d in providers[module]}
            found.setdefault(min(dists & names(CORE) or dists), set()).add(str(path.relative_to(ROOT)))
    return found


@pytest.mark.parametrize(
    "folders, extra",
    [(("lib", "notebooks", "exercises", "book"), None), (("tests",), "test"), (("benchmarks",), "test")],
    ids=["book", "tests", "benchmarks"],
)
def test_what_the_code_imports_is_declared(folders, extra):
    declared = names(CORE) | names(EXTRAS[extra] if extra else [])
    used = third_party(p for f in folders for p in sorted((ROOT / f).rglob("*.py")) if "_build" not in p.parts)
    assert set(used) <= declared, {d: sorted(used[d]) for d in set(used) - declared}


def test_every_requirement_is_used():
    """Imported by the code, or named in the files that run the studies and the site."""
    folders = ("lib", "notebooks", "exercises", "book", "tests")
    used = set(third_party(p for f in folders for p in (ROOT / f).rglob("*.py")))
    files = [ROOT / f for f in ("Makefile", "Snakefile", "_config.yml")] + list((ROOT / "book").rglob("*.py"))
    text = "\n".join(f.read_text() for f in files if f.exists()).lower().replace("-", "_")
    idle = {n for n in names(CORE) - used if n.replace("-", "_") not in text}
    by_jupyter_book = {"ipykernel", "sphinx-book-theme", "sphinxcontrib-bibtex"}  # it uses them unasked
    assert idle <= by_jupyter_book, idle


def test_training_runs_on_a_bare_gpu_machine():
    modules = sorted({module for module, _ in hashing.closure(("lib.encoders.pretrain", "run"))})
    used = third_party(imports.file(module) for module in modules)
    assert set(used) <= TRAINING, used


def test_licence_covers_code_and_prose():
    text = (ROOT / "LICENSE").read_text()
    assert "MIT License" in text and "https://creativecommons.org/licenses/by/4.0/legalcode" in text
    assert PROJECT["project"]["license"] == "MIT AND CC-BY-4.0"


def test_ci_runs_the_two_commands_of_the_readme():
    path = ROOT / ".ci" / "run"
    assert os.access(path, os.X_OK)
    words = [shlex.split(line, comments=True) for line in path.read_text().splitlines() if re.match(r"make \w", line)]
    assert [w[:2] for w in words] == [["make", "setup"], ["make", "test"], ["make", "book"]]
    assert "set -euo pipefail" in path.read_text()


def test_locking_pins_what_is_pulled_in_and_leaves_the_rest():
    old = "# why\nonly-elsewhere==1.0\npulled_in==1.0\ngone.by==3\n"
    found = {"torch": "2.0+cpu", "Pulled-In": "2.0", "New": "0.1+local", "nvidia-x": "1", "triton": "3"}
    text = lock.constraints(old, {"torch": "2.0"}, found)
    assert text == "# why\ngone.by==3\nNew==0.1\nonly-elsewhere==1.0\nPulled-In==2.0\n"
    kept = (ROOT / "constraints.txt").read_text()
    there = {r.name: next(iter(r.specifier)).version for r in CORE + CONSTRAINTS}
    assert lock.constraints(kept, exact(CORE), there) == kept


def test_locking_gives_conda_the_versions_of_the_requirements():
    kept, core = (ROOT / "environment.yml").read_text(), {r.name: next(iter(r.specifier)).version for r in CORE}
    assert lock.conda(kept, core) == kept
    raised = yaml.safe_load(lock.conda(kept, core | {"torch": "9.9", "openTSNE": "8.8", "snakemake": "7.7"}))
    assert {"pytorch==9.9", "opentsne==8.8", "bioconda::snakemake-minimal==7.7"} <= set(raised["dependencies"][:-1])
    with pytest.raises(ValueError, match=r"environment\.yml has 0 lines for newcomer of requirements.txt; write one"):
        lock.conda(kept, core | {"newcomer": "1"})
