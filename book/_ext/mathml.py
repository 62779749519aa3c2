"""Sphinx extension: formulas as MathML, which browsers draw without a script, and the font that they take for it."""

import importlib.util
import io
import re
from pathlib import Path
from xml.etree import ElementTree

from docutils import nodes
from fontTools import subset
from fontTools.ttLib import TTFont
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util.math import get_node_equation_number

NAMESPACE = "http://www.w3.org/1998/Math/MathML"
FONT = Path(importlib.util.find_spec("ziamath").origin).parent / "fonts/STIXTwoMath-Regular.ttf"
FUNCTIONS = ("log", "ln", "exp", "cos", "sin", "tan", "tanh", "sinh", "cosh", "arcsin", "max", "min", "Pr", "tr")
FUNCTIONS += ("mean", "sup", "inf", "deg", "argmin", "argmax", "sg")
BROKEN_AFTER = set("=≤≥≠∈→←,+−≈≪≫≻<>") | {"\u2a7d", "\u2a7e"}
LONG = 24  # characters of a formula in a line, from which it may be broken
STROKES = ("‖", "|", "∥")


def setup(app: Sphinx) -> dict:
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    app.connect("build-finished", font)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def inline(translator, node: nodes.math) -> None:
    """Write a formula of a line; a long one in parts, between which the line may break."""
    parts = "\u200b".join(_text(part) for part in broken(formula(node.astext())))
    translator.body.append(f'<span class="math notranslate nohighlight">{parts}</span>')
    raise nodes.SkipNode


def block(translator, node: nodes.math_block) -> None:
    """Write a formula of its own, with its number where it has a label."""
    translator.body.append(translator.starttag(node, "div", CLASS="math notranslate nohighlight"))
    if node["number"]:
        translator.body.append(f'<span class="eqno">({get_node_equation_number(translator, node)})')
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    translator.body.append(f"{_text(formula(node.astext(), 'block'))}</div>\n")
    raise nodes.SkipNode


def formula(tex: str, display: str = "inline") -> ElementTree.Element:
    r"""A formula as a <math> element.

    A line break within TeX is a blank, within \text too.  Lines of a display are set as those of ``split``.
    ValueError: TeX that cannot be read, or a command that is not known.
    """
    text = re.sub(r"\s+", " ", tex).strip()
    text = re.sub(r"\\(begin|end)\{(?:aligned|align\*?|gathered)\}", r"\\\1{split}", text)
    if r"\\" in text and r"\begin" not in text:
        text = rf"\begin{{split}}{text}\end{{split}}"
    try:
        root = ElementTree.fromstring(convert(text, display=display).replace("&</mi>", "&amp;</mi>"))
    except Exception as error:  # of several kinds, none of them named in its documentation
        raise ValueError(f"the formula {text!r} cannot be turned into MathML: {error!r}") from error
    unknown = [e.text for e in root.iter() if (e.text or "").startswith("\\") and not _is(e, "mtext")]
    if unknown:
        raise ValueError(f"the formula {text!r} has {unknown[0]!r}, which latex2mathml does not know")
    for row in list(root.iter()):
        _spaced(row)
    return root


def _spaced(row: ElementTree.Element) -> None:
    """Strokes keep the size of a letter, and a named function stands off from what it is applied to."""
    children = list(row)
    for place, child in enumerate(children):
        if _is(child, "mo") and child.text in STROKES and not child.get("fence"):
            child.attrib |= {"stretchy": "false", "lspace": "0", "rspace": "0"}
        core = child[0] if len(child) and child.tag.split("}")[-1] in ("msub", "munder", "msup") else child
        if not (_is(core, "mi", "mo") and core.text in FUNCTIONS) or not _is(row, "mrow", "mtd", "math"):
            continue
        core.tag = f"{{{NAMESPACE}}}mo"
        after = children[place + 1] if place + 1 < len(children) else None
        before = children[place - 1] if place else None
        opens = after is None or (_is(after, "mo") and (after.text or "") in "([{")
        core.attrib |= {"lspace": "0" if before is None or _is(before, "mo") else ".17em", "form": "prefix"}
        core.attrib |= {"rspace": "0" if opens else ".17em", "movablelimits": "false"}


def broken(root: ElementTree.Element) -> list[ElementTree.Element]:
    """A long formula cut after the relations, signs and commas of its uppermost row; a short one whole."""
    rows = [root[0]] if len(root) == 1 and _is(root[0], "mrow") else []
    while rows and len(rows[-1]) == 1 and _is(rows[-1][0], "mrow"):
        rows.append(rows[-1][0])
    if not rows or len("".join(root.itertext())) < LONG:
        return [root]
    parts, depth = [[]], 0
    for child in rows[-1]:
        parts[-1].append(child)
        sign = child.text or "" if _is(child, "mo") else ""
        depth += (sign in "([{⟨⌈") - (sign in ")]}⟩⌉") if sign else 0
        if depth == 0 and sign in BROKEN_AFTER:
            parts.append([])
    made = []
    for part in filter(None, parts):
        made.append(ElementTree.Element(root.tag, root.attrib))
        ElementTree.SubElement(made[-1], f"{{{NAMESPACE}}}mrow").extend(part)
    return made


def _is(element: ElementTree.Element, *tags: str) -> bool:
    return element.tag.split("}")[-1] in tags


def _text(element: ElementTree.Element) -> str:
    ElementTree.register_namespace("", NAMESPACE)
    return ElementTree.tostring(element, encoding="unicode")


def font(app: Sphinx, exception: Exception | None) -> None:
    """Write the font with the signs that the formulas of the site have, and no others."""
    if exception is not None or app.builder.format != "html":
        return
    pages = (p.read_text(encoding="utf-8") for p in Path(app.outdir).rglob("*.html") if "_static" not in p.parts)
    signs = {c for page in pages for part in re.findall(r"<math.*?</math>", page, re.S) for c in part if ord(c) > 127}
    target = Path(app.outdir, "_static/math.woff")
    content = shortened(frozenset(signs))
    if not target.exists() or target.read_bytes() != content:
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)


def shortened(signs: frozenset[str]) -> bytes:
    """The font as WOFF, with ASCII, the mathematical alphabets, the root, and these signs."""
    made = TTFont(FONT, recalcTimestamp=False)
    options = subset.Options(layout_features=["ssty", "dtls", "flac"], notdef_outline=True, hinting=False)
    worker = subset.Subsetter(options)
    letters = {*range(0x20, 0x7F), *range(0x1D434, 0x1D468), *range(0x1D6A4, 0x1D6DC), 0x210E, *map(ord, signs)}
    letters |= {*range(0x1D49C, 0x1D4B6), *range(0x1D538, 0x1D552), 0x1D7D9, 0x221A}  # a root has no sign of its own
    worker.populate(unicodes=letters)
    worker.subset(made)
    made.flavor = "woff"
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()
