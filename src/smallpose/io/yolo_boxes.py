"""Read the boxes of Ultralytics' label files: detections with or without keypoints."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import Images
from smallpose.io.yolo_results import LABELS, PERSON_CLASS, list_label_files, read_label_lines

_NUM_BOX_VALUES = 5  # class cx cy w h
_DIMS = 3  # values of a keypoint; models with 2 have no confidences, and then no score is read

Floats = NDArray[np.float64]


class YoloBoxes(NamedTuple):
    """The boxes of people in label files.

    Args:
        image_ids, scores: (n,) of the boxes.
        boxes_xywh: (n, 4) px.
        num_other_images: boxes of images that are not known.
        num_other_classes: boxes of what is no person, in images that are.
    """

    image_ids: list[int]
    boxes_xywh: list[list[float]]
    scores: list[float]
    num_other_images: int
    num_other_classes: int


def find_box_labels(folder: Path) -> Path | None:
    """Return the folder of label files that is meant, itself or its `labels`; None without one."""
    for candidate in (folder, folder / LABELS):
        if candidate.is_dir() and list_label_files(candidate):
            return candidate
    return None


def read_yolo_boxes(
    folder: Path, images: Images, find_id: Callable[[str, str], int | None]
) -> YoloBoxes:
    """Read the boxes of people, class 0 or the only one, in label files called as their images.

    Args:
        folder: as `find_box_labels` returns it.
        find_id: returns the id of the image of a label file, from its stem and its path.

    Raises: InputError for lines that are no labels, and for images whose size is not known.
    """
    lines = [(file, values) for file in list_label_files(folder) for _, values in _read(file)]
    classes = {values[0] for _, values in lines}
    person_class = next(iter(classes)) if len(classes) == 1 else PERSON_CLASS
    image_ids: list[int] = []
    boxes: list[list[float]] = []
    scores: list[float] = []
    num_other_images = 0
    for file, values in lines:
        image_id = find_id(file.stem, str(file))
        num_other_images += image_id is None
        if image_id is None or values[0] != person_class:
            continue
        row = images.row_of[image_id]
        w, h = float(images.width[row]), float(images.height[row])
        if min(w, h) <= 0:
            what = "its boxes are shares of the image, whose width and height are not known"
            raise InputError(str(file), what, "add them to the file of the images")
        cx, cy, width, height = values[1:_NUM_BOX_VALUES].tolist()
        image_ids.append(image_id)
        boxes.append([(cx - width / 2) * w, (cy - height / 2) * h, width * w, height * h])
        scores.append(_read_score(values))
    num_other_classes = len(lines) - len(boxes) - num_other_images
    return YoloBoxes(image_ids, boxes, scores, num_other_images, num_other_classes)


def _read(file: Path) -> list[tuple[int, Floats]]:
    lines = read_label_lines(file)
    for number, values in lines:
        if len(values) < _NUM_BOX_VALUES:
            where = f"{file}, line {number}"
            raise InputError(where, "has no box (class cx cy w h)", "correct or remove it")
    return lines


def _read_score(values: Floats) -> float:
    """Return the score behind the box and the keypoints, before an identity; 1 without one."""
    num_tail = (len(values) - _NUM_BOX_VALUES) % _DIMS
    score = float(values[len(values) - num_tail]) if num_tail else 1.0
    return score if 0 <= score < 1 else 1.0
