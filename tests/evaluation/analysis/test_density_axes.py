"""Keypoint density of all sizes: Eq. 3 for the small, the class's own area for the others."""

import numpy as np
import pytest

from smallpose.core.density import keypoint_density
from smallpose.core.sizes import SIZES
from smallpose.evaluation.analysis import density_axes
from smallpose.evaluation.analysis.binned_ap import compute_binned_ap, measure_density
from smallpose.evaluation.analysis.breakdown_tables import build_breakdowns
from smallpose.evaluation.analysis.density_axes import (
    AXES,
    MIN_SHARE,
    break_down_by_density,
    classify_own_density,
    measure_densities,
)
from smallpose.evaluation.evaluate import evaluate


@pytest.fixture(scope="module")
def dataset(crowded_dataset):
    return crowded_dataset(3, images=60, people=8)


def test_eq_3_is_recovered_exactly_for_small_people(dataset):
    values = measure_densities(dataset.truth)
    printed = measure_density(dataset.truth)
    is_small = values.sizes[0]
    assert is_small.sum() > 50
    assert values.density[is_small].tolist() == printed[is_small].tolist()


def test_medium_and_large_are_measured_by_the_limit_of_their_own_class(dataset):
    truth, values = dataset.truth, measure_densities(dataset.truth)
    for is_member, limit in zip(values.sizes[1:], (256 * 192, 512 * 384), strict=True):
        rows = np.flatnonzero(is_member)
        assert len(rows)
        x = truth.area[rows] / limit * truth.num_source_joints[rows] / truth.num_labelled[rows]
        assert values.density[rows] == pytest.approx(2 - 2 / (1 + np.exp(-x)))


def test_the_product_of_both_axes_is_that_of_eq_3(dataset):
    """Eq. 3 mixes px² per labelled joint and the number of joints; both axes are plain ratios."""
    truth, values = dataset.truth, measure_densities(dataset.truth)
    rows = np.flatnonzero(values.sizes[0])
    n, k = truth.num_labelled[rows], truth.num_source_joints[rows]
    assert values.pixels_per_joint[rows] * n == pytest.approx(truth.area[rows])
    assert values.labelled_share[rows] * k == pytest.approx(n)
    area = values.pixels_per_joint[rows] * n
    again = keypoint_density(area, n, k)
    assert values.density[rows] == pytest.approx(again)


def test_600_px_of_3_labels_and_3400_px_of_17_differ_along_the_axes_only():
    one, other = keypoint_density([600, 3400], [3, 17], 17)
    assert one == pytest.approx(other)


def test_every_person_with_a_size_is_in_exactly_one_class(dataset):
    values = measure_densities(dataset.truth)
    members = classify_own_density(values)
    assert (members.sum(axis=0) == values.sizes.any(axis=0)).all()
    for i in range(3):
        assert (members[3 * i : 3 * i + 3].any(axis=0) == values.sizes[i]).all()


def test_classes_and_bins_of_a_size_have_its_people_and_scarce_ones_are_named(dataset):
    made = break_down_by_density(dataset.truth, dataset.predictions)
    counts = evaluate(dataset.truth, dataset.predictions).people
    for size in SIZES:
        classes = [one for one in made.classes if one.size == size]
        total = sum(one.people for one in classes)
        assert sum(one.share for one in classes) == pytest.approx(1)
        assert total <= counts[size]
        for axis in AXES:
            assert sum(one.people for one in made.bins[size][axis]) == total
    assert all((one in made.scarce) == (one.share < MIN_SHARE) for one in made.classes)


def test_one_bin_of_all_small_people_scores_as_the_class_of_owned(dataset):
    """AP of `owned` of the class small, where all of them have a density."""
    values = measure_densities(dataset.truth)
    small = np.where(values.sizes[0], 1.0, np.nan)
    (only,) = compute_binned_ap(dataset.truth, dataset.predictions, small, num_bins=1)
    assert only.people == int(values.sizes[0].sum())
    made = break_down_by_density(dataset.truth, dataset.predictions)
    parts = [one for one in made.classes if one.size == "small"]
    assert min(one.ap for one in parts if one.ap is not None) <= only.ap
    assert max(one.ap for one in parts if one.ap is not None) >= only.ap


def test_the_table_names_limits_and_scarce_classes(dataset, monkeypatch):
    monkeypatch.setattr(density_axes, "MIN_SHARE", 0.3)
    result = evaluate(dataset.truth, dataset.predictions)
    made = build_breakdowns(["densities"], dataset.truth, dataset.predictions, result, {})
    data, text = made["densities"]
    assert len(data["classes"]) == 9
    assert set(data["bins"]) == set(SIZES)
    assert "512 × 384" in text.replace("\n", " ")
    assert "fewer than 30 % of the people of their size: small " in text


def test_real_files_hold_5_percent_in_each_new_class_or_name_it(real):
    from smallpose.io.coco_annotations import read_coco

    truth = read_coco(real / "other/crowdpose/crowdpose_val.json.gz")
    members = classify_own_density(measure_densities(truth))
    sizes = measure_densities(truth).sizes.sum(axis=1)
    shares = members.sum(axis=1) / np.repeat(sizes, 3)
    assert (shares[3:] >= MIN_SHARE).all(), shares
