"""Who was found, person by person."""

import numpy as np
import pytest

from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.io.coco_results import read_results
from smallpose.report.inputs.person_matching import compute_detection_by_height, match_people


def perfect(people, rows):
    return make_predictions(
        people.skeleton,
        people.images.ids[people.image_rows[rows]],
        people.keypoints[rows],
        np.ones(len(rows)),
    )


def test_perfect_poses_find_their_own_person(world):
    rows = np.random.default_rng(0).permutation(30)
    pairing = match_people(world.test, perfect(world.test, rows))
    assert rows[pairing.rows].tolist() == list(range(30))
    assert pairing.oks == pytest.approx(np.ones(30))


def test_one_pose_is_given_to_one_person_only(world):
    pairing = match_people(world.test, perfect(world.test, np.array([0])))
    assert pairing.rows[0] == 0
    assert (pairing.rows[1:] == -1).all()
    assert (pairing.oks[1:] == 0).all()


def test_poses_of_17_joints_are_judged_by_these(world):
    people = world.test.to_skeleton(COCO17)
    pairing = match_people(world.test, perfect(people, np.arange(30)))
    assert pairing.oks == pytest.approx(np.ones(30))


def test_people_who_do_not_count_are_not_judged(world):
    from dataclasses import replace

    crowd = np.zeros(30, dtype=bool)
    crowd[3] = True
    people = replace(world.test, iscrowd=crowd)
    assert np.isnan(match_people(people, perfect(people, np.arange(30))).oks[3])


def test_an_empty_result_finds_nobody(world):
    pairing = match_people(world.test, perfect(world.test, np.array([], dtype=np.intp)))
    assert (pairing.oks == 0).all()


def test_the_curve_accounts_for_everyone_in_order_of_height(world):
    found = read_results(world.runs["B"] / "found.json", world.test)
    curve = compute_detection_by_height(world.test, match_people(world.test, found), bins=5)
    assert curve.people.sum() == 30
    assert (np.diff(curve.x) > 0).all() or len(curve.x) == 1
    assert ((curve.share >= 0) & (curve.share <= 1)).all()
