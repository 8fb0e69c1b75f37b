"""Name or turn images that EXIF turns for viewers, whose stored pixels lie on their side."""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from smallpose.core.counts import choose_verb, format_count
from smallpose.core.errors import InputError, SmallposeError
from smallpose.core.instances import Instances
from smallpose.dataloading.images import (
    ImageArray,
    ImageReader,
    decode_image,
    has_exif_orientation,
    read_image_header,
)
from smallpose.dataloading.large_images import LargeImage, open_image
from smallpose.dataloading.shown_images import open_shown_image
from smallpose.dataset.exif_orientation import choose_turned_rows, infer_label_grids
from smallpose.dataset.image_headers import read_header
from smallpose.dataset.pillow_images import ImageHeader
from smallpose.inference.input_images import format_turned
from smallpose.system.image_limits import MAX_IMAGE_PIXELS, get_max_pixels
from smallpose.system.progress import print_status


class RotationCounter:
    """Reads images as an `ImageReader`, and remembers those that EXIF turns.

    Args:
        reader: of the images.
        turned: names of the images that are read as viewers show them; None without
            `--exif apply`, where the others are named.
    """

    def __init__(self, reader: ImageReader, turned: Collection[str] | None = None) -> None:
        self._reader = reader
        self._is_applied = turned is not None
        self._turned = turned or ()
        self.names: set[str] = set()

    def read(self, name: str) -> ImageArray | LargeImage:
        """Read an image, on its stored grid unless it is turned, or open it to read it in parts."""
        if name in self._turned:
            return open_shown_image(self._reader.resolve(name))
        if get_max_pixels() > MAX_IMAGE_PIXELS:
            path = self._reader.resolve(name)
            if read_image_header(path).orientation != 1:
                self.names.add(name)
            return open_image(path)
        data, where = self._reader.read_bytes(name)
        if has_exif_orientation(data):
            self.names.add(name)
        return decode_image(data, where)

    def print_count(self, data: Path) -> None:
        """Print how many images EXIF turns, if any, and what turns them."""
        if self.names and not self._is_applied:
            print_status(
                f"{data}: {format_count(len(self.names), 'image has', 'images have')} an EXIF "
                "orientation (first: "
                f"{min(self.names)}); boxes and keypoints refer to the stored pixels, which the "
                "model sees: where labels refer to the turned images, add --exif apply"
            )


def refuse_shown_grid(people: Instances, reader: ImageReader, data: Path) -> None:
    """Raise InputError where labels refer to an image as EXIF turns it.

    Only images with labels and without a declared size are opened: where a size is declared, it is
    compared when the image is read.
    """
    images = people.images
    has_labels = np.zeros(len(images), dtype=bool)
    has_labels[people.image_rows] = True
    is_unknown = has_labels & ((images.width == 0) | (images.height == 0))
    headers: dict[int, ImageHeader] = {}
    for row in np.flatnonzero(is_unknown).tolist():
        try:
            headers[row] = read_header(reader.resolve(images.file_names[row]))
        except SmallposeError:
            continue  # counted when it is read for the prediction
    rotated = {row: header for row, header in headers.items() if header.orientation != 1}
    for row, grid in infer_label_grids(people, rotated).items():
        if grid == "shown":
            raise InputError(
                f"{data}, {images.file_names[row]}",
                "its labels refer to the image as EXIF turns it, and images are read as stored",
                "add --exif apply, which turns such images",
            )


def find_turned_images(
    people: Instances, reader: ImageReader, data: Path | None = None
) -> frozenset[str]:
    """Return the names of the images that `--exif apply` turns.

    They are those that `build --exif apply` turns: an image whose labels refer to its stored
    pixels, by their size or by a label beyond the image that is shown, stays as it is.

    Args:
        data: the file of the labels, before the printed number of images; None to print nothing.
    """
    headers: dict[int, ImageHeader] = {}
    for row, name in enumerate(people.images.file_names):
        try:
            header = read_header(reader.resolve(name))
        except SmallposeError:
            continue  # counted when it is read for the prediction
        if header.orientation != 1:
            headers[row] = header
    rows = choose_turned_rows(infer_label_grids(people, headers))
    turned = frozenset(people.images.file_names[row] for row in rows)
    if headers and data is not None:
        stay = ""
        num_kept = len(headers) - len(turned)
        if num_kept:
            stay = (
                f"; {num_kept:,} more {choose_verb(num_kept, 'are')} not: their labels refer to "
                "the stored pixels"
            )
        print_status(f"{data}: {format_turned(len(turned))} EXIF orientation{stay}")
    return turned
