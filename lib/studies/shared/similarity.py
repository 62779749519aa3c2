"""How alike the classes are, measured without the encoder whose harm is judged: pixels, edges, other nets."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lib import harms
from lib.encoders import nets
from lib.studies.shared import outcomes
from lib.studies.shared.evidence import Evidence

CELLS_A_SIDE = 4  # of the histograms of gradients: 8 x 8 pixels a cell at 32 x 32, 2 x 2 at 8 x 8
SIDE, BATCH = 224, 100  # of the images that a net of ImageNet sees


def gradients(x: Tensor) -> Tensor:
    """Histograms of oriented gradients (Dalal and Triggs 2005) of images (n, c, h, w): (n, d) float64.

    Nine orientations, ``CELLS_A_SIDE`` cells a side, blocks of 2 x 2 cells normalised by their clipped length; of
    several channels the one with the steepest gradient at each pixel counts.
    """
    from skimage.feature import hog  # takes half a second, and the graph is planned without

    size = tuple(side // CELLS_A_SIDE for side in x.shape[-2:])
    images = x.permute(0, 2, 3, 1).numpy()
    found = [hog(image, 9, size, (2, 2), "L2-Hys", channel_axis=-1) for image in images]
    return torch.from_numpy(np.stack(found)).double()


def weights() -> Path:
    """Where torch's hub keeps torchvision's ImageNet-1k weights of ResNet-18; they are never fetched.

    ValueError: no such file, or one whose sha256 does not begin as its name says.
    """
    from lib.images.vision import torchvision  # takes as long as training a small net

    url = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.url
    path = Path(torch.hub.get_dir(), "checkpoints", Path(url).name)
    there = path.is_file()
    if not there or not hashlib.sha256(path.read_bytes()).hexdigest().startswith(path.stem.partition("-")[2]):
        raise ValueError(
            f"imagenet_similarity=True: {path} is {'damaged' if there else 'missing'}; expected torchvision's ImageNet "
            f"weights of ResNet-18; get them by 'curl --create-dirs -o {path} {url}', or set imagenet_similarity=False"
        )
    return path


def imagenet_features(x: Tensor) -> Tensor:
    """Features of images (n, c, h, w) uint8, c 1 or 3, by a ResNet-18 trained on ImageNet-1k: (n, 512) float64.

    The images are resized to 224 x 224, grey ones repeated to three channels, and standardised by ImageNet's mean and
    deviation (He et al. 2016; torchvision's weights IMAGENET1K_V1).  ValueError: see ``weights``.
    """
    from lib.images.vision import torchvision

    weights()  # torchvision fetches what is missing
    prepare = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.transforms(resize_size=SIDE)
    net = nets.of_square("resnet18", 3, SIDE, pretrained=True)[0].eval()
    with torch.no_grad():
        return torch.cat([net(prepare(part.expand(-1, 3, -1, -1))) for part in x.split(BATCH)]).double()


def outside(seen: Evidence, x: Tensor, imagenet: bool = False) -> dict[str, Tensor]:
    """Class cosines (K, K) of the evaluation images x (n, c, h, w) uint8, by how they were measured.

    "raw pixels", "oriented gradients" (see ``gradients``), "net untrained": random features of the same net, the mean
    over its seeds; and "net of ImageNet" (see ``imagenet_features``) where asked for.
    """
    features = {"raw pixels": x.flatten(1).double(), "oriented gradients": gradients(x)}
    features |= {"net of ImageNet": imagenet_features(x)} if imagenet else {}
    found = {name: harms.class_cosines(z, seen.y, len(seen.classes)) for name, z in features.items()}
    return found | {"net untrained": seen.cosines("untrained").mean(0)}


def in_rows(cosines: Tensor, rh: Tensor, treated: tuple[int, ...]) -> Tensor:
    """Spearman's correlation of a class cosine and 1 - RH within each undersampled class's row: (seeds, T).

    cosines: (K, K), or (seeds, K, K) where each encoder brings its own; rh: (seeds, T, K).  A row shares its class,
    so that its cells are no independent pairs: over the T rows, not over the cells, an interval may be taken.
    """
    own = cosines[..., list(treated), :].expand_as(rh)
    rows = [outcomes.row_rank_correlation(own[:, [t]], 1 - rh[:, [t]], (k,)) for t, k in enumerate(treated)]
    return torch.stack(rows, 1)
