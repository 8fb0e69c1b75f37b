import numpy as np
import pytest

from smallpose.core.sizes import SIZES, classify_sizes


@pytest.mark.parametrize(
    ("area", "name"),
    [(12_287.99, "small"), (12_288, "medium"), (49_151.99, "medium"), (49_152, "large")],
)
def test_size_classes_are_half_open(area, name):
    assert SIZES[classify_sizes([area])[0]] == name


def test_areas_not_above_zero_have_no_size_class():
    assert classify_sizes([0.0, -3.0, np.nan]).tolist() == [-1, -1, -1]
