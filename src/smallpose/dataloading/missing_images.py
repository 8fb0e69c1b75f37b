"""Count the missing images of a job before the first one is read, so that one line has them all."""

import os
from collections.abc import Iterable

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.dataloading.images import ImageReader


def refuse_missing_images(
    reader: ImageReader, names: Iterable[str], max_missing: float, remedy: str
) -> None:
    """Raise InputError when too large a share of the images is not in the reader's folder.

    Args:
        names: of the images that will be read.
        max_missing: the share that may be missing.
        remedy: what to do.
    """
    wanted = list(dict.fromkeys(names))
    missing = [
        name
        for name in wanted
        if not os.path.isfile(f"{reader.root}/{name}")  # noqa: PTH113 (Path raises for long names)
    ]
    if len(missing) > max_missing * len(wanted):
        raise InputError(
            str(reader.root),
            f"{len(missing):,} of {format_count(len(wanted), 'image')} cannot be read, more than "
            f"{max_missing:.1%}: they are not there (first: {missing[0]})",
            f"{remedy}, or allow more with --max-unreadable",
        )
