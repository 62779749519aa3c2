"""Many small encoders trained at once, each on labels and images of its own.

The nets are those of ``lib.encoders.stacks``.  A net's loss is a contrastive loss on its labels plus the cross-entropy
of a linear head on the features, for the images whose true label the head may see (Details Matter 2022).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from lib import images, losses
from lib.encoders import stacks
from lib.images.augment import Policy, view
from lib.images.sets import Images
from lib.losses.descent import optimise
from lib.strata import noisy_labels

CONTRASTIVE = ("simclr", "sup_con", "attract", "spread", "triplet")
LOSSES = (*CONTRASTIVE, "cross_entropy")
ONE_VIEW = ("triplet", "cross_entropy")  # the others take two views of each image
MOST, PIXELS = 48, 2**20  # nets trained together, and pixels of their batches, at most: for speed and for memory
ALONE = -1  # the label of an image without one: its other view is its only positive
VIEWS = Policy(scale=(0.6, 1.0), flip=0.0, jitter=(0.4, 0.4, 0.0, 0.0), grey_p=0.0)  # a digit stays what it is


@dataclass(frozen=True)
class Net:
    """What one net is trained with.

    loss: a word of LOSSES; "cross_entropy" has the head's loss alone, "triplet" the two-class loss of
    ``noisy_labels.triplet``; these two take one view of each image.  seed: of weights, views and batches.
    rows: (m,) positions of the images that it sees.  labels: (n,) of all images, for the contrastive loss, ALONE where
    there is none.  headed: (n,) bool, the images whose true label the head sees.  alpha: of L_spread.  corrected: share
    of each batch's labels that the geometric correction replaces, average: its reading.  weights: of the triplet loss.
    """

    loss: str
    seed: int
    rows: Tensor
    labels: Tensor
    headed: Tensor
    alpha: float = 0.5
    corrected: float = 0.0
    average: str = "centres"
    weights: tuple[float, float, float, float] = (1.0, 0.0, 1.0, 0.0)

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise ValueError(f"loss={self.loss!r} is unknown; there are {', '.join(LOSSES)}")
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha={self.alpha} is outside [0, 1]")
        if not 0 <= self.corrected < 1:
            raise ValueError(f"corrected={self.corrected} of the labels is outside [0, 1)")


@dataclass(frozen=True)
class Course:
    """Settings of the training: batch images in two views a step, Adam with a cosine schedule, one temperature.

    width, hidden: of the filters and of the layer after them; features: coordinates that the loss and the head see.
    """

    steps: int = 150
    batch: int = 64
    learning_rate: float = 0.01
    temperature: float = 0.5
    width: int = 16
    hidden: int = 64
    features: int = 16


@dataclass(frozen=True)
class Nets:
    """Trained nets: layers (E, 1, in + 1, out), the last one the head; scale: mean, spread of training pixels."""

    layers: list[Tensor]
    scale: tuple[float, float]

    def prepare(self, x: Tensor) -> Tensor:
        """Patches (n, P, k) of images, uint8 or floats in [0, 1], centred and scaled as the training pixels."""
        top = 1 if x.is_floating_point() else 255
        return stacks.patches((x.to(self.layers[0].dtype) / top - self.scale[0]) / self.scale[1])

    @torch.no_grad()
    def outputs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features (E, n, d), not normalised, and the head's logits (E, n, K), of uint8 images (n, c, s, s)."""
        h = torch.cat([stacks.outputs(self.layers, self.prepare(part)[None]) for part in x.split(512)], 2)
        return h[:, 0], stacks.linear(h, self.layers[-1])[:, 0]

    def accuracy(self, x: Tensor, y: Tensor) -> Tensor:
        """Share of uint8 images (n, c, s, s) with codes y (n,) that the head calls right, (E,)."""
        return (self.outputs(x)[1].argmax(-1) == y).double().mean(-1)


def small_images(name: str, per_class: int = 0) -> tuple[Images, Images]:
    """Training and test images of ``lib.images`` with a side of at most 16 pixels, a power of two.

    Images are padded evenly with 0 to a side of 8, 16 or 32; those of 32 are halved, by the mean of 2 x 2 pixels.
    per_class: the first so many training images of each class; 0 is all.
    """
    train, test = images.load(name, "train"), images.load(name, "test")
    return tuple(_small(part) for part in (train.first(per_class) if per_class else train, test))


def _small(data: Images) -> Images:
    side = data.x.shape[-1]
    edge = (2 ** max(3, (side - 1).bit_length()) - side) // 2
    x = F.pad(data.x, (edge,) * 4)
    if x.shape[-1] == 32:
        x = F.avg_pool2d(x.float(), 2).round().to(torch.uint8)
    return Images(x, data.y, data.classes)


def some(n: int, count: int, seed: int) -> Tensor:
    """Sorted positions of ``count`` of n images, drawn by the seed; fewer of the same seed are a part of more."""
    return torch.randperm(n, generator=Generator().manual_seed(seed))[:count].sort().values


def mask(n: int, rows: Tensor) -> Tensor:
    """(n,) bool, true at the positions given."""
    return torch.zeros(n, dtype=torch.bool).index_fill(0, rows, True)


