"""lib.encoders.chosen and its study: plain SimSiam stopped at every epoch, scikit-learn's neighbours, numbers by hand."""

import json
from dataclasses import asdict
from itertools import product

import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from lib import images
from lib.encoders import chosen, pretrain, training
from lib.encoders import store as stored
from lib.encoders.further_settings import ChosenSettings, ChosenUnit
from lib.encoders.settings import Settings, Unit
from lib.encoders.training import Conditions, embed
from lib.encoders.units import read_unit

PLAIN = Settings(
    "digits", method="simsiam", net="convnet", pretrained=False, head_width=16, head_out=8, epochs=4, batch_size=32,
    learning_rate=0.1, squared_learning_rate=False, augment="digits", normalise=True,
)  # fmt: skip
SETTINGS = ChosenSettings(**asdict(PLAIN), look_every=1)


@pytest.fixture
def few(monkeypatch) -> dict[str, images.Images]:
    """Some digits in place of all."""
    found = {s: pretrain.images_of(PLAIN, s).take(torch.arange(n)) for s, n in (("train", 96), ("test", 75))}
    monkeypatch.setattr(pretrain, "images_of", lambda settings, split: found[split])
    return found


def test_the_epoch_that_is_kept_is_the_one_with_the_most_test_images_right(few):
    """Plain SimSiam of the same schedule, stopped after each epoch, says what each look sees and what is kept."""
    cut = few["train"].take(torch.arange(40, 96))
    found, history = chosen.train(SETTINGS, cut, Conditions(8, 4))
    stopped = [pretrain.train(PLAIN, cut, Conditions(8, epochs)) for epochs in (1, 2, 3, 4)]
    assert history == stopped[-1][1]
    for encoder, look in zip((e for e, _ in stopped), found.looks.tolist(), strict=True):
        z, scored = (torch.nn.functional.normalize(embed(encoder, few[s].x), dim=1) for s in ("train", "test"))
        model = KNeighborsClassifier(1, algorithm="brute").fit(z.numpy(), few["train"].y.numpy())
        right = model.predict(scored.numpy()) == few["test"].y.numpy()
        assert look == [right[::2].sum(), right[1::2].sum()]
    total = found.looks.sum(1).tolist()
    assert max(total) > total[-1], "another than the last, so that the choice is seen"
    best = stopped[total.index(max(total))][0]
    assert all(torch.equal(a, b) for a, b in zip(best.parameters(), found.parameters(), strict=True))
    assert torch.equal(embed(best, cut.x), embed(found, cut.x))


def test_looks_are_as_far_apart_as_the_settings_say(few):
    every, second = (
        chosen.train(ChosenSettings(**asdict(PLAIN), look_every=n), few["train"], Conditions(0, 4))[0] for n in (1, 2)
    )
    assert second.looks.tolist() == every.looks.tolist()[1::2]


def test_a_training_that_was_killed_goes_on(few, tmp_path):
    data, kept = few["train"], training.Keeper(tmp_path / "a.safetensors", "a", 0)
    whole = chosen.train(SETTINGS, data, Conditions(8, 4))
    chosen.train(SETTINGS, data, Conditions(0, 2, keeper=kept))
    again = chosen.train(SETTINGS, data, Conditions(0, 4, keeper=kept))
    assert again[1] == whole[1] and again[0].looks.tolist() == whole[0].looks.tolist()
    assert torch.equal(embed(again[0], data.x), embed(whole[0], data.x))


def test_a_unit_is_written_and_read_back(few, tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "STORE", tmp_path)
    unit = ChosenUnit(SETTINGS, ("3", "8"), 0.5, 0)
    chosen.run(unit)
    assert unit.embeddings()[0].shape == (2, 75, 64) and unit.name.startswith("digits-simsiam_chosen-all-0.5-s0-")
    assert read_unit(unit.to_json()) == unit and json.loads(unit.to_json())["trainer"] == "lib.encoders.chosen"
    assert unit.read("checkpoint.safetensors")["1.looks"].shape == (4, 2)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"method": "vicreg"}, "method='vicreg', .*: an epoch is chosen for plain SimSiam"),
        ({"equal_steps": True}, "equal_steps=True: an epoch is chosen for plain SimSiam"),
        ({"look_every": 3}, "look_every=3 does not divide epochs=4"),
        ({"look_every": 0}, "look_every=0 does not divide epochs=4"),
        ({"precision": "half"}, "precision='half' is unknown"),
    ],
)
def test_settings_are_refused(given, words):
    with pytest.raises(ValueError, match=words):
        ChosenSettings(**asdict(PLAIN) | given)
