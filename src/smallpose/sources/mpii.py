"""MPII Human Pose: the people of its MATLAB file, and the boxes MPII does not have (Sec. 3.1).

Coordinates are MATLAB's, the first pixel is 1, so 1 is subtracted. A person's box is the extent of
his keypoints and his head rectangle, 1.3 times as long on both sides about its centre, as
PoseTrack's boxes are.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from smallpose.core import boxes
from smallpose.core.errors import InputError
from smallpose.core.skeleton import MPII16
from smallpose.sources.locate import PictureNames, find_base, one_file
from smallpose.sources.matlab import RESAVE, field, load, number, records, text
from smallpose.sources.source import Picture, Source
from smallpose.sources.table_builder import Columns
from smallpose.system.files import read_bytes

FILE = "mpii_human_pose_v1_u12_1.mat"
FOLDER = "mpii_human_pose_v1_u12_2"  # what the publisher's archive unpacks to
GROW = 1.3
K = len(MPII16)


class _Person(NamedTuple):
    """A labelled person: the image's row, x y v of 16 joints, and x y w h of the head, or NaN."""

    row: int
    points: tuple[float, ...]
    head: tuple[float, ...]
    where: str


def read_mpii(root: Path) -> Source:
    """MPII's training images with their labelled people; the builder splits them.

    The test images have no labels and are left out, as are people without a single point: they
    could have no box. An image that is listed twice keeps the people of both entries.

    Raises: InputError naming the field, image or person at fault; RefusedError for an image name
        that leads out of its folder.
    """
    base = find_base(root, (FILE, f"{FOLDER}/{FILE}"), "MPII")
    path = one_file(base, FILE) or one_file(base, f"{FOLDER}/{FILE}")
    assert path is not None  # find_base has just seen it
    folder, pictures = _pictures_folder(base, path), PictureNames(base)
    columns = Columns("mpii", MPII16, "extent_head130", {0: 0, 1: 1, 2: 2})
    people: list[_Person] = []
    rows: dict[str, int] = {}
    untold = bare = 0
    again: set[str] = set()
    for entry, trained, where in _entries(path):
        if not trained:
            untold += 1
            continue
        name = _image_name(entry, where)
        where = f"{path}, image {name}"
        if name in rows:
            again.add(name)
        else:
            picture = Picture(pictures.path(folder, name, where))
            rows[name] = columns.image(
                f"{folder}/{name}",
                picture,
                source_id=name.removesuffix(".jpg"),
                group=_group(entry, where),
            )
        for count, person in enumerate(records(field(entry, "annorect", where)), 1):
            one = _person(person, rows[name], f"{where}, person {count}")
            if one is None:
                bare += 1
            else:
                people.append(one)
    kept = _once(people) if again else people
    _add(kept, columns)
    notes = _notes(untold, bare, again, len(people) - len(kept))
    return columns.finish(base, (), notes)


def _pictures_folder(base: Path, path: Path) -> str:
    beside = path.parent / "images"
    use = beside if beside.is_dir() and not (base / "images").is_dir() else base / "images"
    return use.relative_to(base).as_posix()


def _entries(path: Path) -> Iterator[tuple[np.void, bool, str]]:
    """Each image's record, whether it is of the training set, and its place in the file."""
    where = str(path)
    release = records(load(path, read_bytes(path), "RELEASE"))
    if len(release) != 1:
        raise InputError(where, f"RELEASE is {len(release)} structs instead of one", RESAVE)
    annolist = records(field(release[0], "annolist", where))
    trained = np.ravel(field(release[0], "img_train", where))
    if not annolist:
        raise InputError(where, "field annolist holds no images", RESAVE)
    if len(trained) != len(annolist):
        raise InputError(
            where,
            f"field img_train has {len(trained)} values for {len(annolist)} images in annolist",
            RESAVE,
        )
    for count, (entry, flag) in enumerate(zip(annolist, trained, strict=True), 1):
        here = f"{path}, annolist({count})"
        yield entry, bool(number(flag, "img_train", here)), here


def _image_name(entry: np.void, where: str) -> str:
    image = records(field(entry, "image", where))
    name = text(field(image[0], "name", where)) if image else ""
    if not name:
        raise InputError(where, "field image.name is empty", RESAVE)
    return name


def _group(entry: np.void, where: str) -> str:
    """PoseTrack took its videos from MPII's and calls them so; one group, one side of the split."""
    video = number(field(entry, "vididx", where), "vididx", where)
    return f"{int(video):06d}_mpii" if video is not None and video > 0 else ""


def _person(person: np.void, row: int, where: str) -> _Person | None:
    """None when not a single point is labelled."""
    names = person.dtype.names or ()
    labels = records(person["annopoints"]) if "annopoints" in names else []
    points = [p for label in labels for p in records(field(label, "point", where))]
    if not points:
        return None
    flat = [0.0] * (3 * K)
    for point in points:
        joint, triple = _point(point, where)
        old = tuple(flat[3 * joint : 3 * joint + 3])
        if old[2] and old != triple:
            raise InputError(
                where, f"point {joint} ({MPII16.joints[joint]}) stands there twice", "keep one"
            )
        flat[3 * joint : 3 * joint + 3] = triple
    corners = [
        number(person[c], c, where) if c in names else None for c in ("x1", "y1", "x2", "y2")
    ]
    x1, y1, x2, y2 = (np.nan if c is None else c - 1 for c in corners)
    return _Person(row, tuple(flat), (x1, y1, x2 - x1, y2 - y1), where)


def _point(point: np.void, where: str) -> tuple[int, tuple[float, float, float]]:
    """The joint's number, and x, y, v; by field name, for the order of the fields varies."""
    joint = number(field(point, "id", where), "id", where)
    x = number(field(point, "x", where), "x", where)
    y = number(field(point, "y", where), "y", where)
    if joint not in range(K) or x is None or y is None:
        raise InputError(
            where, f"a point has id {joint}, x {x}, y {y}", f"ids are 0 to {K - 1}; mend the record"
        )
    assert joint is not None
    said = number(point["is_visible"], "is_visible", where) if _has_flag(point) else None
    if said not in (None, 0.0, 1.0):
        raise InputError(where, f"point {joint:g} has is_visible {said:g}", "it is 0, 1 or empty")
    # Empty for upper neck and head top of some people, who were labelled all the same (A4).
    return int(joint), (x - 1, y - 1, 1.0 if said == 0 else 2.0)


def _has_flag(point: np.void) -> bool:
    return "is_visible" in (point.dtype.names or ())


def _once(people: list[_Person]) -> list[_Person]:
    """Without those that stand twice in one image, which only a repeated image can cause."""
    return list({(p.row, p.points, str(p.head)): p for p in people}.values())


def _add(people: list[_Person], columns: Columns) -> None:
    points = np.array([p.points for p in people]).reshape(len(people), K, 3)
    heads = np.array([p.head for p in people], dtype=np.float64).reshape(len(people), 4)
    around = boxes.grow(boxes.union(boxes.extent(points), heads), GROW)
    for person, box in zip(people, around.tolist(), strict=True):
        columns.person(person.row, box, person.points, person.where)


def _notes(untold: int, bare: int, again: set[str], merged: int) -> list[str]:
    notes = []
    if untold:
        notes.append(f"{untold:,} test images left out, they have no labels")
    if bare:
        notes.append(f"{bare:,} people without labelled points left out, no box is possible")
    if again:
        notes.append(
            f"{len(again):,} images are listed twice ({min(again)} first); the people of "
            f"their entries were put together, {merged:,} identical ones merged"
        )
    return notes
