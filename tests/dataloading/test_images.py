"""Images are decoded as stored, or refused with a reason; truncated ones are never half grey."""

import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smallpose.core.errors import InputError, RefusedError
from smallpose.dataloading.images import (
    ImageReader,
    check_image_size,
    decode_image,
    has_exif_orientation,
    open_set_images,
    read_image,
    read_image_size,
)
from smallpose.system.link_roots import allow_link_roots


def make_photo(h: int = 60, w: int = 80) -> np.ndarray:
    y, x = np.mgrid[:h, :w]
    return np.stack([3 * x, 4 * y, x + y], axis=2).astype(np.uint8)


def encode_image(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def encode_jpeg(**options: object) -> bytes:
    return encode_image(Image.fromarray(make_photo()), "JPEG", quality=95, **options)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP"])
def test_losslessly_stored_images_are_decoded_exactly(kind):
    data = encode_image(
        Image.fromarray(make_photo()), kind, **({"lossless": True} if kind == "WEBP" else {})
    )
    assert (decode_image(data, "x") == make_photo()).all()


def test_a_jpeg_is_decoded_as_rgb():
    assert np.abs(decode_image(encode_jpeg(), "x").astype(int) - make_photo()).mean() < 3


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_a_truncated_jpeg_is_refused_and_not_half_grey(share):
    data = encode_jpeg()
    with pytest.raises(InputError, match=r"x: (cannot be decoded|broken JPEG)"):
        decode_image(data[: int(share * len(data))], "x")


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP"])
def test_other_truncated_formats_are_refused_too(kind):
    data = encode_image(Image.fromarray(make_photo()), kind)
    with pytest.raises(InputError):
        decode_image(data[: int(0.7 * len(data))], "x")


def test_a_jpeg_with_junk_after_its_end_is_read():
    assert decode_image(encode_jpeg() + b"\0" * 50, "x").shape == (60, 80, 3)
    assert decode_image(encode_jpeg() + b"\xff\xda junk", "x").shape == (60, 80, 3)


def test_the_end_marker_of_a_thumbnail_does_not_hide_a_truncated_jpeg():
    thumbnail = encode_jpeg()
    block = b"Exif\0\0" + thumbnail
    data = encode_jpeg()
    complete = data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]
    assert decode_image(complete, "x").shape == (60, 80, 3)
    with pytest.raises(InputError):
        decode_image(complete[:-200], "x")


def test_files_that_are_no_image_are_refused_with_the_reason(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"<html><body>404")
    with pytest.raises(InputError, match=r"not an image \(starts with '<html><body>"):
        read_image(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"not an image \(0 bytes\)"):
        read_image(tmp_path / "b.jpg")
    with pytest.raises(InputError, match="no such image"):
        read_image(tmp_path / "c.jpg")


@pytest.mark.parametrize(
    ("start", "name"), [(b"SIMPLE  =", "FITS"), (b"GIF89a", "GIF"), (b"%!PS-Adobe", "EPS")]
)
def test_other_formats_are_refused_by_name_whatever_the_file_is_called(start, name):
    with pytest.raises(RefusedError, match=f"format {name} not allowed"):
        decode_image(start + b" " * 600, "x.jpg")


def test_a_decompression_bomb_is_refused_by_its_header():
    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    def png(side: int) -> bytes:
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"")

    for side in (9_500, 30_000):
        with pytest.raises(RefusedError, match="the header declares"):
            decode_image(png(side), "x")


def test_sixteen_bit_images_are_scaled_and_not_clipped():
    values = np.linspace(0, 65535, 4000).astype(np.uint16).reshape(50, 80)
    grey = decode_image(encode_image(Image.fromarray(values), "PNG"), "x")
    assert grey.shape == (50, 80, 3)
    assert np.abs(grey[..., 0].astype(int) - values / 257).max() <= 1


def test_cmyk_palette_alpha_and_grey_become_rgb():
    image = Image.fromarray(make_photo())
    cmyk = encode_image(image.convert("CMYK"), "JPEG", quality=95)
    expected = np.asarray(Image.open(io.BytesIO(cmyk)).convert("RGB"))
    assert (decode_image(cmyk, "x") == expected).all()
    palette = image.quantize(64)
    assert (
        decode_image(encode_image(palette, "PNG"), "x") == np.asarray(palette.convert("RGB"))
    ).all()
    alpha = image.copy()
    alpha.putalpha(120)
    assert (decode_image(encode_image(alpha, "PNG"), "x") == make_photo()).all()
    grey = image.convert("L")
    assert (decode_image(encode_image(grey, "PNG"), "x") == np.asarray(grey)[..., None]).all()


def test_an_exif_orientation_is_detected_and_the_stored_grid_kept():
    exif = Image.Exif()
    exif[0x0112] = 6
    rotated = encode_jpeg(exif=exif)
    assert has_exif_orientation(rotated)
    assert not has_exif_orientation(encode_jpeg())
    assert decode_image(rotated, "x").shape == (60, 80, 3)
    assert (decode_image(rotated, "x") == decode_image(encode_jpeg(), "x")).all()
    for image_format in ("PNG", "WEBP"):
        image = Image.fromarray(make_photo())
        assert has_exif_orientation(encode_image(image, image_format, exif=exif))
        assert not has_exif_orientation(encode_image(image, image_format))


def test_a_size_with_swapped_sides_names_exif_in_its_remedy():
    image = decode_image(encode_jpeg(), "x")
    with pytest.raises(InputError, match=r"if EXIF turns it for viewers, build .* --exif apply"):
        check_image_size(image, (60, 80), "a.jpg")
    with pytest.raises(InputError, match=r"use the image that was annotated$"):
        check_image_size(image, (61, 80), "a.jpg")


def test_the_size_is_that_of_the_stored_grid(tmp_path):
    (tmp_path / "a.jpg").write_bytes(encode_jpeg())
    assert read_image_size(tmp_path / "a.jpg") == (80, 60)


def test_names_that_leave_the_root_are_refused(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "secret.png").write_bytes(encode_image(Image.fromarray(make_photo()), "PNG"))
    (tmp_path / "images" / "link.png").symlink_to(tmp_path / "secret.png")
    reader = ImageReader(tmp_path / "images")
    for name in ("../secret.png", str(tmp_path / "secret.png"), "link.png"):
        with pytest.raises(RefusedError):
            reader.read(name)


def test_links_may_lead_where_the_user_allows_it_and_a_manifest_allows_nothing(tmp_path):
    source = tmp_path / "source"
    built = tmp_path / "set"
    source.mkdir()
    (built / "images").mkdir(parents=True)
    (source / "a.png").write_bytes(encode_image(Image.fromarray(make_photo()), "PNG"))
    (built / "images" / "a.png").symlink_to(source / "a.png")
    with pytest.raises(RefusedError):
        open_set_images(built).read("a.png")
    manifest = {"sources": {"coco": {"link_roots": ["/"]}}, "files": {}, "pictures": {}}
    (built / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RefusedError, match=f"--link-root {source}"):
        open_set_images(built).read("a.png")
    with allow_link_roots([source]):
        assert open_set_images(built).read("a.png").shape == (60, 80, 3)


def test_the_error_for_a_set_without_images_names_the_option(tmp_path: Path):
    with pytest.raises(InputError, match="--images link"):
        open_set_images(tmp_path)
