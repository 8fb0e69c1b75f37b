"""HRNet, HRFormer, ViT: what passes through, what a window sees, what learns how fast."""

import pytest
import torch
from torch import nn

from smallpose import create_method
from smallpose.models.backbones.hrformer import (
    HRFORMER_TINY,
    HRFormer,
    LocalWindowSelfAttention,
    WindowAttention,
)
from smallpose.models.backbones.hrnet import W8_TINY, HRNet
from smallpose.models.backbones.vit import (
    VIT_TINY,
    DropPath,
    MultiheadAttention,
    ViT,
    get_layer_index,
)

BACKBONES = {
    "hrnet": lambda: HRNet(W8_TINY),
    "hrformer": lambda: HRFormer(HRFORMER_TINY, head_width=16),
    "vit": lambda: ViT(VIT_TINY, (64, 96)),
}


def compute_features(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
    features = net(images)
    return features[0] if isinstance(features, list) else features


@pytest.mark.parametrize("kind", BACKBONES)
def test_images_of_a_batch_are_independent_and_every_weight_has_a_gradient(kind):
    torch.manual_seed(0)
    net = BACKBONES[kind]().eval()
    images = torch.randn(3, 3, 96, 64)
    batched = compute_features(net, images)
    single = torch.cat([compute_features(net, image[None]) for image in images])
    assert torch.allclose(batched, single, atol=1e-4)
    batched.square().mean().backward()
    assert all(p.grad is not None and p.grad.any() for p in net.parameters())


@pytest.mark.parametrize("kind", BACKBONES)
def test_the_memory_format_of_the_images_does_not_change_the_features(kind):
    torch.manual_seed(0)
    net = BACKBONES[kind]().eval()
    images = torch.randn(2, 3, 96, 64)
    expected = compute_features(net, images)
    net.to(memory_format=torch.channels_last)
    features = compute_features(net, images.contiguous(memory_format=torch.channels_last))
    assert torch.allclose(features, expected, atol=1e-4)


def test_hrnet_returns_the_finest_branch_or_all_four():
    images = torch.randn(1, 3, 128, 96)
    assert [tuple(x.shape[1:]) for x in HRNet(W8_TINY)(images)] == [(8, 32, 24)]
    all_levels = HRNet(W8_TINY, every_level=True)
    expected = [(8, 32, 24), (16, 16, 12), (32, 8, 6), (64, 4, 3)]
    assert [tuple(x.shape[1:]) for x in all_levels(images)] == expected
    assert all_levels.out_channels == (8, 16, 32, 64)


def test_a_windows_attention_is_limited_to_the_window():
    torch.manual_seed(0)
    windows = LocalWindowSelfAttention(8, 2, window=3)
    x = torch.randn(1, 7, 5, 8)  # padded to 9 × 6: a row before and after, a column after
    changed = x.clone()
    changed[0, 2, 0] += 1
    is_changed = (windows(x) != windows(changed)).any(dim=-1)[0]
    # Rows 2 to 4 and columns 0 to 2 are a window: above it are a row of zeros and two of the map.
    assert is_changed.nonzero().tolist() == [[y, x] for y in (2, 3, 4) for x in (0, 1, 2)]


def test_zero_padding_takes_part_as_tokens():
    torch.manual_seed(0)
    windows = LocalWindowSelfAttention(8, 2, window=3)
    x = torch.randn(1, 2, 2, 8)
    padded = torch.zeros(1, 3, 3, 8)
    padded[:, :2, :2] = x
    assert torch.allclose(windows(x), windows(padded)[:, :2, :2], atol=1e-6)


def test_window_attention_is_its_formula():
    torch.manual_seed(0)
    attention = WindowAttention(8, 2, window=3)
    nn.init.normal_(attention.relative_position_bias_table)
    tokens = torch.randn(4, 9, 8)
    q, k, v = attention.qkv(tokens).chunk(3, dim=-1)
    parts = []
    for head, columns in enumerate((slice(0, 4), slice(4, 8))):
        # The square root of the four channels of a head is 2.
        logits = q[..., columns] @ k[..., columns].transpose(1, 2) / 2
        for i in range(9):
            for j in range(9):
                row = (i // 3 - j // 3 + 2) * 5 + (i % 3 - j % 3 + 2)
                logits[:, i, j] += attention.relative_position_bias_table[row, head]
        parts.append(logits.softmax(dim=-1) @ v[..., columns])
    expected = attention.proj(torch.cat(parts, dim=-1))
    assert torch.allclose(attention(tokens), expected, atol=1e-5)


def test_attention_among_all_patches_is_its_formula():
    torch.manual_seed(0)
    attention = MultiheadAttention(8, 2)
    tokens = torch.randn(3, 5, 8)
    q, k, v = attention.qkv(tokens).chunk(3, dim=-1)
    parts = [
        (q[..., columns] @ k[..., columns].transpose(1, 2) / 2).softmax(dim=-1) @ v[..., columns]
        for columns in (slice(0, 4), slice(4, 8))
    ]
    assert torch.allclose(attention(tokens), attention.proj(torch.cat(parts, dim=-1)), atol=1e-5)


def test_drop_path_keeps_the_mean_and_does_nothing_outside_training():
    torch.manual_seed(0)
    drop, x = DropPath(0.25), torch.ones(4000, 2)
    dropped = drop(x)
    assert dropped.unique().tolist() == pytest.approx([0, 4 / 3])
    assert (dropped[:, 0] == dropped[:, 1]).all()
    assert dropped.mean() == pytest.approx(1, abs=0.03)
    assert drop.eval()(x) is x


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("backbone.pos_embed", 0),
        ("backbone.patch_embed.projection.bias", 0),
        ("backbone.layers.0.ln1.weight", 1),
        ("backbone.layers.11.ffn.layers.1.weight", 12),
        ("backbone.ln1.weight", 13),
        ("head.deconv_layers.0.weight", 13),
    ],
)
def test_layers_of_a_vit_are_counted_from_the_input(name, index):
    assert get_layer_index(name, 12) == index


def test_vitposes_learning_rate_falls_towards_the_input_and_only_matrices_are_decayed():
    method = create_method("vitpose_tiny")
    recipe = method.recipes["mmpose"]
    factors = {n: method.param_group_factors(n, p, recipe) for n, p in method.named_parameters()}
    assert factors["backbone.pos_embed"] == (pytest.approx(0.8**5), 0)
    assert factors["backbone.patch_embed.projection.weight"] == (pytest.approx(0.8**5), 1)
    assert factors["backbone.layers.3.attn.qkv.weight"] == (pytest.approx(0.8), 1)
    assert factors["backbone.layers.3.attn.qkv.bias"] == (pytest.approx(0.8), 0)
    assert factors["head.final_layer.weight"] == (1, 1)


def test_hrformer_decays_all_but_the_relative_position_biases():
    method = create_method("hrformer_tiny")
    not_decayed = {
        name.rsplit(".", 1)[1]
        for name, p in method.named_parameters()
        if method.param_group_factors(name, p, method.recipes["mmpose"])[1] == 0
    }
    assert not_decayed == {"relative_position_bias_table"}
