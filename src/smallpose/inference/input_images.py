"""Image files to predict in: their sizes, what is noteworthy of them, and their pixels."""

from collections.abc import Sequence
from pathlib import Path

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError, RefusedError
from smallpose.dataloading.images import ImageArray, read_image_header
from smallpose.dataloading.large_images import LargeImage, open_image
from smallpose.dataloading.shown_images import open_shown_image
from smallpose.dataset.pillow_images import ImageHeader
from smallpose.system.progress import print_status


def read_image_sizes(
    paths: Sequence[str], apply_exif: bool = False
) -> tuple[list[tuple[int, int]], list[str]]:
    """Read (width, height) of images, 0 for unreadable ones, and the reasons for those.

    Args:
        apply_exif: return the sizes of the images as viewers show them.
    """
    headers, problems = read_headers(paths)
    return get_sizes(headers, apply_exif), [str(error) for error in problems]


def get_sizes(headers: Sequence[ImageHeader], apply_exif: bool) -> list[tuple[int, int]]:
    """Return (width, height) of images, as they are stored or as viewers show them."""
    return [header.shown_wh if apply_exif else header.stored_wh for header in headers]


def read_headers(
    paths: Sequence[str],
) -> tuple[list[ImageHeader], list[InputError | RefusedError]]:
    """Read the headers of images, of 0 × 0 px for unreadable ones, and the errors of those."""
    headers = []
    problems: list[InputError | RefusedError] = []
    for path in paths:
        try:
            headers.append(read_image_header(Path(path)))
        except (InputError, RefusedError) as error:
            headers.append(ImageHeader(0, 0))
            problems.append(error)
    return headers, problems


def format_turned(count: int) -> str:
    """Say how many images are turned.

    >>> format_turned(1), format_turned(2)
    ('1 image is turned by its', '2 images are turned by their')
    """
    return format_count(count, "image is turned by its", "images are turned by their")


def print_image_remarks(headers: Sequence[ImageHeader], apply_exif: bool = False) -> None:
    """Print how many images EXIF turns, and how many have frames or pages beyond the first."""
    num_rotated = sum(header.orientation != 1 for header in headers)
    if num_rotated and apply_exif:
        print_status(
            f"{format_turned(num_rotated)} EXIF orientation; keypoints refer to the turned images, "
            "as viewers show them"
        )
    elif num_rotated:
        print_status(
            f"{format_count(num_rotated, 'image has', 'images have')} an EXIF orientation; "
            "keypoints refer to the stored pixels, and the model sees these images so: people who "
            "lie on their side there are often missed; --exif apply turns the images, and "
            "keypoints then refer to what viewers show"
        )
    num_animated = sum(header.has_more_images for header in headers)
    if num_animated:
        print_status(
            f"{format_count(num_animated, 'file has', 'files have')} several frames or pages; "
            "the first is read"
        )


class PathReader:
    """Reads images by their paths, turned by EXIF or as they are stored."""

    def __init__(self, apply_exif: bool) -> None:
        self._open = open_shown_image if apply_exif else open_image

    def read(self, name: str) -> ImageArray | LargeImage:
        """Read the image at a path."""
        return self._open(Path(name))
