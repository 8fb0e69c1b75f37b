"""Tests of the export to WebDataset shards and of reading them back."""

import filecmp
import json
import tarfile

import pytest

from smallpose.core.errors import InputError
from smallpose.dataset.built_set import open_set
from smallpose.dataset.export import export_set
from smallpose.dataset.export.webdataset import convert_to_coco
from smallpose.io.coco_annotations import read_coco


def test_webdataset_is_read_back_to_the_last_bit(built, tmp_path, is_same):
    export_set(built, "webdataset", tmp_path / "out")
    for split, people in open_set(built).parts.items():
        convert_to_coco(tmp_path / "out", split, tmp_path / f"{split}.json")
        assert is_same(read_coco(tmp_path / f"{split}.json"), people)


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
        image = shard.extractfile("000000003.png")
        assert image is not None
        assert image.read() == (built / "images/mpii/images/2.png").read_bytes()


def test_a_truncated_shard_is_refused(built, tmp_path):
    export_set(built, "webdataset", tmp_path / "out")
    shard = tmp_path / "out" / "train-000000.tar"
    shard.write_bytes(shard.read_bytes()[:3000])
    with pytest.raises(InputError, match="train-000000"):
        convert_to_coco(tmp_path / "out", "train", tmp_path / "back.json")
