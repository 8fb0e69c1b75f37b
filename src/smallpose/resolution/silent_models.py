"""Name models that detect nobody, which is more often a fault of the call than of the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smallpose.core.counts import format_count
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions


@dataclass(frozen=True)
class DetectionCount:
    """How much a model detected in the images of one height and sensor.

    Args:
        px: height of the people.
        sensor: of the images.
        num_detections: in all images.
        num_in_boxes: of them, whose joints are centred in the box of a labelled person.
        best_oks: of a chosen person with a detection of theirs; 0 without any.
        num_images: images, with one chosen person each.
        share_found: of the chosen people, 0 to 1.
        log: file of what a program printed, below the folder of the study; "" for methods.
    """

    px: int
    sensor: str
    num_detections: int
    num_in_boxes: int
    best_oks: float
    num_images: int
    share_found: float
    log: str = ""


_MIN_SHARE_IN_BOXES = 0.5  # of detections, from which on their images and places are right
_OUT = "OUT"  # in notes, which are the same wherever the results are written


def name_output_folder(note: str, out: Path) -> str:
    """Return a note with the folder of the results in the place of `OUT`."""
    return note.replace(f"what it printed: {_OUT}/", f"what it printed: {out}/")


def count_in_boxes(truth: Instances, predictions: Predictions) -> int:
    """Count the detections whose joints are centred in the box of a person of their image."""
    centres = np.median(predictions.keypoints[:, :, :2], axis=1)
    low = truth.boxes_xywh[:, :2]
    high = low + truth.boxes_xywh[:, 2:]
    people_of_image: dict[int, list[int]] = {}
    image_ids = truth.images.ids[truth.image_rows]
    for row, image_id in enumerate(image_ids.tolist()):
        people_of_image.setdefault(image_id, []).append(row)
    num_inside = 0
    for centre, image_id in zip(centres, predictions.image_ids.tolist(), strict=True):
        people = people_of_image.get(image_id, [])
        is_inside = (low[people] <= centre) & (centre <= high[people])
        num_inside += bool(is_inside.all(axis=1).any())
    return num_inside


def describe_silent_models(counts: Mapping[str, Sequence[DetectionCount]]) -> list[str]:
    """Return a sentence for each model that detects nobody where people are tallest.

    Args:
        counts: of each model at all heights and sensors.
    """
    notes = []
    for name, all_counts in counts.items():
        tallest = max(count.px for count in all_counts)
        at_tallest = [count for count in all_counts if count.px == tallest]
        num_images = sum(count.num_images for count in at_tallest)
        log = f"; what it printed: {_OUT}/{at_tallest[-1].log}" if at_tallest[-1].log else ""
        if not any(count.num_detections for count in at_tallest):
            is_empty = not any(count.num_detections for count in all_counts)
            where = "at any height" if is_empty else f"at {tallest} px, the largest height"
            notes.append(
                f"{name} wrote no detection {where} (in {format_count(num_images, 'image')} with "
                f"people of {tallest} px), so its curve says nothing about small people{log}"
            )
        elif not any(count.share_found for count in at_tallest):
            notes.append(f"{_describe_far_detections(name, at_tallest)}{log}")
    return notes


def _describe_far_detections(name: str, at_tallest: Sequence[DetectionCount]) -> str:
    """Say what is wrong with detections none of which is of a chosen person.

    Args:
        at_tallest: of one model with each sensor.
    """
    num_detections = sum(count.num_detections for count in at_tallest)
    num_in_boxes = sum(count.num_in_boxes for count in at_tallest)
    best_oks = max(count.best_oks for count in at_tallest)
    of_sensors = ""
    if len(at_tallest) > 1:
        parts = [f"{count.num_detections:,} {count.sensor}" for count in at_tallest]
        of_sensors = f" ({' and '.join(parts)})"
    cause = (
        "keypoints are to be in px of the image that the model is given, with the image_id of the "
        "list of boxes"
    )
    if num_in_boxes >= _MIN_SHARE_IN_BOXES * num_detections:
        cause = (
            "so images and px fit, and the joints are in another order than those of the labels, "
            "or in wrong places"
        )
    return (
        f"{name} wrote {format_count(num_detections, 'detection')}{of_sensors} at "
        f"{at_tallest[0].px} px, the largest height, and none reaches an OKS of .5 with a chosen "
        f"person: the best is {_format_oks(best_oks)}. The joints of {num_in_boxes:,} are centred "
        f"in the box of a labelled person, {cause}"
    )


def _format_oks(oks: float) -> str:
    """Return an OKS below .5 with two digits, rounded down."""
    return f"{int(oks * 100) / 100:.2f}".removeprefix("0")
