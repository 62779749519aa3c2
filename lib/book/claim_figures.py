"""Which figure of a study's page shows what a claim rests on."""

import functools
import re

from lib import claims, study

SHOWN = re.compile(r'\b(?:run\.show|shown?)\(\s*"([\w-]+)"')


def figure(claim: claims.Claim) -> str:
    """The figure of a claim: the one that its file names, or the first after the lines that judge it; "" for none.

    A claim whose id the notebook puts together, as "alignment-5" and a letter, is judged where its stem stands.
    """
    if claim.figure:
        return claim.figure
    text = _code(claim.study)
    at = next((text.find(f'"{part}') for part in (f'{claim.id}"', claim.id[:-1]) if f'"{part}' in text), -1)
    after = [m for m in SHOWN.finditer(text) if m.start() > at >= 0]
    return after[0][1] if after else ""


def address(claim: claims.Claim) -> str:
    """Where a claim's evidence stands, from the top of the site: its figure, or its study."""
    name = figure(claim)
    return f"notebooks/{claim.study}.html" + (f"#fig-{name}" if name else "")


@functools.cache
def _code(name: str) -> str:
    return "\n".join(body for about, body in study.cells(name) if "[markdown]" not in about)
