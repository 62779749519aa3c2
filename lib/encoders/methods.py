"""What each training method adds to an encoder: its loss, and what the loss remembers of every image."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib import losses
from lib.encoders.settings import Settings

CLAMP = 1e-7  # the public code's lower bound of a cosine
MEMORY = 0.97  # share of the old loss that BCL's memory keeps
PROXY_SHARE = 1 / 3  # of the epochs is trained without weights before the clusters are found
DENSE_VIEWS, BLOCK = 512, 512  # NT-Xent over more views than the first is computed in blocks of the second


class MethodLoss(nn.Module):
    """The loss of a method over a batch, gathered over all processes; its buffers are part of a checkpoint.

    simclr: ``losses.nt_xent``.  bcl: the same, and each image's loss is remembered to strengthen its augmentation
    (Zhou et al. 2022; ``boost``).  simsiam, vicreg, barlow_twins: the losses of these names, none with negatives.
    supervised: cross-entropy of the classes, both views.
    Weightings of NT-Xent, mean 1: "groups" by the inverse size of an image's class, on anchors and negatives; "anchors"
    the same on anchors alone; "clusters" on both, by the inverse size of its k-means cluster, one for each class, of
    the features after a third of the epochs: no label is used.
    """

    def __init__(self, settings: Settings, y: Tensor, num_classes: int, seed: int):
        super().__init__()
        self.settings, self.num_classes, self.seed = settings, num_classes, seed
        self.register_buffer("y", y, persistent=False)  # (n,)
        if settings.weighting in ("groups", "anchors"):
            self.register_buffer("weight", group_weights(y))
        elif settings.weighting == "clusters":
            self.register_buffer("weight", torch.ones(len(y)))
        if settings.method == "bcl":
            self.register_buffer("memory", torch.full((len(y),), torch.nan))
            self.register_buffer("boost", torch.zeros(len(y)))

    def forward(self, z: Tensor, p: Tensor, batch: Tensor) -> Tensor:
        """z, p: (2N, out) projections and, for SimSiam, predictions of two views of the images ``batch`` (N,)."""
        s = self.settings
        if s.method == "supervised":
            return F.cross_entropy(z, self.y[batch].repeat(2))
        z1, z2 = (losses.gather(view) for view in z.chunk(2))
        if s.method == "simsiam":
            p1, p2 = (losses.gather(view) for view in p.chunk(2))
            return losses.simsiam(p1, z1, p2, z2)
        if s.method == "vicreg":
            return losses.vicreg(z1, z2)
        if s.method == "barlow_twins":
            return losses.barlow_twins(z1, z2)
        return self._nt_xent(z1, z2, losses.gather(batch))

    def strength(self, batch: Tensor) -> Tensor | None:
        """How strongly each image (N,) of the batch is augmented beyond the policy, in [0, 1]; None but for BCL."""
        return self.boost[batch] if self.settings.method == "bcl" else None

    def end_epoch(self, epoch: int, features: Callable[[], Tensor]) -> None:
        """After epoch 0, 1, …: BCL's strengths, or the clusters from ``features()``, (n, d) of all training images.

        BCL: with u the standardised memory, the strength is 1/2 + u / (2 max |u|); 0 for an image not seen yet.
        """
        if self.settings.method == "bcl":
            seen = ~self.memory.isnan()
            u = self.memory - self.memory[seen].mean()  # the standard deviation cancels
            self.boost.copy_(torch.where(seen, 0.5 + u / (2 * u[seen].abs().max().clamp(min=1e-12)), 0.0))
        if self.settings.weighting == "clusters" and epoch + 1 == round(self.settings.epochs * PROXY_SHARE):
            from sklearn.cluster import KMeans  # its import takes a second, and few trainings need it

            z = F.normalize(features(), dim=1).cpu().numpy()
            found = KMeans(self.num_classes, n_init=4, random_state=self.seed).fit_predict(z)
            self.weight.copy_(group_weights(torch.from_numpy(found)))

    def _nt_xent(self, z1: Tensor, z2: Tensor, batch: Tensor) -> Tensor:
        s = self.settings
        weight = None if s.weighting in ("none", "oversample") else self.weight[batch]
        bound, block = CLAMP if s.clamp else None, BLOCK if 2 * len(z1) > DENSE_VIEWS else None
        options = {"weights": weight, "anchors_only": s.weighting == "anchors", "block": block}
        if s.method == "simclr":
            return losses.nt_xent(z1, z2, s.temperature, bound, **options)
        loss, each = losses.nt_xent(z1, z2, s.temperature, bound, **options, each=True)
        old = self.memory[batch]
        self.memory[batch] = torch.where(old.isnan(), each, MEMORY * old + (1 - MEMORY) * each)
        return loss


def group_weights(codes: Tensor) -> Tensor:
    """Weights (n,) by the inverse size of each image's group, mean 1: n / (G n_g) with G groups.  codes: (n,)."""
    groups, inverse, sizes = codes.unique(return_inverse=True, return_counts=True)
    return len(codes) / (len(groups) * sizes[inverse].float())
