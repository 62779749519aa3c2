"""Train SimSiam and keep the epoch that the test labels choose, as the public code of Maity et al. (2024) does:
``python -m lib.encoders.chosen UNITS.json``, one unit or several in a process.
"""

import copy
import sys
from functools import partial

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from lib import images, losses
from lib.encoders import further, pretrain, training
from lib.encoders.further_settings import ChosenSettings, ChosenUnit
from lib.encoders.training import Conditions, embed
from lib.images import augment

SCORED = 1000  # test images that are compared with all training images at once


class Chosen(nn.Module):
    """SimSiam's encoder, its loss on two views of each image, and the encoder of the best epoch so far.

    data: the images that are trained on; whole: the training images before a class was cut.
    A look counts the test images whose nearest training image has their label.  Near is a large cosine of the features
    that are kept, and the training images are ``whole``, as in the public code.  Of equal epochs the first is the best.
    looks: (looks, 2) int64, the counts among the test images of even and of odd position; 0 of looks to come.
    """

    def __init__(self, settings: ChosenSettings, data: images.Images, whole: images.Images, test: images.Images):
        super().__init__()
        self.settings, self.whole, self.test = settings, whole, test
        self.encoder = pretrain.Encoder(settings, data.x, len(data.classes))
        self.best = copy.deepcopy(self.encoder).requires_grad_(False)
        looks = torch.zeros(settings.epochs // settings.look_every, 2, dtype=torch.int64)
        self.best.register_buffer("looks", looks)

    def forward(self, x: Tensor, batch: Tensor, draws: Generator) -> Tensor:
        views = augment.view(x.repeat(2, 1, 1, 1), augment.POLICIES[self.settings.augment], draws)
        _, z, p = self.encoder(views)
        with torch.autocast(views.device.type, enabled=False):
            (z1, z2), (p1, p2) = z.float().chunk(2), p.float().chunk(2)
            return losses.simsiam(p1, z1, p2, z2)

    def begin(self, epoch: int) -> None:
        """Before epoch 0, 1, …: a look at the epochs so far, where one is due."""
        if epoch and epoch % self.settings.look_every == 0:
            self.look(epoch)
            self.train()

    def look(self, epochs: int) -> None:
        """Count after so many epochs, and keep the encoder if none before it was as good."""
        looks, now = self.best.looks, epochs // self.settings.look_every - 1
        z, scored = (embed(self.encoder, split.x).to(looks.device) for split in (self.whole, self.test))
        right = nearest(z, self.whole.y.to(z.device), scored).cpu() == self.test.y
        looks[now] = torch.stack([right[0::2].sum(), right[1::2].sum()])
        total = looks.sum(1)
        if now == 0 or total[now] > total[:now].max():
            self.best.load_state_dict(self.encoder.state_dict(), strict=False)  # which has no ``looks``


def nearest(z: Tensor, y: Tensor, scored: Tensor) -> Tensor:
    """The label (m,) of the row of z (n, d), labels y (n,), that has the largest cosine with each row of ``scored``."""
    unit = F.normalize(z, dim=1)
    return torch.cat([y[(F.normalize(part, dim=1) @ unit.mT).argmax(1)] for part in scored.split(SCORED)])


def train(s: ChosenSettings, data: images.Images, conditions: Conditions) -> tuple[pretrain.Encoder, list[float]]:
    """Train SimSiam on the images; the encoder of the best epoch, with its ``looks``, and the mean loss of every epoch.

    Start and draws are those of plain SimSiam, so that the last epoch is its encoder.  The looks are at the training
    and test images that the settings name.
    TrainingError: fewer images than a batch, or a loss that is not finite; CheckpointError: see ``checkpoints.load``.
    """
    whole, test = (pretrain.images_of(s, split) for split in ("train", "test"))
    torch.manual_seed(conditions.seed)
    objective = training.on_device(Chosen(s, data, whole, test), conditions.home)
    sgd = torch.optim.SGD(
        objective.encoder.parameters(), 1.0, s.momentum, weight_decay=s.weight_decay, nesterov=s.nesterov
    )
    history = further.train(objective, sgd, s, data, conditions)
    objective.look(s.epochs)
    return objective.best, history


def run(unit: ChosenUnit, save_seconds: float = training.SAVE_SECONDS) -> None:
    """Train every member of the unit and write its folder; does nothing where the folder is whole."""
    further.run(unit, save_seconds, train)


main = partial(training.main, run=run, read=ChosenUnit.from_json)

if __name__ == "__main__":
    sys.exit(main())
