"""lib.encoders.vit and lib.encoders.nets: the transformer against torch's own pieces,
and what every network gives out.
"""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lib.encoders import nets, vit

SIZES = vit.Sizes(patch=2, width=24, blocks=3, heads=4, hidden=40)


def moved(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module with every parameter away from its start, in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=generator))
    return module.eval()


def reference(block: vit.Block, heads: int) -> nn.TransformerEncoderLayer:
    """torch's pre-norm layer with the block's weights, and the identity as the projection that the block lacks."""
    width, hidden = block.norm1.normalized_shape[0], block.perceptron[0].out_features
    options = {"activation": "gelu", "batch_first": True, "norm_first": True, "dropout": 0.0}
    made = nn.TransformerEncoderLayer(width, heads, hidden, **options).eval()
    with torch.no_grad():
        made.self_attn.in_proj_weight.copy_(block.attention.qkv.weight)
        made.self_attn.in_proj_bias.copy_(block.attention.qkv.bias)
        made.self_attn.out_proj.weight.copy_(torch.eye(width))
        made.self_attn.out_proj.bias.zero_()
        pairs = (
            (made.norm1, block.norm1),
            (made.norm2, block.norm2),
            (made.linear1, block.perceptron[0]),
            (made.linear2, block.perceptron[3]),
        )
        for a, b in pairs:
            a.load_state_dict(b.state_dict())
    return made


def test_a_block_is_torchs_layer_without_the_output_projection():
    block, h = moved(vit.Block(SIZES, 0.1)), torch.randn(5, 7, 24)
    assert torch.allclose(block(h), reference(block, 4)(h), atol=1e-5)


def test_attention_is_torchs():
    attention, h = moved(vit.Attention(24, 4, 0.1)), torch.randn(3, 6, 24)
    q, k, v = (t.view(3, 6, 4, 6).transpose(1, 2) for t in attention.qkv(h).chunk(3, -1))
    assert torch.allclose(attention(h), F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2), atol=1e-5)


def test_the_whole_net_by_hand():
    net, x = moved(vit.VisionTransformer(3, 8, SIZES)), torch.randn(2, 3, 8, 8)
    for i in range(2):
        tokens = [net.token[0, 0]]
        for row in range(4):
            for column in range(4):
                patch = x[i, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].flatten()
                tokens.append(net.embedding[1](net.embedding[0](patch)))
        h = torch.stack(tokens)[None] + net.position
        for block in net.blocks:
            h = reference(block, 4)(h)
        assert torch.allclose(net(x)[i], net.norm(h[0, 0]), atol=1e-4)


@pytest.mark.parametrize("channels, side, positions", [(3, 32, 65), (1, 28, 50), (3, 64, 257)])
def test_the_papers_net_has_its_size(channels, side, positions):
    net = vit.VisionTransformer(channels, side)
    assert net.position.shape == (1, positions, 256)
    w, h = 256, 512
    block = 3 * w * (w + 1) + w * h + h + h * w + w + 2 * 2 * w
    assert sum(p.numel() for p in net.blocks.parameters()) == 7 * block
    total = sum(p.numel() for p in net.parameters())
    assert total == 7 * block + 16 * channels * w + w + 2 * w + w + positions * w + 2 * w
    assert side > 32 or 3.2e6 < total < 3.3e6


def test_the_released_codes_rates():
    net = vit.VisionTransformer(3, 32)
    assert [block.path.rate for block in net.blocks] == pytest.approx([0.05 * i / 6 for i in range(7)])
    assert net.embedding[2].p == 0.1 and {b.dropout.p for b in net.blocks} == {0.05}
    assert {b.attention.head_dropout.p for b in net.blocks} == {0.1}


def test_whole_branches_are_left_out_and_the_mean_stays():
    torch.manual_seed(0)
    drop, x = vit.PathDropout(0.3), torch.ones(20_000, 2, 3)
    out = drop(x)
    assert torch.equal(out.amax((1, 2)), out.amin((1, 2))) and set(out.unique().tolist()) == {
        0.0,
        float(x[0, 0, 0] / 0.7),
    }
    assert float(out[:, 0, 0].mean()) == pytest.approx(1, abs=4 * math.sqrt(0.3 / 0.7 / 20_000))
    assert torch.equal(drop.eval()(x), x)


def test_a_head_without_logits_attends_to_all_alike():
    torch.manual_seed(0)
    attention, h = moved(vit.Attention(8, 2, 0.9999)).train(), torch.randn(4, 5, 8)
    v = attention.qkv(h).chunk(3, -1)[2]
    assert torch.allclose(attention(h), v.mean(1, keepdim=True).expand(-1, 5, -1), atol=1e-5)


def test_uneven_patches_are_refused():
    with pytest.raises(ValueError, match="side 30 are not cut evenly by patches of side 4"):
        vit.VisionTransformer(3, 30)


@pytest.mark.parametrize(
    "name, channels, side",
    [
        ("vit_small", 1, 8),
        ("vit", 1, 28),
        ("mlp", 1, 8),
        ("convnet", 1, 8),
        ("resnet_small", 3, 32),
        ("resnet18", 1, 28),
    ],
)
def test_backbones_give_the_width_they_name(name, channels, side):
    net, dim = nets.of_square(name, channels, side)
    assert net.eval()(torch.randn(2, channels, side, side)).shape == (2, dim)


def test_resnets_keep_the_imagenet_stem():
    net, dim = nets.of_square("resnet50", 3, 224)
    assert net.conv1.kernel_size == (7, 7) and net.conv1.stride == (2, 2) and isinstance(net.maxpool, nn.MaxPool2d)
    assert dim == 2048 and isinstance(net.fc, nn.Identity)


def test_unknown_nets_are_refused():
    with pytest.raises(ValueError, match="net 'resnet101' is unknown; known are vit"):
        nets.of_square("resnet101", 3, 32)
    with pytest.raises(ValueError, match="need 3 channels"):
        nets.of_square("resnet18", 1, 28, pretrained=True)
