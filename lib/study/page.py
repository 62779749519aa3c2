"""Figures: one way to show a chart or a picture with its data, its source and a still picture."""

import base64
import html
import io
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from IPython.display import HTML, Markdown, display
from PIL import Image, ImageDraw, ImageFont

from lib import records

if TYPE_CHECKING:  # the site is put together without torch
    from torch import Tensor

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


def say(text: str, **about) -> None:
    """Show Markdown; ``about`` goes with it as metadata, for the site."""
    display(Markdown(text), metadata={"book": about} if about else None)


def live(chart, name: str, alt: str, still: str) -> str:
    """HTML of a chart that answers the pointer, and of the still picture shown without JavaScript and on paper."""
    chart = chart.properties(description=alt, usermeta={"embedOptions": EMBED})
    drawn = chart.to_html(template="universal", fullhtml=False, output_div=f"chart-{name}", embed_options=EMBED)
    hidden = f'<img class="still" style="display:none" src="{still}" alt="{html.escape(alt)}">'
    return f'<div class="chart">{drawn}</div>{hidden}'


def _raster(path: Path, image: Image.Image, alt: str) -> str:
    blob = io.BytesIO()
    image.save(blob, format="png")
    with records.atomic(path) as temporary:
        temporary.write_bytes(blob.getvalue())
    src = "data:image/png;base64," + base64.b64encode(blob.getvalue()).decode()
    return f'<img src="{src}" alt="{html.escape(alt)}">'


def image_grid(
    groups: list[tuple["Tensor", "Tensor"]], labels: list[str], per_side: int = 8, side: int = 36
) -> Image.Image:
    """What was undersampled: a row a class, left the images kept, right as many of those dropped, paler.

    groups: for each class (kept, dropped), each (n, channels, height, width) uint8; labels: the class names.
    Images are enlarged without smoothing to ``side`` pixels; at most ``per_side`` of each are drawn.
    """
    font, gap, text = ImageFont.load_default(13), 3, 12 + 8 * max(len(label) for label in labels)
    step = side + gap
    middle = text + step * max(3, min(per_side, max(len(kept) for kept, _ in groups))) + 16
    grid = Image.new("RGB", (middle + step * per_side, 24 + len(groups) * step), "white")
    draw = ImageDraw.Draw(grid)
    for x, word in ((text, "kept"), (middle, "dropped (some)")):
        draw.text((x, 4), word, "black", font)
    for row, ((kept, dropped), label) in enumerate(zip(groups, labels, strict=True)):
        top = 24 + row * step
        draw.text((4, top + side // 2 - 8), label, "black", font)
        for i, x in enumerate(kept[:per_side]):
            grid.paste(_tile(x, side), (text + i * step, top))
        for i, x in enumerate(dropped[:per_side]):
            pale = Image.blend(_tile(x, side), Image.new("RGB", (side, side), "white"), 0.5)
            grid.paste(pale, (middle + i * step, top))
    return grid


def _tile(x: "Tensor", side: int) -> Image.Image:
    array = x.permute(1, 2, 0).cpu().numpy()  # (h, w, channels)
    image = Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array).convert("RGB")
    return image.resize((side, side), Image.Resampling.NEAREST)


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
    display(HTML(f'<figure class="result" id="fig-{name}">{body}{figure}</figure>'))
