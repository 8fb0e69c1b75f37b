"""Read Label Studio's JSON exports, the full one and JSON_MIN.

A person is a rectangle with its keypoints: those that are nested below it or related to it, else
those inside it alone. Label Studio's own COCO export loses this and merges the people of an image.
"""

import math
import posixpath
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from smallpose.core.errors import InputError
from smallpose.sources.source import Source
from smallpose.sources.tools.coco_files import find_coco_files
from smallpose.sources.tools.image_search import ImageSearch, simplify_name
from smallpose.sources.tools.labelled_images import (
    Box,
    LabelledImage,
    LabelledPerson,
    Point,
    ReadingNotes,
    is_crowd,
    is_person,
    list_joint_names,
    make_box,
    make_labelled_source,
)
from smallpose.sources.tools.split_names import find_own_split
from smallpose.system.image_formats import IMAGE_SUFFIXES
from smallpose.system.json_decode import read_json

_HIDDEN_CHOICES = ("hidden", "occluded", "difficult")
_REMEDY = "nest the points below their rectangle in Label Studio, or draw relations to it"


class _Value(Struct):
    x: float | None = None
    y: float | None = None
    width: float | None = None
    height: float | None = None
    rotation: float = 0.0
    keypointlabels: list[str] = []
    rectanglelabels: list[str] = []
    labels: list[str] = []
    choices: list[str] = []
    original_width: int | None = None  # in JSON_MIN, where a value is a region of its own
    original_height: int | None = None


class _Region(Struct):
    type: str = ""
    id: str = ""
    value: _Value | UnsetType = UNSET
    original_width: int | None = None
    original_height: int | None = None
    image_rotation: float | None = None
    parent_id: str | None = msgspec.field(default=None, name="parentID")
    from_id: str = ""
    to_id: str = ""


class _Annotation(Struct):
    result: list[_Region] = []
    was_cancelled: bool = False
    ground_truth: bool = False


class _Task(Struct):
    data: dict[str, Any] = {}
    annotations: list[_Annotation] = []
    id: int | str = ""
    file_upload: str | None = None


@dataclass(frozen=True)
class _Joint:
    name: str
    region: str
    parent: str
    point: Point


@dataclass
class _Regions:
    """The regions of one annotation, in px.

    Args:
        boxes: region to its box, of people only.
        joints: the keypoints.
        crowds: boxes of regions to ignore.
        size: width and height of the image; 0 where no region has them.
    """

    boxes: dict[str, Box] = field(default_factory=dict)
    joints: list[_Joint] = field(default_factory=list)
    crowds: list[Box] = field(default_factory=list)
    size: tuple[int, int] = (0, 0)


def read_label_studio(
    name: str, root: Path, joint_map: Mapping[str, str], category: Sequence[str] = ()
) -> Source:
    """Read the JSON exports in `root`.

    Of a task with several annotations the one that is marked as ground truth is read, else the
    first; skipped ones are left out. A choice hidden, occluded or difficult of a keypoint makes it
    hidden.

    Raises: InputError for a file of another form, or keypoints of which the person is not known.
    """
    search, notes = ImageSearch(root), ReadingNotes()
    images = []
    for path in find_coco_files(root):
        for number, task in enumerate(_read_tasks(root / path)):
            images.append(_read_task(search, path, number, task, category, notes))
    joints = list_joint_names(images, root)
    return make_labelled_source(name, search, images, joints, joint_map, notes.describe())


def _read_tasks(path: Path) -> list[_Task]:
    records = read_json(path, list[dict[str, Any]])
    if records and "annotations" not in records[0] and "data" not in records[0]:
        return [_convert_min_task(record) for record in records]
    return read_json(path, list[_Task])


def _convert_min_task(record: Mapping[str, Any]) -> _Task:
    """Make a task of a record of JSON_MIN, whose regions have neither ids nor parents."""
    regions: list[_Region] = []
    for value in record.values():
        for one in value if isinstance(value, list) else ():
            if isinstance(one, dict) and {"x", "y", "original_width"} <= one.keys():
                region_id = f"region {len(regions)}"
                regions.append(_Region(id=region_id, value=msgspec.convert(one, _Value)))
    data = {key: value for key, value in record.items() if isinstance(value, str)}
    return _Task(data=data, annotations=[_Annotation(regions)], id=record.get("id", ""))


def _read_task(
    search: ImageSearch,
    path: str,
    number: int,
    task: _Task,
    category: Sequence[str],
    notes: ReadingNotes,
) -> LabelledImage:
    where = f"{search.root / path}, [{number}]" + (f" (task {task.id})" if task.id else "")
    annotation = _choose_annotation(task, notes)
    regions = _collect_regions(where, annotation.result, category, notes)
    names = [*_list_image_names(task), *([task.file_upload] if task.file_upload else [])]
    if not names:
        raise InputError(where, "names no image", "export it again as JSON")
    folders = ("images", ".", "data")
    candidates = (search.find(one, folders, posixpath.dirname(path), where) for one in names)
    image_path = next(filter(None, candidates), None)
    return LabelledImage(
        path=image_path or simplify_name(names[0])[0],
        people=_group_joints(where, regions, annotation.result, notes),
        width=regions.size[0],
        height=regions.size[1],
        split=find_own_split(search.root, path),
        where=where,
    )


