"""lib.encoders.masked and its loss: against a loop, the formula by hand, and what hidden patches may not tell."""

import json
import math
from dataclasses import replace

import pytest
import torch

from lib import images, losses
from lib.book import cost, jobs
from lib.encoders import masked, pretrain, training
from lib.encoders import store as stored
from lib.encoders.further_settings import AUTOENCODERS, MaskedSettings, MaskedUnit
from lib.encoders.training import Conditions
from lib.encoders.units import read_unit

S = MaskedSettings("digits", net="mae_small", epochs=2, batch_size=32, learning_rate=0.01, augment="digits")
UNIT = MaskedUnit(S, ("", "3"), 0.5, 3)


def net() -> masked.Autoencoder:
    torch.manual_seed(0)
    return masked.Autoencoder(1, 8, masked.NETS["mae_small"]).eval()


def digits(n: int) -> images.Images:
    return pretrain.images_of(S, "train").take(torch.arange(n))


def test_the_loss_is_a_loop_over_hidden_patches():
    g = torch.Generator().manual_seed(0)
    predicted, patches = (torch.rand(3, 5, 4, generator=g, dtype=torch.float64) for _ in range(2))
    hidden, errors = torch.tensor([[0, 4], [2, 1], [3, 0]]), []
    for i, row in enumerate(hidden.tolist()):
        for t in row:
            pixels = patches[i, t].tolist()
            mean = sum(pixels) / 4
            spread = math.sqrt(sum((x - mean) ** 2 for x in pixels) / 3 + 1e-6)
            errors += [(float(p) - (x - mean) / spread) ** 2 for p, x in zip(predicted[i, t], pixels, strict=True)]
    assert float(losses.masked_pixels(predicted, patches, hidden)) == pytest.approx(sum(errors) / len(errors))


def test_a_mean_prediction_costs_the_variance_of_standardised_pixels():
    """Of k pixels, standardised with divisor k - 1, the mean square is (k - 1) / k; a flat patch costs nothing."""
    patches = torch.rand(2, 3, 4, dtype=torch.float64) * 1000
    patches[:, 2] = 7.0
    zero, every = torch.zeros_like(patches), torch.tensor([[0, 1, 2]] * 2)
    assert float(losses.masked_pixels(zero, patches, every[:, :2])) == pytest.approx(3 / 4)
    assert float(losses.masked_pixels(zero, patches, every[:, 2:])) == 0


@pytest.mark.parametrize("hidden", [torch.zeros(3, 1, dtype=torch.int64), torch.zeros(2, 0, dtype=torch.int64)])
def test_positions_that_do_not_fit_are_refused(hidden):
    with pytest.raises(ValueError, match="hidden is int64 of shape"):
        losses.masked_pixels(torch.zeros(2, 3, 4), torch.zeros(2, 3, 4), hidden)


def test_what_is_predicted_depends_on_shown_patches_alone_and_on_where_they_are():
    made, g = net(), torch.Generator().manual_seed(1)
    patches, shown = torch.rand(2, 16, 4, generator=g), torch.tensor([[0, 5, 9, 14], [3, 2, 1, 7]])
    seen = made.decode(made.encode(patches, shown), shown)
    other = torch.rand(2, 16, 4, generator=g)
    other.scatter_(1, shown[:, :, None].expand(-1, -1, 4), patches.gather(1, shown[:, :, None].expand(-1, -1, 4)))
    assert torch.equal(made.decode(made.encode(other, shown), shown), seen), "hidden pixels are not seen"
    turned = shown.flip(1)
    again = made.decode(made.encode(patches, turned), turned)
    assert torch.allclose(again, seen, atol=1e-5), "the order in which patches are given says nothing"
    moved = (shown + 1) % 16
    assert not torch.allclose(made.decode(made.encode(patches.roll(1, 1), moved), moved), seen, atol=1e-3)


