"""DEKR's head: deformable and adaptive convolutions."""

import pytest
import torch
import torch.nn.functional as F

from smallpose.models.heads.dekr import (
    AdaptiveActivationBlock,
    DEKRHead,
    deform_conv2d,
    regular_grid_points,
)


def move_points(offsets: torch.Tensor) -> torch.Tensor:
    """Move a convolution's points by (b, g, 9, 2, h, w) dy and dx in px."""
    h, w = offsets.shape[-2:]
    scaled = offsets.flip(3).transpose(2, 3) * torch.tensor([2 / w, 2 / h]).view(2, 1, 1, 1)
    return regular_grid_points(h, w) + scaled


def test_a_deformable_convolution_with_zero_offsets_is_a_convolution():
    torch.manual_seed(0)
    x, weight = torch.randn(2, 6, 7, 9), torch.randn(8, 3, 3, 3)
    expected = F.conv2d(x, weight, padding=1, groups=2)
    output = deform_conv2d(x, move_points(torch.zeros(2, 2, 9, 2, 7, 9)), weight)
    torch.testing.assert_close(output, expected, atol=1e-5, rtol=1e-5)


def test_moved_points_sample_the_image_there_and_zero_outside():
    x = torch.arange(20.0).reshape(1, 1, 4, 5)
    weight = torch.zeros(1, 1, 3, 3)
    weight[0, 0, 1, 1] = 1
    offsets = torch.zeros(1, 1, 9, 2, 4, 5)
    offsets[:, :, 4, 0], offsets[:, :, 4, 1] = 1.0, -2.0  # the middle point one down, two left
    expected = torch.zeros(4, 5)
    expected[:3, 2:] = x[0, 0, 1:, :3]
    output = deform_conv2d(x, move_points(offsets), weight)[0, 0]
    torch.testing.assert_close(output, expected, atol=1e-4, rtol=0)
    half_pixel = torch.zeros(1, 1, 9, 2, 4, 5)
    half_pixel[:, :, 4, 1] = 0.5
    output = deform_conv2d(x, move_points(half_pixel), weight)[0, 0]
    torch.testing.assert_close(output[:, :4], x[0, 0, :, :4] + 0.5, atol=1e-4, rtol=0)
    torch.testing.assert_close(output[:, 4], x[0, 0, :, 4] / 2, atol=1e-4, rtol=0)


def test_an_adaptive_block_passes_gradients_to_its_sampling_points():
    block = AdaptiveActivationBlock(2, 3)
    block(torch.randn(2, 6, 8, 8)).square().sum().backward()
    assert block.transform_matrix_conv.weight.grad.abs().sum() > 0


def test_an_adaptive_block_moves_its_points_by_the_predicted_affine_map():
    """The map's first row gives dy, its second dx, from a point's y, x and 1."""
    torch.manual_seed(0)
    block = AdaptiveActivationBlock(2, 3).eval()
    torch.nn.init.normal_(block.transform_matrix_conv.bias, std=0.5)
    torch.nn.init.zeros_(block.transform_matrix_conv.weight)  # the same map at every pixel
    x = torch.randn(2, 6, 8, 5)
    dy, dx = block.transform_matrix_conv.bias.view(2, 2, 3).unbind(dim=1)  # of each joint, (2, 3)
    offsets = torch.zeros(2, 2, 9, 2, 8, 5)
    for index in range(9):
        point = torch.tensor([index // 3 - 1.0, index % 3 - 1.0, 1.0])
        offsets[:, :, index, 0] = (dy @ point)[None, :, None, None]
        offsets[:, :, index, 1] = (dx @ point)[None, :, None, None]
    adapted = deform_conv2d(x, move_points(offsets), block.adapt_conv.weight)
    expected = F.relu(block.norm(adapted) + x)
    torch.testing.assert_close(block(x), expected, atol=1e-5, rtol=1e-5)


def test_the_memory_format_of_the_input_does_not_change_an_adaptive_block():
    torch.manual_seed(0)
    block = AdaptiveActivationBlock(2, 3)
    torch.nn.init.normal_(block.transform_matrix_conv.weight, std=0.3)
    x = torch.randn(2, 6, 8, 5)
    torch.testing.assert_close(block(x.to(memory_format=torch.channels_last)), block(x))


@pytest.mark.parametrize("is_training", [False, True])
def test_an_adaptive_block_at_all_pixels_is_the_whole_block(is_training):
    """In any order, with the gradients of all weights; the norm's statistics are of all pixels."""
    torch.manual_seed(0)
    block = AdaptiveActivationBlock(5, 4).double().train(is_training)
    torch.nn.init.normal_(block.transform_matrix_conv.weight, std=0.1)
    torch.nn.init.normal_(block.norm.weight)
    x = torch.randn(2, 20, 6, 9, dtype=torch.float64, requires_grad=True)
    pixels = torch.stack([torch.randperm(54) for _ in range(2)])
    dense = block(x).flatten(2).gather(2, pixels[:, None].expand(-1, 20, -1))
    alone = block.compute_at(x, pixels)[..., 0]
    torch.testing.assert_close(alone, dense, atol=1e-5, rtol=1e-5)  # points are float32
    weights = [x, *block.parameters()]
    share = torch.rand_like(dense)
    gradients = [torch.autograd.grad((out * share).sum(), weights) for out in (dense, alone)]
    torch.testing.assert_close(gradients[1], gradients[0], atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("num_blocks", [1, 2])
def test_offsets_of_some_pixels_are_those_of_the_whole_map(num_blocks):
    torch.manual_seed(0)
    head = DEKRHead(6, 3, 4, num_blocks, None).eval()
    for block in head.displacement_conv_layers[1:-1]:
        torch.nn.init.normal_(block.transform_matrix_conv.weight, std=0.1)
    features = torch.randn(2, 6, 7, 5)
    pixels = torch.stack([torch.randperm(35)[:9] for _ in range(2)])
    offsets = head.compute_offsets_at(features, pixels)
    is_chosen = torch.zeros(2, 35).scatter(1, pixels, 1.0).view(2, 1, 7, 5)
    torch.testing.assert_close(offsets, head(features)[1] * is_chosen)
