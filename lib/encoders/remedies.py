"""Train SimCLR with a remedy: ``python -m lib.encoders.remedies UNITS.json``, one unit or several in a process."""

import copy
import math
import sys
from functools import partial

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.func import functional_call

from lib import images, losses
from lib.encoders import further, methods, pretrain, training
from lib.encoders.further_settings import RemedySettings, RemedyUnit
from lib.encoders.training import Conditions, embed
from lib.images import augment

LOW, HIGH, PERIODS = 0.1, 1.0, 5  # temperatures, and how often a training goes from the higher down and up again
CUT = 4.0  # how often a negative across the boundary of look-alikes counts
PRUNED = 0.9  # share of the convolutions' weights that the twin lacks, as the released code has it for CIFAR


class Remedy(nn.Module):
    """SimCLR's encoder and its loss on two views of each image, with a remedy.

    schedule: the temperature goes up and down, see ``temperature`` (Kukleva et al. 2023).
    surgery: a third of the epochs are SimCLR's; then each class has its look-alike, of the highest cosine of the mean
    unit features, and a negative of the look-alike counts CUT times, see ``losses.nt_xent_of_pairs``.
    surgery_clusters: the same of k-means clusters of the features, one for each class; no label is used.
    twin: the second view goes through a copy of the net that lacks its smallest weights, see ``masks``, chosen anew in
    each epoch; the weights left are shared, the batch normalisation is the copy's own (Jiang et al. 2021).
    """

    def __init__(self, settings: RemedySettings, data: images.Images, seed: int):
        super().__init__()
        s, self.data, self.seed = settings, data, seed
        self.settings, self.now = s, s.temperature
        self.encoder = pretrain.Encoder(s, data.x, len(data.classes))
        if s.weighting == "twin":
            self.twin = copy.deepcopy(self.encoder)
            for module in self.twin.modules():
                for p in module.parameters(recurse=False):
                    p.requires_grad_(isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d))
        elif s.weighting != "schedule":
            self.register_buffer("group", torch.zeros(len(data), dtype=torch.int64))
            self.register_buffer("alike", torch.zeros(len(data.classes), len(data.classes), dtype=torch.bool))

    def forward(self, x: Tensor, batch: Tensor, draws: Generator) -> Tensor:
        s = self.settings
        views = augment.view(x.repeat(2, 1, 1, 1), augment.POLICIES[s.augment], draws)
        z1, z2 = self._projections(views)
        with torch.autocast(views.device.type, enabled=False):
            return self._loss(z1, z2, batch)

    def _loss(self, z1: Tensor, z2: Tensor, batch: Tensor) -> Tensor:
        s = self.settings
        clamp = methods.CLAMP if s.clamp else None
        if s.weighting in ("schedule", "twin"):
            block = methods.BLOCK if 2 * len(z1) > methods.DENSE_VIEWS else None
            return losses.nt_xent(z1, z2, self.now, clamp, block=block)
        group = self.group[batch]
        counts = torch.where(self.alike[group[:, None], group], CUT, 1.0)
        return losses.nt_xent_of_pairs(z1, z2, counts, self.now, clamp)

    def begin(self, epoch: int) -> None:
        """Before epoch 0, 1, …: the temperature, the twin's weights, or the boundaries that are cut from now on."""
        s = self.settings
        if s.weighting == "schedule":
            self.now = temperature(epoch, s.epochs)
        elif s.weighting == "twin":
            self.mask = masks(self.encoder, PRUNED)
        elif epoch == round(s.epochs * methods.PROXY_SHARE):
            z = F.normalize(embed(self.encoder, self.data.x), dim=1)
            self.train()
            group = self.data.y if s.weighting == "surgery" else clusters(z, len(self.data.classes), self.seed)
            self.group.copy_(group)
            self.alike.copy_(look_alikes(z, group, len(self.alike)))

    def _projections(self, views: Tensor) -> tuple[Tensor, Tensor]:
        """(2N, c, h, w) in [0, 1] to the projections (N, out) of either half."""
        if self.settings.weighting != "twin":
            return tuple(self.encoder(views)[1].float().chunk(2))
        own = dict(self.twin.named_parameters())
        shared = {name: p for name, p in self.encoder.named_parameters() if not own[name].requires_grad}
        pruned = {name: p * self.mask[name] if name in self.mask else p for name, p in shared.items()}
        first, second = views.chunk(2)
        return self.encoder(first)[1].float(), functional_call(self.twin, pruned, (second,))[1].float()


def temperature(epoch: int, epochs: int) -> float:
    """LOW + (HIGH - LOW) (1 + cos(2 pi epoch / T)) / 2 with T = epochs / PERIODS (Kukleva et al. 2023)."""
    return LOW + (HIGH - LOW) * (1 + math.cos(2 * math.pi * PERIODS * epoch / epochs)) / 2


def masks(net: nn.Module, share: float) -> dict[str, Tensor]:
    """1 for the weights of all convolutions that stay, 0 for the share of them that is smallest, by parameter name."""
    found = {f"{name}.weight": m.weight.detach() for name, m in net.named_modules() if isinstance(m, nn.Conv2d)}
    sizes = torch.cat([w.abs().flatten() for w in found.values()])
    least = sizes.kthvalue(round(share * len(sizes))).values
    return {name: (w.abs() > least).to(w.dtype) for name, w in found.items()}


def clusters(z: Tensor, count: int, seed: int) -> Tensor:
    """Codes (n,) of the k-means clusters of unit features z (n, d)."""
    from sklearn.cluster import KMeans  # its import takes a second, and few trainings need it

    return torch.from_numpy(KMeans(count, n_init=4, random_state=seed).fit_predict(z.numpy())).long()


def look_alikes(z: Tensor, group: Tensor, count: int) -> Tensor:
    """Whether two groups are look-alikes, (count, count): one has the highest cosine with the other's mean of all.

    z: (n, d) unit features; group: (n,) codes below ``count``.
    """
    mean = torch.stack([z[group == k].mean(0) for k in range(count)])
    cosine = F.normalize(mean, dim=1) @ F.normalize(mean, dim=1).mT
    nearest = F.one_hot(cosine.fill_diagonal_(-torch.inf).argmax(1), count).bool()
    return nearest | nearest.mT


def train(s: RemedySettings, data: images.Images, conditions: Conditions) -> tuple[pretrain.Encoder, list[float]]:
    """Train one encoder on the images; it, and the mean loss of every epoch.  Start and draws are those of SimCLR.

    TrainingError: fewer images than a batch, or a loss that is not finite; CheckpointError: see ``checkpoints.load``.
    """
    torch.manual_seed(conditions.seed)
    objective = training.on_device(Remedy(s, data, conditions.seed), conditions.home)
    trained = [p for p in objective.parameters() if p.requires_grad]
    sgd = torch.optim.SGD(trained, 1.0, s.momentum, weight_decay=s.weight_decay, nesterov=s.nesterov)
    history = further.train(objective, sgd, s, data, conditions)
    return objective.encoder, history


def run(unit: RemedyUnit, save_seconds: float = training.SAVE_SECONDS) -> None:
    """Train every member of the unit and write its folder; does nothing where the folder is whole."""
    further.run(unit, save_seconds, train)


main = partial(training.main, run=run, read=RemedyUnit.from_json)

if __name__ == "__main__":
    sys.exit(main())
