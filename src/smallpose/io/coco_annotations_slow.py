"""The records of a COCO file as columns, read with the ordinary JSON library.

The plain twin of `scanning`, and the one that knows how to complain.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, Raw, Struct, UnsetType
from numpy.typing import NDArray

from smallpose.core.boxes import BOX_RULES
from smallpose.core.errors import InputError
from smallpose.core.instances import SOURCES, Images, Instances
from smallpose.core.skeleton import COCO17, Skeleton, resolve_skeleton
from smallpose.io.json_blocks import Int64, decode_blocks, guess_skeleton
from smallpose.system.files import read_bytes
from smallpose.system.json_decode import decode_json, refuse_repeated_keys


class Category(Struct):
    """What is read of a category."""

    id: Int64
    name: str = "person"
    keypoints: list[str] = []
    skeleton: list[tuple[int, int]] = []


class ImageRecord(Struct):
    """What is read of an image."""

    id: Int64
    file_name: str = ""
    width: Int64 | float | None = None
    height: Int64 | float | None = None
    source: str | None = None
    source_id: str | int | None = None
    group: str | int | None = None


class _Annotation(Struct):
    id: Int64
    image_id: Int64
    bbox: tuple[float, float, float, float] | UnsetType = UNSET
    category_id: Int64 = 1
    keypoints: list[float] = []
    num_keypoints: Int64 | None = None
    iscrowd: bool | int = 0
    area: float | None = None
    source: str | None = None
    box_rule: str | None = None
    segmentation_area: float | None = None
    derived: list[int] = []


class CocoFile(Struct):
    """The lists of a file; annotations stay text until their block is decoded."""

    annotations: list[Raw]
    images: list[ImageRecord] | UnsetType = UNSET
    categories: list[Category] = []


def read_coco_slow(path: Path | str, *, derived: bool = False) -> Instances:
    """As `coco_json.read_coco`."""
    data = read_bytes(Path(path))
    file = decode_json(path, data, CocoFile)
    if file.images is UNSET:
        raise InputError(str(path), "no images list", "this is no COCO annotation file")
    _refuse_lost_keys(path, data, file)
    category, skeleton = find_person_category(path, file)
    notes: list[str] = []
    images = build_images(path, file.images, notes)
    people = _ColumnBuilder(path, skeleton, category, len(file.annotations), derived)
    for block in decode_blocks(path, "annotations", file.annotations, _Annotation):
        people.add(block, images.row_of)
    return people.finish(images, file.annotations, notes)


def find_person_category(path: Path | str, file: CocoFile) -> tuple[int | None, Skeleton | None]:
    """The id and skeleton of the category with keypoints; None where the file does not say."""
    with_joints = [c for c in file.categories if c.keypoints]
    if not with_joints:
        person = next((c.id for c in file.categories if c.name == "person"), None)
        return (person if len(file.categories) > 1 else None), None
    if len(with_joints) > 1:
        with_joints = [c for c in with_joints if c.name == "person"] or with_joints[:1]
    category = with_joints[0]
    k = len(category.keypoints)
    # CrowdPose's own file carries COCO's edges, which name joints it does not have.
    fits = all(min(e) >= 1 and max(e) <= k for e in category.skeleton)
    edges = [(a - 1, b - 1) for a, b in category.skeleton] if fits else []
    return category.id, resolve_skeleton(category.keypoints, edges)


def build_images(path: Path | str, entries: list[ImageRecord], notes: list[str]) -> Images:
    """The images as columns; identical repeats are merged and noted."""
    kept: dict[int, ImageRecord] = {}
    for number, entry in enumerate(entries):
        first = kept.setdefault(entry.id, entry)
        if first is not entry and first != entry:
            raise InputError(
                f"{path}, images[{number}]",
                f"image {entry.id} stands there twice and differs "
                f"({first.file_name!r}, {entry.file_name!r})",
                "keep one of them",
            )
    if len(kept) < len(entries):
        notes.append(f"{len(entries) - len(kept):,} repeated image entries merged")
    rows = list(kept.values())
    return Images(
        np.fromiter(kept, dtype=np.int64, count=len(kept)),
        tuple(i.file_name for i in rows),
        np.array([i.width or 0 for i in rows], dtype=np.int64),
        np.array([i.height or 0 for i in rows], dtype=np.int64),
        np.array([_find_code(SOURCES, i.source) for i in rows], dtype=np.int8),
        tuple("" if i.source_id is None else str(i.source_id) for i in rows),
        tuple("" if i.group is None else str(i.group) for i in rows),
    )


def _find_code(known: Sequence[str], word: str | None) -> int:
    """The number of a source or box rule; words of other people's files count as not said."""
    return known.index(word) if word in known else 0


