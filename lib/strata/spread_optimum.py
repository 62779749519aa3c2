"""The whole optimum of L_spread over unit vectors, from one convex function of one number.

The losses are convex in the matrix of all cosines and do not change when images of a class, classes, or the two views
of an image change places.  By Jensen's inequality an optimum has equal views, one cosine b within classes and one, c,
between them; the loss rises with c, whose least value is c = −(1 + (n − 1) b) / (n (K − 1)).  Vectors in as many
dimensions as there are images attain it.
"""

import torch
from torch import Tensor

from lib.geometry.free_vectors import Objective

HALVINGS = 60


def optimal_within(objective: Objective, classes: int, per_class: float) -> Tensor:
    """The optimal cosine within classes b (S,), in as many dimensions as there are images.

    classes: K, of per_class images each (n > 1; not whole: an average).  Halves in on where the slope changes.
    Where the loss is flat over an interval of b, the lower end is found.  ValueError: K < 2, n ≤ 1.
    """
    if classes < 2 or not per_class > 1:
        raise ValueError(f"classes={classes}, per_class={per_class}: at least 2 classes of more than one image")
    low = torch.full((len(objective),), -1 / (per_class - 1), dtype=torch.float64)
    high = torch.ones_like(low)
    for step in range(HALVINGS):
        b = high if step == 0 else (low + high) / 2
        falls = slope(objective, classes, per_class, b) < 0
        low, high = torch.where(falls, b, low), torch.where(falls, high, b)
    return high


def slope(objective: Objective, classes: int, per_class: float, b: Tensor) -> Tensor:
    """dL/db (S,) at cosines within classes b (S,), the cosine between classes following; from below at a corner."""
    b = b.detach().requires_grad_()
    (found,) = torch.autograd.grad(loss(objective, classes, per_class, b).sum(), b)
    return found


def loss(objective: Objective, classes: int, per_class: float, b: Tensor) -> Tensor:
    """L (S,) of the arrangement with cosine b (S,) within classes and the least one between them."""
    o, own, pair = objective, 1 / objective.temperature, b / objective.temperature
    others = o.views * (per_class - 1)  # positives that are other images, beside the anchor's own other view
    between = -(1 + (per_class - 1) * b) / (per_class * (classes - 1) * o.temperature)
    negative = (o.views * per_class * (classes - 1)).log() + between
    positive = torch.logaddexp(own, others.log() + pair)
    pull = (torch.minimum(own, o.clamp) + others * torch.minimum(pair, o.clamp)) / (1 + others)
    attract = (torch.logaddexp(own, negative) + others * torch.logaddexp(pair, negative)) / (1 + others) - pull
    spread = o.alpha * attract + (1 - o.alpha) * (positive - own)
    return torch.where(o.sup_con, torch.logaddexp(positive, negative) - pull, spread)
