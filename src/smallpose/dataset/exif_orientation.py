"""Find out which grid labels refer to where EXIF asks viewers to turn an image, and turn it.

Labelling tools that run in a browser show the turned image, and labels are drawn on that; other
tools and most decoders use the stored grid. The size that the labels declare, or a label beyond
one of the two grids, tells which it was where the sides are swapped.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.dataset.pillow_images import ImageHeader, open_pillow_image
from smallpose.system.image_formats import START_BYTES, detect_format

LabelGrid = Literal["stored", "shown", "unknown"]
JPEG_QUALITY = 95  # high, because the image has been compressed once already
_TOLERANCE = 1.0  # px that a label may be outside of its image


def infer_label_grid(
    header: ImageHeader, declared_wh: tuple[int, int], keypoints: NDArray[np.float64]
) -> LabelGrid:
    """Return which grid the labels of an image refer to.

    Args:
        declared_wh: the size that the labels assume; with a 0 where it is unknown.
        keypoints: (n, k, 3) of its people.
    Returns: "unknown" where both grids have the same size, or nothing tells them apart.
    """
    if header.shown_wh == header.stored_wh:
        return "unknown"
    if 0 not in declared_wh:
        if declared_wh == header.stored_wh:
            return "stored"
        return "shown" if declared_wh == header.shown_wh else "unknown"
    points = keypoints[keypoints[:, :, 2] > 0][:, :2]
    if not len(points):
        return "unknown"
    fits_stored = bool((points <= np.add(header.stored_wh, _TOLERANCE)).all())
    fits_shown = bool((points <= np.add(header.shown_wh, _TOLERANCE)).all())
    if fits_stored == fits_shown:
        return "unknown"
    return "stored" if fits_stored else "shown"


def infer_label_grids(
    people: Instances, headers: Mapping[int, ImageHeader]
) -> dict[int, LabelGrid]:
    """Return which grid the labels of images refer to, by the row of the image.

    Args:
        headers: row of an image in `people.images` to its header.
    """
    images = people.images
    order = np.argsort(people.image_rows, kind="stable")
    edges = np.searchsorted(people.image_rows[order], np.arange(len(images) + 1))
    return {
        row: infer_label_grid(
            header,
            (int(images.width[row]), int(images.height[row])),
            people.keypoints[order[edges[row] : edges[row + 1]]],
        )
        for row, header in headers.items()
    }


def choose_turned_rows(grids: Mapping[int, LabelGrid]) -> list[int]:
    """Return the images that `--exif apply` turns, in the order of their rows.

    One stays as it is stored where its labels refer to that grid, and so do those that do not tell,
    beside such ones only.

    Args:
        grids: row of an image that viewers turn to the grid of its labels.
    """
    shown = [row for row, grid in grids.items() if grid == "shown"]
    if "stored" in grids.values() and not shown:
        return []
    return sorted(row for row, grid in grids.items() if grid != "stored")


def turn_image(path: Path | str, orientation: int) -> bytes:
    """Return an image file turned as viewers show it, in the same format and without EXIF.

    PNG, WebP and TIFF are written without loss, JPEG with quality 95 and full colour resolution.

    Args:
        orientation: value of the EXIF field, 2 to 8.
    Raises: InputError when the image cannot be decoded.
    """
    from PIL import Image

    transpositions = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    settings: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": JPEG_QUALITY, "subsampling": 0},
        "WEBP": {"lossless": True, "exact": True},
        "TIFF": {"compression": "tiff_adobe_deflate", "exif": Image.Exif()},
    }
    try:
        data = Path(path).read_bytes()
        image_format = detect_format(data[:START_BYTES], path)
        with open_pillow_image(io.BytesIO(data), image_format) as image:
            image.load()  # Pillow turns a TIFF here
            is_turned = image_format == "TIFF"
            turned = image.copy() if is_turned else image.transpose(transpositions[orientation])
        turned.info.pop("exif", None)
        out = io.BytesIO()
        profile = turned.info.get("icc_profile")
        turned.save(out, image_format, icc_profile=profile, **settings.get(image_format, {}))
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise InputError(
            str(path), f"truncated or damaged ({error})", "download the image again"
        ) from None
    return out.getvalue()
