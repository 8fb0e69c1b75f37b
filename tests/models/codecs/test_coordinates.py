"""Regressed coordinates: weights, scores, flip back."""

import math

import pytest
import torch

from smallpose.core.skeleton import COCO17
from smallpose.models.codecs.coordinates import (
    decode_coordinates,
    encode_coordinates,
    flip_back_coordinates,
)

SIZE = (192, 256)
FLIP_INDICES = torch.from_numpy(COCO17.flip_indices)


def make_pair(x: float, y: float) -> torch.Tensor:
    return torch.tensor([[[x, y]]])


@pytest.mark.parametrize(
    ("x", "y", "v", "weight"),
    [(0, 0, 1, 1), (191, 255, 1, 1), (191.01, 9, 1, 0), (9, -0.01, 1, 0), (9, 9, 0, 0)],
)
def test_coordinates_have_weight_between_the_outer_pixel_centres(x, y, v, weight):
    target, weights = encode_coordinates(make_pair(x, y), torch.full((1, 1), float(v)), SIZE)
    assert torch.equal(target, make_pair(x / 192, y / 256))
    assert weights.item() == weight


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e30, -1e30])
def test_labels_that_are_not_positions_have_no_weight(bad):
    for x, y in ((bad, 50.0), (50.0, bad)):
        assert encode_coordinates(make_pair(x, y), torch.ones(1, 1), SIZE)[1].item() == 0


def test_the_score_is_one_minus_the_mean_sigma():
    points, scores = decode_coordinates(make_pair(0.5, 0.25), make_pair(0.2, 0.6), SIZE)
    assert points.tolist() == [[[96, 64]]]
    assert scores.item() == pytest.approx(0.6)
    assert decode_coordinates(make_pair(0.5, 0.25), None, SIZE)[1].item() == 1


def test_flipping_back_twice_returns_the_coordinates():
    points, sigma = torch.rand(2, 17, 2), torch.rand(2, 17, 2)
    flipped = flip_back_coordinates(points, sigma, FLIP_INDICES, SIZE)
    twice = flip_back_coordinates(*flipped, FLIP_INDICES, SIZE)
    assert torch.allclose(twice[0], points, atol=1e-6)
    assert torch.equal(twice[1], sigma)
