"""Train an encoder of AlexNet's kind onto the sphere: ``python -m lib.encoders.sphere UNITS.json``.

The net, the views and the training are those that the public code of Wang & Isola (2020) has for STL-10.  There a crop
is resized to 64 x 64 at once; here it is resized to the image's own size and then to 64 x 64.
"""

import hashlib
import sys
import time
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Generator, Tensor, nn

from lib import images, losses, records
from lib.encoders import devices, training
from lib.encoders.sphere_settings import STL10, SphereSettings, SphereUnit
from lib.images import stl10
from lib.images.augment import Policy, view
from lib.images.sets import Images

FILTERS, POOLED, UNITS = (96, 192, 384, 384, 192), (0, 1, 4), 4096
POLICY = Policy(jitter_p=1.0, jitter=(0.4, 0.4, 0.4, 0.4))
CROPS = Policy(jitter_p=0.0, grey_p=0.0)  # of the images that the linear layer sees
DROPS = (0.775, 0.85, 0.925)  # of the epochs, after which the rate is a tenth
READING_BATCH, READING_DROPS = 128, (0.6, 0.8)
MEASURED = 2000  # test images of which two views are kept
HELD = 70  # pixels of the side of a test image of STL-10 before its centre is cut


class Source(NamedTuple):
    """What an encoder sees: images (n, 3, side, side) uint8 with labels where it is supervised; digests by split."""

    x: Tensor
    train: Images
    test: Images
    digests: dict[str, str]


def source(s: SphereSettings) -> Source:
    """The images that the settings name."""
    if s.data == STL10:
        train, test, more = stl10.load("train"), stl10.load("test"), stl10.unlabelled()
        digests = {"unlabelled": hashlib.sha256(more.numpy()).hexdigest()}
        x = train.x if s.loss == "supervised" else torch.cat([train.x, more])
    else:
        train, test, digests = images.load(s.data, "train"), images.load(s.data, "test"), {}
        train = train.first(s.images_per_class) if s.images_per_class else train
        x = train.x
    return Source(x, train, test, digests | {"train": images.digest(train), "test": images.digest(test)})


class Encoder(nn.Module):
    """Five layers of 3 x 3 filters, each with BatchNorm and ReLU, pooled 3/2 after the first, second and fifth; two
    layers of 4,096 units likewise; a linear layer to unit features.  Weights are normal of spread 0.02.

    mean, std: of the pixels, by channel; classes: of the linear layer that the supervised loss reads features with.
    """

    def __init__(self, s: SphereSettings, x: Tensor, classes: int):
        super().__init__()
        side, layers = side_of(x), []
        for i, (a, b) in enumerate(pairwise((3, *FILTERS))):
            layers += [nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True)]
            if i in POOLED:
                layers, side = [*layers, nn.MaxPool2d(3, 2)], (side - 1) // 2
        layers.append(nn.Flatten())
        for a, b in pairwise((FILTERS[-1] * side * side, UNITS, UNITS)):
            layers += [nn.Linear(a, b, bias=False), nn.BatchNorm1d(b), nn.ReLU(inplace=True)]
        self.units, self.last, self.classifier = (
            nn.Sequential(*layers),
            nn.Linear(UNITS, s.out),
            nn.Linear(s.out, classes),
        )
        for layer in self.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                nn.init.normal_(layer.weight, 0, 0.02)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        pixels = x[:5000].float().div(255).transpose(0, 1).flatten(1)
        self.register_buffer("mean", pixels.mean(1)[:, None, None])
        self.register_buffer("std", pixels.std(1)[:, None, None])

    def read(self, x: Tensor) -> Tensor:
        """Images (n, 3, side, side) in [0, 1] to the units before the last layer (n, 4096)."""
        return self.units((x - self.mean) / self.std)

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, 3, side, side) in [0, 1] to unit features (n, out)."""
        return F.normalize(self.last(self.read(x)), dim=1)


def loss(s: SphereSettings, z1: Tensor, z2: Tensor, y: Tensor, classifier: nn.Linear) -> Tensor:
    """The loss of two views' unit features (n, out); y: labels (n,), read by the supervised one alone."""
    if s.loss == "two_measures":
        return losses.alignment(z1, z2) + (losses.uniformity(z1) + losses.uniformity(z2)) / 2
    if s.loss == "contrastive":
        return losses.nt_xent(z1, z2, s.temperature, block=512)
    return F.cross_entropy(classifier(torch.cat([z1, z2])), torch.cat([y, y]))


def seen(x: Tensor, side: int, policy: Policy, draws: Generator) -> Tensor:
    """One view of uint8 images, (n, 3, side, side) in [0, 1]."""
    return _sized(view(x, policy, draws), side)


def side_of(x: Tensor) -> int:
    """Pixels of the side of a view of such images: 64 of STL-10's 96, else all."""
    return min(x.shape[-1], 64)


