"""lib.figures.mediation: the paper's panels are drawn with its numbers, one at a time, beside those of a run."""

import csv
import re

import pandas as pd
import pytest
import torch
import vl_convert

from lib.figures import mediation as figures
from lib.studies.shared import outcomes
from lib.studies.shared.arms import known_pairs
from lib.study import report


def cells(name: str) -> dict[tuple[str, str], float]:
    with (report.REPORTED / name).open(newline="") as file:
        return {
            (line[head[0]], column): float(line[column])
            for line in csv.DictReader(file)
            for head in [list(line)]
            for column in head[1:]
        }


@pytest.mark.parametrize("effect", ["TE", "NIE", "rNDE"])
def test_every_panel_has_the_numbers_of_its_file(effect):
    found = figures.printed(effect)
    assert len(found) == {"TE": 7, "NIE": 7, "rNDE": 2}[effect]
    names = {f: f"{config}_{effect}.csv" for f, config in figures.TEN.items()} | figures.SIX[effect]
    for figure, panel in found.items():
        mine = {(k, j): v for k, j, v in panel[["row", "column", "value"]].itertuples(index=False)}
        sign = -1 if "minus" in names[figure] else 1
        assert {cell: sign * v for cell, v in mine.items()} == cells(names[figure]), figure
    assert figures.printed("NDE") == {}


def test_the_three_effects_of_a_figure_add_up():
    te, nie, rnde = (figures.printed(effect) for effect in ("TE", "NIE", "rNDE"))
    for figure, panel in rnde.items():
        off = te[figure].value - nie[figure].value + panel.value
        assert off.abs().max() < 0.0011, figure  # three roundings to 0.001


def test_most_affected_is_the_look_alike_but_for_what_six_classes_leave_out():
    ten = figures.printed("TE")["SimCLR, 1 %"]
    assert figures.elsewhere(ten) == ({"airplane": "bird", "deer": "bird"}, 8)
    for effect in ("TE", "NIE"):
        for figure, panel in figures.printed(effect).items():
            order = tuple(panel.row.unique())
            wide = panel.pivot(index="row", columns="column", values="value").loc[list(order), list(order)]
            pairs = known_pairs(order)
            share = outcomes.row_maximum_share(torch.tensor(wide.to_numpy())[None], tuple(range(len(order))), pairs)
            others, rows = figures.elsewhere(panel)
            assert (rows - len(others)) / rows == pytest.approx(float(share)), (effect, figure)
    assert [figures.elsewhere(p) for p in figures.printed("rNDE").values()] == [({}, 6)] * 2


def test_buttons_choose_the_one_panel_that_is_drawn():
    (label, paper), *_ = figures.beside(figures.printed("rNDE")).items()
    mine = pd.DataFrame({"panel": "this run, digits", "row": ["0", "1"], "column": ["0", "1"], "value": [0.5, 0.25]})
    spec = figures.matrix(pd.concat([paper.assign(panel=f"paper{label}"), mine]), ("0", "1"), "rNDE").to_dict()
    (pick,) = (p for p in spec["params"] if p["name"] == "pick_figure")
    for figure, panel in figures.printed("rNDE").items():
        assert figure in pick["bind"]["options"]
        pick["value"] = figure
        text = re.findall(r"<text[^>]*>([^<]*)</text>", vl_convert.vegalite_to_svg(spec))
        drawn = sorted(t.replace("−", "-") for t in text if re.fullmatch(r"[−-]?0\.\d\d", t))
        assert f"paper: {figure}" in text
        for value in panel.value.nlargest(3):
            assert f"{value:.2f}" in drawn
        assert 38 <= len(drawn) <= 38 + 8  # the cells of the panel and of the run, and ticks of the legend


def test_an_effect_that_the_paper_does_not_print_has_no_buttons():
    mine = pd.DataFrame({"panel": "this run, digits", "row": ["0"], "column": ["0"], "value": [0.5]})
    assert figures.beside({}) == {}
    assert "pick_figure" not in figures.matrix(mine, ("0",), "NDE").to_json()
