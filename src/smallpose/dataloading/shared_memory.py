"""Memory that several processes map, so that arrays pass between them without a copy.

No named file is left behind: the last process that maps the memory frees it.
"""

import mmap
import os
import tempfile
from multiprocessing.reduction import DupFd
from typing import Any

import numpy as np
from numpy.typing import NDArray


class SharedMemory:
    """A block of bytes that this process and every process it is passed to can access.

    Forked processes inherit the mapping; other processes receive the descriptor of an open,
    unnamed file.

    Args:
        size: bytes.
        descriptor: of the file to map; a new file is created by default.
    """

    def __init__(self, size: int, descriptor: int | None = None) -> None:
        self.size = max(size, 1)
        if descriptor is None:
            descriptor = _create_unnamed_file()
            os.ftruncate(descriptor, self.size)
        self._descriptor = descriptor
        self._map = mmap.mmap(descriptor, self.size)

    def array(self, dtype: Any, shape: tuple[int, ...], offset: int = 0) -> NDArray[Any]:
        """Return an array that views the memory from byte `offset` on."""
        count = int(np.prod(shape, dtype=np.int64))
        return np.frombuffer(self._map, dtype, count, offset).reshape(shape)

    def __reduce__(self) -> Any:
        return _open_passed, (self.size, DupFd(self._descriptor))

    def __del__(self) -> None:
        # The mapping stays alive as long as arrays view it.
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)


def _open_passed(size: int, passed: Any) -> SharedMemory:
    return SharedMemory(size, passed.detach())


def _create_unnamed_file() -> int:
    """Create a file in memory if the system supports it, else on disk; return its descriptor."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("smallpose")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
