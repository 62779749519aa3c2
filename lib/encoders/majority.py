"""Train an encoder of images of which one class is frequent: ``python -m lib.encoders.majority UNITS.json``.

Supervised InfoNCE, the loss whose optimal geometry ``lib.geometry`` computes: here the shares of the classes are those
of the images, and the negatives of an anchor are drawn from its batch as it is, the anchor's own class too.
"""

import math
import sys
import time
from collections.abc import Iterator
from functools import partial

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from lib import images, losses
from lib.encoders import devices, nets, training
from lib.encoders.majority_settings import MajoritySettings, MajorityUnit
from lib.encoders.training import Trained
from lib.images import augment
from lib.images.sets import Images

BLOCK = 512  # anchors at a time of the loss with all negatives
MOMENTUM = 0.9


class Encoder(nn.Module):
    """A backbone and a linear layer, to unit features."""

    def __init__(self, s: MajoritySettings, channels: int):
        super().__init__()
        self.net, dim = nets.backbone(s.net, channels)
        self.last = nn.Linear(dim, s.out)

    def features(self, x: Tensor) -> Tensor:
        """(n, c, h, w) in [0, 1] to unit features (n, out)."""
        return F.normalize(self.last(self.net(x.contiguous(memory_format=torch.channels_last))), dim=1)

    forward = features


def cut(data: Images, unit: MajorityUnit) -> Images:
    """The images that the unit is trained on: the first of each class, as many as its settings say, codes 0, 1, …

    DataError: a class has too few.
    """
    s, every = unit.settings, data.only(unit.classes)
    rank = torch.zeros_like(every.y)
    for k in range(len(unit.classes)):
        rank[every.y == k] = torch.arange(int((every.y == k).sum()))
    have = int((every.y == 0).sum())
    if have < s.majority:
        raise images.DataError(f"majority={s.majority}: class {unit.classes[0]!r} has {have} images; ask for fewer")
    most = torch.where(every.y == 0, s.majority, s.minority)
    return every.take((rank < most).nonzero()[:, 0])


def loss(z1: Tensor, z2: Tensor, y: Tensor, tau: float, negatives: float, draws: Generator) -> Tensor:
    """Supervised InfoNCE of two views (N, d) of images with labels y (N,), scalar; all 2N views are anchors.

    With M negatives n drawn from the other views, mean over anchors i and their positives p, the other views of the
    class, of log(1 + sum over n of exp((s_in - s_ip) / tau)); M = inf: SupCon, all other views in the denominator.
    """
    if math.isinf(negatives):
        return losses.sup_con(z1, z2, y, tau, block=BLOCK)
    z, label = F.normalize(torch.cat([z1, z2]), dim=1), torch.cat([y, y])
    count = len(z)
    logits = z @ z.mT / tau  # (2N, 2N)
    drawn = torch.randint(count - 1, (count, int(negatives)), generator=draws, device=z.device)
    drawn = drawn + (drawn >= torch.arange(count, device=z.device)[:, None])  # any view but the anchor
    against = logits.gather(1, drawn).logsumexp(1, keepdim=True)
    positive = (label[:, None] == label) & ~torch.eye(count, dtype=torch.bool, device=z.device)
    return ((F.softplus(against - logits) * positive).sum(1) / positive.sum(1)).mean()


def run(unit: MajorityUnit, save_seconds: float = training.SAVE_SECONDS) -> None:
    """Train the unit and write its folder; does nothing where the folder is whole.

    Kept are features of all images of its classes, of the test split and of those that it was trained on.
    """
    if unit.done:
        return
    start, s, home = time.time(), unit.settings, devices.place(unit.settings.precision)
    whole = {split: images.load(s.data, split) for split in ("train", "test")}
    data = {"train": cut(whole["train"], unit), "test": whole["test"].only(unit.classes)}
    torch.manual_seed(unit.seed)
    encoder = training.on_device(Encoder(s, data["train"].x.shape[1]), home)
    x, y = (part.to(home.device) for part in (data["train"].x, data["train"].y))
    steps, policy = training.steps_of(len(y), s.batch_size, "images"), augment.POLICIES[s.augment]
    sgd = torch.optim.SGD(encoder.parameters(), s.learning_rate, MOMENTUM)

    def each(epoch: int, order: Generator, draws: Generator) -> Iterator[Tensor]:
        for i, rows in enumerate(training.batches(torch.arange(len(y)), s.batch_size, steps, order)):
            rate = s.learning_rate * (1 + math.cos(math.pi * (epoch * steps + i) / (s.epochs * steps))) / 2
            sgd.param_groups[0]["lr"] = rate
            rows = rows.to(home.device)
            with home.autocast():
                z = encoder(augment.view(x[rows].repeat(2, 1, 1, 1), policy, draws)).float()
            yield loss(*z.chunk(2), y[rows], s.temperature, s.negatives, draws)

    history = training.fit(training.followed(unit, 0, home, save_seconds), encoder, sgd, each)
    features = {split: training.embed(encoder, part.x) for split, part in data.items()}
    trained = Trained(encoder, history, features, torch.arange(len(y)))
    digests = {split: images.digest(part) for split, part in whole.items()}
    training.write(unit, [trained], {split: part.y for split, part in data.items()}, digests, start)


main = partial(training.main, run=run, read=MajorityUnit.from_json)

if __name__ == "__main__":
    sys.exit(main())
