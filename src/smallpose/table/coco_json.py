"""Both tables from and to COCO's JSON: anybody's keypoint files, and our own with provenance.

Records are decoded in blocks, so reading needs memory for the columns and the text, not for a
Python object per number.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, TypeVar

import msgspec
import numpy as np
from msgspec import UNSET, Raw, Struct, UnsetType
from numpy.typing import NDArray

from smallpose.core.boxes import BOX_RULES
from smallpose.core.errors import InputError
from smallpose.core.files import read_bytes, write_whole, write_whole_with
from smallpose.core.json_text import decode, refuse_repeated_keys
from smallpose.core.skeleton import COCO17, SMALLPOSE, Skeleton, named_skeleton
from smallpose.table.instances import SOURCES, Images, Instances, make_images, make_instances
from smallpose.table.predictions import Predictions

BLOCK = 10_000  # records decoded at a time
MOST_IN_ONE_IMAGE = 100_000  # people found in one image; more is a mistake, not a crowd
T = TypeVar("T")


class _Category(Struct):
    id: int
    name: str = "person"
    keypoints: list[str] = []
    skeleton: list[tuple[int, int]] = []


class _Image(Struct):
    id: int
    file_name: str = ""
    width: int | float | None = None
    height: int | float | None = None
    source: str | None = None
    source_id: str | int | None = None
    group: str | int | None = None


class _Annotation(Struct):
    id: int
    image_id: int
    bbox: tuple[float, float, float, float]
    category_id: int = 1
    keypoints: list[float] = []
    num_keypoints: int | None = None
    iscrowd: bool | int = 0
    area: float | None = None
    source: str | None = None
    box_rule: str | None = None
    segmentation_area: float | None = None


class _File(Struct):
    annotations: list[Raw]
    images: list[_Image] | UnsetType = UNSET
    categories: list[_Category] = []


class _Found(Struct):
    image_id: int
    keypoints: list[float]
    score: float
    category_id: int = 1
    bbox: list[float] | None = None


def read_coco(path: Path | str) -> Instances:
    """A COCO keypoint file as `Instances`, with whatever skeleton its category names.

    Boxes stay as they stand. Identical repeats of images and annotations, which real files have,
    are merged and noted; annotations of other categories are left out and noted.

    Raises: InputError naming the record that is broken, repeated with a difference, or unfit.
    """
    data = read_bytes(Path(path))
    file = decode(path, data, _File)
    if file.images is UNSET:
        raise InputError(str(path), "no images list", "this is no COCO annotation file")
    _refuse_lost_keys(path, data, file)
    category, skeleton = _person(path, file)
    notes: list[str] = []
    images = _images(path, file.images, notes)
    people = _Columns(path, skeleton, category, len(file.annotations))
    for block in _blocks(path, "annotations", file.annotations, _Annotation):
        people.add(block, images.row_of)
    return people.finish(images, file.annotations, notes)


def _person(path: Path | str, file: _File) -> tuple[int | None, Skeleton | None]:
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
    return category.id, named_skeleton(category.keypoints, edges)


def _images(path: Path | str, entries: list[_Image], notes: list[str]) -> Images:
    kept: dict[int, _Image] = {}
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
        np.array([_code(SOURCES, i.source) for i in rows], dtype=np.int8),
        tuple("" if i.source_id is None else str(i.source_id) for i in rows),
        tuple("" if i.group is None else str(i.group) for i in rows),
    )


def _code(known: Sequence[str], word: str | None) -> int:
    """The number of a source or box rule; words of other people's files count as not said."""
    return known.index(word) if word in known else 0


