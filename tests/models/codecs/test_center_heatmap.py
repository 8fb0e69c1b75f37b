"""Roots, instance heatmaps and peaks."""

import pytest
import torch

from smallpose.models.codecs.center_heatmap import draw_instance_heatmaps, find_peaks, find_roots
from smallpose.models.codecs.heatmap import encode_heatmaps


def test_gaussians_with_an_integer_reach_are_those_of_the_top_down_codec():
    points = torch.tensor([[[3.2, 4.9], [0.4, 11.6], [15.0, 2.0]], [[8.0, 8.0]] * 3])
    visible = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    heatmaps, weights = draw_instance_heatmaps(points, visible, torch.tensor([2.0, 2.0]), (16, 12))
    expected, expected_weights = encode_heatmaps(points * 4, visible, (16, 12), 2.0)
    torch.testing.assert_close(heatmaps, expected)
    torch.testing.assert_close(weights, expected_weights)


@pytest.mark.parametrize(("sigma", "peak"), [(2.1, 7), (2.2, 8), (2.0, 8)])
def test_a_fractional_reach_below_a_half_moves_the_peak_up_and_left(sigma, peak):
    point = torch.tensor([[[8.0, 8.0]]])
    heatmaps, _ = draw_instance_heatmaps(point, torch.ones(1, 1), torch.tensor([sigma]), (20, 20))
    assert heatmaps[0, 0].argmax() == peak * 20 + peak
    assert heatmaps.max() == 1


def test_a_root_is_the_mean_of_the_labelled_joints_and_needs_one():
    keypoints = torch.zeros(2, 3, 3)
    keypoints[0] = torch.tensor([[2.0, 2.0, 1.0], [6.0, 8.0, 1.0], [99.0, 99.0, 0.0]])
    roots = find_roots(keypoints)
    assert roots.xy[0].tolist() == [4, 5]
    assert float(roots.diagonal[0]) == pytest.approx((16 + 36) ** 0.5)
    assert roots.is_labelled.tolist() == [True, False]


def test_peaks_are_sorted_by_value_and_limited_in_number():
    heatmap = torch.zeros(10, 10)
    heatmap[2, 3], heatmap[2, 4], heatmap[7, 7], heatmap[9, 0] = 0.5, 0.4, 0.9, 0.005
    indices, values, count = find_peaks(heatmap, 5, 0.01, None)
    assert count == len(indices)
    assert indices.tolist() == [77, 23]
    assert values.tolist() == pytest.approx([0.9, 0.5])
    assert find_peaks(heatmap, 5, 0.01, 1)[0].tolist() == [77]
    assert len(find_peaks(torch.zeros(4, 4), 3, 0.01, None)[0]) == 0
