"""Boxes for top-down methods: those that people drew, a detector's file, or a method's of ours."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from smallpose.core.json_text import read_json
from smallpose.samples.crops import trainable
from smallpose.table.instances import Images, Instances

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
    image_id: int
    bbox: tuple[float, float, float, float]
    score: float
    category_id: int = 1


def true_boxes(people: Instances) -> Boxes:
    """The boxes of a truth's people, as the paper's top-down methods were given them."""
    rows = trainable(people)
    order = rows[np.argsort(people.image_rows[rows], kind="stable")]
    return Boxes(people.image_rows[order], people.boxes_xywh[order], np.ones(len(order)))


def read_boxes(path: Path | str, images: Images, category_id: int = 1) -> Boxes:
    """A detector's COCO results: a list of {image_id, bbox, score, category_id}.

    Boxes of images that are not there and of other categories are left out.

    Raises: InputError when a box or score is not finite.
    """
    found = [
        d
        for d in read_json(Path(path), list[_Detection])
        if d.image_id in images.row_of and d.category_id == category_id
    ]
    boxes = np.array([d.bbox for d in found], dtype=np.float64).reshape(-1, 4)
    scores = np.array([d.score for d in found], dtype=np.float64)
    good = (boxes[:, 2:] > 0).all(axis=1)
    rows = np.array([images.row_of[d.image_id] for d in found], dtype=np.intp)
    order = np.flatnonzero(good)[np.argsort(rows[good], kind="stable")]
    return Boxes(rows[order], boxes[order], scores[order], detected=True)
