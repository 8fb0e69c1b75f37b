"""Merge corrected people into the file they came from; everything else keeps its bytes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
from msgspec import Raw

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.dataset.corrections.people import Box, CorrectedPerson, Id, Point
from smallpose.dataset.corrections.record_text import replace_records
from smallpose.io.json_blocks import decode_records
from smallpose.system.files import read_bytes
from smallpose.system.json_decode import decode_json

SAME_POSITION = 0.011  # px; CVAT writes two decimals


@dataclass
class MergeSummary:
    """What a merge changed.

    Args:
        changed: ids of changed people.
        joints, boxes: number of changed joints and boxes.
        unchanged: people of the corrected file who are as they were.
        added: ids of new people.
        removed: ids of people who were taken out.
        kept_without_image: ids of listed people who are missing, as is their image.
        kept_areas: changed boxes whose `area` is that of a mask and stays.
    """

    changed: list[Id] = field(default_factory=list)
    joints: int = 0
    boxes: int = 0
    unchanged: int = 0
    added: list[Id] = field(default_factory=list)
    removed: list[Id] = field(default_factory=list)
    kept_without_image: list[Id] = field(default_factory=list)
    kept_areas: int = 0

    def to_lines(self) -> list[str]:
        """Return the summary, one sentence per line."""
        lines = [
            f"{format_count(len(self.changed), 'person', 'people')} changed "
            f"({format_count(self.joints, 'joint')}, {format_count(self.boxes, 'box', 'boxes')}), "
            f"{self.unchanged:,} as they were, {len(self.added):,} added, {len(self.removed):,} "
            "removed."
        ]
        if self.kept_without_image:
            ids = ", ".join(map(str, self.kept_without_image[:10]))
            more = ", …" if len(self.kept_without_image) > 10 else ""
            num_kept = len(self.kept_without_image)
            kept = format_count(num_kept, "missing person is", "missing people are")
            lines.append(
                f"{kept} kept, because their image did not come back (skipped, or not exported): "
                f"{ids}{more}."
            )
        if self.kept_areas:
            lines.append(
                f"{format_count(self.kept_areas, 'changed box', 'changed boxes')}: the area of the "
                "mask stays as it was."
            )
        return lines

    def to_json(self) -> str:
        """Return the ids of the people who changed, and the counts."""
        return msgspec.json.format(msgspec.json.encode(self)).decode() + "\n"


class _Annotation(msgspec.Struct):
    id: int | str
    image_id: int | str
    category_id: int | str = 1


class _Image(msgspec.Struct):
    id: int | str
    file_name: str = ""


class _Category(msgspec.Struct):
    id: int | str
    keypoints: list[str] = []


class _File(msgspec.Struct):
    annotations: list[Raw]
    images: list[Raw] = []
    categories: list[_Category] = []


def merge_corrected(
    path: Path,
    corrected: Sequence[CorrectedPerson],
    listed_ids: Collection[Id] = (),
    returned_images: Collection[Id] = (),
) -> tuple[bytes, MergeSummary]:
    """Return the text of the file with the corrected people, and what changed.

    Joints that moved by less than a rounding of the tool, and all other fields, keep their text.

    Args:
        path: the original file.
        corrected: people with the ids of the file; those without an id are added.
        listed_ids: people to remove where `corrected` lacks them.
        returned_images: in which people are removed; tools leave out images that were skipped.
    Raises: InputError where a person, a joint or an image is not of the file, or comes twice.
    """
    data = read_bytes(path)
    file = decode_json(path, data, _File)
    original = _Original(path, file)
    original.check_origin(corrected)
    summary = MergeSummary()
    new_records: dict[int, bytes] = {}
    added: list[bytes] = []
    for person in corrected:
        if original.is_new(person):
            added.append(original.build_record(person, summary))
            continue
        index = original.find(person)
        record = original.correct_record(index, person, summary)
        if record is not None:
            new_records[index] = record
    returned = {person.id for person in corrected}
    missing = [i for i in listed_ids if i not in returned and i in original.index_of]
    images = {
        original.find_image(image, str(path)) for image in (returned_images if missing else ())
    }
    removed = [i for i in missing if original.get_image(i) in images]
    summary.removed = list(removed)
    summary.kept_without_image = [i for i in missing if original.get_image(i) not in images]
    gone = {original.index_of[own_id] for own_id in removed}
    return replace_records(path, data, file.annotations, new_records, gone, added), summary


class _Original:
    """The records of the original file, by id."""

    def __init__(self, path: Path, file: _File) -> None:
        self.path = path
        self.raws = file.annotations
        self.annotations = decode_records(path, "annotations", file.annotations, _Annotation)
        self.images = decode_records(path, "images", file.images, _Image)
        self.joints_of = {category.id: category.keypoints for category in file.categories}
        self.index_of: dict[Id, int] = {}
        for index, one in enumerate(self.annotations):
            self.index_of.setdefault(one.id, index)
        self.name_of = {image.id: image.file_name for image in self.images}
        self.max_id = max((i for i in self.index_of if isinstance(i, int)), default=0)
        self.next_id = self.max_id + 1
        self.seen: set[Id] = set()

    def is_new(self, person: CorrectedPerson) -> bool:
        """Return whether a person has no id, or one above all, as tools give to new people."""
        return person.id is None or (isinstance(person.id, int) and person.id > self.max_id)

    def check_origin(self, corrected: Sequence[CorrectedPerson]) -> None:
        """Raise InputError where people have ids, and none of them is of this file."""
        ids = [person.id for person in corrected if person.id is not None]
        if ids and not any(own_id in self.index_of for own_id in ids):
            what = f"has none of the corrected people, such as {ids[0]!r}"
            raise InputError(str(self.path), what, "give the file that the list was made from")

    def find(self, person: CorrectedPerson) -> int:
        """Return the index of the person's record; each may be corrected once."""
        own_id = person.id if person.id is not None else ""
        if own_id not in self.index_of:
            what = f"the person {own_id!r} is not in {self.path.name}"
            raise InputError(person.where, what, "give the file that the list was made from")
        if own_id in self.seen:
            what = f"the person {own_id!r} comes twice"
            raise InputError(person.where, what, "keep one of them in the tool")
        self.seen.add(own_id)
        index = self.index_of[own_id]
        image = self.annotations[index].image_id
        if image != self.find_image(person.image, person.where):
            what = f"the person {own_id!r} is in image {self.name_of.get(image) or image!r}"
            raise InputError(person.where, what, "give the file that the list was made from")
        return index

    def get_image(self, own_id: Id) -> Id:
        """Return the id of a person's image."""
        return self.annotations[self.index_of[own_id]].image_id

    def find_image(self, image: Id, where: str) -> Id:
        """Return the id of the image that a tool names by id, path or bare file name."""
        if image in self.name_of:
            return image
        name = str(image)
        same = [own_id for own_id, own in self.name_of.items() if own == name]
        bare = PurePosixPath(name).name
        same = same or [i for i, own in self.name_of.items() if PurePosixPath(own).name == bare]
        if len(same) != 1:
            count = "no image" if not same else format_count(len(same), "image")
            what = f"{count} of {self.path.name} called {name!r}"
            raise InputError(where, what, "keep the names of the list's images")
        return same[0]

    def correct_record(
        self, index: int, person: CorrectedPerson, summary: MergeSummary
    ) -> bytes | None:
        """Return the new text of a record; None where nothing changed."""
        fields = msgspec.json.decode(self.raws[index], type=dict[str, Raw])
        joints = self.joints_of.get(self.annotations[index].category_id, [])
        texts = msgspec.json.decode(fields.get("keypoints", Raw(b"[]")), type=list[Raw])
        if len(texts) != 3 * len(joints):
            what = (
                f"the person {person.id!r} has {format_count(len(texts), 'number')} for "
                f"{format_count(len(joints), 'joint')}"
            )
            raise InputError(str(self.path), what, f"see 'smallpose check {self.path}'")
        self.check_joints(person, joints)
        num_joints = 0
        for number, name in enumerate(joints):
            triple = _correct_triple(texts[3 * number : 3 * number + 3], person.joints.get(name))
            if triple is not None:
                texts[3 * number : 3 * number + 3] = triple
                num_joints += 1
        if num_joints:
            fields["keypoints"] = Raw(msgspec.json.encode(texts))
        if num_joints and "num_keypoints" in fields:
            count = sum(float(msgspec.json.decode(v)) > 0 for v in texts[2::3])
            fields["num_keypoints"] = Raw(str(count).encode())
        has_new_box = _correct_box(fields, person.box_xywh, summary)
        if not num_joints and not has_new_box:
            summary.unchanged += 1
            return None
        summary.joints += num_joints
        summary.changed.append(self.annotations[index].id)
        return msgspec.json.encode(fields)

    def check_joints(self, person: CorrectedPerson, joints: Collection[str]) -> None:
        """Raise InputError for a joint that the category of the file lacks."""
        unknown = [name for name in person.joints if name not in joints]
        if unknown:
            what = f"{unknown[0]!r} is no joint of {self.path.name}"
            raise InputError(person.where, what, f"use its joints: {', '.join(joints)}"[:300])

    def build_record(self, person: CorrectedPerson, summary: MergeSummary) -> bytes:
        """Return the text of a new person, in the category with keypoints."""
        category = next((c for c, names in self.joints_of.items() if names), 1)
        joints = self.joints_of.get(category, [])
        self.check_joints(person, joints)
        if not person.joints:
            raise InputError(person.where, "a new person without a joint", "label or delete them")
        image = self.find_image(person.image, person.where)
        keypoints = [value for name in joints for value in person.joints.get(name, (0, 0, 0))]
        box = person.box_xywh or _enclose_joints(person.joints)
        record: dict[str, Any] = {
            "id": self.next_id,
            "image_id": image,
            "category_id": category,
            "bbox": list(box),
            "area": box[2] * box[3],
            "iscrowd": 0,
            "keypoints": keypoints,
            "num_keypoints": len(person.joints),
        }
        summary.added.append(self.next_id)
        self.next_id += 1
        return msgspec.json.encode(record)