def test_patches_and_places():
    x = torch.arange(64.0).view(1, 1, 8, 8)
    assert net().patches(x)[0, 5].tolist() == [18, 19, 26, 27], "row 1, column 1 of 2x2 patches"
    found = masked.places(4, 16)
    for row, column, i in ((0, 0, 0), (2, 3, 1), (3, 1, 3)):
        angles = (row * 10_000 ** (-i / 4), column * 10_000 ** (-i / 4))
        wanted = [f(angle) for angle in angles for f in (math.sin, math.cos)]
        assert found[4 * row + column, [i, 4 + i, 8 + i, 12 + i]].tolist() == pytest.approx(wanted, abs=1e-6)
    with pytest.raises(ValueError, match="side 9"):
        masked.Autoencoder(1, 9, masked.NETS["mae_small"])


def test_three_quarters_are_hidden_anew_in_each_image(monkeypatch):
    seen = []
    real = losses.masked_pixels
    monkeypatch.setattr(losses, "masked_pixels", lambda p, x, hidden: seen.append(hidden) or real(p, x, hidden))
    objective, g = masked.Masked(S, 1, 8), torch.Generator().manual_seed(0)
    x = digits(40).x
    objective(x, torch.arange(40), g).backward()
    (hidden,) = seen
    assert hidden.shape == (40, 12) and all(len(set(row)) == 12 for row in hidden.tolist())
    assert len({tuple(sorted(row)) for row in hidden.tolist()}) > 30
    assert all(p.grad is not None for p in objective.parameters())


def test_training_learns_and_depends_on_the_seed_alone():
    data = digits(128)
    (a, first), (b, second) = (masked.train(replace(S, epochs=6), data, Conditions(0, 6)) for _ in range(2))
    assert first == second and first[-1] < 0.7 * first[0]
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    z = training.embed(a, data.x)
    assert torch.allclose(z.mean(0), torch.zeros(32), atol=1e-3) and torch.allclose(z.std(0), torch.ones(32), atol=1e-3)


def test_a_unit_is_written_and_read_back(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "STORE", tmp_path)
    few = digits(96)
    monkeypatch.setattr(pretrain, "images_of", lambda s, split: few)
    masked.run(UNIT)
    z, y = UNIT.embeddings()
    assert z.shape == (2, 96, 32) and torch.equal(y, few.y) and not torch.equal(z[0], z[1])
    threes = int((few.y == 3).sum())
    assert UNIT.record["samples"] == [96, 96 - threes + round(threes * 0.5)]
    assert UNIT.name.startswith("digits-mae-all-0.5-s3-") and read_unit(UNIT.to_json()) == UNIT
    assert json.loads(UNIT.to_json())["trainer"] == "lib.encoders.masked"
    start = replace(UNIT, settings=replace(S, method="untrained"), members=("",), ratio=1.0)
    masked.run(start)
    assert start.record["samples"] == [96] and not torch.equal(start.embeddings()[0][0], z[0])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"method": "simclr"}, "method='simclr' is unknown here; known are mae, untrained"),
        ({"net": "vit"}, "net='vit' is unknown here"),
        ({"weighting": "groups"}, "weighting='groups' is unknown here"),
        ({"hidden": 1.0}, "hidden=1.0 is no share"),
        ({"precision": "half"}, "precision='half' is unknown"),
    ],
)
def test_settings_are_refused(given, words):
    with pytest.raises(ValueError, match=words):
        MaskedSettings(**given)


def test_a_job_of_autoencoders_has_one_process(monkeypatch):
    monkeypatch.setenv("PROCESSES", "2")
    assert jobs.trainer([UNIT]) == "lib.encoders.masked"
    for name in AUTOENCODERS:
        unit = replace(UNIT, settings=replace(S, net=name))
        assert cost.estimate([[unit]], 1, False)[0] > 0 and cost.estimate([[unit]], 1, True)[1] > 0
