"""A claim's numbers as a small picture: effects with their intervals, from all sources, against the threshold."""

import html
import math

from lib import claims
from lib.book import markup

WIDTH, STEP, EDGE = 168, 11, 8  # pixels of a picture, of a line in it, beside its ends
SOURCES = {"authors": "published", "recorded": "of record", "run": "this run"}


def picture(claim: claims.Claim, found: list[dict]) -> str:
    """An SVG with a line a judgement; 0, the threshold, is in the middle, and a claim holds on its right.

    found: judgements that have an effect, each with its ``source``; empty text for none.
    """
    if not found:
        return ""
    sign = 1 if claim.side == "above" else -1
    lines = [[sign * (j[key] - claim.threshold) for key in ("effect", "low", "high")] for j in found]
    reach = max((abs(v) for line in lines for v in line if not math.isnan(v)), default=0) or 1.0
    middle, height = WIDTH / 2, STEP * len(found) + 4

    def at(value: float) -> float:
        return round(middle + value / reach * (middle - EDGE), 1)

    drawn = [f'<rect class="passes" x="{middle}" y="0" width="{middle}" height="{height}"/>']
    drawn.append(f'<line class="threshold" x1="{middle}" x2="{middle}" y1="0" y2="{height}"/>')
    for n, (j, (effect, low, high)) in enumerate(zip(found, lines, strict=True)):
        y = STEP * n + STEP / 2 + 2
        if not math.isnan(low):
            drawn.append(f'<line class="{j["source"]}" x1="{at(low)}" x2="{at(high)}" y1="{y}" y2="{y}"/>')
        drawn.append(_mark(j["source"], at(effect), y))
    words = "; ".join(_words(claim, j) for j in found)
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    return f'<svg class="interval" role="img" aria-label="{html.escape(words)}" {size}>{"".join(drawn)}</svg>'


def _mark(source: str, x: float, y: float) -> str:
    """A circle for the authors' numbers, a square for runs of record, a triangle for this run."""
    if source == "authors":
        return f'<circle class="authors" cx="{x}" cy="{y}" r="3.6"/>'
    if source == "recorded":
        return f'<rect class="recorded" x="{x - 3.5:.1f}" y="{y - 3.5}" width="7" height="7"/>'
    return f'<path class="run" d="M{x - 4:.1f} {y + 3.6}h8l-4 -7z"/>'


def _words(claim: claims.Claim, j: dict) -> str:
    ends = "" if math.isnan(j["low"]) else f", {markup.number(j['low'])} to {markup.number(j['high'])}"
    number = claims.shown(j["effect"], claim.threshold).replace("-", "−")
    return f"{SOURCES[j['source']]} {number}{ends}: {j['verdict']}"


def legend() -> str:
    """What the marks of the pictures mean."""
    marks = [
        f'<span><svg class="interval" width="14" height="12" viewBox="0 0 14 12" aria-hidden="true">'
        f"{_mark(source, 7, 6)}</svg> {words}</span>"
        for source, words in SOURCES.items()
    ]
    return f'<p class="marks">{" ".join(marks)} <span>line: the threshold; right of it the claim holds</span></p>'
