"""Read images in another thread while the network processes the ones before."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from smallpose.core.errors import InputError, RefusedError
from smallpose.core.instances import Instances
from smallpose.dataloading.images import ImageArray, refuse_too_many_unreadable
from smallpose.dataloading.large_images import LargeImage
from smallpose.dataloading.top_down.batches import check_labelled_size
from smallpose.system.progress import show_progress

NUM_PREFETCHED = 16  # images; decoding releases the GIL, so the network runs meanwhile


def prefetch_images(
    people: Instances,
    rows: Sequence[int],
    read: Callable[[str], ImageArray | LargeImage],
    max_unreadable: float,
    unreadable: list[str],
    label: str,
) -> Iterator[tuple[int, ImageArray | LargeImage]]:
    """Yield the rows of images and the images, in order, without the unreadable ones.

    Args:
        rows: of the images to read.
        read: file name to image; called in another thread, one image at a time.
        max_unreadable: share of them that may be unreadable.
        unreadable: receives the reason for each unreadable image.
        label: of a progress bar over the images; "" for none.

    Raises: InputError or RefusedError when too many are unreadable; InputError when one does not
        have the annotated size.
    """
    names = people.images.file_names
    queue: list[Future[ImageArray | LargeImage]] = []
    with ThreadPoolExecutor(1) as reader:
        try:
            for index, row in enumerate(show_progress(rows, label) if label else rows):
                for later_row in rows[index + len(queue) : index + 1 + NUM_PREFETCHED]:
                    queue.append(reader.submit(read, names[later_row]))
                try:
                    image = queue.pop(0).result()
                except (InputError, RefusedError) as error:
                    unreadable.append(str(error))
                    refuse_too_many_unreadable(error, len(unreadable), len(rows), max_unreadable)
                    continue
                check_labelled_size(image, people, row, names[row])
                yield row, image
        finally:
            for future in queue:
                future.cancel()
