"""lib.book.scale: what was run, in words, from the parameters, beside what the claims are about."""

import re
from types import SimpleNamespace

import pytest

from lib import claims, study
from lib.book import run_records, scale
from lib.hashing import ROOT


def params(name: str, preset: str = "quick") -> dict:
    return {p: d.default for p, d in study.parameters(name).items()} | study.preset(name, preset)


def run(name: str, preset: str = "quick") -> SimpleNamespace:
    return SimpleNamespace(study=name, kind="this book", provenance={"params": params(name, preset), "preset": preset})


def test_every_data_set_and_net_has_words():
    sets, nets = {d for c in claims.known().values() for d in c.data}, set()
    for name in study.names():
        declared = study.parameters(name)
        sets |= set(re.findall(r"\w+", declared["data"].range))
        nets |= {net for p in ("net", "model") if p in declared for net in re.findall(r"\w+", declared[p].range)}
        nets |= {net for c in claims.of(name) for net in c.nets}
    assert sets <= set(scale.DATA) and nets <= set(scale.NETS)


def test_a_run_is_said_with_its_own_parameters():
    few = params("cifar10_undersampling", "laptop")
    words = scale.ran("cifar10_undersampling", few)
    assert words.startswith("CIFAR-10, 4 classes of them, 2,500 training images of each class, ")
    assert f"{few['epochs']} epochs, 3 seeds" in words
    assert "1 seed," in scale.ran("cifar10_undersampling", few | {"seeds": 1})
    assert scale.ran("strata_theory", params("strata_theory")) == "exact computation and simulation, 20 seeds"


def test_what_is_needed_comes_from_the_papers_preset_or_from_the_claims():
    needed = scale.needed("cifar10_undersampling")
    assert needed.startswith("CIFAR-10, ResNet-34, 500 epochs, 10 seeds, 223 trained encoders; about 1")
    assert scale.settings("label_noise_and_coresets") == {}, "its preset has neither the paper's nets nor its data"
    assert scale.needed("label_noise_and_coresets").startswith("data that we do not know")
    assert scale.needed("alignment_uniformity").endswith("and data that we do not know, with a small AlexNet")
    assert "mathematics" in scale.needed("strata_theory")


def test_a_new_study_without_claims_has_a_scale_too(monkeypatch):
    monkeypatch.setattr(claims, "of", lambda name: ())
    assert scale.line(run("mediation")).endswith("To judge the claims themselves: nothing, the study has no claims.")


@pytest.mark.parametrize("name", study.names())
def test_every_study_says_its_scale(name):
    text = scale.line(run(name))
    assert text.startswith("Scale: ") and ". To judge the claims themselves: " in text and "\n" not in text


def test_the_front_page_counts_an_encoder_that_two_studies_share_once(monkeypatch):
    monkeypatch.setattr(run_records, "RESULTS", ROOT / "nowhere")
    alone, both = (
        scale.front({n: run(n) for n in ns})
        for ns in (["cifar10_undersampling"], ["cifar10_undersampling", "mediation"])
    )
    assert "72 encoders, 3 seeds" in alone and "75 encoders, 3 seeds" in both  # mediation has three of its own
    assert "Runs at that scale in this book: 0." in alone
    assert "Runs at that scale in this book: 1." in scale.front({"mediation": run("mediation", "paper")})
    assert scale.front({}) == "No study was run here."
