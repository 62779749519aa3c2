"""The book as it is cited: ``CITATION.cff``, and what Zenodo reads, made from it."""

import json

import yaml

from lib.book import address
from lib.hashing import ROOT

SOURCE, ZENODO = "CITATION.cff", ".zenodo.json"


def cited() -> dict:
    """``CITATION.cff``, with the address of the repository where it is known."""
    found = yaml.safe_load((ROOT / SOURCE).read_text(encoding="utf-8"))
    where = address.repository()
    return found | ({"repository-code": where} if where else {})


def zenodo(cff: dict) -> dict:
    """The metadata of a deposit at Zenodo (https://developers.zenodo.org, "Deposit metadata") that say the same.

    Zenodo takes one licence: it gets the first, and a note names them all.
    """
    works = [{"identifier": work["url"], "relation": "references", "scheme": "url"} for work in cff["references"]]
    if "repository-code" in cff:
        works.append({"identifier": cff["repository-code"], "relation": "isSupplementTo", "scheme": "url"})
    return {
        "upload_type": cff["type"],
        "title": cff["title"],
        "description": cff["abstract"],
        "creators": [{"name": name(author)} for author in cff["authors"]],
        "version": cff["version"],
        "publication_date": cff["date-released"],
        "access_right": "open",
        "license": cff["license"][0],
        "notes": f"Licences: {', '.join(cff['license'])}; the file LICENSE says which holds for what.",
        "keywords": cff["keywords"],
        "references": [reference(work) for work in cff["references"]],
        "related_identifiers": works,
    }


def name(author: dict) -> str:
    """Family name with what follows it, given names; or the name of a group."""
    if "name" in author:
        return author["name"]
    family = " ".join(author[part] for part in ("family-names", "name-suffix") if part in author)
    return f"{family}, {author['given-names']}"


def reference(work: dict) -> str:
    """A reference in one line."""
    where = [work["collection-title"]] if "collection-title" in work else []
    authors = "; ".join(map(name, work["authors"]))
    return f"{authors} ({work['year']}). {'. '.join([work['title'], *where])}. {work['url']}"


def text() -> str:
    """``.zenodo.json`` as it is kept in git: without an address, so that a fork's is its own."""
    cff = yaml.safe_load((ROOT / SOURCE).read_text(encoding="utf-8"))
    return json.dumps(zenodo(cff), indent=1, ensure_ascii=False) + "\n"
