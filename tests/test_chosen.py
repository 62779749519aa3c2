"""An epoch that test labels choose: against plain SimSiam stopped at every epoch, and its gains by enumeration."""

import json
from dataclasses import asdict, replace

import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from lib import images
from lib.encoders import chosen, pretrain, training
from lib.encoders import store as stored
from lib.encoders.further_settings import ChosenSettings, ChosenUnit
from lib.encoders.settings import Settings
from lib.encoders.training import Conditions, embed
from lib.encoders.units import read_unit
from lib.studies.shared import chosen as choice
from lib.studies.shared.evidence import Embedded, Evidence, embedded
from lib.studies.shared.measured import Measured

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
    whole = chosen.train(SETTINGS, data, Conditions(0, 4))
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


def test_gains_are_those_of_a_loop():
    """Nine images, four looks; the optimism is that of the page's formula and never below 0."""
    g, images_ = torch.Generator().manual_seed(0), 9
    for _ in range(30):
        counts = torch.stack([torch.randint(0, 6, (4,), generator=g), torch.randint(0, 5, (4,), generator=g)], 1)
        found = {name: float(value) for name, value in choice.gains(counts, images_).items()}
        a, b = ([count / n for count in column] for column, n in zip(counts.T.tolist(), (5, 4), strict=True))
        at_a, at_b = a.index(max(a)), b.index(max(b))
        assert found["all"] == pytest.approx(max(map(sum, counts.tolist())) / 9 - sum(counts[-1].tolist()) / 9)
        assert found["own"] == pytest.approx((a[at_a] - a[-1] + b[at_b] - b[-1]) / 2)
        optimism = (a[at_a] - a[at_b] + b[at_b] - b[at_a]) / 2
        assert found["own"] - found["other"] == pytest.approx(optimism) and optimism >= 0


def test_what_the_choice_changes_by_hand():
    """Two seeds of a balanced encoder and of one that had class 1 of two undersampled; twenty test images."""
    counts = iter([[[5, 5], [7, 6]], [[9, 8], [4, 4]], [[6, 6], [6, 6]], [[6, 3], [5, 5]]])

    def encoder() -> Embedded:
        return replace(embedded(torch.zeros(20, 1), torch.zeros(20)), known={"looks": torch.tensor(next(counts))})

    rows = [(encoder(), [encoder()]) for _ in range(2)]
    seen = Evidence(("a", "b", "c"), (1,), torch.zeros(20), *map(list, zip(*rows, strict=True)))

    def made(rh: list[float], accuracy: float) -> Measured:
        matrix = torch.tensor([[[x, 1.0, 1.0]] for x in rh], dtype=torch.float64)
        return Measured(matrix, 0 * matrix, (1,), torch.full((2,), accuracy), torch.full((2, 1), accuracy / 2))

    epochs, claims = choice.compared(seen, made([0.7, 0.9], 0.8), made([0.8, 0.6], 0.6), [(1, 0)])
    last, best = epochs[choice.NEAREST]
    assert last.tolist() == pytest.approx([(13 + 8) / 40, (12 + 10) / 40])
    assert best.tolist() == pytest.approx([(13 + 17) / 40, (12 + 10) / 40])
    other = epochs[f"{choice.NEAREST}, other half"]
    assert [x.tolist() for x in other] == [pytest.approx([21 / 40, 22 / 40]), pytest.approx([30 / 40, 20 / 40])]
    assert [float(x[0]) for x in epochs["balanced accuracy"]] == pytest.approx([0.6, 0.8])
    assert epochs["RH, look-alikes"][1].tolist() == pytest.approx([0.7, 0.9])
    assert claims["chosen-gain"].tolist() == pytest.approx([9 / 40, 0])
    assert claims["chosen-optimism"].tolist() == pytest.approx([0, (0.1 + 0.2) / 2 / 2])
    assert claims["chosen-rh"].tolist() == pytest.approx([0.1, 0.3])
