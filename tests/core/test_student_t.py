"""Student's t equals SciPy's."""

import numpy as np
import pytest
from scipy.stats import t as scipy_t

from smallpose.core.student_t import compute_t_quantile, compute_two_sided_p


@pytest.mark.parametrize("degrees", [1, 2, 3, 9, 24, 119, 399, 10_295, 1_000_000])
def test_p_values_and_quantiles_equal_scipys(degrees):
    for t in (0.0, 1e-6, 0.3, 1.0, 1.96, 4.0, 12.0, 60.0):
        ours, theirs = compute_two_sided_p(t, degrees), 2 * scipy_t.sf(t, degrees)
        assert ours == pytest.approx(theirs, rel=1e-8, abs=1e-290)
        assert compute_two_sided_p(-t, degrees) == ours
    for level in (0.5, 0.8, 0.95, 0.999, 1 - 0.05 / 300):
        theirs = scipy_t.ppf((1 + level) / 2, degrees)
        assert compute_t_quantile(level, degrees) == pytest.approx(theirs, rel=1e-8)


def test_an_unknown_t_has_no_p_value():
    assert np.isnan(compute_two_sided_p(float("nan"), 5))
