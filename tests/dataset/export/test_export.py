"""Every export comes back as it went out, or says what it lost."""

import argparse
import ast
import filecmp
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from smallpose.cli import export
from smallpose.core.errors import InputError, RefusedError
from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.skeleton import SMALLPOSE
from smallpose.dataset.built_set import open_set
from smallpose.dataset.export import EXPORTERS, export_set
from smallpose.dataset.export.webdataset import convert_to_coco
from smallpose.dataset.export.yolo import flatten_names, read_yolo
from smallpose.io.coco_annotations import read_coco, write_coco
from smallpose.system.lock import hold_lock

WIDTH, HEIGHT = 333, 201


def people_of(first_image: int, names: list[str], seed: int) -> Instances:
    """Three people in each image but the last; one is a crowd region, some keypoints unlabelled."""
    rng = np.random.default_rng(seed)
    m = len(names)
    n = 3 * (m - 1)
    keypoints = rng.uniform(5, 190, (n, 21, 3))
    keypoints[:, :, 2] = rng.integers(0, 3, (n, 21))
    keypoints[keypoints[:, :, 2] == 0] = 0
    crowd = np.arange(n) == 1
    keypoints[crowd] = 0
    if n:
        keypoints[0, 0] = (WIDTH + 9, 20, 1)  # labelled beyond the edge, as AI Challenger has some
    images = make_images(
        np.arange(first_image, first_image + m),
        names,
        [WIDTH] * m,
        [HEIGHT] * m,
        source=[1 + i % 5 for i in range(m)],
        source_ids=[f"s{i}" for i in range(m)],
        groups=["video 7" if i % 2 else "" for i in range(m)],
    )
    rows = np.repeat(np.arange(m - 1), 3)
    mask = rng.uniform(10, 500, n)
    mask[::2] = np.nan
    return make_instances(
        SMALLPOSE,
        images,
        rows,
        rng.uniform(1, 90, (n, 4)),
        keypoints,
        ids=np.arange(n) + 100 * first_image,
        iscrowd=crowd,
        source=images.source[rows],
        box_rule=rng.integers(1, 4, n).astype(np.int8),
        segmentation_area=mask,
    )


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A small set as `build` leaves it, its pictures links into a source's folder."""
    folder, source = tmp_path / "set", tmp_path / "source"
    names = {
        "train": ["coco/a/1.jpg", "coco/b/1.jpg", "mpii/images/2.png"],
        "test": ["posetrack/images/val/9.jpg", "aic/7.jpg"],
    }
    first = 1
    for seed, (split, own) in enumerate(names.items()):
        write_coco(people_of(first, own, seed), folder / "annotations" / f"{split}.json")
        for n, name in enumerate(own):
            picture = np.full((HEIGHT, WIDTH, 3), 40 * n + 30 * seed, np.uint8)
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(source / name), picture)
            (folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "images" / name).symlink_to(source / name)
        first += len(own)
    roots = {"root": str(source), "link_roots": [str(source)]}
    manifest = {"sources": {"coco": roots}, "files": {}, "pictures": {}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def same(one: Instances, two: Instances) -> bool:
    """Equal to the last bit, the notes apart."""
    columns = ("image_rows", "ids", "boxes_xywh", "keypoints", "num_keypoints", "iscrowd")
    columns += ("file_area", "source", "box_rule", "segmentation_area")
    equal = all(
        np.array_equal(getattr(one, c), getattr(two, c), equal_nan=c != "iscrowd") for c in columns
    )
    images = ("ids", "width", "height", "source")
    equal &= all(np.array_equal(getattr(one.images, c), getattr(two.images, c)) for c in images)
    words = ("file_names", "source_ids", "groups")
    equal &= all(getattr(one.images, c) == getattr(two.images, c) for c in words)
    return equal and one.skeleton == two.skeleton and one.category_id == two.category_id


@pytest.mark.parametrize("pictures", ["none", "copy"])
def test_parquet_is_read_back_to_the_last_bit(built, tmp_path, pictures):
    pytest.importorskip("pyarrow", reason="pyarrow is optional: pip install '.[parquet]'")
    from smallpose.dataset.export.read_parquet import read_parquet

    written = export_set(built, "parquet", tmp_path / "out", pictures)
    assert (written.images, written.missing, written.losses) == (5, 0, [])
    for split, people in open_set(built).parts.items():
        assert same(read_parquet(tmp_path / "out", split), people)


def test_parquet_of_several_files_is_read_back_as_one_table(built, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow", reason="pyarrow is optional: pip install '.[parquet]'")
    from smallpose.dataset.export import parquet
    from smallpose.dataset.export.read_parquet import read_parquet

    monkeypatch.setattr(parquet, "IMAGES_PER_FILE", {False: 1, True: 1})
    export_set(built, "parquet", tmp_path / "out")
    assert len(list((tmp_path / "out" / "data").iterdir())) == 5
    for split, people in open_set(built).parts.items():
        assert same(read_parquet(tmp_path / "out", split), people)


def test_parquet_stores_image_files_byte_for_byte(built, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is optional")
    export_set(built, "parquet", tmp_path / "out", "copy")
    table = pq.read_table(tmp_path / "out" / "data" / "train-00000-of-00001.parquet")
    rows = table.select(["file_name", "image"]).to_pylist()
    assert len(rows) == 3
    for row in rows:
        assert row["image"]["bytes"] == (built / "images" / row["file_name"]).read_bytes()


def test_the_error_without_pyarrow_names_what_to_install(built, tmp_path, monkeypatch):
    import sys

    for name in [n for n in sys.modules if n.split(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(InputError, match=r"pip install '\.\[parquet\]'"):
        export_set(built, "parquet", tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir() if "out" in p.name] == []


def test_webdataset_is_read_back_to_the_last_bit(built, tmp_path):
    export_set(built, "webdataset", tmp_path / "out")
    for split, people in open_set(built).parts.items():
        convert_to_coco(tmp_path / "out", split, tmp_path / f"{split}.json")
        assert same(read_coco(tmp_path / f"{split}.json"), people)


def test_shards_keep_fields_that_smallpose_does_not_know(built, tmp_path):
    path = built / "annotations" / "train.json"
    data = json.loads(path.read_text())
    data["annotations"][0]["derived"] = [8, 17]
    path.write_text(json.dumps(data))
    export_set(built, "webdataset", tmp_path / "out")
    convert_to_coco(tmp_path / "out", "train", tmp_path / "back.json")
    assert json.loads((tmp_path / "back.json").read_text()) == data


def test_shards_pair_images_with_labels_and_are_reproducible(built, tmp_path):
    export_set(built, "webdataset", tmp_path / "one")
    export_set(built, "webdataset", tmp_path / "two")
    names = sorted(p.name for p in (tmp_path / "one").iterdir())
    assert filecmp.cmpfiles(tmp_path / "one", tmp_path / "two", names, shallow=False)[0] == names
    with tarfile.open(tmp_path / "one" / "train-000000.tar") as shard:
        members = shard.getnames()
        assert members == [
            "000000001.jpg",
            "000000001.json",
            "000000002.jpg",
            "000000002.json",
            "000000003.png",
            "000000003.json",
        ]
        picture = shard.extractfile("000000003.png")
        assert picture is not None
        assert picture.read() == (built / "images/mpii/images/2.png").read_bytes()


def test_a_truncated_shard_is_refused(built, tmp_path):
    export_set(built, "webdataset", tmp_path / "out")
    shard = tmp_path / "out" / "train-000000.tar"
    shard.write_bytes(shard.read_bytes()[:3000])
    with pytest.raises(InputError, match="train-000000"):
        convert_to_coco(tmp_path / "out", "train", tmp_path / "back.json")


def test_yolo_is_read_back_except_for_the_reported_losses(built, tmp_path):
    written = export_set(built, "yolo", tmp_path / "out")
    assert any(line.startswith("2 crowd regions") for line in written.losses)
    assert any(line.startswith("2 keypoints outside") for line in written.losses)
    for side, split in (("train", "train"), ("val", "test")):
        people = open_set(built).parts[split]
        expected = people.take(np.flatnonzero(people.is_counted))
        back = read_yolo(tmp_path / "out", side, SMALLPOSE)
        order = [flatten_names(people.images.file_names).index(n) for n in back.images.file_names]
        expected = expected.take_images(np.array(order))
        assert np.array_equal(back.image_rows, expected.image_rows)
        assert np.abs(back.boxes_xywh - expected.boxes_xywh).max() < WIDTH * 1e-6
        inside = (expected.keypoints[:, :, 0] <= WIDTH)[:, :, None]
        keypoints = np.where(inside, expected.keypoints, 0)
        assert np.array_equal(back.keypoints[:, :, 2], keypoints[:, :, 2])
        assert np.abs(back.keypoints - keypoints).max() < WIDTH * 1e-6


def test_every_yolo_label_follows_the_rules_of_ultralytics_loader(built, tmp_path):
    """Its loader's rules: 5 + 3 k columns, shares in 0 to 1, no line twice, pairs by path."""
    export_set(built, "yolo", tmp_path / "out")
    pictures = sorted((tmp_path / "out" / "images").rglob("*.*"))
    assert len(pictures) == 5
    for picture in pictures:
        label = Path(str(picture).replace("/images/", "/labels/")).with_suffix(".txt")
        lines = label.read_text().splitlines()
        assert len(set(lines)) == len(lines)
        values = np.array([[float(w) for w in line.split()] for line in lines]).reshape(-1, 68)
        assert (values[:, 1:5] <= 1).all() and (values >= 0).all()
        assert (values[:, 5:].reshape(-1, 3)[:, :2] <= 1).all()
        assert set(values[:, 7::3].ravel()) <= {0, 1, 2}
    text = (tmp_path / "out" / "data.yaml").read_text()
    assert "kpt_shape: [21, 3]" in text
    assert f"flip_idx: {SMALLPOSE.flip_indices.tolist()}" in text


def test_images_of_the_same_name_in_two_folders_get_different_names():
    names = ("coco/a/1.jpg", "coco/a__1.png", "coco__a/1.jpg", "x/y.jpg")
    stems = [Path(n).stem for n in flatten_names(names)]
    assert len(set(stems)) == 4
    assert all("/" not in n for n in flatten_names(names))


def test_yolo_requires_the_size_of_every_image(built, tmp_path):
    path = built / "annotations" / "train.json"
    people = read_coco(path)
    unknown = replace(people.images, width=np.zeros_like(people.images.width))
    write_coco(replace(people, images=unknown), path)
    with pytest.raises(InputError, match="no width and height"):
        export_set(built, "yolo", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_fiftyone_gets_the_annotation_files_of_the_data_set(built, tmp_path):
    export_set(built, "fiftyone", tmp_path / "out")
    for split, people in open_set(built).parts.items():
        assert filecmp.cmp(
            built / "annotations" / f"{split}.json", tmp_path / "out" / split / "labels.json"
        )
        for name in people.images.file_names:
            link = tmp_path / "out" / split / "data" / name
            assert link.is_symlink() and link.is_file()


def test_the_mmpose_config_describes_the_21_joints_and_loads_the_data_set(built, tmp_path):
    export_set(built, "mmpose", tmp_path / "out")
    info: dict = {}
    exec((tmp_path / "out" / "smallpose_info.py").read_text(), info)
    info = info["dataset_info"]
    names = [info["keypoint_info"][n]["name"] for n in range(21)]
    assert tuple(names) == SMALLPOSE.joints
    swaps = [info["keypoint_info"][n]["swap"] for n in range(21)]
    assert [
        names.index(s) if s else n for n, s in enumerate(swaps)
    ] == SMALLPOSE.flip_indices.tolist()
    links = [tuple(names.index(j) for j in s["link"]) for s in info["skeleton_info"].values()]
    assert tuple(links) == SMALLPOSE.edges
    assert info["sigmas"] == SMALLPOSE.sigmas.tolist()
    data: dict = {}
    exec((tmp_path / "out" / "smallpose_data.py").read_text(), data)
    for loader, split in (("train_dataloader", "train"), ("val_dataloader", "test")):
        dataset = data[loader]["dataset"]
        root = Path(dataset["data_root"])
        assert root / dataset["ann_file"] == built.resolve() / "annotations" / f"{split}.json"
        for name in open_set(built).parts[split].images.file_names:
            assert (root / dataset["data_prefix"]["img"] / name).is_file()


@pytest.mark.parametrize("to", EXPORTERS)
def test_each_export_has_a_readme_whose_python_parses(built, tmp_path, to):
    if to == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is optional")
    export_set(built, to, tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text()
    assert "5 images" in text and "## What this format could not hold" in text
    for block in text.split("```python\n")[1:]:
        ast.parse(block.split("```")[0])


def test_an_export_into_a_folder_with_files_is_refused(built, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        export_set(built, "fiftyone", tmp_path / "out")
    assert (tmp_path / "out" / "thesis.txt").read_text() == "mine"


def test_a_failed_export_leaves_no_files(built, tmp_path):
    outside = tmp_path / "elsewhere.jpg"
    outside.write_bytes(b"\xff\xd8\xff")
    link = built / "images" / "coco" / "a" / "1.jpg"
    link.unlink()
    link.symlink_to(outside)
    before = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(RefusedError, match="leaves"):
        export_set(built, "webdataset", tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_missing_images_are_counted(built, tmp_path):
    (built / "images" / "aic" / "7.jpg").unlink()
    assert export_set(built, "fiftyone", tmp_path / "out").missing == 1


def test_links_in_tar_files_and_unknown_formats_are_refused(built, tmp_path):
    with pytest.raises(InputError, match="copy or none"):
        export_set(built, "webdataset", tmp_path / "out", "link")
    with pytest.raises(InputError, match="yolo"):
        export_set(built, "vcr", tmp_path / "out")
    with pytest.raises(InputError, match="build made"):
        export_set(tmp_path, "yolo", tmp_path / "out")


def test_export_prints_what_was_written_and_lost(built, tmp_path, capsys):
    parser = argparse.ArgumentParser()
    export.add_arguments(parser)
    export.run(parser.parse_args([str(built), "--to", "yolo", "--out", str(tmp_path / "out")]))
    out = capsys.readouterr().out
    assert out.startswith("Ultralytics YOLO-pose: 5 images, 7 annotations")
    assert "crowd regions" in out


def test_files_of_a_killed_export_are_removed_by_the_next(built, tmp_path):
    left = tmp_path / ".yolo.part"
    left.mkdir()
    (left / "old.txt").write_text("half")
    with (
        hold_lock(tmp_path / ".yolo.lock"),
        pytest.raises(InputError, match="locked by process"),
    ):
        export_set(built, "yolo", tmp_path / "yolo")
    export_set(built, "yolo", tmp_path / "yolo")
    assert not [p.name for p in tmp_path.iterdir() if p.name.startswith(".")]
    assert not (tmp_path / "yolo" / "old.txt").exists()


def test_images_option_is_refused_for_mmpose(built, tmp_path):
    with pytest.raises(InputError, match="--images copy: an MMPose config points at the set"):
        export_set(built, "mmpose", tmp_path / "mmpose", "copy")
