"""Images, and the ways in which others make two views of them."""

import torch
from lightly.transforms import SimCLRTransform
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lib.images.augment import POLICIES, Policy
from lib.images.sets import Images
from lib.images.vision import torchvision

POLICY = POLICIES["simclr"]
T = torchvision.transforms


def images(n: int, side: int = 32, classes: int = 10) -> Images:
    """Random smooth colour images: the cost of an augmentation does not depend on what they show."""
    coarse = torch.rand(n, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    x = torch.nn.functional.interpolate(coarse, side, mode="bilinear")
    return Images((x * 255).to(torch.uint8), torch.arange(n) % classes, tuple(map(str, range(classes))))


class TwoViews:
    """Two draws of one transform."""

    def __init__(self, transform):
        self.transform = transform

    def __call__(self, image: Image.Image) -> list[Tensor]:
        return [self.transform(image), self.transform(image)]


def torchvision_views(side: int, policy: Policy = POLICY) -> TwoViews:
    """The policy in torchvision's transforms of PIL images, as the public code of Maity et al. (2024) has it."""
    jitter = T.RandomApply([T.ColorJitter(*policy.jitter)], policy.jitter_p)
    crop = T.RandomResizedCrop(side, policy.scale)
    grey = T.RandomGrayscale(policy.grey_p)
    return TwoViews(T.Compose([crop, T.RandomHorizontalFlip(policy.flip), jitter, grey, T.ToTensor()]))


def lightly_views(side: int, policy: Policy = POLICY) -> SimCLRTransform:
    """The policy in lightly's transform."""
    names = ("cj_bright", "cj_contrast", "cj_sat", "cj_hue")
    return SimCLRTransform(
        input_size=side,
        min_scale=policy.scale[0],
        hf_prob=policy.flip,
        cj_prob=policy.jitter_p,
        **dict(zip(names, policy.jitter, strict=True)),
        random_gray_scale=policy.grey_p,
        gaussian_blur=policy.blur_p,
        normalize=None,
    )


class Pictures(Dataset):
    """PIL images that become views one at a time."""

    def __init__(self, x: Tensor, views):
        self.images = [Image.fromarray(image) for image in x.permute(0, 2, 3, 1).numpy()]
        self.views = views

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> list[Tensor]:
        return self.views(self.images[i])


def loader(x: Tensor, views, batch: int) -> DataLoader:
    """Shuffled batches of views, made by as many worker processes as torch has threads here, which stay alive."""
    workers = torch.get_num_threads()
    return DataLoader(
        Pictures(x, views), batch, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=True
    )
