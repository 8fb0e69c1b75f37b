"""Pictures and boxes in, Predictions out: crops of all people of an image in one decode.

Crops are collected over images into full batches, so that pictures with one person cost no more
per person than pictures with twenty.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.dataloading.images import Picture, one_thread
from smallpose.dataloading.top_down.batches import cut_boxes
from smallpose.inference.boxes import Boxes
from smallpose.inference.nms import oks_nms
from smallpose.inference.options import Options
from smallpose.inference.prefetch import read_ahead
from smallpose.methods.base import PoseMethod
from smallpose.methods.person_score import SCORE_RULES

Floats = NDArray[np.float64]

BATCH = 64  # crops through the network at a time
NMS_ABOVE = 0.9  # OKS above which two of a detector's people are one


class _Cut(NamedTuple):
    """Boxes of one image, cut out: rows of `Boxes`, crops, and the windows they show."""

    rows: NDArray[np.intp]
    crops: NDArray[np.uint8]
    center: Floats
    scale: Floats


def find_people(
    method: PoseMethod,
    people: Instances,
    boxes: Boxes,
    read: Callable[[str], Picture],
    options: Options | None = None,
    label: str = "",
) -> Predictions:
    """The keypoints of the people in the boxes, in the order of the boxes.

    Each has the box it was given, so that its detection area is the box's area.

    Args:
        people: names the images; nothing of its people is looked at.
        read: file name to picture.
        label: of a progress bar over the images; none without.
    """
    options = options or Options()
    one_thread()
    was_training = method.training
    if was_training:  # asking a network of 160 layers takes as long as cutting ten people
        method.eval()
    unreadable: list[str] = []
    keypoints = np.zeros((len(boxes), len(method.skeleton), 3))
    windows = np.zeros(len(boxes))
    done = np.zeros(len(boxes), dtype=bool)
    cuts = _cuts(method, people, boxes, read, options, unreadable, label)
    for some in _batches(cuts, options):
        crops = torch.from_numpy(some.crops)
        keypoints[some.rows] = method.predict_crops(
            crops, some.center, some.scale, options.flip_test is not False
        )
        windows[some.rows] = some.scale.prod(axis=1)
        done[some.rows] = True
    if was_training:
        method.train()
    rule = SCORE_RULES[options.score_rule or method.score_rule]
    found = Predictions(
        method.skeleton,
        people.images.ids[boxes.image_rows],
        keypoints,
        rule(boxes.scores, keypoints[:, :, 2]),
        boxes.boxes_xywh,
        tuple(f"not predicted: {why}" for why in unreadable),
    )
    kept = np.flatnonzero(done)
    if boxes.detected:
        above = NMS_ABOVE if options.nms_above is None else options.nms_above
        kept = _once_each(found, windows, kept, above)
    return take(found, kept)


def take(found: Predictions, rows: NDArray[np.intp]) -> Predictions:
    """The given people."""
    return replace(
        found,
        image_ids=found.image_ids[rows],
        keypoints=found.keypoints[rows],
        scores=found.scores[rows],
        boxes_xywh=found.boxes_xywh[rows],
    )


def _cuts(
    method: PoseMethod,
    people: Instances,
    boxes: Boxes,
    read: Callable[[str], Picture],
    options: Options,
    unreadable: list[str],
    label: str,
) -> Iterator[_Cut]:
    """Image by image, at most a few batches of crops at a time."""
    images, counts = np.unique(boxes.image_rows, return_counts=True)
    order = np.argsort(boxes.image_rows, kind="stable")
    of_image = np.split(order, np.cumsum(counts))[: len(images)]
    people_of = dict(zip(images.tolist(), of_image, strict=True))
    how = options.most_bad, unreadable, label
    for image, picture in read_ahead(people, list(people_of), read, *how):
        rows = people_of[image]
        for part in np.array_split(rows, -(-len(rows) // (options.batch_size or BATCH))):
            cut = picture, boxes.boxes_xywh[part], method.input_wh
            yield _Cut(part, *cut_boxes(*cut, method.udp_warp))


def _batches(cuts: Iterator[_Cut], options: Options) -> Iterator[_Cut]:
    waiting: list[_Cut] = []
    for some in cuts:
        count = sum(len(cut.rows) for cut in waiting)
        if count and count + len(some.rows) > (options.batch_size or BATCH):
            yield _together(waiting)
            waiting = []
        waiting.append(some)
    if waiting:
        yield _together(waiting)


def _together(cuts: list[_Cut]) -> _Cut:
    return _Cut(*(np.concatenate(column) for column in zip(*cuts, strict=True)))


def _once_each(
    found: Predictions, windows: Floats, rows: NDArray[np.intp], above: float
) -> NDArray[np.intp]:
    """Rows that remain when people found twice are dropped, image by image."""
    kept = []
    by_image = rows[np.argsort(found.image_ids[rows], kind="stable")]
    first = np.unique(found.image_ids[by_image], return_index=True)[1]
    for here in np.split(by_image, first[1:]):
        best = oks_nms(
            found.keypoints[here],
            found.scores[here],
            windows[here],
            found.skeleton.sigmas,
            above,
        )
        kept.append(here[np.sort(best)])
    return np.concatenate(kept) if kept else rows
