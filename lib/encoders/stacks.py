"""Many small encoders trained at once: every step is a handful of matrix products over groups and recipes.

A group is a seed and the images it trains on; a recipe is a loss and its learning rate.  Every recipe is trained in
every group.  The encoders of a group start from the same weights and see the same views in the same order.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from lib.images.augment import Policy, view
from lib.images.sets import Images
from lib.losses import alignment, nt_xent, uniformity
from lib.losses.descent import optimise

BETAS, EPSILON = (0.9, 0.999), 1e-8  # of Adam
CORNER = 4  # patches that are left when the filters end


@dataclass(frozen=True)
class Recipe:
    """A loss: align * alignment(alpha) + uniform * mean of the two views' uniformity(t) + contrastive * NT-Xent(tau)
    + supervised * cross-entropy of a linear layer on the unit feature; learning_rate: of Adam, a cosine down to 0; dim:
    coordinates of the feature.
    """

    align: float = 0.0
    uniform: float = 0.0
    contrastive: float = 0.0
    supervised: float = 0.0
    alpha: float = 2.0
    t: float = 2.0
    tau: float = 0.5
    learning_rate: float = 0.01
    dim: int = 16

    def __post_init__(self) -> None:
        for name in ("alpha", "t", "tau", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}={getattr(self, name)} must be above 0; leave it out for the default")
        if self.tau < 0.02 or self.t > 20:  # beyond, exponentials leave single precision
            raise ValueError(f"tau={self.tau}, t={self.t}: tau of 0.02 or more and t of 20 or less are expected")
        if self.dim < 2:
            raise ValueError(f"dim={self.dim}: a feature needs at least 2 coordinates")
        weights = [getattr(self, name) for name in ("align", "uniform", "contrastive", "supervised")]
        if min(weights) < 0 or max(weights) == 0:
            raise ValueError(f"weights {weights} of the losses must be 0 or more, and one of them above 0")


@dataclass(frozen=True)
class Group:
    """A seed, of weights, views and batches, and the positions (m,) of the images that are trained on."""

    seed: int
    kept: Tensor


@dataclass(frozen=True)
class Stack:
    """Trained encoders: layers (groups, recipes, in + 1, out), and the loss at every step (steps, groups, recipes)."""

    layers: list[Tensor]
    losses: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of groups and of recipes."""
        return tuple(self.layers[0].shape[:2])

    def features(self, x: Tensor) -> Tensor:
        """Unit features (groups, recipes, n, d) of images as patches (n, P, k); ``patches`` makes them."""
        with torch.no_grad():
            return torch.cat([forward(self.layers, part[None]) for part in x.to(self.layers[0]).split(1024)], 2)


def patches(x: Tensor) -> Tensor:
    """Float images (..., c, s, s) as patches (..., P, k), cut so that each four in a row make a square, and so on.

    P is 4^j, with j the largest number for which a patch has a side of at least 2.  ValueError: 2^j does not divide s.
    """
    *lead, c, side, width = x.shape
    levels = int(math.log2(side)) - 1 if side == width and side > 3 else 0
    if levels < 1 or side % 2**levels:
        raise ValueError(f"images of {side} x {width} pixels; squares with a side of 4, 8, 16, 32, ... are expected")
    n, p = len(lead), side // 2**levels
    x = x.reshape(*lead, c, *[2] * levels, p, *[2] * levels, p)
    rows, columns = range(n + 1, n + 1 + levels), range(n + 2 + levels, n + 2 + 2 * levels)
    order = [i for pair in zip(rows, columns, strict=True) for i in pair]
    x = x.permute(*range(n), *order, n, n + 1 + levels, n + 2 + 2 * levels)
    return x.reshape(*lead, 4**levels, c * p * p)


def initial(seeds: list[int], size: tuple[int, int], width: int, hidden: int, recipes: list[Recipe], classes: int):
    """Layers (groups, recipes, in + 1, out), the bias in the last row, drawn by the seed, the same in each recipe.

    size: patches an image and numbers a patch.  Weights are normal with variance 2 / in, the last two layers 1 / in.
    """
    count, fan = size
    shapes = []
    while True:
        shapes.append((fan, width))
        if count <= CORNER:
            break
        count, fan, width = count // 4, 4 * width, 2 * width
    shapes += [(count * width, hidden), (hidden, max(r.dim for r in recipes)), (max(r.dim for r in recipes), classes)]
    groups = []
    for seed in seeds:
        g = Generator().manual_seed(seed)
        gains = [2.0] * (len(shapes) - 2) + [1.0, 1.0]
        weights = [
            torch.randn(a, b, generator=g) * (gain / a) ** 0.5 for (a, b), gain in zip(shapes, gains, strict=True)
        ]
        groups.append([F.pad(w, (0, 0, 0, 1)) for w in weights])
    return [torch.stack(layer)[:, None].repeat(1, len(recipes), 1, 1) for layer in zip(*groups, strict=True)]


