"""Compare tables that readers return."""

from typing import Any

import numpy as np


def check_same_table(first: Any, second: Any) -> None:
    """Assert that two tables are of one type and equal in every column and its dtype.

    Also the signs of zeros are equal.
    """
    assert type(first) is type(second)
    for name, expected in vars(second).items():
        value = getattr(first, name)
        if isinstance(expected, np.ndarray):
            assert value.dtype == expected.dtype, name
            is_float = expected.dtype.kind == "f"
            assert np.array_equal(value, expected, equal_nan=is_float), name
            assert not is_float or np.array_equal(np.signbit(value), np.signbit(expected)), name
        elif hasattr(expected, "ids"):
            check_same_table(value, expected)
        else:
            assert value == expected, name
