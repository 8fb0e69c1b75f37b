"""Tests of the export to FiftyOne's layout."""

import filecmp

from smallpose.dataset.built_set import open_set
from smallpose.dataset.export import export_set


def test_fiftyone_gets_the_annotation_files_of_the_data_set(built, tmp_path):
    export_set(built, "fiftyone", tmp_path / "out")
    for split, people in open_set(built).parts.items():
        assert filecmp.cmp(
            built / "annotations" / f"{split}.json", tmp_path / "out" / split / "labels.json"
        )
        for name in people.images.file_names:
            link = tmp_path / "out" / split / "data" / name
            assert link.is_symlink() and link.is_file()
