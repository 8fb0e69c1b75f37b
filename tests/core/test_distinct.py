import numpy as np
import pytest

from smallpose.core.distinct import count_distinct, is_member


@pytest.mark.parametrize("size", [0, 1, 50])
def test_distinct_values_and_membership_equal_numpys(size):
    rng = np.random.default_rng(size)
    values, members = rng.integers(-9, 9, (2, size))
    assert [a.tolist() for a in count_distinct(values)] == [
        a.tolist() for a in np.unique(values, return_counts=True)
    ]
    assert is_member(values, members[:20]).tolist() == np.isin(values, members[:20]).tolist()
    assert not is_member(values, members[:0]).any()