def train(
    data: Images,
    nets: list[Net],
    course: Course,
    policy: Policy = VIEWS,
    checks: tuple[int, ...] = (),
    dtype: torch.dtype = torch.float32,
) -> tuple[Nets, Tensor]:
    """Train the nets; with them the head's probabilities on all images, as they are, after each of the
    steps ``checks``, (checks, E, n, K).

    Nets of one seed start from the same weights and draw the same views; with the same rows they see the same batches.
    Views of all images are drawn anew each time that a whole data set has gone by.
    ValueError: labels that are no codes of the data, or a batch above a net's images.
    """
    short = min(len(net.rows) for net in nets)
    if not 4 <= course.batch <= short:
        raise ValueError(f"batch={course.batch} is expected from 4 to {short}, the images of the net with the fewest")
    for net in nets:
        if int(net.labels.min()) < ALONE or int(net.labels.max()) >= len(data.classes):
            found = f"{int(net.labels.min())} to {int(net.labels.max())}"
            raise ValueError(f"labels from {found}: codes {ALONE} (none) to {len(data.classes) - 1} are expected")
    kinds = [[i for i, net in enumerate(nets) if (net.loss in ONE_VIEW) == one] for one in (False, True)]
    size = min(MOST, max(1, PIXELS // (course.batch * data.x[0].numel())))
    chunks = [kind[i : i + size] for kind in kinds for i in range(0, len(kind), size)]
    parts = [_train(data, [nets[i] for i in chunk], course, policy, checks, dtype) for chunk in chunks]
    order = torch.tensor([i for chunk in chunks for i in chunk]).argsort()
    layers = [torch.cat(layer)[order] for layer in zip(*(part.layers for part, _ in parts), strict=True)]
    return Nets(layers, parts[0][0].scale), torch.cat([seen for _, seen in parts], 1)[:, order]


def _train(data, nets, course, policy, checks, dtype) -> tuple[Nets, Tensor]:
    pixels, classes, seeds = data.x / 255, len(data.classes), [net.seed for net in nets]
    recipe = [stacks.Recipe(supervised=1, dim=course.features)]
    size = stacks.patches(pixels[:1]).shape[1:]
    layers = stacks.initial(seeds, size, course.width, course.hidden, recipe, classes)
    trained = Nets([layer.to(dtype) for layer in layers], (float(pixels.mean()), float(pixels.std())))
    layers = [layer.requires_grad_() for layer in trained.layers]
    labels, headed = (torch.stack(values) for values in zip(*((net.labels, net.headed) for net in nets), strict=True))
    adam = torch.optim.Adam(layers, lr=course.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, course.steps)
    count, seen = 1 if nets[0].loss in ONE_VIEW else 2, []

    def views(generator: Generator) -> list[Tensor]:
        return [trained.prepare(view(data.x, policy, generator)) for _ in range(count)]

    def each() -> Iterator[Tensor]:
        batches = stacks.stack_batches(seeds, [net.rows for net in nets], course.batch, course.steps, len(data), views)
        for step, (x, taken) in enumerate(batches):
            h = stacks.outputs(layers, x)  # (E, 1, V N, d)
            head = _head(stacks.linear(h, layers[-1])[:, 0], data.y[taken], headed.gather(1, taken))
            z = F.normalize(h[:, 0], dim=-1).unflatten(1, (count, -1))  # (E, V, N, d)
            own = _corrected(nets, z, labels.gather(1, taken))
            yield head.sum() + _losses(nets, z, own, course.temperature)
            schedule.step()
            if step + 1 in checks:
                seen.append(trained.outputs(data.x)[1].softmax(-1))

    for _ in optimise(adam, each()):
        pass
    for layer in layers:
        layer.requires_grad_(False)
    return trained, torch.stack(seen) if seen else torch.empty(0, len(nets), len(data), classes)


def _corrected(nets: list[Net], z: Tensor, labels: Tensor) -> Tensor:
    """The labels (E, N) with those of the nets that correct them corrected, by the sum of the views z (E, V, N, d)."""
    for (share, average), mine in _alike(nets, lambda net: (net.corrected, net.average)).items():
        if share:
            labels[mine] = noisy_labels.correct(z[mine].detach().sum(1), labels[mine], share, average)
    return labels


def _losses(nets: list[Net], z: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Sum of the nets' contrastive losses on unit features z (E, V, N, d), those of a kind together."""
    total = z.new_zeros(())
    for (loss, alpha, weights), mine in _alike(nets, lambda net: (net.loss, net.alpha, net.weights)).items():
        if loss == "triplet":
            total = total + noisy_labels.triplet(z[mine, 0], labels[mine], temperature, weights).sum()
        elif loss in CONTRASTIVE:
            total = total + contrastive(*z[mine].unbind(1), labels[mine], loss, temperature, alpha).sum()
    return total


def _alike(nets: list[Net], key: Callable[[Net], tuple]) -> dict[tuple, list[int]]:
    found: dict[tuple, list[int]] = {}
    for i, net in enumerate(nets):
        found.setdefault(key(net), []).append(i)
    return found


def _head(logits: Tensor, y: Tensor, headed: Tensor) -> Tensor:
    """Mean cross-entropy (E,) of all views (E, V N, K) of the images whose label the head sees; 0 without any."""
    times = logits.shape[1] // y.shape[1]
    right = logits.log_softmax(-1).gather(-1, y.repeat(1, times)[..., None])[..., 0]
    counted = headed.repeat(1, times)
    return -(right * counted).sum(-1) / counted.sum(-1).clamp(min=1)


def contrastive(z1: Tensor, z2: Tensor, y: Tensor, loss: str, temperature: float, alpha: float = 0.5) -> Tensor:
    """The loss of ``lib.losses`` named "simclr", "sup_con", "attract" or "spread" of each net, (E,).

    z1, z2: (E, N, d) two views; y: (E, N) labels, where ALONE makes an image a class of its own.
    """
    n = z1.shape[-2]
    if loss == "simclr":
        return losses.nt_xent(z1, z2, temperature, block=2 * n)
    y = torch.where(y == ALONE, y.max() + 1 + torch.arange(n), y)
    if loss == "spread":
        return losses.spread(z1, z2, y, temperature, alpha, block=2 * n)
    return {"sup_con": losses.sup_con, "attract": losses.attract}[loss](z1, z2, y, temperature, block=2 * n)
