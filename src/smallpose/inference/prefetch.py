"""Read images in another thread while the network processes the ones before."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from smallpose.core.errors import InputError, RefusedError
from smallpose.core.instances import Instances
from smallpose.dataloading.images import ImageArray
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


def refuse_too_many_unreadable(
    error: InputError | RefusedError, num_unreadable: int, num_images: int, max_unreadable: float
) -> None:
    """Raise an error of the class of `error` when too large a share of images cannot be read.

    What is refused for safety keeps its exit code so, and its remedy.

    Args:
        error: of one of the images.
        max_unreadable: the share that may be unreadable.
    """
    if num_unreadable <= max_unreadable * num_images:
        return
    is_refused = isinstance(error, RefusedError)
    remedy = error.remedy if is_refused else "repair or remove them"
    raise type(error)(
        error.where,
        f"{error.what}: {num_unreadable:,} of {num_images:,} images cannot be read, more than "
        f"{max_unreadable:.1%}",
        f"{remedy}, or allow more with --max-unreadable",
    ) from None
