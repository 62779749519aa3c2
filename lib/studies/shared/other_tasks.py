"""What the encoders of alignment and uniformity are asked beside classes of images: bounds, distances, sentences."""

from collections import namedtuple
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from lib.encoders import sentence_stacks, stacks
from lib.encoders.stacks import Recipe, Stack
from lib.geometry import critics
from lib.geometry.critics import CRITICS
from lib.geometry.perceptrons import Training
from lib.images.augment import Policy, view
from lib.images.sets import Images
from lib.text import reviews

VIEWS = 8  # of every training image, from which pairs of the critics are drawn
CRITIC = Training(width=64, features=16, batch=64, learning_rate=0.003)
SHARES = (0.0, 0.1, 0.35, 0.5, 0.65, 0.9, 1.0)  # of uniformity in the loss of encoders of sentences
TAUS = (0.1, 0.2, 0.5, 1.0)  # of the contrastive ones
TEXTS, HELD, FRESH = 1000, 500, 1_000_000  # reviews; the last is added to a seed for those that are held out
# Bound on held-out pairs, linear accuracy, that of the same encoders untrained; arrays (critics, seeds).
Bounds = namedtuple("Bounds", "bound accuracy untrained")
# Accuracy of both labels: of the two measures by SHARES, contrastive by TAUS, untrained; arrays (2, seeds, recipes).
Read = namedtuple("Read", "weighted contrastive untrained")


def depths(x: Tensor) -> Tensor:
    """How far every pixel is from the nearest bright one, in pixels, 0 where it is bright itself, (n, side²).

    x: (n, c, side, side) uint8; bright is above the mean of the image.  The far is background: an analogue of depth.
    """
    grey = x.float().mean(1)
    dark = grey <= grey.mean((1, 2), keepdim=True)
    return torch.from_numpy(np.stack([distance_transform_edt(one) for one in dark.numpy()])).flatten(1)


def filters(stack: Stack, x: Tensor) -> Tensor:
    """What the last filters make of patches (n, P, k), (groups, recipes, n, m): the net without its last two layers."""
    size = stack.layers[-3].shape[-2] - 1
    same = F.pad(torch.eye(size), (0, 0, 0, 1))  # the rectifier of the hidden layer changes nothing: all is positive
    parts = [stacks.outputs([*stack.layers[:-3], same, same, same], part[None]) for part in x.split(256)]
    return torch.cat(parts, 2)


def explained(h: Tensor, target: Tensor, scored: Tensor, truth: Tensor, ridge: float = 1e-3) -> float:
    """Share of the variance of held-out targets that a linear map of features explains, R².

    h: (n, m) features of training images, target: (n, k); scored, truth: of held-out ones.  Features are centred and
    divided by one number, the root of their mean variance; the map has the penalty ridge * ||W||² beside the mean
    square.  Dividing each by its own would blow up those that are nearly always 0.
    """
    centre, spread, base = h.mean(0), h.var(0).mean().sqrt().clamp(min=1e-6), target.mean(0)
    x, s = ((v.double() - centre) / spread for v in (h, scored))
    gram = x.mT @ x / len(x) + ridge * torch.eye(x.shape[1], dtype=torch.float64)
    found = s @ torch.linalg.solve(gram, x.mT @ (target - base) / len(x)) + base
    return float(1 - (truth - found).square().sum() / (truth - base).square().sum())


def bounds(train: Images, held: Images, policy: Policy, seeds: range, steps: int) -> Bounds:
    """Encoders trained by InfoNCE with each of CRITICS, from the same weights and batches."""
    g = torch.Generator().manual_seed(seeds[0])
    centre = (train.x.float() / 255).flatten(1).mean(0)
    views = torch.stack([view(train.x, policy, g).flatten(1) - centre for _ in range(VIEWS)])
    pair = [view(held.x, policy, g).flatten(1) - centre for _ in range(2)]
    plain, scored = (part.x.float().flatten(1) / 255 - centre for part in (train, held))
    found = []
    for kind in CRITICS:
        row = []
        for n in (steps, 0):
            settings = Training(**vars(CRITIC) | {"steps": n})
            nets = critics.train(kind, views, list(seeds), settings)
            z, s = (nets.encoder(x.expand(len(seeds), -1, -1)) for x in (plain, scored))
            centred = (z.mean(1, keepdim=True), z.std(1, keepdim=True).clamp(min=1e-6))
            z, s = ((v - centred[0]) / centred[1] for v in (z, s))
            row += [critics.held(nets, *pair, CRITIC.batch), stacks.linear_accuracy(z, train.y, s, held.y)]
        found.append([row[0], row[1], row[3]])
    return Bounds(*np.array([[part.numpy() for part in row] for row in found]).swapaxes(0, 1))


def sentences(p: SimpleNamespace, seeds: range) -> Read:
    """Encoders of neighbouring sentences of generated reviews, by the two measures and contrastive."""
    train, held = reviews.generate(TEXTS, p.seed), reviews.generate(HELD, FRESH + p.seed)
    recipes = [Recipe(align=1 - w, uniform=w, learning_rate=p.learning_rate) for w in SHARES]
    recipes += [Recipe(contrastive=1, tau=t, learning_rate=p.learning_rate) for t in TAUS]
    known, found = len(reviews.vocabulary()), []
    for steps in (p.sentence_steps, 0):
        nets = sentence_stacks.train(train.words, known, list(seeds), recipes, steps, p.batch_size)
        z, s = (nets.features(part.words.flatten(0, 1)) for part in (train, held))
        for label in ("tone", "advice"):
            y, truth = (getattr(part, label).repeat_interleave(part.words.shape[1]) for part in (train, held))
            found.append(stacks.linear_accuracy(z, y, s, truth).numpy())
    read, start = np.array(found[:2]), np.array(found[2:])
    return Read(read[..., : len(SHARES)], read[..., len(SHARES) :], start[..., 0])
