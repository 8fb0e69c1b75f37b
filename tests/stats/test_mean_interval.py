"""Intervals of means and variances: against textbooks, against draws, and that they cover."""

import numpy as np
import pytest
from scipy import stats

from smallpose.stats.mean_interval import estimate_mean, estimate_variance


def test_the_mean_of_independent_values_has_students_interval():
    x = np.random.default_rng(0).normal(3, 2, 40)
    made = estimate_mean(x)
    expected = stats.t.interval(0.95, 39, x.mean(), stats.sem(x))
    assert (made.low, made.high) == pytest.approx(expected)
    assert (made.value, made.n) == (pytest.approx(x.mean()), 40)


def test_values_of_one_video_count_once():
    x = np.random.default_rng(1).normal(0, 1, 30)
    alone = estimate_mean(x)
    often = estimate_mean(np.repeat(x, 10), [f"video {i}" for i in np.repeat(np.arange(30), 10)])
    assert (often.value, often.low, often.high) == pytest.approx(
        (alone.value, alone.low, alone.high)
    )
    fooled = estimate_mean(np.repeat(x, 10))
    assert fooled.high - fooled.low < 0.4 * (often.high - often.low)


def test_images_without_a_video_stand_alone():
    x = np.random.default_rng(2).normal(0, 1, 30)
    assert estimate_mean(x, [""] * 30) == estimate_mean(x)


def test_the_variance_is_that_of_the_sample_and_its_interval_that_of_draws():
    rng = np.random.default_rng(3)
    x = rng.gamma(4, 1, 2000)
    made = estimate_variance(x)
    assert made.value == pytest.approx(x.var(ddof=1))
    drawn = [rng.choice(x, len(x)).var(ddof=1) for _ in range(1500)]
    assert [made.low, made.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), rel=0.04)


def test_intervals_cover_what_they_should():
    rng = np.random.default_rng(4)
    hits = 0
    for _ in range(500):
        video = rng.normal(0, 1, 60)
        x = np.repeat(video, 5) + rng.normal(0, 0.5, 300)
        made = estimate_mean(x, np.repeat(np.arange(60), 5))
        hits += made.low <= 0 <= made.high
    assert 0.92 <= hits / 500 <= 0.98


def test_what_cannot_be_known_is_nan():
    assert np.isnan(estimate_mean([]).value)
    assert np.isnan(estimate_mean([1.0]).low)
    assert np.isnan(estimate_mean([1.0, 2.0], ["a", "a"]).low)
    assert np.isnan(estimate_variance([1.0]).value)
    assert estimate_mean([1.0, np.nan, 3.0]).n == 2
    assert estimate_mean([1.0]).to_dict() == {"value": 1.0, "low": None, "high": None, "n": 1}
