"""The builder: what it writes, what it refuses, and that nothing is left half done."""

import io
import json
import re
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import smallpose
from smallpose.core.errors import InputError, RefusedError, RunError
from smallpose.core.instances import SOURCES, make_images, make_instances
from smallpose.core.skeleton import COCO17, SKELETONS, SMALLPOSE, map_joints
from smallpose.dataset.builder import build as build_module
from smallpose.dataset.builder.build import BuildOptions, build_dataset
from smallpose.dataset.verify import check_set
from smallpose.sources.source import ImageFile, Source

KNOWN_SIZE = (64, 48)


def a_source(root, name="coco", images=12, skeleton=COCO17, sizes=True, official=True, **changes):
    """A source of small pictures on disk, two people in each, the second one medium."""
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(name))
    names = [f"{name}/p/{i:03d}.png" for i in range(images)]
    pictures = []
    for file_name in names:
        path = root / file_name.split("/", 1)[1]
        path.parent.mkdir(exist_ok=True)
        noise = rng.integers(0, 255, (KNOWN_SIZE[1], KNOWN_SIZE[0], 3), dtype=np.uint8)
        cv2.imwrite(str(path), noise)
        pictures.append(ImageFile(path))
    code = SOURCES.index(name)
    table = make_images(
        range(images),
        names,
        [KNOWN_SIZE[0]] * images if sizes else None,
        [KNOWN_SIZE[1]] * images if sizes else None,
        source=code,
        source_ids=[f"{i:03d}" for i in range(images)],
        groups=[f"{name}-v{i // 3}" for i in range(images)],
    )
    people = 2 * images
    keypoints = rng.random((people, len(skeleton), 3)) * 40
    keypoints[:, :, 2] = rng.integers(0, 3, keypoints.shape[:2])
    keypoints[:, 0, 2] = 2
    boxes = np.tile([[1.5, 2.5, 20, 30], [3, 4, 40, 41]], (images, 1))
    fields = {"source": code, "box_rule": 1} | changes
    table_of_people = make_instances(
        skeleton, table, np.repeat(np.arange(images), 2), boxes, keypoints, **fields
    )
    splits = ["train", "train", "test"] if official else [""]
    return Source(name, root, table_of_people, tuple(pictures), tuple(splits * images)[:images])


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Two readers that return sources made above; keys are the folders to build from."""
    made = {
        "coco": a_source(tmp_path / "coco"),
        "mpii": a_source(tmp_path / "mpii", "mpii", 20, SKELETONS["mpii16"], False, False),
    }
    readers = {
        n: (lambda root, n=n: made[n]) for n in ("coco", "mpii", "aic", "hieve", "posetrack")
    }
    monkeypatch.setattr(build_module, "READERS", readers)
    made["roots"] = {n: tmp_path / n for n in ("coco", "mpii")}
    return made


def both_splits(out):
    return [smallpose.read_coco(out / "annotations" / f"{s}.json") for s in ("train", "test")]


def everything(folder):
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            link = str(path.readlink()) if path.is_symlink() else ""
            files[path.relative_to(folder).as_posix()] = (link, path.read_bytes())
    return files


def test_a_built_data_set_has_the_documented_files_ids_and_joints(world, tmp_path):
    out = tmp_path / "set"
    manifest = build_dataset(world["roots"], out, BuildOptions())
    train = smallpose.read_coco(out / "annotations" / "train.json")
    test = smallpose.read_coco(out / "annotations" / "test.json")
    assert train.skeleton is test.skeleton is SMALLPOSE
    ids = [*train.ids.tolist(), *test.ids.tolist()]
    assert ids == list(range(1, len(ids) + 1))
    images = [*train.images.ids.tolist(), *test.images.ids.tolist()]
    assert images == list(range(1, len(images) + 1))
    assert {"coco", "mpii"} == {SOURCES[s] for s in train.source}
    assert np.array_equal(train.file_area, train.area)
    for name in train.images.file_names:
        assert (out / "images" / name).is_symlink()
    assert sorted(p.name for p in out.iterdir()) == [
        "README.md",
        "annotations",
        "croissant.json",
        "images",
        "index.json",
        "leaks.json",
        "manifest.json",
    ]
    assert manifest == json.loads((out / "manifest.json").read_text())


def test_joints_are_mapped_to_the_21_by_name(world, tmp_path):
    build_dataset(world["roots"], tmp_path / "set", BuildOptions())
    built = {}
    for split in ("train", "test"):
        part = smallpose.read_coco(tmp_path / "set" / "annotations" / f"{split}.json")
        for row, image in enumerate(part.image_rows):
            built.setdefault(part.images.file_names[image], []).append(part.keypoints[row])
    for name in ("coco", "mpii"):
        people = world[name].people
        expected = map_joints(people.keypoints, people.skeleton, SMALLPOSE)
        for row, image in enumerate(people.image_rows):
            file_name = people.images.file_names[image]
            assert any(np.array_equal(expected[row], k) for k in built[file_name])


def test_official_splits_are_kept_and_videos_are_not_divided(world, tmp_path):
    build_dataset(world["roots"], tmp_path / "set", BuildOptions())
    groups = {}
    for split in ("train", "test"):
        images = smallpose.read_coco(tmp_path / "set" / "annotations" / f"{split}.json").images
        for name, group, source in zip(
            images.file_names, images.groups, images.source, strict=True
        ):
            if SOURCES[source] == "coco":
                number = int(name[-7:-4])
                assert split == ("test" if number % 3 == 2 else "train")
            else:
                groups.setdefault(group, set()).add(split)
    assert all(len(sides) == 1 for sides in groups.values())


@pytest.mark.parametrize("how", ["link", "copy", "none"])
def test_the_same_sources_and_seed_give_the_same_bytes(world, tmp_path, how):
    for name, jobs in (("a", 1), ("b", 4)):
        build_dataset(
            world["roots"], tmp_path / name, BuildOptions(images=how, workers=jobs, seed=5)
        )
    assert everything(tmp_path / "a") == everything(tmp_path / "b")


def test_image_sizes_that_a_source_lacks_are_read_from_the_images(world, tmp_path):
    build_dataset(world["roots"], tmp_path / "set", BuildOptions())
    images = smallpose.read_coco(tmp_path / "set" / "annotations" / "train.json").images
    assert set(zip(images.width.tolist(), images.height.tolist(), strict=True)) == {KNOWN_SIZE}


def test_missing_images_are_refused_dropped_or_kept(world, tmp_path):
    for number in (0, 5):
        (tmp_path / "mpii" / "p" / f"{number:03d}.png").unlink()
    with pytest.raises(InputError, match=r"2 of 20 pictures are missing .first: mpii/p/000\.png"):
        build_dataset(world["roots"], tmp_path / "set", BuildOptions())
    assert not (tmp_path / "set").exists()
    for policy, count in (("drop", 18), ("keep", 20)):
        out = tmp_path / policy
        manifest = build_dataset(world["roots"], out, BuildOptions(missing_images=policy))
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


def test_boxes_are_clipped_and_people_without_box_area_are_ignored(world, tmp_path):
    boxes = world["coco"].people.boxes_xywh
    boxes[0] = (50, 40, 100, 100)
    boxes[1] = (70, 10, 10, 10)
    boxes[2] = (5, 5, 0, 10)
    manifest = build_dataset({"coco": tmp_path}, tmp_path / "set", BuildOptions())
    parts = [
        smallpose.read_coco(tmp_path / "set/annotations" / f"{s}.json") for s in ("train", "test")
    ]
    cut = [b for p in parts for b in p.boxes_xywh.tolist() if b[:2] == [50, 40]]
    assert cut == [[50, 40, 14, 8]]
    assert sum(int(p.iscrowd.sum()) for p in parts) == 2
    assert sum(int(p.is_counted.sum()) for p in parts) == 22
    assert "2 people whose box has no area" in manifest["notes"][0]


UNREADABLE = {
    "empty": (b"", InputError, "not an image (it is empty)"),
    "a page": (b"<html>not found</html>", InputError, "not an image (starts with '<html>not"),
    "GIF": (b"GIF89a" + bytes(40), RefusedError, "format GIF not allowed"),
    "FITS": (b"SIMPLE  =" + bytes(2880), RefusedError, "format FITS not allowed"),
    "EPS": (b"%!PS-Adobe-3.0 EPSF", RefusedError, "format EPS not allowed"),
    "GD": (b"\xff\xfe\x00\x10\x00\x10" + bytes(300), RefusedError, "format GD not allowed"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_is_no_image_is_named(name, world, tmp_path):
    content, kind, what = UNREADABLE[name]
    (tmp_path / "mpii" / "p" / "003.png").write_bytes(content)
    with pytest.raises(kind, match=rf"003\.png: {re.escape(what)}.*1 of 20 .*--max-unreadable 5%"):
        build_dataset(world["roots"], tmp_path / "set", BuildOptions())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["coco", "mpii"]


@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable_images_are_left_out_and_listed_up_to_max_unreadable(
    name, world, tmp_path, capsys
):
    content, _, what = UNREADABLE[name]
    (tmp_path / "mpii" / "p" / "003.png").write_bytes(content)
    manifest = build_dataset(world["roots"], tmp_path / "set", BuildOptions(max_unreadable=0.05))
    record = manifest["sources"]["mpii"]
    assert list(record["unreadable"]) == ["mpii/p/003.png"]
    assert record["unreadable"]["mpii/p/003.png"].startswith(what)
    assert (record["images_read"], record["images"], record["images_missing"]) == (20, 19, 1)
    assert what in capsys.readouterr().err
    counts = sum(len(p.images) for p in both_splits(tmp_path / "set"))
    assert counts == 12 + 19
    assert "mpii/p/003.png" not in (tmp_path / "set/annotations/train.json").read_text()


def encoded(kind, share=1.0, **options):
    noise = np.random.default_rng(0).integers(0, 255, (*KNOWN_SIZE[::-1], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, kind, **options)
    return file.getvalue()[: int(share * len(file.getvalue()))]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
@pytest.mark.parametrize("share", [0.5, 0.97])
def test_a_truncated_image_is_never_used(kind, share, world, tmp_path):
    (tmp_path / "mpii" / "p" / "003.png").write_bytes(encoded(kind, share))
    with pytest.raises(InputError, match=r"003\.png: cut off or broken"):
        build_dataset(world["roots"], tmp_path / "set", BuildOptions())
    manifest = build_dataset(world["roots"], tmp_path / "set", BuildOptions(max_unreadable=0.05))
    assert list(manifest["sources"]["mpii"]["unreadable"]) == ["mpii/p/003.png"]
    assert "mpii/p/003.png" not in manifest["pictures"]


@pytest.mark.parametrize(
    "whole",
    [
        encoded("JPEG"),
        encoded("JPEG", progressive=True),
        encoded("JPEG") + bytes(3000),  # junk behind the end, as cameras and archives leave it
        encoded("PNG") + b"junk",
        encoded("WEBP"),
        encoded("BMP"),
    ],
)
def test_a_complete_image_is_used_whatever_follows_it_in_the_file(whole, world, tmp_path):
    (tmp_path / "mpii" / "p" / "003.png").write_bytes(whole)
    manifest = build_dataset(world["roots"], tmp_path / "set", BuildOptions())
    assert manifest["sources"]["mpii"]["unreadable"] == {}
    assert manifest["sources"]["mpii"]["images"] == 20


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize("where", [0.4, 0.9])
def test_a_png_that_is_damaged_in_its_middle_is_never_used(where, world, tmp_path):
    """Its head and its end are whole; the checksum of the chunk between them is not."""
    data = bytearray(encoded("PNG"))
    data[int(where * len(data))] ^= 1
    (tmp_path / "mpii" / "p" / "003.png").write_bytes(data)
    with pytest.raises(
        InputError, match=r"003\.png: cut off or broken .its IDAT chunk has changed"
    ):
        build_dataset(world["roots"], tmp_path / "set", BuildOptions())
    manifest = build_dataset(world["roots"], tmp_path / "set", BuildOptions(max_unreadable=0.05))
    assert list(manifest["sources"]["mpii"]["unreadable"]) == ["mpii/p/003.png"]


def test_a_png_with_a_damaged_comment_is_used(world, tmp_path):
    """A comment with a wrong checksum, and junk behind the end."""
    data = encoded("PNG")
    comment = struct.pack(">I", 4) + b"tEXt" + b"a\0bc" + bytes(4)
    (tmp_path / "mpii" / "p" / "003.png").write_bytes(data[:-12] + comment + data[-12:] + b"junk")
    manifest = build_dataset(world["roots"], tmp_path / "set", BuildOptions())
    assert manifest["sources"]["mpii"]["unreadable"] == {}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [9_460, 12_000, 30_000])
def test_a_decompression_bomb_is_refused_by_its_header(side, world, tmp_path):
    rows = zlib.compress(bytes(side + 1) * 50)
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", rows)
    (tmp_path / "mpii" / "p" / "003.png").write_bytes(bomb + png_chunk(b"IEND", b""))
    with pytest.raises(RefusedError, match=r"003\.png: .*(bomb|promises).*pixels"):
        build_dataset(world["roots"], tmp_path / "set", BuildOptions())
    manifest = build_dataset(world["roots"], tmp_path / "set", BuildOptions(max_unreadable=1))
    assert len(manifest["sources"]["mpii"]["unreadable"]) == 1


def test_images_with_an_exif_orientation_are_counted_and_not_rotated(world, tmp_path, capsys):
    exif = Image.Exif()
    exif[0x0112] = 6  # viewers turn it to 48 × 64; labels live in the stored 64 × 48
    for number in (3, 4):
        path = tmp_path / "mpii" / "p" / f"{number:03d}.png"
        path.write_bytes(encoded("JPEG", exif=exif))
    manifest = build_dataset(world["roots"], tmp_path / "set", BuildOptions())
    assert any("2 pictures have an EXIF orientation" in n for n in _notes(manifest, "mpii"))
    assert "2 pictures have an EXIF orientation" in capsys.readouterr().err
    for part in both_splits(tmp_path / "set"):
        assert set(zip(part.images.width.tolist(), part.images.height.tolist(), strict=True)) <= {
            KNOWN_SIZE
        }


def _notes(manifest, source):
    return manifest["sources"][source]["notes"]


def test_a_build_stops_at_an_image_of_another_size_than_annotated(world, tmp_path):
    other = np.zeros((10, 20, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "coco" / "p" / "004.png"), other)
    with pytest.raises(InputError, match=r"004\.png: the picture is 20 × 10, .* says 64 × 48"):
        build_dataset(world["roots"], tmp_path / "set", BuildOptions())
    manifest = build_dataset(world["roots"], tmp_path / "set", BuildOptions(trust_file=True))
    assert "1 pictures have another size" in _notes(manifest, "coco")[0]
    sizes = {
        name: size
        for part in both_splits(tmp_path / "set")
        for name, *size in zip(
            part.images.file_names, part.images.width, part.images.height, strict=True
        )
    }
    assert sizes["coco/p/004.png"] == [20, 10]
    assert sizes["coco/p/003.png"] == list(KNOWN_SIZE)


def test_a_folder_with_other_files_is_never_replaced(world, tmp_path):
    out = tmp_path / "set"
    out.mkdir()
    (out / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match="exists already"):
        build_dataset(world["roots"], out, BuildOptions())
    with pytest.raises(RefusedError, match="no data set that build made"):
        build_dataset(world["roots"], out, BuildOptions(overwrite=True))
    assert (out / "thesis.tex").read_text() == "precious"


def test_an_older_data_set_is_replaced_only_on_request(world, tmp_path):
    out = tmp_path / "set"
    build_dataset(world["roots"], out, BuildOptions(seed=1))
    build_dataset(world["roots"], out, BuildOptions(seed=2, overwrite=True))
    assert json.loads((out / "manifest.json").read_text())["seed"] == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["coco", "mpii", "set"]


def test_a_full_disk_leaves_no_unfinished_files(world, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("smallpose.dataset.place_images.shutil.copyfile", full)
    with pytest.raises(RunError, match="No space left"):
        build_dataset(world["roots"], tmp_path / "set", BuildOptions(images="copy"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["coco", "mpii"]


def test_check_detects_one_changed_byte(world, tmp_path):
    out = tmp_path / "set"
    build_dataset(world["roots"], out, BuildOptions(images="copy"))
    assert check_set(out, 2)[0] == []
    victim = next((out / "images").rglob("*.png"))
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(bytes(data))
    (finding,), _ = check_set(out, 2)
    assert finding.is_fault
    assert str(victim) in finding.message


def test_every_number_of_the_card_comes_from_the_manifest(world, tmp_path):
    manifest = build_dataset(world["roots"], tmp_path / "set", BuildOptions(seed=3))
    card = (tmp_path / "set" / "README.md").read_text()
    assert "seed: 3" in card
    for name in ("coco", "mpii"):
        record = manifest["sources"][name]
        counts = (record[k] for k in ("images_read", "people_read", "images", "people"))
        assert " | ".join(f"{n:,}" for n in counts) in card
    for file in manifest["files"]:
        if file != "README.md":
            assert manifest["files"][file]["sha256"][:16] in card


def test_the_error_of_a_build_without_sources_names_a_flag(tmp_path):
    with pytest.raises(InputError, match="no source is given; give at least one"):
        build_dataset({}, tmp_path / "set", BuildOptions())


def test_the_error_for_missing_images_names_the_folder_or_archive(world, tmp_path):
    (tmp_path / "mpii" / "p").rename(tmp_path / "mpii" / "elsewhere")
    with pytest.raises(InputError, match=r"put them into .*mpii/p, which is not there, or use"):
        build_dataset(world["roots"], tmp_path / "set", BuildOptions())
    (tmp_path / "mpii" / "p.zip").write_bytes(b"")
    with pytest.raises(InputError, match=r"20 of 20 pictures are missing .*; unpack p\.zip, or"):
        build_dataset(world["roots"], tmp_path / "set", BuildOptions())


def test_an_output_folder_that_is_a_link_remains_one(world, tmp_path):
    big, out = tmp_path / "big", tmp_path / "out"
    big.mkdir()
    out.symlink_to(big)
    build_dataset(world["roots"], out, BuildOptions())
    assert out.is_symlink() and (big / "manifest.json").is_file()
    assert not list(tmp_path.glob(".*building"))


def test_the_current_folder_is_refused_before_anything_is_read(world, tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    for out in (Path(), Path("/"), here):
        with pytest.raises(InputError, match="name a new folder inside it"):
            build_dataset(world["roots"], out, BuildOptions())
    assert list(here.iterdir()) == []