class _Columns:
    """The annotation columns while they grow, block by block."""

    def __init__(
        self, path: Path | str, skeleton: Skeleton | None, category: int | None, most: int
    ) -> None:
        self.path, self.skeleton, self.category = path, skeleton, category
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
            self.skeleton = _guess(self.path, [len(a.keypoints) for _, a in people])
        if self.keypoints is None and self.skeleton is not None:
            self.keypoints = np.zeros((self.most, len(self.skeleton), 3))
        lost = next((a for _, a in people if a.image_id not in row_of), None)
        if lost is not None:
            raise InputError(
                f"{self.path}, annotation {lost.id}",
                f"image {lost.image_id} is not in the list of images",
                "add the image or leave the annotation out",
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
                np.array([_code(SOURCES, a.source) for _, a in people], dtype=np.int8),
                np.array([_code(BOX_RULES, a.box_rule) for _, a in people], dtype=np.int8),
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
        return points

    def finish(self, images: Images, raws: list[Raw], notes: list[str]) -> Instances:
        """The whole table, repeats merged."""
        skeleton = self.skeleton or COCO17
        columns: list[Any] = (
            [np.concatenate(column) for column in zip(*self.blocks, strict=True)]
            if self.blocks
            else [
                *(np.zeros(0, np.intp), np.zeros(0, np.int64), np.zeros((0, 4))),
                *(np.zeros(0, np.int64), np.zeros(0, bool), np.zeros(0)),
                *(np.zeros(0, np.int8), np.zeros(0, np.int8), np.zeros(0)),
            ]
        )
        keypoints = np.zeros((0, len(skeleton), 3)) if self.keypoints is None else self.keypoints
        rows, ids, boxes, count, crowd, area, source, rule, mask = columns
        if self.seen > self.n:
            notes.append(f"{self.seen - self.n:,} annotations of other categories left out")
        if self.recounted:
            notes.append(f"num_keypoints counted anew in {self.recounted:,} annotations without it")
        people = Instances(
            *(skeleton, images, rows, ids, boxes, keypoints[: self.n], count, crowd, area),
            *(source, rule, mask, 1 if self.category is None else self.category),
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


def _guess(path: Path | str, lengths: list[int]) -> Skeleton | None:
    """The skeleton of a file whose category names no joints, by the length of its keypoints."""
    k3 = max(lengths, default=0)
    if k3 == 0:
        return None
    if k3 % 3:
        raise InputError(str(path), f"{k3} keypoint values", "keypoints are triples x, y, v")
    known = {17: COCO17, 21: SMALLPOSE}.get(k3 // 3)
    return known or Skeleton(f"{k3 // 3} keypoints", tuple(f"joint_{i}" for i in range(k3 // 3)))


def _refuse_lost_keys(path: Path | str, data: bytes, file: _File) -> None:
    """A key that stands twice would silently lose the first: look closer when a count is odd."""
    odd = data.count(b'"annotations"') > 1 or data.count(b'"images"') > 1
    n, c = len(file.annotations), len(file.categories)
    odd |= data.count(b'"keypoints"') > n + c or data.count(b'"bbox"') > n
    odd |= data.count(b'"image_id"') > n
    if odd:
        refuse_repeated_keys(path, data)


def _blocks(path: Path | str, name: str, raws: list[Raw], kind: type[T]) -> Iterator[list[T]]:
    decoder = msgspec.json.Decoder(list[kind])  # type: ignore[valid-type]
    for start in range(0, len(raws), BLOCK):
        part = raws[start : start + BLOCK]
        try:
            yield decoder.decode(b"[" + b",".join(bytes(r) for r in part) + b"]")
        except (msgspec.DecodeError, RecursionError):
            for number, raw in enumerate(part, start):
                _decode_one(f"{path}, {name}[{number}]", raw, kind)
            raise


def _decode_one(where: str, raw: Raw, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        try:
            one = msgspec.json.decode(raw)
        except (msgspec.DecodeError, RecursionError):
            one = {}
        label = f" (id {one['id']})" if isinstance(one, dict) and "id" in one else ""
        what = str(error).replace("`", "").replace(" - at $.", ": ").replace("$.", "")
        raise InputError(where + label, what, "mend the record or leave it out") from None


def read_results(path: Path | str, truth: Instances) -> Predictions:
    """A COCO result file as `Predictions` about the images of `truth`.

    Results with the joints of `truth`, or with COCO's 17 where `truth` has those among others.

    Raises: InputError naming the entry that is broken, not finite, or of an unknown image.
    """
    data = read_bytes(Path(path))
    raws = decode(path, data, list[Raw])
    if data.count(b'"keypoints"') > len(raws):
        refuse_repeated_keys(path, data)
    skeleton: Skeleton | None = None
    parts: list[tuple[Any, ...]] = []
    left_out = first = 0
    for block in _blocks(path, "entry", raws, _Found):
        kept = [(first + i, f) for i, f in enumerate(block) if f.category_id == truth.category_id]
        left_out += len(block) - len(kept)
        first += len(block)
        if not kept:
            continue
        skeleton = skeleton or _found_skeleton(path, kept[0], truth)
        parts.append(_found_columns(path, kept, skeleton, truth.images.row_of))
    notes = (f"{left_out:,} results of other categories left out",) if left_out else ()
    if not parts or skeleton is None:
        k = truth.skeleton
        empty = np.zeros(0)
        return Predictions(
            *(k, np.zeros(0, np.int64), np.zeros((0, len(k), 3)), empty, np.zeros((0, 4)), notes)
        )
    image_ids, keypoints, scores, boxes = (np.concatenate(c) for c in zip(*parts, strict=True))
    _refuse_floods(path, image_ids)
    return Predictions(skeleton, image_ids, keypoints, scores, boxes, notes)


def is_results(path: Path | str) -> bool:
    """Whether the file is a list, as result files are, and not an annotation file."""
    return read_bytes(Path(path)).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["


def truth_for_results(path: Path | str) -> Instances:
    """A truth without people that fits a result file, for looking at the results alone."""
    found = decode(path, read_bytes(Path(path)), list[_Found])
    skeleton = _guess(path, [len(f.keypoints) for f in found[:1]]) or COCO17
    ids = np.unique(np.array([f.image_id for f in found], dtype=np.int64))
    images = make_images(ids, [str(i) for i in ids.tolist()])
    category = found[0].category_id if found else 1
    return make_instances(skeleton, images, [], np.zeros((0, 4)), [], category_id=category)


def _found_skeleton(path: Path | str, first: tuple[int, _Found], truth: Instances) -> Skeleton:
    number, found = first
    k = len(found.keypoints)
    if k == 3 * len(truth.skeleton):
        return truth.skeleton
    if k == 3 * len(COCO17) and set(COCO17.joints) <= set(truth.skeleton.joints):
        return COCO17
    raise InputError(
        f"{path}, entry[{number}]",
        f"{k} keypoint values, {truth.skeleton.name} needs {3 * len(truth.skeleton)}",
        "give results of the truth's own skeleton, or of COCO's 17 joints",
    )


def _found_columns(
    path: Path | str, kept: list[tuple[int, _Found]], skeleton: Skeleton, row_of: dict[int, int]
) -> tuple[Any, ...]:
    k3 = 3 * len(skeleton)
    nan4 = [float("nan")] * 4
    for number, f in kept:
        if len(f.keypoints) != k3:
            what = f"{len(f.keypoints)} keypoint values, {skeleton.name} needs {k3}"
        elif f.image_id not in row_of:
            what = f"image {f.image_id} is not in the truth"
        elif f.bbox is not None and len(f.bbox) not in (0, 4):
            what = f"bbox has {len(f.bbox)} values instead of 4"
        else:
            continue
        raise InputError(f"{path}, entry[{number}]", what, "mend the entry or leave it out")
    return (
        np.array([f.image_id for _, f in kept], dtype=np.int64),
        np.array([f.keypoints for _, f in kept]).reshape(len(kept), len(skeleton), 3),
        np.array([f.score for _, f in kept], dtype=np.float64),
        np.array([f.bbox or nan4 for _, f in kept], dtype=np.float64).reshape(len(kept), 4),
    )


def _refuse_floods(path: Path | str, image_ids: NDArray[np.int64]) -> None:
    image, most = max(Counter(image_ids.tolist()).items(), key=lambda item: item[1])
    if most > MOST_IN_ONE_IMAGE:
        raise InputError(
            f"{path}, image {image}",
            f"{most:,} people found in one image",
            f"keep at most {MOST_IN_ONE_IMAGE:,}, the best by score",
        )


def write_coco(people: Instances, path: Path | str) -> None:
    """`Instances` as a COCO keypoint file; the same table gives the same bytes.

    What is unknown (a size, a group, a mask's area) is left out of the record.
    """

    def fill(file: IO[bytes]) -> None:
        encode = msgspec.json.encode
        file.write(b'{"categories":' + encode([_category(people)]) + b',\n"images":[')
        _write_records(file, _image_records(people.images))
        file.write(b'],\n"annotations":[')
        _write_records(file, _annotation_records(people))
        file.write(b"]}\n")

    write_whole_with(path, fill)


def _write_records(file: IO[bytes], records: Iterator[dict[str, Any]]) -> None:
    encoder = msgspec.json.Encoder()
    for number, record in enumerate(records):
        file.write((b",\n" if number else b"\n") + encoder.encode(record))


def _category(people: Instances) -> dict[str, Any]:
    return {
        "id": people.category_id,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(people.skeleton.joints),
        "skeleton": [[a + 1, b + 1] for a, b in people.skeleton.edges],
    }


def _image_records(images: Images) -> Iterator[dict[str, Any]]:
    columns = (
        *(images.ids.tolist(), images.file_names, images.width.tolist(), images.height.tolist()),
        *(images.source.tolist(), images.source_ids, images.groups),
    )
    for one, name, width, height, source, source_id, group in zip(*columns, strict=True):
        record: dict[str, Any] = {"id": one, "file_name": name}
        if width and height:
            record |= {"width": width, "height": height}
        if source:
            record["source"] = SOURCES[source]
        if source_id:
            record["source_id"] = source_id
        if group:
            record["group"] = group
        yield record


def _annotation_records(people: Instances) -> Iterator[dict[str, Any]]:
    image_ids = people.images.ids[people.image_rows]
    area = np.where(np.isnan(people.file_area), people.area, people.file_area)
    for start in range(0, len(people), BLOCK):
        rows = slice(start, start + BLOCK)
        points = people.keypoints[rows]
        visible = points[:, :, 2].astype(int).tolist()
        flat = points.reshape(len(points), -1).tolist()
        columns = (
            *(people.ids[rows].tolist(), image_ids[rows].tolist()),
            *(people.boxes_xywh[rows].tolist(), area[rows].tolist()),
            *(people.iscrowd[rows].tolist(), people.num_keypoints[rows].tolist(), flat, visible),
            *(people.source[rows].tolist(), people.box_rule[rows].tolist()),
            people.segmentation_area[rows].tolist(),
        )
        for one, image, box, a, crowd, n, k, v, source, rule, mask in zip(*columns, strict=True):
            k[2::3] = v
            record: dict[str, Any] = {"id": one, "image_id": image}
            record |= {"category_id": people.category_id, "bbox": box, "area": a}
            record |= {"iscrowd": int(crowd), "num_keypoints": n, "keypoints": k}
            if source:
                record["source"] = SOURCES[source]
            if rule:
                record["box_rule"] = BOX_RULES[rule]
            if mask == mask:
                record["segmentation_area"] = mask
            yield record


def write_results(found: Predictions, path: Path | str, category_id: int = 1) -> None:
    """`Predictions` as a COCO result file, with `bbox` where there is one."""
    records = []
    columns = (
        *(found.image_ids.tolist(), found.keypoints.reshape(len(found), -1).tolist()),
        *(found.scores.tolist(), found.boxes_xywh.tolist()),
    )
    for image, keypoints, score, box in zip(*columns, strict=True):
        record = {"image_id": image, "category_id": category_id, "keypoints": keypoints}
        record["score"] = score
        if box[0] == box[0]:
            record["bbox"] = box
        records.append(record)
    write_whole(path, msgspec.json.encode(records))
