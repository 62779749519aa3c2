"""Which part of a run's key changed: what ``make why RUN=… [SINCE=commit]`` says."""

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from lib import records
from lib.book import runs
from lib.study import key

PRINT = (
    "import json, sys; from lib.study import key; print(json.dumps(key.parts(sys.argv[1], json.loads(sys.argv[2]))))"
)


def command_why(options) -> int:
    """Print the parts of a run's key that differ between a commit, by default the run's own, and the files as now."""
    about = runs.provenance(runs.find(options.run))
    since = options.since or about["git"]["commit"]
    if not since:
        raise ValueError(f"run {about['run']} was not made in git; name the commit to compare with, as SINCE=abc1234")
    study, values = about["study"], about["params"]
    lines = changes(parts_at(since, study, values), key.parts(study, values))
    print(f"{study}, run {about['run']}: since {since[:10]} " + ("changed" if lines else "nothing changed"))
    print("\n".join(lines))
    if about["git"]["dirty"] and not options.since:
        print("The run was made with changes that were not committed; these are not seen here.")
    return 0


def changes(old: dict[str, dict[str, str]], new: dict[str, dict[str, str]]) -> list[str]:
    """A line for every part that differs: its kind, its name, and whether it is new, gone or changed.

    A definition that only moved, to another name of its module, is not told.
    """
    lines = []
    for kind in new:
        a, b = old.get(kind, {}), new[kind]
        if kind == "definitions":
            a, b = ({n: h for n, h in d.items() if h not in other.values()} for d, other in ((a, b), (b, a)))
        for name in sorted({*a, *b}):
            if a.get(name) != b.get(name):
                lines.append(
                    f"  {kind}: {name} {'changed' if name in a and name in b else 'new' if name in b else 'gone'}"
                )
    return lines


def parts_at(commit: str, study: str, values: dict) -> dict[str, dict[str, str]]:
    """The parts of the key as a commit's files make them; ValueError for no commit, or one that cannot make them."""
    try:
        tree = records.git("archive", "--format=tar", commit)
    except (OSError, subprocess.CalledProcessError):
        raise ValueError(f"SINCE={commit!r} is no commit of this repository; `git log` lists them") from None
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(tree)) as archive:
            archive.extractall(folder, filter="data")
        env = os.environ | {"PYTHONPATH": folder}
        command = [sys.executable, "-c", PRINT, study, json.dumps(values)]
        found = subprocess.run(command, cwd=Path(folder), env=env, capture_output=True, encoding="utf-8")
    if found.returncode:
        reason = found.stderr.strip().splitlines()[-1] if found.stderr.strip() else "no reason given"
        raise ValueError(f"commit {commit[:10]} cannot make this run's key ({reason}); name a later one")
    return json.loads(found.stdout)
