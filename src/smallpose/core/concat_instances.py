"""Concatenate tables of people, whose ids are numbered anew."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Images, Instances, make_images, make_instances
from smallpose.core.mapped_keypoints import chain_keypoints
from smallpose.core.skeleton import SMALLPOSE, Skeleton, list_joint_indices, map_joints

Floats = NDArray[np.float64]


def concat_instances(
    parts: Sequence[Instances], skeleton: Skeleton = SMALLPOSE, *, mapped: bool = False
) -> Instances:
    """Concatenate tables into one with the joints of `skeleton`; ids are renumbered from 1.

    `num_keypoints` becomes the count of v > 0, and stays 0 for people who had 0.

    Args:
        mapped: give the keypoints as `MappedKeypoints`, which keep those of `parts` in place of a
            copy: at a million people half a gigabyte.
    """
    if not parts:
        return make_instances(skeleton, make_images([], []), [], np.zeros((0, 4)), [])
    if mapped:
        tables = [(p.keypoints, list_joint_indices(p.skeleton, skeleton)) for p in parts]
        chained = chain_keypoints(tables)
        keypoints, counts = cast(Floats, chained), chained.count_labelled()
    else:
        keypoints = _map_and_concat(parts, skeleton)
        counts = np.count_nonzero(keypoints[:, :, 2] > 0, axis=1).astype(np.int64)
    counts[np.concatenate([p.num_keypoints for p in parts]) <= 0] = 0
    first_rows = np.cumsum([0] + [len(p.images) for p in parts])
    image_rows = [p.image_rows + first for p, first in zip(parts, first_rows, strict=False)]
    return Instances(
        skeleton=skeleton,
        images=_concat_images([p.images for p in parts]),
        image_rows=np.concatenate(image_rows),
        ids=np.arange(1, len(counts) + 1),
        boxes_xywh=np.concatenate([p.boxes_xywh for p in parts]),
        keypoints=keypoints,
        num_keypoints=counts,
        iscrowd=np.concatenate([p.iscrowd for p in parts]),
        file_area=np.concatenate([p.file_area for p in parts]),
        source=np.concatenate([p.source for p in parts]),
        box_rule=np.concatenate([p.box_rule for p in parts]),
        segmentation_area=np.concatenate([p.segmentation_area for p in parts]),
        track_ids=_concat_or_fill([p.track_ids for p in parts], parts, -1),
        heads_xywh=_concat_or_fill([p.heads_xywh for p in parts], parts, np.nan),
        notes=sum((p.notes for p in parts), ()),
    )


def _map_and_concat(parts: Sequence[Instances], skeleton: Skeleton) -> Floats:
    keypoints = np.empty((sum(map(len, parts)), len(skeleton), 3))
    start = 0
    for part in parts:
        map_joints(part.keypoints, part.skeleton, skeleton, keypoints[start : start + len(part)])
        start += len(part)
    return keypoints


def _concat_or_fill(
    columns: Sequence[NDArray[Any]], parts: Sequence[Instances], missing: float
) -> NDArray[Any]:
    """Concatenate a column that parts may lack, whose rows are filled; empty if all lack it."""
    if not any(map(len, columns)):
        return columns[0][:0]
    return np.concatenate(
        [
            column if len(column) else np.full((len(part), *column.shape[1:]), missing)
            for column, part in zip(columns, parts, strict=True)
        ]
    ).astype(columns[0].dtype)


def _concat_images(parts: Sequence[Images]) -> Images:
    return Images(
        ids=np.arange(1, sum(map(len, parts)) + 1),
        file_names=sum((p.file_names for p in parts), ()),
        width=np.concatenate([p.width for p in parts]),
        height=np.concatenate([p.height for p in parts]),
        source=np.concatenate([p.source for p in parts]),
        source_ids=sum((p.source_ids for p in parts), ()),
        groups=sum((p.groups for p in parts), ()),
        source_splits=_concat_source_splits(parts),
    )


def _concat_source_splits(parts: Sequence[Images]) -> tuple[str, ...]:
    if not any(p.source_splits for p in parts):
        return ()
    return sum((p.source_splits or ("",) * len(p) for p in parts), ())
