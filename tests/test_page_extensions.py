"""The book's Sphinx extensions and the charts of its pages, without a browser."""

import importlib.util
import io
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import altair as alt
import pandas as pd
import pytest
import vl_convert
from fontTools.ttLib import TTFont

from lib.book import live_charts, scale, text_width
from lib.figures import charts, sbm_theory, sliders
from lib.hashing import ROOT
from lib.study import page as study_figures


def extension(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"book/_ext/{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


find, light, mathml, typeset = (extension(name) for name in ("find", "light", "mathml", "typeset"))
NAMES = {"m": mathml.NAMESPACE}


def words(root: ElementTree.Element) -> str:
    return "".join(root.itertext())


def test_a_line_break_within_a_formula_is_a_blank():
    assert words(mathml.formula("\\text{equal\nshares} =\n1")) == "equal\xa0shares=1"


def test_lines_of_a_display_are_rows_and_an_operator_name_is_no_letter():
    root = mathml.formula(r"\begin{aligned} L_{\mathrm{align}} &= a \\ b &= \lVert c \rVert \end{aligned}", "block")
    assert len(root.findall(".//m:mtr", NAMES)) == 2 and "&" not in words(root) and "align" in words(root)
    strokes = [mo for mo in root.findall(".//m:mo", NAMES) if mo.text == "‖"]
    assert len(strokes) == 2 and {mo.get("stretchy") for mo in strokes} == {"false"}


def test_a_formula_with_an_unknown_command_is_refused_by_name():
    with pytest.raises(ValueError, match=r"\\nosuch"):
        mathml.formula(r"a + \nosuch{b}")


def test_a_long_formula_of_a_line_is_broken_after_signs_outside_brackets_and_keeps_all_of_it():
    tex = r"f(a, b) = \exp(x + y) + \sum_i (u_i - v_i) + w_1 + w_2 + w_3"
    parts = mathml.broken(mathml.formula(tex))
    assert len(parts) > 3 and "".join(map(words, parts)) == words(mathml.formula(tex))
    assert all(words(p).count("(") == words(p).count(")") for p in parts)
    assert len(mathml.broken(mathml.formula("a + b"))) == 1


def test_the_font_has_the_signs_of_the_book_and_is_small():
    content = mathml.shortened(frozenset("≤τ"))
    assert content == mathml.shortened(frozenset("τ≤")) and len(content) < 120_000
    font = TTFont(io.BytesIO(content))
    assert {ord("≤"), ord("τ"), 0x221A, ord("x"), 0x1D465} <= set(font.getBestCmap()) and "MATH" in font


def test_rules_of_style_that_no_page_asks_for_are_left_out_and_others_stay():
    css = "a,.used .b{x:1}.gone{y:2}.used:not(.gone){z:3}@media print{.gone{p:1}.used,.gone{q:2}}@font-face{src:url(f)}"
    kept = light.purged(css, {"used", "b"})
    assert kept == "a,.used .b{x:1}.used:not(.gone){z:3}@media print{.used{q:2}}@font-face{src:url(f)}"


def test_a_page_has_one_title_one_viewport_no_empty_heads_and_its_tables_can_be_reached():
    text = (
        "<head><title>The book &#8212; The book</title>"
        + '<meta name="viewport" content="a"><meta name="viewport" content="b">'
        "<table><thead><tr><th></th><th><p></p></th></tr></thead><tr><th>x</th></tr></table>"
        '<div class="scroll"><table><tr><th></th><th>y</th></tr></table></div><i class="fa-solid fa-sun"></i>'
    )
    made = light.page(text, 'icons={sun:[512,512,[9728],"f185","M1 2z"]}', "The book")
    assert made == light.page(made, "", "The book"), "a page that is built again stays as it is"
    assert made.count("The book") == 1 and made.count("viewport") == 1
    assert "<thead>" not in made and not re.search(r"<th[^>]*></th>", made)
    assert made.count('class="scroll" tabindex="0" role="region"') == 1
    assert 'viewBox="0 0 512 512"' in made and "M1 2z" in made


def test_a_page_is_described_by_its_question_or_its_first_sentences():
    body = "<p>Run it again, a paragraph of more than forty characters.</p>"
    body += "<p><strong>Question.</strong> Who pays, when a class is rare in the data?</p>"
    assert light.description(body) == "Who pays, when a class is rare in the data?"
    long = light.description(f"<p>{'word ' * 80}</p>")
    assert len(long) <= light.DESCRIBED + 2 and long.endswith("word …")


def test_search_has_a_part_a_heading_and_a_part_a_claim_and_no_code():
    text = (
        '<nav>menu</nav><article class="bd-article"><section id="one"><h1>One<a class="headerlink">#</a></h1><p>first '
        'words</p><div class="highlight">code</div><section id="two"><h2>Two</h2><p>second</p>'
        '<section id="proof-content"><p>theorem</p></section>'
        '<table><tr id="c-1" '
        'data-paper="p"><td>claim text</td></tr></table></section></section></article><footer>end</footer>'
    )
    parts = [(p["a"], p["t"], p["x"], p["k"]) for p in find.parts(text)]
    assert parts == [
        ("one", "One", "first words", "part"),
        ("two", "Two", "second theorem", "part"),
        ("c-1", "c-1", "claim text", "claim"),
    ]


def played() -> str:
    table = pd.DataFrame([(t, s, a, 1.0, 1.0) for t in (0.5, 1.0) for s in (-8.0, -1.0) for a in (0.0, 0.9)])
    table.columns = ["tau", "log2_share", "alpha", "t12", "t23"]
    return f"<figure>{study_figures.live(sbm_theory.play(table), 'play', 'a </script> 1', 'figures/play.svg')}</figure>"


def test_a_chart_stands_in_a_page_as_data_with_its_still_picture_and_no_script_of_its_own():
    made = live_charts.light(played(), {"play.svg": b'<svg version="1.1" width="540" height="320">'}.get)
    assert made.count("<script") == 1 and '<script type="application/json">' in made
    assert (
        'id="chart-play"' in made
        and 'class="still" loading="lazy" src="figures/play.svg" width="540" height="320"' in made
    )
    assert "</script> 1" not in made.split("</script>", 1)[0]
    still = live_charts.still(played(), lambda name: f"<svg>{name}</svg>".encode())
    assert "<script" not in still and 'src="data:image/svg+xml;base64,' in still


def test_a_slider_goes_to_the_page_with_the_units_of_its_quantity_and_something_to_try():
    made = live_charts.light(played())
    assert '"pick_log2_share":{"base":2}' in made and '"hint":"make block 1 rarer' in made
    assert "log₂" not in made


def test_the_null_is_a_band_and_a_large_group_one_strip():
    rows = [("null", f"n{i}", 1 + i / 100, 0.9, 1.1) for i in range(40)] + [("alike", "a → b", 0.8, 0.7, 0.9)]
    rows += [("others", f"o{i}", 1.0, 0.9, 1.1) for i in range(40)]
    df = pd.DataFrame(rows, columns=["group", "label", "value", "low", "high"])
    spec = charts.dots(df, null="null").to_dict()
    assert len(spec["vconcat"]) == 2
    (band,) = next(iter(d for d in spec["datasets"].values() if "from" in d[0]))
    assert band["from"] == 1.0 and band["to"] == pytest.approx(1.38)
    strip = spec["vconcat"][1]["layer"]
    assert [layer["mark"]["type"] for layer in strip] == ["rect", "rule", "point"]
    assert spec["vconcat"][1]["height"] < 100


def test_the_line_of_a_scatter_is_at_the_neutral_value_and_its_axis_does_not_reach_for_zero():
    df = pd.DataFrame({"x": [0.9, 1.1], "y": [0.9, 1.2], "name": ["a", "b"], "kind": ["k", "k"]})
    spec = charts.scatter(df, "x", "y", "name", "kind", "x", "y", neutral=1).to_dict()
    assert spec["layer"][0]["encoding"]["y"] == {"datum": 1}
    assert spec["layer"][1]["encoding"]["y"]["scale"] == {"zero": False}


def test_a_phase_diagram_ends_its_scale_where_the_data_end():
    rows = [(0.5, s, a, v) for s in (0.33, 0.1) for a, v in ((0.1, 0.4), (0.5, 0.9))]
    df = pd.DataFrame(rows, columns=["tau", "share", "alpha", "value"])
    scale = sbm_theory.phase(df).to_dict()["spec"]["encoding"]["color"]["scale"]
    assert scale["domain"] == [0, 0.5, 1.0] and len(scale["range"]) == 3
    assert sbm_theory.phase(df.assign(value=1.5)).to_dict()["spec"]["encoding"]["color"]["scale"]["domain"][-1] == 1.5


def test_a_parameter_says_what_its_words_and_hint_are():
    chart = charts.dots(pd.DataFrame([("g", "l", 1.0, 0.9, 1.1)], columns=["group", "label", "value", "low", "high"]))
    made = sliders.controlled(
        chart, sliders.slider("s", "step", 0, (0, 1)), hint="go.", s={"words": ["a", "b"]}
    ).to_dict()
    assert made["usermeta"]["controls"] == {"s": {"words": ["a", "b"]}, "hint": "go."}
    assert Path(ROOT / "book/_static/charts.js").read_text(encoding="utf-8").count("control.words") == 2


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("<p>by -0.955 and [-.1, 2]</p>", "<p>by −0.955 and [−0.1, 2]</p>"),
        ("<td>4e-10, 1e-16</td>", "<td>4\u00a0×\u00a010<sup>−10</sup>, 10<sup>−16</sup></td>"),
        ("<p>5 % of 100 %</p>", "<p>5\u00a0% of 100\u00a0%</p>"),
        ("<p>CIFAR-10, harms-1, f(x)-1, v.2, 1.2.3</p>", "<p>CIFAR-10, harms-1, f(x)-1, v.2, 1.2.3</p>"),
        ('<a href="a-1" title="-1"><code>x = -1e-3</code></a>', '<a href="a-1" title="-1"><code>x = -1e-3</code></a>'),
        ("<svg><text>-1</text></svg><pre>-1 %</pre>", "<svg><text>-1</text></svg><pre>-1 %</pre>"),
    ],
)
def test_numbers_are_set_in_text_and_left_alone_elsewhere(given, wanted):
    assert typeset.numbers(given, {}) == wanted