def forward(layers: list[Tensor], x: Tensor, mask: Tensor | None = None) -> Tensor:
    """Unit features (groups, recipes, n, d) of patches (groups or 1, n, P, k): ``outputs``, divided by their length.

    mask: (recipes, d), 0 where a recipe's features have no coordinate.
    """
    h = outputs(layers, x)
    return F.normalize(h if mask is None else h * mask[:, None], dim=-1)


def outputs(layers: list[Tensor], x: Tensor) -> Tensor:
    """What all layers but the classifier make of patches (groups or 1, n, P, k): (groups, recipes, n, d).

    The filters do not overlap: a product over each patch, ReLU, four neighbours joined, and so on; then a hidden layer.
    """
    first, *middle, hidden, last = layers[:-1]
    h = torch.einsum("snpk,sekw->senpw", x.expand(len(first), -1, -1, -1), first[..., :-1, :])
    h = (h + first[:, :, None, -1:]).relu()  # (s, e, n, P, w)
    for layer in middle:
        h = linear(h.unflatten(3, (-1, 4)).flatten(4).flatten(2, 3), layer).relu().unflatten(2, (x.shape[1], -1))
    return linear(linear(h.flatten(3), hidden).relu(), last)


def linear(h: Tensor, layer: Tensor) -> Tensor:
    """h (..., n, in) times the weights and plus the bias of a layer (..., in + 1, out), the bias in its last row."""
    return h @ layer[..., :-1, :] + layer[..., -1:, :]


def losses(recipes: list[Recipe], z1: Tensor, z2: Tensor, y: Tensor, classifier: Tensor) -> Tensor:
    """The recipes' losses (groups, recipes) on two views' features (groups, recipes, n, d) with labels (groups, n)."""
    total = z1.new_zeros(z1.shape[:2])
    terms = {"align": _align, "uniform": _uniform, "contrastive": _contrastive, "supervised": _supervised}
    for name, term in terms.items():
        used = [i for i, r in enumerate(recipes) if getattr(r, name)]
        if used:
            r = {f.name: z1.new_tensor([getattr(recipes[i], f.name) for i in used]) for f in fields(Recipe)}
            value = term(r, z1[:, used], z2[:, used], y, classifier[:, used])
            total = total.index_add(1, torch.tensor(used), r[name] * value)
    return total


def _align(r, z1, z2, y, classifier) -> Tensor:
    return alignment(z1, z2, r["alpha"])


def _uniform(r, z1, z2, y, classifier) -> Tensor:
    return (uniformity(z1, r["t"], block=z1.shape[-2]) + uniformity(z2, r["t"], block=z1.shape[-2])) / 2


def _contrastive(r, z1, z2, y, classifier) -> Tensor:
    return nt_xent(z1, z2, r["tau"], block=2 * z1.shape[-2])


def _supervised(r, z1, z2, y, classifier) -> Tensor:
    logits = linear(torch.cat([z1, z2], -2), classifier)  # (s, e, 2n, K)
    right = torch.cat([y, y], 1)[:, None, :, None].expand(*logits.shape[:3], 1)
    return -logits.log_softmax(-1).gather(-1, right).mean((-2, -1))


