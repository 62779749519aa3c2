"""Sphinx extension: theorems and exercises are numbered within their page, on the site and on paper alike.

A reference from another page also names the page.
"""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

AT_ONCE = ("theorem", "lemma", "proposition", "corollary", "definition", "exercise")


def setup(app: Sphinx) -> dict:
    app.connect("env-get-updated", restore, priority=400)  # Sphinx numbers at 500
    app.connect("env-get-updated", within_pages, priority=600)
    app.connect("doctree-resolved", name_pages)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def restore(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Put back the numbers that Sphinx gave, which it compares with the new ones to find pages to write anew."""
    env.toc_fignumbers = getattr(env, "running_numbers", env.toc_fignumbers)
    return []


def within_pages(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Count every kind of thing from 1 on each page."""
    env.running_numbers = env.toc_fignumbers
    env.toc_fignumbers = {
        page: {kind: {name: (place,) for place, name in enumerate(of_kind, 1)} for kind, of_kind in kinds.items()}
        for page, kinds in env.running_numbers.items()
    }
    return []


def name_pages(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Add the subject of its page to "Theorem 1" where it stands on another: "Theorem 1 of “Minority collapse”"."""
    known = getattr(app.env, "proof_list", {}) | getattr(app.env, "sphinx_exercise_registry", {})
    for link in doctree.findall(nodes.reference):
        target = known.get(link.get("refuri", "").rpartition("#")[2], {}).get("docname", page)
        if target != page and re.fullmatch(rf"({'|'.join(AT_ONCE)}) \d+", link.astext(), re.I):
            subject = re.split("[:?]", app.env.titles[target].astext())[0]
            link += nodes.Text(f" of “{subject}”")
