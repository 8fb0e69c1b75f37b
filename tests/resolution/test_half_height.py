"""The height at which half of the AP is left: known curves, and what cannot be known."""

import numpy as np
import pytest

from smallpose.resolution.half_height import (
    compute_half_height,
    compute_level_height,
    find_crossing,
)

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
    record = half.to_dict()
    assert [record[name] for name in ("value", "low", "high")] == [None] * 3
    assert record["below"] == 16.0 and record["is_known"]
    assert record["low_beyond"] == record["high_beyond"] == "below"
    assert half.describe() == "less than 16 px"
    record = compute_half_height(HEIGHTS, ap, np.zeros((0, 4))).to_dict()
    assert record["below"] == 16.0 and record["low_beyond"] is record["high_beyond"] is None


def test_without_any_ap_there_is_no_half():
    for ap in (np.zeros(4), np.array([0.0, 0.001, 0.003, 0.005])):
        half = compute_half_height(HEIGHTS, ap, np.tile(ap, (20, 1)))
        assert half.value is None and "below 1" in half.describe()
    assert half.to_dict()["below"] is None and not half.to_dict()["is_known"]


def test_an_interval_contains_its_value_and_follows_the_spread():
    rng = np.random.default_rng(0)
    ap = np.array([0.1, 0.3, 0.5, 0.6])
    widths = []
    for noise in (0.01, 0.04):
        half = compute_half_height(HEIGHTS, ap, ap + noise * rng.standard_normal((1000, 4)))
        assert half.low < half.value < half.high
        widths.append(half.high - half.low)
    assert widths[1] > 3 * widths[0]


def test_the_height_of_a_stated_ap_is_where_the_line_crosses_it():
    ap = np.array([0.0, 0.2, 0.4, 0.6])
    level = compute_level_height(HEIGHTS, ap, np.zeros((0, 4)), 0.3)
    assert level.value == pytest.approx(32 * np.sqrt(2)) and np.isnan(level.low)
    assert level.describe() == "reached at 45 px"


def test_an_ap_that_is_never_or_always_reached_is_beyond_the_heights():
    ap = np.array([0.1, 0.2, 0.4, 0.6])
    resampled = np.stack([ap - 0.08, ap, ap + 0.08] * 20)
    above, below = (compute_level_height(HEIGHTS, ap, resampled, x) for x in (0.65, 0.05))
    names = ("beyond", "low_beyond", "high_beyond")
    assert [above.to_dict()[name] for name in names] == ["above", None, "above"]
    assert [below.to_dict()[name] for name in names] == ["below", "below", None]
    assert above.to_dict()["beyond"] == "above" and "not reached at 128 px" in above.describe()
    assert below.to_dict()["beyond"] == "below" and "from 16 px on" in below.describe()
    between = compute_level_height(HEIGHTS, ap, resampled, 0.55)
    assert between.describe() == "reached at 108 px (82 to more than 128)"
    assert between.to_dict()["high"] is None and between.to_dict()["beyond"] is None
    assert between.to_dict()["low_beyond"] is None
    assert between.to_dict()["high_beyond"] == "above"
    without = compute_level_height(HEIGHTS, ap, np.zeros((0, 4)), 0.55).to_dict()
    assert without["high"] is without["high_beyond"] is None


def test_two_models_with_one_half_height_differ_in_the_height_of_an_ap():
    strong, weak = np.array([0.1, 0.2, 0.6, 0.8]), np.array([0.05, 0.1, 0.3, 0.4])
    halves = [compute_half_height(HEIGHTS, ap, np.zeros((0, 4))).value for ap in (strong, weak)]
    levels = [
        compute_level_height(HEIGHTS, ap, np.zeros((0, 4)), 0.2).value for ap in (strong, weak)
    ]
    assert halves[0] == pytest.approx(halves[1]) and levels[0] < levels[1]


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


@pytest.mark.filterwarnings("error")
def test_resamples_without_any_ap_are_no_arithmetic_warning():
    heights = np.array([32.0, 64.0, 128.0])
    resampled = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1e-300], [0.1, 0.2, 0.3]])
    found = compute_level_height(heights, resampled[2], resampled, 0.25)
    assert found.value == pytest.approx(64 * 2**0.5)


def test_a_fall_from_much_to_nothing_between_two_heights_is_known_to_lie_between_them():
    """Every resample crosses its half at the same place, so the interval had no width."""
    ap = np.array([0.0, 0.0, 0.5, 0.52])
    resampled = ap * np.linspace(0.8, 1.2, 200)[:, None]
    half = compute_half_height(HEIGHTS, ap, resampled)
    assert 32 < half.value < 64 and (half.low, half.high) == (32, 64)
    level = compute_level_height(HEIGHTS, ap, resampled, 0.2)
    assert (level.low, level.high) == (32, 64)
    # A curve that falls in steps of less than its half keeps the interval of the resamples.
    gentle = np.array([0.1, 0.25, 0.4, 0.6])
    half = compute_half_height(HEIGHTS, gentle, gentle * np.linspace(0.8, 1.2, 200)[:, None])
    assert half.low == pytest.approx(half.high) == pytest.approx(half.value)


def test_without_an_interval_such_a_fall_names_the_two_heights():
    """Of fewer images than an interval needs, 68 px was named between 48 and 96."""
    heights = np.array([24.0, 48, 96])
    ap = np.array([0.0, 0.0, 0.43])
    half = compute_half_height(heights, ap, np.zeros((0, 3)))
    assert half.describe_place() == "between 48 and 96 px"
    assert half.to_dict()["between"] == (48, 96) and half.to_dict()["low"] is None
    level = compute_level_height(heights, ap, np.zeros((0, 3)), 0.2)
    assert level.describe() == "reached between 48 and 96 px"
    gentle = np.array([0.1, 0.25, 0.43])
    assert compute_half_height(heights, gentle, np.zeros((0, 3))).describe_place() == "at 41 px"
    assert compute_level_height(heights, gentle, np.zeros((0, 3)), 0.2).between is None
