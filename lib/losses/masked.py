"""The loss of a masked autoencoder."""

import torch.nn.functional as F
from torch import Tensor

from lib import checks


def masked_pixels(predicted: Tensor, patches: Tensor, hidden: Tensor) -> Tensor:
    """Mean squared error of the hidden patches' pixels, each patch standardised (He et al. 2022, section 3).

    The target of pixel x of a patch with mean m and variance v, of divisor k - 1, is (x - m) / sqrt(v + 1e-6), as in
    the released code.  Patches that the encoder was shown do not count.
    predicted, patches: (N, T, k), k pixels of T patches; hidden: (N, H) positions of those that were hidden, H >= 1.
    Returns a scalar.  ValueError: shapes that do not fit, k < 2.
    """
    given = {"predicted": (predicted, "N T k>=2", checks.FLOATS), "patches": (patches, "N T k>=2", checks.FLOATS)}
    size = checks.tensors(**given)
    checks.tensors(**given, hidden=(hidden, "N H", checks.codes(size["T"])))
    index = hidden[:, :, None].expand(-1, -1, patches.shape[2])
    target = patches.gather(1, index)
    target = (target - target.mean(-1, keepdim=True)) / (target.var(-1, keepdim=True) + 1e-6).sqrt()
    return F.mse_loss(predicted.gather(1, index), target)
