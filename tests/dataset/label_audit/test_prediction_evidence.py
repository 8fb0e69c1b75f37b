"""Predictions add evidence, show who has no label, and are not believed blindly."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic_people import J, make_people

from smallpose.core.boxes import box_around_keypoints
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import SMALLPOSE
from smallpose.dataset.label_audit.audit_file import audit_file
from smallpose.dataset.label_audit.hypotheses import HYPOTHESES
from smallpose.dataset.label_audit.prediction_evidence import MAX_GAIN, weigh_predictions


@pytest.fixture(scope="module")
def people():
    return make_people(300, 21)


def predict(people, rows, noise=0.01, seed=0):
    """Return predictions near labels; unlabelled joints are at the centre of the box."""
    rng = np.random.default_rng(seed)
    keypoints = people.keypoints[rows].copy()
    size = np.sqrt(people.area[rows])[:, None, None]
    keypoints[:, :, :2] += rng.normal(0, noise, keypoints[:, :, :2].shape) * size
    boxes = people.boxes_xywh[rows]
    centre = (boxes[:, :2] + boxes[:, 2:] / 2)[:, None]
    keypoints[:, :, :2] = np.where(people.keypoints[rows, :, 2:] > 0, keypoints[:, :, :2], centre)
    keypoints[:, :, 2] = np.where(people.keypoints[rows, :, 2] > 0, 0.9, 0.1)
    images = people.images.ids[people.image_rows[rows]]
    return make_predictions(people.skeleton, images, keypoints, rng.uniform(0.6, 1, len(rows)))


def test_agreement_speaks_against_every_error(people):
    evidence = weigh_predictions(people, predict(people, np.arange(300)))
    assert (evidence.row_of == np.arange(300)).all()
    moved = [n for n, (kind, _) in enumerate(HYPOTHESES) if kind == "moved"]
    assert (evidence.gains[:, moved] <= 0).mean() > 0.97
    assert (evidence.gains[:, HYPOTHESES.index(("sides", ()))] <= 0).mean() > 0.97


def test_disagreement_adds_to_the_error_that_explains_it(people):
    predictions = predict(people, np.arange(300))
    keypoints = people.keypoints.copy()
    wrist = J["left_wrist"]
    rows = np.flatnonzero(keypoints[:, wrist, 2] > 0)[:80]
    keypoints[rows, wrist, 0] += 0.45 * np.sqrt(people.area[rows])
    planted = replace(people, keypoints=keypoints)
    alone = audit_file(Path("a.json"), planted, None)
    both = audit_file(Path("a.json"), planted, predictions)
    gained = both.evidence.gains[rows, HYPOTHESES.index(("moved", ("left_wrist",)))]
    assert (gained > 1.5).mean() > 0.9 and gained.max() <= MAX_GAIN

    def count(audit):
        return sum(s.row in rows for s in audit.suspects)

    assert count(both) > 1.1 * count(alone)
    sound = [sum(s.row not in rows for s in audit.suspects) for audit in (alone, both)]
    assert sound[1] <= sound[0]


def test_a_model_that_exchanges_sides_does_not_make_all_labels_suspect(people):
    predictions = predict(people, np.arange(300))
    flipped = replace(predictions, keypoints=predictions.keypoints[:, people.skeleton.flip_indices])
    evidence = weigh_predictions(people, flipped)
    assert np.abs(evidence.gains).max() <= MAX_GAIN


def test_people_without_a_label_are_found_unless_a_crowd_or_a_box_covers_them(people):
    predictions = predict(people, np.arange(300))
    rows = np.arange(0, 300, 10)
    labelled = np.setdiff1d(np.arange(300), rows)
    keypoints, num = people.keypoints.copy(), people.num_keypoints.copy()
    # Of those without a label, every third has a box without joints, and every third a crowd.
    boxed, crowd = rows[1::3], rows[2::3]
    num[[*boxed, *crowd]] = 0
    keypoints[[*boxed, *crowd]] = 0
    iscrowd = people.iscrowd.copy()
    iscrowd[crowd] = True
    table = replace(people, keypoints=keypoints, num_keypoints=num, iscrowd=iscrowd)
    table = table.take(np.sort([*labelled, *boxed, *crowd]))
    confident = np.where(np.isin(np.arange(300), rows), 1.0, predictions.scores)
    audit = audit_file(Path("a.json"), table, replace(predictions, scores=confident))
    missing = set(audit.evidence.missing.tolist())
    assert missing <= set(rows[::3]) and len(missing) >= 9
    person = audit.list_people()[-1]
    assert person.id is None and person.reason == "a person without a label"
    around = box_around_keypoints(person.keypoints[None])[0]
    assert person.box_xywh == pytest.approx(tuple(around), abs=0.02)


def test_predictions_of_fewer_joints_are_matched_by_name(people):
    predictions = predict(people, np.arange(300))
    names = ["left_wrist", "right_wrist", "left_hip", "right_hip", "nose", "left_elbow"]
    columns = SMALLPOSE.joint_indices(names)
    some = replace(
        predictions, skeleton=SMALLPOSE.take(columns), keypoints=predictions.keypoints[:, columns]
    )
    evidence = weigh_predictions(people, some)
    assert (evidence.row_of >= 0).mean() > 0.9
    knee = HYPOTHESES.index(("moved", ("left_knee",)))
    assert not evidence.gains[:, knee].any()


def test_joints_that_a_model_did_not_find_are_no_corner_of_a_box(people):
    """OpenPose writes 0, 0 with the score 0 for them."""
    predictions = predict(people, np.arange(300))
    keypoints = predictions.keypoints.copy()
    keypoints[:, [J["left_ankle"], J["right_ankle"], J["left_wrist"]]] = 0
    table = people.take(np.arange(150))
    missing = audit_file(
        Path("a.json"), table, replace(predictions, keypoints=keypoints)
    ).list_people()
    missing = [person for person in missing if person.id is None]
    assert len(missing) > 40
    assert all(person.box_xywh[0] > 20 and person.keypoints[:, 2].min() == 0 for person in missing)
