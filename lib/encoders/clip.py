"""Train towers of images and captions: ``python -m lib.encoders.clip UNITS.json``, one unit or several in a process.

CLIP (Radford et al. 2021) at a small size: a net of images and a bag of words, each with a linear map to a joint space.
"""

import hashlib
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Generator, Tensor, nn

from lib import images, losses
from lib.encoders import captions, devices, nets, pretrain, simcse, training
from lib.encoders.clip_settings import TEXT, ClipSettings, ClipUnit
from lib.encoders.store import BALANCED
from lib.encoders.training import Conditions, Trained
from lib.images import augment

WORDS = 64  # numbers of a word's embedding, and hidden width of the text tower
SHARPEST = 0.01  # the learned temperature does not fall below it, as in the paper


@dataclass(frozen=True)
class Pairs:
    """Images with a caption each: the words as codes (n, t), 0 where a caption has no more."""

    images: images.Images
    words: Tensor

    def take(self, index: Tensor) -> "Pairs":
        """The pairs at the given positions."""
        return Pairs(self.images.take(index), self.words[index])

    def digest(self) -> str:
        """SHA-256 of images, labels and words."""
        whole = hashlib.sha256(images.digest(self.images).encode())
        whole.update(self.words.contiguous().numpy().tobytes())
        return whole.hexdigest()


def texts_of(s: ClipSettings, split: str) -> tuple[str, ...]:
    """The captions of the images of a split, in their order; those of the two splits are drawn apart."""
    data = pretrain.images_of(s, split)
    names = [data.classes[k] for k in data.y.tolist()]
    return captions.generate(s.data, names, s.shared, 2 * s.captions + (split == "test"))


def pairs_of(s: ClipSettings, split: str) -> Pairs:
    """The images that the settings name, with their captions."""
    words = captions.encode(s.data, texts_of(s, split))
    return Pairs(pretrain.images_of(s, split), torch.from_numpy(words))


class Towers(nn.Module):
    """An image tower, a text tower, their linear maps to the joint space, and the learned temperature."""

    def __init__(self, s: ClipSettings, channels: int):
        super().__init__()
        self.net, dim = nets.backbone(s.net, channels)
        self.bag = nn.EmbeddingBag(len(captions.vocabulary(s.data)) + 1, WORDS, mode="mean", padding_idx=0)
        self.text = nets.projection_head(WORDS, WORDS, TEXT)
        self.of_image, self.of_text = nn.Linear(dim, s.joint, bias=False), nn.Linear(TEXT, s.joint, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(s.temperature)))  # of 1 / temperature

    def features(self, x: Tensor) -> Tensor:
        """(n, c, h, w) in [0, 1] to the features of the images (n, dim), before the map to the joint space."""
        return self.net(x.contiguous(memory_format=torch.channels_last))

    def text_features(self, words: Tensor) -> Tensor:
        """(n, t) codes to the features of the captions (n, TEXT), before the map to the joint space."""
        return self.text(self.bag(words))

    def forward(self, x: Tensor, words: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images (n, c, h, w) in [0, 1] and codes (n, t) to embeddings (n, joint) of both, and the temperature."""
        temperature = (-self.log_scale).exp().clamp(min=SHARPEST)
        return self.of_image(self.features(x)), self.of_text(self.text_features(words)), temperature


def train(s: ClipSettings, pairs: Pairs, conditions: Conditions) -> tuple[Towers, list[float]]:
    """Train both towers on the pairs; start, order and augmentation depend on the seed alone.

    Returns them and the mean loss of every epoch.  TrainingError: fewer pairs than a batch, or a loss that is not
    finite; CheckpointError: see ``checkpoints.load``.
    """
    home = conditions.home
    torch.manual_seed(conditions.seed)
    towers = training.on_device(Towers(s, pairs.images.x.shape[1]), home)
    if s.method == "untrained":
        return towers, []
    steps = training.steps_of(len(pairs.words), s.batch_size, "pairs")
    x, words, policy = pairs.images.x.to(home.device), pairs.words.to(home.device), augment.POLICIES[s.augment]
    adam = torch.optim.Adam(towers.parameters(), s.learning_rate, foreach=True)
    model, pool = home.prepare(towers), torch.arange(len(words))

    def losses_of(epoch: int, order: Generator, draws: Generator) -> Iterator[Tensor]:
        for i, batch in enumerate(training.batches(pool, s.batch_size, steps, order)):
            adam.param_groups[0]["lr"] = simcse.rate(epoch * steps + i, s.epochs * steps, s.learning_rate)
            views = augment.view(x[batch.to(home.device)], policy, draws)
            with home.autocast():
                z1, z2, temperature = model(views, words[batch.to(home.device)])
            yield losses.clip(z1.float(), z2.float(), temperature)

    return towers, training.fit(conditions, towers, adam, losses_of)


@torch.no_grad()
def embed(towers: Towers, pairs: Pairs) -> Tensor:
    """Features (n, dim + TEXT) float32 on the CPU of both towers side by side, without augmentation."""
    of_images = training.embed(towers, pairs.images.x)  # in evaluation mode from here on
    return torch.cat([of_images, towers.text_features(pairs.words.to(towers.log_scale.device)).cpu()], 1)


def run(unit: ClipUnit, save_seconds: float = training.SAVE_SECONDS) -> None:
    """Train every member of the unit and write its folder; does nothing where the folder is whole.

    A training that was killed goes on from its last checkpoint; they are ``save_seconds`` apart.
    """
    if unit.done:
        return
    start, s, home = time.time(), unit.settings, devices.place(unit.settings.precision)
    data, trained = {split: pairs_of(s, split) for split in ("train", "test")}, []
    whole = data["train"].images
    for number, name in enumerate(unit.members):
        kept = torch.arange(len(whole))
        if name != BALANCED:
            kept = images.undersample(whole.y, images.class_code(whole.classes, name), unit.ratio, unit.seed)
        towers, history = train(s, data["train"].take(kept), training.followed(unit, number, home, save_seconds))
        trained.append(Trained(towers, history, {split: embed(towers, d) for split, d in data.items()}, kept))
    labels = {split: d.images.y for split, d in data.items()}
    training.write(unit, trained, labels, {split: d.digest() for split, d in data.items()}, start)


main = partial(training.main, run=run, read=ClipUnit.from_json)

if __name__ == "__main__":
    sys.exit(main())
