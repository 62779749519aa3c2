"""The charts of an executed notebook as the site shows them: drawn by the page when they come into view, still without
JavaScript and on paper."""

import base64
import json
import re
from collections.abc import Callable

from lib.book import text_width

CHART = re.compile(
    r'<div class="chart">.*?<div id="chart-(?P<id>[^"]*)"></div>(?P<script>.*?</script>)</div>'
    r'<img class="still" style="display:none" src="(?P<still>[^"]*)"(?P<alt>[^>]*)>',
    re.S,
)
UNHEARD = re.compile(r' (?:aria-[\w-]+|role|class|pointer-events)="[^"]*"')  # of no use in an <img>
INK = "<style>@media (prefers-color-scheme: dark) { :root { color: #ced6dd } }</style>"  # as text on a dark page
SIZE = re.compile(r'<svg\b[^>]*? width="([\d.]+)" height="([\d.]+)"')
SPEC = re.compile(r"\}\)\((?=\{)")  # where altair's script is handed the chart


def light(text: str, content: Callable[[str], bytes] = lambda name: b"") -> str:
    """HTML in which the specification of every chart of altair stands as data, without a script of its own.

    content: of a file of figures, by name, from which a still picture's size is taken.
    """
    return CHART.sub(lambda match: _light(match, content), text)


def _light(match: re.Match, content: Callable[[str], bytes]) -> str:
    script = match["script"]
    spec = json.JSONDecoder().raw_decode(script, SPEC.search(script).end())[0]
    data = json.dumps(spec, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    size = SIZE.search(content(match["still"].rpartition("/")[2]).decode())
    room = f' width="{size[1]}" height="{size[2]}"' if size else ""
    return (
        f'<div class="chart"><div id="chart-{match["id"]}"></div><script type="application/json">{data}</script></div>'
        f'<img class="still" loading="lazy" src="{match["still"]}"{room}{match["alt"]}>'
    )


def slim(svg: bytes) -> bytes:
    """A still picture in the ink of the page, its texts as wide as they were laid out.

    The words that Vega gives each mark are left out, half of its bytes; the <img> has them in short.
    """
    drawn = text_width.fixed(UNHEARD.sub("", svg.decode()))
    return re.sub(r"(<svg\b[^>]*>)", lambda m: m[1] + INK, drawn, count=1).encode()


def still(text: str, content: Callable[[str], bytes]) -> str:
    """HTML in which every chart is its still picture, in the text itself; content: of a file of figures, by name."""

    def picture(match: re.Match) -> str:
        drawn = base64.b64encode(content(match["still"].removeprefix("figures/"))).decode()
        return f'<img src="data:image/svg+xml;base64,{drawn}"{match["alt"]}>'

    return CHART.sub(picture, text)
