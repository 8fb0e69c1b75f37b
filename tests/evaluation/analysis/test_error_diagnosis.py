"""Planted errors are recovered, kind by kind and joint by joint, and mending them pays."""

import json

import numpy as np
import pytest

from smallpose import evaluate
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.evaluation.analysis.error_diagnosis import FIXES, diagnose


def couples(images=30, skeleton=SMALLPOSE, size=(160, 320), labelled=None):
    """Two people side by side in each image, found perfectly."""
    n, k = 2 * images, len(skeleton)
    rng = np.random.default_rng(1)
    boxes = np.zeros((n, 4))
    boxes[1::2, 0] = 2 * size[0]
    boxes[:, 2:] = size
    keypoints = np.full((n, k, 3), 2.0)
    place = rng.permutation(k) / k  # apart from each other, so that no joint is near another
    keypoints[:, :, 0] = boxes[:, :1] + size[0] * place
    keypoints[:, :, 1] = size[1] * ((np.arange(k) * 0.618) % 1)
    if labelled is not None:
        keypoints[:, ~labelled] = 0
    named = make_images(np.arange(1, images + 1), [f"{i}.jpg" for i in range(images)])
    truth = make_instances(skeleton, named, np.repeat(np.arange(images), 2), boxes, keypoints)
    poses = np.full((n, k, 3), 1.0)
    poses[:, :, 0] = boxes[:, :1] + size[0] * place
    poses[:, :, 1] = size[1] * ((np.arange(k) * 0.618) % 1)
    scores = np.linspace(0.9, 0.5, n)
    ids = named.ids[truth.image_rows]
    return truth, make_predictions(skeleton, ids, poses, scores, boxes)


def plant(truth, found, kind, rows, joints):
    mirror = truth.skeleton.flip_indices
    area = truth.area
    for row in rows:
        for j in joints:
            if kind == "jitter":
                sigma = truth.skeleton.sigmas[j]
                found.keypoints[row, j, 0] += 1.4 * sigma * 2 * np.sqrt(area[row]) * 0.5
            elif kind == "inversion":
                found.keypoints[row, j, :2] = truth.keypoints[row, mirror[j], :2]
            elif kind == "swap":
                found.keypoints[row, j, :2] = truth.keypoints[row ^ 1, j, :2]
            elif kind == "miss":
                found.keypoints[row, j, :2] = -900


@pytest.mark.parametrize("skeleton", [COCO17, SMALLPOSE])
@pytest.mark.parametrize("kind", ["jitter", "inversion", "swap", "miss"])
def test_planted_errors_are_recovered_to_the_last_joint(kind, skeleton):
    truth, found = couples(skeleton=skeleton)
    joints = skeleton.joint_indices(["left_wrist", "right_knee", "left_hip"])
    plant(truth, found, kind, range(0, 60, 3), joints)
    result = diagnose(truth, found)
    errors = {name: n for name, n in result.joints["all"].items() if name != "good" and n}
    assert errors == {kind: 20 * 3}
    assert sum(result.joints["all"].values()) == 60 * len(skeleton)
    assert result.joints["large"] == result.joints["all"]
    best = max(FIXES, key=lambda fix: result.gains[fix]["AP"])
    assert best == kind
    assert result.base["AP"] + result.gains[kind]["AP"] == pytest.approx(1)


def test_joints_without_a_label_are_not_judged():
    labelled = np.arange(21) % 2 == 0
    truth, found = couples(labelled=labelled)
    plant(truth, found, "miss", range(60), np.flatnonzero(~labelled))
    result = diagnose(truth, found)
    assert result.joints["all"] == {
        "good": 60 * 11,
        "jitter": 0,
        "inversion": 0,
        "swap": 0,
        "miss": 0,
    }


def test_the_middle_of_the_body_cannot_be_inverted():
    truth, found = couples()
    plant(truth, found, "inversion", range(60), SMALLPOSE.joint_indices(["pelvis", "nose"]))
    assert diagnose(truth, found).joints["all"]["good"] == 60 * 21


def test_missed_people_and_background_are_counted_and_priced():
    truth, found = couples()
    found.keypoints[10:20, :, :2] += 5000  # ten poses for nobody, ten people without a pose
    found.boxes_xywh[10:20, :2] += 5000
    found.scores[10:20] = 0.99
    result = diagnose(truth, found)
    assert result.background == 10
    assert result.people["all"] == {"all": 60, "met": 50, "missed": 10}
    assert result.gains["background"]["AP"] > 0.05
    assert result.gains["missed"]["AP"] > 0.05
    assert result.gains["jitter"]["AP"] == 0


def test_scores_in_the_wrong_order_are_priced():
    truth, found = couples()
    plant(truth, found, "miss", range(30), range(12))
    found.scores[:] = np.where(np.arange(60) < 30, 0.9, 0.4)
    result = diagnose(truth, found)
    assert result.gains["score"]["AP"] > 0.2


def test_errors_are_told_apart_by_size_class():
    truth, found = couples(size=(60, 120))
    plant(truth, found, "jitter", range(0, 60, 2), [20])
    result = diagnose(truth, found, protocol="owned")
    assert result.joints["small"]["jitter"] == 30
    assert result.joints["large"]["jitter"] == 0
    assert result.gains["jitter"]["AP_L"] is None


def test_the_base_is_the_evaluation_and_everything_prints_and_writes(crowded_dataset):
    for seed in range(8):
        dataset = crowded_dataset(seed, 21, images=4, people=6)
        result = diagnose(dataset.truth, dataset.predictions)
        whole = evaluate(dataset.truth, dataset.predictions)["coco"]
        assert {n: whole[n] for n in result.base} == result.base
        assert json.loads(result.to_json())["gains"].keys() == set(FIXES)
        assert "what AP each kind of error costs" in str(result)
