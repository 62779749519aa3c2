"""NT-Xent whose negatives count by pairs of images."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lib import checks
from lib.losses.self_supervised import wide


def nt_xent_of_pairs(
    z1: Tensor, z2: Tensor, counts: Tensor, temperature: float = 0.5, clamp: float | None = None
) -> Tensor:
    """``nt_xent`` in which view m of another image counts c times in the sum of anchor i, c for the pair of images.

    With s_ij the cosine of views i and j, j(i) the other view of the image of i, and c_im that of the two images,
    loss = mean over i of  -s_ij(i) / t + log sum over m != i of c_im exp(s_im / t).

    z1, z2: (N, d) two views of the same N images, not yet normalised; counts: (N, N) positive, 1 on the diagonal, for
    the two views of an image are no negatives; temperature t > 0; clamp: as of ``nt_xent``.
    Returns a scalar.  ValueError: shapes that do not fit, counts not positive or not 1 on the diagonal, t <= 0.
    """
    z1, z2 = wide(z1=z1, z2=z2)
    checks.tensors(z1=(z1, "N d", checks.FLOATS), z2=(z2, "N d", checks.FLOATS), counts=(counts, "N N", checks.FLOATS))
    checks.number("temperature", temperature, 0, inside=True)
    if not (counts > 0).all() or not (counts.diagonal() == 1).all():
        raise ValueError("counts must be positive, and 1 on the diagonal")
    z = F.normalize(torch.cat([z1, z2]), dim=-1)  # (2N, d)
    cosine = z @ z.mT
    if clamp is not None:
        cosine = cosine.clamp(min=clamp)
    logits = cosine / temperature
    own = torch.eye(len(z), dtype=torch.bool, device=z.device)
    others = (logits + counts.log().repeat(2, 2)).masked_fill(own, -torch.inf).logsumexp(-1)
    positive = logits.diagonal(len(z1)).repeat(2)
    return (others - positive).mean()
