"""Planted label errors come first, sound labels of odd poses do not."""

from collections.abc import Callable

import numpy as np
import pytest
from synthetic_people import J, make_people

from smallpose.core.boxes import box_around_keypoints, scale_boxes
from smallpose.core.instances import Instances, make_instances
from smallpose.core.skeleton import COCO17, SMALLPOSE, map_joints
from smallpose.dataset.label_audit.label_checks import score_labels
from smallpose.dataset.label_audit.ranking import (
    DENSE,
    REASONS,
    describe_suspects,
    rank_suspect_labels,
)


def collapse_keypoints(keypoints: np.ndarray, box: np.ndarray, rng: np.random.Generator) -> None:
    keypoints[:, :2] = box[:2] + box[2:] * rng.uniform(0.3, 0.7, 2)


def move_joint_outside(keypoints: np.ndarray, box: np.ndarray, rng: np.random.Generator) -> None:
    joint = rng.choice(np.flatnonzero(keypoints[:, 2] > 0))
    offset = rng.choice([-1, 1], 2) * (0.5 + rng.uniform(0.35, 0.8))
    keypoints[joint, :2] = box[:2] + box[2:] * (0.5 + offset)


def swap_sides(keypoints: np.ndarray, box: np.ndarray, rng: np.random.Generator) -> None:
    pairs = ("elbow", "wrist") if rng.random() < 0.5 else ("knee", "ankle")
    for part in pairs:
        columns = [J[f"left_{part}"], J[f"right_{part}"]]
        keypoints[columns] = keypoints[columns[::-1]]


def lengthen_limb(keypoints: np.ndarray, box: np.ndarray, rng: np.random.Generator) -> None:
    """Move a wrist or an ankle as far from its limb as the box allows."""
    end = J[str(rng.choice(["left_wrist", "right_wrist", "left_ankle", "right_ankle"]))]
    corners = box[:2] + box[2:] * np.array([(0, 0), (0, 1), (1, 0), (1, 1)])
    distance = np.linalg.norm(corners - keypoints[end - 2, :2], axis=1)
    keypoints[end] = (*corners[distance.argmax()], 2)


def enlarge_box(keypoints: np.ndarray, box: np.ndarray, rng: np.random.Generator) -> None:
    box[:2] -= box[2:] * rng.uniform(0.5, 1.5, 2)
    box[2:] *= rng.uniform(3, 4, 2)


ERRORS: dict[str, Callable[[np.ndarray, np.ndarray, np.random.Generator], None]] = {
    "collapsed": collapse_keypoints,
    "outside": move_joint_outside,
    "mirrored": swap_sides,
    "limbs": lengthen_limb,
    "box": enlarge_box,
}


def plant_errors(n: int, num_each: int, seed: int = 0) -> tuple[Instances, dict[int, str]]:
    """Make people of whom `num_each` have each error; return them, and row to error."""
    people = make_people(n, seed)
    rng = np.random.default_rng(seed + 1)
    rows = rng.choice(n, num_each * len(ERRORS), replace=False)
    wrong = {int(r): list(ERRORS)[i % len(ERRORS)] for i, r in enumerate(rows)}
    for row, kind in wrong.items():
        ERRORS[kind](people.keypoints[row], people.boxes_xywh[row], rng)
    return people, wrong


@pytest.mark.parametrize("seed", range(3))
def test_nine_of_ten_of_the_first_hundred_are_planted_errors(seed):
    people, wrong = plant_errors(4000, 60, seed)
    first = rank_suspect_labels(people)[:100]
    assert len(first) == 100
    assert np.mean([s.row in wrong for s in first]) >= 0.9


@pytest.mark.parametrize(
    ("kind", "min_recall"), [("collapsed", 0.99), ("outside", 0.95), ("box", 0.9)]
)
def test_gross_errors_are_almost_always_found_with_their_reason(kind, min_recall):
    people, wrong = plant_errors(4000, 60)
    named = {s.row for s in rank_suspect_labels(people) if kind in s.scores}
    assert np.mean([row in named for row, k in wrong.items() if k == kind]) >= min_recall