def _choose_annotation(task: _Task, notes: ReadingNotes) -> _Annotation:
    kept = [one for one in task.annotations if not one.was_cancelled]
    if not kept:
        return _Annotation()
    chosen = next((one for one in kept if one.ground_truth), kept[0])
    notes.leave_out("further annotations of tasks", len(kept) - 1)
    return chosen


def _list_image_names(task: _Task) -> list[str]:
    names = [value for value in task.data.values() if isinstance(value, str)]
    return [name for name in names if simplify_name(name)[0].lower().endswith(IMAGE_SUFFIXES)]


def _collect_regions(
    where: str, results: Sequence[_Region], category: Sequence[str], notes: ReadingNotes
) -> _Regions:
    hidden = {
        region.id for region in results if region.value is not UNSET and _is_hidden(region.value)
    }
    regions = _Regions()
    for region in results:
        value = region.value
        if value is UNSET or value.x is None or value.y is None or _is_hidden(value):
            continue
        if region.image_rotation:
            what = f"labelled on an image turned by {region.image_rotation:g}°"
            raise InputError(where, what, "label it without turning, or turn the image file")
        width = region.original_width or value.original_width or 0
        height = region.original_height or value.original_height or 0
        if not width or not height:
            raise InputError(where, f"region {region.id} has no original_width", "export it again")
        regions.size = (width, height)
        x, y = value.x / 100 * width, value.y / 100 * height
        labels = value.keypointlabels or value.rectanglelabels or value.labels
        label = labels[0] if labels else ""
        if value.keypointlabels:
            point = (x, y, 1 if region.id in hidden else 2)
            regions.joints.append(_Joint(label, region.id, region.parent_id or "", point))
        elif value.height is None:
            notes.leave_out(f"regions of type {region.type or 'unknown'}")
        elif is_crowd(label):
            regions.crowds.append(_make_turned_box(x, y, value, (width, height)))
        elif not is_person(label, category) and label:
            notes.leave_out(f"rectangles {label!r}")
        else:
            regions.boxes[region.id] = _make_turned_box(x, y, value, (width, height))
    return regions


def _is_hidden(value: _Value) -> bool:
    """Return whether a choice says that its keypoint is hidden."""
    return any(choice.casefold() in _HIDDEN_CHOICES for choice in value.choices)


def _make_turned_box(x: float, y: float, value: _Value, size: tuple[int, int]) -> Box:
    """Return the box around a rectangle that may be turned about its first corner."""
    width = (value.width or 0) / 100 * size[0]
    height = (value.height or 0) / 100 * size[1]
    if not value.rotation:
        return (x, y, width, height)
    cos, sin = math.cos(math.radians(value.rotation)), math.sin(math.radians(value.rotation))
    corners = [(0.0, 0.0), (width, 0.0), (0.0, height), (width, height)]
    return make_box([(x + a * cos - b * sin, y + a * sin + b * cos) for a, b in corners])


def _group_joints(
    where: str, regions: _Regions, results: Sequence[_Region], notes: ReadingNotes
) -> list[LabelledPerson]:
    related = dict(_iterate_relations(results))
    groups: dict[str, dict[str, Point]] = defaultdict(dict)
    for joint in regions.joints:
        parent = joint.parent if joint.parent in regions.boxes else related.get(joint.region, "")
        if parent not in regions.boxes:
            parent = _find_only_box(where, joint, regions.boxes)
            notes.placed += bool(parent)
        if joint.name in groups[parent]:
            raise InputError(where, f"two points {joint.name!r} of one person", _REMEDY)
        groups[parent][joint.name] = joint.point
    people = [LabelledPerson(groups.pop(region, {}), box) for region, box in regions.boxes.items()]
    people += [LabelledPerson(joints) for joints in groups.values()]
    return [*people, *(LabelledPerson({}, box, is_crowd=True) for box in regions.crowds)]


def _iterate_relations(results: Sequence[_Region]) -> Iterator[tuple[str, str]]:
    for region in results:
        if region.type == "relation":
            yield region.from_id, region.to_id
            yield region.to_id, region.from_id


def _find_only_box(where: str, joint: _Joint, boxes: Mapping[str, Box]) -> str:
    """Return the only box that contains a joint; "" where there are no boxes.

    Raises: InputError where none or several contain it.
    """
    if not boxes:
        return ""
    px, py, _ = joint.point
    inside = [
        region for region, (x, y, w, h) in boxes.items() if x <= px <= x + w and y <= py <= y + h
    ]
    if len(boxes) == 1:
        return next(iter(boxes))
    if len(inside) != 1:
        count = "none" if not inside else f"{len(inside)}"
        what = f"the point {joint.name!r} at ({px:.0f}, {py:.0f}) lies in {count} of the rectangles"
        raise InputError(where, what, _REMEDY)
    return inside[0]
