"""How alike the classes are, measured without the encoder whose harm is judged: pixels, edges, a net untrained."""

import numpy as np
import torch
from torch import Tensor

from lib import harms
from lib.studies.shared import outcomes
from lib.studies.shared.evidence import Evidence

CELLS_A_SIDE = 4  # of the histograms of gradients: 8 x 8 pixels a cell at 32 x 32, 2 x 2 at 8 x 8


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


def outside(seen: Evidence, x: Tensor) -> dict[str, Tensor]:
    """Class cosines (K, K) of the evaluation images x (n, c, h, w), by how they were measured.

    "raw pixels", "oriented gradients" (see ``gradients``), and "net untrained": random features of the same net, the
    mean over its seeds.
    """
    classes = len(seen.classes)
    return {
        "raw pixels": harms.class_cosines(x.flatten(1).double(), seen.y, classes),
        "oriented gradients": harms.class_cosines(gradients(x), seen.y, classes),
        "net untrained": seen.cosines("untrained").mean(0),
    }


def in_rows(cosines: Tensor, rh: Tensor, treated: tuple[int, ...]) -> Tensor:
    """Spearman's correlation of a class cosine and 1 - RH within each undersampled class's row: (seeds, T).

    cosines: (K, K), or (seeds, K, K) where each encoder brings its own; rh: (seeds, T, K).  A row shares its class,
    so that its cells are no independent pairs: over the T rows, not over the cells, an interval may be taken.
    """
    own = cosines[..., list(treated), :].expand_as(rh)
    rows = [outcomes.row_rank_correlation(own[:, [t]], 1 - rh[:, [t]], (k,)) for t, k in enumerate(treated)]
    return torch.stack(rows, 1)
