"""Tests of `build --exif apply`: images are turned, and labels drawn on the shown image fit."""

import json
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageOps

import smallpose
from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.dataset.builder.build import BuildOptions, build_dataset
from smallpose.dataset.builder.build_folder import BuildFolder
from smallpose.dataset.builder.turn_images import write_turned_images
from smallpose.dataset.built_set import open_set
from smallpose.dataset.verify import check_images, check_set
from smallpose.io.validation import check_truth

WIDTH, HEIGHT = 64, 48  # of all images of the fixture `sources`, which `coco` declares
APPLY = BuildOptions(apply_exif=True)


def write_rotated(path, stored_wh, orientation=6):
    """Write a PNG with an EXIF orientation; PNG is turned without loss."""
    width, height = stored_wh
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(noise).save(path, "PNG", exif=exif)
    return path


@pytest.fixture
def shown_grid(sources, tmp_path):
    """Two images of `coco` whose sides EXIF swaps, to the size that the labels declare."""
    for number in (4, 5):
        write_rotated(tmp_path / "coco" / "p" / f"{number:03d}.png", (HEIGHT, WIDTH))
    return {"coco": tmp_path / "coco"}


def read_people(out):
    return [smallpose.read_coco(out / "annotations" / f"{s}.json") for s in ("train", "test")]


@pytest.mark.parametrize("options", [BuildOptions(), BuildOptions(trust_file=True)])
def test_labels_on_the_shown_image_are_refused_with_the_remedy(options, shown_grid, tmp_path):
    with pytest.raises(
        InputError,
        match=r"coco/p/004\.png: its labels refer to the image as viewers show it, 64 × 48, turned "
        r"by EXIF from the stored 48 × 64 .and 1 image more.; use --exif apply",
    ):
        build_dataset(shown_grid, tmp_path / "set", options)


@pytest.mark.parametrize("images", ["link", "copy", "none"])
def test_exif_apply_writes_turned_images_that_fit_their_labels(images, shown_grid, tmp_path):
    out = tmp_path / "set"
    source = tmp_path / "coco" / "p" / "004.png"
    before = source.read_bytes()
    manifest = build_dataset(shown_grid, out, replace(APPLY, images=images))
    turned = out / "images" / "coco" / "p" / "004.png"
    assert not turned.is_symlink()
    assert source.read_bytes() == before
    with Image.open(source) as shown, Image.open(turned) as stored:
        assert not stored.getexif()
        assert np.array_equal(np.asarray(ImageOps.exif_transpose(shown)), np.asarray(stored))
    assert (out / "images" / "coco" / "p" / "003.png").exists() == (images != "none")
    for people in read_people(out):
        assert set(people.images.width.tolist()) == {WIDTH}
        assert set(people.images.height.tolist()) == {HEIGHT}
        assert not any("outside" in f.message for f in check_truth(people))
        if images != "none":
            assert check_images(people, out / "images") == []
    # Boxes and keypoints are those of a build from images that were never rotated.
    assert manifest["turned"] == 2
    assert "2 images were turned by their EXIF orientation" in manifest["sources"]["coco"]["notes"]
    card = (out / "README.md").read_text()
    assert "EXIF orientations are applied: 2 images were turned" in card
    assert check_set(out, 1)[0] == []
    assert open_set(out).find_image("coco/p/004.png") == turned


def test_labels_and_boxes_are_those_of_a_build_from_upright_images(shown_grid, tmp_path):
    build_dataset(shown_grid, tmp_path / "turned", APPLY)
    for number in (4, 5):
        path = tmp_path / "coco" / "p" / f"{number:03d}.png"
        with Image.open(path) as image:
            ImageOps.exif_transpose(image).save(path)
    build_dataset(shown_grid, tmp_path / "upright", BuildOptions())
    for split in ("train", "test"):
        one, two = (tmp_path / n / "annotations" / f"{split}.json" for n in ("turned", "upright"))
        assert one.read_bytes() == two.read_bytes()


def test_an_index_turns_the_same_images_and_detects_another_file(shown_grid, tmp_path):
    built, rebuilt = tmp_path / "set", tmp_path / "again"
    build_dataset(shown_grid, built, APPLY)
    build_dataset(shown_grid, rebuilt, BuildOptions(images="copy"), built / "index.json")
    for name in ("annotations/train.json", "annotations/test.json", "index.json"):
        assert (built / name).read_bytes() == (rebuilt / name).read_bytes()
    name = "images/coco/p/004.png"
    assert (built / name).read_bytes() == (rebuilt / name).read_bytes()
    assert check_set(rebuilt, 1)[0] == []
    write_rotated(tmp_path / "coco" / "p" / "004.png", (HEIGHT, WIDTH), orientation=8)
    with pytest.raises(InputError, match=r"1 of 12 images is missing or differ .first: coco/p/004"):
        build_dataset(shown_grid, tmp_path / "other", BuildOptions(), built / "index.json")


