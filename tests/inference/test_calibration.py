"""Calibration: shares of correct detections, and circles that hold 68 % of the joints."""

import json
from dataclasses import replace

import numpy as np
import pytest

from smallpose import evaluate
from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.sizes import SIZES, classify_sizes
from smallpose.core.skeleton import COCO17, resolve_skeleton
from smallpose.evaluation.sigma_file import JointSigmas
from smallpose.inference.calibration import read_calibration, write_calibration
from smallpose.inference.fit_calibration import fit_calibration, measure_quality

PER_IMAGE = 5


def simulate(seed, num_images):
    """Make people of all sizes, and detections whose joints are off by known distances.

    Small people are off by more, for their size; each joint has its own factor; a low score of a
    joint means a larger error. Every third detection is of nobody, and the square of the share
    that is right is its score.
    """
    rng = np.random.default_rng(seed)
    n = num_images * PER_IMAGE
    side = np.exp(rng.uniform(np.log(40), np.log(400), n))
    corners = np.stack([np.tile(np.arange(PER_IMAGE) * 2000.0, num_images), np.zeros(n)], axis=1)
    boxes = np.concatenate([corners, np.stack([side, side], axis=1)], axis=1)
    points = corners[:, None] + rng.uniform(0, 1, (n, 17, 2)) * side[:, None, None]
    joint_scores = rng.uniform(0.1, 1, (n, 17))
    scale = 0.02 * side[:, None] ** 0.7 * (1.6 - joint_scores) * np.linspace(0.5, 1.5, 17)
    moved = points + rng.normal(0, 1, (n, 17, 2)) * scale[..., None]
    images = make_images(range(1, num_images + 1), [f"{i}.png" for i in range(num_images)])
    image_rows = np.repeat(np.arange(num_images), PER_IMAGE)
    labels = np.concatenate([points, np.full((n, 17, 1), 2.0)], axis=2)
    truth = make_instances(COCO17, images, image_rows, boxes, labels)
    is_person = rng.uniform(0, 1, n) < 2 / 3
    right = np.where(is_person, rng.uniform(0.4, 1, n), rng.uniform(0, 0.9, n))
    moved[~is_person] += 1000
    poses = np.concatenate([moved, joint_scores[..., None]], axis=2)
    predicted_boxes = boxes + np.where(is_person[:, None], 0, [1000.0, 0, 0, 0])
    predictions = make_predictions(COCO17, image_rows + 1, poses, right**2, predicted_boxes)
    return truth, predictions, is_person


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_circles_hold_their_share_in_every_size_class_of_other_images(seed):
    truth, predictions, is_person = simulate(2 * seed, 400)
    calibration = fit_calibration(truth, predictions, "any")
    other_truth, others, is_person = simulate(2 * seed + 1, 400)
    calibrated = calibration.apply_to(others)
    errors = np.linalg.norm(others.keypoints[:, :, :2] - other_truth.keypoints[:, :, :2], axis=2)
    is_inside = errors <= calibrated.keypoint_errors
    classes = classify_sizes(other_truth.boxes_xywh[:, 2:].prod(axis=1))
    for index in range(len(SIZES)):
        assert 0.66 <= is_inside[is_person & (classes == index)].mean() <= 0.70
    # The same holds for each joint and for each score, and the circles are not one size for all.
    low, high = np.quantile(others.keypoint_scores, (0.2, 0.8))
    for is_chosen in (others.keypoint_scores < low, others.keypoint_scores > high):
        assert is_inside[is_chosen & is_person[:, None]].mean() == pytest.approx(0.68, abs=0.025)
    assert (np.abs(is_inside[is_person].mean(axis=0) - 0.68) < 0.05).all()
    assert calibrated.keypoint_errors[:, 16].mean() > 2 * calibrated.keypoint_errors[:, 0].mean()


