"""Layers that are folded into each other compute the same, with fewer products."""

import pytest
import torch
from torch import nn

from smallpose.models.backbones.csp_darknet import Focus, fold_focus
from smallpose.models.conv_norm import ConvNorm, fold_norm
from smallpose.models.heads.folded_encoder import FoldedEncoder
from smallpose.models.heads.hybrid_encoder import HybridEncoder


def draw_norms(network):
    """Give all batch norms statistics and weights as after a training."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean)
            nn.init.uniform_(layer.running_var, 0.3, 2)
            nn.init.uniform_(layer.weight, 0.5, 2)
            nn.init.normal_(layer.bias)
    return network.eval()


def create_encoder(widen=0.5, deepen=1.0):
    torch.manual_seed(1)
    return draw_norms(HybridEncoder((8, 16, 24), 32, widen, deepen, hidden=32))


def make_levels(b=2, h=6, w=10):
    sizes = [(8, 4 * h, 4 * w), (16, 2 * h, 2 * w), (24, h, w)]
    return tuple(torch.randn(b, *size) for size in sizes)


def count_products(network, *inputs):
    """Count the multiplications of all convolutions."""
    counts = []

    def count(layer, _, output):
        counts.append(output.numel() * layer.weight[0].numel())

    hooks = [
        layer.register_forward_hook(count)
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d)
    ]
    network(*inputs)
    for hook in hooks:
        hook.remove()
    return sum(counts)


# At the full width the blocks have no last convolution (RTMO-l).
@pytest.mark.parametrize(("widen", "deepen"), [(0.5, 1.0), (1.0, 0.33)])
def test_the_folded_encoder_computes_the_same_with_fewer_products(widen, deepen):
    encoder = create_encoder(widen, deepen)
    before = {name: weight.clone() for name, weight in encoder.state_dict().items()}
    levels = make_levels()
    with torch.inference_mode():
        folded = FoldedEncoder(encoder)
        for mine, expected in zip(folded(levels), encoder(levels), strict=True):
            torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-4)
            assert expected.std() > 0.1
        assert count_products(folded, levels) < 0.9 * count_products(encoder, levels)
    assert encoder.state_dict().keys() == before.keys()
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())


def test_a_training_encoder_is_folded_as_in_eval_mode_and_stays_in_training():
    encoder = create_encoder()
    levels = make_levels()
    with torch.inference_mode():
        expected = encoder(levels)
        encoder.train()
        torch.testing.assert_close(FoldedEncoder(encoder)(levels), expected, rtol=1e-4, atol=1e-4)
    assert all(layer.training for layer in encoder.modules())


def test_the_stem_is_one_convolution():
    torch.manual_seed(2)
    stem = draw_norms(Focus(12))
    images = torch.randn(2, 3, 14, 18)
    with torch.inference_mode():
        torch.testing.assert_close(fold_focus(stem)(images), stem(images), rtol=1e-4, atol=1e-4)


def test_a_norm_is_folded_into_its_convolution():
    torch.manual_seed(3)
    layer = draw_norms(ConvNorm(4, 6, 3, 2, act=""))
    images = torch.randn(2, 4, 9, 7)
    with torch.inference_mode():
        torch.testing.assert_close(fold_norm(layer)(images.double()).float(), layer(images))
