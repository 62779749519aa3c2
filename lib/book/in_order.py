"""Studies and claims in the order of the table of contents."""

import functools
import re

import yaml
from pybtex import database

from lib import claims, study
from lib.hashing import ROOT

CHAPTER = re.compile(r"(\{doc\}`(?:[^`<]*<)?)(\w+)(>?`)")  # a link to a chapter, written from the folder of chapters


def studies() -> list[str]:
    """Every study, in the order of the table of contents; one that it does not name comes last."""
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    listed = [c["file"].removeprefix("notebooks/") for part in parts for c in part["chapters"]]
    known = study.names()
    return [name for name in listed if name in known] + [name for name in known if name not in listed]


def title(name: str) -> str:
    """A study's title, as its notebook has it."""
    return re.search(r"^# # (.*)$", study.cells(name)[0][1], re.M)[1]


def short(name: str) -> str:
    """The subject of a study's title, which stands before its colon: "Minority collapse"."""
    return re.split(r"[:?]", title(name))[0]


def all_claims() -> list[claims.Claim]:
    return [claim for name in studies() for claim in claims.of(name)]


@functools.cache
def paper(cite: str) -> str:
    """Authors and year of an entry of the bibliography: "Maity et al. (2024)"."""
    entry = database.parse_file(str(ROOT / "book/references.bib"), "bibtex").entries[cite]
    names = [" ".join(map(str, person.rich_last_names)) for person in entry.persons["author"]]
    who = names[0] if len(names) == 1 else f"{names[0]} and {names[1]}" if len(names) == 2 else f"{names[0]} et al."
    return f"{who} ({entry.fields['year']})"
