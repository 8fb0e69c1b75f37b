"""Read COCO annotations with the ordinary JSON library, which explains every mistake."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET, Raw, Struct, UnsetType, field
from numpy.typing import NDArray

from smallpose.core.boxes import BOX_RULES
from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.instances import SOURCES, Images, Instances, make_instances
from smallpose.core.skeleton import COCO17, Skeleton
from smallpose.io.categories import Category, CategoryId, ChosenCategories, choose_categories
from smallpose.io.duplicates import drop_duplicates
from smallpose.io.image_lookup import ImageId, ImageRows, number_ids
from smallpose.io.json_blocks import Int64, decode_blocks, decode_records, guess_skeleton
from smallpose.io.repeated_fields import refuse_repeated_members
from smallpose.system.files import read_bytes
from smallpose.system.image_limits import MAX_SIDE, refuse_impossible_size
from smallpose.system.json_decode import decode_json

MIN_TABLE_LIMIT = 2**30  # bytes that the keypoints of any file may need
MAX_TABLE_RATIO = 64  # of these to the bytes of a larger file's text


class ImageRecord(Struct):
    """The fields that are read of an image."""

    id: Int64 | str
    file_name: str = ""
    width: Int64 | float | None = None
    height: Int64 | float | None = None
    source: str | None = None
    source_id: str | int | None = None
    source_split: str | None = None
    group: str | int | None = None
    crowd_index: float | None = field(name="crowdIndex", default=None)


class _Annotation(Struct):
    id: Int64 | str
    image_id: Int64 | str
    bbox: tuple[float, float, float, float] | UnsetType = UNSET
    category_id: Int64 | str | None = None
    keypoints: list[float] = []
    num_keypoints: Int64 | None = None
    iscrowd: bool | int = 0
    area: float | None = None
    source: str | None = None
    box_rule: str | None = None
    segmentation_area: float | None = None
    derived: list[int] = []


class _LabelledCategory(Struct):
    category_id: Int64 | str | None = 1
    keypoints: list[float] | None = None


class _CocoFile(Struct):
    """The lists of a file; their records stay text until their block is decoded."""

    annotations: list[Raw]
    images: list[Raw] | UnsetType = UNSET
    categories: list[Raw] | None = None


def read_coco_slow(
    path: Path | str,
    *,
    derived: bool = False,
    category: Sequence[str] = (),
    keypoints_required: bool = True,
    data: bytes | None = None,
) -> Instances:
    """Read what `coco_annotations.read_coco` reads, with errors that name the record."""
    data = read_bytes(Path(path)) if data is None else data
    remedy = "give a COCO annotation file, with images, annotations and categories"
    file = decode_json(path, data, _CocoFile, remedy)
    if file.images is UNSET:
        raise InputError(str(path), "no images list", "give a COCO annotation file; this is none")
    refuse_repeated_members(path, data, _CocoFile)
    categories = decode_records(path, "categories", file.categories or [], Category)

    def list_labelled() -> Collection[CategoryId]:
        blocks = decode_blocks(path, "annotations", file.annotations, _LabelledCategory)
        labelled = [a.category_id for block in blocks for a in block if a.keypoints]
        return {1 if category_id is None else category_id for category_id in labelled}

    chosen = choose_categories(path, categories, category, list_labelled, keypoints_required)
    notes: list[str] = []
    records = decode_records(path, "images", file.images, ImageRecord)
    images = build_images(path, records, notes)
    builder = _TableBuilder(path, chosen, len(file.annotations), len(data), derived)
    rows = ImageRows(images)
    for block in decode_blocks(path, "annotations", file.annotations, _Annotation):
        builder.add_block(block, rows)
    if not builder.has_keypoints:
        if keypoints_required:
            _refuse_without_keypoints(path, chosen, builder)
        else:
            builder.remove_joints()
    return builder.build(images, file.annotations, notes)


def _refuse_without_keypoints(
    path: Path | str, chosen: ChosenCategories, builder: "_TableBuilder"
) -> None:
    """Raise InputError where there are annotations, but no keypoints in any of them."""
    num_people = len(builder.indices)
    if num_people == 0 and (builder.num_read == 0 or chosen.used):
        return
    names = " of " + ", ".join(category.name for category in chosen.used) if chosen.used else ""
    remedy = "give a file with keypoints, such as person_keypoints_val2017.json"
    if chosen.used and chosen.others:
        remedy += ", or name another category with --category"
    raise InputError(
        str(path),
        f"none of its {format_count(num_people or builder.num_read, 'annotation')}{names} has "
        "keypoints",
        remedy,
    )


def build_images(path: Path | str, records: list[ImageRecord], notes: list[str]) -> Images:
    """Build the table of images; identical duplicates are dropped and noted."""
    kept = records
    if len({record.id for record in records}) < len(records):
        unique = drop_duplicates(
            enumerate(records),
            key=lambda record: record.id,
            is_equal=lambda i, j: records[i] == records[j],
            where=f"{path}, images",
            describe=lambda record: f"id {record.id}",
        )
        kept = [record for _, record in unique]
        notes.append(f"{format_count(len(records) - len(kept), 'repeated image')} merged")
    widths = [record.width or 0 for record in kept]
    heights = [record.height or 0 for record in kept]
    for side in (widths, heights):
        if side and not (min(side) >= -MAX_SIDE and max(side) <= MAX_SIDE):
            _refuse_impossible_sizes(path, kept)
    code_of = {word: code for code, word in enumerate(SOURCES)}
    ids, text_ids = number_ids([r.id for r in kept])
    return Images(
        ids=ids,
        file_names=tuple([r.file_name for r in kept]),
        width=np.array(widths, dtype=np.int64),
        height=np.array(heights, dtype=np.int64),
        source=np.array([code_of.get(r.source or "", 0) for r in kept], dtype=np.int8),
        source_ids=_list_texts([r.source_id for r in kept]),
        groups=_list_texts([r.group for r in kept]),
        text_ids=text_ids,
        published_crowd_index=_collect_crowd_index(kept),
        source_splits=_collect_source_splits(kept),
    )


def _refuse_impossible_sizes(path: Path | str, records: list[ImageRecord]) -> None:
    """Raise InputError for the first image with a side that none can have."""
    for record in records:
        width, height = record.width or 0, record.height or 0
        if not (abs(width) <= MAX_SIDE and abs(height) <= MAX_SIDE):
            refuse_impossible_size(f"{path}, image {record.id}", width, height)


def _list_texts(values: Sequence[str | int | None]) -> tuple[str, ...]:
    """Return values as texts, "" for none; fast where there are none."""
    if values.count(None) == len(values):
        return ("",) * len(values)
    return tuple("" if value is None else str(value) for value in values)


def _collect_source_splits(records: list[ImageRecord]) -> tuple[str, ...]:
    """Return the split of each image in its source; empty where none has one."""
    splits = [record.source_split or "" for record in records]
    return tuple(splits) if any(splits) else ()


def _collect_crowd_index(records: list[ImageRecord]) -> tuple[float, ...]:
    """Return the CrowdIndex that CrowdPose's files give each image; empty where none has one."""
    values = [r.crowd_index for r in records]
    if values.count(None) == len(values):
        return ()
    return tuple(float("nan") if value is None else value for value in values)


