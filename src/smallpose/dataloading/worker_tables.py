"""The table of people as plain arrays, which worker processes map instead of copying.

A forked worker shares its parent's memory until either of them writes, and Python writes to every
object it touches, to count references. Hence there are no Python objects here, not even strings:
627,125 people in 68,311 images are a few arrays. Workers that are not forked receive the same
arrays as one block of shared memory.
"""

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Instances
from smallpose.core.skeleton import Skeleton
from smallpose.dataloading.shared_memory import SharedMemory

Array = NDArray[Any]
Layout = list[tuple[str, tuple[int, ...]]]  # dtype and shape of each array


class TableArrays(NamedTuple):
    """Columns of n people and m images.

    Args:
        ids: (n,) of people.
        image_rows: (n,) row of each person's image.
        boxes_xywh: (n, 4) px.
        keypoints: (n, k, 3) px and v.
        is_labelled: (n,) not a crowd, and with at least one labelled keypoint.
        area: (n,) px² of the mask; NaN where there is none.
        rows_by_image: (n,) rows of people, image by image.
        starts: (m + 1,) index of each image's first person in `rows_by_image`.
        image_ids: (m,).
        sizes_wh: (m, 2) px; 0 where unknown.
        name_bytes: file names of all images end to end, UTF-8.
        name_ends: (m,) index in `name_bytes` at which each name ends.
    """

    ids: Array
    image_rows: Array
    boxes_xywh: Array
    keypoints: Array
    is_labelled: Array
    area: Array
    rows_by_image: Array
    starts: Array
    image_ids: Array
    sizes_wh: Array
    name_bytes: Array
    name_ends: Array


class WorkerTable:
    """The arrays of a table of people, its skeleton, and look-ups by image."""

    def __init__(self, skeleton: Skeleton, arrays: TableArrays) -> None:
        self.skeleton, self.arrays = skeleton, arrays
        self._passed: tuple[SharedMemory, Layout] | None = None

    @classmethod
    def from_instances(cls, people: Instances) -> Self:
        """Return the arrays of a table; arrays of people are not copied."""
        images = people.images
        rows = people.image_rows
        names = [name.encode() for name in images.file_names]
        arrays = TableArrays(
            ids=people.ids,
            image_rows=rows,
            boxes_xywh=people.boxes_xywh,
            keypoints=people.keypoints,
            is_labelled=people.is_counted & (people.num_labelled > 0),
            area=people.segmentation_area,
            rows_by_image=np.argsort(rows, kind="stable"),
            starts=np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(images)))]),
            image_ids=images.ids,
            sizes_wh=np.stack([images.width, images.height], axis=1),
            name_bytes=np.frombuffer(b"".join(names), np.uint8),
            name_ends=np.cumsum([len(name) for name in names], dtype=np.int64),
        )
        return cls(people.skeleton, arrays)

    def file_name(self, image: int) -> str:
        """Return the file name of an image."""
        ends = self.arrays.name_ends
        start = int(ends[image - 1]) if image else 0
        return self.arrays.name_bytes[start : int(ends[image])].tobytes().decode()

    def rows_of_image(self, image: int) -> NDArray[np.intp]:
        """Return the rows of the people of an image."""
        starts = self.arrays.starts
        return self.arrays.rows_by_image[int(starts[image]) : int(starts[image + 1])]

    def size_wh(self, image: int) -> tuple[int, int]:
        """Return the size of an image according to the annotations; 0 where unknown."""
        w, h = self.arrays.sizes_wh[image].tolist()
        return w, h

    def __reduce__(self) -> Any:
        if self._passed is None:
            layout = [(a.dtype.str, a.shape) for a in self.arrays]
            memory = SharedMemory(sum(_round_up_size(a.nbytes) for a in self.arrays))
            for array, shared in zip(self.arrays, _map_arrays(memory, layout), strict=True):
                shared[...] = array
            self._passed = memory, layout
        return _open_table, (self.skeleton, *self._passed)


def _round_up_size(size: int) -> int:
    return -(-size // 64) * 64


def _map_arrays(memory: SharedMemory, layout: Layout) -> list[Array]:
    arrays = []
    offset = 0
    for dtype, shape in layout:
        arrays.append(memory.array(dtype, shape, offset))
        offset += _round_up_size(arrays[-1].nbytes)
    return arrays


def _open_table(skeleton: Skeleton, memory: SharedMemory, layout: Layout) -> WorkerTable:
    return WorkerTable(skeleton, TableArrays(*_map_arrays(memory, layout)))
