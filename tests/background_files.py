"""Keep painted backgrounds of synthetic images in files, for all processes of the tests.

They are the same in every set and take most of its time. Tests of painting paint.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np


@contextmanager
def keep_backgrounds(folder: Path) -> Iterator[None]:
    """Read backgrounds from a folder, and paint those that are not there yet."""
    from smallpose.synthetic.scenes import render

    folder.mkdir(exist_ok=True)
    paint = render.paint_background
    render.paint_background = _read_or(paint, folder)
    try:
        yield
    finally:
        render.paint_background = paint


def _read_or(paint: Callable[..., Any], folder: Path) -> Any:
    @lru_cache(maxsize=160)
    def read_or_paint(place: str, pool: str, number: int) -> np.ndarray:
        path = folder / f"{place}-{pool}-{number}.npy"
        if not path.exists():
            partial = folder / f"{path.name}.{os.getpid()}"
            with partial.open("wb") as file:
                np.save(file, paint(place, pool, number))
            partial.rename(path)
        image = np.load(path)
        image.flags.writeable = False
        return image

    return read_or_paint
