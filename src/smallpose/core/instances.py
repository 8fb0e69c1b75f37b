"""Instances: the ground truth, one row per labelled person; `images` has their images.

Stored as columns, not objects: 769,444 people with 21 keypoints take about 0.45 GB, nearly all of
it the keypoints, which stay doubles so that no metric loses a digit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from smallpose.core import record_words
from smallpose.core.argument_checks import make_column, refuse_other_skeletons
from smallpose.core.boxes import box_area
from smallpose.core.counts import format_count
from smallpose.core.density import classify_densities
from smallpose.core.errors import InputError
from smallpose.core.images import Codes, Images, Ints, make_images
from smallpose.core.mapped_keypoints import MappedKeypoints
from smallpose.core.packed_keypoints import PackedKeypoints
from smallpose.core.sizes import classify_sizes
from smallpose.core.skeleton import (
    SKELETONS,
    Skeleton,
    map_joints,
)

__all__ = [
    "CUSTOM_SOURCES",
    "CUSTOM_SOURCE_JOINTS",
    "SOURCES",
    "SOURCE_SKELETONS",
    "Images",
    "Instances",
    "OptionalColumns",
    "custom_source",
    "make_images",
    "make_instances",
]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

CUSTOM_SOURCE_JOINTS = record_words.CUSTOM_SOURCE_JOINTS
CUSTOM_SOURCES = record_words.CUSTOM_SOURCES
SOURCES = record_words.SOURCES
SOURCE_SKELETONS = ("", "coco17", "mpii16", "aic14", "hieve14", "posetrack17")


def custom_source(num_joints: int) -> int:
    """Return the index into `SOURCES` of a custom source with that many joints.

    Raises: InputError for more joints than a custom source may have.
    """
    if num_joints > CUSTOM_SOURCE_JOINTS[-1]:
        raise InputError(
            format_count(num_joints, "joint"),
            f"a custom source may have at most {CUSTOM_SOURCE_JOINTS[-1]}",
            "leave out joints that are none of the 21, such as those of fingers and face",
        )
    return SOURCES.index(f"own{num_joints}")


@dataclass(frozen=True, repr=False)
class Instances:
    """Labelled people, and regions to ignore, as columns.

    Args:
        skeleton: which joints the keypoints are.
        images: the images, also those without people.
        image_rows: (n,) row of each person's image in `images`.
        ids: (n,) unique numbers; of ours where the file has ids that are text.
        boxes_xywh: (n, 4) px.
        keypoints: (n, k, 3) x, y in px of the stored image and v: 0 not labelled, 1 labelled but
            hidden, 2 labelled and visible. `PackedKeypoints` or `MappedKeypoints`, which are read
            like arrays, where the reader or `concat_instances` was asked for them.
        num_keypoints: (n,) the file's field of that name. People with 0 are ignored by every
            metric. In files of others it need not equal the count of v > 0.
        iscrowd: (n,) a region of people, ignored likewise.
        file_area: (n,) the file's `area`, px²; NaN where it has none.
        source: (n,) indices into `SOURCES`.
        box_rule: (n,) indices into `boxes.BOX_RULES`.
        segmentation_area: (n,) px² of the mask; NaN where unknown.
        category_id: the id that `person` has in the file; results must use the same.
        more_category_ids: further categories whose annotations are people here, too.
        text_ids: (n,) the ids as the file has them, where any is text; else empty.
        track_ids: (n,) identity of each person in their video, -1 where unknown; empty where no
            person has one. Tables read by `read_coco` have none, see `io.track_records`.
        heads_xywh: (n, 4) px, boxes of heads as PoseTrack has them, likewise; NaN where unknown.
        notes: what was merged, corrected or left out while reading, as plain sentences.
    """

    skeleton: Skeleton
    images: Images
    image_rows: NDArray[np.intp]
    ids: Ints
    boxes_xywh: Floats
    keypoints: Floats
    num_keypoints: Ints
    iscrowd: Mask
    file_area: Floats
    source: Codes
    box_rule: Codes
    segmentation_area: Floats
    category_id: int | str = 1
    notes: tuple[str, ...] = field(default=())
    more_category_ids: tuple[int | str, ...] = ()
    text_ids: tuple[int | str, ...] = ()
    track_ids: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    heads_xywh: Floats = field(default_factory=lambda: np.zeros((0, 4)))

    def __repr__(self) -> str:
        """Return what there is in one line, for notebooks and logs."""
        num_people = int(np.count_nonzero(self.is_counted))
        people = format_count(num_people, "person", "people")
        ignored = f" and {len(self) - num_people:,} to ignore" if len(self) > num_people else ""
        images = format_count(len(self.images), "image")
        notes = f", {format_count(len(self.notes), 'note')}" if self.notes else ""
        return f"Instances({people}{ignored} in {images}, skeleton {self.skeleton.name}{notes})"

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def category_ids(self) -> tuple[int | str, ...]:
        """Return the categories of people; results may use each of them."""
        return (self.category_id, *self.more_category_ids)

    @property
    def file_ids(self) -> list[int | str]:
        """Return the ids as the file has them, to show and to write."""
        return list(self.text_ids) if self.text_ids else self.ids.tolist()

    @cached_property
    def area(self) -> Floats:
        """Return (n,) width × height of the box, px²."""
        return box_area(self.boxes_xywh)

    @cached_property
    def num_labelled(self) -> Ints:
        """Return (n,) the number of keypoints with v > 0."""
        if isinstance(self.keypoints, PackedKeypoints):
            return np.count_nonzero(self.keypoints.visibility, axis=1)
        if isinstance(self.keypoints, MappedKeypoints):
            return self.keypoints.count_labelled()
        return np.asarray(np.count_nonzero(self.keypoints[:, :, 2] > 0, axis=1), dtype=np.int64)

    @cached_property
    def is_counted(self) -> Mask:
        """Return (n,) who counts in statistics and metrics: not crowd, and num_keypoints > 0."""
        return ~self.iscrowd & (self.num_keypoints > 0)

    @cached_property
    def num_source_joints(self) -> Ints:
        """Return (n,) K of Eq. 3: joints of the skeleton each person was labelled with."""
        of_source = [len(SKELETONS[s]) if s else len(self.skeleton) for s in SOURCE_SKELETONS]
        return np.array([*of_source, *CUSTOM_SOURCE_JOINTS], dtype=np.int64)[self.source]

    @cached_property
    def size_class(self) -> Codes:
        """Return (n,) indices into `sizes.SIZES`; -1 for none."""
        return classify_sizes(self.area)

    @cached_property
    def density_class(self) -> Codes:
        """Return (n,) indices into `density.DENSITIES`; -1 for people who are not small."""
        return classify_densities(self.area, self.num_labelled, self.num_source_joints)

    def take(self, rows: NDArray[np.intp] | slice) -> "Instances":
        """Return the given people; all images stay."""
        text_ids = self.text_ids
        if text_ids:
            text_ids = tuple(text_ids[i] for i in np.arange(len(self))[rows].tolist())
        keypoints: Any = self.keypoints
        is_mapped = isinstance(keypoints, MappedKeypoints)
        return replace(
            self,
            text_ids=text_ids,
            image_rows=self.image_rows[rows],
            ids=self.ids[rows],
            boxes_xywh=self.boxes_xywh[rows],
            keypoints=keypoints.take(rows) if is_mapped else keypoints[rows],
            num_keypoints=self.num_keypoints[rows],
            iscrowd=self.iscrowd[rows],
            file_area=self.file_area[rows],
            source=self.source[rows],
            box_rule=self.box_rule[rows],
            segmentation_area=self.segmentation_area[rows],
            track_ids=self.track_ids[rows] if len(self.track_ids) else self.track_ids,
            heads_xywh=self.heads_xywh[rows] if len(self.heads_xywh) else self.heads_xywh,
        )

    def take_images(self, rows: NDArray[np.intp]) -> "Instances":
        """Return the given images in the given order, with all their people, image by image."""
        new_row = np.full(len(self.images), -1, dtype=np.intp)
        new_row[rows] = np.arange(len(rows))
        kept = np.flatnonzero(new_row[self.image_rows] >= 0)
        order = np.argsort(new_row[self.image_rows[kept]], kind="stable")
        people = self.take(kept[order])
        return replace(people, images=self.images.take(rows), image_rows=new_row[people.image_rows])

    def to_skeleton(self, skeleton: Skeleton) -> "Instances":
        """Return the same people with the joints of `skeleton`; joints they lack get v = 0.

        `num_keypoints` becomes the count of v > 0 among the new joints. Size and K of Eq. 3, which
        goes by `source`, stay those of the full label.
        """
        keypoints = map_joints(self.keypoints, self.skeleton, skeleton)
        count = np.count_nonzero(keypoints[:, :, 2] > 0, axis=1).astype(np.int64)
        return replace(self, skeleton=skeleton, keypoints=keypoints, num_keypoints=count)


class OptionalColumns(TypedDict, total=False):
    """The arguments of `Instances` that `make_instances` can fill in."""

    ids: Sequence[int] | Ints
    num_keypoints: Sequence[int] | Ints
    iscrowd: Sequence[bool] | Mask
    file_area: Sequence[float] | Floats
    source: int | Sequence[int] | Codes
    box_rule: int | Sequence[int] | Codes
    segmentation_area: Sequence[float] | Floats
    category_id: int | str
    notes: Sequence[str]


def make_instances(
    skeleton: Skeleton,
    images: Images,
    image_rows: Sequence[int] | NDArray[np.intp],
    boxes_xywh: Sequence[Sequence[float]] | Floats,
    keypoints: Sequence[Sequence[Sequence[float]]] | Floats,
    **columns: Unpack[OptionalColumns],
) -> Instances:
    """Make `Instances` from lists or arrays, with the usual values for what is left out.

    Without `ids`, they are 1 … n; without `num_keypoints`, it is the count of v > 0.

    Raises: InputError for columns of different lengths, or of another number of joints.
    """
    refuse_other_skeletons("make_instances", skeleton)
    if not isinstance(images, Images):
        what = f"images are of type {type(images).__name__}"
        raise InputError("make_instances", what, "pass smallpose.make_images(ids, file_names)")
    n = np.size(image_rows)
    points = make_column("keypoints", keypoints, np.float64, (n, len(skeleton), 3))
    defaults: OptionalColumns = {
        "ids": np.arange(1, n + 1),
        "num_keypoints": np.count_nonzero(points[:, :, 2] > 0, axis=1),
        "iscrowd": np.zeros(n, dtype=bool),
        "file_area": np.full(n, np.nan),
        "source": 0,
        "box_rule": 0,
        "segmentation_area": np.full(n, np.nan),
        "category_id": 1,
        "notes": (),
    }
    given = defaults | columns
    return Instances(
        skeleton=skeleton,
        images=images,
        image_rows=make_column("image_rows", image_rows, np.intp, (n,)),
        ids=make_column("ids", given["ids"], np.int64, (n,)),
        boxes_xywh=make_column("boxes_xywh", boxes_xywh, np.float64, (n, 4)),
        keypoints=points,
        num_keypoints=make_column("num_keypoints", given["num_keypoints"], np.int64, (n,)),
        iscrowd=make_column("iscrowd", given["iscrowd"], np.bool_, (n,)),
        file_area=make_column("file_area", given["file_area"], np.float64, (n,)),
        source=np.broadcast_to(np.asarray(given["source"], dtype=np.int8), n).copy(),
        box_rule=np.broadcast_to(np.asarray(given["box_rule"], dtype=np.int8), n).copy(),
        segmentation_area=make_column(
            "segmentation_area", given["segmentation_area"], np.float64, (n,)
        ),
        category_id=given["category_id"],
        notes=tuple(given["notes"]),
    )
