"""Sphinx extension: numbers as a journal sets them, and data sets by their names, in what a page says.

Code, formulas, drawings and what a script reads stay as they are.
"""

import re

from sphinx.application import Sphinx

from lib.book import scale

KEPT = re.compile(r"(<(?P<tag>code|math|pre|script|style|svg|textarea)\b.*?</(?P=tag)>|<[^>]*>)", re.S)
MINUS = re.compile(r"(?<![\w.)\]’'-])-(?=\.?\d)")
POWER = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)e[-−]0?(\d+)\b")
BARE = re.compile(r"(?<![\w.)\]/*])\.(?=\d)")
PERCENT = re.compile(r"(?<=\d) (?=%)")
DATA = {name: words for name, words in scale.DATA.items() if re.search(r"[_\d]", name)}
SET = re.compile(rf"(?<![\w./-])({'|'.join(sorted(DATA, key=len, reverse=True))})(?![\w./-])")
SPEAK = ("index", "scoreboard", "notebooks/")  # pages on which a set's name is no parameter to be typed


def setup(app: Sphinx) -> dict:
    app.connect("html-page-context", typeset)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def typeset(app: Sphinx, page: str, template: str, context: dict, doctree) -> None:
    if "body" in context:
        context["body"] = numbers(context["body"], sets=page.startswith(SPEAK))


def numbers(body: str, sets: bool = False) -> str:
    """HTML whose text has minus signs, zeros before points, powers of ten and percentages that no line breaks.

    sets: and data sets by their names.
    """
    parts = KEPT.split(body)
    return "".join(part if i % 3 == 1 else _text(part, sets) for i, part in enumerate(parts) if i % 3 < 2)


def _text(text: str, sets: bool) -> str:
    text = POWER.sub(lambda m: f"{'' if m[1] == '1' else f'{m[1]} × '}10<sup>−{m[2]}</sup>", text)
    text = PERCENT.sub("\u00a0", BARE.sub("0.", MINUS.sub("−", text)))
    return SET.sub(lambda m: DATA[m[1]], text) if sets else text
