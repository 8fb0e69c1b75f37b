import numpy as np
import pytest
from scipy import stats

from smallpose.stats.mean_interval import estimate_mean, estimate_variance


def test_the_mean_of_independent_values_has_students_interval():
    x = np.random.default_rng(0).normal(3, 2, 40)
    estimate = estimate_mean(x)
    expected = stats.t.interval(0.95, 39, x.mean(), stats.sem(x))
    assert (estimate.low, estimate.high) == pytest.approx(expected)
    assert (estimate.value, estimate.n) == (pytest.approx(x.mean()), 40)


def test_repeated_values_of_one_video_do_not_narrow_the_interval():
    x = np.random.default_rng(1).normal(0, 1, 30)
    independent = estimate_mean(x)
    repeated = estimate_mean(np.repeat(x, 10), [f"video {i}" for i in np.repeat(np.arange(30), 10)])
    assert (repeated.value, repeated.low, repeated.high) == pytest.approx(
        (independent.value, independent.low, independent.high)
    )
    ungrouped = estimate_mean(np.repeat(x, 10))
    assert ungrouped.high - ungrouped.low < 0.4 * (repeated.high - repeated.low)


def test_images_without_a_video_are_independent():
    x = np.random.default_rng(2).normal(0, 1, 30)
    assert estimate_mean(x, [""] * 30) == estimate_mean(x)


def test_the_interval_of_a_variance_is_that_of_a_bootstrap():
    rng = np.random.default_rng(3)
    x = rng.gamma(4, 1, 2000)
    estimate = estimate_variance(x)
    assert estimate.value == pytest.approx(x.var(ddof=1))
    resampled = [rng.choice(x, len(x)).var(ddof=1) for _ in range(1500)]
    assert [estimate.low, estimate.high] == pytest.approx(
        np.quantile(resampled, [0.025, 0.975]), rel=0.04
    )


def test_a_variance_is_never_negative():
    estimate = estimate_variance([0.0] * 20 + [5.0])
    assert estimate.low == 0.0
    assert estimate.high > estimate.value


def test_95_percent_of_the_intervals_contain_the_true_mean():
    rng = np.random.default_rng(4)
    num_covered = 0
    for _ in range(500):
        video = rng.normal(0, 1, 60)
        x = np.repeat(video, 5) + rng.normal(0, 0.5, 300)
        estimate = estimate_mean(x, np.repeat(np.arange(60), 5))
        num_covered += estimate.low <= 0 <= estimate.high
    assert 0.92 <= num_covered / 500 <= 0.98


def test_values_that_cannot_be_estimated_are_nan():
    assert np.isnan(estimate_mean([]).value)
    assert np.isnan(estimate_mean([1.0]).low)
    assert np.isnan(estimate_mean([1.0, 2.0], ["a", "a"]).low)
    assert np.isnan(estimate_variance([1.0]).value)
    assert estimate_mean([1.0, np.nan, 3.0]).n == 2
    assert estimate_mean([1.0]).to_dict() == {"value": 1.0, "low": None, "high": None, "n": 1}
