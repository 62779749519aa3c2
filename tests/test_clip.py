"""Images with captions: the loss, the captions, the training of both towers as units of the graph, and their study."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from lib import images, losses, study
from lib.book import cost, gpu, jobs
from lib.encoders import captions, clip, pretrain, store
from lib.encoders.clip_settings import TEXT, ClipSettings, ClipUnit
from lib.encoders.training import Conditions
from lib.encoders.units import read_unit
from lib.figures import two_modalities as figures
from lib.images.sets import DataError
from lib.studies import two_modalities as modalities
from lib.studies.plans.two_modalities import plan
from lib.studies.shared.captioned import pairs_of
from lib.study import Run

NAME = "two_modalities"
TINY = ClipSettings(classes=("3", "4", "8"), images_per_class=12, epochs=3, batch_size=8, joint=4)


def one_line(z1, z2, t):
    """The symmetric cross-entropy as Radford et al. (2021), figure 3, write it down."""
    s = F.normalize(z1, dim=1) @ F.normalize(z2, dim=1).T / t
    return (F.cross_entropy(s, torch.arange(len(s))) + F.cross_entropy(s.T, torch.arange(len(s)))) / 2


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "STORE", tmp_path)


@pytest.mark.parametrize(("n", "t"), [(1, 1.0), (3, 0.07), (20, 0.5)])
def test_the_loss_is_the_symmetric_cross_entropy_and_so_are_its_gradients(n, t):
    draw = torch.Generator().manual_seed(n)
    z = [torch.randn(n, 5, generator=draw, dtype=torch.float64).requires_grad_() for _ in range(2)]
    learned = torch.tensor(t, dtype=torch.float64, requires_grad=True)
    found = losses.clip(*z, learned)
    slopes = torch.autograd.grad(found, [*z, learned], retain_graph=True)
    wanted = one_line(*z, learned)
    assert torch.allclose(found, wanted, atol=1e-12)
    for slope, other in zip(slopes, torch.autograd.grad(wanted, [*z, learned]), strict=True):
        assert torch.allclose(slope, other, atol=1e-10)


def test_the_loss_of_towers_that_see_no_difference_is_log_n_and_of_a_perfect_match_nearly_0():
    alike = torch.ones(7, 3)
    assert losses.clip(alike, alike).item() == pytest.approx(np.log(7))
    assert losses.clip(torch.eye(7), 5 * torch.eye(7), 0.05).item() < 1e-6, "lengths do not count"
    crossed = torch.eye(2).flip(0)
    assert losses.clip(torch.eye(2), crossed, 1.0).item() == pytest.approx(np.log(1 + np.e))


@pytest.mark.parametrize(
    ("z1", "z2", "t", "said"),
    [
        (torch.ones(3, 2), torch.ones(4, 2), 1.0, "two \\(N, d\\) views"),
        (torch.ones(2, 3, 2), torch.ones(2, 3, 2), 1.0, "two \\(N, d\\) views"),
        (torch.ones(3, 2), torch.ones(3, 2), 0.0, "temperature"),
        (torch.ones(3, 2), torch.ones(3, 2), torch.tensor(-1.0), "temperature must be above 0"),
    ],
)
def test_the_loss_refuses_what_it_cannot_compare(z1, z2, t, said):
    with pytest.raises(ValueError, match=said):
        losses.clip(z1, z2, t)


@pytest.mark.parametrize("data", captions.OWN)
def test_classes_share_words_with_their_look_alike_alone(data):
    own = {name: set(words.split()) for name, words in captions.OWN[data].items()}
    common = {pair: set(words.split()) for pair, words in captions.COMMON[data].items()}
    every = [word for words in (*own.values(), *common.values()) for word in words]
    assert len(every) == len(set(every)) == 6 * (len(own) + len(common))
    said = {name: set() for name in own}
    for text, name in zip(captions.generate(data, list(own) * 60, 0.5, 0), list(own) * 60, strict=True):
        said[name] |= set(text.split()) & set(every)
    for name, words in said.items():
        assert words == own[name].union(*(both for pair, both in common.items() if name in pair))
    assert own.keys() == set(pretrain.images_of(ClipSettings(data=data), "test").classes if data == "digits" else own)


def test_captions_are_a_function_of_their_seed_and_hold_common_words_as_often_as_asked():
    names = ["4"] * 1500
    first = captions.generate("digits", names, 0.3, 1)
    assert first == captions.generate("digits", names, 0.3, 1) != captions.generate("digits", names, 0.3, 2)
    common = set(captions.COMMON["digits"]["4", "9"].split())
    count = np.array([len(common & set(text.split())) for text in first])
    assert abs(count.mean() / 2 - 0.3) < 4 * (0.3 * 0.7 / 3000) ** 0.5
    assert set(np.unique(count)) == {0, 1, 2} and all(len(set(text.split())) > 4 for text in first)
    assert not any(common & set(text.split()) for text in captions.generate("digits", names, 0.0, 1))


def test_captions_of_unknown_sets_classes_and_shares_are_refused_by_name():
    for data, names, shared, said in (
        ("mnist", ["4"], 0.5, "'mnist' has no captions; those with captions are digits, cifar10"),
        ("digits", ["4", "ten"], 0.5, "class 'ten' of digits has no words"),
        ("digits", ["4"], 1.5, "shared=1.5 is outside"),
    ):
        with pytest.raises(DataError, match=said):
            captions.generate(data, names, shared, 0)


def test_the_text_tower_reads_a_bag_of_words():
    towers = clip.Towers(TINY, 1).eval()
    texts = ["a view of four and tall", "tall of and a four view", "a view of four and tall tall"]
    z = towers.text_features(torch.from_numpy(captions.encode("digits", texts))).detach()
    assert torch.allclose(z[0], z[1], atol=1e-6), "neither order nor filling counts"
    assert not torch.allclose(z[0], z[2], atol=1e-3)


def test_training_learns_and_begins_at_the_random_start_of_its_seed():
    pairs = clip.pairs_of(TINY, "train")
    start, none = clip.train(replace(TINY, method="untrained"), pairs, Conditions(5, 3))
    torch.manual_seed(5)
    assert none == [] and torch.equal(start.bag.weight, clip.Towers(TINY, 1).bag.weight)
    towers, history = clip.train(replace(TINY, epochs=4), pairs, Conditions(5, 4))
    assert history[-1] < history[0] - 0.3
    assert towers.log_scale.item() != pytest.approx(-np.log(0.07)), "the temperature is learned"
    towers.log_scale.data = torch.tensor(-np.log(0.001))
    assert towers(pairs.images.x[:2] / 255, pairs.words[:2])[2].item() == pytest.approx(0.01)


def test_a_unit_keeps_both_towers_of_every_member_and_goes_on_after_a_kill(elsewhere, monkeypatch):
    unit = ClipUnit(TINY, ("4", "8"), 0.25, 3)
    clip.run(unit)
    assert read_unit(unit.to_json()) == unit and json.loads(unit.to_json())["trainer"] == "lib.encoders.clip"
    z, y = unit.embeddings()
    (image, of), (text, _) = unit.tower("image", 1), unit.tower("text", 1)
    assert image.shape == (len(y), 64) and text.shape == (len(y), TEXT) and torch.equal(of, y)
    assert torch.equal(torch.cat([image, text], 1), z[1])
    codes = unit.embeddings("train")[1]
    assert [codes[unit.kept(name)].bincount().tolist() for name in ("4", "8")] == [[12, 3, 12], [12, 12, 3]]
    assert torch.equal(unit.kept("4"), images.undersample(codes, 1, 0.25, 3))
    monkeypatch.setattr(store, "STORE", store.STORE / "again")
    real, calls = clip.losses.clip, []

    def killed(*given):
        calls.append(given)
        if len(calls) == 5:  # in the second epoch of three steps
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(clip.losses, "clip", killed)
    with pytest.raises(KeyboardInterrupt):
        clip.run(unit, save_seconds=0)
    assert [path.name for path in unit.folder.iterdir()] == ["0.part.safetensors"]
    clip.run(unit, save_seconds=0)
    assert torch.equal(unit.embeddings()[0], z) and not list(unit.folder.glob("*.part.*"))
    assert len(calls) == 5 + 6 + 9, "the first epoch is not trained again"


def test_the_key_follows_what_the_numbers_depend_on():
    unit = ClipUnit(TINY, ("",), 1.0, 0)
    others = [replace(TINY, shared=0.4), replace(TINY, captions=1), replace(TINY, joint=5)]
    assert len({u.key for u in (unit, replace(unit, seed=1), *(replace(unit, settings=s) for s in others))}) == 5


def test_the_quick_run_is_a_job_and_its_cost_is_estimated():
    run = Run(NAME, study.complete(NAME, study.preset(NAME, "quick")))
    assert study.complete(NAME, {}) == run.values
    assert len(jobs.together(run.units)) == 1 and cost.estimate([run.units], 1, False)[0] < 60
    with pytest.raises(ValueError, match=r"measure '.* of the (image|text) tower' is none of"):
        gpu.rounds(NAME, "quick", "")
    assert {u.settings.method for u in run.units} == {"clip", "untrained"} and len(run.plan.under[0][0].members) == 2


def test_a_rare_class_without_its_look_alike_is_refused_before_any_work():
    for given, said in (
        ({"undersampled": "0,2"}, "no class of 0, 2 has its look-alike among"),
        ({"classes": "1,3,4", "undersampled": "4"}, "no class of 4 has its look-alike among 1, 3, 4"),
        ({"data": "mnist"}, "data='mnist'"),
    ):
        with pytest.raises(ValueError, match=said):
            study.complete(NAME, given)
            Run(NAME, study.complete(NAME, given)).plan  # noqa: B018


def test_each_tower_is_judged_on_its_own_features(elsewhere):
    p = Run(NAME, study.complete(NAME, {"classes": "3,4,8,9", "undersampled": "4", "seeds": 2})).p
    arms = plan(p)
    small = {
        u: replace(u, settings=replace(u.settings, images_per_class=10, epochs=1, batch_size=8)) for u in arms.units
    }
    parts = ("balanced", "under", "untrained")
    arms = replace(arms, **{part: [[small[u] for u in us] for us in getattr(arms, part)] for part in parts})
    for unit in arms.units:
        clip.run(unit)
    for tower, width in (("image", 64), ("text", TEXT)):
        seen = modalities.of_tower(arms, tower)
        assert seen.treated == (1,) and seen.plain("balanced", "means").shape == (2, 4, width)
        assert seen.plain("under", "means").shape == (2, 1, 4, width)
        assert torch.equal(seen.under[1][0].load("train")[0], arms.under[1][0].tower(tower, 0, "train")[0])
    assert pairs_of("digits", arms.classes, arms.treated) == [(1, 3)]
    assert modalities.temperature(arms) == pytest.approx([0.07, 0.07], rel=0.2)


def test_the_figure_sets_each_tower_before_its_own_null():
    rows = [("4", j, value, value - 0.1, value + 0.1) for j, value in (("9", 0.8), ("3", 1.1), ("4", 1.5))]
    cells = pd.DataFrame(rows, columns=["row", "column", "value", "low", "high"])
    none = torch.linspace(0.5, 2.5, 201, dtype=torch.float64).view(3, 67)
    df = figures.pairs({"image": cells, "text": cells}, {"image": none}, {("4", "9")})
    assert df.groupby(["tower", "group"]).size().to_dict() == {
        ("image tower", "look-alikes"): 1,
        ("image tower", "other pairs"): 1,
        ("image tower", figures.NULL): 201,
        ("text tower", "look-alikes"): 1,
        ("text tower", "other pairs"): 1,
    }
    assert figures.beside_null(df) == "Grey: the middle 95 % of the null, image tower 0.55 to 2.45."
    assert figures.beside_null(df[df.tower == "text tower"]) == ""
    bands = [
        block["layer"][0]["mark"] for tower in figures.beside(df).to_dict()["vconcat"] for block in tower["vconcat"]
    ]
    assert [(mark["type"], mark["clip"]) for mark in bands] == [("rect", True)] * 2 + [("rule", True)] * 2
