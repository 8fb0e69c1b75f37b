"""Memory that several processes map: written by one, read by another, copied by none.

It belongs to no file that could be left behind: the last process that maps it frees it.
"""

import mmap
import os
import tempfile
from multiprocessing.reduction import DupFd
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Shared:
    """So many bytes, seen by this process and by every process it is passed to.

    Forked processes inherit the mapping; to others it is passed as the descriptor of an open file
    without a name.
    """

    def __init__(self, size: int, descriptor: int | None = None) -> None:
        self.size = max(size, 1)
        if descriptor is None:
            descriptor = _nameless()
            os.ftruncate(descriptor, self.size)
        self._descriptor = descriptor
        self._map = mmap.mmap(descriptor, self.size)

    def array(self, dtype: Any, shape: tuple[int, ...], offset: int = 0) -> NDArray[Any]:
        """An array in it, from a byte on."""
        count = int(np.prod(shape, dtype=np.int64))
        return np.frombuffer(self._map, dtype, count, offset).reshape(shape)

    def __reduce__(self) -> Any:
        return _opened, (self.size, DupFd(self._descriptor))

    def __del__(self) -> None:
        # The mapping lives on under arrays that still look into it.
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)


def _opened(size: int, passed: Any) -> Shared:
    return Shared(size, passed.detach())


def _nameless() -> int:
    """A file in memory where the system has such, on the disk else."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("smallpose")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
