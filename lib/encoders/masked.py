"""Train masked autoencoders: ``python -m lib.encoders.masked UNITS.json``, one unit or several in a process."""

import sys
from dataclasses import dataclass
from functools import partial

import torch
from torch import Generator, Tensor, nn

from lib import images, losses
from lib.encoders import further, training
from lib.encoders.further_settings import MaskedSettings, MaskedUnit
from lib.encoders.training import Conditions, embed
from lib.images import augment


@dataclass(frozen=True)
class Sizes:
    """Patch side in pixels, and of the encoder: width, blocks, heads."""

    patch: int
    width: int
    blocks: int
    heads: int


NETS = {"mae_small": Sizes(2, 32, 2, 4), "mae": Sizes(4, 128, 4, 4)}
BETAS = (0.9, 0.95)  # of AdamW, as He et al.


class Autoencoder(nn.Module):
    """Images (n, c, side, side) in [0, 1] through the encoder of He et al. (2022), and its decoder.

    The encoder is shown some patches alone; the decoder, one block of half the width, sees what the encoder made of
    them and one learned token in place of each other patch.  Places are added to both as sines and cosines.  There is
    no class token: the feature of an image is the mean over its patches, none hidden, each coordinate standardised over
    the training images.  He et al. do so before their linear classifier, by a BatchNorm without scale and shift.
    ValueError: a side that the patch does not divide.
    """

    def __init__(self, channels: int, side: int, sizes: Sizes):
        super().__init__()
        if side % sizes.patch:
            raise ValueError(f"images of side {side} are not cut evenly by patches of side {sizes.patch}")
        self.patch, pixels, narrow = sizes.patch, channels * sizes.patch**2, sizes.width // 2
        self.embedding = nn.Linear(pixels, sizes.width)
        self.encoder = nn.Sequential(*(_block(sizes.width, sizes.heads) for _ in range(sizes.blocks)))
        self.norm = nn.LayerNorm(sizes.width)
        self.token = nn.Parameter(torch.randn(1, 1, narrow) * 0.02)
        self.narrow = nn.Linear(sizes.width, narrow)
        self.decoder = nn.Sequential(_block(narrow, sizes.heads), nn.LayerNorm(narrow), nn.Linear(narrow, pixels))
        self.register_buffer("mean", torch.zeros(sizes.width))
        self.register_buffer("std", torch.ones(sizes.width))
        self.register_buffer("place", places(side // sizes.patch, sizes.width), persistent=False)
        self.register_buffer("narrow_place", places(side // sizes.patch, narrow), persistent=False)

    def patches(self, x: Tensor) -> Tensor:
        """(n, c, side, side) to its T patches (n, T, c p p)."""
        return nn.functional.unfold(x, self.patch, stride=self.patch).mT

    def encode(self, patches: Tensor, shown: Tensor) -> Tensor:
        """What the encoder makes, (n, S, width), of the patches (n, T, k) at the positions ``shown`` (n, S)."""
        h = self.embedding(patches) + self.place
        return self.norm(self.encoder(_at(h, shown)))

    def decode(self, h: Tensor, shown: Tensor) -> Tensor:
        """The pixels of all patches, (n, T, k), from ``encode(…, shown)``, (n, S, width)."""
        h = self.narrow(h)
        tokens = self.token.to(h.dtype).expand(len(h), len(self.narrow_place), -1)
        tokens = tokens.scatter(1, shown[:, :, None].expand_as(h), h)
        return self.decoder(tokens + self.narrow_place)

    def features(self, x: Tensor) -> Tensor:
        """(n, c, side, side) to (n, width)."""
        patches = self.patches(x)
        every = torch.arange(patches.shape[1], device=x.device).expand(len(x), -1)
        return (self.encode(patches, every).mean(1) - self.mean) / self.std

    def standardise(self, z: Tensor) -> None:
        """Standardise what ``features`` returns, so far z (n, width) of the training images."""
        self.mean.copy_(z.mean(0))
        self.std.copy_(z.std(0).clamp(min=1e-6))


class Masked(nn.Module):
    """The objective: a view of each image is made, a share of its patches hidden, and their pixels predicted."""

    def __init__(self, settings: MaskedSettings, channels: int, side: int):
        super().__init__()
        self.settings = settings
        self.net = Autoencoder(channels, side, NETS[settings.net])

    def forward(self, x: Tensor, batch: Tensor, draws: Generator) -> Tensor:
        s, net = self.settings, self.net
        patches = net.patches(augment.view(x, augment.POLICIES[s.augment], draws))  # (n, T, k)
        order = torch.rand(patches.shape[:2], generator=draws, device=x.device).argsort(1)
        hidden, shown = order.tensor_split([round(s.hidden * patches.shape[1])], 1)
        return losses.masked_pixels(net.decode(net.encode(patches, shown), shown).float(), patches, hidden)

    def begin(self, epoch: int) -> None:
        """Nothing changes from epoch to epoch."""


def train(s: MaskedSettings, data: images.Images, conditions: Conditions) -> tuple[Autoencoder, list[float]]:
    """Train one autoencoder on the images; it, and the mean loss of every epoch.

    TrainingError: fewer images than a batch, or a loss that is not finite; CheckpointError: see ``checkpoints.load``.
    """
    torch.manual_seed(conditions.seed)
    objective = training.on_device(Masked(s, *data.x.shape[1:3]), conditions.home)
    adam = torch.optim.AdamW(objective.parameters(), 1.0, BETAS, weight_decay=s.weight_decay, fused=True)
    history = further.train(objective, adam, s, data, conditions) if s.method == "mae" else []
    objective.net.standardise(embed(objective.net, data.x))
    return objective.net, history


def places(side: int, width: int) -> Tensor:
    """Sines and cosines of row and column of side x side patches, at width / 4 frequencies: (side², width)."""
    rate = 10_000.0 ** -(torch.arange(width // 4) / (width // 4))
    angle = torch.arange(side)[:, None] * rate  # (side, width / 4)
    one = torch.cat([angle.sin(), angle.cos()], 1)  # (side, width / 2)
    rows, columns = one[:, None].expand(-1, side, -1), one[None].expand(side, -1, -1)
    return torch.cat([rows, columns], 2).flatten(0, 1)


def _block(width: int, heads: int) -> nn.Module:
    options = {"dropout": 0.0, "activation": "gelu", "batch_first": True, "norm_first": True}
    return nn.TransformerEncoderLayer(width, heads, 4 * width, **options)


def _at(h: Tensor, positions: Tensor) -> Tensor:
    """Rows (n, S, d) of h (n, T, d) at the positions (n, S)."""
    return h.gather(1, positions[:, :, None].expand(-1, -1, h.shape[2]))


def run(unit: MaskedUnit, save_seconds: float = training.SAVE_SECONDS) -> None:
    """Train every member of the unit and write its folder; does nothing where the folder is whole."""
    further.run(unit, save_seconds, train)


main = partial(training.main, run=run, read=MaskedUnit.from_json)

if __name__ == "__main__":
    sys.exit(main())
