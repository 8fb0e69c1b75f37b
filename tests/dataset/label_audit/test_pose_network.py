"""The network judges poses, not positions, and leaves to geometry what it does not know."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic_people import J, make_people

from smallpose.core.instances import make_instances
from smallpose.core.skeleton import SMALLPOSE, Skeleton
from smallpose.dataset.label_audit.hypotheses import HYPOTHESES
from smallpose.dataset.label_audit.pose_network import score_people, score_poses
from smallpose.dataset.label_audit.ranking import rank_suspect_labels, score_all_checks
from smallpose.dataset.label_audit.repairs import REPAIRS


@pytest.fixture(scope="module")
def people():
    return make_people(600, 11)


def test_scores_depend_on_neither_place_nor_size_nor_what_is_not_labelled(people):
    expected = score_people(people).gains
    keypoints = people.keypoints.copy()
    is_labelled = keypoints[:, :, 2:] > 0
    moved = keypoints[:, :, :2] * 4 + [1000, -300]
    keypoints[:, :, :2] = np.where(is_labelled, moved, 77.7)
    boxes = people.boxes_xywh * 4 + [1000, -300, 0, 0]
    assert score_poses(keypoints, boxes).gains == pytest.approx(expected, abs=2e-3)


def test_people_with_few_joints_are_not_judged(people):
    keypoints = people.keypoints[:50].copy()
    keypoints[:, 4:] = 0
    errors = score_poses(keypoints, people.boxes_xywh[:50])
    assert not errors.is_judged.any() and not errors.gains.any()
    assert errors.log_odds == pytest.approx(np.log(len(HYPOTHESES) - 1))
    table = replace(people.take(np.arange(50)), keypoints=keypoints)
    assert score_all_checks(table).num_judged == 0


def test_exchanged_joints_are_named_and_exchanging_them_back_removes_the_suspicion(people):
    pair = [J["left_elbow"], J["left_wrist"]]
    rows = np.flatnonzero((people.keypoints[:, pair, 2] > 0).all(axis=1))
    limbs = np.linalg.norm(
        people.keypoints[:, J["left_shoulder"], :2] - people.keypoints[:, pair[1], :2], axis=1
    )
    straight = rows[np.argsort(-limbs[rows] / people.boxes_xywh[rows, 3])[:60]]
    keypoints = people.keypoints.copy()
    keypoints[np.ix_(straight, pair)] = keypoints[np.ix_(straight, pair[::-1])]
    suspects = rank_suspect_labels(replace(people, keypoints=keypoints))
    named = {s.row: s for s in suspects if s.row in straight}
    assert len(named) > 40
    right = [s.joints == ("left_elbow", "left_wrist") for s in named.values()]
    assert np.mean(right) > 0.8
    repair = REPAIRS[HYPOTHESES.index(("neighbours", ("left_elbow", "left_wrist")))][0]
    assert (repair.apply(keypoints[straight]) == people.keypoints[straight]).all()


def test_every_repair_of_an_exchange_undoes_itself():
    poses = np.random.default_rng(0).random((3, 21, 3)) + 1
    for (kind, _), repairs in zip(HYPOTHESES, REPAIRS, strict=True):
        for repair in repairs if kind not in ("moved", "two_people") else ():
            changed = repair.apply(poses)
            assert (changed != poses).any() and (repair.apply(changed) == poses).all()


def test_files_of_other_bodies_are_left_to_geometry_and_a_note_says_so(people):
    """The joints of animals may have the names of people's joints."""
    keypoints = people.keypoints.copy()
    rng = np.random.default_rng(1)
    keypoints[:, :, :2] += (
        rng.normal(0, 0.5, keypoints[:, :, :2].shape) * (people.boxes_xywh[:, None, 2:])
    )
    scores = score_all_checks(replace(people, keypoints=keypoints))
    assert scores.num_judged == 0 and "unlike those of the people" in scores.notes[0]
    assert not scores.scores["moved"].any()


def test_files_without_known_joints_are_checked_by_box_and_extent(people):
    names = tuple(f"point {n}" for n in range(21))
    skeleton = Skeleton("things", names, ())
    things = make_instances(
        skeleton, people.images, people.image_rows, people.boxes_xywh, people.keypoints
    )
    things.keypoints[5, :, :2] = things.keypoints[5, 0, :2]
    scores = score_all_checks(things)
    assert scores.num_judged == 0
    assert [s.reason for s in rank_suspect_labels(things) if s.row == 5] == ["collapsed"]


def test_names_are_spelled_as_in_the_file(people):
    spelled = tuple(
        name.replace("left_", "L ").replace("right_", "R ") for name in SMALLPOSE.joints
    )
    skeleton = replace(SMALLPOSE, file_joints=spelled)
    keypoints = people.keypoints.copy()
    left = [J["left_knee"], J["left_ankle"]]
    right = [J["right_knee"], J["right_ankle"]]
    keypoints[:50, left], keypoints[:50, right] = keypoints[:50, right], keypoints[:50, left]
    table = replace(people, skeleton=skeleton, keypoints=keypoints)
    named = {joint for s in rank_suspect_labels(table) for joint in s.joints}
    assert "L knee" in named and named <= set(spelled)
