"""The table of people as samples need it: plain arrays, which worker processes map, not copy.

A forked worker shares its parent's memory until either writes, and Python writes wherever it
looks at an object, to count who holds it. So there are no objects here, not even names: 627,125
people in 68,311 pictures are a few arrays. To workers that are not forked the same arrays are
passed as one piece of shared memory.
"""

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Instances
from smallpose.core.skeleton import Skeleton
from smallpose.dataloading.shared_memory import Shared

Array = NDArray[Any]
Layout = list[tuple[str, tuple[int, ...]]]  # kind and shape of each array


class Arrays(NamedTuple):
    """Columns of n people and m images.

    Args:
        ids: (n,) of people.
        image_rows: (n,) whose picture.
        boxes_xywh: (n, 4) px.
        keypoints: (n, k, 3) px and v.
        labelled: (n,) not a crowd, and with a labelled keypoint.
        area: (n,) px² of the mask; NaN where there is none.
        of_image: (n,) people, image by image.
        starts: (m + 1,) where each image's begin in `of_image`.
        image_ids: (m,).
        sizes_wh: (m, 2) px; 0 where not said.
        letters: of all file names, UTF-8.
        ends: (m,) of each name in `letters`.
    """

    ids: Array
    image_rows: Array
    boxes_xywh: Array
    keypoints: Array
    labelled: Array
    area: Array
    of_image: Array
    starts: Array
    image_ids: Array
    sizes_wh: Array
    letters: Array
    ends: Array


class Columns:
    """Arrays with a skeleton, and what is asked of them."""

    def __init__(self, skeleton: Skeleton, arrays: Arrays) -> None:
        self.skeleton, self.arrays = skeleton, arrays
        self._passed: tuple[Shared, Layout] | None = None

    @classmethod
    def of(cls, people: Instances) -> Self:
        """Those of a table; no array of people is copied."""
        images = people.images
        rows = people.image_rows
        names = [name.encode() for name in images.file_names]
        return cls(
            people.skeleton,
            Arrays(
                people.ids,
                rows,
                people.boxes_xywh,
                people.keypoints,
                people.counted & (people.labelled > 0),
                people.segmentation_area,
                np.argsort(rows, kind="stable"),
                np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(images)))]),
                images.ids,
                np.stack([images.width, images.height], axis=1),
                np.frombuffer(b"".join(names), np.uint8),
                np.cumsum([len(name) for name in names], dtype=np.int64),
            ),
        )

    def name(self, image: int) -> str:
        """File name of an image."""
        ends = self.arrays.ends
        start = int(ends[image - 1]) if image else 0
        return self.arrays.letters[start : int(ends[image])].tobytes().decode()

    def people_of(self, image: int) -> NDArray[np.intp]:
        """Rows of the people of an image."""
        starts = self.arrays.starts
        return self.arrays.of_image[int(starts[image]) : int(starts[image + 1])]

    def size_wh(self, image: int) -> tuple[int, int]:
        """Of a picture, as the annotations say it; 0 where they do not."""
        w, h = self.arrays.sizes_wh[image].tolist()
        return w, h

    def __reduce__(self) -> Any:
        if self._passed is None:
            layout = [(a.dtype.str, a.shape) for a in self.arrays]
            memory = Shared(sum(_room(a.nbytes) for a in self.arrays))
            for array, place in zip(self.arrays, _mapped(memory, layout), strict=True):
                place[...] = array
            self._passed = memory, layout
        return _opened, (self.skeleton, *self._passed)


def _room(size: int) -> int:
    return -(-size // 64) * 64


def _mapped(memory: Shared, layout: Layout) -> list[Array]:
    arrays, at = [], 0
    for kind, shape in layout:
        arrays.append(memory.array(kind, shape, at))
        at += _room(arrays[-1].nbytes)
    return arrays


def _opened(skeleton: Skeleton, memory: Shared, layout: Layout) -> Columns:
    return Columns(skeleton, Arrays(*_mapped(memory, layout)))
