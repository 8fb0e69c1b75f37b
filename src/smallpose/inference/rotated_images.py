"""Name images that EXIF turns for viewers: labels and predictions refer to the stored pixels."""

from pathlib import Path

import numpy as np

from smallpose.core.counts import format_count
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
from smallpose.dataset.exif_orientation import infer_label_grids
from smallpose.dataset.image_headers import read_header
from smallpose.dataset.pillow_images import ImageHeader
from smallpose.system.image_limits import MAX_IMAGE_PIXELS, get_max_pixels
from smallpose.system.progress import print_status


class RotationCounter:
    """Reads images as an `ImageReader`, and remembers those that EXIF turns.

    Args:
        reader: of the images.
    """

    def __init__(self, reader: ImageReader) -> None:
        self._reader = reader
        self.names: set[str] = set()

    def read(self, name: str) -> ImageArray | LargeImage:
        """Read an image on its stored pixel grid, or open it if it is read in parts."""
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
        """Print how many images EXIF turns, if any."""
        if self.names:
            print_status(
                f"{data}: {format_count(len(self.names), 'image has', 'images have')} an EXIF "
                "orientation (first: "
                f"{min(self.names)}); boxes and keypoints refer to the stored pixels: where labels "
                "refer to the turned images, build a set with --exif apply"
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
                "build a set with --exif apply, which turns the image",
            )
