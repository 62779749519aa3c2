"""Many small recurrent encoders of sentences trained at once, on pairs of neighbouring sentences.

As Quick-Thought (Logeswaran & Lee 2018) has it, the positive of a sentence is the next one of its text; there two
encoders read the two, here it is one.  Recipes, losses and the optimiser are those of ``lib.encoders.stacks``.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from lib import checks
from lib.encoders.stacks import Adam, Recipe, linear, losses
from lib.losses.descent import optimise


@dataclass(frozen=True)
class Sentences:
    """Trained encoders: words (seeds, recipes, V, w), then layers (seeds, recipes, in + 1, out), recurrent and last."""

    layers: list[Tensor]

    @torch.no_grad()
    def features(self, words: Tensor) -> Tensor:
        """Unit features (seeds, recipes, n, d) of sentences, codes (n, length)."""
        return forward(self.layers, words.expand(len(self.layers[0]), *words.shape))


def forward(layers: list[Tensor], words: Tensor) -> Tensor:
    """Unit features (seeds, recipes, n, d) of sentences (seeds, n, length): h <- tanh(word + A h + a), last linear."""
    table, again, last = layers
    seeds, recipes, known, width = table.shape
    at = words[:, None] + known * torch.arange(seeds * recipes).reshape(seeds, recipes, 1, 1)
    seen = F.embedding(at, table.reshape(-1, width))  # (seeds, recipes, n, length, w)
    h = seen.new_zeros(*seen.shape[:3], width)
    for word in seen.unbind(3):
        h = (word + linear(h, again)).tanh()
    return F.normalize(linear(h, last), dim=-1)


def initial(seeds: list[int], recipes: list[Recipe], known: int, width: int) -> list[Tensor]:
    """Normal weights drawn by the seed, the same in each recipe: words of variance 1, then 1 / in; biases 0."""
    found = []
    for seed in seeds:
        g = Generator().manual_seed(seed)
        table = torch.randn(known, width, generator=g)
        layers = [torch.randn(width, out, generator=g) / math.sqrt(width) for out in (width, recipes[0].dim)]
        found.append([table, *(F.pad(layer, (0, 0, 0, 1)) for layer in layers)])
    return [torch.stack(layer)[:, None].repeat(1, len(recipes), 1, 1) for layer in zip(*found, strict=True)]


def train(
    words: Tensor, known: int, seeds: list[int], recipes: list[Recipe], steps: int, batch: int, width: int = 32
) -> Sentences:
    """Train every recipe from every seed for so many steps of Adam, its rate a cosine; 0 steps: the untrained ones.

    words: codes below ``known`` of texts, (n, sentences, length).  A step takes ``batch`` texts, drawn by the seed, and
    of each a sentence and the next.  ValueError: a batch above the number of texts, recipes of several dimensions.
    """
    checks.tensors(words=(words, "n sentences>=2 length", checks.codes(known)))
    if not 2 <= batch <= len(words):
        raise ValueError(f"batch={batch} is expected from 2 to {len(words)}, the number of texts")
    if len({recipe.dim for recipe in recipes}) != 1:
        raise ValueError(f"recipes of {sorted({r.dim for r in recipes})} dimensions: give all of them one")
    layers = [layer.requires_grad_() for layer in initial(seeds, recipes, known, width)]
    none = layers[0].new_zeros(len(seeds), len(recipes), 1, 1)  # no recipe of sentences is supervised

    def each() -> Iterator[Tensor]:
        drawing = [Generator().manual_seed(seed) for seed in seeds]
        for _ in range(steps):
            pairs = [_pairs(words, batch, g) for g in drawing]
            z1, z2 = forward(layers, torch.stack(pairs)).split(batch, 2)
            yield losses(recipes, z1, z2, none, none)

    rate = torch.tensor([r.learning_rate for r in recipes])[:, None, None]
    for _ in optimise(Adam(layers, rate, steps), each()):
        pass
    return Sentences([layer.detach() for layer in layers])


def _pairs(words: Tensor, batch: int, generator: Generator) -> Tensor:
    """Sentences of drawn texts, then the next sentence of each, (2 batch, length)."""
    text = torch.randperm(len(words), generator=generator)[:batch]
    place = torch.randint(words.shape[1] - 1, (batch,), generator=generator)
    return torch.cat([words[text, place], words[text, place + 1]])
