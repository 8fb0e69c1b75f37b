"""People are matched with predictions, one with one."""

from dataclasses import replace

import numpy as np
import pytest

from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.evaluate import evaluate
from smallpose.io.coco_results import read_results
from smallpose.report.inputs.person_matching import compute_detection_by_height, match_people


def copy_poses(people, rows):
    """Make predictions equal to the labels of these people."""
    return make_predictions(
        people.skeleton,
        people.images.ids[people.image_rows[rows]],
        people.keypoints[rows],
        np.ones(len(rows)),
    )


@pytest.mark.parametrize(("protocol", "limit"), [("coco", 20), ("owned", None), ("recall", None)])
def test_as_many_people_are_matched_as_the_evaluation_counts(crowded, protocol, limit):
    truth, predictions = crowded
    counts = evaluate(truth, predictions, protocols=("coco", "owned", "recall")).match_counts
    if protocol == "recall":
        expected = counts.num_matched[:, 0, 0].sum()
    else:
        best = counts.select_best(limit)
        expected = np.count_nonzero(counts.true_positives[0, best] & 1)
    matches = match_people(truth, predictions, limit)
    assert matches.is_matched.sum() == expected
    assert 0 < expected < matches.is_scored.sum() == counts.num_people[:, 0].sum()


def test_matched_people_have_an_oks_of_at_least_one_half_and_others_less(crowded):
    matches = match_people(*crowded)
    assert (matches.oks[matches.is_matched] >= 0.5).all()
    assert (np.nan_to_num(matches.oks[~matches.is_matched]) < 0.5).all()


def test_a_prediction_belongs_to_one_person_or_to_none(crowded):
    matches = match_people(*crowded)
    rows = matches.rows[matches.rows >= 0]
    assert len(set(rows.tolist())) == len(rows)
    near = matches.rows[np.nan_to_num(matches.oks) >= 0.1]
    assert not set(near.tolist()) & set(matches.unmatched.tolist())


def test_perfect_poses_are_matched_with_their_own_person(project):
    rows = np.random.default_rng(0).permutation(30)
    matches = match_people(project.test, copy_poses(project.test, rows))
    assert rows[matches.rows].tolist() == list(range(30))
    assert matches.oks == pytest.approx(np.ones(30))


def test_a_pose_is_matched_with_one_person_only(project):
    matches = match_people(project.test, copy_poses(project.test, np.array([0])))
    assert matches.rows[0] == 0
    assert (matches.rows[1:] == -1).all()
    assert (matches.oks[1:] == 0).all()


def test_poses_of_17_joints_are_scored_on_these(project):
    people = project.test.to_skeleton(COCO17)
    matches = match_people(project.test, copy_poses(people, np.arange(30)))
    assert matches.oks == pytest.approx(np.ones(30))


def test_ignored_people_are_not_scored(project):
    is_crowd = np.zeros(30, dtype=bool)
    is_crowd[3] = True
    people = replace(project.test, iscrowd=is_crowd)
    assert np.isnan(match_people(people, copy_poses(people, np.arange(30))).oks[3])


def test_an_empty_result_matches_no_person(project):
    matches = match_people(project.test, copy_poses(project.test, np.array([], dtype=np.intp)))
    assert (matches.oks == 0).all()


def test_the_curve_covers_all_people_in_order_of_height(project):
    predictions = read_results(project.runs["B"] / "found.json", project.test)
    curve = compute_detection_by_height(
        project.test, match_people(project.test, predictions), num_bins=5
    )
    assert curve.people.sum() == 30
    assert (np.diff(curve.x) > 0).all() or len(curve.x) == 1
    assert ((curve.share >= 0) & (curve.share <= 1)).all()
