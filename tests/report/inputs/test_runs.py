"""Runs are read from their folders, or refused in one line."""

import json
import shutil
from pathlib import Path

import pytest

from smallpose.core.errors import InputError
from smallpose.core.interval import Interval
from smallpose.report.inputs.runs import find_shared_dataset, read_run, read_runs


def test_a_run_has_its_metrics_in_points(project):
    run = read_run(project.runs["B"])
    assert run.metric("AP") == pytest.approx(43.0)
    assert run.metric("AP_S_dense") is None
    assert run.metric("AP", "no such protocol") is None
    assert run.protocols == ("coco", "owned", "recall")
    assert (run.recipe, run.is_untrained, run.data) == ("quick", False, project.data)


def test_a_recorded_interval_is_in_points_around_its_metric(tmp_path: Path):
    protocols = {"coco": {"AP": 0.4, "AR": 0.5}}
    evaluation = {"protocols": protocols, "intervals": {"coco": {"AP": [0.3, 0.6]}}}
    (tmp_path / "result.json").write_text(json.dumps({"method": "x", "evaluation": evaluation}))
    run = read_run(tmp_path)
    assert run.interval("AP") == Interval(40.0, 30.0, 60.0)
    assert run.interval("AR") is None


def test_a_run_of_zero_epochs_is_untrained(project):
    assert read_run(project.runs["untrained"]).is_untrained


def test_a_folder_without_a_run_is_refused_with_its_reason(tmp_path: Path):
    with pytest.raises(InputError, match=r"it has no result\.json"):
        read_run(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        read_run(tmp_path / "gone")


@pytest.mark.parametrize(
    ("text", "what"),
    [("", "empty"), ("{", "broken JSON"), ("{}", "method"), ('{"method": 1}', "str")],
)
def test_a_broken_result_is_refused_in_one_line(tmp_path: Path, text: str, what: str):
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(InputError, match=what) as error:
        read_run(tmp_path)
    assert "\n" not in str(error.value)


def test_a_result_without_protocols_is_refused(tmp_path: Path):
    (tmp_path / "result.json").write_text('{"method": "x", "evaluation": {}}')
    with pytest.raises(InputError, match="no protocols"):
        read_run(tmp_path)


def test_a_class_without_people_is_none_whether_null_or_minus_one(tmp_path: Path):
    evaluation = {"protocols": {"coco": {"AP": -1, "AR": None, "AP_S": 0.0}}}
    text = json.dumps({"method": "x", "evaluation": evaluation})
    (tmp_path / "result.json").write_text(text)
    run = read_run(tmp_path)
    assert (run.metric("AP"), run.metric("AR"), run.metric("AP_S")) == (None, None, 0.0)


def test_settings_of_a_run_written_under_their_old_names_are_read_under_the_new(tmp_path: Path):
    old = {
        "area": "width × height of bbox",
        "max_found": 20,
        "found_area": "width × height of bbox",
        "keypoints": "coco17",
    }
    evaluation = {"protocols": {"coco": {"AP": 0.5}}, "settings": old}
    (tmp_path / "result.json").write_text(json.dumps({"method": "x", "evaluation": evaluation}))
    assert read_run(tmp_path).evaluation["settings"] == {
        "oks_area": "box",
        "size_area": "box",
        "max_detections": 20,
        "detection_area": "width × height of bbox",
        "keypoints": "coco17",
    }


def test_a_set_moved_together_with_its_runs_is_found(tmp_path: Path):
    (tmp_path / "set" / "annotations").mkdir(parents=True)
    (tmp_path / "set" / "annotations" / "test.json").write_text("{}")
    (tmp_path / "run").mkdir()
    result = {"method": "x", "data": "/gone/set", "evaluation": {"protocols": {}}}
    (tmp_path / "run" / "result.json").write_text(json.dumps(result))
    assert read_run(tmp_path / "run").data == tmp_path / "set"


def test_the_set_that_most_runs_share_is_found(project):
    runs = read_runs(list(project.runs.values()) * 2)
    assert len(runs) == 3
    assert find_shared_dataset(runs) == project.data
    assert find_shared_dataset([]) is None


@pytest.mark.parametrize("place", ["set", "runs/set"])
def test_a_project_that_was_moved_is_found_in_the_layout_of_the_readme(
    project, tmp_path, place, monkeypatch
):
    run = tmp_path / "runs" / "B"
    shutil.copytree(project.runs["B"], run)
    result = json.loads((run / "result.json").read_text()) | {"data": "/gone/set"}
    (run / "result.json").write_text(json.dumps(result))
    assert read_run(run).data is None
    shutil.copytree(project.data / "annotations", tmp_path / place / "annotations")
    assert read_run(run).data == tmp_path / place
    monkeypatch.chdir(run)
    current = read_run(Path())
    assert current.data == tmp_path / place and current.folder.name == "B"
