"""Settings A and B: their training people and joints, and the sets that are refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.io.coco_annotations import read_coco, write_coco
from smallpose.training.settings import read_setting_data


@pytest.fixture
def folder(stick_set):
    """Return a set of four images, two of COCO and two of AI Challenger."""
    folder = stick_set()
    train = read_coco(folder / "annotations" / "train.json")
    source = np.array([1, 1, 3, 3], dtype=np.int8)
    images = replace(train.images, source=source)
    write_coco(
        replace(train, images=images, source=source[train.image_rows]),
        folder / "annotations" / "train.json",
    )
    return folder


def test_setting_a_trains_on_coco_and_predicts_its_17_joints(folder):
    data = read_setting_data(folder, "A")
    assert len(data.train) == 4
    assert data.train.skeleton == COCO17
    assert len(data.test) == 8
    assert data.test.skeleton == SMALLPOSE


def test_setting_b_trains_on_all_people_and_predicts_21_joints(folder):
    data = read_setting_data(folder, "B")
    assert len(data.train) == 8
    assert data.train.skeleton == SMALLPOSE


def test_setting_a_without_coco_is_refused(folder):
    train = read_coco(folder / "annotations" / "train.json")
    write_coco(replace(train, source=np.full(8, 3, np.int8)), folder / "annotations" / "train.json")
    with pytest.raises(InputError, match="no person from COCO"):
        read_setting_data(folder, "A")


def test_an_image_of_the_test_set_is_refused_by_name_and_by_origin(folder):
    test = read_coco(folder / "annotations" / "test.json")
    train = read_coco(folder / "annotations" / "train.json")
    names = (train.images.file_names[1], *test.images.file_names[1:])
    write_coco(
        replace(test, images=replace(test.images, file_names=names)),
        folder / "annotations" / "test.json",
    )
    with pytest.raises(InputError, match="1 training image is also in"):
        read_setting_data(folder, "B")
    images = replace(
        test.images,
        source=np.ones(4, np.int8),
        source_ids=("x", train.images.source_ids[0], "", ""),
    )
    write_coco(replace(test, images=images), folder / "annotations" / "test.json")
    with pytest.raises(InputError, match="training image is also in"):
        read_setting_data(folder, "B")


def test_an_image_of_the_test_set_is_refused_by_id_and_by_its_bytes(folder):
    test = read_coco(folder / "annotations" / "test.json")
    train = read_coco(folder / "annotations" / "train.json")
    ids = test.images.ids.copy()
    ids[2] = train.images.ids[0]
    with_shared_id = replace(test, images=replace(test.images, ids=ids))
    write_coco(with_shared_id, folder / "annotations" / "test.json")
    # Without a manifest the two files may have been numbered from 1 each.
    assert len(read_setting_data(folder, "B").train) == 8
    manifest = {"sources": {}, "files": {}, "pictures": {}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=f"1 training image is also in .* the first {ids[2]}"):
        read_setting_data(folder, "B")
    write_coco(test, folder / "annotations" / "test.json")
    names = (*train.images.file_names, *test.images.file_names)
    pictures = {name: {"sha256": f"{n:064}"} for n, name in enumerate(names)}
    manifest = {"sources": {}, "files": {}, "pictures": pictures}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert len(read_setting_data(folder, "B").train) == 8
    pictures[names[5]] = pictures[names[1]]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=f"1 training image .* the first {names[1]}"):
        read_setting_data(folder, "B")
