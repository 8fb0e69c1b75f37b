"""Read datumaro's own JSON form: `annotations/*.json` beside `images/`.

The points, the box and the mask of a person have one group.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.sources.source import Source
from smallpose.sources.tools.coco_files import find_coco_files
from smallpose.sources.tools.image_search import ImageSearch
from smallpose.sources.tools.labelled_images import (
    Box,
    LabelledImage,
    LabelledPerson,
    Point,
    ReadingNotes,
    is_person,
    make_labelled_source,
)
from smallpose.sources.tools.split_names import find_own_split
from smallpose.system.json_decode import read_json


class _Label(Struct):
    name: str


class _Labels(Struct):
    labels: list[_Label] = []


class _Joints(Struct, frozen=True):
    label_id: int
    labels: list[str] = []


class _Points(Struct, frozen=True):
    items: tuple[_Joints, ...] = ()


class _Categories(Struct):
    label: _Labels
    points: _Points = _Points()


class _Image(Struct, frozen=True):
    path: str = ""
    size: tuple[int, int] | None = None  # height, width


class _Attributes(Struct, frozen=True):
    is_crowd: bool = False


class _Annotation(Struct):
    type: str
    group: int = 0
    label_id: int | None = None
    points: list[float] = []
    visibility: list[int] = []
    bbox: tuple[float, float, float, float] | None = None
    attributes: _Attributes = _Attributes()


class _Item(Struct):
    id: str
    annotations: list[_Annotation] = []
    image: _Image = _Image()


class _DatasetFile(Struct):
    categories: _Categories
    items: list[_Item]


def read_datumaro(
    name: str, root: Path, joint_map: Mapping[str, str], category: Sequence[str] = ()
) -> Source:
    """Read datumaro's JSON files below `root`.

    Raises: InputError for points without the names of joints, or files with different joints.
    """
    search, notes = ImageSearch(root), ReadingNotes()
    images: list[LabelledImage] = []
    joints: tuple[str, ...] = ()
    for path in find_coco_files(root):
        file = read_json(root / path, _DatasetFile)
        own_joints, labels = _choose_labels(root / path, file.categories, category)
        if joints and own_joints != joints:
            raise InputError(str(root / path), "other joints than the files before", "export again")
        joints = own_joints
        for item in file.items:
            images.append(_read_item(search, path, item, joints, labels, notes))
    return make_labelled_source(name, search, images, joints, joint_map, notes.describe())


def _choose_labels(
    path: Path, categories: _Categories, category: Sequence[str]
) -> tuple[tuple[str, ...], frozenset[int]]:
    """Return the joints, and the ids of the labels of people."""
    names = [label.name for label in categories.label.labels]
    people = {index for index, one in enumerate(names) if is_person(one, category)}
    with_joints = {one.label_id: tuple(one.labels) for one in categories.points.items if one.labels}
    chosen = people or (set() if category else set(with_joints))
    lists = {with_joints[label] for label in sorted(chosen) if label in with_joints}
    if len(lists) != 1:
        what = "no label of people has joints" if not lists else "labels of people differ in joints"
        raise InputError(str(path), what, f"choose one of {', '.join(names)} with --category")
    return lists.pop(), frozenset(chosen)


def _read_item(
    search: ImageSearch,
    path: str,
    item: _Item,
    joints: Sequence[str],
    labels: frozenset[int],
    notes: ReadingNotes,
) -> LabelledImage:
    where = f"{search.root / path}, item {item.id}"
    stem = path.rpartition("/")[2].removesuffix(".gz").removesuffix(".json")
    own_name = item.image.path or f"{item.id}.jpg"
    image_path = search.find(own_name, (f"images/{stem}", "images", "."), "annotations", where)
    height, width = item.image.size or (0, 0)
    return LabelledImage(
        path=image_path or f"{stem}/{own_name}",
        people=_group_annotations(where, item.annotations, joints, labels, notes),
        width=width,
        height=height,
        split=find_own_split(search.root, path),
        where=where,
    )


def _group_annotations(
    where: str,
    annotations: Sequence[_Annotation],
    joints: Sequence[str],
    labels: frozenset[int],
    notes: ReadingNotes,
) -> list[LabelledPerson]:
    groups: dict[object, list[_Annotation]] = {}
    for index, one in enumerate(annotations):
        if one.label_id in labels and one.type in ("points", "bbox"):
            groups.setdefault(one.group or f"alone {index}", []).append(one)
        else:
            notes.leave_out(f"annotations of type {one.type}")
    people = []
    for members in groups.values():
        points = [one for one in members if one.type == "points"]
        boxes = [one.bbox for one in members if one.bbox is not None]
        if len(points) > 1 or len(boxes) > 1:
            what = f"group {members[0].group} has several poses or boxes"
            raise InputError(where, what, "give each person a group of their own")
        box: Box | None = boxes[0] if boxes else None
        is_crowd = any(one.attributes.is_crowd for one in members)
        people.append(LabelledPerson(_read_points(where, points, joints), box, is_crowd))
    return people


def _read_points(
    where: str, points: Sequence[_Annotation], joints: Sequence[str]
) -> dict[str, Point]:
    if not points:
        return {}
    (one,) = points
    if len(one.points) != 2 * len(joints) or len(one.visibility) not in (0, len(joints)):
        raise InputError(
            where,
            f"{format_count(len(one.points) // 2, 'point')} for "
            f"{format_count(len(joints), 'joint')}",
            "export the COCO keypoints form, which keeps the order of joints",
        )
    visibility = one.visibility or [2] * len(joints)
    wrong = [v for v in visibility if v not in (0, 1, 2)]
    if wrong:
        raise InputError(where, f"a point has visibility {wrong[0]}", "use 0, 1 or 2")
    pairs = zip(one.points[::2], one.points[1::2], visibility, strict=True)
    return {joint: (x, y, v) for joint, (x, y, v) in zip(joints, pairs, strict=True) if v}
