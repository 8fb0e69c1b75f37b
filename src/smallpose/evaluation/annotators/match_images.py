"""Find the images that several annotation files have in common."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np

from smallpose.core.errors import InputError
from smallpose.core.instances import Images, Instances


def match_images(tables: Mapping[str, Instances]) -> dict[object, tuple[int, ...]]:
    """Return the image rows of each file, -1 where it lacks the image, by a common key.

    Raises: InputError for a file that has no image of another.
    """
    everything = [table.images for table in tables.values()]
    for list_keys in (_list_names, _list_last_parts, _list_ids):
        keys = [list_keys(images) for images in everything]
        rows = _join_keys(keys)
        shared = [
            sum(row[index] >= 0 and sum(r >= 0 for r in row) > 1 for row in rows.values())
            for index in range(len(tables))
        ]
        if all(shared):
            return rows
        if list_keys is _list_last_parts and any(any(names) for names in keys):
            break
    lonely = list(tables)[int(np.argmin(shared))]
    raise InputError(
        lonely,
        "none of its images is in the other files",
        "give labels of the same images, with the same file_name",
    )


def _list_names(images: Images) -> list[object]:
    return [name or None for name in images.file_names]


def _list_last_parts(images: Images) -> list[object]:
    return [PurePosixPath(name.replace("\\", "/")).name or None for name in images.file_names]


def _list_ids(images: Images) -> list[object]:
    return [str(one) for one in images.file_ids]


def _join_keys(keys: Sequence[Sequence[object]]) -> dict[object, tuple[int, ...]]:
    """Return the row in every list of each key; a key that a list has twice is not used."""
    rows: dict[object, list[int]] = {}
    for index, column in enumerate(keys):
        repeated = {key for key, count in Counter(column).items() if count > 1}
        for row, key in enumerate(column):
            if key is not None and key not in repeated:
                rows.setdefault(key, [-1] * len(keys))[index] = row
    return {key: tuple(row) for key, row in rows.items()}


def describe_images(
    tables: Mapping[str, Instances], image_rows: Sequence[tuple[int, ...]]
) -> tuple[list[str], list[str]]:
    """Return the name and the video of each image, from the first file that has it."""
    names = []
    groups = []
    for rows in image_rows:
        table, row = next(
            (table, row) for table, row in zip(tables.values(), rows, strict=True) if row >= 0
        )
        names.append(table.images.file_names[row] or str(table.images.file_ids[row]))
        groups.append(table.images.groups[row])
    return names, groups
