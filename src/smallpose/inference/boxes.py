"""Boxes for top-down methods: those that people drew, a detector's file, or a method's of ours."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import Images, Instances
from smallpose.core.predictions import Predictions
from smallpose.dataloading.top_down.batches import trainable
from smallpose.io.json_blocks import Whole
from smallpose.system.json_decode import read_json
from smallpose.system.progress import say

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Boxes:
    """Where people are said to be.

    Args:
        image_rows: (n,) rows of the images they are in.
        boxes_xywh: (n, 4) px.
        scores: (n,) how sure of each; 1 for boxes that people drew.
        detected: whether one person may have several.
    """

    image_rows: NDArray[np.intp]
    boxes_xywh: Floats
    scores: Floats
    detected: bool = False

    def __len__(self) -> int:
        return len(self.scores)


class _Detection(msgspec.Struct):
    image_id: Whole
    bbox: tuple[float, float, float, float]
    score: float
    category_id: Whole = 1


def true_boxes(people: Instances) -> Boxes:
    """The boxes of a truth's people, as the paper's top-down methods were given them."""
    rows = trainable(people)
    order = rows[np.argsort(people.image_rows[rows], kind="stable")]
    return Boxes(people.image_rows[order], people.boxes_xywh[order], np.ones(len(order)))


def read_boxes(path: Path | str, images: Images, category_id: int = 1) -> Boxes:
    """A detector's COCO results: a list of {image_id, bbox, score, category_id}.

    MMPose's detection files are such, and so are results of our whole-image methods. Boxes of
    images that are not there, of other categories and without a size are left out, aloud.

    Raises: InputError when a box or score is not finite, or no box is left of some.
    """
    held = read_json(Path(path), list[_Detection])
    found = [d for d in held if d.image_id in images.row_of and d.category_id == category_id]
    boxes = np.array([d.bbox for d in found], dtype=np.float64).reshape(-1, 4)
    scores = np.array([d.score for d in found], dtype=np.float64)
    good = (boxes[:, 2:] > 0).all(axis=1)
    rows = np.array([images.row_of[d.image_id] for d in found], dtype=np.intp)
    order = np.flatnonzero(good)[np.argsort(rows[good], kind="stable")]
    if held and not len(order):
        raise InputError(
            str(path),
            f"none of its {len(held):,} boxes is of category {category_id} in these images",
            "name the boxes of the same images",
        )
    if len(order) < len(held):
        others = sum(d.image_id not in images.row_of for d in held)
        say(
            f"{path}: {len(held) - len(order):,} of {len(held):,} boxes left out, "
            f"{others:,} of them of other images"
        )
    return Boxes(rows[order], boxes[order], scores[order], detected=True)


def found_boxes(found: Predictions, images: Images, margin: float = 0.0) -> Boxes:
    """The boxes of people whom a whole-image method found.

    Args:
        margin: share of its sides by which each box grows at every side.
    """
    rows = np.array([images.row_of[i] for i in found.image_ids.tolist()], dtype=np.intp)
    boxes = found.boxes_xywh.copy()
    boxes[:, :2] -= margin * boxes[:, 2:]
    boxes[:, 2:] *= 1 + 2 * margin
    order = np.argsort(rows, kind="stable")
    order = order[(boxes[order, 2:] > 0).all(axis=1)]
    return Boxes(rows[order], boxes[order], found.scores[order], detected=True)
