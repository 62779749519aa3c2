import json
import re

import numpy as np
import pandas as pd
import pytest
import torch
import vl_convert
from PIL import Image

from lib.figures import charts
from lib.figures import cifar10_undersampling as figures
from lib.study import page

pytestmark = pytest.mark.filterwarnings("ignore:Automatically deduplicated")
FACE = "digits, quick, CPU, 3 seeds"


@pytest.fixture
def shown(monkeypatch):
    """What the notebook displays."""
    html = []
    monkeypatch.setattr(page, "display", lambda item: html.append(item.data))
    return html


def matrix(panel: str, classes: str, value: float = 1.0) -> pd.DataFrame:
    cells = [(panel, a, b, value) for a in classes for b in classes]
    return pd.DataFrame(cells, columns=["panel", "row", "column", "value"])


def spec_of(html: str) -> dict:
    return json.JSONDecoder().raw_decode(html, re.search(r"\}\)\((?=\{)", html).end())[0]


def scenes(chart) -> str:
    return vl_convert.vegalite_to_svg(chart.to_dict())


def show(
    folder,
    data,
    alt="RH falls to 0.78",
    caption="A caption with RH < 1.",
    source="lib/harms/representation.py",
    face=FACE,
):
    chart = charts.heatmaps(data)
    page.show(folder, "rh", chart, alt=alt, caption=caption, data=data, source=source, face=face)


def test_a_shown_chart_leaves_its_data_a_picture_and_its_links(tmp_path, shown):
    data = matrix("this run", "abc", 0.9)
    show(tmp_path, data, source="lib/harms/representation.py:representation_harm")
    assert pd.read_csv(tmp_path / "figures/rh.csv").equals(data)
    assert "<svg" in (tmp_path / "figures/rh.svg").read_text()
    (html,) = shown
    assert spec_of(html)["description"] == "RH falls to 0.78"
    for piece in (
        'id="fig-rh"',
        'alt="RH falls to 0.78"',
        "RH &lt; 1",
        FACE,
        'href="figures/rh.csv"',
        'href="../../../../lib/harms/representation.py#representation_harm"',
        'href="provenance.json"',
    ):
        assert piece in html


def test_the_same_figure_is_shown_with_the_same_bytes(tmp_path, shown):
    for _ in range(2):
        show(tmp_path, matrix("this run", "ab"))
    assert shown[0] == shown[1]


@pytest.mark.parametrize("missing", [{"alt": " "}, {"caption": ""}, {"source": ""}, {"face": ""}])
def test_a_figure_without_its_texts_is_refused(tmp_path, shown, missing):
    with pytest.raises(ValueError, match=f"figure 'rh': {next(iter(missing))} is empty"):
        show(tmp_path, matrix("this run", "ab"), **missing)
    assert shown == []
    assert not list(tmp_path.iterdir())


def test_an_alternative_text_without_a_number_is_refused(tmp_path, shown):
    with pytest.raises(ValueError, match="has no number"):
        show(tmp_path, matrix("this run", "ab"), alt="a heatmap of harm")


def test_text_takes_the_colour_of_the_page(tmp_path):
    svg = scenes(charts.heatmaps(matrix("a", "abc")))
    labels = re.findall(r'role-axis-label.*?<text[^>]*fill="([^"]+)"', svg, re.S)
    assert labels
    assert set(labels) == {"currentColor"}


def test_one_scale_for_all_panels_centred_at_the_neutral_value():
    data = pd.concat([matrix("paper", "ab", 0.7), matrix("this run", "abc", 1.1)])
    spec = charts.heatmaps(data, neutral=1).to_dict()
    scales = [panel["layer"][0]["encoding"]["color"]["scale"] for panel in spec["concat"]]
    assert scales[0] == scales[1]
    assert scales[0]["domain"] == pytest.approx([0.7, 1.3])
    assert scales[0]["domainMid"] == 1


def test_neutral_cells_are_pale_and_harm_and_its_opposite_differ():
    fills = {}
    for value in (0.7, 1.0, 1.3):
        svg = scenes(charts.heatmaps(matrix("a", "ab", value), reach=0.3))
        cell = re.search(r'mark-rect role-mark.*?fill="(?:rgb\(([^)]+)\)|#(\w{6}))"', svg, re.S)
        rgb = [int(v) for v in cell[1].split(",")] if cell[1] else [int(cell[2][i : i + 2], 16) for i in (0, 2, 4)]
        fills[value] = np.array(rgb)
    assert fills[1.0].min() > 235
    assert fills[0.7][0] > fills[0.7][2] + 60  # orange
    assert fills[1.3][2] > fills[1.3][0] + 60  # blue


