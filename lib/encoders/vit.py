"""The vision transformer of the released code of Chen et al. (2022)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Sizes:
    """Patch side in pixels, width, blocks, heads, hidden width of the perceptrons; dropout rates.

    embedding_dropout: after the patches' embedding; dropout: inside the blocks; head_dropout: of whole heads' attention
    logits; path_dropout: of a whole residual branch, rising linearly from 0 to this over the blocks.
    """

    patch: int = 4
    width: int = 256
    blocks: int = 7
    heads: int = 8
    hidden: int = 512
    embedding_dropout: float = 0.1
    dropout: float = 0.05
    head_dropout: float = 0.1
    path_dropout: float = 0.05


PAPER = Sizes()
SMALL = Sizes(patch=2, width=64, blocks=2, heads=4, hidden=128)  # for 8x8 digits


class VisionTransformer(nn.Module):
    """Images (n, channels, side, side) to the class token after the last LayerNorm, (n, width).

    Patches are cut without overlap and go through a linear map and a LayerNorm; a learned class token is put before
    them and learned positions are added.  ValueError: a side that the patch does not divide.
    """

    def __init__(self, channels: int, side: int, sizes: Sizes = PAPER):
        super().__init__()
        s = sizes
        if side % s.patch:
            raise ValueError(f"images of side {side} are not cut evenly by patches of side {s.patch}")
        self.patch = s.patch
        self.embedding = nn.Sequential(
            nn.Linear(channels * s.patch**2, s.width), nn.LayerNorm(s.width), nn.Dropout(s.embedding_dropout)
        )
        self.token = nn.Parameter(torch.randn(1, 1, s.width) * 0.02)
        self.position = nn.Parameter(torch.randn(1, 1 + (side // s.patch) ** 2, s.width) * 0.02)
        rates = torch.linspace(0, s.path_dropout, s.blocks).tolist()
        self.blocks = nn.Sequential(*(Block(s, rate) for rate in rates))
        self.norm = nn.LayerNorm(s.width)

    def forward(self, x: Tensor) -> Tensor:
        patches = nn.functional.unfold(x, self.patch, stride=self.patch).mT  # (n, patches, c p p)
        h = torch.cat([self.token.expand(len(x), -1, -1), self.embedding(patches)], 1) + self.position
        return self.norm(self.blocks(h)[:, 0])


class Block(nn.Module):
    """h + attention(norm(h)), then h + perceptron(norm(h)); (n, t, width) to the same."""

    def __init__(self, s: Sizes, path_dropout: float):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(s.width), nn.LayerNorm(s.width)
        self.attention = Attention(s.width, s.heads, s.head_dropout)
        self.perceptron = nn.Sequential(
            nn.Linear(s.width, s.hidden), nn.GELU(), nn.Dropout(s.dropout), nn.Linear(s.hidden, s.width)
        )
        self.dropout, self.path = nn.Dropout(s.dropout), PathDropout(path_dropout)

    def forward(self, h: Tensor) -> Tensor:
        h = h + self.path(self.dropout(self.attention(self.norm1(h))))
        return h + self.path(self.dropout(self.perceptron(self.norm2(h))))


class Attention(nn.Module):
    """Attention of several heads without an output projection: their results are only put side by side.

    In training the logits of a whole head are set to 0 at the given rate, the others divided by 1 minus it
    (Dropout2d on (n, heads, t, t)): such a head attends to all tokens alike.
    """

    def __init__(self, width: int, heads: int, head_dropout: float):
        super().__init__()
        self.heads, self.head_dropout = heads, nn.Dropout2d(head_dropout)
        self.qkv = nn.Linear(width, 3 * width)

    def forward(self, h: Tensor) -> Tensor:
        q, k, v = (
            self.qkv(h).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        )  # each (n, heads, t, width / heads)
        logits = self.head_dropout(q @ k.mT / q.shape[-1] ** 0.5)
        return (logits.softmax(-1) @ v).transpose(1, 2).flatten(2)


class PathDropout(nn.Module):
    """Stochastic depth: in training a branch is left out for an image at the given rate, else divided by 1 minus it."""

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.rate:
            return x
        kept = torch.rand(len(x), 1, 1, device=x.device) >= self.rate
        return x * kept / (1 - self.rate)
