"""AP along a scale: bins of equally many people, and no bins without any."""

from dataclasses import replace

import numpy as np
import pytest

from smallpose.evaluation.analysis.binned_ap import (
    Scale,
    compute_binned_ap,
    compute_binned_aps,
    measure_density,
    measure_height,
)


def test_binned_ap_rises_with_skill_and_bins_have_equally_many_people(column):
    truth, predictions = column(200)
    boxes = truth.boxes_xywh.copy()
    boxes[:, 3] = np.linspace(100, 140, 200)
    truth = replace(truth, boxes_xywh=boxes)
    wrong = (np.arange(200) < 100) & (np.arange(200) % 10 > 0)
    predictions.keypoints[wrong, :, 0] += 40  # the shorter half is missed, each in their own box
    bins = compute_binned_ap(
        truth, predictions, measure_height(truth), num_bins=4, num_resamples=50
    )
    assert [b.people for b in bins] == [50] * 4
    assert [b.ap for b in bins[2:]] == pytest.approx([1, 1])
    assert all(0 < b.interval.low < b.ap < b.interval.high < 0.5 for b in bins[:2])
    # Where all are matched the resamples do not vary, and the interval would have no width.
    assert [b.interval for b in bins[2:]] == [None, None]
    assert bins[0].low == 100
    assert bins[-1].high == 140


def test_equal_values_share_a_bin_and_without_people_there_are_no_bins(column):
    truth, predictions = column()
    (only,) = compute_binned_ap(truth, predictions, measure_height(truth), num_bins=5)
    assert (only.people, only.ap) == (40, pytest.approx(1.0))
    assert compute_binned_ap(truth, predictions, np.full(40, np.nan)) == []


def test_few_people_leave_no_empty_bins(column):
    truth, predictions = column(7)
    values = np.array([1.0, 1.0, 2.0, 2.0, 2.0, 5.0, 9.0])
    bins = compute_binned_ap(truth, predictions, values, num_bins=10)
    assert sum(b.people for b in bins) == 7
    assert all(b.people and np.isfinite([b.low, b.high]).all() for b in bins)


def test_density_is_measured_of_small_people_only(column):
    truth, _ = column(height=100)
    assert np.isfinite(measure_density(truth)).all()
    tall, _ = column(height=400)
    assert np.isnan(measure_density(tall)).all()


def test_wide_bins_are_split_while_both_parts_keep_enough_people(column):
    """One bin of 7 to 77 px would hide that nobody below 30 px is detected."""
    truth, predictions = column(400)
    heights = np.concatenate([np.geomspace(7, 77, 200), np.geomspace(78, 100, 200)])
    whole = compute_binned_ap(truth, predictions, heights, num_bins=2)
    split = compute_binned_ap(truth, predictions, heights, num_bins=2, max_ratio=1.6)
    assert [b.people for b in whole] == [200, 200]
    assert split[-1].people == 200  # a narrow bin stays
    assert len(split) > 4
    assert all(b.people >= 25 for b in split)
    assert all(b.high <= 1.6 * b.low or b.people < 50 for b in split)
    assert sum(b.people for b in split) == 400
    assert all(b.low <= b.mean <= b.high for b in split)
    assert whole[0].mean == pytest.approx(heights[:200].mean())


def test_several_scales_at_once_equal_each_alone(column):
    truth, predictions = column(600)
    rng = np.random.default_rng(0)
    predictions.keypoints[:, :, :2] += rng.normal(0, 6, (600, 17, 2))
    scales = [
        Scale(rng.random(600), num_bins=24),
        Scale(np.full(600, np.nan)),
        Scale(np.exp(rng.normal(3, 1, 600)), num_bins=12, max_ratio=1.6),
    ]
    at_once = compute_binned_aps(truth, predictions, scales, num_resamples=20)
    assert sum(len(bins) for bins in at_once) > 32  # more than one pass of matching has bits for
    assert at_once == [
        compute_binned_ap(
            truth,
            predictions,
            scale.values,
            num_bins=scale.num_bins,
            max_ratio=scale.max_ratio,
            num_resamples=20,
        )
        for scale in scales
    ]