def _find_code(known: Sequence[str], word: str | None) -> int:
    """Return the index of a source or box rule; unknown words of other files are index 0."""
    return known.index(word) if word in known else 0


class _Columns(NamedTuple):
    """The columns of a block of people, except their keypoints."""

    image_rows: NDArray[np.intp]
    boxes_xywh: NDArray[np.float64]
    num_keypoints: NDArray[np.int64]
    iscrowd: NDArray[np.bool_]
    file_area: NDArray[np.float64]
    source: NDArray[np.int8]
    box_rule: NDArray[np.int8]
    segmentation_area: NDArray[np.float64]


class _TableBuilder:
    """Collects the columns of the annotations block by block.

    Args:
        path: the file, for messages.
        chosen: the categories of the annotations to keep, and their joints. Where the file names no
            joints, the first block with keypoints decides.
        max_people: number of all annotations.
        num_text_bytes: length of the text.
        derived: keep derived keypoints.
    """

    def __init__(
        self,
        path: Path | str,
        chosen: ChosenCategories,
        max_people: int,
        num_text_bytes: int,
        derived: bool,
    ) -> None:
        self.path = path
        self.chosen = chosen
        self.skeleton = chosen.skeleton
        self.max_people = max_people
        self.num_text_bytes = num_text_bytes
        self.derived = derived
        self.num_read = 0  # annotations
        self.has_keypoints = False  # whether any list of keypoints is not empty
        self.num_left_out: Counter[CategoryId] = Counter()
        self.indices: list[int] = []  # of the people in the file, for messages
        self.ids: list[ImageId] = []  # of the people
        self.blocks: list[_Columns] = []
        self.keypoints: NDArray[np.float64] | None = None
        self.num_recounted = 0

    def add_block(self, block: list[_Annotation], image_rows: ImageRows) -> None:
        """Add the block's people after checking each record."""
        first = self.num_read
        self.num_read += len(block)
        numbered = []
        for index, a in enumerate(block, first):
            if self.chosen.accepts(a.category_id):
                numbered.append((index, a))
            elif a.category_id is not None:
                self.num_left_out[a.category_id] += 1
        if not numbered:
            return
        people = [a for _, a in numbered]
        self.has_keypoints = self.has_keypoints or any(a.keypoints for a in people)
        rows = self._find_image_rows(numbered, image_rows)
        if self.skeleton is None:
            self.skeleton = guess_skeleton(self.path, [len(a.keypoints) for a in people])
        if self.skeleton is not None and self.keypoints is None:
            self.keypoints = self._allocate_keypoints(len(self.skeleton))
        keypoints = self._read_keypoints(people)
        self.blocks.append(self._build_columns(people, keypoints, rows))
        if self.keypoints is not None:
            start = len(self.indices)
            self.keypoints[start : start + len(people)] = keypoints
        self.indices.extend(i for i, _ in numbered)
        self.ids.extend(a.id for a in people)

    def _allocate_keypoints(self, num_joints: int) -> NDArray[np.float64]:
        """Return the table of all keypoints, whose size must be in proportion to the text."""
        num_bytes = self.max_people * num_joints * 3 * 8
        if num_bytes > max(MIN_TABLE_LIMIT, MAX_TABLE_RATIO * self.num_text_bytes):
            raise InputError(
                str(self.path),
                f"{format_count(self.max_people, 'annotation')} with "
                f"{format_count(num_joints, 'keypoint')} each need {num_bytes / 2**30:.1f} GiB, "
                f"for {format_count(self.num_text_bytes, 'byte')} of text",
                "leave out annotations without keypoints",
            )
        return np.zeros((self.max_people, num_joints, 3))

    def _find_image_rows(
        self, numbered: list[tuple[int, _Annotation]], image_rows: ImageRows
    ) -> NDArray[np.intp]:
        rows = np.empty(len(numbered), dtype=np.intp)
        for i, (index, a) in enumerate(numbered):
            row = image_rows.find(a.image_id)
            if row is None:
                raise InputError(
                    f"{self.path}, annotation {a.id}",
                    f"image {a.image_id} is not in the list of images",
                    "add the image or leave the annotation out",
                )
            if a.bbox is UNSET:
                raise InputError(
                    f"{self.path}, annotations[{index}] (id {a.id})",
                    "Object missing required field bbox",
                    "add x, y, width and height of the person, by which sizes and heights go; "
                    "docs/evaluate.md (Labels without boxes) adds boxes around the joints in a few "
                    "lines, smallpose build SET --source own=FOLDER by itself; or leave the "
                    "annotation out",
                )
            rows[i] = row
        return rows

    def _build_columns(
        self, people: list[_Annotation], keypoints: NDArray[np.float64], rows: NDArray[np.intp]
    ) -> _Columns:
        nan = float("nan")
        counts = np.count_nonzero(keypoints[:, :, 2] > 0, axis=1)
        num_keypoints = np.array(
            [-1 if a.num_keypoints is None else a.num_keypoints for a in people]
        )
        is_missing = num_keypoints < 0
        self.num_recounted += int(np.count_nonzero(is_missing))
        masks = [nan if a.segmentation_area is None else a.segmentation_area for a in people]
        return _Columns(
            image_rows=rows,
            boxes_xywh=np.array([a.bbox for a in people], dtype=np.float64).reshape(-1, 4),
            num_keypoints=np.where(is_missing, counts, num_keypoints).astype(np.int64),
            iscrowd=np.array([bool(a.iscrowd) for a in people], dtype=bool),
            file_area=np.array([nan if a.area is None else a.area for a in people]),
            source=np.array([_find_code(SOURCES, a.source) for a in people], dtype=np.int8),
            box_rule=np.array([_find_code(BOX_RULES, a.box_rule) for a in people], dtype=np.int8),
            segmentation_area=np.array(masks),
        )

    def _read_keypoints(self, people: list[_Annotation]) -> NDArray[np.float64]:
        """Return (n, k, 3) after checking lengths, visibility and derived joints."""
        k = 0 if self.skeleton is None else len(self.skeleton)
        for a in people:
            if len(a.keypoints) not in (0, 3 * k):
                name = self.skeleton.name if self.skeleton else "nothing"
                raise InputError(
                    f"{self.path}, annotation {a.id}",
                    f"{format_count(len(a.keypoints), 'keypoint value')}, {name} needs {3 * k}",
                    "correct the record or the category's keypoints",
                )
        has_keypoints = np.array([bool(a.keypoints) for a in people])
        keypoints = np.zeros((len(people), k, 3))
        if has_keypoints.any():
            values = np.array([a.keypoints for a in people if a.keypoints], dtype=np.float64)
            keypoints[has_keypoints] = values.reshape(-1, k, 3)
        self._check_visibility(people, keypoints[:, :, 2])
        for row, a in enumerate(people):
            for joint in a.derived:
                if not 1 <= joint <= k:
                    raise InputError(
                        f"{self.path}, annotation {a.id}",
                        f"derived joint {joint} of {k}",
                        "count joints from 1, as in the category's skeleton",
                    )
                if not self.derived:
                    keypoints[row, joint - 1] = 0
        return keypoints

    def _check_visibility(self, people: list[_Annotation], v: NDArray[np.float64]) -> None:
        wrong = np.argwhere((v != 0) & (v != 1) & (v != 2))
        if len(wrong):
            row, joint = wrong[0]
            raise InputError(
                f"{self.path}, annotation {people[row].id}",
                f"keypoint {joint + 1} has visibility {v[row, joint]:g}",
                "use 0 (not labelled), 1 (hidden) or 2 (visible)",
            )

    def remove_joints(self) -> None:
        """Mark the table as one of boxes alone: without joints in its skeleton."""
        self.skeleton = Skeleton("no keypoints", ())
        self.keypoints = np.zeros((self.max_people, 0, 3))

    def build(self, images: Images, raws: list[Raw], notes: list[str]) -> Instances:
        """Build the table, without identical duplicates."""
        num_people = len(self.indices)
        notes += self.chosen.describe(self.num_left_out)
        if self.num_recounted:
            notes.append(
                f"num_keypoints counted in {format_count(self.num_recounted, 'annotation')} "
                "without it"
            )
        category_ids = self.chosen.ids or (1,)
        ids, text_ids = number_ids(self.ids)
        if not self.blocks:
            skeleton = COCO17 if self.skeleton is None else self.skeleton
            people = make_instances(skeleton, images, [], [], [], notes=notes)
            return replace(people, category_id=category_ids[0], more_category_ids=category_ids[1:])
        columns = _Columns(*(np.concatenate(column) for column in zip(*self.blocks, strict=True)))
        keypoints = self.keypoints
        if keypoints is None:
            keypoints = np.zeros((num_people, len(COCO17), 3))
        people = Instances(
            skeleton=COCO17 if self.skeleton is None else self.skeleton,
            images=images,
            ids=ids,
            keypoints=keypoints[:num_people],
            category_id=category_ids[0],
            more_category_ids=category_ids[1:],
            text_ids=text_ids,
            **columns._asdict(),
        )
        if len(np.unique(ids)) < num_people:
            people = people.take(self._find_unique(raws))
            notes.append(f"{format_count(num_people - len(people), 'repeated annotation')} merged")
        return replace(people, notes=tuple(notes))

    def _find_unique(self, raws: list[Raw]) -> NDArray[np.intp]:
        """Return the rows without identical duplicates."""
        unique = drop_duplicates(
            zip(self.indices, self.ids, strict=True),
            key=lambda annotation_id: annotation_id,
            is_equal=lambda i, j: _decode_any(raws[i]) == _decode_any(raws[j]),
            where=f"{self.path}, annotations",
            describe=lambda annotation_id: f"id {annotation_id}",
        )
        return np.searchsorted(self.indices, [index for index, _ in unique])


def _decode_any(raw: Raw) -> object:
    """Return what a record contains, for comparing; its text where a number has no value."""
    try:
        return msgspec.json.decode(raw)
    except msgspec.ValidationError:  # such as 1e999 in a field that is not read
        return bytes(raw)