def _correct_triple(texts: Sequence[Raw], point: Point | None) -> list[Raw] | None:
    """Return new x, y and v as text; None where they are as they were."""
    x, y, v = (float(msgspec.json.decode(text)) for text in texts)
    if point is None:
        return None if v <= 0 else [Raw(b"0"), Raw(b"0"), Raw(b"0")]
    is_same = v > 0 and abs(x - point[0]) <= SAME_POSITION and abs(y - point[1]) <= SAME_POSITION
    if is_same and min(v, 2) == point[2]:
        return None
    position = [texts[0], texts[1]] if is_same else [_write_number(p) for p in point[:2]]
    return [*position, Raw(str(point[2]).encode())]


def _write_number(value: float) -> Raw:
    """Write whole numbers as such, and others with the digits of a thousandth of a pixel."""
    value = round(value, 3)
    return Raw(msgspec.json.encode(int(value) if value == int(value) else value))


def _correct_box(fields: dict[str, Raw], box: Box | None, summary: MergeSummary) -> bool:
    """Replace a box that was drawn anew, and the area where it is that of the box."""
    if box is None or "bbox" not in fields:
        return False
    old = msgspec.json.decode(fields["bbox"])
    if not isinstance(old, list) or len(old) != 4:
        return False
    if all(abs(a - b) <= SAME_POSITION for a, b in zip(old, box, strict=True)):
        return False
    new = [_write_number(value) for value in box]
    fields["bbox"] = Raw(msgspec.json.encode(new))
    summary.boxes += 1
    area = msgspec.json.decode(fields["area"]) if "area" in fields else None
    if isinstance(area, int | float) and abs(area - old[2] * old[3]) <= 0.01 * max(area, 1):
        fields["area"] = _write_number(box[2] * box[3])
    elif area is not None:
        summary.kept_areas += 1
    return True


def _enclose_joints(joints: Mapping[str, Point]) -> Box:
    xs = [point[0] for point in joints.values()]
    ys = [point[1] for point in joints.values()]
    return (min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))
