"""Images are turned as viewers turn them, and labels tell which grid they refer to."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from smallpose.core.errors import InputError
from smallpose.dataset.exif_orientation import infer_label_grid, turn_image
from smallpose.dataset.image_headers import read_header
from smallpose.dataset.pillow_images import ImageHeader


def write_image(path, orientation, image_format="JPEG", mode="RGB", **options):
    """Write a smooth 31 × 20 image without any symmetry."""
    y, x = np.mgrid[:20, :31]
    rgb = np.stack([x * 8, y * 12, (x + 2 * y) * 3], axis=2).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(rgb).convert(mode).save(path, image_format, exif=exif, **options)
    return path


def show_as_pillow(path):
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"), np.int16)


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize(
    ("image_format", "options"), [("PNG", {}), ("WEBP", {"lossless": True}), ("JPEG", {})]
)
def test_a_turned_image_has_the_pixels_that_viewers_show(
    image_format, options, orientation, tmp_path
):
    path = write_image(tmp_path / "a", orientation, image_format, **options)
    turned = turn_image(path, orientation)
    with Image.open(io.BytesIO(turned)) as image:
        assert image.format == image_format
        assert not image.getexif()
        pixels = np.asarray(image.convert("RGB"), np.int16)
    error = np.abs(pixels - show_as_pillow(path)).max()
    assert error <= (6 if image_format == "JPEG" else 0)
    assert read_header(path).shown_wh == pixels.shape[1::-1]


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_turned_jpeg_is_what_opencv_shows(orientation, tmp_path):
    path = write_image(tmp_path / "a.jpg", orientation)
    (tmp_path / "turned.jpg").write_bytes(turn_image(path, orientation))
    shown = cv2.imread(str(path)).astype(int)  # OpenCV applies the orientation by default
    turned = cv2.imread(str(tmp_path / "turned.jpg")).astype(int)
    assert turned.shape == shown.shape
    assert np.abs(turned - shown).max() <= 6


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_images_keep_their_mode(mode, tmp_path):
    path = write_image(tmp_path / "a.jpg", 6, mode=mode)
    with Image.open(io.BytesIO(turn_image(path, 6))) as image:
        assert image.mode == mode
        error = np.abs(np.asarray(image.convert("RGB"), np.int16) - show_as_pillow(path))
    assert error.max() <= 8


def test_a_damaged_image_is_not_turned(tmp_path):
    path = write_image(tmp_path / "a.png", 6, "PNG")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="truncated or damaged"):
        turn_image(path, 6)


@pytest.mark.parametrize("value", [0, 1, 9, 77])
def test_an_orientation_that_turns_nothing_is_none(value, tmp_path):
    assert read_header(write_image(tmp_path / "a.jpg", value)).orientation == 1


def make_points(*points):
    return np.array([[(x, y, 2) for x, y in points]], dtype=np.float64)


def test_the_declared_size_or_a_label_beyond_a_grid_tells_the_grid():
    header = ImageHeader(160, 120, 6)
    inside = make_points((20, 30))
    for declared, points, grid in (
        ((160, 120), inside, "stored"),
        ((120, 160), inside, "shown"),
        ((80, 60), inside, "unknown"),
        ((0, 0), inside, "unknown"),
        ((0, 0), make_points((20, 30), (20, 150)), "shown"),
        ((0, 0), make_points((20, 30), (150, 30)), "stored"),
        ((0, 0), make_points((150, 150)), "unknown"),
        ((0, 0), np.zeros((1, 3, 3)), "unknown"),
    ):
        assert infer_label_grid(header, declared, points) == grid, (declared, points)
    for other in (ImageHeader(160, 120, 3), ImageHeader(90, 90, 6)):
        assert infer_label_grid(other, other.stored_wh, inside) == "unknown"
