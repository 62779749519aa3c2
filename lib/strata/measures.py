"""How the features of a coarse class lie: how near to one another, and where its strata are."""

import torch
import torch.nn.functional as F
from torch import Tensor


def within_classes(z: Tensor, y: Tensor) -> Tensor:
    """Mean cosine (..., K) of different images of each class.

    z: (..., n, d) features of any length; y: (n,) codes 0 … K − 1.  ValueError: a class with fewer than two images.
    """
    z, member = F.normalize(z, dim=-1), F.one_hot(y).to(z)  # (n, K)
    size = member.sum(0)
    if (size < 2).any():
        raise ValueError(f"class {int(size.argmin())} has {int(size.min())} images; at least 2 make a pair")
    total = (member.mT @ z).square().sum(-1)  # (..., K), self-pairs counted
    return (total - size) / (size * (size - 1))


def across_strata(z: Tensor, y: Tensor, stratum: Tensor) -> Tensor:
    """Mean cosine (..., K) of images of one class but of different strata; NaN for a class of one stratum.

    z: (..., n, d); y, stratum: (n,) codes, every stratum inside one class.
    """
    z, member = F.normalize(z, dim=-1), F.one_hot(stratum).to(z)
    size, total = member.sum(0), member.mT @ z  # (strata,), (..., strata, d)
    owner = F.one_hot(owners(y, stratum)).to(z)  # (strata, K)
    whole = (owner.mT @ total).square().sum(-1)  # (..., K)
    inside = total.square().sum(-1) @ owner  # (..., K) pairs of one stratum
    count = (size @ owner).square() - size.square() @ owner
    return (whole - inside) / count


def to_centre(z: Tensor, y: Tensor, stratum: Tensor, even: bool = False) -> Tensor:
    """Mean cosine (..., strata) of the images of each stratum to the centre of their class.

    z: (..., n, d) features of any length; y, stratum: (n,) codes, every stratum inside one class.  The centre is the
    mean of the unit features of the class's images, or with ``even`` of its strata, each counting alike.
    """
    z, member = F.normalize(z, dim=-1), F.one_hot(stratum).to(z)
    size = member.sum(0)
    mean = (member / size).mT @ z  # (..., strata, d)
    owner = F.one_hot(owners(y, stratum)).to(z)  # (strata, K)
    weight = owner if even else owner * size[:, None]
    centre = F.normalize((weight / weight.sum(0)).mT @ mean, dim=-1)  # (..., K, d)
    return (mean * (owner @ centre)).sum(-1)


def owners(y: Tensor, stratum: Tensor) -> Tensor:
    """(strata,) the class of each stratum; ValueError for a stratum of two classes or without images."""
    pairs = torch.stack([stratum, y], 1).unique(dim=0)  # sorted by stratum
    if pairs[:, 0].tolist() != list(range(int(stratum.max()) + 1)):
        raise ValueError("every stratum must have images, and all of them of one class")
    return pairs[:, 1]


def tsne(z: Tensor) -> Tensor:
    """A map (n, 2) of unit features of z (n, d) by t-SNE, from their principal components, perplexity 30 at most."""
    from sklearn.manifold import TSNE

    unit = F.normalize(z, dim=-1).double().numpy()
    perplexity = min(30.0, (len(unit) - 1) / 3)
    return torch.from_numpy(TSNE(init="pca", perplexity=perplexity, random_state=0).fit_transform(unit)).double()