def train(
    data: Images,
    groups: list[Group],
    recipes: list[Recipe],
    steps: int,
    batch: int,
    policy: Policy,
    width: int = 16,
    hidden: int = 64,
    dtype: torch.dtype = torch.float32,
) -> Stack:
    """Train every recipe in every group for so many steps of Adam.

    A step takes ``batch`` images of a group, each in two views.  Views of all images are drawn anew each time that a
    whole data set has gone by.  steps = 0 gives the untrained encoders.  ValueError: a batch above a group's images.
    """
    short = min(len(g.kept) for g in groups)
    if not 2 <= batch <= short:
        raise ValueError(f"batch={batch} is expected from 2 to {short}, the images of the smallest group")
    seeds, size = [g.seed for g in groups], patches(data.x[:1].float()).shape[1:]
    layers = initial(seeds, size, width, hidden, recipes, len(data.classes))
    layers = [layer.to(dtype).requires_grad_() for layer in layers]
    mask = (torch.arange(layers[-2].shape[-1]) < torch.tensor([[r.dim] for r in recipes])).to(dtype)

    def views(generator: Generator) -> list[Tensor]:
        return [patches(view(data.x, policy, generator)).to(dtype) for _ in range(2)]

    def each() -> Iterator[Tensor]:
        for x, taken in stack_batches(seeds, [g.kept for g in groups], batch, steps, len(data), views):
            z1, z2 = forward(layers, x, mask).split(batch, 2)
            yield losses(recipes, z1, z2, data.y[taken], layers[-1])

    rate = torch.tensor([r.learning_rate for r in recipes], dtype=dtype)[:, None, None]
    history = list(optimise(Adam(layers, rate, steps), each()))
    layers = [layer.detach() for layer in layers]
    layers[-2] = layers[-2] * mask[:, None]  # coordinates that a recipe does not have stay 0
    return Stack(layers, torch.stack(history) if history else torch.empty(0, len(groups), len(recipes)))


def stack_batches(
    seeds: list[int],
    rows: list[Tensor],
    batch: int,
    steps: int,
    images: int,
    views: Callable[[Generator], list[Tensor]],
) -> Iterator[tuple[Tensor, Tensor]]:
    """What nets side by side see in each step: patches (E, V batch, P, k), view after view, and positions (E, batch).

    seeds, rows: a net's seed, and the positions that it trains on, in an order drawn by the seed; a rest that is too
    short is left out.  views: draws V views of all ``images`` images, anew each time that so many have gone by; nets of
    one seed share them.
    """
    drawing = {seed: Generator().manual_seed(seed) for seed in seeds}
    shuffling = [Generator().manual_seed(seed) for seed in seeds]
    queues = [torch.empty(0, dtype=torch.long) for _ in seeds]
    for step in range(steps):
        if step % (images // batch) == 0:
            made = {seed: views(generator) for seed, generator in drawing.items()}
        for i, own in enumerate(rows):
            if len(queues[i]) < batch:
                queues[i] = own[torch.randperm(len(own), generator=shuffling[i])]
        taken, queues = [q[:batch] for q in queues], [q[batch:] for q in queues]
        x = [torch.cat([v[some] for v in made[seed]]) for seed, some in zip(seeds, taken, strict=True)]
        yield torch.stack(x), torch.stack(taken)


class Adam:
    """Adam with a rate for each recipe (recipes, 1, 1), a cosine down to 0."""

    def __init__(self, layers: list[Tensor], rate: Tensor, steps: int) -> None:
        self.layers, self.rate, self.steps, self.done = layers, rate, steps, 0
        self.moments = [(torch.zeros_like(layer), torch.zeros_like(layer)) for layer in layers]

    def zero_grad(self, set_to_none: bool = True) -> None:
        for layer in self.layers:
            layer.grad = None

    @torch.no_grad()
    def step(self) -> None:
        rate = self.rate * (1 + math.cos(math.pi * self.done / self.steps)) / 2
        self.done += 1
        for layer, (first, second) in zip(self.layers, self.moments, strict=True):
            if layer.grad is not None:
                first.lerp_(layer.grad, 1 - BETAS[0])
                second.mul_(BETAS[1]).addcmul_(layer.grad, layer.grad, value=1 - BETAS[1])
                spread = (second / (1 - BETAS[1] ** self.done)).sqrt_().add_(EPSILON)
                layer -= rate * first / (1 - BETAS[0] ** self.done) / spread


def linear_accuracy(z: Tensor, y: Tensor, scored: Tensor, truth: Tensor, ridge: float = 1e-3) -> Tensor:
    """Share of held-out images (m,) that a linear least-squares classifier on features calls right, (...).

    z: (..., n, d) features of training images with labels y (n,); scored: (..., m, d), truth: (m,).  The classifier
    regresses one-hot labels on the centred features with the penalty ridge * ||W||^2 beside the mean square.
    """
    z, scored, target = z.double(), scored.double(), F.one_hot(y).double()
    centre, base = z.mean(-2, keepdim=True), target.mean(0)
    x = z - centre
    gram = x.mT @ x / len(y) + ridge * torch.eye(x.shape[-1], dtype=torch.float64)
    weights = torch.linalg.solve(gram, x.mT @ (target - base) / len(y))
    called = ((scored - centre) @ weights + base).argmax(-1)
    return (called == truth).double().mean(-1)
