"""lib.probe.transfer: the linear layers against scikit-learn and torch, and the whole protocol on digits."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from torch import nn

from lib import records
from lib.encoders import coarse, store
from lib.encoders.coarse_settings import CoarseSettings, CoarseUnit
from lib.images import coarse_labels
from lib.probe import transfer
from lib.probe.transfer import Layers, Protocol

S = CoarseSettings(
    data="digits_coarse", net="mlp", epochs=2, batch_size=64, learning_rate=0.003, period=2, augment="digits"
)


def clouds(n: int, apart: float, seed: int, classes: int = 4, d: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % classes
    return torch.randn(n, d, generator=generator) + apart * torch.eye(d)[y], y


def test_layers_are_as_good_as_scikit_learns():
    (z, y), (test, wanted) = clouds(600, 2.5, 0), clouds(2000, 2.5, 1)
    layers = transfer.fit_layers(lambda epoch: z[None], y, 4, Protocol(learning_rate=0.02, weight_decay=0.0))
    found = float((layers.predict(test[None])[0] == wanted).float().mean())
    sklearn = LogisticRegression(C=1e3, max_iter=1000).fit(z.numpy(), y.numpy()).score(test.numpy(), wanted.numpy())
    assert 0.8 < sklearn < 0.97 and found == pytest.approx(sklearn, abs=0.01)
    z, y = clouds(200, 20.0, 2)
    apart = transfer.fit_layers(lambda epoch: z[None], y, 4, Protocol(learning_rate=0.05))
    assert torch.equal(apart.predict(z[None])[0], y)


def test_a_layer_is_what_it_would_be_alone():
    parts = [clouds(100, 1.0, seed)[0] for seed in range(3)]
    y, p = clouds(100, 1.0, 0)[1], Protocol(epochs=4, batch_size=30, learning_rate=0.05)
    back = torch.stack([clouds(40, 1.0, seed)[0] for seed in range(3, 6)])
    held_out = (back, torch.arange(40) % 4)
    together = transfer.fit_layers(lambda epoch: torch.stack(parts), y, 4, p, held_out)
    for i, z in enumerate(parts):
        alone = transfer.fit_layers(lambda epoch, z=z: z[None], y, 4, p, (back[i : i + 1], held_out[1]))
        assert torch.allclose(together.weight[i], alone.weight[0], atol=1e-5)
        assert torch.allclose(together.bias[i], alone.bias[0], atol=1e-5) and together.epoch[i] == alone.epoch[0]


def test_an_epoch_is_torchs_adamw_with_a_cosine():
    z, y = clouds(90, 1.0, 0)
    p = Protocol(epochs=3, batch_size=40, learning_rate=0.05)
    found = transfer.fit_layers(lambda epoch: z[None] * (epoch + 1), y, 4, p)
    draws = torch.Generator().manual_seed(0)
    layer = nn.Linear(6, 4)
    with torch.no_grad():
        for t in (layer.weight, layer.bias):
            t.copy_(torch.empty(t.shape).uniform_(-(6**-0.5), 6**-0.5, generator=draws))
    adam = torch.optim.AdamW(layer.parameters(), p.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, 3)
    for epoch in range(3):
        for batch in torch.randperm(90, generator=draws).split(40):
            adam.zero_grad()
            F.cross_entropy(layer(z[batch] * (epoch + 1)), y[batch]).backward()
            adam.step()
        schedule.step()
    assert torch.allclose(found.weight[0], layer.weight, atol=1e-5) and found.epoch.tolist() == [3]


def test_the_best_epoch_is_kept_and_of_equals_the_first():
    z, y = clouds(100, 3.0, 0)
    p = Protocol(epochs=12, learning_rate=0.05)
    held_out = clouds(30, 1.5, 9)
    seen = []

    def view(epoch):
        return z[None] if epoch < 6 else -z[None]  # what is learnt later is wrong

    kept = transfer.fit_layers(view, y, 4, p, (held_out[0][None], held_out[1]))
    for epochs in range(1, 13):
        layers = _after(view, y, p, epochs)
        seen.append(float((layers.predict(held_out[0][None])[0] == held_out[1]).float().mean()))
    assert kept.epoch.tolist() == [seen.index(max(seen)) + 1] and kept.epoch[0] <= 6
    assert torch.allclose(kept.weight, _after(view, y, p, int(kept.epoch[0])).weight)


class Stop(Exception):
    pass


def _after(view, y, p, epochs: int) -> Layers:
    """The layers after so many epochs, read from the score that ``fit`` asks of the held-out images."""
    found = []

    def spy(layers, z, codes):
        found.append(layers)
        if len(found) == epochs:
            raise Stop
        return torch.zeros(1)

    original, transfer._score = transfer._score, spy
    try:
        transfer.fit_layers(view, y, 4, p, (torch.zeros(1, 1, 6), torch.zeros(1)))
    except Stop:
        pass
    finally:
        transfer._score = original
    return found[-1]


def test_accuracy_by_stratum():
    codes, y = torch.tensor([[0, 1, 1, 2, 2, 2], [0, 0, 0, 0, 0, 0]]), torch.tensor([0, 0, 1, 1, 2, 2])
    found = transfer.Transfer(codes, y, None)
    assert found.by_stratum.tolist() == [[0.5, 0.5, 1.0], [1.0, 0.0, 0.0]]
    assert found.accuracy.tolist() == pytest.approx([4 / 6, 2 / 6])


@pytest.fixture
def units(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "STORE", tmp_path / "encoders")
    monkeypatch.delenv(records.OWNER, raising=False)
    made = [CoarseUnit(replace(S, loss=loss), 0) for loss in ("cross_entropy", "simclr")]
    for unit in made:
        coarse.run(unit)
    return made


def test_the_protocol_on_digits(units):
    p = Protocol(epochs=6, learning_rate=0.02, views=2)
    both, alone = transfer.coarse_to_fine(units, p), transfer.coarse_to_fine(units[1:], p)
    test = coarse_labels.load(S, "test")
    assert both.codes.shape == (2, 600) and torch.equal(both.y, test.stratum)
    assert torch.equal(both.codes[1:], alone.codes) and (both.accuracy > 0.3).all(), "chance is 0.1"
    assert both.by_stratum.shape == (2, 10)
    fresh = transfer.coarse_to_fine(units, replace(p, views=0))
    assert not torch.equal(fresh.layers.weight, both.layers.weight)
    last = transfer.coarse_to_fine(units, replace(p, validation=False))
    assert last.layers.epoch.tolist() == [6, 6]


def test_every_encoder_sees_the_same_copies_of_the_images(units):
    data = coarse_labels.load(S, "train")
    made = [coarse.read(unit, data) for unit in units]
    found = transfer.augmented([made[0], made[1], made[0]], data.x, "digits", 0, 3)
    assert torch.equal(found[0], found[2]) and not torch.equal(found[0], found[1])
    assert torch.equal(found, transfer.augmented([made[0], made[1], made[0]], data.x, "digits", 0, 3))
    assert not torch.equal(found, transfer.augmented([made[0], made[1], made[0]], data.x, "digits", 0, 4))


def test_bad_input_is_refused(units):
    z, y = clouds(20, 1.0, 0)
    for change, message in (
        ({"epochs": 0}, "epochs=0 is out of range"),
        ({"views": -1}, "views=-1 is out of range"),
        ({"learning_rate": 0.0}, "learning_rate=0.0 must be above 0"),
    ):
        with pytest.raises(ValueError, match=message):
            Protocol(**change)
    with pytest.raises(ValueError, match="codes from 0 to 3 are out of range; there are 3 classes"):
        transfer.fit_layers(lambda epoch: z[None], y, 3)
    with pytest.raises(ValueError, match="20 training features and 5 codes"):
        transfer.fit_layers(lambda epoch: z[None], y[:5], 4)
    with pytest.raises(ValueError, match="units is empty"):
        transfer.coarse_to_fine([])
    with pytest.raises(ValueError, match="units of several net"):
        transfer.coarse_to_fine([units[0], replace(units[1], settings=replace(S, net="convnet"))])