def test_data_sets_have_their_names_where_nobody_types_them():
    text = "<p>digits_coarse and cifar10; cifar10_undersampling</p><code>digits_coarse</code>"
    named = "<p>8 × 8 digits in two classes and CIFAR-10; cifar10_undersampling</p><code>digits_coarse</code>"
    assert typeset.numbers(text, scale.DATA) == named and typeset.numbers(text, {}) == text


def test_a_cell_of_many_words_keeps_a_width():
    words = "distance of the estimate from the true effect < 0.05"
    made = light.page(f"<table><tr><td>short</td><td>{words}</td></tr></table>", "", "book")
    assert f'<td>short</td><td class="long">{words}</td>' in made


def test_a_still_picture_is_in_the_ink_of_the_page():
    made = live_charts.slim(b'<svg width="9"><text aria-label="x" fill="currentColor">a</text></svg>')
    root = ElementTree.fromstring(made)
    assert (
        root[0].tag == "style" and "prefers-color-scheme: dark" in root[0].text and "aria-label" not in root[1].attrib
    )


@pytest.mark.parametrize("weight", [400, 600])
@pytest.mark.parametrize("text", ["automobile", "L_attract, clamped", "0.95 [-1, 2]", "{KMQW@%}"])
def test_a_text_is_as_wide_as_vega_takes_it_to_be(text, weight):
    axis = alt.Axis(title=None, ticks=False, domain=False, labelPadding=0, labelLimit=999, labelFontSize=40)
    axis.labelFontWeight = weight
    chart = alt.Chart(pd.DataFrame({"name": [text]})).mark_bar().encode(alt.Y("name:N", axis=axis))
    svg = vl_convert.vegalite_to_svg(chart.to_dict() | {"padding": 0})
    assert float(re.search(r"translate\((\d+),", svg)[1]) == pytest.approx(
        text_width.width(text, 40, weight == 600), abs=2
    )


def test_a_still_picture_keeps_the_widths_of_its_texts():
    text = '<text font-size="10px" font-weight="600">a &lt; b</text>'
    made = live_charts.slim(f'<svg>{text}<text font-size="10px">☃☃</text></svg>'.encode()).decode()
    bold = sum({"a": 556, " ": 278, "<": 584, "b": 611}[sign] for sign in "a < b") / 100
    assert f'textLength="{bold:.1f}"' in made and made.count("textLength") == 1


def test_the_style_of_code_stands_only_where_code_does():
    assert light._used("_static/pygments.css", '<div class="highlight-python"><pre>x</pre></div>', "rerun")
    assert not light._used("_static/pygments.css", "<p><code>make book</code></p>", "index")


def test_nothing_with_an_exponent_is_nothing():
    given = "<td>0e+00</td><td>0.0e+00</td><td>20e+00</td><code>0e+00</code>"
    assert typeset.numbers(given, {}) == "<td>0</td><td>0</td><td>20e+00</td><code>0e+00</code>"
