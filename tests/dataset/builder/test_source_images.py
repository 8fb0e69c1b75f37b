"""Tests of the images of a source: missing, unreadable, or of another size than annotated."""

import io
import os
import re
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

import smallpose
from smallpose.core.errors import InputError, RefusedError
from smallpose.dataset.builder.build import BuildOptions, build_dataset
from smallpose.dataset.place_images import check_files_exist, split_folder
from smallpose.dataset.verify import check_set
from smallpose.sources.source import ImageFile

KNOWN_SIZE = (64, 48)  # of all images of the fixture `sources`


def read_splits(out):
    return [smallpose.read_coco(out / "annotations" / f"{s}.json") for s in ("train", "test")]


def test_image_sizes_that_a_source_lacks_are_read_from_the_images(sources, tmp_path):
    build_dataset(sources["roots"], tmp_path / "set", BuildOptions())
    images = smallpose.read_coco(tmp_path / "set" / "annotations" / "train.json").images
    assert set(zip(images.width.tolist(), images.height.tolist(), strict=True)) == {KNOWN_SIZE}


def test_missing_images_are_refused_dropped_or_kept(sources, tmp_path):
    for number in (0, 5):
        (tmp_path / "mpii" / "p" / f"{number:03d}.png").unlink()
    with pytest.raises(InputError, match=r"2 of 20 images are missing .first: mpii/p/000\.png"):
        build_dataset(sources["roots"], tmp_path / "set", BuildOptions())
    assert not (tmp_path / "set").exists()
    for policy, count in (("drop", 18), ("keep", 20)):
        out = tmp_path / policy
        manifest = build_dataset(sources["roots"], out, BuildOptions(missing_images=policy))
        assert manifest["sources"]["mpii"]["images"] == count
        assert check_set(out, 1)[0] == []
    kept = [
        smallpose.read_coco(tmp_path / "keep/annotations" / f"{s}.json") for s in ("train", "test")
    ]
    sizes = {
        name: size
        for part in kept
        for name, size in zip(part.images.file_names, part.images.width.tolist(), strict=True)
    }
    assert sizes["mpii/p/000.png"] == 0
    assert sizes["mpii/p/001.png"] == KNOWN_SIZE[0]


def test_the_error_for_missing_images_names_the_folder_or_archive(sources, tmp_path):
    (tmp_path / "mpii" / "p").rename(tmp_path / "mpii" / "elsewhere")
    with pytest.raises(InputError, match=r"put them into .*mpii/p, which does not exist, or use"):
        build_dataset(sources["roots"], tmp_path / "set", BuildOptions())
    (tmp_path / "mpii" / "p.zip").write_bytes(b"")
    with pytest.raises(InputError, match=r"20 of 20 images are missing .*; unpack p\.zip, or"):
        build_dataset(sources["roots"], tmp_path / "set", BuildOptions())


