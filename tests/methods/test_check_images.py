"""What callers pass to `predict` of a method in place of images and boxes is answered."""

import numpy as np
import pytest

from smallpose import create_method
from smallpose.core.errors import InputError

IMAGE = np.zeros((48, 64, 3), np.uint8)
BOXES = [[4, 4, 20, 40]]


@pytest.fixture(scope="module")
def method():
    return create_method("simple_baseline_r18_tiny")


@pytest.mark.parametrize(
    ("images", "boxes", "message"),
    [
        ("x.jpg", BOXES, r"image 'x.jpg': the name of a file, .*read_image\(pathlib.Path\('x.jpg'"),
        (["x.jpg"], [BOXES], "image 'x.jpg': the name of a file"),
        (3, BOXES, "images: is of type int, no image"),
        (IMAGE[:, :, 0], BOXES, r"image: has the shape \(48, 64\) and type uint8; pass \(h, w, 3"),
        ([IMAGE / 255], [BOXES], r"image 0: has the shape .* and type float64"),
        ([IMAGE, IMAGE], [BOXES], "are given for 1 image, not for 2; pass"),
        (IMAGE, [4, 4, 20], r"boxes_xywh of image 0: have the shape \(3,\), not \(n, 4\)"),
    ],
)
def test_other_images_and_boxes_are_refused(method, images, boxes, message):
    with pytest.raises(InputError, match=message):
        method.predict(images, boxes)


def test_full_image_methods_take_the_same_images():
    method = create_method("rtmo_tiny")
    with pytest.raises(InputError, match="the name of a file, not its pixels"):
        method.predict("x.jpg")
