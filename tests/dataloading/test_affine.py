"""Transforms between image and crop: they are inverse to each other, and as MMPose's."""

import numpy as np
import pytest

from smallpose.dataloading.affine import (
    clip_to_pixels,
    compute_box_window,
    compute_warp_matrix,
    cut_crop,
    map_to_image,
    mirror_matrix,
    warp_points,
)

WH = (192, 256)


def draw_windows(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    boxes = np.concatenate([rng.uniform(0, 300, (n, 2)), rng.uniform(5, 400, (n, 2))], axis=1)
    return compute_box_window(boxes, WH)


def test_the_centre_of_the_box_is_mapped_to_half_the_crop_size():
    center, scale = compute_box_window(np.array([[10.0, 20, 30, 40]]), WH)
    matrix = compute_warp_matrix(center[0], scale[0], WH)
    assert warp_points(center[0], matrix).tolist() == [96, 128]


def test_a_window_has_the_aspect_ratio_of_the_crop_and_contains_the_padded_box():
    boxes = np.array([[0.0, 0, 30, 40], [0, 0, 300, 40], [0, 0, 30, 400]])
    _, scale = compute_box_window(boxes, WH)
    assert np.allclose(scale[:, 0] / scale[:, 1], 0.75)
    assert (scale >= 1.25 * boxes[:, 2:] - 1e-9).all()
    assert np.isclose(scale / (1.25 * boxes[:, 2:]), 1).any(axis=1).all()


@pytest.mark.parametrize("seed", range(5))
def test_mapping_to_the_crop_and_back_is_the_identity(seed):
    center, scale = draw_windows(20, seed)
    points = np.random.default_rng(seed).uniform(-50, 500, (20, 17, 2))
    crops = np.stack(
        [
            warp_points(p, compute_warp_matrix(c, s, WH))
            for p, c, s in zip(points, center, scale, strict=True)
        ]
    )
    assert np.abs(map_to_image(crops, center, scale, WH) - points).max() < 1e-9


def test_rotation_keeps_the_centre_and_distances():
    center, scale = draw_windows(1)
    for degrees in (-80.0, 33.0, 180.0):
        matrix = compute_warp_matrix(center[0], scale[0], WH, degrees)
        assert np.allclose(warp_points(center[0], matrix), [96, 128])
        assert np.isclose(np.linalg.det(matrix[:, :2]), (192 / scale[0, 0]) ** 2)


def test_the_mirrored_matrix_gives_the_crop_of_the_mirrored_image():
    image = np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    matrix = compute_warp_matrix(np.array([50.0, 40.0]), np.array([60.0, 80.0]), (48, 64), 20.0)
    by_image = cut_crop(np.ascontiguousarray(image[:, ::-1]), matrix, (48, 64))
    by_matrix = cut_crop(image, mirror_matrix(matrix, 120), (48, 64))
    # OpenCV rounds coordinates to 1/32 px, and mirrored ones to a neighbouring 32nd.
    assert np.abs(by_image.astype(int) - by_matrix).mean() < 2


def test_boxes_are_clipped_to_pixel_centres():
    boxes = np.array([[-5.0, 10, 30, 200], [90, 5, 40, 10]])
    assert clip_to_pixels(boxes, 100, 80).tolist() == [[0, 10, 25, 69], [90, 5, 9, 10]]


def test_outside_the_image_is_black():
    image = np.full((20, 20, 3), 255, np.uint8)
    matrix = compute_warp_matrix(np.array([0.0, 0.0]), np.array([40.0, 40.0]), (40, 40))
    crop = cut_crop(image, matrix, (40, 40))
    assert crop[:19, :19].max() == 0
    assert crop[21:39, 21:39].min() == 255
