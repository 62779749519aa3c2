"""Losses of contrastive learning, each its formula."""

import torch
import torch.nn.functional as F
from torch import Tensor


def nt_xent(z1: Tensor, z2: Tensor, temperature: float = 0.5, clamp: float | None = None) -> Tensor:
    """Normalised temperature-scaled cross-entropy, the SimCLR loss (Chen et al. 2020, equation 1).

    With s_ij the cosine of views i and j among the 2N views and j(i) the other view of the same image,
    loss = mean over i of  -s_ij(i) / t + log sum over m != i of exp(s_im / t).

    z1, z2: (N, d) two views of the same N images, not yet normalised; temperature t > 0.
    clamp: lower bound put on every cosine before the division, as in the public code of Maity et al. (2024), which
    uses 1e-7: pairs at 90 degrees or more then give no gradient.  None leaves the cosines alone.
    Returns the scalar mean over the 2N anchors.  ValueError: shapes that differ, N < 1, temperature <= 0.
    """
    if z1.shape != z2.shape or z1.ndim != 2 or len(z1) < 1:
        raise ValueError(f"two (N, d) views of the same images are expected, got {tuple(z1.shape)}, {tuple(z2.shape)}")
    if not temperature > 0:
        raise ValueError(f"temperature={temperature} must be above 0")
    n = len(z1)
    z = F.normalize(torch.cat([z1, z2]), dim=1)  # (2N, d)
    cosine = z @ z.T  # (2N, 2N)
    if clamp is not None:
        cosine = cosine.clamp(min=clamp)
    logits = (cosine / temperature).masked_fill(torch.eye(2 * n, dtype=torch.bool, device=z.device), float("-inf"))
    return F.cross_entropy(logits, torch.arange(2 * n, device=z.device).roll(n))
