"""Predictions that belong to nobody, planted and found again."""

from dataclasses import replace

import numpy as np
import pytest

from smallpose.core.predictions import make_predictions
from smallpose.evaluation.analysis.error_diagnosis import diagnose
from smallpose.report.inputs.false_positives import FALSE_POSITIVE_KINDS, find_false_positives
from smallpose.report.inputs.person_matching import match_people


@pytest.fixture
def planted(world):
    """Everybody found; and two duplicates, a pose of two people's halves, three in the grass."""
    test = world.test
    rows = np.arange(30)
    images = test.images.ids[test.image_rows]
    mixed = test.keypoints[0].copy()
    mixed[13:] = test.keypoints[1, 13:]
    # A long way from everybody, one in each of three images.
    grass = test.keypoints[[9, 12, 15]] + [2000.0, 2000.0, 0.0]
    near = test.keypoints[[3, 4]] + np.random.default_rng(0).normal(0, 0.3, (2, 21, 3))
    poses = np.concatenate([test.keypoints, near, mixed[None], grass])
    of = np.concatenate([rows, [3, 4, 0, 9, 12, 15]])
    scores = np.concatenate([np.full(30, 0.9), [0.3, 0.8, 0.5, 0.7, 0.6, 0.2]])
    return test, make_predictions(test.skeleton, images[of], poses, scores)


def test_what_was_planted_is_found_the_highest_score_first(planted):
    test, found = planted
    alone = find_false_positives(test, found, match_people(test, found))
    assert alone.rows.tolist() == [31, 33, 34, 32, 30, 35]
    kinds = [FALSE_POSITIVE_KINDS[k] for k in alone.kinds]
    assert kinds == [
        "duplicate",
        "background",
        "background",
        "duplicate",
        "duplicate",
        "background",
    ]
    assert alone.near[[0, 4]].tolist() == [4, 3]
    assert (alone.oks[[1, 2, 5]] < 0.1).all()


def test_there_are_as_many_as_the_diagnosis_counts(planted):
    test, found = planted
    background = diagnose(test, found, protocol="owned").background
    assert len(find_false_positives(test, found, match_people(test, found))) == background == 6


def test_a_pose_of_parts_of_two_people_who_are_both_met_better_is_a_swap(planted):
    """Few joints of either, so that it fits neither."""
    test, found = planted
    poses = found.keypoints.copy()
    poses[32] += [2000.0, 2000.0, 0.0]
    poses[32, 9:11, :2] = test.keypoints[0, 9:11, :2]
    poses[32, 0, :2] = test.keypoints[1, 0, :2]
    poses[32, 7, :2] = test.keypoints[1, 7, :2]
    seen = replace(test, keypoints=np.where([True, True, False], test.keypoints, 2.0))
    found = replace(found, keypoints=poses)
    alone = find_false_positives(seen, found, match_people(seen, found))
    (kind,) = alone.kinds[alone.rows == 32]
    assert FALSE_POSITIVE_KINDS[kind] == "swap"


def test_one_that_fits_a_crowd_or_somebody_who_does_not_count_is_none(planted):
    test, found = planted
    for change in (
        {"iscrowd": np.arange(30) == 4},
        {"num_keypoints": np.where(np.arange(30) == 4, 0, test.num_keypoints)},
    ):
        people = replace(test, **change)
        alone = find_false_positives(people, found, match_people(people, found))
        assert 4 not in alone.rows and 31 not in alone.rows


def test_nothing_found_is_nothing_false(world):
    nobody = make_predictions(world.test.skeleton, [], np.zeros((0, 21, 3)), np.zeros(0))
    assert len(find_false_positives(world.test, nobody, match_people(world.test, nobody))) == 0
