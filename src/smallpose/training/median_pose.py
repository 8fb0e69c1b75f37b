"""The floor of a table of methods: the median pose of the training set, in the true boxes.

It looks at no image. What a method scores above it is what the method has seen.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions, make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.top_down.batches import select_trainable
from smallpose.inference.boxes import select_true_boxes
from smallpose.io.coco_results import write_results
from smallpose.system.files import write_atomically
from smallpose.training.run_folder import RESULT
from smallpose.training.run_result import PROTOCOLS
from smallpose.training.settings import Setting, read_setting_data
from smallpose.training.validation import score_predictions

Floats = NDArray[np.float64]

NAME = "median pose"  # in the place of a method
CARD = {
    "title": "Median pose",
    "paradigm": "no network",
    "parts": "the training set's median place of each joint in the box, pasted into the true boxes",
}


def compute_median_pose(people: Instances) -> Floats:
    """Compute the median place of each joint within the box.

    Returns: (k, 2) in shares of the box's width and height; its middle for a joint that has no
        label.
    Raises: ValueError without a person who has a box and keypoints.
    """
    rows = select_trainable(people)
    if not len(rows):
        raise ValueError("no person has a box and keypoints")
    corner, size = people.boxes_xywh[rows, None, :2], people.boxes_xywh[rows, None, 2:]
    places = (people.keypoints[rows, :, :2] - corner) / size
    is_labelled = people.keypoints[rows, :, 2] > 0
    pose = np.full((len(people.skeleton), 2), 0.5)
    for joint in np.flatnonzero(is_labelled.any(axis=0)).tolist():
        pose[joint] = np.median(places[is_labelled[:, joint], joint], axis=0)
    return pose


def predict_median_pose(train: Instances, test: Instances) -> Predictions:
    """Paste the median pose of `train`, in its joints, into the true box of each person of `test`.

    All have the score 1.
    """
    pose = compute_median_pose(train)
    boxes = select_true_boxes(test)
    places = boxes.boxes_xywh[:, None, :2] + pose * boxes.boxes_xywh[:, None, 2:]
    keypoints = np.concatenate([places, np.ones((*places.shape[:2], 1))], axis=2)
    ids = test.images.ids[boxes.image_rows]
    return make_predictions(train.skeleton, ids, keypoints, np.ones(len(ids)), boxes.boxes_xywh)


def score_median_pose(train: Instances, test: Instances, **options: Any) -> dict[str, Any]:
    """Evaluate the training set's median pose in the true boxes of the test set.

    Args:
        options: as for `score_predictions`.
    """
    return score_predictions(test, predict_median_pose(train, test), **options)


def write_median_pose_run(
    data: Path, setting: Setting, folder: Path, sigmas: Path | None = None
) -> dict[str, Any]:
    """Write the floor as the folder of a run without a training, for `report`.

    Args:
        data: the built set.
        setting: "A" or "B", whose training and test people and joints it has.
        folder: of the run; written again where it is there.
        sigmas: file of OKS sigmas, for joints that are none of the 21.

    Returns: the contents of `result.json`.
    """
    people = read_setting_data(data, setting, sigmas=sigmas)
    predictions = predict_median_pose(people.train, people.test)
    write_results(predictions, folder / "found.json", people.test.category_id, people.test.images)
    result = {
        "method": NAME,
        "setting": setting,
        "recipe": "",
        "epochs": 0,
        "data": str(data.resolve()),
        "card": CARD,
        "evaluation": score_predictions(people.test, predictions, protocols=PROTOCOLS),
    }
    if setting != "A" and set(COCO17.joints) <= set(predictions.skeleton.joints):
        result["B17"] = score_predictions(
            people.test, predictions, protocols=PROTOCOLS, keypoints="coco17"
        )
    text = json.dumps(result, indent=1)
    write_atomically(folder / RESULT, text + "\n")
    return dict(json.loads(text))
