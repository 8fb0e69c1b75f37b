"""Decode images in the background, so that they are there when they are asked for."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from smallpose.dataloading.images import ImageArray, ImageReader
from smallpose.resolution.people import ChosenPeople


@dataclass(frozen=True)
class PreloadedReader(ImageReader):
    """Reads the images of a data set, some of which are being decoded already.

    Args:
        pending: the images that were not asked for yet, by name.
    """

    pending: dict[str, Future[ImageArray]] = field(default_factory=dict)

    def read(self, name: str) -> ImageArray:
        """Return the image, once it is decoded; raises as `ImageReader.read`."""
        future = self.pending.pop(name, None)
        if future is None or future.cancel():  # nobody has begun with it
            return super().read(name)
        return future.result()


@contextmanager
def preload_images(
    people: ChosenPeople, reader: ImageReader, max_bytes: int, num_threads: int = 2
) -> Iterator[PreloadedReader]:
    """Decode the images of the chosen people in the background, in their order.

    To load a model takes seconds, in which the images of the first height could not be made
    otherwise. What nobody has begun with when the context ends is left.

    Args:
        max_bytes: of all decoded images; those after it are read when they are asked for, as are
            images of unknown size.
    """
    names = _list_first_names(people, max_bytes)
    pool = ThreadPoolExecutor(num_threads)
    try:
        pending = {name: pool.submit(reader.read, name) for name in names}
        yield PreloadedReader(reader.root, reader.link_roots, pending)
    finally:
        pool.shutdown(cancel_futures=True)


def _list_first_names(people: ChosenPeople, max_bytes: int) -> list[str]:
    """List the names of the images of known size, as many as fit."""
    images = people.truth.images
    names = []
    num_bytes = 0
    for row in dict.fromkeys(people.truth.image_rows[people.rows].tolist()):
        size = 3 * int(images.width[row]) * int(images.height[row])
        num_bytes += size
        if num_bytes > max_bytes:
            break
        if size:
            names.append(images.file_names[row])
    return names
