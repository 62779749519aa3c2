"""One theme for light and dark pages: colours, shapes, legends, tooltips.

Text is drawn in ``currentColor``: as SVG, a chart takes the text colour of the page it stands in.
"""

import warnings

import altair as alt

INK = "currentColor"  # the text colour of the page, light or dark
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#888888"
# Okabe and Ito's colours without black and yellow, which vanish on one of the two pages, and four of like lightness.
COLOURS = (BLUE, "#e69f00", "#009e73", "#cc79a7", "#56b4e9", ORANGE, "#999933", "#aa4499", GREY, "#a6761d")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross")
HARM = ("#b35806", "#e08214", "#fdb863", "#f7f7f7", "#92c5de", "#4393c3", "#2166ac")  # low, neutral, high
LEGEND = alt.Legend(title=None, orient="bottom", columns=2, labelLimit=320)
# One selection over several panels is what links them.
warnings.filterwarnings("ignore", "Automatically deduplicated selection parameter")


@alt.theme.register("book", enable=True)
def theme() -> alt.theme.ThemeConfig:
    """Transparent ground, ink of the page, text of 11 px or more outside cells."""
    text = {"labelColor": INK, "titleColor": INK, "labelFontSize": 11, "titleFontSize": 12, "titleFontWeight": 500}
    return {
        "config": {
            "background": "transparent",
            "font": "system-ui, -apple-system, 'Segoe UI', sans-serif",
            "view": {"stroke": None},
            "axis": text | {"domainColor": INK, "tickColor": INK, "gridColor": INK, "gridOpacity": 0.12},
            "legend": text | {"symbolSize": 70},
            "header": text,
            "title": {"color": INK, "fontSize": 13, "fontWeight": 600, "subtitleColor": INK, "subtitleFontSize": 11},
            "range": {"category": list(COLOURS)},
        }
    }


def series(
    field: str, values, legend: alt.Legend | None, palette: tuple[str, ...] = COLOURS
) -> tuple[alt.Color, alt.Shape]:
    """Colour and shape of the groups of a field, in the order in which ``values`` have them, in one legend."""
    groups = list(dict.fromkeys(values))
    colours, shapes = ([which[i % len(which)] for i in range(len(groups))] for which in (palette, SHAPES))
    return (
        alt.Color(f"{field}:N", scale=alt.Scale(domain=groups, range=colours), legend=legend),
        alt.Shape(f"{field}:N", scale=alt.Scale(domain=groups, range=shapes), legend=legend),
    )


def tips(words: tuple[str, ...], numbers: tuple[str, ...], digits: str = ".3f") -> list:
    """What a tooltip says: fields of words, then fields of numbers."""
    return [*(f"{c}:N" for c in words), *(alt.Tooltip(f"{c}:Q", format=digits) for c in numbers)]