def test_correct_labels_are_hardly_ever_suspect():
    assert len(rank_suspect_labels(make_people(4000, 7))) < 0.01 * 4000


def test_a_box_around_the_visible_joints_is_no_error():
    """In AI Challenger, boxes end at a table and hidden legs are guessed."""
    people = make_people(2000, 5)
    legs = [J[f"{side}_{part}"] for side in ("left", "right") for part in ("knee", "ankle")]
    at_table = np.zeros((2000, 21), dtype=bool)
    at_table[::2, legs] = people.keypoints[::2, legs, 2] > 0
    visible = np.where(at_table[:, :, None], 0.0, people.keypoints)
    people.boxes_xywh[:] = scale_boxes(box_around_keypoints(visible), 1.15)
    num_suspect = len(rank_suspect_labels(people))
    people.keypoints[at_table, 2] = 1
    assert len(rank_suspect_labels(people)) < 0.01 * 2000
    assert num_suspect > 0.2 * 2000  # the same legs, labelled visible, are far outside


def test_swapped_sides_of_an_entire_person_are_detected_by_the_face():
    people = make_people(1500, 3)
    from_front = np.flatnonzero(
        (people.keypoints[:, [J["nose"], J["left_eye"], J["right_eye"]], 2] == 2).all(axis=1)
        & (np.abs(np.ptp(people.keypoints[:, [J["left_eye"], J["right_eye"]], 0], axis=1)) > 4)
    )[:60]
    assert len(from_front) == 60
    assert (score_labels(people)["mirrored"][from_front] < 1).mean() > 0.95
    people.keypoints[from_front] = people.keypoints[from_front][:, SMALLPOSE.flip_indices]
    assert (score_labels(people)["mirrored"][from_front] > 1).mean() > 0.8


def test_dense_small_people_are_ranked_first():
    people, _ = plant_errors(4000, 60)
    dense = [people.density_class[s.row] == DENSE for s in rank_suspect_labels(people)]
    assert any(dense) and not all(dense)
    assert dense == sorted(dense, reverse=True)


def test_within_a_density_class_labels_are_ranked_by_score():
    people, _ = plant_errors(4000, 60)
    scores = [s.score for s in rank_suspect_labels(people) if people.density_class[s.row] != DENSE]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) > 1


def test_crowd_regions_and_unlabelled_people_are_never_suspect():
    people, _ = plant_errors(500, 20)
    people.iscrowd[:] = True
    assert rank_suspect_labels(people) == []


def test_checks_work_for_any_skeleton_and_for_an_empty_table():
    people, wrong = plant_errors(1000, 30)
    keypoints = map_joints(people.keypoints, SMALLPOSE, COCO17)
    coco = make_instances(
        COCO17, people.images, people.image_rows, people.boxes_xywh, keypoints, source=1
    )
    assert np.mean([s.row in wrong for s in rank_suspect_labels(coco)[:50]]) > 0.9
    assert rank_suspect_labels(people.take(np.zeros(0, dtype=np.intp))) == []


def test_records_of_suspects_have_person_image_and_reason():
    people, _ = plant_errors(1000, 30)
    suspects = rank_suspect_labels(people)
    row = describe_suspects(people, suspects)[0]
    assert row["id"] == people.ids[suspects[0].row]
    assert row["file_name"] == f"{suspects[0].row}.jpg"
    assert row["reason"] in REASONS and row["score"] == max(row["scores"].values())
    assert row["density"] == "dense"


def test_few_real_people_of_crowdpose_are_suspect(real):
    from smallpose.io.coco_annotations import read_coco

    people = read_coco(real / "other" / "crowdpose" / "crowdpose_val.json.gz")
    shares = {k: float((v[people.is_counted] > 1).mean()) for k, v in score_labels(people).items()}
    assert shares["mirrored"] < 0.01 and shares["limbs"] < 0.01 and shares["collapsed"] < 0.01
