"""Cut and encode the images of the person browser."""

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from smallpose.core.counts import format_count
from smallpose.core.errors import SmallposeError
from smallpose.core.instances import Instances
from smallpose.dataloading.images import NO_SUCH_IMAGE, ImageArray
from smallpose.evaluation.matching.arrays import Floats, Ints
from smallpose.report.images.contact_sheet import ReadImage
from smallpose.report.images.pose_drawing import Window, place_windows
from smallpose.system.progress import print_status, show_progress

CELL_WH = (120, 160)  # px, largest size of a person's image; smaller ones keep their pixels
CELL_MARGIN = 0.2
_UNKNOWN_SIDE = 1 << 20  # px, for an image of unknown size: it does not limit the window


def place_cell_windows(truth: Instances, image: Ints, boxes_xywh: Floats) -> Ints:
    """Place the window of each person's cell: (m, 4) left, top, width, height in px.

    Args:
        image: (m,) rows of the images.
        boxes_xywh: (m, 4) px of the images.
    """
    image_wh = np.stack([truth.images.width[image], truth.images.height[image]], axis=1)
    is_unknown = image_wh.min(axis=1, keepdims=True) <= 0
    image_wh = np.where(is_unknown, _UNKNOWN_SIDE, image_wh)
    return place_windows(boxes_xywh, image_wh, CELL_WH, CELL_MARGIN)


def encode_images(truth: Instances, image: Ints, windows: Ints, read: ReadImage) -> list[bytes]:
    """Encode the part of the image in each window as WebP, b"" where it cannot be read: (m,)."""
    out = [b""] * len(image)
    order = np.argsort(image, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(image[order])) + 1) if len(order) else []

    errors: list[SmallposeError] = []

    def cut_group(group: Ints) -> None:
        try:
            full_image = read(truth.images.file_names[image[group[0]]])
        except SmallposeError as error:
            if error.what != NO_SUCH_IMAGE:  # these have been counted
                errors.append(error)
            return
        for i in group.tolist():
            out[i] = _encode_webp(_fit_cell(windows[i].tolist()).cut(full_image))

    with ThreadPoolExecutor(2) as pool:
        for _ in show_progress(pool.map(cut_group, groups), "people", total=len(groups)):
            pass
    if errors:
        print_status(
            f"{format_count(len(errors), 'image')} cannot be read, and their people are shown "
            f"without (first: {min(map(str, errors))})"
        )
    return out


def _fit_cell(window: Sequence[int]) -> Window:
    """Return a window whose part of the image is reduced to a cell but never enlarged."""
    left, top, width, height = window
    tile_wh = CELL_WH if height > CELL_WH[1] else (width, height)
    return Window(left=left, top=top, width=width, height=height, tile_wh=tile_wh)


def _encode_webp(image: ImageArray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "webp", quality=60, method=2)
    return out.getvalue()
