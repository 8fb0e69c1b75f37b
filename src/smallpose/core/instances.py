"""Instances: the truth, one row per labelled person, and the images they stand in.

Columns, not objects: 769,444 people with 21 keypoints take about 0.45 GB, nearly all of it the
keypoints, which stay doubles so that no metric loses a digit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import box_area
from smallpose.core.density import density_classes
from smallpose.core.errors import InputError
from smallpose.core.sizes import size_classes
from smallpose.core.skeleton import SKELETONS, SMALLPOSE, Skeleton, map_joints

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Small = NDArray[np.int8]
Mask = NDArray[np.bool_]

# Number 0 stands for "not said": a COCO file of anybody's.
# `own14` is anybody's own source whose people were labelled with 14 joints, which is K of Eq. 3.
OWN_JOINTS = tuple(range(1, 65))
SOURCES = ("", "coco", "mpii", "aic", "hieve", "posetrack", *(f"own{k}" for k in OWN_JOINTS))
SOURCE_SKELETONS = ("", "coco17", "mpii16", "aic14", "hieve14", "posetrack17")


def own_source(joints: int) -> int:
    """The number into `SOURCES` of an own source with that many joints.

    Raises: InputError for more than there are numbers for.
    """
    if joints > OWN_JOINTS[-1]:
        raise InputError(
            f"{joints} joints",
            f"a source of one's own may be labelled with {OWN_JOINTS[-1]} at most",
            "leave out those that are none of the 21, such as fingers and the face",
        )
    return SOURCES.index(f"own{joints}")


@dataclass(frozen=True)
class Images:
    """Images as columns, in the order of their file.

    Args:
        ids: (m,) unique numbers.
        file_names: (m,) relative paths.
        width, height: (m,) px; 0 where unknown.
        source: (m,) numbers into `SOURCES`.
        source_ids: (m,) what the source calls the image; "" where it says nothing.
        groups: (m,) video or sequence; "" where there is none.
    """

    ids: Ints
    file_names: tuple[str, ...]
    width: Ints
    height: Ints
    source: Small
    source_ids: tuple[str, ...]
    groups: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def row_of(self) -> dict[int, int]:
        """Image id to row."""
        return {image: row for row, image in enumerate(self.ids.tolist())}

    def take(self, rows: NDArray[np.intp]) -> "Images":
        """The given rows, in the given order."""
        picked = rows.tolist()
        return Images(
            self.ids[rows],
            tuple(self.file_names[r] for r in picked),
            self.width[rows],
            self.height[rows],
            self.source[rows],
            tuple(self.source_ids[r] for r in picked),
            tuple(self.groups[r] for r in picked),
        )


def make_images(
    ids: Sequence[int] | Ints,
    file_names: Sequence[str],
    width: Sequence[int] | Ints | None = None,
    height: Sequence[int] | Ints | None = None,
    source: int | Sequence[int] | Small = 0,
    source_ids: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
) -> Images:
    """`Images` from lists; what is left out is unknown."""
    m = len(file_names)
    zeros = np.zeros(m, dtype=np.int64)
    return Images(
        np.asarray(ids, dtype=np.int64).reshape(m),
        tuple(file_names),
        zeros if width is None else np.asarray(width, dtype=np.int64).reshape(m),
        zeros if height is None else np.asarray(height, dtype=np.int64).reshape(m),
        np.broadcast_to(np.asarray(source, dtype=np.int8), m).copy(),
        ("",) * m if source_ids is None else tuple(source_ids),
        ("",) * m if groups is None else tuple(groups),
    )


@dataclass(frozen=True)
class Instances:
    """Labelled people, and regions to ignore, as columns.

    Args:
        skeleton: which joints the keypoints are.
        images: the images, those without anybody too.
        image_rows: (n,) row of each person's image in `images`.
        ids: (n,) unique numbers.
        boxes_xywh: (n, 4) px.
        keypoints: (n, k, 3) x, y in px of the stored image and v: 0 not labelled, 1 labelled but
            hidden, 2 labelled and seen.
        num_keypoints: (n,) the field of that name as the file has it. People with 0 are ignored
            by every metric; it need not equal the count of v > 0 in other people's files.
        iscrowd: (n,) a region of people, ignored likewise.
        file_area: (n,) the file's `area`, px²; NaN where it has none.
        source: (n,) numbers into `SOURCES`.
        box_rule: (n,) numbers into `boxes.BOX_RULES`.
        segmentation_area: (n,) px² of the mask; NaN where unknown.
        category_id: the id that `person` has in the file; results must use the same.
        notes: what was merged, repaired or left out on the way here, as plain sentences.
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
    source: Small
    box_rule: Small
    segmentation_area: Floats
    category_id: int = 1
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def area(self) -> Floats:
        """(n,) width × height of the box, px²."""
        return box_area(self.boxes_xywh)

    @cached_property
    def labelled(self) -> Ints:
        """(n,) keypoints with v > 0."""
        return np.asarray(np.count_nonzero(self.keypoints[:, :, 2] > 0, axis=1), dtype=np.int64)

    @cached_property
    def counted(self) -> Mask:
        """(n,) who counts as a person in statistics and metrics: not crowd, num_keypoints > 0."""
        return ~self.iscrowd & (self.num_keypoints > 0)

    @cached_property
    def joints(self) -> Ints:
        """(n,) K of Eq. 3: joints of the skeleton each person was labelled with."""
        of_source = [len(SKELETONS[s]) if s else len(self.skeleton) for s in SOURCE_SKELETONS]
        return np.array([*of_source, *OWN_JOINTS], dtype=np.int64)[self.source]

    @cached_property
    def size_class(self) -> Small:
        """(n,) numbers into `sizes.SIZES`; -1 for none."""
        return size_classes(self.area)

    @cached_property
    def density_class(self) -> Small:
        """(n,) numbers into `density.DENSITIES`; -1 for people who are not small."""
        return density_classes(self.area, self.labelled, self.joints)

    def take(self, rows: NDArray[np.intp]) -> "Instances":
        """The given people; all images stay."""
        return replace(
            self,
            image_rows=self.image_rows[rows],
            ids=self.ids[rows],
            boxes_xywh=self.boxes_xywh[rows],
            keypoints=self.keypoints[rows],
            num_keypoints=self.num_keypoints[rows],
            iscrowd=self.iscrowd[rows],
            file_area=self.file_area[rows],
            source=self.source[rows],
            box_rule=self.box_rule[rows],
            segmentation_area=self.segmentation_area[rows],
        )

    def take_images(self, rows: NDArray[np.intp]) -> "Instances":
        """The given images in the given order, with all their people, image by image."""
        new_row = np.full(len(self.images), -1, dtype=np.intp)
        new_row[rows] = np.arange(len(rows))
        there = np.flatnonzero(new_row[self.image_rows] >= 0)
        order = np.argsort(new_row[self.image_rows[there]], kind="stable")
        people = self.take(there[order])
        return replace(people, images=self.images.take(rows), image_rows=new_row[people.image_rows])

    def to_skeleton(self, skeleton: Skeleton) -> "Instances":
        """The same people with the joints of `skeleton`; what is lacking gets v = 0.

        `num_keypoints` becomes the count of v > 0 among the new joints; size and, through
        `source`, K of Eq. 3 stay those of the full label.
        """
        keypoints = map_joints(self.keypoints, self.skeleton, skeleton)
        count = np.count_nonzero(keypoints[:, :, 2] > 0, axis=1).astype(np.int64)
        return replace(self, skeleton=skeleton, keypoints=keypoints, num_keypoints=count)


