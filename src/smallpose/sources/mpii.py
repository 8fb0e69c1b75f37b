"""Read MPII Human Pose from its MATLAB file and derive the boxes that MPII lacks (Sec. 3.1).

MATLAB counts pixels from 1, so 1 is subtracted from coordinates. A person's box is the box around
their keypoints and head rectangle with both sides enlarged by 1.3 about its centre, as in
PoseTrack.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from smallpose.core import boxes
from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.skeleton import MPII16
from smallpose.sources.locate import ImagePaths, find_base, find_one_file
from smallpose.sources.matlab import (
    RESAVE,
    flatten_structs,
    get_field,
    load_variable,
    to_number,
    to_text,
)
from smallpose.sources.source import ImageFile, ListedImage, Source
from smallpose.sources.table_builder import TableBuilder
from smallpose.system.child_process import run_in_child
from smallpose.system.files import read_bytes

FILE = "mpii_human_pose_v1_u12_1.mat"
FOLDER = "mpii_human_pose_v1_u12_2"  # folder in the publisher's archive
BOX_SCALE = 1.3
VIDEO_PREFIX = "mpii_video_"  # followed by `vididx`
POSITION_PREFIX = "mpii_position_"  # followed by the position in annolist
K = len(MPII16)


class _Person(NamedTuple):
    """A labelled person: image row, x y v of 16 joints, and x y w h of the head or NaN."""

    row: int
    points: tuple[float, ...]
    head: tuple[float, ...]
    where: str


def read_mpii(root: Path) -> Source:
    """Read MPII as `parse_mpii` does, in a process of its own: SciPy crashes on some damaged files.

    Raises: what `parse_mpii` raises; InputError where SciPy crashed.
    """
    return run_in_child(parse_mpii, root, where=str(root / FILE), remedy=RESAVE)


def parse_mpii(root: Path) -> Source:
    """Read MPII's training images with their labelled people; the builder splits them.

    Test images have no labels and are left out, except in the list of all images, by which
    PoseTrack's clips find their video (`shared_videos.py`). People without any keypoint are left
    out too, because no box can be derived. An image that is listed twice keeps the people of both
    entries.

    Raises: InputError naming the field, image or person at fault; RefusedError for an image name
        that leaves its folder.
    """
    base = find_base(root, (FILE, f"{FOLDER}/{FILE}"), "MPII")
    path = find_one_file(base, FILE) or find_one_file(base, f"{FOLDER}/{FILE}")
    assert path is not None  # find_base has checked that it exists
    folder = _find_image_folder(base, path)
    image_paths = ImagePaths(base)
    builder = TableBuilder("mpii", MPII16, "extent_head130", {0: 0, 1: 1, 2: 2})
    people: list[_Person] = []
    rows: dict[str, int] = {}
    groups: dict[str, str] = {}  # an image that is listed twice keeps its first group
    listed_images: list[ListedImage] = []
    num_test_images = num_without_points = 0
    repeated: set[str] = set()
    for entry, is_training, where in _iterate_entries(path):
        position = len(listed_images) + 1
        if not is_training:
            has_video = "vididx" in (entry.dtype.names or ())  # not in all files made by Python
            group = _name_group(entry["vididx"] if has_video else None, position, where)
            listed_images.append(ListedImage(group, is_training))
            num_test_images += 1
            continue
        name = _read_image_name(entry, where)
        own_group = _name_group(get_field(entry, "vididx", where), position, where)
        group = groups.setdefault(name, own_group)
        listed_images.append(ListedImage(group, is_training))
        where = f"{path}, image {name}"
        if name in rows:
            repeated.add(name)
        else:
            image_file = ImageFile(image_paths.path(folder, name, where))
            rows[name] = builder.add_image(
                f"{folder}/{name}",
                image_file,
                source_id=name.removesuffix(".jpg"),
                group=group,
            )
        for count, person in enumerate(flatten_structs(get_field(entry, "annorect", where)), 1):
            labelled = _read_person(person, rows[name], f"{where}, person {count}")
            if labelled is None:
                num_without_points += 1
            else:
                people.append(labelled)
    kept = _drop_repeated_people(people) if repeated else people
    _add_people(kept, builder)
    num_merged = len(people) - len(kept)
    notes = _write_notes(num_test_images, num_without_points, repeated, num_merged)
    return replace(builder.finish(base, (), notes), listed_images=tuple(listed_images))


def _find_image_folder(base: Path, path: Path) -> str:
    beside = path.parent / "images"
    use = beside if beside.is_dir() and not (base / "images").is_dir() else base / "images"
    return use.relative_to(base).as_posix()


def _iterate_entries(path: Path) -> Iterator[tuple[np.void, bool, str]]:
    """Yield each image's record, whether it belongs to the training set, and its location."""
    where = str(path)
    release = flatten_structs(load_variable(path, read_bytes(path), "RELEASE"))
    if len(release) != 1:
        raise InputError(
            where, f"RELEASE has {format_count(len(release), 'struct')} instead of one", RESAVE
        )
    annolist = flatten_structs(get_field(release[0], "annolist", where))
    is_training = np.ravel(get_field(release[0], "img_train", where))
    if not annolist:
        raise InputError(where, "field annolist holds no images", RESAVE)
    if len(is_training) != len(annolist):
        raise InputError(
            where,
            f"field img_train has {format_count(len(is_training), 'value')} for "
            f"{format_count(len(annolist), 'image')} in annolist",
            RESAVE,
        )
    for count, (entry, flag) in enumerate(zip(annolist, is_training, strict=True), 1):
        location = f"{path}, annolist({count})"
        yield entry, bool(to_number(flag, "img_train", location)), location


