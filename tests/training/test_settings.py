"""What settings A and B train on, and what they refuse."""

import json
from dataclasses import replace

import numpy as np
import pytest

from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.io.coco_annotations import read_coco, write_coco
from smallpose.training.settings import read_task


@pytest.fixture
def folder(stick_set):
    """Of four images, two are COCO's and two AI Challenger's."""
    folder = stick_set()
    train = read_coco(folder / "annotations" / "train.json")
    source = np.array([1, 1, 3, 3], dtype=np.int8)
    images = replace(train.images, source=source)
    write_coco(
        replace(train, images=images, source=source[train.image_rows]),
        folder / "annotations" / "train.json",
    )
    return folder


def test_setting_a_learns_from_coco_and_finds_its_17(folder):
    task = read_task(folder, "A")
    assert len(task.train) == 4
    assert task.train.skeleton == COCO17
    assert len(task.test) == 8
    assert task.test.skeleton == SMALLPOSE


def test_setting_b_learns_from_all_and_finds_the_21(folder):
    task = read_task(folder, "B")
    assert len(task.train) == 8
    assert task.train.skeleton == SMALLPOSE


def test_setting_a_without_coco_says_so(folder):
    train = read_coco(folder / "annotations" / "train.json")
    write_coco(replace(train, source=np.full(8, 3, np.int8)), folder / "annotations" / "train.json")
    with pytest.raises(InputError, match="nobody from COCO"):
        read_task(folder, "A")


def test_an_image_of_the_test_set_is_refused_by_name_and_by_origin(folder):
    test = read_coco(folder / "annotations" / "test.json")
    train = read_coco(folder / "annotations" / "train.json")
    names = (train.images.file_names[1], *test.images.file_names[1:])
    write_coco(
        replace(test, images=replace(test.images, file_names=names)),
        folder / "annotations" / "test.json",
    )
    with pytest.raises(InputError, match="1 training images are also in"):
        read_task(folder, "B")
    images = replace(
        test.images,
        source=np.ones(4, np.int8),
        source_ids=("x", train.images.source_ids[0], "", ""),
    )
    write_coco(replace(test, images=images), folder / "annotations" / "test.json")
    with pytest.raises(InputError, match="training images are also in"):
        read_task(folder, "B")


def test_an_image_of_the_test_set_is_refused_by_id_and_by_its_bytes(folder):
    test = read_coco(folder / "annotations" / "test.json")
    train = read_coco(folder / "annotations" / "train.json")
    ids = test.images.ids.copy()
    ids[2] = train.images.ids[0]
    taken = replace(test, images=replace(test.images, ids=ids))
    write_coco(taken, folder / "annotations" / "test.json")
    with pytest.raises(InputError, match=f"1 training images are also in .* the first {ids[2]}"):
        read_task(folder, "B")
    write_coco(test, folder / "annotations" / "test.json")
    names = (*train.images.file_names, *test.images.file_names)
    pictures = {name: {"sha256": f"{n:064}"} for n, name in enumerate(names)}
    manifest = {"sources": {}, "files": {}, "pictures": pictures}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert len(read_task(folder, "B").train) == 8
    pictures[names[5]] = pictures[names[1]]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=f"1 training images .* the first {names[1]}"):
        read_task(folder, "B")