def _sized(x: Tensor, side: int) -> Tensor:
    return x if x.shape[-1] == side else F.interpolate(x, (side, side), mode="bilinear", antialias=True)


def centred(x: Tensor, side: int) -> Tensor:
    """Held-out uint8 images as they are, in [0, 1]; those of STL-10 resized to 70 x 70, their centre cut."""
    x = x.float() / 255
    if x.shape[-1] == side:
        return x
    edge = (HELD - side) // 2
    return _sized(x, HELD)[..., edge : edge + side, edge : edge + side]


def run(unit: SphereUnit, save_seconds: float = training.SAVE_SECONDS) -> None:
    """Train the unit and write its folder, the record last; does nothing where the folder is whole.

    Kept in ``sphere.safetensors``: z1, z2, features (n, out) of two views of the first test images; y (n,); loss, the
    mean of every epoch; accuracy, of the linear layer on test images, where one was trained.
    """
    if unit.done:
        return
    start, s, home = time.time(), unit.settings, devices.place("float32")
    data = source(s)
    side = side_of(data.x)
    torch.manual_seed(unit.seed)
    encoder = training.on_device(Encoder(s, data.x, len(data.train.classes)), home)
    x = data.x.to(home.device)
    y = (
        data.train.y.to(home.device)
        if s.loss == "supervised"
        else torch.zeros(len(x), dtype=torch.long, device=x.device)
    )
    sgd = torch.optim.SGD(encoder.parameters(), s.learning_rate, 0.9, weight_decay=s.weight_decay)

    def each(epoch: int, order: Generator, draws: Generator) -> Iterator[Tensor]:
        sgd.param_groups[0]["lr"] = s.learning_rate * 0.1 ** sum(epoch >= drop * s.epochs for drop in DROPS)
        steps = training.steps_of(len(x), s.batch_size, "images")
        for rows in training.batches(torch.arange(len(x)), s.batch_size, steps, order):
            rows = rows.to(home.device)
            z1, z2 = encoder(torch.cat([seen(x[rows], side, POLICY, draws) for _ in range(2)])).chunk(2)
            yield loss(s, z1, z2, y[rows], encoder.classifier)

    history = []
    if s.loss != "untrained":
        history = training.fit(training.followed(unit, 0, home, save_seconds), encoder, sgd, each)
    kept = _measured(encoder.eval(), data, side, home.device)
    if s.reading:
        kept["accuracy"] = torch.tensor([linear_accuracy(encoder, data, s.reading, unit.seed, home.device)])
    with records.atomic(unit.folder / "sphere.safetensors") as path:
        save_file(kept | {"loss": torch.tensor(history)}, path)
    records.seal(unit.folder / "record.json", records.of_training(unit, [len(x)], data.digests, start, unit.packages))
    (unit.folder / "0.part.safetensors").unlink(missing_ok=True)


@torch.no_grad()
def _measured(encoder: Encoder, data: Source, side: int, place: torch.device) -> dict[str, Tensor]:
    draws, parts = Generator(place).manual_seed(0), data.test.x[:MEASURED].split(500)
    pairs = [[encoder(seen(part.to(place), side, POLICY, draws)).cpu() for _ in range(2)] for part in parts]
    kept = {"z1": torch.cat([a for a, _ in pairs]), "z2": torch.cat([b for _, b in pairs])}
    return kept | {"y": data.test.y[:MEASURED].clone()}


def linear_accuracy(encoder: Encoder, data: Source, epochs: int, seed: int, place: torch.device) -> float:
    """Share of test images that a linear layer on the units before the last calls right, trained on labelled images.

    Adam at 0.001, betas 0.5 and 0.999, batches of 128, the rate a fifth after 60 and 80 per cent of the epochs; crops
    and flips of the training images, and the encoder as in evaluation.
    """
    torch.manual_seed(seed)
    head = nn.Linear(UNITS, len(data.train.classes)).to(place)
    adam, side = torch.optim.Adam(head.parameters(), 1e-3, (0.5, 0.999)), side_of(data.test.x)
    x, y = data.train.x.to(place), data.train.y.to(place)
    for epoch in range(epochs):
        adam.param_groups[0]["lr"] = 1e-3 * 0.2 ** sum(epoch >= drop * epochs for drop in READING_DROPS)
        order, draws = training.generators(seed, epoch, 0, place)
        for rows in torch.randperm(len(x), generator=order).to(place).split(READING_BATCH):
            with torch.no_grad():
                h = encoder.read(seen(x[rows], side, CROPS, draws))
            adam.zero_grad()
            F.cross_entropy(head(h), y[rows]).backward()
            adam.step()
    with torch.no_grad():
        called = [head(encoder.read(centred(part.to(place), side))).argmax(1).cpu() for part in data.test.x.split(500)]
    return float((torch.cat(called) == data.test.y).double().mean())


main = partial(training.main, run=run, read=SphereUnit.from_json)

if __name__ == "__main__":
    sys.exit(main())