def _read_image_name(entry: np.void, where: str) -> str:
    image = flatten_structs(get_field(entry, "image", where))
    name = to_text(get_field(image[0], "name", where)) if image else ""
    if not name:
        raise InputError(where, "field image.name is empty", RESAVE)
    return name


def _name_group(vididx: object, position: int, where: str) -> str:
    """Return the name of the image's video; images of one group stay in one split.

    Args:
        position: 1-based position in annolist, which names the group where no video is given.
    """
    video = None if vididx is None else to_number(vididx, "vididx", where)
    if video is not None and video > 0:
        return f"{VIDEO_PREFIX}{int(video):06d}"
    return f"{POSITION_PREFIX}{position:06d}"


def _read_person(person: np.void, row: int, where: str) -> _Person | None:
    """Return the labelled person; None when no keypoint is labelled."""
    names = person.dtype.names or ()
    labels = flatten_structs(person["annopoints"]) if "annopoints" in names else []
    points = [p for label in labels for p in flatten_structs(get_field(label, "point", where))]
    if not points:
        return None
    flat = [0.0] * (3 * K)
    for point in points:
        joint, triple = _read_point(point, where)
        previous = tuple(flat[3 * joint : 3 * joint + 3])
        if previous[2] and previous != triple:
            raise InputError(
                where, f"point {joint} ({MPII16.joints[joint]}) is listed twice", "keep one of them"
            )
        flat[3 * joint : 3 * joint + 3] = triple
    corners = [
        to_number(person[c], c, where) if c in names else None for c in ("x1", "y1", "x2", "y2")
    ]
    x1, y1, x2, y2 = (np.nan if c is None else c - 1 for c in corners)
    return _Person(row, tuple(flat), (x1, y1, x2 - x1, y2 - y1), where)


def _read_point(point: np.void, where: str) -> tuple[int, tuple[float, float, float]]:
    """Return the joint's index and x, y, v, read by field name because the field order varies."""
    joint = to_number(get_field(point, "id", where), "id", where)
    x = to_number(get_field(point, "x", where), "x", where)
    y = to_number(get_field(point, "y", where), "y", where)
    if joint not in range(K) or x is None or y is None:
        raise InputError(
            where,
            f"a point has id {joint}, x {x}, y {y}",
            f"ids are 0 to {K - 1}; correct the record",
        )
    assert joint is not None
    flag = to_number(point["is_visible"], "is_visible", where) if _has_flag(point) else None
    if flag not in (None, 0.0, 1.0):
        raise InputError(
            where, f"point {joint:g} has is_visible {flag:g}", "use 0, 1 or an empty value"
        )
    # Empty for upper neck and head top of some people, although these are labelled (A4).
    return int(joint), (x - 1, y - 1, 1.0 if flag == 0 else 2.0)


def _has_flag(point: np.void) -> bool:
    return "is_visible" in (point.dtype.names or ())


def _drop_repeated_people(people: list[_Person]) -> list[_Person]:
    """Drop identical people of one image, which only a repeated image can cause."""
    return list({(p.row, p.points, str(p.head)): p for p in people}.values())


def _add_people(people: list[_Person], builder: TableBuilder) -> None:
    points = np.array([p.points for p in people]).reshape(len(people), K, 3)
    heads = np.array([p.head for p in people], dtype=np.float64).reshape(len(people), 4)
    around = boxes.scale_boxes(
        boxes.enclose_boxes(boxes.box_around_keypoints(points), heads), BOX_SCALE
    )
    for person, box in zip(people, around.tolist(), strict=True):
        builder.add_person(person.row, box, person.points, person.where)


def _write_notes(
    num_test_images: int, num_without_points: int, repeated: set[str], num_merged: int
) -> list[str]:
    notes = []
    if num_test_images:
        notes.append(
            f"{format_count(num_test_images, 'test image')} left out because they have no labels"
        )
    if num_without_points:
        notes.append(
            f"{format_count(num_without_points, 'person', 'people')} without labelled keypoints "
            "left out because no box can be derived"
        )
    if repeated:
        notes.append(
            f"{format_count(len(repeated), 'image is', 'images are')} listed twice "
            f"({min(repeated)} first); the people of both entries are kept, "
            f"{format_count(num_merged, 'identical one')} merged"
        )
    return notes
