"""lib.encoders.training: the loop goes on where it was killed, with the same bits, and refuses what is not finite."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from lib.encoders import training
from lib.encoders.training import Conditions, Keeper, TrainingError
from lib.losses.descent import optimise


class Killed(Exception):
    pass


def fit(task: Conditions, spoil: int = -1) -> tuple[nn.Module, list[float], list[int]]:
    """Four steps an epoch on drawn points, with dropout; the loss of epoch ``spoil`` is not a number."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 1))
    epochs = []

    def losses(epoch, order, draws):
        training.seed_dropout(order, task.home)
        epochs.append(epoch)
        for rows in training.batches(torch.arange(10), 4, 4, order):
            x = torch.randn(10, 3, generator=draws)[rows]
            yield net(x).square().mean() * (math.nan if epoch == spoil else 1)

    sgd = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    return net, training.fit(task, net, sgd, losses), epochs


def test_a_training_that_was_killed_goes_on_with_the_same_bits(tmp_path):
    def kill(epoch, _):
        if epoch == 3:
            raise Killed

    task = Conditions(5, 6, keeper=Keeper(tmp_path / "kept.safetensors", "mine", 0))
    with pytest.raises(Killed):
        fit(replace(task, report=kill))
    resumed, history, epochs = fit(task)
    whole, expected, _ = fit(replace(task, keeper=None))
    assert epochs == [3, 4, 5] and history == expected and len(history) == 6
    assert all(torch.equal(a, b) for a, b in zip(resumed.parameters(), whole.parameters(), strict=True))


def test_a_loss_that_is_not_finite_is_refused():
    with pytest.raises(TrainingError, match="the loss is nan in epoch 3; lower learning_rate and train again"):
        fit(Conditions(5, 6), spoil=2)


def test_the_hook_comes_before_the_report_and_no_epochs_leave_the_start():
    seen = []
    task = Conditions(1, 2, report=lambda *told: seen.append(told))
    net = nn.Linear(2, 1)
    start = net.weight.detach().clone()
    sgd = torch.optim.SGD(net.parameters(), 0.1)

    def losses(*_):
        yield net(torch.ones(1, 2)).sum()

    assert training.fit(replace(task, epochs=0), net, sgd, losses) == [] and torch.equal(net.weight, start)
    history = training.fit(task, net, sgd, losses, lambda *told: seen.append(told))
    assert seen == [(0, history[0]), (1, history[0]), (1, history[1]), (2, history[1])]


def test_nets_side_by_side_take_their_own_steps():
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    seen = list(optimise(torch.optim.SGD([w], 0.25), (w.square() for _ in range(2))))
    assert torch.stack(seen).tolist() == [[1.0, 4.0], [0.25, 1.0]] and w.tolist() == [0.25, 0.5]
