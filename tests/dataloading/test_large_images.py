"""Images read in parts have the pixels of images read whole, and little of them is held."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from smallpose.core.errors import InputError
from smallpose.dataloading import large_images
from smallpose.dataloading.images import read_image
from smallpose.dataloading.large_images import LargeImage, choose_factor, open_image
from smallpose.dataloading.top_down.crops import cut_boxes
from smallpose.inference.large_images import cut_boxes_from_parts
from smallpose.system.image_limits import allow_pixels

WIDTH, HEIGHT = 700, 900  # several bands, and none of full height at the end


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    small = np.random.default_rng(0).integers(0, 256, (HEIGHT // 20, WIDTH // 20, 3), np.uint8)
    return cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def make_large(path, photo, kind, mode="RGB", **options) -> LargeImage:
    Image.fromarray(photo).convert(mode).save(path, kind, **options)
    return LargeImage(path, kind, photo.shape[1], photo.shape[0])


KINDS = {
    "jpeg": ("JPEG", "RGB", {"quality": 90}),
    "progressive jpeg": ("JPEG", "RGB", {"progressive": True}),
    "grey jpeg": ("JPEG", "L", {}),
    "png": ("PNG", "RGB", {}),
    "png with alpha": ("PNG", "RGBA", {}),
    "png with a palette": ("PNG", "P", {}),
    "tiff": ("TIFF", "RGB", {}),
    "tiff, lzw": ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    "tiff, deflate, grey": ("TIFF", "L", {"compression": "tiff_adobe_deflate"}),
    "tiff, alpha": ("TIFF", "RGBA", {"compression": "tiff_lzw"}),
    "bmp, which is decoded whole": ("BMP", "RGB", {}),
    "gif, which is decoded whole": ("GIF", "P", {}),
}


@pytest.mark.parametrize("name", KINDS)
def test_bands_have_the_pixels_of_the_image_read_whole(name, photo, tmp_path, capfd):
    pytest.importorskip("pyvips", reason="libvips is optional: pip install '.[large]'")
    kind, mode, options = KINDS[name]
    large = make_large(tmp_path / "a", photo, kind, mode, **options)
    bands = [(top, band.copy()) for top, band in large.iterate_bands()]
    assert [top for top, _ in bands] == [0, 256, 512, 768]
    whole = np.concatenate([band for _, band in bands])
    difference = np.abs(whole.astype(int) - read_image(tmp_path / "a"))
    # Both use libjpeg-turbo; rows at the border of two reads may differ by rounding.
    assert difference.max() <= (2 if kind == "JPEG" else 0)
    is_whole = "decoded whole" in capfd.readouterr().err
    assert is_whole == (kind in ("BMP", "GIF"))


def test_sixteen_bits_are_scaled_as_in_images_read_whole(tmp_path):
    pytest.importorskip("pyvips", reason="libvips is optional: pip install '.[large]'")
    values = np.linspace(0, 65535, 400 * 300).astype(np.uint16).reshape(400, 300)
    Image.fromarray(values).save(tmp_path / "a.tif")
    large = LargeImage(tmp_path / "a.tif", "TIFF", 300, 400)
    bands = np.concatenate([band.copy() for _, band in large.iterate_bands()])
    assert np.abs(bands.astype(int) - read_image(tmp_path / "a.tif")).max() <= 1


def test_windows_are_cut_in_one_pass_and_without_libvips_alike(photo, tmp_path, monkeypatch):
    large = make_large(tmp_path / "a.png", photo, "PNG")
    rng = np.random.default_rng(1)
    low = rng.integers(0, (WIDTH - 1, HEIGHT - 1), (40, 2))
    size = 1 + rng.integers(0, np.array([WIDTH, HEIGHT]) - low)
    windows = np.concatenate([low, size], axis=1)
    for has_libvips in (large_images._has_libvips(), False):
        monkeypatch.setattr(large_images, "_has_libvips", lambda value=has_libvips: value)
        parts = dict(large.iterate_windows(windows))
        assert sorted(parts) == list(range(40))
        for index, (x, y, w, h) in enumerate(windows.tolist()):
            assert (parts[index] == photo[y : y + h, x : x + w]).all()
    assert list(large.iterate_windows(windows[:0])) == []


def test_an_image_is_reduced_to_its_means(photo, tmp_path):
    large = make_large(tmp_path / "a.png", photo, "PNG")
    assert choose_factor(WIDTH, HEIGHT, 4096) == 1
    for max_side, factor in ((900, 1), (800, 2), (256, 4)):
        reduced, used = large.reduce(max_side)
        h, w = HEIGHT // factor, WIDTH // factor
        assert used == factor and reduced.shape == (h, w, 3)
        cropped = photo[: h * factor, : w * factor].reshape(h, factor, w, factor, 3)
        assert np.abs(reduced - cropped.mean(axis=(1, 3))).max() <= 0.51


@pytest.mark.parametrize("udp", [False, True])
def test_crops_of_people_are_those_of_the_image_read_whole(udp, photo, tmp_path, monkeypatch):
    large = make_large(tmp_path / "a.png", photo, "PNG")
    boxes = np.array(
        [[300.0, 400, 60, 90], [-30, -20, 100, 80], [650, 850, 90, 90], [2, 3, 690, 890]]
    )
    expected = cut_boxes(photo, boxes, (48, 64), udp)
    crops = cut_boxes_from_parts(large, boxes, (48, 64), udp)
    np.testing.assert_array_equal(crops[1], expected[1])
    np.testing.assert_array_equal(crops[2], expected[2])
    assert np.abs(crops[0].astype(int) - expected[0]).max() <= 1
    monkeypatch.setattr("smallpose.inference.large_images.CROP_SIDE", 500)
    wide = cut_boxes_from_parts(large, boxes, (48, 64), udp)[0]  # the last one, from the overview
    assert np.abs(wide[:3].astype(int) - expected[0][:3]).max() <= 1
    assert np.abs(wide[3].astype(int) - expected[0][3]).mean() < 12


def test_a_truncated_large_image_is_one_line(photo, tmp_path):
    pytest.importorskip("pyvips", reason="libvips is optional: pip install '.[large]'")
    large = make_large(tmp_path / "a.jpg", photo, "JPEG")
    large.path.write_bytes(large.path.read_bytes()[:-3000])
    with pytest.raises(InputError, match=r"a\.jpg: cannot be decoded \([^\n]*; download it again"):
        list(large.iterate_bands())


def test_only_images_above_the_usual_limit_are_read_in_parts(tmp_path):
    Image.new("L", (9_500, 9_400)).save(tmp_path / "a.png", compress_level=1)
    Image.new("L", (90, 40)).save(tmp_path / "b.png")
    with allow_pixels(10**8):
        assert open_image(tmp_path / "a.png").shape == (9_400, 9_500, 3)
        assert isinstance(open_image(tmp_path / "a.png"), LargeImage)
        assert isinstance(open_image(tmp_path / "b.png"), np.ndarray)


@pytest.mark.long
@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_tiles_of_400_million_pixels_take_less_than_1_5_gb(name, tmp_path):
    vips = pytest.importorskip("pyvips", reason="libvips is optional: pip install '.[large]'")
    torch = pytest.importorskip("torch")
    from smallpose.methods import create_method

    torch.manual_seed(0)
    torch.save({"state_dict": create_method("rtmo_tiny").state_dict()}, tmp_path / "w.pth")
    noise = vips.Image.gaussnoise(20_000, 20_000, mean=128, sigma=40).cast("uchar")
    options = {"compression": "lzw"} if name.endswith("tif") else {"Q": 80}
    noise.bandjoin([noise, noise]).write_to_file(str(tmp_path / name), **options)
    command = [sys.executable, "-m", "smallpose", "predict", "rtmo_tiny", "--weights"]
    command += [str(tmp_path / "w.pth"), str(tmp_path / name), "--tile", "1280"]
    command += ["--max-pixels", "400000000", "--out", str(tmp_path / "f.json")]
    # A process of its own, whose children have not begun as copies of this one.
    code = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
    code += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    done = subprocess.run(
        [sys.executable, "-c", code, *command], check=True, capture_output=True, text=True
    )
    assert int(done.stdout.split()[-1]) < 1.5e6  # KB
