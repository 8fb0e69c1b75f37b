"""OKS equals numbers computed by hand; no candidate is lost."""

import math

import numpy as np
import pytest

from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.matching import native, native_matching
from smallpose.evaluation.matching.arrays import Poses
from smallpose.evaluation.matching.image_groups import group_by_image
from smallpose.evaluation.matching.oks import compute_oks, compute_pair_oks, find_candidates


def compute_one(dx, area=10_000.0, sigma=0.026, v=2.0):
    pose = np.array([[[10 + dx, 10.0, 1.0]]])
    truth = np.array([[[10.0, 10.0, v]]])
    box = np.array([[0.0, 0.0, 100.0, 100.0]])
    return float(compute_oks(pose, truth, box, np.array([area]), np.array([sigma]))[0, 0])


def test_a_nose_off_by_5_2_px_on_10_000_px2_is_exp_of_minus_a_half():
    assert compute_one(5.2) == pytest.approx(math.exp(-0.5), abs=1e-12)


def test_a_perfect_pose_has_oks_1():
    assert compute_one(0.0) == 1.0


def test_four_times_the_area_allows_twice_the_distance():
    assert compute_one(10.4, area=40_000.0) == pytest.approx(compute_one(5.2), abs=1e-12)


def test_a_person_without_labels_matches_anywhere_in_twice_their_box():
    assert compute_one(-109.9, v=0.0) == 1.0
    assert compute_one(189.9, v=0.0) == 1.0
    assert compute_one(200.0, v=0.0) == pytest.approx(math.exp(-(10**2) / (2 * 0.052**2 * 1e4)))


def test_joints_without_a_label_do_not_count():
    truth = np.array([[[0.0, 0, 2], [0, 0, 0]]])
    pose = np.array([[[0.0, 0, 1], [999, 999, 1]]])
    box, sigmas = np.array([[0.0, 0, 10, 10]]), np.array([0.05, 0.05])
    assert compute_oks(pose, truth, box, np.array([100.0]), sigmas)[0, 0] == 1.0


def find_pairs(groups, poses, min_oks, use_core):
    """Find candidates with the compiled function, or with its fallback."""
    function = native_matching.find_candidates if use_core else find_candidates.__wrapped__
    return function(groups, poses, min_oks)


USE_CORE = [False] if native.CORE is None else [False, True]


@pytest.mark.parametrize("use_core", USE_CORE)
@pytest.mark.parametrize("min_oks", [0.1, 0.5, 0.9])
def test_the_bounds_never_drop_a_pair_that_reaches_the_lowest_threshold(
    min_oks, use_core, crowded_dataset
):
    for seed in range(30):
        dataset = crowded_dataset(seed, 21, images=6, people=8)
        truth, predictions = dataset.truth, dataset.predictions
        groups = group_by_image(truth, predictions)
        columns = {
            "keypoints": truth.keypoints,
            "boxes_xywh": truth.boxes_xywh,
            "area": truth.area,
            "sigmas": truth.skeleton.sigmas,
        }
        poses = Poses(detections=predictions.keypoints, is_crowd=truth.iscrowd, **columns)
        candidates = find_pairs(groups, poses, min_oks, use_core)
        every_oks = compute_oks(predictions.keypoints, **columns)
        is_same_image = truth.images.ids[truth.image_rows] == predictions.image_ids[:, None]
        expected = {
            (int(d), int(g)): every_oks[d, g]
            for d, g in np.argwhere((every_oks >= min_oks) & is_same_image)
        }
        rows = groups.detections[candidates.detections].tolist()
        pairs = zip(rows, candidates.people.tolist(), strict=True)
        assert dict(zip(pairs, candidates.oks, strict=True)) == expected


@pytest.mark.parametrize("use_core", USE_CORE)
@pytest.mark.parametrize("min_oks", [0.1, 0.5, 0.75, 0.95])
def test_a_pair_just_above_the_lowest_threshold_is_kept(min_oks, use_core):
    """All joints equally far off: then the bound by the joints is as tight as it can be."""
    keypoints = np.zeros((1, 17, 3))
    keypoints[0, :, 2] = 1
    distance = np.sqrt(-2 * np.log(min_oks * (1 + 1e-9)) * (2 * 0.05) ** 2 * 1e4)
    poses = Poses(
        detections=keypoints + np.array([distance, 0, 0]),
        keypoints=keypoints,
        boxes_xywh=np.array([[0.0, 0, 100, 100]]),
        area=np.array([1e4]),
        is_crowd=np.array([False]),
        sigmas=np.full(17, 0.05),
    )
    value = compute_pair_oks(poses, np.array([0]), np.array([0]))[0]
    assert value >= min_oks
    truth = make_instances(COCO17, make_images([1], ["1"]), [0], poses.boxes_xywh, keypoints)
    groups = group_by_image(truth, make_predictions(COCO17, [1], poses.detections, [1.0]))
    assert find_pairs(groups, poses, min_oks, use_core).oks.tolist() == [value]
