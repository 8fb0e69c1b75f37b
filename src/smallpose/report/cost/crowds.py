"""Build images with a given number of people and a given size from the people of a data set."""

from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError, SmallposeError
from smallpose.core.instances import Instances
from smallpose.dataloading.images import ImageArray
from smallpose.report.images.contact_sheet import ReadImage

Floats = NDArray[np.float64]

GREY = 114  # between the people
HEIGHT_SHARE = 1 / 8  # of a person, of the longer side of the image, where there is room
MARGIN = 0.25  # around a person's box that is cut out with them, on each side
MAX_TRIED = 200  # people whose images are opened


@dataclass(frozen=True)
class Crowd:
    """An image with some people.

    Args:
        image: (h, w, 3) uint8 RGB.
        boxes_xywh: (n, 4).
    """

    image: ImageArray
    boxes_xywh: Floats


def cut_people(
    people: Instances, read: ReadImage, num_people: int
) -> list[tuple[ImageArray, Floats]]:
    """Cut people out of their images, evenly spaced over the data set, tall enough to be enlarged.

    Returns: the pixels around each of at most `num_people`, and their box in them.
    Raises: InputError when no image of a person can be read.
    """
    counted = np.flatnonzero(people.is_counted & (people.boxes_xywh[:, 2:] >= 8).all(axis=1))
    order = counted[np.linspace(0, len(counted) - 1, min(len(counted), MAX_TRIED)).astype(np.intp)]
    cutouts: list[tuple[ImageArray, Floats]] = []
    for row in order.tolist():
        if len(cutouts) == num_people:
            break
        try:
            image = np.asarray(read(people.images.file_names[people.image_rows[row]]))
        except SmallposeError:
            continue
        box = people.boxes_xywh[row]
        margin = MARGIN * box[2:].max()
        low = np.maximum(np.floor(box[:2] - margin), 0).astype(int)
        high = np.minimum(np.ceil(box[:2] + box[2:] + margin), image.shape[1::-1]).astype(int)
        if (high - low < 4).any():
            continue
        pixels = image[low[1] : high[1], low[0] : high[0]]
        cutouts.append((pixels, np.concatenate([box[:2] - low, box[2:]])))
    if not cutouts:
        raise InputError(
            "--cost", "no image of a labelled person can be read", "name their folder by --images"
        )
    return cutouts


def build_crowd(cutouts: list[tuple[ImageArray, Floats]], num_people: int, side: int) -> Crowd:
    """Build an image of `side` × three quarters of it, px, with people in a grid.

    Args:
        cutouts: of `cut_people`; they are repeated where there are too few.
    """
    import cv2

    size_wh = np.array([side, side * 3 // 4])
    columns = ceil(sqrt(num_people * 4 / 3))
    grid = np.array([columns, ceil(num_people / columns)])
    cell_wh = size_wh // grid
    image = np.full((size_wh[1], size_wh[0], 3), GREY, dtype=np.uint8)
    boxes = []
    for index in range(num_people):
        pixels, box = cutouts[index % len(cutouts)]
        wh = np.array(pixels.shape[1::-1])
        scale = min(side * HEIGHT_SHARE / box[3], *(0.95 * cell_wh / wh))
        resized_wh = np.maximum(np.round(wh * scale), 1).astype(int)
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        resized = cv2.resize(pixels, resized_wh.tolist(), interpolation=method)
        corner = cell_wh * [index % columns, index // columns] + (cell_wh - resized_wh) // 2
        x, y = corner.tolist()
        image[y : y + resized_wh[1], x : x + resized_wh[0]] = resized
        factor = resized_wh / wh
        boxes.append(np.concatenate([corner + box[:2] * factor, box[2:] * factor]))
    return Crowd(image, np.array(boxes))
