"""Label Studio's JSON: a task per image, a rectangle per person, keypoints nested below it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import msgspec

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.dataset.corrections.people import Box, CorrectedPerson, Id, ListedPerson, Point
from smallpose.system.json_decode import decode_json

TASKS_FILE = "tasks.json"
CONFIG_FILE = "labeling_config.xml"
_POINT_WIDTH = 0.5  # % of the image's width
_HIDDEN = "hidden"


def encode_people(
    people: Sequence[ListedPerson], joints: Sequence[str], category: str, image_prefix: str
) -> Mapping[str, bytes]:
    """Encode tasks.json, to be imported, and labeling_config.xml, for the labelling interface.

    Raises: InputError where an image has no size, in which Label Studio measures.
    """
    by_image: dict[Id, list[ListedPerson]] = {}
    for person in people:
        by_image.setdefault(person.image_id, []).append(person)
    tasks = [_build_task(group, joints, category, image_prefix) for group in by_image.values()]
    return {
        TASKS_FILE: msgspec.json.format(msgspec.json.encode(tasks)) + b"\n",
        CONFIG_FILE: build_config(joints, [category]),
    }


def build_config(
    joints: Sequence[str], labels: Sequence[str], *, with_remarks: bool = True
) -> bytes:
    """Build the labelling interface: rectangles, keypoints, and whether a keypoint is hidden.

    Args:
        labels: of rectangles.
        with_remarks: show the field `suspected` of tasks.
    """
    view = Element("View")
    SubElement(view, "Image", name="image", value="$image", zoom="true")
    if with_remarks:
        SubElement(view, "Text", name="remarks", value="$suspected")
    rectangles = SubElement(view, "RectangleLabels", name="box", toName="image")
    for label in labels:
        SubElement(rectangles, "Label", value=label)
    points = SubElement(view, "KeyPointLabels", name="joints", toName="image")
    for index, joint in enumerate(joints):  # Label Studio's own exports ask for model_index
        SubElement(points, "Label", value=joint, model_index=str(index))
    choices = {"name": "visibility", "toName": "image", "perRegion": "true"}
    visibility = SubElement(view, "Choices", {**choices, "whenTagName": "joints"})
    SubElement(visibility, "Choice", value=_HIDDEN)
    ElementTree.indent(view)
    text: bytes = ElementTree.tostring(view, "utf-8")
    return text + b"\n"


def _build_task(
    people: Sequence[ListedPerson], joints: Sequence[str], category: str, image_prefix: str
) -> dict[str, Any]:
    first = people[0]
    if first.width <= 0 or first.height <= 0:
        what = "has no width and height in the file, which Label Studio needs"
        raise InputError(f"image {first.file_name}", what, "add them, or use --to coco")
    regions: list[dict[str, Any]] = []
    ids: dict[str, Id | None] = {}
    remarks = []
    for number, person in enumerate(people, 1):
        region = f"person{number}"
        ids[region] = person.id
        remarks.append(f"{number}: {person.remark}")
        regions += build_regions(region, person, joints, category)
    return {
        "data": {
            "image": image_prefix + first.file_name,
            "image_id": first.image_id,
            "people": ids,
            "suspected": "; ".join(remarks),
        },
        "annotations": [{"result": regions}],
    }


def build_regions(
    region: str, person: ListedPerson, joints: Sequence[str], category: str
) -> Iterator[dict[str, Any]]:
    """Build the rectangle, the keypoints and the choices that mark hidden ones.

    Args:
        region: id of the rectangle, which no other of the task has.
        category: label of the rectangle.
    """
    common = {
        "to_name": "image",
        "original_width": person.width,
        "original_height": person.height,
        "image_rotation": 0,
    }
    x, y, w, h = person.box_xywh
    box = {
        "x": x / person.width * 100,
        "y": y / person.height * 100,
        "width": w / person.width * 100,
        "height": h / person.height * 100,
        "rotation": 0,
    }
    value = {**box, "rectanglelabels": [category]}
    note = {"meta": {"text": [person.remark]}} if person.reason else {}
    head = {"id": region, "from_name": "box", "type": "rectanglelabels"}
    yield {**head, **common, "value": value, **note}
    for name, (px, py, v) in zip(joints, person.keypoints.tolist(), strict=True):
        if v <= 0:
            continue
        own = f"{region}-{name}"
        place = {
            "x": px / person.width * 100,
            "y": py / person.height * 100,
            "width": _POINT_WIDTH,
        }
        head = {"id": own, "parentID": region, "from_name": "joints", "type": "keypointlabels"}
        yield {**head, **common, "value": {**place, "keypointlabels": [name]}}
        if v == 1:
            head = {"id": own, "from_name": "visibility", "type": "choices"}
            yield {**head, **common, "value": {**place, "choices": [_HIDDEN]}}


class _Value(msgspec.Struct):
    x: float | None = None
    y: float | None = None
    width: float | None = None
    height: float | None = None
    rotation: float = 0.0
    keypointlabels: list[str] = []
    rectanglelabels: list[str] = []
    choices: list[str] = []


class _Region(msgspec.Struct):
    id: str = ""
    value: _Value = msgspec.field(default_factory=_Value)
    original_width: float | None = None
    original_height: float | None = None
    parent: str | None = msgspec.field(default=None, name="parentID")


class _Annotation(msgspec.Struct):
    result: list[_Region] = []
    was_cancelled: bool = False
    ground_truth: bool = False


class _Data(msgspec.Struct):
    image: str = ""
    image_id: int | str | None = None
    people: dict[str, int | str | None] = {}


class _Task(msgspec.Struct):
    data: _Data = msgspec.field(default_factory=_Data)
    annotations: list[_Annotation] = []


def decode_people(path: Path, data: bytes) -> list[CorrectedPerson]:
    """Decode an export in the form "JSON"; rectangles that are not of the list are new people.

    Raises: InputError for another form, and for keypoints without a person.
    """
    tasks = decode_json(path, data, list[_Task], 'export "JSON" from Label Studio')
    people: list[CorrectedPerson] = []
    for number, task in enumerate(tasks):
        if task.data.image_id is None:
            what = "has no data.image_id, which the correction list had"
            raise InputError(f"{path}, [{number}]", what, 'export "JSON", not "JSON_MIN"')
        kept = [one for one in task.annotations if not one.was_cancelled]
        if kept:
            chosen = next((one for one in kept if one.ground_truth), kept[-1])
            people += _decode_task(f"{path}, [{number}]", task.data, chosen.result)
    return people


def list_images(path: Path, data: bytes) -> list[Id]:
    """List the images of tasks with an annotation that was not cancelled, also without people."""
    tasks = decode_json(path, data, list[_Task], 'export "JSON" from Label Studio')
    return [
        task.data.image_id
        for task in tasks
        if task.data.image_id is not None and any(not one.was_cancelled for one in task.annotations)
    ]


def _decode_task(where: str, data: _Data, regions: Sequence[_Region]) -> Iterator[CorrectedPerson]:
    hidden = {one.id for one in regions if _HIDDEN in one.value.choices}
    boxes = {one.id: _decode_box(where, one) for one in regions if one.value.rectanglelabels}
    joints: dict[str, dict[str, Point]] = {region: {} for region in boxes}
    for region in regions:
        if not region.value.keypointlabels:
            continue
        name = region.value.keypointlabels[0]
        x, y, _, _ = _scale_value(where, region)
        owner = region.parent if region.parent in boxes else _find_owner(boxes, x, y)
        if owner is None:
            what = (
                f"the keypoint {name!r} belongs to none of {format_count(len(boxes), 'rectangle')}"
            )
            raise InputError(where, what, "nest it below its person's rectangle in Label Studio")
        if name in joints[owner]:
            what = f"two keypoints {name!r} of one person"
            raise InputError(where, what, "delete one of them in Label Studio")
        joints[owner][name] = (x, y, 1 if region.id in hidden else 2)
    image = data.image_id if data.image_id is not None else ""
    for name, box in boxes.items():
        yield CorrectedPerson(
            id=data.people.get(name),
            image=image,
            joints=joints[name],
            box_xywh=box,
            where=f"{where}, rectangle {name}",
        )


def _find_owner(boxes: Mapping[str, Box], px: float, py: float) -> str | None:
    inside = [
        region for region, (x, y, w, h) in boxes.items() if x <= px <= x + w and y <= py <= y + h
    ]
    return inside[0] if len(inside) == 1 else None


def _decode_box(where: str, region: _Region) -> Box:
    if region.value.rotation:
        what = f"rectangle {region.id} is turned by {region.value.rotation:g}°"
        raise InputError(where, what, "draw it upright in Label Studio")
    return _scale_value(where, region)


def _scale_value(where: str, region: _Region) -> Box:
    value, width, height = region.value, region.original_width, region.original_height
    if not width or not height or value.x is None or value.y is None:
        what = f"region {region.id!r} has no position or no original_width"
        raise InputError(where, what, 'export "JSON" from Label Studio')
    return (
        value.x / 100 * width,
        value.y / 100 * height,
        (value.width or 0.0) / 100 * width,
        (value.height or 0.0) / 100 * height,
    )
