"""Read images as viewers show them: turned or mirrored by their EXIF orientation."""

from pathlib import Path

from smallpose.core.errors import RefusedError
from smallpose.dataloading.images import ImageArray, read_image, read_image_header
from smallpose.dataloading.large_images import LargeImage, open_image
from smallpose.dataset.pillow_images import turn_pixels
from smallpose.system.progress import print_status


def open_shown_image(path: Path) -> ImageArray | LargeImage:
    """Read an image as viewers show it; one without an orientation may be read in parts.

    Raises: as `open_image`; RefusedError also for an image to be turned that is read in parts.
    """
    orientation = read_image_header(path).orientation
    image = open_image(path)
    if orientation == 1:
        return image
    if isinstance(image, LargeImage):
        raise RefusedError(
            str(path),
            "is too large to be turned as EXIF says",
            "turn the file by other means",
        )
    return turn_pixels(image, orientation)


class LabelledImages:
    """Reads images on the grid of their labels: as viewers show them where the size says so.

    The first image whose grid is not known, and the first of another size, are named.
    """

    def __init__(self) -> None:
        self._named: set[str] = set()

    def read(self, path: Path, labelled_wh: tuple[int, int]) -> ImageArray:
        """Read an image.

        Args:
            labelled_wh: the size that the labels declare; with a 0 where it is unknown.
        Raises: as `read_image`.
        """
        image = read_image(path)
        header = read_image_header(path)
        is_known = 0 not in labelled_wh
        if is_known and labelled_wh == header.shown_wh != header.stored_wh:
            return turn_pixels(image, header.orientation)
        if is_known and labelled_wh != header.stored_wh:
            size = f"{header.width:,} × {header.height:,}"
            labelled = f"{labelled_wh[0]:,} × {labelled_wh[1]:,}"
            self._name(
                "size", f"{path}: is {size} px and its labels say {labelled}: drawn where they say"
            )
        elif header.orientation != 1 and not (is_known and header.shown_wh != header.stored_wh):
            self._name(
                "grid",
                f"{path}: EXIF turns this image for viewers, and labels are drawn on it as it is "
                "stored, for their size does not tell",
            )
        return image

    def _name(self, kind: str, message: str) -> None:
        if kind not in self._named:
            self._named.add(kind)
            print_status(message)
