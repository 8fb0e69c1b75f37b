"""Counts agree with their nouns, results are called as their runs, and remedies are complete."""

import json
from pathlib import Path

import pytest

import smallpose
from smallpose.cli.compare import _name_results
from smallpose.cli.main import main
from smallpose.core.counts import format_count
from smallpose.io.result_paths import find_result_path
from smallpose.system import packages


def test_one_thing_is_singular_and_many_have_separators():
    assert format_count(0, "fault") == "0 faults"
    assert format_count(1, "person", "people") == "1 person"
    assert format_count(1200, "image has", "images have") == "1,200 images have"


def test_check_counts_one_fault_and_one_remark(tmp_path, capsys):
    record = {"image_id": 1, "category_id": 1, "keypoints": [3, 4, 0.5] * 17, "score": 0.5}
    (tmp_path / "r.json").write_text(json.dumps([record]))
    images = smallpose.make_images([1], ["a.jpg"], [100], [100])
    skeleton = smallpose.core.skeleton.COCO17
    truth = smallpose.make_instances(skeleton, images, [0], [[0, 0, 9, 9]], [[[3, 4, 2]] * 17])
    smallpose.write_coco(truth, tmp_path / "t.json")
    main(["check", str(tmp_path / "r.json"), "--truth", str(tmp_path / "t.json")])
    main(["check", str(tmp_path / "t.json")])
    out = capsys.readouterr().out
    assert "1 detection, " in out
    assert "1 image, 1 person with keypoints" in out
    assert not any(bad in out for bad in (" 1 faults", " 1 remarks", "1 images", "1 people"))


def test_results_of_runs_are_called_as_their_runs():
    runs = [Path("runs/coffee/found.json"), Path("runs/tiny/found.json"), Path("a.json")]
    assert _name_results(runs, ()) == ["coffee", "tiny", "a"]
    alike = [Path("a/coffee/found.json"), Path("b/coffee/found.json")]
    assert _name_results(alike, ()) == list(map(str, alike))


def test_the_folder_that_mmpose_writes_stands_for_the_predictions_in_it(tmp_path):
    folder = tmp_path / "mmpose" / "predictions"
    folder.mkdir(parents=True)
    (tmp_path / "mmpose" / "visualizations").mkdir()
    person = {"keypoints": [[3, 4]] * 17, "keypoint_scores": [0.5] * 17, "bbox_score": 0.5}
    (folder / "a.json").write_text(json.dumps([person]))
    assert find_result_path(tmp_path / "mmpose") == folder
    assert find_result_path(folder) == folder


@pytest.mark.parametrize(
    ("more", "extras"), [((), "'.[plots]'"), (("--images", "."), "'.[plots,images]'")]
)
def test_report_names_all_extras_that_it_needs_at_once(tmp_path, monkeypatch, capsys, more, extras):
    monkeypatch.setattr(packages, "_is_installed", lambda module: False)
    words = ["report", __file__, __file__, "--out", str(tmp_path / "out"), *more]
    assert main(words) == 2
    assert extras in capsys.readouterr().err
