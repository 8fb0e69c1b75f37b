"""Codecs of DEKR and CID: roots, instance heatmaps, offsets, peaks."""

import pytest
import torch

from smallpose.methods.cid import encode_decoupled_heatmaps
from smallpose.models.codecs.center_heatmap import (
    compute_person_sigma,
    draw_instance_heatmaps,
    encode_offsets,
    find_peaks,
    find_roots,
)
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


def test_a_persons_sigma_grows_with_their_box_and_is_cids():
    corners = torch.tensor([[[0.0, 0.0], [0.0, 20.0], [10.0, 0.0], [10.0, 20.0]]])
    # h + w = 30, w h = 200, overlap 0.7; the third case is the smallest:
    # (-42 + sqrt(42² + 16 · 0.7 · 0.3 · 200)) / 2 / 3
    expected = (-42 + (42**2 + 16 * 0.7 * 0.3 * 200) ** 0.5) / 2 / 3
    assert float(compute_person_sigma(corners)) == pytest.approx(expected, rel=1e-5)
    assert float(compute_person_sigma(2 * corners)) == pytest.approx(2 * expected, rel=1e-5)


def test_a_root_is_the_mean_of_the_labelled_joints_and_needs_one():
    keypoints = torch.zeros(2, 3, 3)
    keypoints[0] = torch.tensor([[2.0, 2.0, 1.0], [6.0, 8.0, 1.0], [99.0, 99.0, 0.0]])
    roots = find_roots(keypoints)
    assert roots.xy[0].tolist() == [4, 5]
    assert float(roots.diagonal[0]) == pytest.approx((16 + 36) ** 0.5)
    assert roots.is_labelled.tolist() == [True, False]


def test_offsets_point_from_every_pixel_around_the_root_to_the_keypoint():
    person = torch.tensor([[[10.0, 10.0, 1.0], [14.5, 20.0, 1.0], [-3.0, 5.0, 1.0]]])
    roots = find_roots(person)
    offsets, weights = encode_offsets(person, roots, roots.is_labelled, 4.0, (32, 32))
    rows, columns = torch.nonzero(weights[1], as_tuple=True)
    assert len(rows) == 8 * 8
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        assert offsets[1, :, row, column].tolist() == [14.5 - column, 20 - row]
    assert float(weights[1].max()) == pytest.approx(1 / float(roots.diagonal[0]))
    assert not weights[2].any()  # off the map


def test_where_two_people_overlap_the_smaller_one_keeps_their_offsets():
    small = torch.tensor([[10.0, 10.0, 1.0], [14.0, 16.0, 1.0]])
    large = torch.tensor([[2.0, 3.0, 1.0], [24.0, 25.0, 1.0]])
    for people in (torch.stack([small, large]), torch.stack([large, small])):
        roots = find_roots(people)
        offsets, _ = encode_offsets(people, roots, roots.is_labelled, 4.0, (32, 32))
        assert offsets[0, :, 13, 12].tolist() == [10 - 12, 10 - 13]


def test_peaks_are_sorted_by_value_and_limited_in_number():
    heatmap = torch.zeros(10, 10)
    heatmap[2, 3], heatmap[2, 4], heatmap[7, 7], heatmap[9, 0] = 0.5, 0.4, 0.9, 0.005
    indices, values = find_peaks(heatmap, 5, 0.01, None)
    assert indices.tolist() == [77, 23]
    assert values.tolist() == pytest.approx([0.9, 0.5])
    assert find_peaks(heatmap, 5, 0.01, 1)[0].tolist() == [77]
    assert len(find_peaks(torch.zeros(4, 4), 3, 0.01, None)[0]) == 0


def make_person(root: tuple[float, float], reach: float) -> torch.Tensor:
    """Make a person, (2, 3), of two joints `reach` px above and below their mean."""
    x, y = root
    return torch.tensor([[x, y - reach, 1.0], [x, y + reach, 1.0]])


@pytest.mark.parametrize(
    ("roots", "reaches", "kept"),
    [
        # In one pixel but at different points: both are people, the small one first.
        ([(8.25, 8.25), (8.75, 8.25)], [4.0, 2.0], [1, 0]),
        # At one point they are indistinguishable: the small one is kept, in either order.
        ([(8.25, 8.25), (8.25, 8.25)], [4.0, 2.0], [1]),
        ([(8.25, 8.25), (8.25, 8.25)], [2.0, 4.0], [0]),
        # Of people equally large at one point the first one is kept.
        ([(8.25, 8.25), (8.25, 8.25)], [3.0, 3.0], [0]),
        # A difference on one axis is enough.
        ([(8.25, 8.25), (8.25, 8.5), (12.0, 8.25)], [2.0, 3.0, 4.0], [0, 1, 2]),
    ],
)
def test_cid_distinguishes_people_by_the_exact_point_of_their_roots(roots, reaches, kept):
    pairs = zip(roots, reaches, strict=True)
    keypoints = torch.stack([make_person(root, reach) for root, reach in pairs])
    low, high = keypoints[..., :2].amin(dim=1) - 3, keypoints[..., :2].amax(dim=1) + 3
    corners = torch.stack(
        [
            low,
            torch.stack([low[:, 0], high[:, 1]], 1),
            torch.stack([high[:, 0], low[:, 1]], 1),
            high,
        ],
        dim=1,
    )
    heatmaps, instance_heatmaps, weights, pixels = encode_decoupled_heatmaps(
        keypoints, corners, (24, 20), jitter=0
    )
    assert heatmaps.shape == (3, 20, 24)
    assert len(instance_heatmaps) == len(weights) == len(kept)
    assert pixels.tolist() == [[int(v) for v in roots[i]] for i in kept]
    for person, row in enumerate(kept):
        _, (alone,), _, _ = encode_decoupled_heatmaps(
            keypoints[[row]], corners[[row]], (24, 20), jitter=0
        )
        assert torch.equal(instance_heatmaps[person], alone)