def make_instances(
    skeleton: Skeleton,
    images: Images,
    image_rows: Sequence[int] | NDArray[np.intp],
    boxes_xywh: Sequence[Sequence[float]] | Floats,
    keypoints: Sequence[Sequence[Sequence[float]]] | Floats,
    *,
    ids: Sequence[int] | Ints | None = None,
    num_keypoints: Sequence[int] | Ints | None = None,
    iscrowd: Sequence[bool] | Mask | None = None,
    file_area: Sequence[float] | Floats | None = None,
    source: int | Sequence[int] | Small = 0,
    box_rule: int | Sequence[int] | Small = 0,
    segmentation_area: Sequence[float] | Floats | None = None,
    category_id: int = 1,
    notes: Sequence[str] = (),
) -> Instances:
    """`Instances` from lists, with the usual values for what is left out.

    Without `ids`, 1 … n; without `num_keypoints`, the count of v > 0.
    """
    n = len(image_rows)
    points = np.asarray(keypoints, dtype=np.float64).reshape(n, len(skeleton), 3)
    nan = np.full(n, np.nan)
    return Instances(
        skeleton,
        images,
        np.asarray(image_rows, dtype=np.intp).reshape(n),
        np.arange(1, n + 1) if ids is None else np.asarray(ids, dtype=np.int64).reshape(n),
        np.asarray(boxes_xywh, dtype=np.float64).reshape(n, 4),
        points,
        np.count_nonzero(points[:, :, 2] > 0, axis=1).astype(np.int64)
        if num_keypoints is None
        else np.asarray(num_keypoints, dtype=np.int64).reshape(n),
        np.zeros(n, dtype=bool) if iscrowd is None else np.asarray(iscrowd, dtype=bool).reshape(n),
        nan if file_area is None else np.asarray(file_area, dtype=np.float64).reshape(n),
        np.broadcast_to(np.asarray(source, dtype=np.int8), n).copy(),
        np.broadcast_to(np.asarray(box_rule, dtype=np.int8), n).copy(),
        nan
        if segmentation_area is None
        else np.asarray(segmentation_area, dtype=np.float64).reshape(n),
        category_id,
        tuple(notes),
    )


