"""Read labelme's JSON files, one for each image; X-AnyLabeling writes the same form.

A person is the points and the rectangle (or polygon) of one `group_id`; the label of a point is the
joint. X-AnyLabeling marks hidden joints by `difficult`; labelme has flags of the user's own.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.sources.locate import find_files
from smallpose.sources.source import Source
from smallpose.sources.tools.image_search import ImageSearch, join
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
from smallpose.system.json_decode import read_json

_HIDDEN_FLAGS = ("difficult", "hidden", "occluded")
_OUTLINES = ("rectangle", "polygon", "rotation")
_REMEDY = "give each person's points and rectangle one group_id"


class _Shape(Struct):
    label: str
    points: list[tuple[float, float]]
    shape_type: str = "polygon"
    group_id: int | None = None
    flags: dict[str, bool] | None = None
    difficult: bool | None = None

    @property
    def is_hidden(self) -> bool:
        flags = {name.casefold() for name, is_set in (self.flags or {}).items() if is_set}
        return bool(self.difficult) or bool(flags & set(_HIDDEN_FLAGS))


class _LabelFile(Struct):
    shapes: list[_Shape]
    imagePath: str = ""
    imageWidth: int | None = None
    imageHeight: int | None = None


def read_labelme(
    name: str, root: Path, joint_map: Mapping[str, str], category: Sequence[str] = ()
) -> Source:
    """Read the labelme files below `root`.

    Without any group_id, an image with one rectangle or with each joint once has one person.

    Raises: InputError for a file of another form, or points of which the person is not known.
    """
    search, notes = ImageSearch(root), ReadingNotes()
    images = []
    for path in find_files(root, "**/*.json"):
        images.append(_read_image(search, path, category, notes))
    joints = list_joint_names(images, root)
    return make_labelled_source(name, search, images, joints, joint_map, notes.describe())


def _read_image(
    search: ImageSearch, path: Path, category: Sequence[str], notes: ReadingNotes
) -> LabelledImage:
    file = read_json(path, _LabelFile)
    relative = path.relative_to(search.root).as_posix()
    folder = relative.rpartition("/")[0]
    # The image is beside the file, or in a folder images/ beside that of the files.
    folders = (folder, join(folder, "images"), "images", join("images", folder), ".")
    image_path = search.find(file.imagePath or f"{path.stem}.jpg", folders, folder, str(path))
    if image_path is None:
        beside = [path.with_suffix(end).name for end in (".jpg", ".png", ".jpeg")]
        image_path = next((join(folder, one) for one in beside if search.exists(one)), None)
    people = _group_shapes(path, file.shapes, category, notes)
    own_name = file.imagePath.replace("\\", "/").rpartition("/")[2]
    return LabelledImage(
        path=image_path or join(folder, own_name or f"{path.stem}.jpg"),
        people=people,
        width=file.imageWidth or 0,
        height=file.imageHeight or 0,
        split=find_own_split(search.root, relative),
        where=str(path),
    )


def _group_shapes(
    path: Path, shapes: Sequence[_Shape], category: Sequence[str], notes: ReadingNotes
) -> list[LabelledPerson]:
    groups: dict[int | None, list[_Shape]] = defaultdict(list)
    for shape in shapes:
        if shape.shape_type == "point" or (shape.shape_type in _OUTLINES and shape.points):
            groups[shape.group_id].append(shape)
        else:
            notes.leave_out(f"shapes of type {shape.shape_type}")
    people = []
    for shapes_of_group in _divide_ungrouped(path, groups, category):
        person = _make_person(path, shapes_of_group, category, notes)
        if person is not None:
            people.append(person)
    return people


def _divide_ungrouped(
    path: Path, groups: Mapping[int | None, list[_Shape]], category: Sequence[str]
) -> list[list[_Shape]]:
    """Return the shapes of each person; each outline without a group is one of its own.

    Points without a group belong to the only outline of a person that has none.
    """
    divided = [shapes for group, shapes in groups.items() if group is not None]
    loose = groups.get(None, [])
    points = [shape for shape in loose if shape.shape_type == "point"]
    outlines = [shape for shape in loose if shape.shape_type != "point"]
    of_people = [shape for shape in outlines if is_person(shape.label, category)]
    if points and len(of_people) > 1:
        what = f"points without group_id, such as {points[0].label!r}, beside several rectangles"
        raise InputError(str(path), what, _REMEDY)
    if points:
        divided.append([*points, *of_people])
        outlines = [shape for shape in outlines if shape not in of_people]
    return [*divided, *([outline] for outline in outlines)]


def _make_person(
    path: Path, shapes: Sequence[_Shape], category: Sequence[str], notes: ReadingNotes
) -> LabelledPerson | None:
    joints: dict[str, Point] = {}
    outlines = [shape for shape in shapes if shape.shape_type != "point"]
    for shape in shapes:
        if shape.shape_type != "point":
            continue
        if shape.label in joints:
            raise InputError(str(path), f"two points {shape.label!r} of one person", _REMEDY)
        if len(shape.points) != 1:
            what = (
                f"the point {shape.label!r} has {format_count(len(shape.points), 'position')} "
                "instead of one"
            )
            raise InputError(str(path), what, "label the joint again")
        (x, y) = shape.points[0]
        joints[shape.label] = (x, y, 1 if shape.is_hidden else 2)
    if outlines and not joints and is_crowd(outlines[0].label):
        return LabelledPerson({}, make_box(outlines[0].points), is_crowd=True)
    chosen = [shape for shape in outlines if is_person(shape.label, category)]
    is_other = bool(outlines) and not chosen and (bool(category) or not joints)
    if is_other:
        notes.leave_out(f"shapes {outlines[0].label!r}")
        return None
    box: Box | None = None
    if chosen or outlines:
        box = make_box((chosen or outlines)[0].points)
    return LabelledPerson(joints, box)
