"""MSRA heatmaps: encoding, decoding, flip back."""

import torch

from smallpose.models.codecs.heatmap import decode_heatmaps, encode_heatmaps, flip_back_heatmaps
from smallpose.models.losses import heatmap_mse_loss


def test_encoding_and_decoding_moves_a_keypoint_by_at_most_half_a_map_pixel():
    keypoints = torch.rand(8, 17, 2) * torch.tensor([170.0, 230.0]) + 10
    heatmaps, weights = encode_heatmaps(keypoints, torch.ones(8, 17), (48, 64))
    decoded, scores = decode_heatmaps(heatmaps)
    assert (weights == 1).all()
    assert torch.allclose(scores, torch.ones(8, 17))
    assert (decoded - keypoints).abs().max() <= 2.0 + 1e-4


def test_the_quarter_shift_is_towards_the_larger_neighbour():
    heatmap = torch.zeros(1, 1, 8, 8)
    heatmap[0, 0, 4, 4], heatmap[0, 0, 4, 5], heatmap[0, 0, 3, 4] = 1.0, 0.5, 0.2
    points, _ = decode_heatmaps(heatmap)
    assert points[0, 0].tolist() == [4.25 * 4, 3.75 * 4]


def test_of_equal_peaks_the_first_in_row_order_is_decoded():
    heatmap = torch.zeros(1, 1, 8, 8)
    heatmap[0, 0, 2, 5] = heatmap[0, 0, 6, 1] = 1.0
    assert decode_heatmaps(heatmap)[0][0, 0].tolist() == [20, 8]


def test_a_heatmap_without_anything_above_zero_is_decoded_outside_the_crop():
    points, scores = decode_heatmaps(torch.full((1, 2, 8, 8), -0.5))
    assert (points == -4).all()
    assert (scores == -0.5).all()


def test_a_keypoint_far_outside_has_no_weight_and_no_peak():
    keypoints = torch.tensor([[[-40.0, 20], [1e6, 20], [60, 60]]])
    heatmaps, weights = encode_heatmaps(keypoints, torch.ones(1, 3), (48, 64))
    assert weights.tolist() == [[0, 0, 1]]
    assert heatmaps[0, :2].abs().max() == 0


def test_unlabelled_joints_give_their_heatmaps_no_gradient():
    visible = torch.ones(4, 5)
    visible[:, [1, 3]] = 0
    heatmaps, weights = encode_heatmaps(torch.rand(4, 5, 2) * 60, visible, (16, 24))
    output = torch.rand(4, 5, 24, 16, requires_grad=True)
    heatmap_mse_loss(output, heatmaps, weights).backward()
    assert (output.grad[:, [1, 3]] == 0).all()
    assert (output.grad[:, [0, 2, 4]] != 0).any(dim=(0, 2, 3)).all()


def test_flip_back_undoes_mirroring():
    flip_indices = torch.tensor([0, 2, 1])
    heatmaps = torch.rand(2, 3, 8, 6)
    mirrored = heatmaps.flip(-1)[:, flip_indices]
    assert (flip_back_heatmaps(mirrored, flip_indices, shift=False) == heatmaps).all()
    shifted = flip_back_heatmaps(mirrored, flip_indices, shift=True)
    assert (shifted[..., 1:] == heatmaps[..., :-1]).all()
    assert (shifted[..., 0] == heatmaps[..., 0]).all()
