"""lib.studies.shared.pace: which step is timed, how, and that it changes nothing."""

from dataclasses import asdict

import pytest
import torch

from lib.encoders import pretrain
from lib.encoders.further_settings import RemedySettings
from lib.encoders.settings import Settings
from lib.studies.shared import pace

PLAIN = Settings("digits", net="convnet", pretrained=False, head_width=8, head_out=4, batch_size=40, augment="digits")
TWIN = RemedySettings(**asdict(PLAIN) | {"weighting": "twin"})


def test_the_cost_is_the_least_of_the_rounds(monkeypatch):
    clock = iter([0, 7, 10, 14, 20, 22, 30, 39])  # simclr 7, twin 4; simclr 2, twin 9
    monkeypatch.setattr(pace.time, "process_time", lambda: next(clock))
    monkeypatch.setattr(pace._Step, "_loss", lambda self: torch.zeros((), requires_grad=True))
    data = pretrain.images_of(PLAIN, "train").take(torch.arange(50))
    assert pace.seconds({"simclr": PLAIN, "twin": TWIN}, data, rounds=2) == {"simclr": 2, "twin": 4}


@pytest.mark.parametrize("s", [PLAIN, TWIN], ids=["simclr", "twin"])
def test_a_step_has_the_images_of_a_training_and_gives_every_weight_its_gradient(s):
    data = pretrain.images_of(PLAIN, "train").take(torch.arange(50))
    step = pace._Step(s, data)
    assert len(step.x) == 40 and step.seconds() > 0
    net = step.encoder if s is PLAIN else step.objective.encoder
    assert all(p.grad is not None for p in net.parameters())