class _ColumnBuilder:
    """The annotation columns while they grow, block by block."""

    def __init__(
        self,
        path: Path | str,
        skeleton: Skeleton | None,
        category: int | None,
        most: int,
        derived: bool,
    ) -> None:
        self.path, self.skeleton, self.category = path, skeleton, category
        self.derived = derived
        self.n = 0
        self.numbers: list[int] = []  # place in the file, for messages and repeats
        self.most = most
        self.keypoints: NDArray[np.float64] | None = None
        self.seen = 0
        self.blocks: list[list[Any]] = []
        self.recounted = 0

    def add(self, block: list[_Annotation], row_of: dict[int, int]) -> None:
        """Append the block's people, checking each record as a whole."""
        first, self.seen = self.seen, self.seen + len(block)
        people = [
            (first + i, a)
            for i, a in enumerate(block)
            if self.category is None or a.category_id == self.category
        ]
        if not people:
            return
        if self.skeleton is None:
            self.skeleton = guess_skeleton(self.path, [len(a.keypoints) for _, a in people])
        if self.keypoints is None and self.skeleton is not None:
            self.keypoints = np.zeros((self.most, len(self.skeleton), 3))
        lost = next((a for _, a in people if a.image_id not in row_of), None)
        if lost is not None:
            raise InputError(
                f"{self.path}, annotation {lost.id}",
                f"image {lost.image_id} is not in the list of images",
                "add the image or leave the annotation out",
            )
        bare = next((i for i, a in people if a.bbox is UNSET), None)
        if bare is not None:
            raise InputError(
                f"{self.path}, annotations[{bare}] (id {block[bare - first].id})",
                "Object missing required field bbox",
                "add it or leave the annotation out",
            )
        n = len(people)
        points = self._points([a for _, a in people])
        count = np.count_nonzero(points[:, :, 2] > 0, axis=1)
        said = np.array([-1 if a.num_keypoints is None else a.num_keypoints for _, a in people])
        self.recounted += int(np.count_nonzero(said < 0))
        nan = float("nan")
        self.blocks.append(
            [
                np.array([row_of[a.image_id] for _, a in people], dtype=np.intp),
                np.array([a.id for _, a in people], dtype=np.int64),
                np.array([a.bbox for _, a in people], dtype=np.float64).reshape(n, 4),
                np.where(said < 0, count, said).astype(np.int64),
                np.array([bool(a.iscrowd) for _, a in people], dtype=bool),
                np.array([nan if a.area is None else a.area for _, a in people]),
                np.array([_find_code(SOURCES, a.source) for _, a in people], dtype=np.int8),
                np.array([_find_code(BOX_RULES, a.box_rule) for _, a in people], dtype=np.int8),
                np.array(
                    [nan if a.segmentation_area is None else a.segmentation_area for _, a in people]
                ),
            ]
        )
        if self.keypoints is not None:
            self.keypoints[self.n : self.n + n] = points
        self.n += n
        self.numbers.extend(i for i, _ in people)

    def _points(self, people: list[_Annotation]) -> NDArray[np.float64]:
        k = 0 if self.skeleton is None else len(self.skeleton)
        nothing = [0.0] * (3 * k)
        for a in people:
            if len(a.keypoints) not in (0, 3 * k):
                raise InputError(
                    f"{self.path}, annotation {a.id}",
                    f"{len(a.keypoints)} keypoint values, "
                    f"{self.skeleton.name if self.skeleton else 'nothing'} needs {3 * k}",
                    "mend the record or the category's keypoints",
                )
        points = np.array([a.keypoints or nothing for a in people], dtype=np.float64)
        points = points.reshape(len(people), k, 3)
        v = points[:, :, 2]
        wrong = np.argwhere((v != 0) & (v != 1) & (v != 2))
        if len(wrong):
            row, joint = wrong[0]
            raise InputError(
                f"{self.path}, annotation {people[row].id}",
                f"keypoint {joint + 1} has visibility {v[row, joint]:g}",
                "it is 0 (not labelled), 1 (hidden) or 2 (seen)",
            )
        for row, a in enumerate(people):
            for joint in a.derived:
                if not 1 <= joint <= k:
                    raise InputError(
                        f"{self.path}, annotation {a.id}",
                        f"derived joint {joint} of {k}",
                        "joints count from 1, as in the category's skeleton",
                    )
                if not self.derived:
                    points[row, joint - 1] = 0
        return points

    def finish(self, images: Images, raws: list[Raw], notes: list[str]) -> Instances:
        """The whole table, repeats merged."""
        skeleton = self.skeleton or COCO17
        columns: list[Any] = (
            [np.concatenate(column) for column in zip(*self.blocks, strict=True)]
            if self.blocks
            else [
                np.zeros(0, np.intp),
                np.zeros(0, np.int64),
                np.zeros((0, 4)),
                np.zeros(0, np.int64),
                np.zeros(0, bool),
                np.zeros(0),
                np.zeros(0, np.int8),
                np.zeros(0, np.int8),
                np.zeros(0),
            ]
        )
        keypoints = np.zeros((0, len(skeleton), 3)) if self.keypoints is None else self.keypoints
        rows, ids, boxes, count, crowd, area, source, rule, mask = columns
        if self.seen > self.n:
            notes.append(f"{self.seen - self.n:,} annotations of other categories left out")
        if self.recounted:
            notes.append(f"num_keypoints counted anew in {self.recounted:,} annotations without it")
        people = Instances(
            skeleton,
            images,
            rows,
            ids,
            boxes,
            keypoints[: self.n],
            count,
            crowd,
            area,
            source,
            rule,
            mask,
            1 if self.category is None else self.category,
        )
        keep = self._once(ids, raws, notes)
        if keep is not None:
            people = people.take(keep)
        return replace(people, notes=tuple(notes))

    def _once(
        self, ids: NDArray[np.int64], raws: list[Raw], notes: list[str]
    ) -> NDArray[np.intp] | None:
        """Rows without identical repeats, or None when there are none."""
        first: dict[int, int] = {}
        repeats = []
        unique, counts = np.unique(ids, return_counts=True)
        suspects = set(unique[counts > 1].tolist())
        if not suspects:
            return None
        for row, one in enumerate(ids.tolist()):
            if one not in suspects:
                continue
            start = first.setdefault(one, row)
            if start == row:
                continue
            here, there = self.numbers[start], self.numbers[row]
            if msgspec.json.decode(raws[here]) != msgspec.json.decode(raws[there]):
                raise InputError(
                    f"{self.path}, annotations[{here}] and [{there}]",
                    f"both have id {one} and they differ",
                    "give each annotation an id of its own",
                )
            repeats.append(row)
        notes.append(f"{len(repeats):,} repeated annotations merged")
        return np.delete(np.arange(len(ids)), repeats)


def _refuse_lost_keys(path: Path | str, data: bytes, file: CocoFile) -> None:
    """A key that stands twice would silently lose the first: look closer when a count is odd."""
    odd = data.count(b'"annotations"') > 1 or data.count(b'"images"') > 1
    n, c = len(file.annotations), len(file.categories)
    odd |= data.count(b'"keypoints"') > n + c or data.count(b'"bbox"') > n
    odd |= data.count(b'"image_id"') > n
    if odd:
        refuse_repeated_keys(path, data)
