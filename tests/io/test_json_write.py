"""The compiled writer of annotations writes the same bytes as the JSON library."""

import math
import random
import struct
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from smallpose.core.boxes import BOX_RULES
from smallpose.core.concat_instances import concat_instances
from smallpose.core.instances import SOURCES, make_images, make_instances
from smallpose.core.packed_keypoints import PackedKeypoints, pack_keypoints
from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.io import json_text
from smallpose.io.coco_annotations import read_coco, write_coco
from smallpose.io.coco_annotations_slow import read_coco_slow

needs_extension = pytest.mark.skipif(json_text.EXTENSION is None, reason="_json was not built")


def make_people(numbers, skeleton=COCO17):
    """Make people whose boxes, areas, masks and keypoints are these numbers."""
    rng = random.Random(len(numbers))
    k = len(skeleton)
    num_values = 2 * k + 6
    n = -(-len(numbers) // num_values)
    values = np.resize(np.array(numbers, dtype=np.float64), (n, num_values))
    keypoints = np.zeros((n, k, 3))
    keypoints[:, :, :2] = values[:, 6:].reshape(n, k, 2)
    keypoints[:, :, 2] = [[rng.randrange(3) for _ in range(k)] for _ in range(n)]
    images = make_images(range(5), [f"ü {i}.jpg" for i in range(5)])
    return make_instances(
        skeleton,
        images,
        [rng.randrange(5) for _ in range(n)],
        values[:, :4],
        keypoints,
        ids=[rng.randrange(-(2**62), 2**62) for _ in range(n)],
        file_area=values[:, 4],
        segmentation_area=values[:, 5],
        source=[rng.randrange(len(SOURCES)) for _ in range(n)],
        box_rule=[rng.randrange(len(BOX_RULES)) for _ in range(n)],
        iscrowd=[rng.random() < 0.3 for _ in range(n)],
    )


def write_with_and_without_extension(people, folder, monkeypatch, derived=None):
    write_coco(people, folder / "fast.json", derived)
    with monkeypatch.context() as patch:
        patch.setattr(json_text, "EXTENSION", None)
        write_coco(people, folder / "slow.json", derived)
    return (folder / "fast.json").read_bytes(), (folder / "slow.json").read_bytes()


def make_numbers():
    rng = random.Random(0)
    out = [0.0, -0.0, 0.1, 1e15, 1e16, 1e17, 123456789012345678.0, 1e22, 1.5e300, 5e-324, 1e-3]
    out += [1e-4, 1e-5, 1.5e-5, 9.999e-5, 1e-6, 1.7976931348623157e308, 2.0**53, 2.0**53 + 2]
    out += [99999999999.9999, 1e11, 1e11 - 0.0001, 0.00005, 0.30000000000000004, math.nan, math.inf]
    for _ in range(30_000):
        x = rng.choice(
            [
                rng.uniform(-2000, 2000),
                float(rng.randrange(-3000, 3000)),
                round(rng.uniform(-700, 700), rng.randrange(7)),
                round(rng.uniform(0, 2), 4) * round(rng.uniform(0, 700), 2),
                rng.uniform(-1, 1) * 10 ** rng.uniform(-30, 30),
                struct.unpack("f", struct.pack("f", rng.uniform(0, 2000)))[0],
                math.nextafter(round(rng.uniform(0, 700), 2), rng.choice([0, 1e9])),
            ]
        )
        out.append(x)
    # Random bit patterns.
    out += [struct.unpack("d", rng.randbytes(8))[0] for _ in range(20_000)]
    return out


@needs_extension
@pytest.mark.parametrize("skeleton", [COCO17, SMALLPOSE])
def test_every_number_is_written_as_by_the_library(skeleton, tmp_path, monkeypatch):
    people = make_people(make_numbers(), skeleton)
    # A box's area may overflow to infinity, which JSON does not have; give all the same one.
    people.__dict__["area"] = np.full(len(people), np.inf)
    fast, slow = write_with_and_without_extension(people, tmp_path, monkeypatch)
    assert fast == slow


@needs_extension
@pytest.mark.parametrize("n", [0, 1, 2, 9_999, 10_000, 10_001])
def test_blocks_are_joined_correctly(n, tmp_path, monkeypatch):
    images = make_images([7, 9], ["a.jpg", "b.jpg"])
    keypoints = np.arange(n * 51.0).reshape(n, 17, 3) % 3
    people = make_instances(COCO17, images, np.arange(n) % 2, np.ones((n, 4)), keypoints)
    people = replace(people, category_id=4)
    fast, slow = write_with_and_without_extension(people, tmp_path, monkeypatch)
    assert fast == slow
    assert len(read_coco(tmp_path / "fast.json")) == n


@needs_extension
@pytest.mark.parametrize("share", [0, 0.2, 1])
def test_derived_joints_are_listed_the_same_way(share, tmp_path, monkeypatch):
    n = 20
    people = make_instances(
        SMALLPOSE, make_images([1], ["a.jpg"]), [0] * n, np.ones((n, 4)), np.ones((n, 21, 3))
    )
    derived = np.random.default_rng(0).random((n, 21)) < share
    fast, slow = write_with_and_without_extension(people, tmp_path, monkeypatch, derived)
    assert fast == slow
    assert fast.count(b'"derived"') == int(derived.any(axis=1).sum())


@needs_extension
def test_writing_and_reading_keeps_every_bit(tmp_path):
    finite = [x for x in make_numbers() if math.isfinite(x)]
    people = make_people(finite)
    people = replace(people, ids=np.arange(len(people)))
    people.__dict__["area"] = people.file_area  # keeps the writer from computing areas
    write_coco(people, tmp_path / "all.json")
    for read in (read_coco, read_coco_slow):
        copy = read(tmp_path / "all.json")
        for name in ("boxes_xywh", "keypoints", "file_area", "segmentation_area"):
            value, expected = getattr(copy, name), getattr(people, name)
            assert np.array_equal(value.view(np.int64), expected.view(np.int64)), name


@pytest.mark.parametrize("has_extension", [pytest.param(True, marks=needs_extension), False])
def test_packed_keypoints_are_written_like_the_doubles_they_are(
    has_extension, tmp_path, monkeypatch
):
    if not has_extension:
        monkeypatch.setattr(json_text, "EXTENSION", None)
    rng = np.random.default_rng(0)
    units = rng.integers(-(2**31) + 1, 2**31, (4000, 17, 2))
    units[:2000] //= 10 ** rng.integers(0, 10, (2000, 17, 1))
    units[1000:2000] *= 10 ** rng.integers(0, 5, (1000, 17, 1))
    units = np.clip(units, -(2**31) + 1, 2**31 - 1)
    visibility = rng.integers(0, 3, (4000, 17))
    units[visibility == 0] = 0
    packed = PackedKeypoints(units.astype(np.int32), visibility.astype(np.uint8))
    doubles = np.asarray(packed)
    images = make_images([1], ["a.jpg"])
    people = make_instances(COCO17, images, [0] * 4000, np.ones((4000, 4)), doubles)
    write_coco(people, tmp_path / "doubles.json")
    write_coco(replace(people, keypoints=packed), tmp_path / "packed.json")
    assert (tmp_path / "packed.json").read_bytes() == (tmp_path / "doubles.json").read_bytes()
    assert np.array_equal(read_coco(tmp_path / "packed.json").keypoints, doubles)


@pytest.mark.parametrize("is_packed", [False, True])
def test_mapped_keypoints_are_written_like_one_table(is_packed, tmp_path):
    keypoints = np.arange(5000 * 51.0).reshape(5000, 17, 3) % 3
    images = make_images([1], ["a.jpg"])
    plain = make_instances(COCO17, images, [0] * 5000, np.ones((5000, 4)), keypoints)
    parts = [plain, plain.to_skeleton(SMALLPOSE)]
    if is_packed:
        parts = [replace(part, keypoints=pack_keypoints(part.keypoints)) for part in parts]
    for name, mapped in (("one", False), ("mapped", True)):
        people = concat_instances(parts, mapped=mapped).take(slice(None, None, -1))
        write_coco(people, tmp_path / f"{name}.json")
    assert (tmp_path / "mapped.json").read_bytes() == (tmp_path / "one.json").read_bytes()


def test_images_are_written_as_the_library_writes_each_record(tmp_path):
    m = 5000
    texts = ["", "a\nb", 'ü "}\n{"', "}\n{", "x" * 300]
    images = make_images(
        np.arange(m),
        [f"{texts[i % 5]}{i}" for i in range(m)],
        [i % 3 * 640 for i in range(m)],
        [i % 2 * 480 for i in range(m)],
        [i % 7 for i in range(m)],
        [texts[i % 4] for i in range(m)],
        [texts[i % 5] for i in range(m)],
    )
    images = replace(images, source_splits=tuple(texts[i % 2] for i in range(m)))
    people = make_instances(COCO17, images, [], np.zeros((0, 4)), np.zeros((0, 17, 3)))
    write_coco(people, tmp_path / "a.json")
    lines = []
    for i in range(m):
        record = {"id": i, "file_name": images.file_names[i]}
        if i % 3 and i % 2:
            record |= {"width": i % 3 * 640, "height": 480}
        record |= {"source": SOURCES[i % 7], "source_id": texts[i % 4]}
        record |= {"source_split": texts[i % 2], "group": texts[i % 5]}
        lines.append(msgspec.json.encode({k: v for k, v in record.items() if v != ""}))
    content = (tmp_path / "a.json").read_bytes()
    assert b'"images":[\n' + b",\n".join(lines) + b"],\n" in content
