"""The page of larger data: its counts are those of the nets and of the studies, its measured numbers those on file."""

import importlib
import json
import math
import re

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertModel

from lib.book import gpu_page, growth_page, site
from lib.hashing import ROOT
from lib.images.vision import torchvision

growth, heads = (importlib.import_module(f"benchmarks.{name}") for name in ("growth", "heads"))
CIFAR, EVERY, TEN, TEXT = growth_page.PLANS
CARD = json.loads((ROOT / "benchmarks/gpu.json").read_text())


def operations(net, **inputs) -> int:
    """Counted for two views, forwards and backwards."""
    with FlopCounterMode(display=False) as counter:
        found = net.train()(**inputs)
        getattr(found, "last_hidden_state", found).sum().backward()
    return counter.get_total_flops()


def test_operations_and_parameters_are_those_of_the_nets():
    net = torchvision.models.resnet50(weights=None)
    net.fc = torch.nn.Identity()
    assert operations(net, x=torch.zeros(2, 3, 224, 224)) == EVERY.operations == TEN.operations
    assert sum(p.numel() for p in net.parameters()) == EVERY.weights
    bert = BertModel(BertConfig(), add_pooling_layer=False)
    assert operations(bert, input_ids=torch.zeros(2, 32, dtype=torch.long)) == TEXT.operations
    assert sum(p.numel() for p in bert.parameters()) == TEXT.weights
    small = torchvision.models.resnet34(weights=None)
    small.conv1, small.fc = torch.nn.Conv2d(3, 64, 3, bias=False), torch.nn.Identity()
    assert sum(p.numel() for p in small.parameters()) == CIFAR.weights


@pytest.mark.parametrize("classes", [3, 5, 10])
def test_work_is_counted_as_the_benchmark_does_it(classes):
    """The benchmark's own lists of heads and trainings, at a size and at twice the classes."""
    study = heads.heads(classes * 8, 4, classes)
    made = sum(len(h.kept) for h in study) * classes * 8 * classes
    assert made == 2 * 8 * growth_page.counted("heads", classes)
    assert len(study) * classes == growth_page.counted("training", classes)
    assert growth_page.FEATURES_MEASURED == growth.WIDTH == heads.SIZES["like digits"][1]


def test_the_harms_paper_is_the_same_study_on_both_pages():
    assert CIFAR.encoders == gpu_page.ENCODERS and CIFAR.epochs == gpu_page.EPOCHS
    measured = max(r["value"] for r in CARD["speed"] if r["line"] == "SimCLR step")
    assert CIFAR.gpu_hours(growth_page.rate(CARD)) == pytest.approx(gpu_page.hours(measured))


def test_hours_data_and_disk_of_imagenet_by_hand():
    rate = growth_page.rate(CARD)
    one_epoch = 128_116 * 48_573_579_264 / rate
    assert EVERY.gpu_hours(rate) == pytest.approx(2010 * 500 * one_epoch / 3600)
    assert TEN.gpu_hours(rate) == pytest.approx(210 * 500 * one_epoch / 3600)
    assert EVERY.data == pytest.approx(128_116 * 150_528 / 2**30)
    assert EVERY.kept == pytest.approx(2010 * (133_116 * 2048 + 23_508_032) * 4 / 2**40)


def test_the_page_shows_what_is_on_file_and_follows_it(monkeypatch, tmp_path):
    text = growth_page.parts()
    for name in ("results.json", "gpu.json"):
        (tmp_path / name).write_text((ROOT / "benchmarks" / name).read_text())
    runs = json.loads((tmp_path / "results.json").read_text())
    exponents = {(g["part"], g["factor"]): g["exponent"] for run in runs for g in run["growth"]}
    assert f"{exponents['heads', 'classes']:.3g}" in text["growth of cost"]
    assert f"{math.log2(31 * 100 / (16 * 25)):.3g}" in text["growth of classes"]
    faster = json.loads((tmp_path / "gpu.json").read_text())
    for line in faster["speed"]:
        line["value"] *= 2
    (tmp_path / "gpu.json").write_text(json.dumps(faster))
    monkeypatch.setattr(gpu_page, "RESULTS", tmp_path / "gpu.json")
    assert f"{EVERY.gpu_hours(growth_page.rate(CARD)) / 2:,.0f}" in growth_page.parts()["larger sets"]
    assert not any("nan" in part or "inf" in part for part in text.values())


def test_every_number_of_the_prose_has_its_marker():
    """A page names a marker of each, and none is left unfilled."""
    text = (ROOT / "book/scale.md").read_text()
    assert set(re.findall(r"<!-- (\w[\w ]*) -->", text)) == set(growth_page.parts())
    assert "<!--" not in site._fill(text, growth_page.parts())


def test_without_measurements_the_page_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu_page, "RESULTS", tmp_path / "none.json")
    said = growth_page.parts()
    assert set(said.values()) == {"not measured"}
    assert "<!--" not in site._fill((ROOT / "book/scale.md").read_text(), said)
