"""UDP heatmaps: exact Gaussians, DARK decoding, OpenCV's blur."""

import math

import cv2
import numpy as np
import pytest
import torch

from smallpose.models.codecs.udp_heatmap import (
    blur_maps,
    decode_udp_heatmaps,
    encode_udp_heatmaps,
)

SIZE, MAP = (192, 256), (48, 64)
VISIBLE = torch.ones(1, 1)


def make_keypoint(x: float, y: float) -> torch.Tensor:
    return torch.tensor([[[x, y]]])


@pytest.mark.parametrize(
    "point",
    [
        (0.0, 0.0),
        (95.5, 127.5),
        (13.37, 200.02),
        (191.0, 255.0),
        (-6.0, 100.0),
        (190.9, -3.0),
    ],
)
def test_heatmaps_are_the_exact_gaussian_within_its_patch(point):
    heatmaps, weight = encode_udp_heatmaps(make_keypoint(*point), VISIBLE, SIZE, MAP)
    center_x, center_y = point[0] * 47 / 191, point[1] * 63 / 255
    pixel_x, pixel_y = math.trunc(center_x + 0.5), math.trunc(center_y + 0.5)
    assert weight == 1
    for y in range(64):
        for x in range(48):
            in_patch = abs(x - pixel_x) <= 6 and abs(y - pixel_y) <= 6
            squared = (x - center_x) ** 2 + (y - center_y) ** 2
            expected = math.exp(-squared / 8) if in_patch else 0.0
            assert heatmaps[0, 0, y, x] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("point", [(95.5, 127.5), (60.3, 141.9), (100.0, 33.3)])
def test_decoding_returns_the_encoded_keypoint(point):
    heatmaps, _ = encode_udp_heatmaps(make_keypoint(*point), VISIBLE, SIZE, MAP)
    decoded, score = decode_udp_heatmaps(heatmaps, SIZE)
    # Scaled for the formula of the image, which divides by w: hence 192 / 191.
    expected = make_keypoint(point[0] * 192 / 191, point[1] * 256 / 255)
    assert (decoded - expected).abs().max() < 0.02
    assert score == heatmaps.max()


def test_heatmaps_without_a_peak_are_decoded_outside_the_crop_and_finite():
    maps = torch.stack([torch.zeros(64, 48), -torch.rand(64, 48), torch.full((64, 48), 1e-9)])
    decoded, scores = decode_udp_heatmaps(maps[None], SIZE)
    assert torch.allclose(decoded[0, :2], torch.tensor([-192 / 47, -256 / 63]))
    assert torch.isfinite(decoded).all()
    assert scores[0, 0] == 0


def test_the_blur_before_decoding_is_bit_equal_to_opencvs():
    maps = torch.randn(3, 9, 64, 48)  # more than are blurred at once
    expected = [cv2.GaussianBlur(np.pad(m, 5), (11, 11), 0) for m in maps.flatten(0, 1).numpy()]
    blurred = blur_maps(maps, 11).flatten(0, 1).numpy()
    assert (blurred == np.stack(expected)[:, 5:-5, 5:-5]).all()


def test_any_number_of_maps_is_decoded_like_each_alone():
    maps = torch.rand(5, 7, 24, 16, generator=torch.Generator().manual_seed(2)) - 0.3
    points, scores = decode_udp_heatmaps(maps, (64, 96))
    for row in range(5):
        alone = decode_udp_heatmaps(maps[row : row + 1, row : row + 1], (64, 96))
        assert torch.equal(alone[0][0, 0], points[row, row])
        assert torch.equal(alone[1][0, 0], scores[row, row])
    none, _ = decode_udp_heatmaps(maps[:0], (64, 96))
    assert none.shape == (0, 7, 2)


def test_a_mirrored_heatmap_is_decoded_to_the_mirrored_keypoint():
    heatmaps, _ = encode_udp_heatmaps(make_keypoint(60.3, 141.9), VISIBLE, SIZE, MAP)
    decoded, _ = decode_udp_heatmaps(heatmaps, SIZE)
    mirrored, _ = decode_udp_heatmaps(heatmaps.flip(-1), SIZE)
    assert decoded[0, 0, 0] + mirrored[0, 0, 0] == pytest.approx(192, abs=1e-3)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e30, -1e30])
def test_labels_that_are_not_positions_have_no_weight(bad):
    for x, y in ((bad, 50.0), (50.0, bad)):
        heatmaps, weight = encode_udp_heatmaps(make_keypoint(x, y), VISIBLE, SIZE, MAP)
        assert weight.item() == 0
        assert (heatmaps == 0).all()
