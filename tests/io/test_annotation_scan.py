"""Labels that are scanned ahead, while NumPy is imported, give the table that reading gives."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from smallpose.core.errors import InputError
from smallpose.io import annotation_scan, json_text
from smallpose.io.annotation_scan import RECORD_FIELDS, ScanAhead
from smallpose.io.categories import Category
from smallpose.io.coco_annotations import read_coco
from smallpose.io.coco_annotations_slow import ImageRecord
from smallpose.io.repeated_fields import list_fields

needs_extension = pytest.mark.skipif(json_text.EXTENSION is None, reason="_json was not built")


@pytest.fixture
def begin(monkeypatch):
    """`ScanAhead.begin` for small files, too, as on two cores."""
    monkeypatch.setattr(annotation_scan, "_MIN_AHEAD_BYTES", 1)
    monkeypatch.setattr(annotation_scan, "count_cores", lambda: 2)
    return ScanAhead.begin


def assert_same_people(first, second):
    assert np.asarray(first.keypoints).tobytes() == np.asarray(second.keypoints).tobytes()
    assert type(first.keypoints) is type(second.keypoints)
    assert first.notes == second.notes
    assert first.images.file_names == second.images.file_names
    for name in ("ids", "image_rows", "boxes_xywh", "file_area", "num_keypoints", "iscrowd"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes(), name


def test_fields_that_no_record_may_have_twice_are_those_that_are_read():
    assert RECORD_FIELDS["images"] == list_fields(ImageRecord)
    assert RECORD_FIELDS["categories"] == list_fields(Category)


def test_scanning_begins_before_what_takes_long_to_import():
    code = (
        "import sys, smallpose.cli.main, smallpose.cli.evaluate, smallpose.io.annotation_scan\n"
        "assert not {'numpy', 'msgspec', 'dataclasses', 'inspect'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@needs_extension
@pytest.mark.parametrize("decimals", [2, 9])  # which are packed, and too many for it
def test_a_scan_ahead_gives_the_same_table(decimals, begin, random_coco, tmp_path):
    path = tmp_path / "a.json"
    for seed in range(4):
        coco, _ = random_coco(seed, 17, num_images=8, max_people=9)
        for annotation in coco["annotations"]:
            values = np.round(np.array(annotation["keypoints"], float), decimals)
            annotation["keypoints"] = values.tolist()
        path.write_text(json.dumps(coco))
        ahead = begin(path)
        assert ahead is not None
        assert_same_people(read_coco(path, packed=True, ahead=ahead), read_coco(path, packed=True))
        # It is used once: what follows is read from the file, which may be another by then.
        assert ahead.finish(path) is None


@needs_extension
def test_a_scan_of_another_file_is_not_used(begin, random_coco, tmp_path):
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for seed, path in enumerate(paths):
        path.write_text(json.dumps(random_coco(seed, 17, num_images=4)[0]))
    people = read_coco(paths[1], packed=True, ahead=begin(paths[0]))
    assert_same_people(people, read_coco(paths[1], packed=True))


@needs_extension
@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"images":[],"annotations":[{"id":1}]}', '{"annotations":[}', "\xff"]
)
def test_mistakes_are_explained_as_without_it(text, begin, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(text, encoding="latin-1")
    messages = []
    for ahead in (begin(path), None):
        with pytest.raises(InputError) as caught:
            read_coco(path, packed=True, ahead=ahead)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_only_large_ordinary_files_are_scanned_ahead(monkeypatch, tmp_path):
    monkeypatch.setattr(annotation_scan, "count_cores", lambda: 2)
    small = tmp_path / "small.json"
    small.write_text("{}")
    assert ScanAhead.begin(small) is None
    assert ScanAhead.begin(tmp_path) is None
    assert ScanAhead.begin(tmp_path / "none.json") is None
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")  # opening it would wait for a writer
        assert ScanAhead.begin(tmp_path / "pipe") is None


@needs_extension
def test_nothing_is_scanned_ahead_on_one_core(begin, monkeypatch, tmp_path):
    path = tmp_path / "a.json"
    path.write_text("{}")
    monkeypatch.setattr(annotation_scan, "count_cores", lambda: 1)
    assert begin(path) is None
