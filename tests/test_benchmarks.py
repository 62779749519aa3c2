"""The benchmarks run, their contestants do the same work, and the page says what the numbers say."""

import importlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from lib.book import benchmarks_page, site, sources_shown
from lib.encoders.pretrain import Encoder
from lib.hashing import ROOT

# by name: the test of the requirements takes an imported package for an installed one
bounds, loss, main, measure = (
    importlib.import_module(f"benchmarks.{name}") for name in ("bounds", "loss", "__main__", "measure")
)
spec = importlib.util.spec_from_file_location("offline", ROOT / "book/_ext/offline.py")
offline = importlib.util.module_from_spec(spec)
spec.loader.exec_module(offline)

# How far the results of two contestants may lie apart: single precision, but for random draws and shares of labels.
NEAR = {"augmentation": 0.05, "SimCLR step": 0.03, "NT-Xent": 1e-5, "heads": 0.01, "class cosines": 1e-6}
NEAR |= {"block model, population": 1e-8, "class geometry": 1e-6}
WITHOUT = {"block model, graph to the same loss", "block model, large graphs"}  # nothing to lie apart


@pytest.fixture(scope="module")
def quick(tmp_path_factory) -> dict:
    """What ``python -m benchmarks --quick`` writes."""
    out = tmp_path_factory.mktemp("benchmarks") / "results.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--out", str(out)]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=True, timeout=300)
    (found,) = json.loads(out.read_text())
    return found


def test_every_case_is_run_against_every_peer(quick):
    found = {(line["case"], line["unit"], line["against"]) for line in quick["lines"]}
    assert {(case, unit) for case, unit, _ in found} == {
        ("augmentation", "views/s"),
        ("SimCLR step", "ms"),
        ("NT-Xent", "ms"),
        ("NT-Xent", "MiB"),
        ("heads", "s"),
        ("class cosines", "ms"),
        ("block model, population", "s"),
        ("block model, graph to the same loss", "s"),
        ("block model, large graphs", "MiB"),
        ("block model, large graphs", "s"),
        ("class geometry", "s"),
        ("quick study", "s"),
    }
    peers = {peer for case, _, peer in found if case in ("augmentation", "NT-Xent")}
    assert len(peers) == 5 and {"kornia", "lightly", "pytorch-metric-learning"} < peers
    assert quick["provenance"]["quick"] and quick["provenance"]["rounds"] == 1
    assert quick["provenance"]["threads"] == 1 and "kornia" in quick["provenance"]["packages"]


def test_ratios_are_those_of_the_numbers_beside_them(quick):
    for line in quick["lines"]:
        if line["peer"] is None:
            assert line["ratio"] is None and line["met"] is None and line["note"]
            continue
        assert line["ours"] > 0 and line["peer"] > 0
        more_is_better = line["case"] == "augmentation"
        assert line["ratio"] ** (1 if more_is_better else -1) == pytest.approx(line["ours"] / line["peer"])
        assert line["low"] <= line["ratio"] <= line["high"]
        assert line["met"] == (None if line["aim"] is None else line["ratio"] >= line["aim"])


def test_contestants_come_to_the_same_result(quick):
    compared = [line for line in quick["lines"] if line["peer"] is not None and line["case"] not in WITHOUT]
    assert {line["case"] for line in compared} == set(NEAR)
    for line in compared:
        assert line["difference"] < NEAR[line["case"]], line


def test_growth_and_bounds_are_measured(quick):
    pairs = {(row["part"], row["factor"]) for row in quick["growth"]}
    assert len(pairs) == len(quick["growth"]) == 10
    for row in quick["growth"]:
        assert row["to"] == 2 * row["from"]
        assert row["seconds"][1] == pytest.approx(row["seconds"][0] * 2 ** row["exponent"])
    (row,) = quick["bounds"]
    assert 0 < row["step"] < row["augmentation"] and row["bound"] == pytest.approx(row["peak"] / row["flops"])


