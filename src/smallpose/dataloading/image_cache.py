"""Keep decoded images in memory, so that later epochs neither read nor decode them again."""

from typing import Any, Protocol

from smallpose.dataloading.images import ImageArray
from smallpose.system.memory import get_free_memory

MB = 10**6
DEFAULT_MB = 1000
FREE_SHARE = 0.25  # of the memory that is free at the start, at most


class ReadsImages(Protocol):
    """What a cache reads images by."""

    def read(self, name: str) -> ImageArray:
        """Read an image."""
        ...


class CachedImageReader:
    """A reader that keeps the first images that it decodes, up to a number of bytes.

    An epoch shows every image, so it would be useless to make room for the last one: the images
    that fit are kept for good, and the others are read each time. Pixels are the same either way.

    Args:
        reader: of images that are not kept; its errors pass through.
        max_bytes: of kept pixels, in this process.
    """

    def __init__(self, reader: ReadsImages, max_bytes: int) -> None:
        self.reader, self.max_bytes = reader, max_bytes
        self.num_bytes = 0
        self._images: dict[str, ImageArray] = {}

    def __getstate__(self) -> dict[str, Any]:
        # A worker process begins with an empty cache of its own.
        return {**vars(self), "_images": {}, "num_bytes": 0}

    def read(self, name: str) -> ImageArray:
        """Return (h, w, 3) uint8 RGB; who changes the pixels must undo it."""
        image = self._images.get(name)
        if image is not None:
            return image
        image = self.reader.read(name)
        if self.num_bytes + image.nbytes <= self.max_bytes:
            self._images[name] = image
            self.num_bytes += image.nbytes
        return image


def limit_cache_bytes(megabytes: int, num_processes: int = 1) -> int:
    """Return the bytes that each of several processes on a machine may keep.

    Args:
        megabytes: that the user allows in all; no more than a quarter of the free memory is taken.
        num_processes: that decode images.
    """
    allowed = min(megabytes * MB, int(FREE_SHARE * get_free_memory()))
    return allowed // max(num_processes, 1)
