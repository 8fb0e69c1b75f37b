"""Boxes for top-down methods: annotated ones, a detector's file, or predictions of a method."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import box_around_keypoints
from smallpose.core.counts import format_count, format_share
from smallpose.core.errors import InputError
from smallpose.core.instances import Images, Instances
from smallpose.core.predictions import Predictions
from smallpose.core.score_limits import ScoreLimit
from smallpose.dataloading.top_down.batches import select_trainable
from smallpose.inference.box_images import FileNameLookup
from smallpose.inference.box_notes import BoxFile, describe_doubtful_boxes
from smallpose.io.coco_results_slow import read_entries
from smallpose.io.image_lookup import ImageLookup
from smallpose.io.json_blocks import Int64, decode_blocks
from smallpose.io.yolo_boxes import find_box_labels, read_yolo_boxes
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
        score_limits: limits on scores that the detector applied, and what they left out.
    """

    image_rows: NDArray[np.intp]
    boxes_xywh: Floats
    scores: Floats
    from_detector: bool = False
    score_limits: tuple[ScoreLimit, ...] = ()

    def __len__(self) -> int:
        return len(self.scores)


class _DetectedBox(msgspec.Struct):
    score: float
    bbox: list[float] | None = None
    keypoints: list[float] | None = None
    image_id: Int64 | str | None = None
    file_name: str | None = None
    category_id: Int64 | str | None = None


def select_true_boxes(people: Instances) -> Boxes:
    """Return the annotated boxes, which the paper's top-down methods were given.

    In a file of boxes alone they are those of all people but crowds.
    """
    if len(people.skeleton):
        rows = select_trainable(people)
    else:
        rows = np.flatnonzero(~people.iscrowd & (people.boxes_xywh[:, 2:] > 0).all(axis=1))
    order = rows[np.argsort(people.image_rows[rows], kind="stable")]
    return Boxes(people.image_rows[order], people.boxes_xywh[order], np.ones(len(order)))


def read_boxes(
    path: Path | str,
    images: Images,
    category_ids: Sequence[int | str] = (1,),
    has_ids: bool = True,
) -> Boxes:
    """Read a detector's COCO results: a list of {image_id, bbox, score, category_id}.

    A folder of Ultralytics' label files is read, too, with or without keypoints.

    MMPose's detection files and pose results have this form, too; a pose without a box has that
    around its keypoints. Images are found as those of results. Boxes of other images, of other
    categories and without a size are left out, and their numbers are printed, as is what looks
    wrong about the others.

    Args:
        has_ids: whether the images have ids of their own; files without are found by `file_name`,
            else by `image_id` as their stem.

    Raises: InputError when a box or score is not finite, or when no box is left.
    """
    labels = find_box_labels(Path(path))
    if labels is not None:
        return _read_label_files(labels, images, has_ids)
    entries = read_entries(path, images=images)
    other_images: list[int | str] = []
    image_ids: list[int] = []
    boxes_xywh: list[Sequence[float]] = []
    confidences: list[float] = []
    blocks = decode_blocks(path, "entry", entries.raws, _DetectedBox, entries.places)
    records = [record for block in blocks for record in block]
    lookup = ImageLookup(images)
    find_id = lookup.find_id_if_known
    if not has_ids:
        names = [(record.image_id, record.file_name) for record in records]
        find_id = FileNameLookup(images, names, partial(entries.describe, path)).find_id
    for index, record in enumerate(records):
        where = entries.describe(path, index)
        image_id = find_id(record.image_id, record.file_name, where)
        if image_id is None:
            other_images.append(record.file_name or record.image_id or "")
        is_person = record.category_id is None or record.category_id in category_ids
        if image_id is not None and is_person:
            image_ids.append(image_id)
            boxes_xywh.append(_get_box(record, where))
            confidences.append(record.score)
    lookup.refuse_mixture()
    file = BoxFile(
        path=path,
        num_boxes=len(records),
        num_other_images=len(other_images),
        num_other_kinds=len(records) - len(other_images) - len(boxes_xywh),
        kinds="categories",
        taken=" or ".join(map(str, category_ids)),
        has_ids=has_ids,
        other_image=str(other_images[0]) if other_images else "",
    )
    return _sort_boxes(images, image_ids, boxes_xywh, confidences, file)


