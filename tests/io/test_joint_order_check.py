"""Poses in the order of another skeleton are recognised, and others never are."""

import json

import numpy as np
import pytest

from smallpose.cli.main import main
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import (
    AIC14,
    COCO17,
    CROWDPOSE14,
    POSETRACK17,
    SMALLPOSE,
    Skeleton,
    map_joints,
)
from smallpose.io.coco_annotations import read_coco, write_coco
from smallpose.io.coco_results import read_results, write_results
from smallpose.io.mismatch import describe_mismatch

N = 12
IMAGES = make_images(range(1, N + 1), [f"{i}.jpg" for i in range(1, N + 1)], [640] * N, [480] * N)
# A standing person in shares of height: x and y of the 21 joints.
X = "0 0 .02 -.02 .04 -.04 0 0 .1 -.1 .13 -.13 .15 -.15 .06 -.06 0 .07 -.07 .08 -.08"
Y = ".08 0 .07 .07 .08 .08 .15 .18 .18 .18 .33 .33 .47 .47 .5 .5 .5 .72 .72 .95 .95"
BODY = np.stack([np.array(row.split(), dtype=float) for row in (X, Y)], axis=1)
REVERSED = Skeleton("reversed", COCO17.joints[::-1])


def make_poses(skeleton, jitter=0.01):
    """Make people of 300 px in the joints of a skeleton, with some noise."""
    rng = np.random.default_rng(0)
    points = 320 + 300 * (BODY[None] + rng.normal(0, jitter, (N, 21, 2)))
    keypoints = np.concatenate([points, np.full((N, 21, 1), 2.0)], axis=2)
    return map_joints(keypoints, SMALLPOSE, skeleton)


def make_tables(truth_skeleton, written, jitter=0.01):
    """Make a truth, and results in the order of `written` that are read in that of the truth."""
    boxes = np.tile([270.0, 320, 100, 300], (N, 1))
    truth = make_instances(truth_skeleton, IMAGES, range(N), boxes, make_poses(truth_skeleton))
    poses = make_poses(written, jitter)
    return truth, make_predictions(truth_skeleton, IMAGES.ids, poses, [0.9] * N)


@pytest.mark.parametrize(
    ("truth_skeleton", "written", "message"),
    [
        (REVERSED, COCO17, "the keypoints fit the order of coco17 better"),
        (CROWDPOSE14, AIC14, "the keypoints fit the order of aic14 better"),
        (COCO17, POSETRACK17, "left_eye, right_eye are far from the ground truth where all other"),
        (POSETRACK17, COCO17, "head_bottom, head_top are far from the ground truth where all"),
    ],
)
def test_an_order_of_another_known_skeleton_is_recognized(truth_skeleton, written, message):
    text = describe_mismatch(*make_tables(truth_skeleton, written))
    assert message in text
    assert "keypoint_names" in text


@pytest.mark.parametrize("jitter", [0, 0.01, 0.05, 0.2])
@pytest.mark.parametrize("skeleton", [COCO17, REVERSED, CROWDPOSE14, POSETRACK17, SMALLPOSE])
def test_poses_in_the_order_of_the_truth_are_never_doubted(skeleton, jitter):
    assert describe_mismatch(*make_tables(skeleton, skeleton, jitter)) is None


def test_nothing_is_said_of_few_people_or_none():
    truth, predictions = make_tables(REVERSED, COCO17)
    assert describe_mismatch(truth, predictions.take(np.arange(2))) is None
    assert describe_mismatch(truth, predictions.take(np.arange(0))) is None


def test_check_and_evaluate_report_the_order(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    truth, predictions = make_tables(REVERSED, COCO17)
    write_coco(truth, "truth.json")
    write_results(predictions, "results.json")
    assert main(["check", "results.json", "--truth", "truth.json"]) == 2
    out = capsys.readouterr().out
    assert out.count("fit the order of coco17 better") == 1 and "fault " in out
    (note,) = read_results("results.json", read_coco("truth.json")).notes
    assert "fit the order of coco17 better" in note
    content = json.loads((tmp_path / "results.json").read_text())
    named = {"keypoint_names": list(COCO17.joints), "predictions": content}
    (tmp_path / "named.json").write_text(json.dumps(named))
    assert main(["check", "named.json", "--truth", "truth.json"]) == 0
    assert "0 faults, 1 remark" in capsys.readouterr().out  # that all scores are equal


def test_check_names_joints_that_one_side_lacks(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    truth, _ = make_tables(COCO17, COCO17)
    write_coco(truth, "truth.json")
    predictions = make_predictions(POSETRACK17, IMAGES.ids, make_poses(POSETRACK17), [0.9] * N)
    write_results(predictions, "results.json", keypoint_names=True)
    assert main(["check", "results.json", "--truth", "truth.json"]) == 0
    out = capsys.readouterr().out
    assert "the results lack 2 of the ground truth's 17 joints: left_eye, right_eye" in out
    assert "that the truth lacks are left out: head_bottom, head_top" in out
    assert main(["check", "results.json"]) == 0
    assert "12 detections, posetrack17" in capsys.readouterr().out


def test_coordinates_of_any_size_are_compared_without_a_warning(random_coco):
    coco, results = random_coco(4, num_images=6)
    for result in results[::2]:
        result["keypoints"][:6] = [1e308, -1e308, 1, -1e200, 1e200, 1]
    truth = read_coco("t.json", data=json.dumps(coco).encode())
    predictions = read_results("f.json", truth, json.dumps(results).encode())  # warnings are errors
    assert describe_mismatch(truth, predictions) is None
