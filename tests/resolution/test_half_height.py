"""The height at which half of the AP is left: known curves, and what cannot be known."""

import numpy as np
import pytest

from smallpose.resolution.half_height import compute_half_height, find_crossing

HEIGHTS = np.array([16.0, 32, 64, 128])


def test_a_straight_line_over_log_px_crosses_where_geometry_says():
    ap = np.array([[0.0, 0.2, 0.4, 0.6]])
    assert find_crossing(HEIGHTS, ap)[0] == pytest.approx(32 * np.sqrt(2))
    assert find_crossing(HEIGHTS, ap, share=0.9)[0] == pytest.approx(64 * 2**0.7)


def test_of_several_crossings_the_highest_counts():
    ap = np.array([[0.6, 0.1, 0.4, 0.6]])
    assert 32 < find_crossing(HEIGHTS, ap)[0] < 64


def test_a_curve_that_never_falls_so_far_is_below_its_smallest_height():
    ap = np.array([0.5, 0.5, 0.6, 0.6])
    half = compute_half_height(HEIGHTS, ap, np.tile(ap, (20, 1)))
    assert half.to_dict() == {"value": None, "low": None, "high": None, "below": 16.0}
    assert half.describe() == "less than 16 px"


def test_without_any_ap_there_is_no_half():
    for ap in (np.zeros(4), np.array([0.0, 0.001, 0.003, 0.005])):
        half = compute_half_height(HEIGHTS, ap, np.tile(ap, (20, 1)))
        assert half.value is None and "below 1" in half.describe()
    assert half.to_dict()["below"] is None


def test_an_interval_contains_its_value_and_follows_the_spread():
    rng = np.random.default_rng(0)
    ap = np.array([0.1, 0.3, 0.5, 0.6])
    widths = []
    for noise in (0.01, 0.04):
        half = compute_half_height(HEIGHTS, ap, ap + noise * rng.standard_normal((1000, 4)))
        assert half.low < half.value < half.high
        widths.append(half.high - half.low)
    assert widths[1] > 3 * widths[0]


@pytest.mark.long
def test_intervals_contain_the_true_height_of_a_large_population():
    """People whose pose survives down to a height of their own; the true half is known."""
    rng = np.random.default_rng(1)
    heights = np.array([16.0, 24, 32, 48, 64, 96, 128, 192, 256])
    limits = np.exp(rng.normal(np.log(40), 0.6, 100_000))
    kept = (heights[None] >= limits[:, None]).astype(float)
    true = find_crossing(heights, kept.mean(axis=0)[None])[0]
    inside = 0
    for _ in range(500):
        sample = kept[rng.integers(len(kept), size=100)]
        weights = rng.multinomial(100, np.full(100, 0.01), size=400)
        half = compute_half_height(heights, sample.mean(axis=0), weights @ sample / 100)
        inside += half.low <= true <= half.high
    assert 0.92 <= inside / 500 <= 0.98
