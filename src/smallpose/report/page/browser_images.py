"""Cut and encode the images of the person browser."""

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from smallpose.core.errors import SmallposeError
from smallpose.core.instances import Instances
from smallpose.dataloading.images import ImageArray
from smallpose.evaluation.matching.arrays import Floats, Ints
from smallpose.report.images.contact_sheet import ReadImage
from smallpose.report.images.pose_drawing import Window, place_window
from smallpose.system.progress import show_progress

CELL_WH = (120, 160)  # px, largest size of a person's image; smaller ones keep their pixels
CELL_MARGIN = 0.2
_UNKNOWN_SIDE = 1 << 20  # px, for an image of unknown size: it does not limit the window


def place_cell_window(truth: Instances, image: int, box: Floats) -> Window:
    width, height = int(truth.images.width[image]), int(truth.images.height[image])
    if min(width, height) <= 0:
        width = height = _UNKNOWN_SIDE
    return place_window(box, (width, height), CELL_WH, CELL_MARGIN)


def encode_images(
    truth: Instances, image: Ints, windows: Sequence[Window], read: ReadImage
) -> list[bytes]:
    """Encode the part of the image in each window as WebP, b"" where it cannot be read: (m,)."""
    out = [b""] * len(image)
    order = np.argsort(image, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(image[order])) + 1) if len(order) else []

    def cut_group(group: Ints) -> None:
        try:
            full_image = read(truth.images.file_names[image[group[0]]])
        except SmallposeError:
            return  # a set built with --missing-images keep lacks some images
        for i in group.tolist():
            out[i] = _encode_webp(_fit_cell(windows[i]).cut(full_image))

    with ThreadPoolExecutor(2) as pool:
        for _ in show_progress(pool.map(cut_group, groups), "people", total=len(groups)):
            pass
    return out


def _fit_cell(window: Window) -> Window:
    """Return the same part of the image, reduced to a cell but never enlarged."""
    if window.height > CELL_WH[1]:
        return window
    return Window(
        left=window.left,
        top=window.top,
        width=window.width,
        height=window.height,
        tile_wh=(window.width, window.height),
    )


def _encode_webp(image: ImageArray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "webp", quality=60, method=2)
    return out.getvalue()
