"""Let keypoints that are kept in another form be used as the array that they stand for."""

from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray


class ArrayMethods(NDArrayOperatorsMixin):
    """Arithmetic, comparisons and the methods of arrays, for a class with `__array__`.

    Each makes the whole array, so code that is to need little memory indexes rows first.
    """

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return (n, k, 3)."""
        raise NotImplementedError

    @property
    def ndim(self) -> int:
        """Return 3: people, joints, and x, y, v."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Return the number of values."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def dtype(self) -> np.dtype[np.float64]:
        """Return the type of the values of the array."""
        return np.dtype(np.float64)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        arrays = [np.asarray(one) if isinstance(one, ArrayMethods) else one for one in inputs]
        return getattr(ufunc, method)(*arrays, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        array: NDArray[np.float64] = np.asarray(self)
        return getattr(array, name)

    def __repr__(self) -> str:
        """Return what there is in one line; `numpy.asarray` shows the values."""
        n, k, _ = self.shape
        return f"{type(self).__name__}({n:,} × {k} × 3, see numpy.asarray)"
