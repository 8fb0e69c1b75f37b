import numpy as np
import pytest

from smallpose.core.density import DENSITIES, classify_densities, keypoint_density
from smallpose.core.errors import InputError

# S, n, K, KD to five places, class: the reference values of Eq. 3.
VECTORS = [
    (600, 3, 17, 0.86253, "moderate"),
    (1200, 17, 17, 0.95121, "dense"),
    (1200, 14, 17, 0.94078, "moderate"),
    (1229, 17, 17, 0.95003, "dense"),
    (1230, 17, 17, 0.94999, "moderate"),
    (1220, 17, 21, 0.93875, "moderate"),
    (4096, 4, 14, 0.47492, "moderate"),
    (6144, 17, 17, 0.75508, "moderate"),
    (12287, 17, 17, 0.53791, "moderate"),
    (12287, 7, 17, 0.16207, "sparse"),
]


@pytest.mark.parametrize(("area", "n", "k", "density", "name"), VECTORS)
def test_keypoint_density_has_the_reference_values(area, n, k, density, name):
    assert round(float(keypoint_density([area], [n], [k])[0]), 5) == density
    assert DENSITIES[classify_densities([area], [n], [k])[0]] == name


def test_density_is_nan_without_labels_and_refused_without_area():
    assert np.isnan(keypoint_density([100.0], [0], 17)[0])
    assert classify_densities([100.0, 20_000.0, 0.0], [0, 17, 17], 17).tolist() == [-1, -1, -1]
    with pytest.raises(InputError, match=r"row 1: area 0\.0"):
        keypoint_density([5.0, 0.0], [1, 1], 17)
