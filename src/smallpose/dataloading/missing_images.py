"""Count the missing images of a job before the first one is read, so that one line has them all."""

import os
from collections.abc import Iterable

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.dataloading.images import ImageReader
from smallpose.dataset.meant_folder import suggest_image_folder


def refuse_missing_images(
    reader: ImageReader,
    names: Iterable[str],
    max_missing: float,
    remedy: str,
    *,
    is_given: bool = True,
) -> None:
    """Raise InputError when too large a share of the images is not in the reader's folder.

    Args:
        names: of the images that will be read.
        max_missing: the share that may be missing.
        remedy: what to do.
        is_given: the folder was given by --images; another that has the images is proposed.
    """
    wanted = list(dict.fromkeys(names))
    missing = [
        name
        for name in wanted
        if not os.path.isfile(f"{reader.root}/{name}")  # noqa: PTH113 (Path raises for long names)
    ]
    if len(missing) > max_missing * len(wanted):
        meant = suggest_image_folder(reader.root, wanted, otherwise="") if is_given else ""
        raise InputError(
            str(reader.root),
            f"{len(missing):,} of {format_count(len(wanted), 'image')} cannot be read, more than "
            f"{max_missing:.1%}: they are not there (first: {missing[0]})",
            meant or f"{remedy}, or allow more with --max-unreadable",
        )
