"""Tests of a build: what it writes, what it refuses, and that it leaves no unfinished files."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

import smallpose
from smallpose.cli.main import main
from smallpose.core.errors import InputError, RefusedError, RunError
from smallpose.core.instances import SOURCES, make_images, make_instances
from smallpose.core.skeleton import COCO17, SMALLPOSE, map_joints
from smallpose.dataset.builder import select_images as select_module
from smallpose.dataset.builder.build import BuildOptions, build_dataset
from smallpose.dataset.verify import check_set


def read_files(folder):
    """Read all files and links below a folder, by name."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            link = str(path.readlink()) if path.is_symlink() else ""
            files[path.relative_to(folder).as_posix()] = (link, path.read_bytes())
    return files


def test_a_built_data_set_has_the_documented_files_ids_and_joints(sources, tmp_path):
    out = tmp_path / "set"
    manifest = build_dataset(sources["roots"], out, BuildOptions())
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


def test_joints_are_mapped_to_the_21_by_name(sources, tmp_path):
    build_dataset(sources["roots"], tmp_path / "set", BuildOptions())
    built = {}
    for split in ("train", "test"):
        part = smallpose.read_coco(tmp_path / "set" / "annotations" / f"{split}.json")
        for row, image in enumerate(part.image_rows):
            built.setdefault(part.images.file_names[image], []).append(part.keypoints[row])
    for name in ("coco", "mpii"):
        people = sources[name].people
        expected = map_joints(people.keypoints, people.skeleton, SMALLPOSE)
        for row, image in enumerate(people.image_rows):
            file_name = people.images.file_names[image]
            assert any(np.array_equal(expected[row], k) for k in built[file_name])


def test_official_splits_are_kept_and_videos_are_not_divided(sources, tmp_path):
    build_dataset(sources["roots"], tmp_path / "set", BuildOptions())
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
    assert all(len(splits) == 1 for splits in groups.values())


@pytest.mark.parametrize("mode", ["link", "copy", "none"])
def test_the_same_sources_and_seed_give_the_same_bytes(sources, tmp_path, mode):
    for name, workers in (("a", 1), ("b", 4)):
        options = BuildOptions(images=mode, workers=workers, seed=5)
        build_dataset(sources["roots"], tmp_path / name, options)
    assert read_files(tmp_path / "a") == read_files(tmp_path / "b")


def test_boxes_are_clipped_and_people_without_box_area_are_ignored(sources, tmp_path):
    boxes = sources["coco"].people.boxes_xywh
    boxes[0] = (50, 40, 100, 100)
    boxes[1] = (70, 10, 10, 10)
    boxes[2] = (5, 5, 0, 10)
    manifest = build_dataset({"coco": tmp_path}, tmp_path / "set", BuildOptions())
    parts = [
        smallpose.read_coco(tmp_path / "set/annotations" / f"{s}.json") for s in ("train", "test")
    ]
    clipped = [b for p in parts for b in p.boxes_xywh.tolist() if b[:2] == [50, 40]]
    assert clipped == [[50, 40, 14, 8]]
    assert sum(int(p.iscrowd.sum()) for p in parts) == 2
    assert sum(int(p.is_counted.sum()) for p in parts) == 22
    assert "2 people whose boxes have no area" in manifest["notes"][0]


def test_a_folder_with_other_files_is_never_replaced(sources, tmp_path):
    out = tmp_path / "set"
    out.mkdir()
    (out / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match="exists already"):
        build_dataset(sources["roots"], out, BuildOptions())
    with pytest.raises(RefusedError, match="not a data set that smallpose build made"):
        build_dataset(sources["roots"], out, BuildOptions(overwrite=True))
    assert (out / "thesis.tex").read_text() == "precious"


def test_an_older_data_set_is_replaced_only_on_request(sources, tmp_path):
    out = tmp_path / "set"
    build_dataset(sources["roots"], out, BuildOptions(seed=1))
    build_dataset(sources["roots"], out, BuildOptions(seed=2, overwrite=True))
    assert json.loads((out / "manifest.json").read_text())["seed"] == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["coco", "mpii", "set"]