def concat(parts: Sequence[Instances], skeleton: Skeleton = SMALLPOSE) -> Instances:
    """Several tables as one, all with the joints of `skeleton`; ids are numbered anew from 1.

    `num_keypoints` becomes the count of v > 0, and 0 for those who had 0.
    """
    if not parts:
        return make_instances(skeleton, make_images([], []), [], np.zeros((0, 4)), [])
    # Filled part by part: at a million people a second copy would be most of a gigabyte.
    keypoints = np.empty((sum(map(len, parts)), len(skeleton), 3))
    at = 0
    for part in parts:
        out = keypoints[at : at + len(part)]
        map_joints(part.keypoints, part.skeleton, skeleton, out)
        at += len(part)
    counts = np.count_nonzero(keypoints[:, :, 2] > 0, axis=1).astype(np.int64)
    counts[np.concatenate([p.num_keypoints for p in parts]) <= 0] = 0
    starts = np.cumsum([0] + [len(p.images) for p in parts])
    images = Images(
        np.arange(1, starts[-1] + 1),
        sum((p.images.file_names for p in parts), ()),
        np.concatenate([p.images.width for p in parts]),
        np.concatenate([p.images.height for p in parts]),
        np.concatenate([p.images.source for p in parts]),
        sum((p.images.source_ids for p in parts), ()),
        sum((p.images.groups for p in parts), ()),
    )
    rows = [p.image_rows + s for p, s in zip(parts, starts, strict=False)]
    return Instances(
        skeleton,
        images,
        np.concatenate(rows),
        np.arange(1, len(counts) + 1),
        np.concatenate([p.boxes_xywh for p in parts]),
        keypoints,
        counts,
        np.concatenate([p.iscrowd for p in parts]),
        np.concatenate([p.file_area for p in parts]),
        np.concatenate([p.source for p in parts]),
        np.concatenate([p.box_rule for p in parts]),
        np.concatenate([p.segmentation_area for p in parts]),
        notes=sum((p.notes for p in parts), ()),
    )
