"""Sphinx extension: numbers as a journal sets them, and data sets by their names, in what a page says.

Code, formulas, drawings and what a script reads stay as they are.
"""

import re

from sphinx.application import Sphinx

KEPT = re.compile(r"(<(?P<tag>code|math|pre|script|style|svg|textarea)\b.*?</(?P=tag)>|<[^>]*>)", re.S)
MINUS = re.compile(r"(?<![\w.)\]’'-])-(?=\.?\d)")
NOTHING = re.compile(r"(?<![\w.])0(?:\.0+)?e\+00\b")
POWER = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)e[-−]0?(\d+)\b")
BARE = re.compile(r"(?<![\w.)\]/*])\.(?=\d)")
PERCENT = re.compile(r"(?<=\d) (?=%)")
WORD = re.compile(r"(?<![\w./-])[a-z][a-z_]*[_\d]\w*(?![\w./-])")  # a name that is no word of the language
SPEAK = ("index", "scoreboard", "notebooks/")  # pages on which a set's name is no parameter to be typed


def setup(app: Sphinx) -> dict:
    app.add_config_value("data_sets", {}, "html", dict)
    app.connect("html-page-context", typeset)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def typeset(app: Sphinx, page: str, template: str, context: dict, doctree) -> None:
    if "body" in context:
        context["body"] = numbers(context["body"], app.config.data_sets if page.startswith(SPEAK) else {})


def numbers(body: str, sets: dict[str, str]) -> str:
    """HTML whose text has minus signs, zeros before points, powers of ten and percentages that no line breaks.

    sets: names of data sets by what they are called in code, which take their place.
    """
    parts = KEPT.split(body)
    return "".join(part if i % 3 == 1 else _text(part, sets) for i, part in enumerate(parts) if i % 3 < 2)


def _text(text: str, sets: dict[str, str]) -> str:
    text = POWER.sub(_power, NOTHING.sub("0", text))
    text = PERCENT.sub("\u00a0", BARE.sub("0.", MINUS.sub("−", text)))
    return WORD.sub(lambda m: sets.get(m[0], m[0]), text)


def _power(match: re.Match) -> str:
    times = "" if match[1] == "1" else match[1] + "\u00a0×\u00a0"
    return f"{times}10<sup>−{match[2]}</sup>"
