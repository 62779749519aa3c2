"""The pins of what the requirements pull in: ``make lock`` finds them and writes ``constraints.txt``.

``requirements.txt`` is edited by hand and never here; ``environment.yml`` gets its versions.
"""

import json
import re
import subprocess
import sys

from lib import records
from lib.hashing import ROOT

REQUIREMENTS, CONSTRAINTS, CONDA = "requirements.txt", "constraints.txt", "environment.yml"
OF_TORCH = re.compile(r"(nvidia|cuda|triton)")  # left to the build of torch
CONDA_NAMES = {"torch": "pytorch", "snakemake": "snakemake-minimal"}  # where conda's is not PyPI's in small letters
PIN = re.compile(r"(?m)^([\w.-]+)==(\S+)")


def command_lock(_) -> int:
    """Write the pins of all that the requirements pull in on this Python, and the versions of the conda environment."""
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in (REQUIREMENTS, CONSTRAINTS, CONDA)}
    core = dict(PIN.findall(texts[REQUIREMENTS]))
    new = {CONDA: conda(texts[CONDA], core), CONSTRAINTS: constraints(texts[CONSTRAINTS], core, resolved())}
    for name, text in new.items():
        changed = sorted(set(text.splitlines()) - set(texts[name].splitlines()))
        print("\n".join([f"{name}: {len(changed)} line(s) changed", *changed]))
        records.write_text(ROOT / name, text)
    return 0


def resolved() -> dict[str, str]:
    """Version by name of all that pip would install for the requirements in an empty environment of this Python.

    ValueError: pip finds no versions that go together; the message is pip's.
    """
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--dry-run"]
    command += ["--ignore-installed", "--report", "-", "-r", str(ROOT / REQUIREMENTS)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    if done.returncode:
        raise ValueError(f"pip finds no versions for {REQUIREMENTS}: {done.stderr.strip()[-2000:]}")
    found = (item["metadata"] for item in json.loads(done.stdout)["install"])
    return {item["name"]: item["version"] for item in found}


def constraints(old: str, core: dict[str, str], found: dict[str, str]) -> str:
    """``constraints.txt``: its comment, and the pins of what was found, without the requirements themselves.

    A pin of the old file that was not found stays: another Python or system may need it; `make test` says if none does.
    """
    comment = "".join(line for line in old.splitlines(keepends=True) if line.startswith("#"))
    own = {plain(name) for name in core}
    pins = {plain(name): (name, version) for name, version in PIN.findall(old)}
    pins |= {plain(name): (name, version.partition("+")[0]) for name, version in found.items()}
    kept = sorted(pins[name] for name in pins if name not in own and not OF_TORCH.match(name))
    return comment + "".join(f"{name}=={version}\n" for name, version in sorted(kept, key=lambda pin: plain(pin[0])))


def conda(old: str, core: dict[str, str]) -> str:
    """``environment.yml`` with the versions of the requirements.  ValueError: it has no line for one of them."""
    for name, version in core.items():
        line = rf"(- (?:[\w-]+::)?{re.escape(CONDA_NAMES.get(name, name.lower()))}==)\S+"
        old, count = re.subn(line, rf"\g<1>{version}", old, flags=re.I)
        if count != 1:
            raise ValueError(
                f"{CONDA} has {count} lines for {name} of {REQUIREMENTS}; write one, as - {name}=={version}"
            )
    return old


def plain(name: str) -> str:
    """A package's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()
