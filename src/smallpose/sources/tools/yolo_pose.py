"""Read Ultralytics' YOLO-pose layout: `data.yaml`, images, and a text file of labels for each.

A line is `class cx cy w h x y [v] x y [v] …`, all values except v relative to the sides of the
image. Roboflow, CVAT and X-AnyLabeling export the same form.
"""

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import Struct

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17
from smallpose.sources.locate import find_files
from smallpose.sources.source import Source
from smallpose.sources.tools.image_search import ImageSearch, join
from smallpose.sources.tools.labelled_images import (
    LabelledImage,
    LabelledPerson,
    ReadingNotes,
    is_person,
    make_labelled_source,
)
from smallpose.system.files import read_bytes
from smallpose.system.json_decode import read_json
from smallpose.system.packages import require_packages

_SPLIT_KEYS = ("", "train", "val", "valid", "test")  # "" in Label Studio's notes


@dataclass(frozen=True)
class _DataFile:
    """The content of `data.yaml`.

    Args:
        path: of the file.
        folders: key of the split to folders, lists and images, as the file has them.
        num_joints, num_values: of `kpt_shape`.
        joints: their names.
        person_classes: indices of the classes of people.
        notes: what was taken for granted.
    """

    path: Path
    folders: Mapping[str, tuple[str, ...]]
    num_joints: int
    num_values: int
    joints: tuple[str, ...]
    person_classes: frozenset[int]
    notes: tuple[str, ...]


def find_data_file(root: Path) -> Path | None:
    """Return the YAML file of a YOLO-pose layout, or Label Studio's `notes.json`; None without."""
    paths = [path for end in ("yaml", "yml") for path in find_files(root, f"*.{end}")]
    paths.sort(key=lambda path: path.name != "data.yaml")
    notes = root / "notes.json"
    if notes.is_file() and (root / "labels").is_dir():
        paths.append(notes)
    words = (b"kpt_shape", b'"keypoints"')
    return next((path for path in paths if any(w in read_bytes(path) for w in words)), None)


def read_yolo_pose(
    name: str, root: Path, joint_map: Mapping[str, str], category: Sequence[str] = ()
) -> Source:
    """Read the layout of `data.yaml` in `root`; val and test belong to the test split.

    Images without labels have no people. Without `kpt_names`, 17 joints are COCO's, and others are
    named 0, 1, 2, … for `--map`.

    Raises: InputError for a YAML file that cannot be used, or the line of a label that is wrong.
    """
    path = find_data_file(root)
    assert path is not None  # the layout was recognised by it
    data = _read_data_file(path, category)
    search, notes = ImageSearch(root), ReadingNotes()
    images = []
    for split, folders in data.folders.items():
        for image in _list_split_images(search, data, folders):
            images.append(_read_image(search, data, image, split, notes))
    if not images:
        raise InputError(
            str(path),
            f"no images in {', '.join(f for fs in data.folders.values() for f in fs) or 'it'}",
            "put the exported images there",
        )
    lines = [*data.notes, *notes.describe()]
    return make_labelled_source(name, search, images, data.joints, joint_map, lines)


def _read_data_file(path: Path, category: Sequence[str]) -> _DataFile:
    content = _read_notes(path) if path.suffix == ".json" else _read_yaml(path)
    content = {str(key).lower(): value for key, value in content.items()}
    num_joints, num_values = _read_kpt_shape(path, content)
    joints, notes = _read_joint_names(path, content, num_joints)
    folders: dict[str, tuple[str, ...]] = {}
    for key in _SPLIT_KEYS:
        value = content.get(key)
        listed = value if isinstance(value, list) else [value] if value else []
        if listed:
            folders[key] = tuple(str(one).replace("\\", "/") for one in listed)
    return _DataFile(
        path=path,
        folders=folders,
        num_joints=num_joints,
        num_values=num_values,
        joints=joints,
        person_classes=_choose_classes(path, content, category),
        notes=notes,
    )


def _read_yaml(path: Path) -> dict[str, Any]:
    require_packages(str(path), "yaml", "PIL")
    import yaml

    try:
        content = yaml.safe_load(read_bytes(path))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        what = f"broken YAML ({' '.join(str(error).split())[:80]})"
        raise InputError(str(path), what, "export it again") from None
    if not isinstance(content, dict):
        raise InputError(str(path), "no YAML of names and values", "export it again")
    return content


class _NotesCategory(Struct):
    id: int
    name: str
    keypoints: list[str] = []


class _Notes(Struct):
    categories: list[_NotesCategory]


def _read_notes(path: Path) -> dict[str, Any]:
    """Read Label Studio's `notes.json` as what a `data.yaml` would say; it has no splits."""
    categories = read_json(path, _Notes).categories
    joints = next((one.keypoints for one in categories if one.keypoints), [])
    return {
        "kpt_shape": [len(joints), 3],
        "kpt_names": {0: joints},
        "names": {one.id: one.name for one in categories},
        "": "images",
    }


def _read_kpt_shape(path: Path, content: Mapping[str, Any]) -> tuple[int, int]:
    shape = content.get("kpt_shape")
    numbers = [n for n in shape if isinstance(n, int) and n > 0] if isinstance(shape, list) else []
    if len(numbers) != 2 or numbers[1] not in (2, 3):
        raise InputError(str(path), f"kpt_shape is {shape}", "write kpt_shape: [17, 3]")
    return numbers[0], numbers[1]


