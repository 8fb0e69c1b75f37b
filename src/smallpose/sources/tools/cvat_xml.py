"""Read CVAT's own form, "CVAT for images 1.1": one XML file with skeletons and boxes.

A skeleton lists its joints by name; `outside` ones are not labelled, `occluded` ones are hidden.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.sources.locate import find_files
from smallpose.sources.source import Source
from smallpose.sources.tools.image_search import ImageSearch, join, simplify_name
from smallpose.sources.tools.labelled_images import (
    Box,
    LabelledImage,
    LabelledPerson,
    Point,
    ReadingNotes,
    is_crowd,
    is_person,
    list_joint_names,
    make_labelled_source,
)
from smallpose.sources.tools.split_names import find_own_split, find_split_word
from smallpose.system.files import read_bytes, read_head
from smallpose.system.xml_decode import parse_xml

_SKIPPED = ("attribute", "tag")


def find_cvat_files(root: Path) -> list[Path]:
    """List the XML files of CVAT in `root`, or in a folder of `root` each."""
    paths = find_files(root, "*.xml") or find_files(root, "*/*.xml")
    return [path for path in paths if b"<annotations" in read_head(path)]


def read_cvat_xml(
    name: str, root: Path, joint_map: Mapping[str, str], category: Sequence[str] = ()
) -> Source:
    """Read the XML files of CVAT below `root`.

    The box of a skeleton is that of its group, else the only free one of a person that contains all
    its joints, else the one around its joints.

    Raises: InputError for tracks of a video, or points without the names of joints.
    """
    search, notes = ImageSearch(root), ReadingNotes()
    images = []
    for path in find_cvat_files(root):
        for element in parse_xml(path, read_bytes(path)):
            if element.tag == "track":
                what = "tracks of a video"
                raise InputError(str(path), what, 'export the task as "CVAT for images 1.1"')
            if element.tag == "image":
                images.append(_read_image(search, path, element, category, notes))
    joints = list_joint_names(images, root)
    return make_labelled_source(name, search, images, joints, joint_map, notes.describe())


@dataclass
class _Shapes:
    """The shapes of an image that are people.

    Args:
        skeletons: group and joints of each.
        boxes: group and box of each.
        points: group to the joints that are shapes of their own.
        crowds: boxes of regions to ignore.
    """

    skeletons: list[tuple[str, dict[str, Point]]]
    boxes: list[tuple[str, Box]]
    points: dict[str, dict[str, Point]]
    crowds: list[Box]


def _read_image(
    search: ImageSearch, path: Path, image: Element, category: Sequence[str], notes: ReadingNotes
) -> LabelledImage:
    own_name = image.get("name", "")
    where = f"{path}, image {own_name}"
    relative = path.relative_to(search.root).as_posix()
    folder = relative.rpartition("/")[0]
    subset = image.get("subset", "")
    inside = [f"images/{subset}", subset] if subset else []
    folders = (*inside, join(folder, "images"), "images", folder or ".", ".")
    image_path = search.find(own_name, folders, folder, where)
    shapes = _collect_shapes(where, image, category, notes)
    return LabelledImage(
        path=image_path or join(subset, simplify_name(own_name)[0]),
        people=_match_boxes(shapes),
        width=int(_read_number(where, image, "width")),
        height=int(_read_number(where, image, "height")),
        split=find_split_word(subset) or find_own_split(search.root, relative),
        where=where,
    )


def _collect_shapes(
    where: str, image: Element, category: Sequence[str], notes: ReadingNotes
) -> _Shapes:
    shapes = _Shapes([], [], {}, [])
    for shape in image:
        label, group = shape.get("label", ""), shape.get("group_id", "0") or "0"
        if shape.tag == "skeleton" and (is_person(label, category) or not category):
            joints = dict(
                _read_joint(where, point) for point in shape.iter("points") if not _is_out(point)
            )
            shapes.skeletons.append((group, joints))
        elif shape.tag == "points":
            _add_free_point(where, shape, shapes, group)
        elif shape.tag == "box" and is_crowd(label):
            shapes.crowds.append(_read_box(where, shape))
        elif shape.tag == "box" and is_person(label, category):
            shapes.boxes.append((group, _read_box(where, shape)))
        elif shape.tag not in _SKIPPED:
            notes.leave_out(f"shapes {shape.tag} {label!r}")
    return shapes


def _add_free_point(where: str, shape: Element, shapes: _Shapes, group: str) -> None:
    """Add a point that is a shape of its own; its label is the joint, its group the person."""
    label = shape.get("label", "")
    if ";" in shape.get("points", ""):
        num_points = shape.get("points", "").count(";") + 1
        raise InputError(
            where,
            f"{format_count(num_points, 'point')} {label!r} without names of joints",
            "label people with a skeleton in CVAT, or export COCO Keypoints",
        )
    joints = shapes.points.setdefault(group, {})
    if label in joints:
        what = f"two points {label!r} of group {group}"
        raise InputError(where, what, "group the points of each person in CVAT")
    joints |= dict([_read_joint(where, shape)])


def _is_out(point: Element) -> bool:
    return point.get("outside") == "1"


def _read_joint(where: str, point: Element) -> tuple[str, Point]:
    text = point.get("points", "")
    try:
        x, y = (float(value) for value in text.split(","))
    except ValueError:
        raise InputError(where, f"a point is {text[:40]!r}", "export it again") from None
    return point.get("label", ""), (x, y, 1 if point.get("occluded") == "1" else 2)


def _read_box(where: str, shape: Element) -> Box:
    x1, y1, x2, y2 = (_read_number(where, shape, key) for key in ("xtl", "ytl", "xbr", "ybr"))
    return (x1, y1, x2 - x1, y2 - y1)


def _read_number(where: str, element: Element, key: str) -> float:
    text = element.get(key, "")
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(where, f"{key} is {text[:40]!r}", "export it again")
    return number


def _match_boxes(shapes: _Shapes) -> list[LabelledPerson]:
    """Give each skeleton its box; boxes without a skeleton are people without joints."""
    groups = [*shapes.skeletons, *shapes.points.items()]
    free = list(shapes.boxes)
    people: list[LabelledPerson] = []
    for group, joints in groups:
        of_group = [one for one in free if group != "0" and one[0] == group]
        inside = [one for one in free if one[0] == "0" and _contains(one[1], joints)]
        candidates = of_group or inside
        chosen = candidates[0] if len(candidates) == 1 else None
        if chosen is not None:
            free.remove(chosen)
        people.append(LabelledPerson(joints, chosen[1] if chosen else None))
    people += [LabelledPerson({}, box) for _, box in free]
    return [*people, *(LabelledPerson({}, box, is_crowd=True) for box in shapes.crowds)]


def _contains(box: Box, joints: Mapping[str, Point]) -> bool:
    x, y, w, h = box
    return bool(joints) and all(
        x <= px <= x + w and y <= py <= y + h for px, py, _ in joints.values()
    )
