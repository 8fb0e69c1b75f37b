"""Files in, Predictions out: what `smallpose predict` does, callable from Python."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from smallpose.core.errors import InputError, RefusedError
from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import COCO17, Skeleton
from smallpose.dataloading.images import (
    Picture,
    Pictures,
    is_turned,
    picture_size,
    pictures_of,
    read_picture,
    refuse_unreadable,
)
from smallpose.dataloading.top_down.batches import trainable
from smallpose.inference.boxes import Boxes, found_boxes, read_boxes
from smallpose.inference.options import Options
from smallpose.inference.predict import find
from smallpose.io.coco_annotations import read_coco
from smallpose.io.image_list import read_image_list
from smallpose.methods.base import PoseMethod
from smallpose.methods.full_image import WholeImageMethod
from smallpose.system.progress import say

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


class Finder(NamedTuple):
    """A whole-image method that says where people are, for a top-down one to look at.

    Args:
        method: on any device; it is moved to the other's.
        options: its own.
    """

    method: WholeImageMethod
    options: Options


class Answer(NamedTuple):
    """What was found, and what it was looked for in.

    Args:
        found: the people.
        people: the table whose images were looked at; of bare pictures, nobody.
    """

    found: Predictions
    people: Instances


def predict_file(
    method: PoseMethod,
    data: Path,
    images: Path,
    boxes: Path | Finder | None = None,
    options: Options | None = None,
    device: str = "",
) -> Answer:
    """People of a COCO file's images: in its own boxes, a detector's, or where another says.

    Whole-image methods look at no boxes. The file may list images alone, as COCO's image_info
    files do, where nobody's own boxes are asked for.

    Raises: InputError when they are.
    """
    people, pictures = images_and_pictures(data, images, method.skeleton)
    if boxes is None and not isinstance(method, WholeImageMethod):
        refuse_nobody(people, data)
    where: Boxes | None = None
    if isinstance(boxes, Path):
        where = read_boxes(boxes, people.images, people.category_id)
    elif boxes is not None:
        where = _boxes_by(boxes, people, pictures, device)
    found = find(method.on(device), people, where, pictures.read, options, method.name)
    return Answer(found, people)


def images_and_pictures(
    data: Path, images: Path, skeleton: Skeleton = COCO17
) -> tuple[Instances, Pictures]:
    """A COCO file, with or without people, and where its pictures lie.

    Args:
        skeleton: of the table, where the file lists images alone.
    """
    listed = read_image_list(data, skeleton)
    people = read_coco(data) if listed is None else listed
    if not images.is_dir():
        raise InputError(str(images), "no such folder", "name the pictures' folder with --images")
    # A built set keeps its pictures in `images` beside its manifest, which says where links lead.
    inside_set = images.name == "images" and (images.parent / "manifest.json").is_file()
    return people, pictures_of(images.parent) if inside_set else Pictures(images)


def refuse_nobody(people: Instances, data: Path) -> None:
    """Raises InputError when a top-down method shall look at true boxes and there are none."""
    if not len(trainable(people)):
        lacks = "has no people with keypoints" if len(people) else "lists images without people"
        raise InputError(
            str(data),
            f"{lacks}, and a top-down method must be told where they are",
            "name a detector's boxes (--boxes) or a method that finds people (--boxes-from)",
        )


def predict_pictures(
    method: PoseMethod,
    paths: Iterable[Path],
    finder: Finder | None = None,
    options: Options | None = None,
    device: str = "",
) -> Answer:
    """People of pictures and of folders of pictures; image ids count from 1.

    A top-down method that is not told where people are takes each picture as one person's box.
    """
    files = list(files_of(paths))
    sizes_wh, wrong = sizes_of([str(path) for path in files])
    sizes = np.array(sizes_wh).reshape(-1, 2)
    ids = np.arange(1, len(files) + 1)
    images = make_images(ids, [str(p) for p in files], sizes[:, 0], sizes[:, 1])
    people = make_instances(method.skeleton, images, [], np.zeros((0, 4)), [])
    turned = sum(
        is_turned(path.read_bytes()) for path, (w, _) in zip(files, sizes_wh, strict=True) if w
    )
    if turned:
        say(f"{turned} pictures ask viewers to turn them (EXIF); keypoints are those as stored")
    where: Boxes | None = None
    if finder is not None:
        where = _boxes_by(finder, people, _Anywhere(), device)
    elif not isinstance(method, WholeImageMethod):
        say(
            f"no boxes: each of the {len(files)} pictures is taken as one person's box; "
            "--boxes-from METHOD looks for people first"
        )
        if wrong:
            most = (options or Options()).most_bad
            refuse_unreadable(wrong[0].split(";")[0], len(wrong), len(files), most)
        where = whole_pictures(sizes_wh)
    found = find(method.on(device), people, where, _Anywhere().read, options, method.name)
    if where is not None and finder is None:  # the others have been looked for and told
        found = replace(found, notes=(*found.notes, *(f"not predicted: {why}" for why in wrong)))
    return Answer(found, people)


def sizes_of(paths: Sequence[str]) -> tuple[list[tuple[int, int]], list[str]]:
    """(width, height) of pictures, 0 where one cannot be read; and what was wrong with those."""
    sizes, wrong = [], []
    for path in paths:
        try:
            sizes.append(picture_size(Path(path)))
        except (InputError, RefusedError) as error:
            sizes.append((0, 0))
            wrong.append(str(error))
    return sizes, wrong


def whole_pictures(sizes_wh: list[tuple[int, int]]) -> Boxes:
    """Each picture that can be read as one person's box."""
    sizes = np.array(sizes_wh, dtype=np.float64).reshape(-1, 2)
    rows = np.flatnonzero(sizes.all(axis=1))
    whole = np.concatenate([np.zeros((len(rows), 2)), sizes[rows]], axis=1)
    return Boxes(rows, whole, np.ones(len(rows)))


def _boxes_by(
    finder: Finder, people: Instances, pictures: "Pictures | _Anywhere", device: str
) -> Boxes:
    method, options = finder
    label = f"{method.name} boxes"
    found = find(method.on(device), people, None, pictures.read, options, label)
    boxes = found_boxes(found, people.images, method.box_margin)
    say(f"{method.name} found {len(boxes):,} boxes in {len(people.images):,} images")
    return boxes


class _Anywhere:
    """Pictures by their paths."""

    def read(self, name: str) -> Picture:
        """The picture of that path."""
        return read_picture(Path(name))


def files_of(paths: Iterable[Path]) -> Iterable[Path]:
    """The files, and the pictures in and below the folders, in the order of their names."""
    for path in paths:
        if not path.is_dir():
            yield _written(path)
            continue
        inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in ENDINGS and p.is_file())
        if not inside:
            raise InputError(str(path), "no pictures in it", f"looked for {', '.join(ENDINGS)}")
        yield from map(_written, inside)


def _written(path: Path) -> Path:
    """The path, if it can stand in a JSON file."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(
            ascii(str(path)), "the name is not UTF-8, which results need", "rename it"
        ) from None
    return path
