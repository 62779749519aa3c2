"""lib.encoders.nets: shapes, the CIFAR stem, and what is refused."""

import pytest
import torch
from torch import nn

from lib.encoders import nets
from lib.images.vision import torchvision


@pytest.mark.parametrize(
    "name, dim, channels, side",
    [("resnet34", 512, 3, 32), ("resnet18", 512, 3, 32), ("resnet_small", 128, 3, 32), ("convnet", 64, 1, 8)],
)
def test_backbones_turn_images_into_features(name, dim, channels, side):
    net, announced = nets.backbone(name, channels)
    z = net.eval()(torch.rand(2, channels, side, side))
    assert z.shape == (2, dim) and announced == dim
    assert z.min() >= 0, "the feature is an average of rectified values"


@pytest.mark.parametrize("name, parameters", [("resnet18", 11_689_512), ("resnet34", 21_797_672)])
def test_the_cifar_stem_keeps_the_resolution(name, parameters):
    net, _ = nets.backbone(name, 3)
    assert (net.conv1.kernel_size, net.conv1.stride, net.conv1.padding) == ((3, 3), (1, 1), (1, 1))
    shapes = {}
    for part in ("conv1", "layer1", "layer4"):
        getattr(net, part).register_forward_hook(lambda m, i, o, part=part: shapes.update({part: tuple(o.shape[1:])}))
    net.eval()(torch.rand(1, 3, 32, 32))
    assert shapes == {"conv1": (64, 32, 32), "layer1": (64, 32, 32), "layer4": (512, 4, 4)}
    # the published size, less the 1,000-way classifier and the 7x7 stem, plus the 3x3 stem
    expected = parameters - (512 * 1000 + 1000) - 64 * 3 * 49 + 64 * 3 * 9
    assert sum(p.numel() for p in net.parameters()) == expected


@pytest.mark.parametrize("name", ["convnet", "resnet_small"])
def test_pretrained_is_refused_where_no_weights_exist(name):
    with pytest.raises(ValueError, match=f"'{name}' has no ImageNet weights; use resnet18 or resnet34"):
        nets.backbone(name, 3, pretrained=True)


@pytest.mark.parametrize("name", ["resnet18", "resnet34"])
def test_pretrained_weights_are_taken_before_the_stem_is_replaced(name, monkeypatch):
    real, asked = getattr(torchvision.models, name), []

    def build(weights):
        asked.append(weights)
        net = real(weights=None)
        nn.init.constant_(net.conv1.weight, 9.0)
        nn.init.constant_(net.layer1[0].conv1.weight, 9.0)
        return net

    monkeypatch.setattr(torchvision.models, name, build)
    net, _ = nets.backbone(name, 3, pretrained=True)
    nets.backbone(name, 3)
    assert asked == ["IMAGENET1K_V1", None]
    assert (net.layer1[0].conv1.weight == 9).all() and (net.conv1.weight.abs() < 9).all()


def test_an_unknown_net_is_refused_with_the_known_names():
    with pytest.raises(ValueError, match="'resnet50' is unknown; known are resnet34, resnet18, resnet_small, convnet"):
        nets.backbone("resnet50", 3)


@pytest.mark.parametrize("batchnorm", [False, True])
def test_projection_head(batchnorm):
    head = nets.projection_head(64, 32, 16, batchnorm=batchnorm)
    weights = 64 * 32 + 32 + 32 * 16 + 16
    assert sum(p.numel() for p in head.parameters()) == weights + (2 * 32 if batchnorm else 0)
    assert head(torch.rand(5, 64)).shape == (5, 16)
    assert any(isinstance(m, nn.BatchNorm1d) for m in head) == batchnorm
