"""Groups of images are scored as if alone, joints and images are counted right."""

import json
from dataclasses import replace

import numpy as np
import pytest

from smallpose import evaluate, read_coco
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.analysis.breakdown import (
    count_per_image,
    label_crowding,
    label_sources,
    score_joints,
)
from smallpose.evaluation.analysis.joint_failures import judge_joints
from smallpose.evaluation.analysis.labelled_images import evaluate_image_groups, sort_labels
from smallpose.io.coco_annotations_slow import read_coco_slow

ALL = ("coco", "owned", "recall")


def test_a_group_of_images_scores_as_if_it_were_alone(crowded_dataset):
    for seed in range(12):
        dataset = crowded_dataset(seed, images=9, people=6)
        complete = evaluate(dataset.truth, dataset.predictions, protocols=ALL)
        labels = ["abc"[i % 3] for i in range(9)]
        for label, part in evaluate_image_groups(complete, labels).items():
            ids = complete.match_counts.image_ids[[one == label for one in labels]]
            rows = np.flatnonzero(np.isin(dataset.truth.images.ids, ids))
            is_in_group = np.isin(dataset.predictions.image_ids, ids)
            predictions = replace(
                dataset.predictions,
                image_ids=dataset.predictions.image_ids[is_in_group],
                keypoints=dataset.predictions.keypoints[is_in_group],
                scores=dataset.predictions.scores[is_in_group],
                boxes_xywh=dataset.predictions.boxes_xywh[is_in_group],
            )
            alone = evaluate(dataset.truth.take_images(rows), predictions, protocols=ALL)
            assert part.protocols == alone.protocols
            assert part.people == alone.people


def test_an_image_without_a_source_has_that_of_its_people():
    images = make_images([4, 2, 9], ["a", "b", "c"], source=[0, 3, 0])
    truth = make_instances(
        COCO17, images, [0, 1], np.ones((2, 4)), np.ones((2, 17, 3)), source=[1, 3]
    )
    assert label_sources(truth) == ["aic", "coco", ""]


def test_crowding_has_the_levels_of_crowdpose_or_others_on_request():
    boxes = [(0, 0, 10, 10), (0, 0, 10, 10), (50, 50, 9, 9)]
    keypoints = np.zeros((3, 17, 3))
    keypoints[:2, :10] = (5, 5, 1)
    keypoints[2, :10] = (55, 55, 1)
    images = make_images([1, 2, 3], ["a", "b", "c"])
    truth = make_instances(COCO17, images, [0, 0, 1], boxes, keypoints)
    assert label_crowding(truth) == ["hard", "easy", ""]
    assert label_crowding(truth, (0.2, 2.0)) == ["medium", "easy", ""]


def test_an_index_that_the_file_publishes_decides_its_image(tmp_path):
    images = [{"id": 3, "file_name": "c.jpg", "crowdIndex": 0.05}]
    images += [{"id": 1, "file_name": "a.jpg", "crowdIndex": 0.8}, {"id": 2, "file_name": "b.jpg"}]
    person = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 10, 10], "iscrowd": 0, "area": 50}
    person |= {"keypoints": [5, 5, 2] * 17, "num_keypoints": 17}
    people = [person | {"id": i, "image_id": image} for i, image in enumerate((1, 2, 2, 3, 3), 1)]
    path = tmp_path / "crowd.json"
    path.write_text(json.dumps({"images": images, "annotations": people}))
    for truth in (read_coco(path), read_coco_slow(path)):
        assert label_crowding(truth) == ["hard", "hard", "easy"]  # of the second by Eq. 1
        assert label_crowding(truth.take_images(np.array([0]))) == ["easy"]
        computed = replace(truth, images=replace(truth.images, published_crowd_index=()))
        assert label_crowding(computed) == ["easy", "hard", "hard"]


def test_a_misplaced_joint_lowers_only_its_own_score(column):
    truth, predictions = column()
    wrist = COCO17.joints.index("left_wrist")
    predictions.keypoints[:10, wrist, 0] += 500
    joints = {j.name: j for j in score_joints(truth, predictions)}
    assert joints["left_wrist"].pck == joints["left_wrist"].similarity == 0.75
    assert {j.pck for name, j in joints.items() if name != "left_wrist"} == {1.0}
    assert joints["nose"].labelled == 40


def test_joints_have_the_names_of_the_file(column):
    truth, predictions = column()
    spelled = ("snout", *COCO17.joints[1:])
    truth = replace(truth, skeleton=replace(COCO17, file_joints=spelled))
    assert tuple(j.name for j in score_joints(truth, predictions)) == spelled
    assert judge_joints(truth, predictions).joints == spelled


def test_hidden_and_seen_joints_can_be_scored_apart(column):
    truth, predictions = column()
    joints = {j.name: j for j in score_joints(truth, predictions, by_visibility=True)}
    assert (joints["nose, seen"].labelled, joints["nose, hidden"].labelled) == (40, 0)
    assert joints["nose, hidden"].pck is None
    assert joints["left_eye, hidden"].labelled == 40


def test_the_joints_of_a_missed_person_have_similarity_0(column):
    truth, predictions = column()
    half = make_predictions(
        COCO17, predictions.image_ids[:20], predictions.keypoints[:20], predictions.scores[:20]
    )
    assert {j.similarity for j in score_joints(truth, half)} == {0.5}


def test_per_image_counts_add_up(crowded_dataset):
    dataset = crowded_dataset(3, images=8, people=6)
    rows = count_per_image(
        evaluate(dataset.truth, dataset.predictions, protocols=("owned",), max_detections=None),
        dataset.truth,
    )
    assert sum(r["people"] for r in rows) == int((dataset.truth.is_counted).sum())
    assert sum(r["found"] for r in rows) == len(dataset.predictions)
    assert all(r["right"] <= r["people"] and r["right"] + r["wrong"] <= r["found"] for r in rows)


@pytest.mark.parametrize(
    "levels",
    [("easy", "medium", "hard"), ("small", "medium", "large"), ("sparse", "moderate", "dense")],
)
def test_levels_of_a_scale_are_sorted_by_meaning_and_other_labels_by_alphabet(levels):
    assert sort_labels([*reversed(levels), "", levels[0]]) == list(levels)
    assert sort_labels(["posetrack", "own14", "aic", "coco", ""]) == [
        "coco",
        "aic",
        "posetrack",
        "own14",
    ]
    assert sort_labels(["day 10", "day 9", "dawn"]) == ["dawn", "day 9", "day 10"]


def test_the_counts_of_images_follow_the_first_protocol():
    boxes = np.tile([0.0, 0, 60, 80], (25, 1))
    boxes[:, 0] = 100 * np.arange(25)
    keypoints = np.full((25, 17, 3), 2.0)
    keypoints[:, :, :2] = boxes[:, None, :2] + np.arange(34).reshape(17, 2)
    images = make_images([1], ["a"])
    truth = make_instances(COCO17, images, np.zeros(25, int), boxes, keypoints)
    predictions = make_predictions(COCO17, np.ones(25, int), keypoints, np.linspace(1, 0.5, 25))
    right = {}
    for protocols in (("coco", "owned"), ("owned", "coco"), ("recall",)):
        result = evaluate(truth, predictions, protocols=protocols)
        (row,) = count_per_image(result, truth)
        right[protocols[0]] = row["right"]
    assert right == {"coco": 20, "owned": 25, "recall": 25}
