"""lib.encoders.checkpoints: a training taken up again is the same training, and a wrong file is refused by name."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from lib.encoders import checkpoints
from lib.encoders.checkpoints import CheckpointError


def model(width: int = 4) -> tuple[nn.Module, torch.optim.SGD]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 1))
    return net, torch.optim.SGD(net.parameters(), 0.1, momentum=0.9, nesterov=True)


def step(net: nn.Module, sgd: torch.optim.SGD, seed: int) -> None:
    x = torch.randn(16, 3, generator=torch.Generator().manual_seed(seed))
    sgd.zero_grad()
    net(x).square().mean().backward()
    sgd.step()


def test_a_resumed_optimiser_takes_the_same_steps(tmp_path):
    net, sgd = model()
    for i in range(3):
        step(net, sgd, i)
    checkpoints.save(tmp_path / "c", "me", [0.3, 0.2, 0.1], net, sgd)
    other, again = model()
    assert checkpoints.load(tmp_path / "c", "me", other, again) == [0.3, 0.2, 0.1]
    for i in range(3, 6):
        step(net, sgd, i)
        step(other, again, i)
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), other.state_dict().values(), strict=True))


def test_without_a_file_nothing_is_taken_up(tmp_path):
    net, sgd = model()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    assert checkpoints.load(tmp_path / "none", "me", net, sgd) == []
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_a_damaged_file_is_refused_by_name(tmp_path):
    net, sgd = model()
    step(net, sgd, 0)
    path = tmp_path / "0.part.safetensors"
    checkpoints.save(path, "me", [0.3], net, sgd)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CheckpointError, match=r"0\.part\.safetensors is damaged .*; remove it and train again"):
        checkpoints.load(path, "me", net, sgd)


def test_a_foreign_file_is_refused_by_name(tmp_path):
    net, sgd = model()
    checkpoints.save(tmp_path / "a", "another training", [], net, sgd)
    with pytest.raises(CheckpointError, match=r'a is of "another training", not of \'me\'; remove it'):
        checkpoints.load(tmp_path / "a", "me", net, sgd)
    save_file({"x": torch.zeros(1)}, tmp_path / "b")
    with pytest.raises(CheckpointError, match="b is of null"):
        checkpoints.load(tmp_path / "b", "me", net, sgd)
    checkpoints.save(tmp_path / "c", "me", [], nn.Linear(2, 2), sgd)
    with pytest.raises(CheckpointError, match="c holds other tensors than the model"):
        checkpoints.load(tmp_path / "c", "me", net, sgd)


def test_no_pickle_is_read(tmp_path):
    torch.save({"model": 1}, tmp_path / "p")
    with pytest.raises(CheckpointError, match="p is damaged"):
        checkpoints.load(tmp_path / "p", "me", *model())
