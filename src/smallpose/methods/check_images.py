"""Check the images and boxes that callers in Python pass to a method."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError

_READ = "smallpose.dataloading.images.read_image"


def list_images(images: Any) -> list[NDArray[np.uint8]]:
    """Return images as a list, also where a single one is passed.

    Args:
        images: (h, w, 3) uint8 RGB each, or a single one.
    Raises: InputError for names of files and arrays of other shapes or types.
    """
    if isinstance(images, str | os.PathLike):
        raise _describe_path(images)
    is_single = isinstance(images, np.ndarray) and images.ndim <= 3
    if not is_single and not isinstance(images, np.ndarray | Sequence):
        what = f"is of type {type(images).__name__}, no image"
        raise InputError("images", what, "pass (h, w, 3) uint8 RGB arrays, or a single one")
    listed: list[Any] = [images] if is_single else list(images)
    for i, image in enumerate(listed):
        _refuse_other_image("image" if is_single else f"image {i}", image)
    return listed


def list_boxes(boxes_xywh: Any, num_images: int, is_single: bool) -> list[NDArray[np.float64]]:
    """Return (n, 4) boxes for each image.

    Args:
        is_single: they are those of a single image.
    Raises: InputError where there are boxes for another number of images, or of another shape.
    """
    listed = [boxes_xywh] if is_single else list(boxes_xywh)
    if len(listed) != num_images:
        what = f"are given for {format_count(len(listed), 'image')}, not for {num_images:,}"
        raise InputError("boxes_xywh", what, "pass (n, 4) boxes for each image, [] for none")
    return [_make_boxes(i, boxes) for i, boxes in enumerate(listed)]


def _make_boxes(index: int, boxes: Any) -> NDArray[np.float64]:
    where = f"boxes_xywh of image {index}"
    remedy = "pass x, y, width, height in px for each person"
    try:
        array: NDArray[np.float64] = np.asarray(boxes, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(where, "are no numbers, or rows of different lengths", remedy) from None
    if array.size % 4:
        raise InputError(where, f"have the shape {array.shape}, not (n, 4)", remedy)
    return array.reshape(-1, 4)


def _refuse_other_image(where: str, image: object) -> None:
    if isinstance(image, str | os.PathLike):
        raise _describe_path(image)
    if not isinstance(image, np.ndarray):
        what = f"is of type {type(image).__name__}, no array"
        raise InputError(where, what, "pass numpy.asarray(image.convert('RGB')) for a Pillow image")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        what = f"has the shape {image.shape} and type {image.dtype}"
        raise InputError(where, what, f"pass (h, w, 3) uint8 RGB, as {_READ} returns")


def _describe_path(path: str | os.PathLike[Any]) -> InputError:
    name = os.fspath(path)
    remedy = f"pass {_READ}(pathlib.Path({name!r})), or run smallpose predict on the file"
    return InputError(f"image {name!r}", "the name of a file, not its pixels", remedy)
