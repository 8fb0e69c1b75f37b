"""COCO's form: the annotations of the suspects as they are, each with what it is suspected of."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.dataset.corrections.people import (
    ID_ATTRIBUTE,
    CorrectedPerson,
    Id,
    ListedPerson,
    Point,
    decode_id,
)
from smallpose.io.json_blocks import decode_records
from smallpose.system.files import read_bytes
from smallpose.system.json_decode import decode_json

SUSPECTS_FILE = "suspects.json"
REMARK_KEY = "suspected"


class _Id(msgspec.Struct):
    id: int | str


class _RawFile(msgspec.Struct):
    images: list[Raw]
    annotations: list[Raw]
    categories: list[Raw]


def encode_people(file: Path, people: Sequence[ListedPerson]) -> Mapping[str, bytes]:
    """Encode the images and annotations of the suspects with all fields that the file has.

    People without a label get an annotation with a new id and the predicted keypoints.
    """
    raw = decode_json(file, read_bytes(file), _RawFile)
    listed = {person.id: person for person in people if person.id is not None}
    wanted_images = {person.image_id for person in people}
    annotation_ids = [one.id for one in decode_records(file, "annotations", raw.annotations, _Id)]
    image_ids = [one.id for one in decode_records(file, "images", raw.images, _Id)]
    annotations: list[Any] = [
        _add_remark(record, listed[own_id])
        for own_id, record in zip(annotation_ids, raw.annotations, strict=True)
        if own_id in listed
    ]
    category = msgspec.json.decode(annotations[0])["category_id"] if annotations else 1
    free_id = max((i for i in annotation_ids if isinstance(i, int)), default=0) + 1
    missing = [person for person in people if person.id is None]
    for number, person in enumerate(missing):
        annotations.append(_build_annotation(free_id + number, category, person))
    images = {
        own_id: record
        for own_id, record in zip(image_ids, raw.images, strict=True)
        if own_id in wanted_images
    }
    content = {
        "images": list(images.values()),
        "annotations": annotations,
        "categories": raw.categories,
    }
    return {SUSPECTS_FILE: msgspec.json.encode(content) + b"\n"}


def _add_remark(record: Raw, person: ListedPerson) -> Raw:
    fields = msgspec.json.decode(record, type=dict[str, Raw])
    fields[REMARK_KEY] = Raw(msgspec.json.encode(person.remark))
    return Raw(msgspec.json.encode(fields))


def _build_annotation(own_id: int, category: int | str, person: ListedPerson) -> dict[str, Any]:
    return {
        "id": own_id,
        "image_id": person.image_id,
        "category_id": category,
        "bbox": list(person.box_xywh),
        "area": person.box_xywh[2] * person.box_xywh[3],
        "iscrowd": 0,
        "keypoints": [value for joint in person.keypoints.tolist() for value in joint],
        "num_keypoints": int((person.keypoints[:, 2] > 0).sum()),
        REMARK_KEY: person.remark,
    }


class _Annotation(msgspec.Struct):
    id: int | str
    image_id: int | str
    category_id: int | str
    keypoints: list[float] | None = None
    bbox: list[float] | None = None
    attributes: dict[str, Any] = {}


class _Image(msgspec.Struct):
    id: int | str
    file_name: str


class _Category(msgspec.Struct):
    id: int | str
    keypoints: list[str] = []


class _CocoFile(msgspec.Struct):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


def decode_people(path: Path, data: bytes) -> list[CorrectedPerson]:
    """Decode the annotations with keypoints of a COCO file.

    The id of an annotation is its own, or the attribute that CVAT kept when it numbered anew.
    Images are named by their file.

    Raises: InputError for another form.
    """
    file = decode_json(path, data, _CocoFile, "give a file that was exported from the list")
    names = {image.id: image.file_name for image in file.images}
    joints = {category.id: category.keypoints for category in file.categories}
    # Where the tool numbered anew, who lacks the attribute was drawn anew.
    is_renumbered = any(ID_ATTRIBUTE in one.attributes for one in file.annotations)
    people = []
    for number, one in enumerate(file.annotations):
        if one.keypoints:
            person = _decode_annotation(f"{path}, annotations[{number}]", one, names, joints)
            is_new = is_renumbered and ID_ATTRIBUTE not in one.attributes
            people.append(replace(person, id=None) if is_new else person)
    return people


def list_images(path: Path, data: bytes) -> list[Id]:
    """List the images of an export, also those without people."""
    file = decode_json(path, data, _CocoFile, "give a file that was exported from the list")
    return [image.file_name for image in file.images]


def _decode_annotation(
    where: str,
    annotation: _Annotation,
    names: Mapping[int | str, str],
    joints_of: Mapping[int | str, Sequence[str]],
) -> CorrectedPerson:
    joints = joints_of.get(annotation.category_id, ())
    values = annotation.keypoints or []
    if len(values) != 3 * len(joints):
        what = f"{format_count(len(values), 'number')} for {format_count(len(joints), 'joint')}"
        raise InputError(where, what, "keep the category with its keypoints when exporting")
    if annotation.image_id not in names:
        raise InputError(where, f"no image {annotation.image_id!r}", "export the images, too")
    box = annotation.bbox
    own_id: int | str | None = annotation.id
    if ID_ATTRIBUTE in annotation.attributes:
        own_id = decode_id(where, str(annotation.attributes[ID_ATTRIBUTE]))
    return CorrectedPerson(
        id=own_id,
        image=names[annotation.image_id],
        joints=dict(_iterate_joints(joints, values)),
        box_xywh=(box[0], box[1], box[2], box[3]) if box and len(box) == 4 else None,
        where=where,
    )


def _iterate_joints(joints: Sequence[str], values: Sequence[float]) -> list[tuple[str, Point]]:
    triples = zip(joints, values[::3], values[1::3], values[2::3], strict=True)
    return [(name, (x, y, int(v))) for name, x, y, v in triples if v > 0]
