"""Keypoints to heatmaps and back."""

import torch

from smallpose.models.codecs import heatmap
from smallpose.models.losses import heatmap_mse_loss


def test_encoding_and_decoding_moves_a_keypoint_by_at_most_half_a_map_pixel():
    points = torch.rand(8, 17, 2) * torch.tensor([170.0, 230.0]) + 10
    maps, weights = heatmap.encode_heatmaps(points, torch.ones(8, 17), (48, 64))
    back, scores = heatmap.decode_heatmaps(maps)
    assert (weights == 1).all()
    assert torch.allclose(scores, torch.ones(8, 17))
    assert (back - points).abs().max() <= 2.0 + 1e-4


def test_the_quarter_shift_leans_to_the_larger_neighbour():
    maps = torch.zeros(1, 1, 8, 8)
    maps[0, 0, 4, 4], maps[0, 0, 4, 5], maps[0, 0, 3, 4] = 1.0, 0.5, 0.2
    points, _ = heatmap.decode_heatmaps(maps)
    assert points[0, 0].tolist() == [4.25 * 4, 3.75 * 4]


def test_of_equal_peaks_the_first_in_row_order_wins():
    maps = torch.zeros(1, 1, 8, 8)
    maps[0, 0, 2, 5] = maps[0, 0, 6, 1] = 1.0
    assert heatmap.decode_heatmaps(maps)[0][0, 0].tolist() == [20, 8]


def test_a_map_without_anything_above_zero_points_outside():
    points, scores = heatmap.decode_heatmaps(torch.full((1, 2, 8, 8), -0.5))
    assert (points == -4).all()
    assert (scores == -0.5).all()


def test_a_keypoint_far_outside_has_no_weight_and_no_peak():
    points = torch.tensor([[[-40.0, 20], [1e6, 20], [60, 60]]])
    maps, weights = heatmap.encode_heatmaps(points, torch.ones(1, 3), (48, 64))
    assert weights.tolist() == [[0, 0, 1]]
    assert maps[0, :2].abs().max() == 0


def test_unlabelled_joints_give_their_maps_no_gradient():
    visible = torch.ones(4, 5)
    visible[:, [1, 3]] = 0
    maps, weights = heatmap.encode_heatmaps(torch.rand(4, 5, 2) * 60, visible, (16, 24))
    out = torch.rand(4, 5, 24, 16, requires_grad=True)
    heatmap_mse_loss(out, maps, weights).backward()
    assert (out.grad[:, [1, 3]] == 0).all()
    assert (out.grad[:, [0, 2, 4]] != 0).any(dim=(0, 2, 3)).all()


def test_mirroring_back_undoes_mirroring():
    mirror = torch.tensor([0, 2, 1])
    maps = torch.rand(2, 3, 8, 6)
    turned = maps.flip(-1)[:, mirror]
    assert (heatmap.flip_back_heatmaps(turned, mirror, shift=False) == maps).all()
    shifted = heatmap.flip_back_heatmaps(turned, mirror, shift=True)
    assert (shifted[..., 1:] == maps[..., :-1]).all()
    assert (shifted[..., 0] == maps[..., 0]).all()
