"""Boxes of results that are corners, centres or shares change no number without a word."""

from dataclasses import replace

import numpy as np
import pytest

from smallpose.cli.main import main
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.analysis.comparison import compare
from smallpose.evaluation.difference.split import split_difference
from smallpose.evaluation.evaluate import evaluate
from smallpose.evaluation.evaluator import Evaluator
from smallpose.evaluation.file_evaluator import evaluate_file
from smallpose.io.coco_annotations import read_coco, write_coco
from smallpose.io.coco_results import read_results, write_results
from smallpose.io.label_faults import describe_wrong_units
from smallpose.sources import READERS

N = 60
WH = (640, 480)
SHARES = np.tile(WH, 2)
FORMS = {
    "x1, y1, x2, y2": lambda b: np.hstack([b[:, :2], b[:, :2] + b[:, 2:]]),
    "centre x, centre y, width, height": lambda b: np.hstack([b[:, :2] + b[:, 2:] / 2, b[:, 2:]]),
    "x, y, width, height as shares of the image's sides": lambda b: b / SHARES,
}


def make_people(seed=0):
    """Make two people per image, small and medium ones, whose keypoints fill their boxes."""
    rng = np.random.default_rng(seed)
    size = rng.uniform([15, 40], [120, 180], (N, 2))
    corner = rng.uniform([100, 100], [500, 290], (N, 2))
    unit = rng.uniform(0, 1, (N, 17, 2))
    unit[:, 0], unit[:, 1] = 0, 1
    keypoints = np.concatenate(
        [corner[:, None] + unit * size[:, None], np.full((N, 17, 1), 2.0)], 2
    )
    names = [f"{i}.jpg" for i in range(N // 2)]
    images = make_images(range(1, N // 2 + 1), names, [WH[0]] * (N // 2), [WH[1]] * (N // 2))
    return make_instances(COCO17, images, np.arange(N) // 2, np.hstack([corner, size]), keypoints)


def detect(truth, write=lambda boxes: boxes, seed=1):
    """Detect everybody with errors, and as many people who are not there."""
    rng = np.random.default_rng(seed)
    poses = np.array(truth.keypoints)
    scale = np.sqrt(truth.area)[:, None, None]
    poses[:, :, :2] += rng.normal(0, 0.06, (N, 17, 2)) * scale
    others = poses + np.array([*rng.uniform(-90, 90, 2), 0])
    keypoints = np.concatenate([poses, others])
    low, high = keypoints[:, :, :2].min(axis=1), keypoints[:, :, :2].max(axis=1)
    boxes = np.hstack([low - 9, high - low + 18])
    ids = np.tile(truth.images.ids[truth.image_rows], 2)
    return make_predictions(COCO17, ids, keypoints, rng.uniform(0, 1, 2 * N), write(boxes))


@pytest.mark.parametrize("form", FORMS)
def test_boxes_in_another_form_give_the_numbers_of_those_of_coco_with_a_note(form, tmp_path):
    truth, as_coco = make_people(), detect(make_people())
    other = detect(truth, FORMS[form])
    expected = evaluate(truth, as_coco, protocols=("coco", "owned"))
    assert not any("bbox" in note for note in expected.notes)
    write_results(other, tmp_path / "other.json")
    for result in (
        evaluate(truth, other, protocols=("coco", "owned")),
        evaluate_file(truth, tmp_path / "other.json", protocols=("coco", "owned")).result,
        evaluate(truth, read_results(tmp_path / "other.json", truth), protocols=("coco", "owned")),
    ):
        assert result.protocols["coco"]["AP_S"] == pytest.approx(expected.protocols["coco"]["AP_S"])
        assert result.protocols["owned"] == pytest.approx(expected.protocols["owned"])
        notes = [
            note for note in result.notes if f"bbox of the results seems to be {form}: 1" in note
        ]
        assert len(notes) == 1
        assert "they are read so" in notes[0]
    compared = compare(truth, {"a": as_coco, "b": other}, num_resamples=100)
    assert all(abs(one.difference or 0) < 1e-9 for one in compared.differences)
    assert any(form in note for note in compared.notes)
    split = split_difference(truth, {"a": as_coco, "b": other}, num_resamples=0)
    assert all(abs(part) < 1e-9 for one in split.metrics for part in one.parts.values())


def test_pieces_with_boxes_in_another_form_are_noted():
    truth = make_people()
    notes = {}
    for name, write in (("coco", lambda boxes: boxes), ("corners", FORMS["x1, y1, x2, y2"])):
        predictions = detect(truth, write)
        evaluator, other = Evaluator(truth), Evaluator(truth)
        for start in range(0, 2 * N, 3):
            (evaluator if start % 2 else other).add(predictions.take(slice(start, start + 3)))
        evaluator.merge(other)
        notes[name] = [note for note in evaluator.result().notes if "bbox of the results" in note]
    assert notes["coco"] == []
    assert "seems to be x1, y1, x2, y2" in notes["corners"][0]
    assert "sizes and heights are wrong" in notes["corners"][0]


def test_boxes_of_something_else_are_noted_where_poses_fit(tmp_path):
    truth = make_people()
    stray = detect(truth, lambda boxes: boxes * 0.3)
    write_results(stray, tmp_path / "stray.json")
    result = evaluate_file(truth, tmp_path / "stray.json").result
    assert result.protocols == evaluate(truth, stray).protocols
    assert any("bbox of the results does not surround" in note for note in result.notes)
    # Poses in other units are not the fault of their boxes.
    poses = stray.keypoints * [0.3, 0.3, 1]
    elsewhere = replace(stray, keypoints=poses, boxes_xywh=stray.boxes_xywh / 0.3)
    write_results(elsewhere, tmp_path / "elsewhere.json")
    notes = evaluate_file(truth, tmp_path / "elsewhere.json").result.notes
    assert not any("does not surround" in note for note in notes)


def test_results_without_boxes_are_compared_by_the_areas_that_all_have(tmp_path, capsys):
    truth, boxed = make_people(), detect(make_people())
    bare = replace(boxed, boxes_xywh=np.full((2 * N, 4), np.nan))
    assert evaluate(truth, boxed)["coco"]["AP_S"] != evaluate(truth, bare)["coco"]["AP_S"]
    result = compare(truth, {"boxed": boxed, "bare": bare}, num_resamples=100)
    assert all(one.difference in (0.0, None) for one in result.differences)
    assert any(note.startswith("bare has no bbox") for note in result.notes)
    split = split_difference(truth, {"boxed": boxed, "bare": bare}, num_resamples=0)
    assert all(part == 0 for one in split.metrics for part in one.parts.values())
    assert not any("no bbox" in note for note in compare(truth, {"a": bare, "b": bare}).notes)
    paths = [tmp_path / f"{name}.json" for name in ("truth", "boxed", "bare")]
    write_coco(truth, paths[0])
    write_results(boxed, paths[1])
    write_results(bare, paths[2])
    for name in ("boxed", "bare"):
        add = ["leaderboard", "add", str(tmp_path / "board"), str(paths[0])]
        assert main([*add, str(tmp_path / f"{name}.json"), "--name", name]) == 0
        assert ("no bbox" in capsys.readouterr().err) == (name == "bare")


def write_labels(folder, write):
    """Write labels with images of no content, as a source of one's own."""
    truth = make_people()
    truth.boxes_xywh[:] = write(truth.boxes_xywh)
    folder.mkdir()
    write_coco(truth, folder / "labels.json")
    return read_coco(folder / "labels.json")


def test_labels_whose_boxes_are_corners_are_no_source_of_a_set(tmp_path, capsys):
    people = write_labels(tmp_path / "lab", FORMS["x1, y1, x2, y2"])
    command = ["build", str(tmp_path / "set"), "--source", f"lab={tmp_path / 'lab'}"]
    assert main(command) != 0
    assert "bbox seems to be x1, y1, x2, y2: 60 of 60 boxes" in capsys.readouterr().err
    assert not (tmp_path / "set").exists()
    assert describe_wrong_units(people)[0].startswith("bbox seems to be x1, y1, x2, y2")
    assert describe_wrong_units(write_labels(tmp_path / "right", lambda boxes: boxes)) == []


def test_real_labels_are_in_the_right_units(real):
    for name, folder in (("aic", "aic"), ("mpii", "mpii"), ("posetrack", "posetrack/posetrack18")):
        assert describe_wrong_units(READERS[name](real / folder).people) == [], name
    val = "person_keypoints_val2017.subset538.json.gz"
    for file in (f"coco/annotations/{val}", "other/crowdpose/crowdpose_val.json.gz"):
        assert describe_wrong_units(read_coco(real / file)) == [], file
    people = read_coco(real / "coco/val_subset250/val_subset.json.gz")
    predictions = read_results(real / "coco/val_subset250/detections_C.json.gz", people)
    assert not any("bbox" in note for note in predictions.notes)
