"""The networks: backbones that turn an image into a feature, and the head that the contrastive loss sees."""

from torch import nn

from lib.encoders import vit
from lib.encoders.coarse_settings import NETS

HIDDEN, OUT = 256, 64  # of the perceptron
BACKBONES = ("resnet34", "resnet18", "resnet_small", "convnet")


def backbone(name: str, channels: int, pretrained: bool = False) -> tuple[nn.Module, int]:
    """A network from images (n, channels, h, w) to features (n, dim), and dim.

    resnet34, resnet18: torchvision's, with the CIFAR stem (3x3 convolution of stride 1, no max-pool); dim 512.
    resnet_small: one basic block a stage, widths 16 to 128, a stem of stride 2, for a CPU; dim 128.
    convnet: three convolutions, for 8x8 digits; dim 64.
    pretrained: ImageNet-1k weights, loaded before the stem is replaced (resnet18 and resnet34 only), as in the public
    code of Maity et al. (2024).  ValueError: an unknown name, or weights asked for where none exist.
    """
    if name not in BACKBONES:
        raise ValueError(f"net {name!r} is unknown; known are {', '.join(BACKBONES)}")
    if pretrained and name not in ("resnet18", "resnet34"):
        raise ValueError(f"net {name!r} has no ImageNet weights; use resnet18 or resnet34, or pretrained=False")
    if name == "convnet":
        return _convnet(channels, 16), 64
    if name == "resnet_small":
        return _resnet_small(channels, 16), 128
    from lib.images.vision import torchvision

    net = getattr(torchvision.models, name)(weights="IMAGENET1K_V1" if pretrained else None)
    net.conv1 = nn.Conv2d(channels, 64, 3, 1, 1, bias=False)
    net.maxpool, net.fc = nn.Identity(), nn.Identity()
    return net, 512


def of_square(name: str, channels: int, side: int, pretrained: bool = False) -> tuple[nn.Module, int]:
    """A network from square images (n, channels, side, side) to features (n, dim), and dim.

    vit, vit_small: see ``lib.encoders.vit``; dim 256 and 64.  convnet, resnet_small: as ``backbone``; dim 64 and 128.
    resnet18, resnet34, resnet50: torchvision's with their ImageNet stem (7x7 convolution of stride 2 and max-pool), as
    in the released code; dim 512, 512, 2048.  mlp: one hidden layer of 256, dim 64.
    ValueError: an unknown name, or ImageNet weights asked for with other than 3 channels.
    """
    if name not in NETS:
        raise ValueError(f"net {name!r} is unknown; known are {', '.join(NETS)}")
    if name.startswith("vit"):
        sizes = vit.PAPER if name == "vit" else vit.SMALL
        return vit.VisionTransformer(channels, side, sizes), sizes.width
    if name == "mlp":
        layers = nn.Linear(channels * side * side, HIDDEN), nn.ReLU(inplace=True), nn.Linear(HIDDEN, OUT)
        return nn.Sequential(nn.Flatten(), *layers), OUT
    if name in ("convnet", "resnet_small"):
        return backbone(name, channels)
    return _imagenet(name, channels, pretrained)


def _imagenet(name: str, channels: int, pretrained: bool) -> tuple[nn.Module, int]:
    from lib.images.vision import torchvision

    if pretrained and channels != 3:
        raise ValueError(f"pretrained=True: ImageNet weights need 3 channels, the images have {channels}")
    net = getattr(torchvision.models, name)(weights="IMAGENET1K_V1" if pretrained else None)
    dim = net.fc.in_features
    if channels != 3:
        net.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
    net.fc = nn.Identity()
    return net, dim


def projection_head(
    dim: int, hidden: int = 2048, out: int = 128, batchnorm: bool = False, last_batchnorm: bool = False
) -> nn.Module:
    """Linear, ReLU, Linear: (n, dim) to (n, out).

    batchnorm puts a BatchNorm before the ReLU (SimCLR's own code); last_batchnorm one without scale and shift at the
    end (SimSiam's).
    """
    norm = [nn.BatchNorm1d(hidden)] if batchnorm else []
    last = [nn.BatchNorm1d(out, affine=False)] if last_batchnorm else []
    return nn.Sequential(nn.Linear(dim, hidden), *norm, nn.ReLU(inplace=True), nn.Linear(hidden, out), *last)


def _conv(a: int, b: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True)]


def _convnet(channels: int, width: int) -> nn.Module:
    layers = [*_conv(channels, width, 1), *_conv(width, 2 * width, 2), *_conv(2 * width, 4 * width, 2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def _resnet_small(channels: int, width: int) -> nn.Module:
    from lib.images.vision import torchvision

    layers = _conv(channels, width, 2)
    a = width
    for stage in range(4):
        b, stride = width * 2**stage, 1 if stage == 0 else 2
        skip = None if a == b else nn.Sequential(nn.Conv2d(a, b, 1, stride, bias=False), nn.BatchNorm2d(b))
        layers.append(torchvision.models.resnet.BasicBlock(a, b, stride, skip))
        a = b
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