def test_images_whose_labels_refer_to_the_stored_grid_are_not_turned(sources, tmp_path):
    """Their declared size is the stored one; nothing tells the grid of the half-turned image."""
    folder = tmp_path / "coco" / "p"
    stored = write_rotated(folder / "004.png", (WIDTH, HEIGHT))
    write_rotated(folder / "005.png", (WIDTH, HEIGHT), orientation=3)
    roots = {"coco": tmp_path / "coco"}
    manifest = build_dataset(roots, tmp_path / "one", APPLY)
    (note,) = manifest["sources"]["coco"]["notes"]
    assert note.startswith("0 images were turned by their EXIF orientation; 2 were not")
    assert "(first: coco/p/004.png)" in note
    # Beside an image with labels on the shown grid the undecided one is turned.
    write_rotated(folder / "006.png", (HEIGHT, WIDTH))
    manifest = build_dataset(roots, tmp_path / "two", APPLY)
    turned = {name for name, r in manifest["pictures"].items() if "orientation" in r}
    assert turned == {"coco/p/005.png", "coco/p/006.png"}
    assert (tmp_path / "two" / "images" / "coco" / "p" / "004.png").resolve() == stored


def test_images_that_nothing_tells_apart_are_turned_on_request_only(sources, tmp_path):
    write_rotated(tmp_path / "mpii" / "p" / "003.png", (WIDTH, HEIGHT), orientation=3)
    roots = {"mpii": tmp_path / "mpii"}
    manifest = build_dataset(roots, tmp_path / "one", BuildOptions())
    assert "--exif apply turns the images if not" in manifest["sources"]["mpii"]["notes"][0]
    assert (manifest["exif"], manifest["turned"]) == ("ignore", 0)
    assert build_dataset(roots, tmp_path / "two", APPLY)["turned"] == 1


def test_without_a_declared_size_a_label_outside_the_stored_grid_tells(sources, tmp_path):
    people = sources["mpii"].people
    rows = people.image_rows == 3
    people.keypoints[rows, 0, :2] = (30, 60)
    write_rotated(tmp_path / "mpii" / "p" / "003.png", (WIDTH, HEIGHT))  # shown 48 × 64
    roots = {"mpii": tmp_path / "mpii"}
    with pytest.raises(InputError, match="use --exif apply"):
        build_dataset(roots, tmp_path / "one", BuildOptions())
    build_dataset(roots, tmp_path / "two", APPLY)
    sizes = {
        name: size
        for part in read_people(tmp_path / "two")
        for name, *size in zip(
            part.images.file_names, part.images.width, part.images.height, strict=True
        )
    }
    assert sizes["mpii/p/003.png"] == [48, 64]


def test_an_image_that_cannot_be_turned_is_left_out_as_unreadable(shown_grid, tmp_path):
    path = tmp_path / "coco" / "p" / "004.png"
    data = path.read_bytes()
    start = data.index(b"IDAT") - 4
    kept = data[:start]  # the header and the orientation
    for name, content in ((b"IDAT", bytes(99)), (b"IEND", b"")):  # each with a sound checksum
        checksum = struct.pack(">I", zlib.crc32(name + content))
        kept += struct.pack(">I", len(content)) + name + content + checksum
    path.write_bytes(kept)
    with pytest.raises(InputError, match=r"004\.png: truncated or damaged"):
        build_dataset(shown_grid, tmp_path / "set", APPLY)
    manifest = build_dataset(shown_grid, tmp_path / "set", replace(APPLY, max_unreadable=0.1))
    assert list(manifest["sources"]["coco"]["unreadable"]) == ["coco/p/004.png"]


def test_links_of_an_interrupted_build_are_replaced_and_not_followed(sources, tmp_path):
    source = sources["coco"]
    path = write_rotated(tmp_path / "coco" / "p" / "004.png", (HEIGHT, WIDTH))
    before = path.read_bytes()
    build = BuildFolder(tmp_path / "building", "")
    folder = build.data_set / "images" / "coco" / "p"
    folder.mkdir(parents=True)
    for name in ("004.png", "004.png.part"):
        (folder / name).symlink_to(path)
    assert write_turned_images(source, {4: 6}, build, 1) == {}
    assert path.read_bytes() == before
    assert not (folder / "004.png").is_symlink()


def test_check_names_images_that_exif_turns_for_their_labels(sources, tmp_path, capsys):
    folder = tmp_path / "coco"
    write_rotated(folder / "p" / "004.png", (HEIGHT, WIDTH))
    write_rotated(folder / "p" / "005.png", (WIDTH, HEIGHT))
    names = [f"p/{number:03d}.png" for number in (3, 4, 5)]
    images = [
        {"id": i, "file_name": name, "width": WIDTH, "height": HEIGHT}
        for i, name in enumerate(names, 1)
    ]
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({"images": images, "annotations": []}))
    assert main(["check", str(truth), "--images", str(folder)]) == 2
    out = capsys.readouterr().out
    assert (
        "fault   1 image is turned by EXIF for viewers, and their labels refer to the turned "
        "image (first: p/004.png, stored 48 × 64, shown 64 × 48); build the set with --exif apply"
    ) in out
    assert "remark  1 image has an EXIF orientation, which is ignored" in out
    assert "1 fault, " in out


def test_check_finds_keypoints_outside_images_of_undeclared_size(sources, tmp_path, capsys):
    person = {"id": 1, "image_id": 1, "bbox": [1, 1, 9, 9], "num_keypoints": 17, "iscrowd": 0}
    person |= {"keypoints": [5, 5, 2] * 16 + [500, 5, 2], "area": 81}
    truth = tmp_path / "truth.json"
    images = [{"id": 1, "file_name": "p/003.png"}]
    truth.write_text(json.dumps({"images": images, "annotations": [person]}))
    main(["check", str(truth), "--images", str(tmp_path / "coco")])
    assert "1 person has 1 labelled keypoint outside the image" in capsys.readouterr().out