UNREADABLE = {
    "empty": (b"", InputError, "not an image (the file is empty)"),
    "HTML": (b"<html>not found</html>", InputError, "not an image (it starts with '<html>not"),
    "PSD": (b"8BPS\0\1" + bytes(40), RefusedError, "images of format PSD are not opened"),
    "GIF without an image": (b"GIF89a" + bytes(40), InputError, "broken GIF header"),
    "video": (b"\0\0\0\x18ftypmp42" + bytes(300), InputError, "is a video, and an image is due"),
    "FITS": (b"SIMPLE  =" + bytes(2880), RefusedError, "images of format FITS are not opened"),
    "EPS": (b"%!PS-Adobe-3.0 EPSF", RefusedError, "images of format EPS are not opened"),
    "GD": (
        b"\xff\xfe\x00\x10\x00\x10" + bytes(300),
        RefusedError,
        "images of format GD are not opened",
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_is_no_image_is_named(name, sources, tmp_path):
    content, kind, what = UNREADABLE[name]
    (tmp_path / "mpii" / "p" / "003.png").write_bytes(content)
    with pytest.raises(kind, match=rf"003\.png: {re.escape(what)}.*1 of 20 .*--max-unreadable 5%"):
        build_dataset(sources["roots"], tmp_path / "set", BuildOptions())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["coco", "mpii"]


@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable_images_are_left_out_and_listed_up_to_max_unreadable(
    name, sources, tmp_path, capsys
):
    content, _, what = UNREADABLE[name]
    (tmp_path / "mpii" / "p" / "003.png").write_bytes(content)
    manifest = build_dataset(sources["roots"], tmp_path / "set", BuildOptions(max_unreadable=0.05))
    record = manifest["sources"]["mpii"]
    assert list(record["unreadable"]) == ["mpii/p/003.png"]
    assert record["unreadable"]["mpii/p/003.png"].startswith(what)
    assert (record["images_read"], record["images"], record["images_missing"]) == (20, 19, 1)
    assert what in capsys.readouterr().err
    counts = sum(len(p.images) for p in read_splits(tmp_path / "set"))
    assert counts == 12 + 19
    assert "mpii/p/003.png" not in (tmp_path / "set/annotations/train.json").read_text()


def encode_image(kind, share=1.0, **options):
    noise = np.random.default_rng(0).integers(0, 255, (*KNOWN_SIZE[::-1], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, kind, **options)
    return file.getvalue()[: int(share * len(file.getvalue()))]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
@pytest.mark.parametrize("share", [0.5, 0.97])
def test_a_truncated_image_is_never_used(kind, share, sources, tmp_path):
    (tmp_path / "mpii" / "p" / "003.png").write_bytes(encode_image(kind, share))
    with pytest.raises(InputError, match=r"003\.png: truncated or damaged"):
        build_dataset(sources["roots"], tmp_path / "set", BuildOptions())
    manifest = build_dataset(sources["roots"], tmp_path / "set", BuildOptions(max_unreadable=0.05))
    assert list(manifest["sources"]["mpii"]["unreadable"]) == ["mpii/p/003.png"]
    assert "mpii/p/003.png" not in manifest["pictures"]


@pytest.mark.parametrize(
    "content",
    [
        encode_image("JPEG"),
        encode_image("JPEG", progressive=True),
        encode_image("JPEG")
        + bytes(3000),  # data after the end, as some cameras and archives write it
        encode_image("PNG") + b"junk",
        encode_image("WEBP"),
        encode_image("BMP"),
    ],
)
def test_a_complete_image_is_used_whatever_follows_it_in_the_file(content, sources, tmp_path):
    (tmp_path / "mpii" / "p" / "003.png").write_bytes(content)
    manifest = build_dataset(sources["roots"], tmp_path / "set", BuildOptions())
    assert manifest["sources"]["mpii"]["unreadable"] == {}
    assert manifest["sources"]["mpii"]["images"] == 20


def make_png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize("where", [0.4, 0.9])
def test_a_png_that_is_damaged_in_its_middle_is_never_used(where, sources, tmp_path):
    """Its beginning and end are intact; the checksum of a chunk between them is wrong."""
    data = bytearray(encode_image("PNG"))
    data[int(where * len(data))] ^= 1
    (tmp_path / "mpii" / "p" / "003.png").write_bytes(data)
    with pytest.raises(
        InputError, match=r"003\.png: truncated or damaged .its IDAT chunk is damaged"
    ):
        build_dataset(sources["roots"], tmp_path / "set", BuildOptions())
    manifest = build_dataset(sources["roots"], tmp_path / "set", BuildOptions(max_unreadable=0.05))
    assert list(manifest["sources"]["mpii"]["unreadable"]) == ["mpii/p/003.png"]


def test_a_png_with_a_damaged_comment_is_used(sources, tmp_path):
    """No pixel depends on the comment, whose checksum is wrong, or on data after the end."""
    data = encode_image("PNG")
    comment = struct.pack(">I", 4) + b"tEXt" + b"a\0bc" + bytes(4)
    (tmp_path / "mpii" / "p" / "003.png").write_bytes(data[:-12] + comment + data[-12:] + b"junk")
    manifest = build_dataset(sources["roots"], tmp_path / "set", BuildOptions())
    assert manifest["sources"]["mpii"]["unreadable"] == {}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [9_460, 12_000, 30_000])
def test_a_decompression_bomb_is_refused_by_its_header(side, sources, tmp_path):
    rows = zlib.compress(bytes(side + 1) * 50)
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + make_png_chunk(b"IHDR", header) + make_png_chunk(b"IDAT", rows)
    (tmp_path / "mpii" / "p" / "003.png").write_bytes(bomb + make_png_chunk(b"IEND", b""))
    with pytest.raises(
        RefusedError, match=r"003\.png: the header declares .*pixels, and at most 89,000,000"
    ):
        build_dataset(sources["roots"], tmp_path / "set", BuildOptions())
    manifest = build_dataset(sources["roots"], tmp_path / "set", BuildOptions(max_unreadable=1))
    assert len(manifest["sources"]["mpii"]["unreadable"]) == 1


def test_images_with_an_exif_orientation_are_counted_and_not_rotated(sources, tmp_path, capsys):
    exif = Image.Exif()
    exif[0x0112] = 6  # viewers rotate it to 48 × 64; labels refer to the stored 64 × 48
    for number in (3, 4):
        path = tmp_path / "mpii" / "p" / f"{number:03d}.png"
        path.write_bytes(encode_image("JPEG", exif=exif))
    manifest = build_dataset(sources["roots"], tmp_path / "set", BuildOptions())
    assert any("2 images have an EXIF orientation" in n for n in get_notes(manifest, "mpii"))
    assert "2 images have an EXIF orientation" in capsys.readouterr().err
    for part in read_splits(tmp_path / "set"):
        assert set(zip(part.images.width.tolist(), part.images.height.tolist(), strict=True)) <= {
            KNOWN_SIZE
        }


def get_notes(manifest, source):
    return manifest["sources"][source]["notes"]


def test_a_build_stops_at_an_image_of_another_size_than_annotated(sources, tmp_path):
    other = np.zeros((10, 20, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "coco" / "p" / "004.png"), other)
    with pytest.raises(InputError, match=r"004\.png: the image is 20 × 10, .* declares 64 × 48"):
        build_dataset(sources["roots"], tmp_path / "set", BuildOptions())
    manifest = build_dataset(sources["roots"], tmp_path / "set", BuildOptions(trust_file=True))
    assert "1 image has another size" in get_notes(manifest, "coco")[0]
    sizes = {
        name: size
        for part in read_splits(tmp_path / "set")
        for name, *size in zip(
            part.images.file_names, part.images.width, part.images.height, strict=True
        )
    }
    assert sizes["coco/p/004.png"] == [20, 10]
    assert sizes["coco/p/003.png"] == list(KNOWN_SIZE)


def test_files_of_a_listed_folder_exist_as_the_system_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    for name in ("x.jpg", "a/y.jpg"):
        (tmp_path / name).touch()
    names = ["x.jpg", "a/y.jpg", "a//y.jpg", "a/", "a", "", "a/none", "none/x.jpg", "./x.jpg"]
    names += [f"{tmp_path}/{name}" for name in names] + ["/", "/etc"]
    expected = []
    for name in names:
        head, tail = os.path.split(name)
        is_listed = os.path.isdir(head) and tail in os.listdir(head)  # noqa: PTH112, PTH208
        expected.append(is_listed and os.path.isfile(name))  # noqa: PTH113
        assert os.path.dirname(split_folder(name)[0]) == head  # noqa: PTH120
        assert split_folder(name)[1] == tail
    assert check_files_exist([ImageFile(name) for name in names]) == expected
    assert check_files_exist([ImageFile(tmp_path / "a" / "y.jpg")]) == [True]
