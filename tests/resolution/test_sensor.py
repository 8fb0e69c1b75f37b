"""The sensor model: area averages, and what a camera adds, in the numbers that are stated."""

import cv2
import numpy as np
import pytest

from smallpose.core.errors import InputError
from smallpose.resolution.sensor import CAMERA, CLEAN, Sensor, parse_sensor

GREY = np.full((200, 300, 3), 128, np.uint8)


def test_clean_averages_areas():
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    expected = image.reshape(30, 4, 40, 4, 3).mean(axis=(1, 3))
    assert np.abs(CLEAN.reduce(image, (40, 30), [0]) - expected).max() <= 0.5
    assert np.array_equal(CLEAN.reduce(image, (160, 120), [0]), image)


def test_noise_and_blur_have_the_stated_deviations():
    noisy = Sensor("n", noise=3.0).reduce(GREY, (300, 200), [1]).astype(float)
    assert (
        abs(noisy.std() - np.hypot(3.0, np.sqrt(1 / 12))) < 0.05 and abs(noisy.mean() - 128) < 0.1
    )
    image = np.zeros((61, 61, 3), np.uint8)
    image[20:41, 20:41] = 255
    square = Sensor("b", blur_px=2.0).reduce(image, (61, 61), [0])[30, :, 0].astype(float)
    variance = (square * (np.arange(61) - 30) ** 2).sum() / square.sum() - (21**2 - 1) / 12
    assert abs(np.sqrt(variance) - 2.0) < 0.1


def test_noise_depends_on_the_image_and_not_on_the_order():
    first, again, other = (CAMERA.reduce(GREY, (150, 100), [0, i, 32]) for i in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_jpeg_is_written_with_the_stated_quality():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = CAMERA.encode(image, ".jpg")
    expected = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    assert data == expected.tobytes()
    for suffix in (".png", ".bmp"):
        back = cv2.imdecode(np.frombuffer(CLEAN.encode(image, suffix), np.uint8), 1)
        assert np.array_equal(back[:, :, ::-1], image)


def test_parts_of_a_camera_are_named_with_or_without_numbers():
    assert parse_sensor("clean") is CLEAN and parse_sensor("camera") is CAMERA
    assert parse_sensor("jpeg") == Sensor("jpeg", jpeg=80)
    assert parse_sensor("blur0.7+noise+jpeg60") == Sensor("blur0.7+noise+jpeg60", 0.7, 3.0, 60)
    for text in ("foggy", "jpeg200", "jpeg0", "blur+", ""):
        with pytest.raises(InputError, match="use clean, camera"):
            parse_sensor(text)