def _read_label_files(folder: Path, images: Images, has_ids: bool) -> Boxes:
    """Read the boxes of Ultralytics' label files; see `read_boxes`."""
    lookup = ImageLookup(images)
    other_images: list[str] = []

    def find_id(stem: str, where: str) -> int | None:
        image_id = lookup.find_id_if_known(None, stem, where)
        if image_id is None and has_ids:
            image_id = lookup.find_id_if_known(stem, None, where)
        if image_id is None:
            other_images.append(stem)
        return image_id

    boxes = read_yolo_boxes(folder, images, find_id)
    num_others = boxes.num_other_images + boxes.num_other_classes
    file = BoxFile(
        path=folder,
        num_boxes=len(boxes.scores) + num_others,
        num_other_images=boxes.num_other_images,
        num_other_kinds=boxes.num_other_classes,
        kinds="classes",
        taken="person",
        has_ids=has_ids,
        other_image=other_images[0] if other_images else "",
    )
    return _sort_boxes(images, boxes.image_ids, boxes.boxes_xywh, boxes.scores, file)


def _sort_boxes(
    images: Images,
    image_ids: Sequence[int],
    boxes_xywh: Sequence[Sequence[float]],
    confidences: Sequence[float],
    file: BoxFile,
) -> Boxes:
    """Sort boxes by image, without those that have no size, and print how many are left out."""
    boxes = np.array(boxes_xywh, dtype=np.float64).reshape(-1, 4)
    scores = np.array(confidences, dtype=np.float64)
    has_size = (boxes[:, 2:] > 0).all(axis=1)
    rows = np.array([images.row_of[image_id] for image_id in image_ids], dtype=np.intp)
    order = np.flatnonzero(has_size)[np.argsort(rows[has_size], kind="stable")]
    num_without_size = int((~has_size).sum())
    if file.num_boxes and not len(order):
        raise file.describe_no_boxes(num_without_size, images)
    left_out = file.describe_left_out(num_without_size)
    if left_out:
        print_status(left_out)
    for doubt in describe_doubtful_boxes(boxes[order], rows[order], images):
        print_status(f"{file.path}: {doubt}")
    return Boxes(rows[order], boxes[order], scores[order], from_detector=True)


def _get_box(record: _DetectedBox, where: str) -> list[float]:
    """Return the box of a record, or that around all keypoints of a pose, as COCO's `loadRes`."""
    if record.bbox:
        if len(record.bbox) != 4:
            what = f"bbox has {format_count(len(record.bbox), 'value')} instead of 4"
            raise InputError(where, what, "correct the entry or leave it out")
        return record.bbox
    values = record.keypoints or []
    if not values or len(values) % 3:
        raise InputError(where, "has no bbox", "add it or leave the entry out")
    points = np.array(values).reshape(1, -1, 3)
    points[:, :, 2] = 1  # a keypoint counts whatever its score
    box: list[float] = box_around_keypoints(points)[0].tolist()
    return box


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
    has_size = (boxes[order, 2:] > 0).all(axis=1)
    if not has_size.all():
        num_left_out = int((~has_size).sum())
        left_out = format_share(num_left_out, len(rows), "person has", "people have")
        print_status(f"{left_out} no box, because all joints are in one place, and no pose")
    order = order[has_size]
    return Boxes(
        rows[order],
        boxes[order],
        predictions.scores[order],
        from_detector=True,
        score_limits=tuple(_count_as_boxes(limit) for limit in predictions.score_limits),
    )


def _count_as_boxes(limit: ScoreLimit) -> ScoreLimit:
    """Call what a limit has left out boxes."""
    rest = limit.plural.removeprefix("detections")
    return replace(limit, singular=f"box{rest}", plural=f"boxes{rest}")
