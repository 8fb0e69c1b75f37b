"""Rendered scenes share painted backgrounds: crops of each other are no leaks."""

import json
from dataclasses import replace

from smallpose.dataset.builder.leak_step import LeakSearch
from smallpose.dataset.duplicates.image_alignment import DuplicatePair
from smallpose.dataset.duplicates.leaks import LeakReport
from smallpose.report.inputs.selections import read_leaking_images


def test_crops_of_a_synthetic_set_are_scenes_of_one_template(tmp_path):
    pairs = tuple(
        DuplicatePair(
            first=0,
            second=second,
            is_mirrored=is_mirrored,
            similarity=0.8,
            overlap=0.7,
            is_crop=second <= 2,
        )
        for second, is_mirrored in ((1, False), (2, True), (3, False), (4, True))
    )
    report = LeakReport(
        names=tuple("abcde"),
        splits=("train", "test", "test", "test", "train"),
        sources=("coco",) * 5,
        groups=("",) * 5,
        pairs=pairs,
    )
    search = LeakSearch(report, {}, is_synthetic=True)
    assert search.summary("report")["leaks"] == 3
    assert search.summary("report")["of_one_template"] == 2
    (tmp_path / "leaks.json").write_text(json.dumps(search.to_json()))
    assert read_leaking_images(tmp_path) == {"a", "d"}
    real = replace(search, is_synthetic=False)
    assert real.summary("report")["of_one_template"] == 0
    (tmp_path / "leaks.json").write_text(json.dumps(real.to_json()))
    assert read_leaking_images(tmp_path) == {"a", "b", "c", "d"}
