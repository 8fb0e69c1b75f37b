"""Images are decoded as stored, or refused with a reason; truncated ones are never half grey."""

import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from smallpose.core.errors import InputError, RefusedError
from smallpose.dataloading.images import (
    ImageReader,
    check_image_size,
    decode_image,
    has_exif_orientation,
    open_set_images,
    read_image,
    read_image_header,
    read_image_size,
)
from smallpose.dataset.exif_orientation import turn_image
from smallpose.system.image_limits import allow_pixels
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
    with pytest.raises(InputError, match=r"not an image \(it starts with '<html><body>"):
        read_image(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"not an image \(the file is empty\)"):
        read_image(tmp_path / "b.jpg")
    with pytest.raises(InputError, match="no such image"):
        read_image(tmp_path / "c.jpg")


@pytest.mark.parametrize(
    ("start", "name"), [(b"SIMPLE  =", "FITS"), (b"8BPS", "PSD"), (b"%!PS-Adobe", "EPS")]
)
def test_other_formats_are_refused_by_name_whatever_the_file_is_called(start, name):
    with pytest.raises(RefusedError, match=f"images of format {name} are not opened"):
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
    with pytest.raises(InputError, match=r"if EXIF turns it for viewers, add --exif apply"):
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


def turn_as_viewers(image: np.ndarray, orientation: int) -> np.ndarray:
    """Pillow's own reading of an EXIF orientation, which is independent of ours."""
    shown = Image.fromarray(image)
    shown.getexif()[0x0112] = orientation
    return np.asarray(ImageOps.exif_transpose(shown))


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_is_read_on_its_stored_grid_whatever_its_orientation(
    compression, orientation, tmp_path, capfd
):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode_image(Image.fromarray(make_photo()), "TIFF", compression=compression, exif=exif)
    assert np.asarray(Image.open(io.BytesIO(data))).shape == (
        (60, 80, 3) if orientation < 5 else (80, 60, 3)
    )  # Pillow turns it
    path = tmp_path / "a.tif"
    path.write_bytes(data)
    assert (read_image(path) == make_photo()).all()
    header = read_image_header(path)
    assert (header.stored_wh, header.orientation) == ((80, 60), orientation)
    assert has_exif_orientation(data) == (orientation > 1)
    if orientation > 1:  # and what --exif apply writes is what viewers show
        turned = decode_image(turn_image(path, orientation), "x")
        assert (turned == turn_as_viewers(make_photo(), orientation)).all()
        assert not has_exif_orientation(turn_image(path, orientation))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg"])
@pytest.mark.parametrize("share", [0.4, 0.8, 0.99])
def test_a_truncated_tiff_is_refused_in_one_line(compression, share, tmp_path, capfd):
    data = encode_image(Image.fromarray(make_photo()), "TIFF", compression=compression)
    path = tmp_path / "a.tif"
    path.write_bytes(data[: int(share * len(data))])
    for read in (read_image, read_image_header):
        with pytest.raises(InputError, match=r"a\.tif: "):
            read(path)
    assert "OpenCV" not in capfd.readouterr().err


@pytest.mark.parametrize("kind", ["I;16", "F", "I"])
def test_tiffs_of_measurements_are_scaled_or_refused_and_never_clipped(kind):
    values = np.linspace(0, 65535, 4800).reshape(60, 80)
    stored = values.astype({"I;16": np.uint16, "F": np.float32, "I": np.int32}[kind])
    data = encode_image(Image.fromarray(stored), "TIFF")
    if kind == "I;16":
        grey = decode_image(data, "x")[..., 0]
        assert np.abs(grey.astype(int) - values / 257).max() <= 1
    else:
        with pytest.raises(InputError, match=r"numbers of 32 bits.*; scale it to 8 or 16 bits"):
            decode_image(data, "x")


def test_of_frames_and_pages_the_first_is_read_and_the_others_are_noticed(tmp_path):
    first = Image.fromarray(make_photo()).quantize(64)
    others = [Image.fromarray(make_photo()[::-1].copy()).quantize(64)]
    photo = Image.fromarray(make_photo())
    for name, kind, image, more, noticed in (
        ("one.gif", "GIF", first, [], False),
        ("two.gif", "GIF", first, others, True),
        ("two.tif", "TIFF", photo, others, True),
        ("two.mpo", "MPO", photo, [photo.copy()], False),  # a second eye, which is no next frame
    ):
        path = tmp_path / name
        image.save(path, kind, save_all=bool(more), append_images=more)
        assert read_image_header(path).has_more_images == noticed, name
        with Image.open(path) as opened:
            expected = np.asarray(opened.convert("RGB"))
        assert np.abs(read_image(path).astype(int) - expected).mean() < 1, name
    assert (read_image(tmp_path / "two.gif") == np.asarray(first.convert("RGB"))).all()


def test_a_video_named_as_an_image_is_called_a_video(tmp_path):
    for start in (
        b"\0\0\0\x18ftypisom",
        b"\x1aE\xdf\xa3",
        b"RIFF\0\0\0\0AVI ",
        b"\x47" + 187 * b"\0",
    ):
        path = tmp_path / "a.jpg"
        path.write_bytes((start * 4 if start[0] == 0x47 else start) + bytes(600))
        with pytest.raises(InputError, match=r"is a video, and an image is due; 'smallpose predi"):
            read_image(path)
        with pytest.raises(InputError, match="is a video"):
            read_image_header(path)
    path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(600))
    with pytest.raises(RefusedError, match="format AVIF or HEIC"):
        read_image(path)


def test_max_pixels_raises_the_limit_and_the_refusal_names_the_number(tmp_path):
    path = tmp_path / "a.png"
    Image.new("L", (9_500, 9_400)).save(path, compress_level=1)
    with pytest.raises(RefusedError, match=r"9,500 × 9,400 pixels.*--max-pixels 89300000$"):
        read_image_header(path)
    with allow_pixels(89_300_000):
        assert read_image_header(path).stored_wh == (9_500, 9_400)
    with allow_pixels(89_299_999), pytest.raises(RefusedError):
        read_image_header(path)
    assert Image.MAX_IMAGE_PIXELS == 89_478_485  # Pillow's, for what else runs in the process
