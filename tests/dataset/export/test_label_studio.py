"""Tests of the export to Label Studio."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest

from smallpose.core.errors import InputError
from smallpose.core.skeleton import SMALLPOSE
from smallpose.dataset.built_set import open_set
from smallpose.dataset.export import export_set
from smallpose.sources.custom import read_mapped_coco


def test_a_source_made_of_it_has_the_same_people_splits_and_crowds(built, tmp_path):
    export_set(built, "label-studio", tmp_path / "out", "copy")
    source = read_mapped_coco("back", tmp_path / "out", {})
    back = source.people
    order = [back.skeleton.joints.index(joint) for joint in SMALLPOSE.joints]
    parts = open_set(built).parts
    assert source.splits.count("train") == len(parts["train"].images)
    assert source.splits.count("test") == len(parts["test"].images)
    assert all(file.path.is_file() for file in source.image_files)
    start = first_image = 0
    for part in parts.values():
        rows = np.arange(start, start + len(part))
        # Crowd regions come last in their image.
        expected = np.lexsort([part.iscrowd, part.image_rows])
        assert back.keypoints[rows][:, order].ravel() == pytest.approx(
            part.keypoints[expected].ravel(), abs=1e-6
        )
        assert back.boxes_xywh[rows].ravel() == pytest.approx(
            part.boxes_xywh[expected].ravel(), abs=1e-6
        )
        assert np.array_equal(back.iscrowd[rows], part.iscrowd[expected])
        assert np.array_equal(back.image_rows[rows] - first_image, part.image_rows[expected])
        start, first_image = start + len(part), first_image + len(part.images)
    assert start == len(back) and back.notes == ()


def test_tasks_name_regions_by_the_interface_and_people_by_their_ids(built, tmp_path):
    """Label Studio drops regions whose names or labels its interface does not have."""
    export_set(built, "label-studio", tmp_path / "out")
    view = ElementTree.parse(tmp_path / "out" / "labeling_config.xml").getroot()
    labels = {tag.get("name"): {one.get("value") for one in tag} for tag in view}
    kinds = {tag.get("name"): tag.tag.lower() for tag in view}
    for split, name in (("train", "train"), ("test", "val")):
        tasks = json.loads((tmp_path / "out" / f"{name}.json").read_text())
        part = open_set(built).parts[split]
        assert len(tasks) == len(part.images)
        ids = [own for task in tasks for own in task["data"]["people"].values()]
        assert ids == part.ids.tolist()
        for task in tasks:
            for region in task["annotations"][0]["result"]:
                tag = region["from_name"]
                assert kinds[tag] == region["type"] and region["to_name"] == "image"
                assert set(region["value"][region["type"]]) <= labels[tag]


def test_an_image_of_unknown_size_is_refused(built, tmp_path):
    path = built / "annotations" / "train.json"
    file = json.loads(path.read_text())
    for image in file["images"]:
        del image["width"], image["height"]
    path.write_text(json.dumps(file))
    with pytest.raises(InputError, match="width and height are unknown"):
        export_set(built, "label-studio", tmp_path / "out")
