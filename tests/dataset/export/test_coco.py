"""Tests of the export to COCO's layout."""

import filecmp

import numpy as np

from smallpose.dataset.built_set import open_set
from smallpose.dataset.export import export_set
from smallpose.sources.custom import read_mapped_coco

NAMES = {"train": "train", "test": "val"}


def test_the_files_are_those_of_the_set_beside_the_images_of_their_split(built, tmp_path):
    export_set(built, "coco", tmp_path / "out")
    for split, people in open_set(built).parts.items():
        name = NAMES[split]
        exported = tmp_path / "out" / "annotations" / f"person_keypoints_{name}.json"
        assert filecmp.cmp(built / "annotations" / f"{split}.json", exported)
        for file_name in people.images.file_names:
            assert (tmp_path / "out" / "images" / name / file_name).is_file()


def test_a_source_made_of_it_has_the_same_people_and_splits(built, tmp_path):
    export_set(built, "coco", tmp_path / "out", "copy")
    source = read_mapped_coco("back", tmp_path / "out", {})
    start = 0
    for split, part in open_set(built).parts.items():
        rows = slice(start, start + len(part))
        assert np.array_equal(source.people.keypoints[rows], part.keypoints)
        assert np.array_equal(source.people.boxes_xywh[rows], part.boxes_xywh)
        assert np.array_equal(source.people.iscrowd[rows], part.iscrowd)
        assert source.splits.count(split) == len(part.images)
        start += len(part)
    assert start == len(source.people)
    assert all(file.path.is_file() for file in source.image_files)
