"""DEKR's codec: offsets from roots to keypoints."""

import pytest
import torch

from smallpose.models.codecs.center_heatmap import find_roots
from smallpose.models.codecs.spr import choose_taught_pixels, encode_offsets


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


def test_all_pixels_with_a_target_are_chosen_and_some_others():
    weights = torch.zeros(3, 4, 5, 6)
    weights[0, 2, 1, 1:4] = 0.1
    weights[1, :, 4, 5] = 0.2
    pixels = choose_taught_pixels(weights, 5)
    assert pixels.shape == (3, 8)
    assert {7, 8, 9} <= set(pixels[0].tolist()) and 29 in pixels[1].tolist()
    assert all(len(set(row)) == 8 and max(row) < 30 for row in pixels.tolist())
    assert choose_taught_pixels(weights, 500).sort().values.tolist() == [[*range(30)]] * 3
