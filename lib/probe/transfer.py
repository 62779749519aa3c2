"""Coarse-to-fine transfer: what a linear layer can read of the strata from an encoder that saw coarse labels alone.

The protocol of Details Matter (2022): the encoder is frozen, and a new linear layer learns the fine labels from
augmented training images.  Layers of many encoders are trained side by side; each is what it would be alone.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from lib.encoders import coarse, training
from lib.encoders.coarse_settings import CoarseUnit
from lib.images import augment, coarse_labels
from lib.losses.descent import optimise


@dataclass(frozen=True)
class Protocol:
    """How the linear layer is trained; the defaults are the paper's.

    epochs, batch_size, learning_rate, weight_decay: AdamW; the rate falls by a cosine whose period is 2 x epochs.
    views: augmented copies of the training images, taken in turn by the epochs; 0: a new one in every epoch, as in the
    paper.  A few copies need few passes through the encoder.
    validation: keep the layer of the epoch with the best accuracy on the images that are held out, else the last.
    ValueError: a number out of range.
    """

    epochs: int = 100
    batch_size: int = 128
    learning_rate: float = 0.001
    weight_decay: float = 0.01
    views: int = 0
    validation: bool = True
    seed: int = 0

    def __post_init__(self):
        for name, least in (("epochs", 1), ("batch_size", 1), ("views", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)} is out of range; it must be {least} or more")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate={self.learning_rate} must be above 0")


@dataclass(frozen=True)
class Layers:
    """Linear layers side by side: weight (E, K, d), bias (E, K), and the epoch (E,), from 1, that each is of."""

    weight: Tensor
    bias: Tensor
    epoch: Tensor

    def predict(self, z: Tensor) -> Tensor:
        """Features (E, n, d) to the codes (E, n) with the largest logit."""
        return _logits(z, self.weight, self.bias).argmax(2)


@dataclass(frozen=True)
class Transfer:
    """What the layers say of the test images: codes (E, n), the strata y (n,), and the layers."""

    codes: Tensor
    y: Tensor
    layers: Layers

    @property
    def accuracy(self) -> Tensor:
        """(E,) share of the test images whose stratum is named."""
        return (self.codes == self.y).double().mean(1)

    @property
    def by_stratum(self) -> Tensor:
        """(E, K) the same among the test images of each stratum."""
        hit, y = (self.codes == self.y).double(), F.one_hot(self.y).double()
        return hit @ y / y.sum(0)


def coarse_to_fine(units: Sequence[CoarseUnit], protocol: Protocol = Protocol()) -> Transfer:
    """Linear layers on the strata for trained units of one data set and one net.

    Layers train on the images that the encoders trained on and choose their epoch on those held out.  Augmentation is
    the units' own.  ValueError: no units, or units of several data sets or nets.
    """
    if not units:
        raise ValueError("units is empty; give at least one trained unit")
    s = units[0].settings
    for name in ("data", "net", "augment", "images_per_stratum", "validation", "resample"):
        if len(found := {getattr(unit.settings, name) for unit in units}) > 1:
            raise ValueError(f"units of several {name} ({', '.join(sorted(map(str, found)))}); transfer each alone")
    data = {split: coarse_labels.load(s, split) for split in ("train", "test")}
    place = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoders = [coarse.read(unit, data["train"]).to(place) for unit in units]
    back = data["train"].held_out
    seen, kept_back = data["train"].take(~back), data["train"].take(back)
    count = protocol.views or protocol.epochs

    @lru_cache(maxsize=count if count < protocol.epochs else 1)
    def view(number: int) -> Tensor:
        return augmented(encoders, seen.x, s.augment, protocol.seed, number)

    held_out = (_plain(encoders, kept_back.x), kept_back.stratum) if protocol.validation and len(kept_back) else None
    layers = fit_layers(lambda epoch: view(epoch % count), seen.stratum, len(seen.names), protocol, held_out)
    return Transfer(layers.predict(_plain(encoders, data["test"].x)), data["test"].stratum, layers)


@torch.no_grad()
def augmented(
    encoders: Sequence[coarse.CoarseEncoder], x: Tensor, policy: str, seed: int, number: int, batch: int = 512
) -> Tensor:
    """Features (E, n, d) of one augmented copy of uint8 images x; every encoder sees the same copy.

    The draws depend on seed and number alone.  Frozen: evaluation mode.
    """
    place = next(encoders[0].parameters()).device
    draws = Generator(place).manual_seed(training.generators(seed, number, 0, place)[1].initial_seed())
    found = []
    for part in x.split(batch):
        seen = augment.view(part.to(place), coarse.POLICIES[policy], draws)
        found.append(torch.stack([encoder.eval().features(seen) for encoder in encoders]))
    return torch.cat(found, 1)


def fit_layers(
    view: Callable[[int], Tensor],
    y: Tensor,
    classes: int,
    protocol: Protocol = Protocol(),
    held_out: tuple[Tensor, Tensor] | None = None,
) -> Layers:
    """Train E linear layers on features.

    view: the training features (E, n, d) of epoch 0, 1, …; y: (n,) codes below ``classes``.
    held_out: features (E, m, d) and codes (m,) that choose each layer's epoch, the first of equals; None: the last.
    Batches are the same for all layers, the last one short.  Every layer starts at the same weights, uniform in
    ±1/√d, as torch's.  ValueError: codes out of range, or as many features as there are not codes.
    """
    z, p = view(0), protocol
    if z.shape[1] != len(y) or len(y) == 0:
        raise ValueError(f"{z.shape[1]} training features and {len(y)} codes; they must be as many, at least one")
    if int(y.min()) < 0 or int(y.max()) >= classes:
        raise ValueError(f"codes from {int(y.min())} to {int(y.max())} are out of range; there are {classes} classes")
    y, start = y.to(z.device), 1 / math.sqrt(z.shape[2])
    draws = torch.Generator().manual_seed(p.seed)
    weight = torch.empty(classes, z.shape[2]).uniform_(-start, start, generator=draws)
    bias = torch.empty(classes).uniform_(-start, start, generator=draws)
    weight, bias = (t.to(z).repeat(len(z), *[1] * t.ndim).requires_grad_() for t in (weight, bias))
    adam = torch.optim.AdamW([weight, bias], p.learning_rate, weight_decay=p.weight_decay)
    best, kept = torch.full((len(z),), -1.0), Layers(weight.detach(), bias.detach(), torch.zeros(len(z)).long())
    for epoch in range(p.epochs):
        z = view(epoch)
        adam.param_groups[0]["lr"] = p.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / p.epochs))
        batches = torch.randperm(len(y), generator=draws).to(z.device).split(p.batch_size)
        list(optimise(adam, (_loss(z[:, batch], y[batch], weight, bias) for batch in batches)))
        now = Layers(weight.detach().clone(), bias.detach().clone(), torch.full((len(z),), epoch + 1))
        score = torch.full_like(best, float(epoch)) if held_out is None else _score(now, *held_out)
        kept, best = _better(kept, now, score > best), torch.maximum(best, score)
    return kept


def _logits(z: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.baddbmm(bias[:, None], z, weight.mT)


def _loss(z: Tensor, y: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Cross-entropy of a batch, its sum over the layers; z: (E, b, d), y: (b,)."""
    return F.cross_entropy(_logits(z, weight, bias).flatten(0, 1), y.repeat(len(z))) * len(z)


def _score(layers: Layers, z: Tensor, y: Tensor) -> Tensor:
    return (layers.predict(z) == y.to(z.device)).float().mean(1).cpu()


def _better(kept: Layers, now: Layers, hit: Tensor) -> Layers:
    """Of each layer the one of now where hit (E,), else the one kept."""
    on = hit.to(now.weight.device)
    weight = torch.where(on[:, None, None], now.weight, kept.weight)
    return Layers(weight, torch.where(on[:, None], now.bias, kept.bias), torch.where(hit, now.epoch, kept.epoch))


def _plain(encoders: Sequence[coarse.CoarseEncoder], x: Tensor) -> Tensor:
    """Features (E, n, d) without augmentation, on the encoders' device."""
    place = next(encoders[0].parameters()).device
    return torch.stack([training.embed(encoder, x) for encoder in encoders]).to(place)
