"""What is wrong with a table, as a list of plain sentences.

A fault makes numbers wrong or a reader fail; a remark is worth knowing and may well be meant.
Records that cannot be read at all never come this far: the readers refuse them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import to_xyxy
from smallpose.core.errors import RefusedError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.system.files import check_file_name


@dataclass(frozen=True)
class Finding:
    """One sentence about a table, and whether it is a fault or only a remark."""

    message: str
    is_fault: bool

    def __str__(self) -> str:
        return f"{'fault ' if self.is_fault else 'remark'}  {self.message}"


def check_truth(people: Instances) -> list[Finding]:
    """What is wrong with labelled people and their images, the gravest first."""
    found = [
        *_check_images(people),
        *_check_boxes(people),
        *_check_keypoints(people),
        *_check_fields(people),
    ]
    found += [Finding(note, is_fault=False) for note in people.notes]
    return sorted(found, key=lambda f: not f.is_fault)


def check_predictions(predictions: Predictions) -> list[Finding]:
    """What is odd about results; anything finite is legal, so these are remarks."""
    out = [Finding(note, is_fault=False) for note in predictions.notes]
    if not len(predictions):
        return [*out, Finding("nobody was found in any image", is_fault=False)]
    rows = np.concatenate(
        [
            predictions.image_ids[:, None],
            predictions.scores[:, None],
            predictions.keypoints.reshape(len(predictions), -1),
        ],
        axis=1,
    )
    same = len(rows) - len(np.unique(rows, axis=0))
    if same:
        out.append(Finding(f"{same:,} detections are identical to another one", is_fault=False))
    low, high = predictions.scores.min(), predictions.scores.max()
    if low < 0 or high > 1:
        out.append(Finding(f"scores run from {low:g} to {high:g}", is_fault=False))
    boxed = np.isfinite(predictions.boxes_xywh).all(axis=1)
    if boxed.any() and not boxed.all():
        rule = "the boxes" if predictions.has_boxes else "the extent of the keypoints"
        out.append(
            Finding(
                f"{int((~boxed).sum()):,} of {len(predictions):,} detections have no bbox; their areas "
                f"are taken from {rule}, as for the first one",
                is_fault=bool(predictions.has_boxes),
            )
        )
    most = int(np.unique(predictions.image_ids, return_counts=True)[1].max())
    if most > 20:
        out.append(
            Finding(f"up to {most} detections in an image; COCO's rule counts 20", is_fault=False)
        )
    return out


def _check_images(people: Instances) -> list[Finding]:
    out = []
    bad = []
    for one, name in zip(people.images.ids.tolist(), people.images.file_names, strict=True):
        try:
            check_file_name(name)
        except RefusedError:
            bad.append(one)
    if bad:
        out.append(
            Finding(
                f"{len(bad):,} images have an unusable file_name (first: image {bad[0]})",
                is_fault=True,
            )
        )
    sizes = (people.images.width <= 0) | (people.images.height <= 0)
    out += _report_rows(sizes, people.images.ids, "images have no width and height", fault=False)
    empty = np.ones(len(people.images), dtype=bool)
    empty[people.image_rows[people.is_counted]] = False
    out += _report_rows(empty, people.images.ids, "images have nobody with keypoints", fault=False)
    return out


def _check_boxes(people: Instances) -> list[Finding]:
    counted = people.is_counted
    flat = counted & ~((people.boxes_xywh[:, 2] > 0) & (people.boxes_xywh[:, 3] > 0))
    out = _report_rows(flat, people.ids, "labelled people have a box without area", fault=True)
    width = people.images.width[people.image_rows]
    height = people.images.height[people.image_rows]
    corners = to_xyxy(people.boxes_xywh)
    known: NDArray[np.bool_] = counted & (width > 0) & (height > 0) & ~flat
    # Half a pixel of slack: boxes are written with two decimals or in whole pixels.
    beyond = np.asarray((corners[:, :2] < -0.5).any(axis=1))
    beyond |= (corners[:, 2] > width + 0.5) | (corners[:, 3] > height + 0.5)
    out += _report_rows(known & beyond, people.ids, "boxes leave their image", fault=False)
    outside = np.asarray((corners[:, 2:] <= 0).any(axis=1))
    outside |= (corners[:, 0] >= width) | (corners[:, 1] >= height)
    out += _report_rows(
        known & outside, people.ids, "boxes lie wholly outside their image", fault=True
    )
    return out


def _check_keypoints(people: Instances) -> list[Finding]:
    v = people.keypoints[:, :, 2] > 0
    width = people.images.width[people.image_rows][:, None]
    height = people.images.height[people.image_rows][:, None]
    x, y = people.keypoints[:, :, 0], people.keypoints[:, :, 1]
    off = v & (width > 0) & ((x < -1) | (y < -1) | (x > width) | (y > height))
    out = _report_rows(
        np.asarray(off.any(axis=1)),
        people.ids,
        "people have labelled keypoints off the image",
        fault=False,
    )
    low = np.where(v[:, :, None], people.keypoints[:, :, :2], np.inf).min(axis=1)
    high = np.where(v[:, :, None], people.keypoints[:, :, :2], -np.inf).max(axis=1)
    collapsed = (people.num_labelled >= 3) & (high - low <= 1).all(axis=1)
    out += _report_rows(
        collapsed & people.is_counted,
        people.ids,
        "people have all keypoints on one spot",
        fault=True,
    )
    return out


def _check_fields(people: Instances) -> list[Finding]:
    wrong = (people.num_keypoints != people.num_labelled) & ~people.iscrowd
    out = _report_rows(
        wrong, people.ids, "annotations whose num_keypoints is not the count of v > 0"
    )
    hidden = ~people.iscrowd & (people.num_keypoints == 0) & (people.num_labelled > 0)
    out += _report_rows(
        hidden, people.ids, "people with labels but num_keypoints 0 (they are ignored)"
    )
    plain = np.isnan(people.file_area)
    out += _report_rows(plain & people.is_counted, people.ids, "people have no area field")
    differs = ~plain & people.is_counted
    differs &= np.abs(people.file_area - people.area) > 0.01 * np.maximum(people.area, 1)
    out += _report_rows(
        differs, people.ids, "areas are not width × height of the box (a mask's area?)"
    )
    out += _report_rows(
        people.ids == 0, people.ids, "annotation has id 0, which pycocotools never matches"
    )
    return out


def _report_rows(
    which: NDArray[np.bool_], ids: NDArray[np.int64], sentence: str, fault: bool = False
) -> list[Finding]:
    n = int(np.count_nonzero(which))
    first = int(ids[np.argmax(which)]) if n else 0
    return [Finding(f"{n:,} {sentence} (first: id {first})", fault)] if n else []
