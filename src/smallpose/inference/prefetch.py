"""Pictures read while the network looks at the ones before."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from smallpose.core.errors import InputError, RefusedError
from smallpose.core.instances import Instances
from smallpose.dataloading.images import Picture
from smallpose.dataloading.top_down.batches import check_size
from smallpose.system.progress import track

AHEAD = 16  # pictures read before they are asked for; decoding lets the network go on meanwhile


def read_ahead(
    people: Instances,
    rows: Sequence[int],
    read: Callable[[str], Picture],
    most_bad: float,
    unreadable: list[str],
    label: str,
) -> Iterator[tuple[int, Picture]]:
    """Rows of images and their pictures, in that order; why one cannot be read to `unreadable`.

    Args:
        rows: of the images to read.
        read: file name to picture; called in another thread, a picture at a time.
        most_bad: share of them that may be unreadable.
        label: of a progress bar over the images; none without.

    Raises: InputError or RefusedError when more are unreadable; InputError when one is not of the
        size the annotations say.
    """
    names = people.images.file_names
    waiting: list[Future[Picture]] = []
    with ThreadPoolExecutor(1) as reader:
        try:
            for number, row in enumerate(track(rows, label) if label else rows):
                for later in rows[number + len(waiting) : number + 1 + AHEAD]:
                    waiting.append(reader.submit(read, names[later]))
                try:
                    picture = waiting.pop(0).result()
                except (InputError, RefusedError) as error:
                    unreadable.append(str(error))
                    if len(unreadable) > most_bad * len(rows):
                        # What is refused for safety is refused for safety here too.
                        raise type(error)(
                            error.where,
                            f"{error.what}: {len(unreadable)} of {len(rows):,} pictures cannot be "
                            f"read, more than {most_bad:.1%}",
                            "mend or remove them, or allow more with --max-unreadable",
                        ) from None
                    continue
                check_size(picture, people, row, names[row])
                yield row, picture
        finally:
            for one in waiting:
                one.cancel()
