"""The width of text in the font by which charts are laid out, so that a reader's own font takes no more room."""

import html
import re

# Advance widths of Helvetica, Arial and Liberation Sans, in thousandths of the font's size, from the blank to "~".
# Source: Adobe Core 14 AFM files, Helvetica.afm and Helvetica-Bold.afm.
REGULAR = """278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278
278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722 667 944
667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 278
556 500 722 500 500 500 334 260 334 584"""
BOLD = """278 333 474 556 556 889 722 238 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 333
333 584 584 584 611 975 722 722 722 722 667 611 778 722 278 556 722 611 833 722 778 667 778 722 667 611 722 667 944
667 667 611 333 278 333 584 556 333 556 611 556 611 556 333 611 611 278 278 556 278 889 611 611 611 611 389 556 333
611 556 778 556 556 500 389 280 389 584"""
WIDTHS = [
    {chr(32 + i): int(width) for i, width in enumerate(table.split())} | {"−": 584, "×": 584, "…": 1000}
    for table in (REGULAR, BOLD)
]
TEXT = re.compile(r'<text\b(?P<attributes>[^>]*\bfont-size="(?P<size>[\d.]+)px"[^>]*)>(?P<text>[^<]+)</text>')


def width(text: str, size: float, bold: bool = False) -> float | None:
    """Pixels that a text takes at a font's size; None where a sign's width is not known."""
    known = WIDTHS[bold]
    return sum(known[sign] for sign in text) * size / 1000 if set(text) <= set(known) else None


def fixed(svg: str) -> str:
    """An SVG whose texts keep the width for which they were placed, whichever font draws them."""
    return TEXT.sub(_fixed, svg)


def _fixed(match: re.Match) -> str:
    bold = re.search(r'font-weight="(?:[6-9]00|bold)"', match["attributes"]) is not None
    text = html.unescape(match["text"])
    room = width(text, float(match["size"]), bold) if len(text) > 1 else None
    if room is None:
        return match[0]
    attributes = f'{match["attributes"]} textLength="{room:.1f}" lengthAdjust="spacingAndGlyphs"'
    return f"<text{attributes}>{match['text']}</text>"
