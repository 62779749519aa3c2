"""A new study from the template: what ``make new STUDY=name`` writes."""

import re
import time
from pathlib import Path

from lib import records, study
from lib.hashing import ROOT
from lib.study import ParameterError

TEMPLATE = Path(__file__).parent / "template"
FILES = {  # what a study is made of: its eight files, by the name of their template
    "notebook": "notebooks/{}.py",
    "preset": "presets/quick/{}.yaml",
    "claims": "claims/{}.yaml",
    "plan": "lib/studies/plans/{}.py",
    "study": "lib/studies/{}.py",
    "figures": "lib/figures/{}.py",
    "exercises": "exercises/{}.py",
    "classroom": "classroom/{}.py",
}


def command_new(options) -> int:
    """Write a study's eight files and its line in the table of contents; nothing where one of them is there."""
    name = options.study
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ParameterError(f"STUDY={name!r} is no name for a study; use small letters, digits and _, as in toy_study")
    paths = {kind: ROOT / pattern.format(name) for kind, pattern in FILES.items()}
    if there := [path for path in paths.values() if path.exists()]:
        raise ParameterError(f"STUDY={name!r}: {there[0].relative_to(ROOT)} is there already; choose another name")
    contents = ROOT / "_toc.yml"
    lines = contents.read_text(encoding="utf-8").splitlines(keepends=True)
    last = max(i for i, line in enumerate(lines) if "file: notebooks/" in line)
    lines.insert(last + 1, f"      - file: notebooks/{name}\n")
    for kind, path in paths.items():
        text = (TEMPLATE / f"{kind}.txt").read_text(encoding="utf-8")
        records.write_text(path, re.sub("STUDY(?!=)", name, text).replace("TODAY", time.strftime("%Y-%m-%d")))
        print(path.relative_to(ROOT))
    records.write_text(contents, "".join(lines))
    print(f"_toc.yml: one line. Run it: make run STUDY={name}; there are {len(study.names())} studies")
    return 0
