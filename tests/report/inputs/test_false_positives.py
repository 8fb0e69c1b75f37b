"""False positives that were planted are found and told apart."""

from dataclasses import replace

import numpy as np
import pytest

from smallpose.core.predictions import make_predictions
from smallpose.evaluation.analysis.error_diagnosis import diagnose
from smallpose.report.inputs.false_positives import FALSE_POSITIVE_KINDS, find_false_positives
from smallpose.report.inputs.person_matching import match_people


@pytest.fixture
def planted(project):
    """Make a pose for everyone, two duplicates, one of two people's halves, three of background."""
    test = project.test
    rows = np.arange(30)
    images = test.images.ids[test.image_rows]
    mixed = test.keypoints[0].copy()
    mixed[13:] = test.keypoints[1, 13:]
    # Far from all people, one in each of three images.
    background = test.keypoints[[9, 12, 15]] + [2000.0, 2000.0, 0.0]
    duplicates = test.keypoints[[3, 4]] + np.random.default_rng(0).normal(0, 0.3, (2, 21, 3))
    poses = np.concatenate([test.keypoints, duplicates, mixed[None], background])
    image_of = np.concatenate([rows, [3, 4, 0, 9, 12, 15]])
    scores = np.concatenate([np.full(30, 0.9), [0.3, 0.8, 0.5, 0.7, 0.6, 0.2]])
    return test, make_predictions(test.skeleton, images[image_of], poses, scores)


def test_planted_false_positives_are_found_in_order_of_score(planted):
    test, predictions = planted
    false_positives = find_false_positives(test, predictions, match_people(test, predictions))
    assert false_positives.rows.tolist() == [31, 33, 34, 32, 30, 35]
    kinds = [FALSE_POSITIVE_KINDS[k] for k in false_positives.kinds]
    assert kinds == [
        "duplicate",
        "background",
        "background",
        "duplicate",
        "duplicate",
        "background",
    ]
    assert false_positives.nearest[[0, 4]].tolist() == [4, 3]
    assert (false_positives.oks[[1, 2, 5]] < 0.1).all()


def test_their_number_equals_that_of_the_diagnosis(planted):
    test, predictions = planted
    background = diagnose(test, predictions, protocol="owned").background
    assert (
        len(find_false_positives(test, predictions, match_people(test, predictions)))
        == background
        == 6
    )


def test_a_pose_of_parts_of_two_matched_people_is_a_swap(planted):
    """It has few joints of either, so that it fits neither."""
    test, predictions = planted
    poses = predictions.keypoints.copy()
    poses[32] += [2000.0, 2000.0, 0.0]
    poses[32, 9:11, :2] = test.keypoints[0, 9:11, :2]
    poses[32, 0, :2] = test.keypoints[1, 0, :2]
    poses[32, 7, :2] = test.keypoints[1, 7, :2]
    labelled = replace(test, keypoints=np.where([True, True, False], test.keypoints, 2.0))
    predictions = replace(predictions, keypoints=poses)
    false_positives = find_false_positives(
        labelled, predictions, match_people(labelled, predictions)
    )
    (kind,) = false_positives.kinds[false_positives.rows == 32]
    assert FALSE_POSITIVE_KINDS[kind] == "swap"


def test_predictions_that_fit_a_crowd_are_no_false_positives(planted):
    test, predictions = planted
    people = replace(test, iscrowd=np.arange(30) == 4)
    false_positives = find_false_positives(people, predictions, match_people(people, predictions))
    assert 4 not in false_positives.rows and 31 not in false_positives.rows


def test_an_ignored_person_takes_one_prediction_as_in_the_evaluation(planted):
    test, predictions = planted
    people = replace(test, num_keypoints=np.where(np.arange(30) == 4, 0, test.num_keypoints))
    false_positives = find_false_positives(people, predictions, match_people(people, predictions))
    assert 4 not in false_positives.rows
    assert len(false_positives) == diagnose(people, predictions, protocol="owned").background


def test_no_predictions_give_no_false_positives(project):
    nothing = make_predictions(project.test.skeleton, [], np.zeros((0, 21, 3)), np.zeros(0))
    assert (
        len(find_false_positives(project.test, nothing, match_people(project.test, nothing))) == 0
    )
