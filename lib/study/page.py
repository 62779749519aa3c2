"""Figures: one way to show a chart or a picture with its data, its source and a still picture."""

import base64
import html
import inspect
import io
import json
from pathlib import Path

import pandas as pd
from PIL import Image

from lib import records

EMBED = {"renderer": "svg", "actions": False, "mode": "vega-lite"}


def show(
    run_folder: Path, name: str, chart, alt: str, caption: str, data: pd.DataFrame, source: str, face: str
) -> None:
    """Show a chart or a raster image as the figure ``fig-<name>``; keep its data and a still picture with the run.

    chart: of Altair, kept as figures/<name>.svg, or a PIL image, kept as figures/<name>.png.
    alt: what the figure finds, with a number of this run; caption: plain text; data: what is drawn, written to
    figures/<name>.csv; source: the lines that made it, "lib/harms/representation.py:representation_harm" or a path
    alone; face: data, preset, device and seeds, as "digits, quick, CPU, 3 seeds".
    ValueError: a text that is missing, or an alt without a number.
    """
    _check(name, alt, caption, source, face)
    if isinstance(chart, Image.Image):
        body = _raster(_file(run_folder, name, "png"), chart, alt)
    else:
        with records.atomic(_file(run_folder, name, "svg")) as temporary:
            chart.save(temporary, format="svg")
        body = live(chart, name, alt, f"figures/{name}.svg")
    _display(run_folder, name, body, caption, data, source, face)


def display(item, **options) -> None:
    """Hand an object to the notebook.  IPython is imported here alone: where encoders are trained there may be none."""
    import IPython.display

    IPython.display.display(item, **options)


def say(text: str, **about) -> None:
    """Show Markdown; ``about`` goes with it as metadata, for the site."""
    from IPython.display import Markdown

    display(Markdown(text), metadata={"book": about} if about else None)


def code(*objects) -> None:
    """Show the source of functions and classes."""
    from IPython.display import Code

    display(Code("\n\n".join(inspect.getsource(o) for o in objects), language="python"))


def live(chart, name: str, alt: str, still: str) -> str:
    """HTML of a chart that answers the pointer, and of the still picture shown without JavaScript and on paper."""
    hidden = f'<img class="still" style="display:none" src="{still}" alt="{html.escape(alt)}">'
    return f'<div class="chart">{drawn(chart.properties(description=alt).to_dict(), name)}</div>{hidden}'


def drawn(spec: dict, name: str) -> str:
    """HTML and script of a Vega-Lite specification; no string in it can end the script.

    Of its ``usermeta`` the ``controls`` remain: what its sliders say of their places, see ``lib.figures.sliders``.
    """
    import altair

    about = {key: value for key, value in (spec.get("usermeta") or {}).items() if key == "controls"}
    return altair.utils.spec_to_html(
        spec | {"usermeta": about | {"embedOptions": EMBED}},
        "vega-lite",
        altair.VEGA_VERSION,
        altair.VEGAEMBED_VERSION,
        altair.VEGALITE_VERSION,
        template="universal",
        fullhtml=False,
        output_div=f"chart-{name}",
        embed_options=dict(EMBED),
        json_kwds={"cls": _Script},
    )


class _Script(json.JSONEncoder):
    def encode(self, value) -> str:
        return super().encode(value).replace("<", "\\u003c")


def _raster(path: Path, image: Image.Image, alt: str) -> str:
    blob = io.BytesIO()
    image.save(blob, format="png")
    with records.atomic(path) as temporary:
        temporary.write_bytes(blob.getvalue())
    src = "data:image/png;base64," + base64.b64encode(blob.getvalue()).decode()
    return f'<img src="{src}" alt="{html.escape(alt)}">'


def _file(run_folder: Path, name: str, suffix: str) -> Path:
    return Path(run_folder) / "figures" / f"{name}.{suffix}"


def _check(name: str, alt: str, caption: str, source: str, face: str) -> None:
    for word, value in {"alt": alt, "caption": caption, "source": source, "face": face}.items():
        if not value.strip():
            raise ValueError(f"figure {name!r}: {word} is empty; every figure needs it")
    if not any(c.isdigit() for c in alt):
        raise ValueError(f"figure {name!r}: alt {alt!r} has no number; state what this run found")


def _display(run_folder: Path, name: str, body: str, caption: str, data: pd.DataFrame, source: str, face: str) -> None:
    """Write the CSV and display the <figure>; its links are relative to the run's folder, four below the book's."""
    with records.atomic(_file(run_folder, name, "csv")) as temporary:
        data.to_csv(temporary, index=False)
    path, _, function = source.partition(":")
    lines = f"../../../../{path}" + (f"#{function}" if function else "")
    links = {f"#fig-{name}": f"fig-{name}"}
    links |= {f"figures/{name}.csv": "data (CSV)", lines: "lines that made it", "provenance.json": "record of the run"}
    anchors = " · ".join(f'<a href="{href}">{text}</a>' for href, text in links.items())
    text = f"{html.escape(caption)} <span class='face'>{html.escape(face)}</span>"
    figure = f"<figcaption>{text}<br><small class='links'>{anchors}</small></figcaption>"
    from IPython.display import HTML

    display(HTML(f'<figure class="result" id="fig-{name}">{body}{figure}</figure>'))