def test_class_orders_are_given_by_the_beginning_of_a_panel_name():
    data = pd.concat([matrix("paper, CIFAR-10", "abc"), matrix("this run, digits", "abc")])
    spec = charts.heatmaps(data, orders={"paper": ["c", "a", "b"]}).to_dict()
    assert [p["layer"][0]["encoding"]["y"]["sort"] for p in spec["concat"]] == [["c", "a", "b"], ["a", "b", "c"]]


def test_every_cell_is_drawn_with_its_number():
    data = matrix("this run", "abc").assign(value=[0.71, 0.72, 0.73, 0.81, 0.82, 0.83, 0.91, 0.92, 0.93])
    svg = scenes(charts.heatmaps(data))
    assert set(re.findall(r">(0\.\d\d)</text>", svg)) >= {f"{v:.2f}" for v in data.value}


def test_dots_stand_within_their_whiskers_smallest_group_first():
    rows = [("others", f"o{i}", 1.0, 0.9, 1.1) for i in range(3)] + [("pairs", "a → b", 0.8, 0.7, 0.9)]
    svg = scenes(charts.dots(pd.DataFrame(rows, columns=["group", "label", "value", "low", "high"])))
    assert svg.index(">pairs</text>") < svg.index(">others</text>")
    (dot,) = re.findall(r'aria-label="value: 0.8;[^>]*translate\(([\d.]+),', svg)
    ((left, length),) = re.findall(r'aria-label="low: 0.7;[^>]*translate\(([\d.]+),[^>]*x2="([\d.]+)"', svg)
    assert float(dot) == pytest.approx(520 * (0.8 - 0.7) / (1.1 - 0.7))  # the axis runs from 0.7 to 1.1 over 520 pixels
    assert (float(left), float(length)) == pytest.approx((0, 520 * (0.9 - 0.7) / (1.1 - 0.7)))


def test_maps_refuse_images_that_are_not_in_both_panels():
    rows = [("one", 1, "a", 0.0, 0.0), ("two", 2, "a", 0.0, 0.0)]
    with pytest.raises(ValueError, match="two panels with the same images"):
        charts.maps(pd.DataFrame(rows, columns=["panel", "image", "class", "x", "y"]))


def test_classes_of_a_map_differ_in_colour_and_shape_together():
    rows = [(p, i, str(i), float(i), 0.0) for p in ("one", "two") for i in range(10)]
    spec = charts.maps(pd.DataFrame(rows, columns=["panel", "image", "class", "x", "y"])).to_dict()
    encoding = spec["hconcat"][0]["encoding"]
    looks = set(zip(encoding["color"]["scale"]["range"], encoding["shape"]["scale"]["range"], strict=True))
    assert len(looks) == 10


def test_the_balanced_curve_is_the_strongest():
    rows = [(u, u, e, 5 - e / 10) for u in ("balanced", "3", "8") for e in (1, 2)]
    svg = scenes(charts.curves(pd.DataFrame(rows, columns=["encoder", "undersampled", "epoch", "loss"])))
    label = r'aria-label="[^"]*encoder: (\w+)[^"]*"[^>]*"line mark"'
    lines = re.findall(label + r'[^>]*stroke="([^"]+)"[^>]*stroke-width="([\d.]+)"', svg)
    width = {name: float(w) for name, _, w in lines}
    assert len(lines) == 3 and width["balanced"] > width["one"]
    assert dict((name, colour) for name, colour, _ in lines)["balanced"] == "currentColor"


def test_the_grid_enlarges_pixels_exactly_and_pales_what_was_dropped():
    kept, dropped = torch.zeros(1, 1, 2, 2, dtype=torch.uint8), torch.zeros(2, 1, 2, 2, dtype=torch.uint8)
    kept[0, 0, 0, 0] = 255
    grid = np.asarray(figures.image_grid({"3": (kept, dropped)}, side=36))
    tile = grid[24:60, 20:56, 0]
    assert (tile[:18, :18] == 255).all()
    assert tile[18:].max() == 0
    middle = 20 + 39 * 3 + 16
    assert np.unique(grid[24:60, middle : middle + 36, 0]).tolist() == [127]


def test_a_picture_keeps_its_image_and_carries_it_in_the_page(tmp_path, shown):
    image = Image.new("RGB", (4, 3), "red")
    counts = pd.DataFrame({"class": ["3"], "kept": [1]})
    page.show(tmp_path, "grid", image, "1 image", "What stays.", counts, "lib/images/sets.py:undersample", FACE)
    assert Image.open(tmp_path / "figures/grid.png").size == (4, 3)
    assert 'src="data:image/png;base64,' in shown[0]
    assert 'alt="1 image"' in shown[0]