def test_scores_become_the_share_that_is_right_and_ap_stays_the_same():
    truth, predictions, _ = simulate(7, 400)
    quality = measure_quality(truth, predictions)
    assert quality.error_before > 0.2 > 0.04 > quality.error_after
    assert quality.coverage == pytest.approx(0.68, abs=0.02)
    assert list(quality.coverage_by_size) == list(SIZES)
    calibration = fit_calibration(truth, predictions, "any")
    other_truth, others, _ = simulate(8, 400)
    calibrated = calibration.apply_to(others)
    assert (calibrated.scores >= 0).all() and (calibrated.scores <= 1).all()
    order = np.argsort(others.scores, kind="stable")
    assert (np.diff(calibrated.scores[order]) > 0).all()
    before = evaluate(other_truth, others)["coco"]
    assert evaluate(other_truth, calibrated)["coco"]["AP"] == before["AP"]


def test_joints_keep_their_factors_in_another_order_and_among_fewer_labels():
    truth, predictions, _ = simulate(3, 60)
    calibration = fit_calibration(truth, predictions, "any")
    columns = np.arange(17)[::-1][:9]
    fewer = make_predictions(
        COCO17.take(columns.tolist()),
        predictions.image_ids,
        predictions.keypoints[:, columns],
        predictions.scores,
        predictions.boxes_xywh,
    )
    np.testing.assert_array_equal(
        calibration.estimate_errors(fewer), calibration.estimate_errors(predictions)[:, columns]
    )
    rows = np.array([5, 2])
    calibrated = calibration.apply_to(predictions)
    np.testing.assert_array_equal(
        calibrated.take(rows).keypoint_errors, calibrated.keypoint_errors[rows]
    )


def test_a_file_keeps_the_calibration_and_names_what_does_not_fit(tmp_path):
    truth, predictions, _ = simulate(4, 40)
    calibration = fit_calibration(truth, predictions, "rtmo_s")
    path = tmp_path / "c.json"
    write_calibration(calibration, path)
    assert read_calibration(path, "rtmo_s") == calibration
    with pytest.raises(InputError, match="is the calibration of rtmo_s, not of cid"):
        read_calibration(path, "cid")
    content = json.loads(path.read_text())
    content["correct"]["x"] = content["correct"]["x"][::-1]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="without rising knots"):
        read_calibration(path, "rtmo_s")
    path.write_text("{}")
    with pytest.raises(InputError, match="is no calibration"):
        read_calibration(path, "rtmo_s")


def test_too_few_labels_are_refused():
    truth, predictions, _ = simulate(5, 9)
    with pytest.raises(InputError, match=r"9 images with detections .* at least 10 are needed"):
        fit_calibration(truth, predictions, "any")
    truth, predictions, _ = simulate(5, 12)
    with pytest.raises(InputError, match="detections in the 12 images; at least 100"):
        fit_calibration(truth, predictions, "any")


def test_joints_of_a_detection_with_the_box_of_another_person_are_not_judged():
    truth, predictions, is_person = simulate(6, 40)
    boxes = predictions.boxes_xywh.copy()
    moved = np.flatnonzero(is_person)[:20]
    boxes[moved, 0] += 500
    calibration = fit_calibration(truth, predictions, "any")
    fewer = fit_calibration(truth, replace(predictions, boxes_xywh=boxes), "any")
    assert calibration.num_joints == 17 * is_person.sum()
    assert fewer.num_joints == calibration.num_joints - 17 * 20


def test_joints_of_ones_own_are_matched_by_the_sigmas_of_the_method():
    truth, predictions, _ = simulate(4, 40)
    expected = fit_calibration(truth, predictions, "any")
    quality = measure_quality(truth, predictions)
    own = resolve_skeleton([f"corner_{i}" for i in range(17)])
    truth = replace(truth, skeleton=own)
    predictions = replace(predictions, skeleton=own)
    with pytest.raises(InputError, match="no OKS sigma is known"):
        fit_calibration(truth, predictions, "any")
    # Those of COCO, in another order of the joints.
    sigmas = JointSigmas(tuple(COCO17.sigmas[::-1].tolist()), own.joints[::-1])
    fitted = fit_calibration(truth, predictions, "any", sigmas)
    assert fitted.correct == expected.correct and fitted.size_factors == expected.size_factors
    assert measure_quality(truth, predictions, sigmas) == quality
    narrow = JointSigmas((0.002,) * 17, own.joints)
    assert fit_calibration(truth, predictions, "any", narrow).correct != expected.correct