def test_a_full_disk_leaves_no_unfinished_files(sources, tmp_path, monkeypatch):
    def raise_full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("smallpose.dataset.place_images.shutil.copyfile", raise_full_disk)
    with pytest.raises(RunError, match="No space left"):
        build_dataset(sources["roots"], tmp_path / "set", BuildOptions(images="copy"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["coco", "mpii"]


def test_check_detects_one_changed_byte(sources, tmp_path):
    out = tmp_path / "set"
    build_dataset(sources["roots"], out, BuildOptions(images="copy"))
    assert check_set(out, 2)[0] == []
    changed = next((out / "images").rglob("*.png"))
    data = bytearray(changed.read_bytes())
    data[len(data) // 2] ^= 1
    changed.write_bytes(bytes(data))
    (finding,), _ = check_set(out, 2)
    assert finding.is_fault
    assert str(changed) in finding.message


def test_every_number_of_the_card_comes_from_the_manifest(sources, tmp_path):
    manifest = build_dataset(sources["roots"], tmp_path / "set", BuildOptions(seed=3))
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


def test_an_output_folder_that_is_a_link_remains_one(sources, tmp_path):
    big, out = tmp_path / "big", tmp_path / "out"
    big.mkdir()
    out.symlink_to(big)
    build_dataset(sources["roots"], out, BuildOptions())
    assert out.is_symlink() and (big / "manifest.json").is_file()
    assert not list(tmp_path.glob(".*building"))


def test_the_current_folder_is_refused_before_anything_is_read(sources, tmp_path, monkeypatch):
    current = tmp_path / "current"
    current.mkdir()
    monkeypatch.chdir(current)
    for out in (Path(), Path("/"), current):
        with pytest.raises(InputError, match="choose a new folder inside it"):
            build_dataset(sources["roots"], out, BuildOptions())
    assert list(current.iterdir()) == []


def test_select_all_keeps_every_image_and_paper_says_what_it_leaves_out(sources, tmp_path, capsys):
    boxes = sources["coco"].people.boxes_xywh
    boxes[:] = (0, 0, 64, 48)
    unlabelled = sources["coco"].people.image_rows < 3
    sources["coco"].people.num_keypoints[unlabelled] = 0
    roots = {"coco": tmp_path}
    kept = build_dataset(roots, tmp_path / "all", BuildOptions(select="all"))
    assert sum(s["images"] for s in kept["selection"].values()) == 12
    assert not any(s["note"] for s in kept["selection"].values())
    capsys.readouterr()
    dropped = build_dataset(roots, tmp_path / "paper", BuildOptions())
    assert sum(s["images"] for s in dropped["selection"].values()) == 9
    assert sum(s["without_people"] for s in dropped["selection"].values()) == 3
    printed = " ".join(capsys.readouterr().err.split())
    assert "train: 2 of 8 images are left out: 2 without a person with keypoints" in printed


def test_sets_that_would_be_empty_are_refused(sources, tmp_path, monkeypatch):
    monkeypatch.setattr(select_module, "count_people_by_size", count_all_as_large)
    with pytest.raises(InputError, match=r"would be empty; add --select all"):
        build_dataset({"coco": tmp_path}, tmp_path / "set", BuildOptions())
    sources["coco"].people.num_keypoints[:] = 0
    with pytest.raises(InputError, match="no person in the 12 images has keypoints"):
        build_dataset({"coco": tmp_path}, tmp_path / "set", BuildOptions(select="all"))
    assert not (tmp_path / "set").exists()


def count_all_as_large(people):
    counts = np.zeros((len(people.images), 3), dtype=np.int64)
    np.add.at(counts[:, 2], people.image_rows[people.is_counted], 1)
    return counts


def test_images_and_people_carry_the_split_of_their_source(sources, tmp_path):
    build_dataset(sources["roots"], tmp_path / "set", BuildOptions())
    for split, of_coco in (("train", "train"), ("test", "val")):
        path = tmp_path / "set" / "annotations" / f"{split}.json"
        content = json.loads(path.read_text())
        expected = {"coco": of_coco, "mpii": "train"}
        for record in [*content["images"], *content["annotations"]]:
            assert record["source_split"] == expected[record["source"]]
        assert smallpose.read_coco(path).images.source_splits == tuple(
            record["source_split"] for record in content["images"]
        )


def test_the_step_of_hieve_reaches_its_reader_and_the_index(tiny_synthetic, tmp_path):
    roots = {"hieve": tiny_synthetic / "hieve"}
    numbers = {}
    for step in (20, 10):
        options = BuildOptions(hieve_step=step, leaks="off")
        manifest = build_dataset(roots, tmp_path / str(step), options)
        numbers[step] = {int(name[-10:-4]) for name in manifest["pictures"]}
    assert max(numbers[10]) > 0
    assert {n % 10 for n in numbers[10]} == {0} == {n % 20 for n in numbers[20]}
    assert numbers[20] < numbers[10]
    index = tmp_path / "10" / "index.json"
    again = build_dataset(roots, tmp_path / "again", BuildOptions(), index)
    assert again["hieve_step"] == 10
    with pytest.raises(InputError, match="--hieve-step 0"):
        build_dataset(roots, tmp_path / "x", BuildOptions(hieve_step=0))


def test_photos_of_ones_own_are_all_kept_and_terms_are_refused_with_exit_code_3(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    names = [f"{index}.png" for index in range(10)]
    for name in names:
        Path("shop/images").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(f"shop/images/{name}", np.zeros((600, 600, 3), np.uint8))
    images = make_images(range(1, 11), names, [600] * 10, [600] * 10)
    boxes = [[10, 10, 500, 500]] * 9
    keypoints = np.full((9, 17, 3), 2.0) * (100, 100, 1)
    people = make_instances(COCO17, images, range(9), boxes, keypoints)
    smallpose.write_coco(people, "shop/people.json")
    words = ["build", "set", "--source", "shop=shop", "--leaks", "off"]
    assert main([*words, "--select", "paper"]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert "none of the 10 images has a small person, so the set would be empty" in error
    assert "add --select all" in error
    assert main(words) == 0
    manifest = json.loads(Path("set/manifest.json").read_text())
    assert manifest["select"] == "all"
    assert sum(part["images"] for part in manifest["selection"].values()) == 10
    assert "All images of the sources below (`--select all`)" in Path("set/README.md").read_text()
    words = ["build", "copied", "--coco", "coco", "--images", "copy"]
    assert main(words) == 3
    assert "--accept coco" in capsys.readouterr().err
