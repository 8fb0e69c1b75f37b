"""CrowdPose's rules: 14 joints with its sigmas, .53 of the box as area, AP by CrowdIndex.

They are those of xtcocotools' `keypoints_crowd` without areas, by which results on CrowdPose are
published: images are easy below a CrowdIndex of .2 and hard from .8 on.
"""

from typing import Any

import numpy as np

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import CROWDPOSE14
from smallpose.evaluation.analysis.labelled_images import CROWDING_LEVELS, evaluate_images
from smallpose.evaluation.cocoeval import CROWD_LIMITS
from smallpose.evaluation.console_table import format_number, format_table
from smallpose.evaluation.evaluate import Evaluation

# Of left shoulder, right shoulder, elbows, wrists, hips, knees, ankles, head and neck.
_PAIRS_IN_TENTHS = (0.79, 0.72, 0.62, 1.07, 0.87, 0.89, 0.79)
CROWDPOSE_SIGMAS = tuple(tenths / 10 for tenths in _PAIRS_IN_TENTHS for _ in range(2))
_OTHER_ORDERS = ("aic14", "hieve14")


def get_crowdpose_options(truth: Instances, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of `evaluate` under CrowdPose's rules.

    Raises: InputError where the file is not CrowdPose's, or options contradict the rules.
    """
    if len(truth.skeleton) != len(CROWDPOSE14) or truth.skeleton.name in _OTHER_ORDERS:
        raise InputError(
            "--rules crowdpose",
            f"the ground truth has {truth.skeleton.name}, not CrowdPose's 14 joints",
            "leave it out, or give CrowdPose's annotation file",
        )
    if "coco" not in options["protocols"]:
        raise InputError(
            "--rules crowdpose", "they are rules of the protocol coco", "add it to --protocol"
        )
    if options["oks_area"] == "box":
        raise InputError(
            "--rules crowdpose", "they take .53 of the box as area", "leave out --oks-area box"
        )
    index = np.array(truth.images.published_crowd_index or [np.nan] * len(truth.images))
    if np.isnan(index).any():
        image = truth.images.file_ids[int(np.argmax(np.isnan(index)))]
        raise InputError(
            f"--rules crowdpose, image {image}",
            "has no crowdIndex",
            "leave it out and use --breakdown crowding, which computes the index",
        )
    sigmas = options["sigmas"]
    return options | {
        "oks_area": "0.53box",
        "sigmas": CROWDPOSE_SIGMAS if sigmas is None else sigmas,
    }


def take_scored_poses(predictions: Predictions) -> Predictions:
    """Return the poses with a joint that has a score above 0; others do not count there."""
    is_scored = np.asarray((predictions.keypoints[:, :, 2] > 0).any(axis=1))
    return predictions if is_scored.all() else predictions.take(is_scored)


def build_crowding_section(truth: Instances, result: Evaluation) -> tuple[dict[str, Any], str]:
    """Return AP and the number of images and people by CrowdIndex, for JSON and for the terminal.

    Args:
        result: under `get_crowdpose_options`.
    """
    order = np.argsort(truth.images.ids, kind="stable")
    index = np.array(truth.images.published_crowd_index)[order]
    level = np.searchsorted(CROWD_LIMITS, index, side="right")
    content = {}
    rows = []
    for number, name in enumerate(CROWDING_LEVELS):
        one = evaluate_images(result, level == number)
        people = one.people["all"]
        num_images = int(np.count_nonzero(level == number))
        content[name] = {"AP": one["coco"]["AP"], "images": num_images, "people": people}
        rows.append([name, f"{num_images:,}", f"{people:,}", format_number(one["coco"]["AP"])])
    low, high = CROWD_LIMITS
    caption = f"CrowdPose's rules: AP by CrowdIndex, easy below {low:g}, hard from {high:g} on"
    table = format_table(["crowding", "images", "people", "AP"], rows, left=1)
    return content, "\n".join([caption, *table])
