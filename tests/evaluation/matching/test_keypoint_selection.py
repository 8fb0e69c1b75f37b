"""Which joints are scored: those of the truth that the results have, as pycocotools on these."""

import copy
from dataclasses import replace

import numpy as np
import pytest

from smallpose import evaluate
from smallpose.core.errors import InputError
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17, SMALLPOSE, Skeleton, map_joints

SHARED = ("right_knee", "nose", "head_top", "left_hip", "left_wrist")


def keep_joints(values, indices):
    return np.reshape(values, (-1, 3))[indices].ravel().tolist()


@pytest.mark.parametrize("seed", range(3))
def test_results_of_some_joints_score_as_in_pycocotools_on_files_of_these(
    seed, crowded_dataset, pycocotools
):
    dataset = crowded_dataset(seed, joints=21)
    shared = Skeleton("own", (*SHARED, "tail"))
    poses = map_joints(dataset.predictions.keypoints, SMALLPOSE, shared)
    result = evaluate(dataset.truth, replace(dataset.predictions, skeleton=shared, keypoints=poses))
    assert result.settings["keypoints"] == "5 joints of smallpose21"
    assert any(note.startswith("scored on the 5 joints that") for note in result.notes)

    indices = sorted(SMALLPOSE.joint_indices(SHARED).tolist())
    coco, results = copy.deepcopy(dataset.coco), copy.deepcopy(dataset.results)
    for person in coco["annotations"]:
        person["keypoints"] = keep_joints(person["keypoints"], indices)
        labelled = sum(v > 0 for v in person["keypoints"][2::3])
        person["num_keypoints"] = min(person["num_keypoints"], labelled)
    for one in results:
        one["keypoints"] = keep_joints(one["keypoints"], indices)
    sigmas = [result.settings["sigmas"][i] for i in range(5)]
    reduced = replace(dataset, coco=coco, results=results)
    expected = pycocotools(reduced, sigmas=sigmas)["all"]["precision"]
    known = expected[expected > -1]
    assert result["coco"]["AP"] == pytest.approx(known.mean(), abs=1e-12)


def test_joints_that_were_asked_for_must_be_there(crowded_dataset):
    truth = crowded_dataset(0, joints=21).truth
    predictions = make_predictions(COCO17, [truth.images.ids[0]], np.zeros((1, 17, 3)), [1])
    with pytest.raises(InputError, match=r"they have no head_top.*leave out keypoints"):
        evaluate(truth, predictions, keypoints="all")


def test_results_without_any_joint_of_the_truth_are_refused(crowded_dataset):
    truth = crowded_dataset(0).truth
    other = Skeleton("other", ("tail", "fin"))
    predictions = make_predictions(other, [truth.images.ids[0]], np.zeros((1, 2, 3)), [1])
    with pytest.raises(InputError, match="none of the joints of the truth's coco17"):
        evaluate(truth, predictions)


def test_cocos_joints_in_any_order_are_scored_in_cocos_order(crowded_dataset):
    dataset = crowded_dataset(1, joints=21)
    scores = []
    for skeleton in (COCO17, Skeleton("reversed", COCO17.joints[::-1])):
        poses = map_joints(dataset.predictions.keypoints, SMALLPOSE, skeleton)
        predictions = replace(dataset.predictions, skeleton=skeleton, keypoints=poses)
        result = evaluate(dataset.truth, predictions)
        assert result.settings["keypoints"] == "coco17"
        scores.append(result["coco"]["AP"])
    assert scores[0] == scores[1]
