"""OKS against numbers made by hand and against pycocotools' own."""

import math

import numpy as np
import pytest

from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.matching import native
from smallpose.evaluation.matching.image_groups import group_by_image
from smallpose.evaluation.matching.oks import compute_oks, find_candidates


def one(dx, area=10_000.0, sigma=0.026, v=2.0):
    pose = np.array([[[10 + dx, 10.0, 1.0]]])
    truth = np.array([[[10.0, 10.0, v]]])
    box = np.array([[0.0, 0.0, 100.0, 100.0]])
    return float(compute_oks(pose, truth, box, np.array([area]), np.array([sigma]))[0, 0])


def test_a_nose_off_by_5_2_px_on_10_000_px2_is_exp_of_minus_a_half():
    assert one(5.2) == pytest.approx(math.exp(-0.5), abs=1e-12)


def test_a_perfect_pose_has_oks_1():
    assert one(0.0) == 1.0


def test_four_times_the_area_allows_twice_the_distance():
    assert one(10.4, area=40_000.0) == pytest.approx(one(5.2), abs=1e-12)


def test_a_person_without_labels_is_met_anywhere_in_twice_his_box():
    assert one(-109.9, v=0.0) == 1.0
    assert one(189.9, v=0.0) == 1.0
    assert one(200.0, v=0.0) == pytest.approx(math.exp(-(10**2) / (2 * 0.052**2 * 1e4)))


def test_joints_without_a_label_do_not_count():
    truth = np.array([[[0.0, 0, 2], [0, 0, 0]]])
    pose = np.array([[[0.0, 0, 1], [999, 999, 1]]])
    box, sigmas = np.array([[0.0, 0, 10, 10]]), np.array([0.05, 0.05])
    assert compute_oks(pose, truth, box, np.array([100.0]), sigmas)[0, 0] == 1.0


@pytest.mark.parametrize("core", [True, False])
@pytest.mark.parametrize("lowest", [0.1, 0.5, 0.9])
def test_the_bounds_never_drop_a_pair_that_reaches_the_lowest_threshold(
    lowest, core, crowded_world
):
    if core and native.CORE is None:
        pytest.skip("no compiler built the core")
    for seed in range(30):
        world = crowded_world(seed, 21, images=6, people=8)
        truth, found = world.truth, world.found
        pairing = group_by_image(truth, found)
        columns = (found.keypoints, truth.keypoints, truth.boxes_xywh, truth.area)
        columns = (*columns, truth.skeleton.sigmas)
        d, g, values = (native.candidates if core else find_candidates)(pairing, *columns, lowest)
        everything = compute_oks(*columns)
        same_image = truth.images.ids[truth.image_rows] == found.image_ids[:, None]
        expected = {
            (int(a), int(b)): everything[a, b]
            for a, b in np.argwhere((everything >= lowest) & same_image)
        }
        places = zip(pairing.found[d].tolist(), g.tolist(), strict=True)
        assert dict(zip(places, values, strict=True)) == expected


def test_a_pair_just_above_the_lowest_threshold_is_kept():
    """All joints equally far off: then the bound by the joints is as tight as it can be."""
    truth = np.zeros((1, 17, 3))
    truth[0, :, 2] = 1
    box, area, sigmas = np.array([[0.0, 0, 100, 100]]), np.array([1e4]), np.full(17, 0.05)
    for lowest in (0.1, 0.5, 0.75, 0.95):
        off = np.sqrt(-2 * np.log(lowest * (1 + 1e-9)) * (2 * 0.05) ** 2 * 1e4)
        pose = truth + np.array([off, 0, 0])
        value = compute_oks(pose, truth, box, area, sigmas)[0, 0]
        assert value >= lowest
        instances = make_instances(COCO17, make_images([1], ["1"]), [0], box, truth)
        pairing = group_by_image(instances, make_predictions(COCO17, [1], pose, [1.0]))
        columns = (pose, truth, box, area, sigmas)
        assert find_candidates(pairing, *columns, lowest)[2].tolist() == [value]
        if native.CORE is not None:
            assert native.candidates(pairing, *columns, lowest)[2].tolist() == [value]
