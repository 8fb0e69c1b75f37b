"""The size of plain JPEG files is that of Pillow; all other files are left to it."""

import io

import pytest

from smallpose.dataset.jpeg_size import read_jpeg_size

Image = pytest.importorskip("PIL.Image")


def encode(mode="RGB", size=(123, 45), **options) -> bytes:
    data = io.BytesIO()
    Image.new(mode, size).save(data, **{"format": "JPEG", **options})
    return data.getvalue()


def encode_thumbnail() -> bytes:
    """Encode an image of another size, which application data may contain."""
    return encode(size=(16, 16))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mode": "L"},
        {"progressive": True},
        {"quality": 100, "subsampling": 0},
        {"comment": b"\xff\xc0 is no frame"},
        {"icc_profile": encode_thumbnail()},
        {"size": (1, 65500)},
    ],
)
def test_the_size_of_plain_files_is_read(options):
    content = encode(**options)
    assert read_jpeg_size(content) == options.get("size", (123, 45))
    assert Image.open(io.BytesIO(content)).size == read_jpeg_size(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xd8\xff\xd9",
        encode(mode="CMYK"),
        encode(format="PNG"),
        encode()[:-2],
        b"\xff\xd8" + encode()[21:],
        encode()[:150] + b"\xff\xd9",
        encode().replace(b"\xff\xdb", b"\xff\x01"),
    ],
)
def test_other_and_damaged_files_are_left_to_pillow(content):
    assert read_jpeg_size(content) is None


def test_real_photographs_have_the_size_that_pillow_reads(real):
    for path in sorted((real / "coco").rglob("*.jpg"))[:50]:
        with Image.open(path) as image:
            assert read_jpeg_size(path.read_bytes()) == image.size