def _read_joint_names(
    path: Path, content: Mapping[str, Any], num_joints: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the joints, and a note where the file does not have them."""
    names = content.get("kpt_names") or content.get("node_names")  # the latter by sleap-io
    if isinstance(names, dict) and names:
        names = next(iter(names.values()))
    if isinstance(names, list):
        if len(names) != num_joints:
            what = f"{len(names)} kpt_names for {format_count(num_joints, 'joint')}"
            raise InputError(str(path), what, "name each joint")
        return tuple(map(str, names)), ()
    if num_joints == len(COCO17):
        return COCO17.joints, (f"{path.name}: no kpt_names; 17 joints are taken for COCO's",)
    return tuple(map(str, range(num_joints))), ()


def _choose_classes(
    path: Path, content: Mapping[str, Any], category: Sequence[str]
) -> frozenset[int]:
    names = content.get("names") or {}
    labels = dict(enumerate(names)) if isinstance(names, list) else names
    if not isinstance(labels, dict) or not all(isinstance(key, int) for key in labels):
        raise InputError(str(path), "names are no list of classes", "write names: {0: person}")
    chosen = {index for index, label in labels.items() if is_person(str(label), category)}
    if category and not chosen:
        listed = ", ".join(map(str, labels.values()))
        raise InputError(
            f"{path}, --category {category[0]}", "has no such class", f"use one of {listed}"
        )
    return frozenset(chosen or ({0} if len(labels) < 2 else labels))


def _list_split_images(search: ImageSearch, data: _DataFile, folders: Sequence[str]) -> list[str]:
    """List the images of a split, relative to the root."""
    images: list[str] = []
    for text in folders:
        path = _find_listed(search, data.path, text)
        if path.endswith(".txt"):
            listing = read_bytes(search.root / path).decode("utf-8", "replace").splitlines()
            for line in filter(None, map(str.strip, listing)):
                image = search.find(line, (".", "images"), "", f"{path}, {line}")
                stripped = line.replace("\\", "/").removeprefix("data/").removeprefix("./")
                images.append(image or stripped)
        else:
            images += search.list_images(path)
    return list(dict.fromkeys(images))


def _find_listed(search: ImageSearch, path: Path, text: str) -> str:
    """Return a folder or list of `data.yaml` relative to the root.

    Paths are those of the computer that exported it, so their beginning is left out until they
    exist here, as Ultralytics does for Roboflow's `../train/images`.
    """
    parts = [part for part in posixpath.normpath(text).split("/") if part not in ("..", "")]
    for start in range(len(parts)):
        candidate = "/".join(parts[start:])
        if (search.root / candidate).exists():
            return candidate
    raise InputError(
        str(path), f"{text} is not below {search.root}", "give the folder that contains it"
    )


def _read_image(
    search: ImageSearch, data: _DataFile, image: str, split: str, notes: ReadingNotes
) -> LabelledImage:
    label = search.root / _label_path(image)
    people: list[LabelledPerson] = []
    width, height = _read_size(search, image, label)
    if label.is_file():
        lines = read_bytes(label).decode("utf-8", "replace").splitlines()
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            values = _parse_line(f"{label}, line {number}", line, data)
            if int(values[0]) in data.person_classes:
                people.append(_make_person(f"{label}, line {number}", values, data, width, height))
            else:
                notes.leave_out(f"lines of class {int(values[0])}")
    return LabelledImage(
        path=image, people=people, width=width, height=height, split=split, where=str(label)
    )


def _label_path(image: str) -> str:
    """Return the path of an image's labels: the last folder `images` becomes `labels`."""
    head, slash, tail = f"/{image}".rpartition("/images/")
    stem = posixpath.splitext(tail if slash else image)[0]
    return (join(head.strip("/"), f"labels/{stem}") if slash else stem) + ".txt"


def _read_size(search: ImageSearch, image: str, label: Path) -> tuple[int, int]:
    """Read an image's width and height as it is shown, which the labels refer to."""
    import PIL.Image

    path = Path(search.locate(image, str(label)).file)
    try:
        with PIL.Image.open(path) as file:
            width, height = file.size
            orientation = file.getexif().get(0x0112, 1)
    except (OSError, ValueError, SyntaxError) as error:
        what = f"its size cannot be read ({' '.join(str(error).split())[:80]})"
        raise InputError(str(path), what, "replace the image or remove it") from None
    return (height, width) if orientation in (5, 6, 7, 8) else (width, height)


def _parse_line(where: str, line: str, data: _DataFile) -> list[float]:
    try:
        values = [float(word) for word in line.split()]
    except ValueError:
        raise InputError(where, "not all values are numbers", "correct the label") from None
    due = 5 + data.num_joints * data.num_values
    if len(values) != due:
        raise InputError(
            where,
            f"{format_count(len(values), 'number')} instead of {due} (class, box, "
            f"{format_count(data.num_joints, 'joint')})",
            "correct the label, or kpt_shape in data.yaml",
        )
    if not all(abs(value) < 1e6 for value in values):
        raise InputError(where, "a value is no share of the image", "correct the label")
    return values


def _make_person(
    where: str, values: Sequence[float], data: _DataFile, width: int, height: int
) -> LabelledPerson:
    cx, cy, w, h = values[1:5]
    box = ((cx - w / 2) * width, (cy - h / 2) * height, w * width, h * height)
    joints = {}
    step = data.num_values
    for index, name in enumerate(data.joints):
        x, y, *rest = values[5 + index * step : 5 + (index + 1) * step]
        v = rest[0] if rest else 2.0 * bool(x or y)
        if v not in (0, 1, 2):
            raise InputError(where, f"{name} has visibility {v:g}", "use 0, 1 or 2")
        if v:
            joints[name] = (x * width, y * height, int(v))
    return LabelledPerson(joints, box)