def test_contestants_take_turns_and_medians_are_compared():
    order = []
    figures = {"ours": iter([9, 1, 2, 4]), "theirs": iter([9, 8, 6, 2])}

    def contestant(name):
        return lambda: (order.append(name), next(figures[name]))[1]

    found = measure.in_turn({name: contestant(name) for name in figures}, 3)
    assert order == ["ours", "theirs"] * 4 and found == {"ours": [1, 2, 4], "theirs": [8, 6, 2]}
    (line,) = measure.lines("a case", "a size", "ms", found, aim={"theirs": 3.5})
    assert (line.ours, line.peer, line.ratio, line.low, line.high) == (2, 6, 3, 0.5, 8)
    assert line.record()["met"] is False
    (line,) = measure.lines("a case", "a size", "views/s", found, aim={"theirs": 1 / 3})
    assert line.ratio == pytest.approx(1 / 3) and line.record()["met"] is True


def test_time_is_that_of_one_call(monkeypatch):
    calls = []
    monkeypatch.setattr(measure.time, "perf_counter", lambda: 100 + 0.25 * len(calls))
    assert measure.timed(lambda: calls.append(1), least=0.6)() == 0.25 and len(calls) == 3


def test_a_peer_that_would_not_fit_is_not_run(monkeypatch):
    needs = {"ours": 1.0, "lightly": 50.0, "pytorch-metric-learning": 20.0}
    asked = []
    monkeypatch.setattr(loss, "memory", lambda name, n: (asked.append((name, n)), needs[name])[1])
    monkeypatch.setattr(loss, "SIZES", (8, 16))
    monkeypatch.setattr(loss, "LIMIT", 190)  # MiB: twice the images need 2, 200 and 160
    lines = [line for line in loss.run(1, quick=False) if line.size == "N = 16"]
    assert {line.against: line.peer is None for line in lines} == {"lightly": True, "pytorch-metric-learning": False}
    assert ("lightly", 16) not in asked and ("pytorch-metric-learning", 16) in asked
    assert all("not run" in line.note and line.ratio is None for line in lines if line.against == "lightly")


def test_memory_is_that_of_the_matrices_a_loss_holds():
    """lightly holds several (2N, 2N) matrices of single precision; in blocks ours holds none."""
    n = 1024
    matrix = 4 * (2 * n) ** 2 / 2**20
    assert loss.memory("lightly", n) > 2 * matrix
    assert loss.memory("ours", n) < 2 * matrix


def test_operations_are_those_of_the_layers():
    """Forwards 2 a multiply-add; backwards as much for the weights and for the input, which the first layer spares."""
    s = replace(bounds.SETTINGS, net="convnet", head_width=32)
    x = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
    encoder, multiplied = Encoder(s, x, 10), []

    def count(layer, inputs, output):
        multiplied.append(output.numel() * layer.weight[0].numel())

    for layer in encoder.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    encoder(x.repeat(2, 1, 1, 1).float())
    assert bounds.operations(s, x) == (6 * sum(multiplied) - 2 * multiplied[0]) / len(x)


