"""Files in, Predictions out: what `smallpose predict` does, callable from Python."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from smallpose.core.errors import InputError
from smallpose.core.progress import say
from smallpose.inference.boxes import Boxes, read_boxes
from smallpose.inference.options import Options
from smallpose.inference.people import find
from smallpose.methods.base import PoseMethod
from smallpose.samples.images import (
    Picture,
    Pictures,
    is_turned,
    picture_size,
    pictures_of,
    read_picture,
)
from smallpose.table.coco_json import read_coco
from smallpose.table.instances import make_images, make_instances
from smallpose.table.predictions import Predictions


def predict_file(
    method: PoseMethod,
    data: Path,
    images: Path,
    boxes: Path | None = None,
    options: Options | None = None,
    device: str = "",
) -> tuple[Predictions, int]:
    """People of a COCO file's images, in its own boxes or in a detector's.

    Returns: what was found, and the file's category id, which results must carry.
    """
    people = read_coco(data)
    where = None if boxes is None else read_boxes(boxes, people.images, people.category_id)
    if not images.is_dir():
        raise InputError(str(images), "no such folder", "name the pictures' folder with --images")
    # A built set keeps its pictures in `images` beside its manifest, which says where links lead.
    inside_set = images.name == "images" and (images.parent / "manifest.json").is_file()
    pictures = pictures_of(images.parent) if inside_set else Pictures(images)
    found = find(method.on(device), people, where, pictures.read, options, method.name)
    return found, people.category_id


def predict_pictures(
    method: PoseMethod, paths: Sequence[Path], options: Options | None = None, device: str = ""
) -> tuple[Predictions, int]:
    """People of pictures, each of them one box around everything; image ids count from 1."""
    sizes = np.array([picture_size(path) for path in paths]).reshape(-1, 2)
    ids = np.arange(1, len(paths) + 1)
    images = make_images(ids, [str(p) for p in paths], sizes[:, 0], sizes[:, 1])
    people = make_instances(method.skeleton, images, [], np.zeros((0, 4)), [])
    whole = np.concatenate([np.zeros_like(sizes), sizes], axis=1).astype(np.float64)
    say(f"no boxes: each of the {len(paths)} pictures is taken as one person's box")
    turned = sum(is_turned(path.read_bytes()) for path in paths)
    if turned:
        say(f"{turned} pictures ask viewers to turn them (EXIF); keypoints are those as stored")
    boxes = Boxes(np.arange(len(paths)), whole, np.ones(len(paths)))
    found = find(method.on(device), people, boxes, _read, options, method.name)
    return found, people.category_id


def _read(name: str) -> Picture:
    return read_picture(Path(name))
