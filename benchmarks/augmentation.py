"""Augmentation: two views of every image, in views a second."""

from collections.abc import Callable, Iterator

import kornia.augmentation as kornia
import torch
from torch import Tensor, nn

from lib.images import augment

from .measure import Line, in_turn, lines, timed
from .pictures import POLICY, images, lightly_views, loader, torchvision_views

PIL, LIGHTLY, KORNIA = "torchvision on PIL, DataLoader", "lightly's transform, DataLoader", "kornia"
BATCH = 256


def run(rounds: int, quick: bool) -> list[Line]:
    """Ours against the public code's way, lightly's transform and kornia, all with the same number of cores."""
    n = BATCH if quick else 8 * BATCH
    x = images(n).x
    makers = contestants(x, 64 if quick else BATCH)
    found = {name: torch.cat(list(make())) for name, make in makers.items()}
    differences = {name: difference(found["ours"], views) for name, views in found.items() if name != "ours"}
    figures = in_turn({name: timed(lambda make=make: drain(make)) for name, make in makers.items()}, rounds)
    rates = {name: [2 * n / seconds for seconds in taken] for name, taken in figures.items()}
    size = f"{n:,} images, 32 × 32, two views"
    return lines("augmentation", size, "views/s", rates, aim={PIL: 5.0}, difference=differences)


def contestants(x: Tensor, batch: int) -> dict[str, Callable[[], Iterator[Tensor]]]:
    """For each contestant what makes the views of all images, batch by batch, (2 batch, 3, h, w)."""
    side, draws = x.shape[-1], torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    on_batches = kornia_views(side)

    def ours() -> Iterator[Tensor]:
        return (augment.view(part.repeat(2, 1, 1, 1), POLICY, draws) for part in x.split(batch))

    def by_kornia() -> Iterator[Tensor]:
        return (on_batches(part.repeat(2, 1, 1, 1).float().div_(255)) for part in x.split(batch))

    pil, lightly = (loader(x, views(side), batch) for views in (torchvision_views, lightly_views))
    return {
        "ours": ours,
        PIL: lambda: (torch.cat(views) for views in pil),
        LIGHTLY: lambda: (torch.cat(views) for views in lightly),
        KORNIA: by_kornia,
    }


def kornia_views(side: int) -> nn.Module:
    """The policy in kornia's augmentations of batches."""
    return nn.Sequential(
        kornia.RandomResizedCrop((side, side), scale=POLICY.scale),
        kornia.RandomHorizontalFlip(p=POLICY.flip),
        kornia.ColorJitter(*POLICY.jitter, p=POLICY.jitter_p),
        kornia.RandomGrayscale(p=POLICY.grey_p),
    )


def difference(a: Tensor, b: Tensor) -> float:
    """The largest difference of mean and spread of the pixels, by channel: the draws differ, their laws should not."""
    moments = [torch.stack([v.mean((0, 2, 3)), v.std((0, 2, 3))]) for v in (a, b)]
    return float((moments[0] - moments[1]).abs().max())


def drain(make: Callable[[], Iterator[Tensor]]) -> None:
    for _ in make():
        pass
