"""Networks of the coreset experiment on whole images: how one is trained, and what is read of those that score.

Training is that of the public code of Toneva et al. (2019, run_cifar.py): SGD with Nesterov momentum, a rate that falls
to a fifth at 30, 60 and 80 % of the epochs, images shifted and mirrored, and as many epochs on a part of the images as
on all.  Networks of L_spread see its two views instead.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from lib import losses
from lib.encoders import coarse, label_stacks, nets, training
from lib.encoders.deep_coreset_settings import CoresetSettings
from lib.encoders.devices import Place
from lib.encoders.label_stacks import Net
from lib.encoders.labels import Task
from lib.encoders.training import Conditions
from lib.images import augment
from lib.images.sets import Images

MOMENTUM, WEIGHT_DECAY = 0.9, 5e-4
FALLS, FACTOR = (0.3, 0.6, 0.8), 0.2  # of the rate
VIEWS = {"cifar10": coarse.POLICIES["spread"], "digits": label_stacks.VIEWS}  # of L_spread
MIRRORED = ("cifar10",)
CHUNK = 32  # images whose gradients are held at a time; that of ResNet-18 has 45 MB


class Classifier(nn.Module):
    """A backbone and a linear head; pixels are standardised by the mean and deviation of all training images."""

    def __init__(self, net: str, data: Images):
        super().__init__()
        self.net, dim = nets.backbone(net, data.x.shape[1])
        self.head = nn.Linear(dim, len(data.classes))
        std, mean = torch.std_mean(data.x.transpose(0, 1).flatten(1).float() / 255, 1)  # (channels,)
        self.register_buffer("mean", mean[:, None, None])
        self.register_buffer("std", std.clamp(min=1e-6)[:, None, None])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n, c, h, w) in [0, 1] to features (n, dim) and logits (n, K)."""
        z = self.net((x - self.mean) / self.std)
        return z, self.head(z)


class Watch(nn.Module):
    """What is read of a network that scores the n images; part of its checkpoint.

    checks: (epochs, n) bool, right after each epoch; probabilities (n, K) and norms (n,), see ``gradient_norms``, after
    ``settings.early`` epochs.
    """

    def __init__(self, s: CoresetSettings, data: Images):
        super().__init__()
        self.early = s.early
        self.register_buffer("checks", torch.zeros(s.epochs, len(data), dtype=torch.bool))
        self.register_buffer("probabilities", torch.zeros(len(data), len(data.classes)))
        self.register_buffer("norms", torch.zeros(len(data)))

    def look(self, done: int, model: Classifier, data: Images) -> None:
        """Read the network after so many epochs, on images that are not augmented."""
        logits = coarse.predict(model, data.x)
        self.checks[done - 1] = logits.argmax(1) == data.y
        if done == self.early:
            self.probabilities.copy_(logits.softmax(1))
            self.norms.copy_(gradient_norms(model, data.x, data.y))


def gradient_norms(model: Classifier, x: Tensor, y: Tensor) -> Tensor:
    """Length of the gradient of each image's cross-entropy after all weights, (n,), on the CPU; in evaluation mode.

    x: (n, c, h, w) uint8; y: (n,) codes.
    """
    was, place = model.training, next(model.parameters()).device
    model.eval()
    weights = {name: w.detach() for name, w in model.named_parameters()}

    def loss(weights: dict[str, Tensor], image: Tensor, code: Tensor) -> Tensor:
        return F.cross_entropy(torch.func.functional_call(model, weights, (image[None],))[1], code[None])

    def length(image: Tensor, code: Tensor) -> Tensor:
        parts = torch.func.grad(loss)(weights, image, code).values()
        return torch.stack([part.square().sum() for part in parts]).sum().sqrt()

    each, parts = torch.func.vmap(length), zip(x.split(CHUNK), y.split(CHUNK), strict=True)
    found = [each(image.to(place).float() / 255, code.to(place)).cpu() for image, code in parts]
    model.train(was)
    return torch.cat(found)


def shifted(x: Tensor, mirrored: bool, generator: Generator) -> Tensor:
    """uint8 images (n, c, h, w) moved by up to an eighth of their side, as floats in [0, 1]; 0 from outside.

    That is 4 of 32 pixels each way.  mirrored: left to right, half of them.
    """
    n, _, side, _ = x.shape
    most = side // 8
    places = torch.randint(2 * most + 1, (2, n, 1), generator=generator, device=x.device)
    rows, columns = places + torch.arange(side, device=x.device)  # (n, side) each
    if mirrored:
        hit = torch.rand(n, 1, generator=generator, device=x.device) < 0.5
        columns = torch.where(hit, columns.flip(1), columns)
    every = torch.arange(n, device=x.device)[:, None, None]
    moved = F.pad(x, (most,) * 4)[every, :, rows[:, :, None], columns[:, None, :]]  # (n, h, w, c)
    return moved.permute(0, 3, 1, 2).float() / 255


def rate_in(s: CoresetSettings, epoch: int) -> float:
    """The rate in epoch 0, 1, …"""
    return s.learning_rate * FACTOR ** sum(epoch >= share * s.epochs for share in FALLS)


def train(task: Task, net: Net, conditions: Conditions, watch: Watch | None = None) -> Classifier:
    """Train one network on its images ``net.rows``, from its seed, which is that of the conditions.

    The loss is the cross-entropy of those that the head may see, and L_spread of two views where the net says so.
    """
    s, home = task.settings, conditions.home
    torch.manual_seed(net.seed)
    model = training.on_device(Classifier(s.net, task.train), home)
    sgd = torch.optim.SGD(model.parameters(), s.learning_rate, MOMENTUM, nesterov=True, weight_decay=WEIGHT_DECAY)
    steps = training.steps_of(len(net.rows), s.batch_size, "images that a network sees")

    def each(epoch: int, order: Generator, draws: Generator) -> Iterator[Tensor]:
        sgd.param_groups[0]["lr"] = rate_in(s, epoch)
        for rows in training.batches(net.rows, s.batch_size, steps, order):
            yield loss(task, net, model, rows, draws, home)

    def after(epoch: int, _: float) -> None:
        if watch:
            watch.look(epoch + 1, model, task.train)

    training.fit(conditions, nn.ModuleList([model, watch] if watch else [model]), sgd, each, after)
    return model


def loss(task: Task, net: Net, model: Classifier, rows: Tensor, draws: Generator, home: Place) -> Tensor:
    """The loss of a batch at the positions ``rows``, a scalar."""
    s, contrasts = task.settings, net.loss == "spread"
    x, y, seen = (part[rows].to(home.device) for part in (task.train.x, task.train.y, net.headed))
    if contrasts:
        views = augment.view(x.repeat(2, 1, 1, 1), VIEWS[s.data], draws)
        code, seen = y.repeat(2), seen.repeat(2)
    else:
        views, code = shifted(x, s.data in MIRRORED, draws), y
    with home.autocast():
        z, logits = (t.float() for t in model(views))
    called = (F.cross_entropy(logits, code, reduction="none") * seen).sum() / seen.sum().clamp(min=1)
    return called + losses.spread(*z.chunk(2), y, s.temperature, s.alpha) if contrasts else called