LINE = {"case": "heads", "size": "40 heads", "against": "scikit-learn", "unit": "s", "ours": 2.0, "peer": 16.0}
LINE |= {"low": 7.0, "high": 9.0, "aim": 10.0, "difference": 0.0, "note": "", "ratio": 8.0, "met": False}
ALONE = LINE | {
    "size": "80 heads",
    "peer": None,
    "low": None,
    "high": None,
    "ratio": None,
    "note": "not run: too large",
}
RESULTS = {
    "provenance": {
        "started": "2026-01-01T00:00:00Z",
        "rounds": 3,
        "quick": False,
        "git": {"commit": "abcdef0123456789", "dirty": True},
        "python": "3.11.2",
        "packages": {"torch": "2"},
        "processor": "Some processor",
        "cores": 2,
        "threads": 2,
        "load": 0.1,
    },
    "lines": [
        LINE,
        LINE | {"case": "augmentation", "unit": "views/s", "ours": 600.0, "peer": 50.0, "ratio": 12.0},
        ALONE,
    ],
    "growth": [{"part": "heads", "factor": "seeds", "from": 1, "to": 2, "seconds": [1.0, 2.0], "exponent": 1.0}],
    "bounds": [
        {
            "device": "A GPU",
            "size": "resnet18",
            "augmentation": 9e4,
            "step": 2e4,
            "flops": 5e9,
            "peak": 5e14,
            "bound": 1e5,
        }
    ],
}


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Fill the page from results: its text and its files."""

    def fill(results: dict) -> tuple[str, dict[str, bytes]]:
        path = tmp_path / "results.json"
        path.write_text(json.dumps([{"cases": ["heads", "growth"]} | results]))
        monkeypatch.setattr(benchmarks_page, "RESULTS", path)
        return benchmarks_page.parts()

    return fill


def rows(text: str) -> list[list[str]]:
    """The cells of every table row, without tags."""
    bare = [
        [re.sub(r"<[^>]+>", " ", cell) for cell in re.findall(r"<td>(.*?)</td>", row)] for row in text.split("<tr>")
    ]
    return [cells for cells in bare if cells]


def test_the_page_says_from_the_numbers_whether_an_aim_is_met(page):
    text, _ = page(RESULTS)
    below, above, alone = rows(text)[:3]
    assert "not met" in below[5] and "at least 10" in below[5]
    assert "✓ met" in above[5]
    assert "not measured" in alone[5] and "too large" in alone[1] and alone[4] == ""
    text, _ = page(RESULTS | {"lines": [LINE | {"ratio": 10.0}]})
    assert "✓ met" in rows(text)[0][5]


def test_the_page_shows_the_numbers_and_how_they_were_made(page):
    text, _ = page(RESULTS)
    assert rows(text)[0][2:5] == ["2 s", "16 s", " 8   7 to 9 "]
    assert "1.00" in rows(text)[3][1] and "20%" in rows(text)[4][4]
    assert "Some processor" in text and "`abcdef0123`, with changes not committed" in text and "A short run" in text
    assert "A short run" not in page(RESULTS | {"provenance": RESULTS["provenance"] | {"rounds": 5}})[0]


def test_the_chart_has_the_ratios_an_alternative_text_and_a_still_picture(page):
    text, files = page(RESULTS)
    (chart,) = offline.charts(text)
    drawn = [row for data in chart["datasets"].values() for row in data]
    assert {(row["group"].split(",")[0], row["ratio"], row["aim"]) for row in drawn} == {
        ("heads", 8.0, 10.0),
        ("augmentation", 12.0, 10.0),
    }
    assert "2 of 2 comparisons" in chart["description"] and "1 of 2 aims" in chart["description"]
    assert (
        b"<svg" in files["_static/benchmarks.svg"]
        and json.loads(files["_static/benchmarks.json"])[0]["lines"] == RESULTS["lines"]
    )
    for address in re.findall(r'(?:src|href)="(_static/[^"]+)"', text):
        assert address in files


def test_the_site_has_the_page_with_and_without_results(page, monkeypatch, tmp_path):
    page(RESULTS)
    monkeypatch.setattr(sources_shown, "listing", lambda path: path)  # slow to draw, and not asked here
    site.assemble({}, tmp_path / "out")
    text = (tmp_path / "out/benchmarks.md").read_text()
    assert "40 heads" in text and "<!--" not in text and (tmp_path / "out/_static/benchmarks.svg").exists()
    monkeypatch.setattr(benchmarks_page, "RESULTS", tmp_path / "none.json")
    site.assemble({}, tmp_path / "out")
    assert "were not run yet" in (tmp_path / "out/benchmarks.md").read_text()


def test_the_committed_results_hold_every_case():
    runs = json.loads(benchmarks_page.RESULTS.read_text())
    assert sorted(case for run in runs for case in run["cases"]) == sorted(main.CASES)
    assert not any(run["provenance"]["quick"] for run in runs)
    for key in ("growth", "bounds"):
        assert [bool(run[key]) for run in runs] == [key in run["cases"] for run in runs]
    found = {line["case"] for run in runs for line in run["lines"]}
    assert found == {*NEAR, *WITHOUT, "torch.compile", "quick study"}
    assert offline.charts(benchmarks_page.parts()[0])


def test_a_case_that_is_measured_again_takes_the_place_of_the_old_one():
    old = {
        "cases": ["heads", "growth", "loss"],
        "lines": [{"from": "heads"}, {"from": "loss"}],
        "growth": [1],
        "bounds": [],
    }
    assert main.others([old], ("growth", "heads")) == [
        {"cases": ["loss"], "lines": [{"from": "loss"}], "growth": [], "bounds": []}
    ]
    assert main.others([old], ("loss", "growth", "heads")) == []
