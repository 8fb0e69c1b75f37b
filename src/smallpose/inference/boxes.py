"""Boxes for top-down methods: annotated ones, a detector's file, or predictions of a method."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import Images, Instances
from smallpose.core.predictions import Predictions
from smallpose.dataloading.top_down.batches import select_trainable
from smallpose.io.json_blocks import Int64
from smallpose.system.json_decode import read_json
from smallpose.system.progress import print_status

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Boxes:
    """Boxes of people in images.

    Args:
        image_rows: (n,) rows of the images.
        boxes_xywh: (n, 4) px.
        scores: (n,) confidence of the detector; 1 for annotated boxes.
        from_detector: whether one person may have several boxes.
    """

    image_rows: NDArray[np.intp]
    boxes_xywh: Floats
    scores: Floats
    from_detector: bool = False

    def __len__(self) -> int:
        return len(self.scores)


class _DetectedBox(msgspec.Struct):
    image_id: Int64
    bbox: tuple[float, float, float, float]
    score: float
    category_id: Int64 = 1


def select_true_boxes(people: Instances) -> Boxes:
    """Return the annotated boxes, which the paper's top-down methods were given."""
    rows = select_trainable(people)
    order = rows[np.argsort(people.image_rows[rows], kind="stable")]
    return Boxes(people.image_rows[order], people.boxes_xywh[order], np.ones(len(order)))


def read_boxes(path: Path | str, images: Images, category_id: int = 1) -> Boxes:
    """Read a detector's COCO results: a list of {image_id, bbox, score, category_id}.

    MMPose's detection files and results of our full-image methods have this form. Boxes of other
    images, of other categories and without a size are left out, and their number is printed.

    Raises: InputError when a box or score is not finite, or when no box is left.
    """
    records = read_json(Path(path), list[_DetectedBox])
    candidates = [
        r for r in records if r.image_id in images.row_of and r.category_id == category_id
    ]
    boxes = np.array([r.bbox for r in candidates], dtype=np.float64).reshape(-1, 4)
    scores = np.array([r.score for r in candidates], dtype=np.float64)
    has_size = (boxes[:, 2:] > 0).all(axis=1)
    rows = np.array([images.row_of[r.image_id] for r in candidates], dtype=np.intp)
    order = np.flatnonzero(has_size)[np.argsort(rows[has_size], kind="stable")]
    if records and not len(order):
        raise InputError(
            str(path),
            f"none of its {len(records):,} boxes is of category {category_id} in these images",
            "pass boxes of the same images",
        )
    if len(order) < len(records):
        num_others = sum(r.image_id not in images.row_of for r in records)
        print_status(
            f"{path}: {len(records) - len(order):,} of {len(records):,} boxes left out, "
            f"{num_others:,} of them of other images"
        )
    return Boxes(rows[order], boxes[order], scores[order], from_detector=True)


def convert_to_boxes(predictions: Predictions, images: Images, margin: float = 0.0) -> Boxes:
    """Turn the predictions of a full-image method into boxes for a top-down method.

    Args:
        margin: share of its sides by which each box is extended at every side.
    """
    rows = np.array([images.row_of[i] for i in predictions.image_ids.tolist()], dtype=np.intp)
    boxes = predictions.boxes_xywh.copy()
    boxes[:, :2] -= margin * boxes[:, 2:]
    boxes[:, 2:] *= 1 + 2 * margin
    order = np.argsort(rows, kind="stable")
    order = order[(boxes[order, 2:] > 0).all(axis=1)]
    return Boxes(rows[order], boxes[order], predictions.scores[order], from_detector=True)
