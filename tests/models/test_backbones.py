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
from smallpose.models.backbones.vit import VIT_TINY, Attention, DropPath, ViT, get_layer_index

KINDS = {
    "hrnet": lambda: HRNet(W8_TINY),
    "hrformer": lambda: HRFormer(HRFORMER_TINY, head_width=16),
    "vit": lambda: ViT(VIT_TINY, (64, 96)),
}


def features(net: nn.Module, pictures: torch.Tensor) -> torch.Tensor:
    made = net(pictures)
    return made[0] if isinstance(made, list) else made


@pytest.mark.parametrize("kind", KINDS)
def test_people_of_a_batch_do_not_see_each_other_and_everything_learns(kind):
    torch.manual_seed(0)
    net = KINDS[kind]().eval()
    pictures = torch.randn(3, 3, 96, 64)
    together = features(net, pictures)
    alone = torch.cat([features(net, picture[None]) for picture in pictures])
    assert torch.allclose(together, alone, atol=1e-4)
    together.square().mean().backward()
    assert all(p.grad is not None and p.grad.any() for p in net.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_memory_order_of_the_images_does_not_matter(kind):
    torch.manual_seed(0)
    net = KINDS[kind]().eval()
    pictures = torch.randn(2, 3, 96, 64)
    plain = features(net, pictures)
    last = net.to(memory_format=torch.channels_last)
    assert torch.allclose(
        features(last, pictures.contiguous(memory_format=torch.channels_last)), plain, atol=1e-4
    )


def test_hrnet_gives_the_finest_branch_or_all_four():
    pictures = torch.randn(1, 3, 128, 96)
    assert [tuple(x.shape[1:]) for x in HRNet(W8_TINY)(pictures)] == [(8, 32, 24)]
    every = HRNet(W8_TINY, every_level=True)
    wanted = [(8, 32, 24), (16, 16, 12), (32, 8, 6), (64, 4, 3)]
    assert [tuple(x.shape[1:]) for x in every(pictures)] == wanted
    assert every.out_channels == (8, 16, 32, 64)


def test_a_window_sees_itself_and_no_other():
    torch.manual_seed(0)
    windows = LocalWindowSelfAttention(8, 2, side=3)
    x = torch.randn(1, 7, 5, 8)  # grows to 9 × 6: one row before and one after, one column after
    changed = x.clone()
    changed[0, 2, 0] += 1
    moved = (windows(x) != windows(changed)).any(dim=-1)[0]
    # Rows 2 to 4 and columns 0 to 2 are a window: above it stand a row of zeros and two of the map.
    assert moved.nonzero().tolist() == [[y, x] for y in (2, 3, 4) for x in (0, 1, 2)]


def test_zeros_around_the_map_take_part_as_tokens():
    torch.manual_seed(0)
    windows = LocalWindowSelfAttention(8, 2, side=3)
    x = torch.randn(1, 2, 2, 8)
    padded = torch.zeros(1, 3, 3, 8)
    padded[:, :2, :2] = x
    assert torch.allclose(windows(x), windows(padded)[:, :2, :2], atol=1e-6)


def test_attention_of_a_window_is_its_formula():
    torch.manual_seed(0)
    attention = WindowAttention(8, 2, side=3)
    nn.init.normal_(attention.relative_position_bias_table)
    tokens = torch.randn(4, 9, 8)
    q, k, v = attention.qkv(tokens).chunk(3, dim=-1)
    parts = []
    for head, at in enumerate((slice(0, 4), slice(4, 8))):
        logits = q[..., at] @ k[..., at].transpose(1, 2) / 2  # the root of four numbers in a head
        for i in range(9):
            for j in range(9):
                place = (i // 3 - j // 3 + 2) * 5 + (i % 3 - j % 3 + 2)
                logits[:, i, j] += attention.relative_position_bias_table[place, head]
        parts.append(logits.softmax(dim=-1) @ v[..., at])
    wanted = attention.proj(torch.cat(parts, dim=-1))
    assert torch.allclose(attention(tokens), wanted, atol=1e-5)


def test_attention_of_all_patches_is_its_formula():
    torch.manual_seed(0)
    attention = Attention(8, 2)
    tokens = torch.randn(3, 5, 8)
    q, k, v = attention.qkv(tokens).chunk(3, dim=-1)
    parts = [
        (q[..., at] @ k[..., at].transpose(1, 2) / 2).softmax(dim=-1) @ v[..., at]
        for at in (slice(0, 4), slice(4, 8))
    ]
    assert torch.allclose(attention(tokens), attention.proj(torch.cat(parts, dim=-1)), atol=1e-5)


def test_a_dropped_path_is_kept_on_average_and_always_outside_training():
    torch.manual_seed(0)
    drop, x = DropPath(0.25), torch.ones(4000, 2)
    dropped = drop(x)
    assert dropped.unique().tolist() == pytest.approx([0, 4 / 3])
    assert (dropped[:, 0] == dropped[:, 1]).all()
    assert dropped.mean() == pytest.approx(1, abs=0.03)
    assert drop.eval()(x) is x


@pytest.mark.parametrize(
    ("name", "depth"),
    [
        ("backbone.pos_embed", 0),
        ("backbone.patch_embed.projection.bias", 0),
        ("backbone.layers.0.ln1.weight", 1),
        ("backbone.layers.11.ffn.layers.1.weight", 12),
        ("backbone.ln1.weight", 13),
        ("head.deconv_layers.0.weight", 13),
    ],
)
def test_layers_of_a_vit_are_counted_from_the_image(name, depth):
    assert get_layer_index(name, 12) == depth


def test_vitpose_learns_slower_towards_the_image_and_decays_matrices_only():
    method = create_method("vitpose_tiny")
    recipe = method.recipes["mmpose"]
    treated = {n: method.param_group_factors(n, p, recipe) for n, p in method.named_parameters()}
    assert treated["backbone.pos_embed"] == (pytest.approx(0.8**5), 0)
    assert treated["backbone.patch_embed.projection.weight"] == (pytest.approx(0.8**5), 1)
    assert treated["backbone.layers.3.attn.qkv.weight"] == (pytest.approx(0.8), 1)
    assert treated["backbone.layers.3.attn.qkv.bias"] == (pytest.approx(0.8), 0)
    assert treated["head.final_layer.weight"] == (1, 1)


def test_hrformer_decays_all_but_the_tables_of_relative_places():
    method = create_method("hrformer_tiny")
    spared = {
        name.rsplit(".", 1)[1]
        for name, p in method.named_parameters()
        if method.param_group_factors(name, p, method.recipes["mmpose"])[1] == 0
    }
    assert spared == {"relative_position_bias_table"}
