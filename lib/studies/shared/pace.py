"""What a step of a training costs."""

import time

import torch
from torch import Tensor

from lib.encoders import pretrain
from lib.encoders.further_settings import RemedySettings
from lib.encoders.methods import MethodLoss
from lib.encoders.remedies import Remedy
from lib.encoders.settings import Settings
from lib.encoders.store import TOGETHER
from lib.images import augment
from lib.images.sets import Images

FEW = 32  # images of a step of a large net, which a CPU is to time


def seconds(every: dict[str, Settings], data: Images, rounds: int = 5) -> dict[str, float]:
    """Processor seconds of one step, augmentation, loss and gradient, of SimCLR with each of the settings, by label.

    The least of so many rounds, the steps of one round one after the other.  A step has as many images as in training,
    or ``FEW`` of a net that is no small one.
    """
    steps = {label: _Step(s, data) for label, s in every.items()}
    taken = [{label: step.seconds() for label, step in steps.items()} for _ in range(rounds)]
    return {label: min(one[label] for one in taken) for label in every}


class _Step:
    """A step that can be timed: it leaves gradients and changes no weight."""

    def __init__(self, s: Settings, data: Images):
        self.s, self.draws = s, torch.Generator().manual_seed(0)
        self.batch = torch.arange(min(s.batch_size if s.net in TOGETHER else FEW, len(data)))
        self.x = data.x[self.batch]
        if isinstance(s, RemedySettings):
            self.objective = Remedy(s, data, 0)
            self.objective.begin(0)
        else:
            self.encoder = pretrain.Encoder(s, data.x, len(data.classes))
            self.objective = MethodLoss(s, data.y, len(data.classes), 0)

    def seconds(self) -> float:
        start = time.process_time()
        self._loss().backward()
        return time.process_time() - start

    def _loss(self) -> Tensor:
        if isinstance(self.s, RemedySettings):
            return self.objective(self.x, self.batch, self.draws)
        views = augment.view(self.x.repeat(2, 1, 1, 1), augment.POLICIES[self.s.augment], self.draws)
        return self.objective(*self.encoder(views)[1:], self.batch)
