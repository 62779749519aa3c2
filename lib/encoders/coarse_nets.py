"""The networks that turn an image into the features of both the contrastive loss and the linear head."""

from torch import nn

from lib.encoders import nets, vit
from lib.encoders.coarse_settings import NETS

HIDDEN, OUT = 256, 64  # of the perceptron


def backbone(name: str, channels: int, side: int, pretrained: bool = False) -> tuple[nn.Module, int]:
    """A network from square images (n, channels, side, side) to features (n, dim), and dim.

    vit, vit_small: see ``lib.encoders.vit``; dim 256 and 64.  convnet, resnet_small: see ``lib.encoders.nets``; dim 64 and 128.
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
        return nets.backbone(name, channels)
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
