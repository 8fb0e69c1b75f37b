"""The classes of people and detections on and beside every limit, against plain comparisons."""

import math

import numpy as np
import pytest

from smallpose.core.density import keypoint_density
from smallpose.evaluation.protocols import (
    AP_NAMES,
    CLASSES,
    MAX_AREA,
    PAPER_LIMITS,
    PROTOCOLS,
    assign_coco_classes,
    assign_owned_classes,
    classify_people,
    classify_sizes,
    compute_small_density,
    has_valid_area,
)

LIMITS = [PAPER_LIMITS, (1024.0, 9216.0)]


def list_areas(limits) -> list[float]:
    """Return areas on every limit and on both sides of it."""
    edges = [0.0, 1.0, 2.0, *limits, MAX_AREA, -1.0]
    sides = [np.nextafter(edge, side) for edge in edges for side in (-np.inf, np.inf)]
    return [*edges, *map(float, sides), 0.5, 1e20, math.inf, math.nan]


@pytest.mark.parametrize("limits", LIMITS)
def test_sizes_are_those_of_plain_comparisons(limits):
    areas = list_areas(limits)
    expected = [
        [
            0 <= area <= 1e10,
            0 < area < limits[0],
            limits[0] <= area < limits[1],
            limits[1] <= area <= 1e10,
        ]
        for area in areas
    ]
    assert classify_sizes(np.array(areas), limits).T.tolist() == expected
    assert has_valid_area(np.array(areas)).tolist() == [row[0] for row in expected]
    coco = [[*row, row[1], row[1], row[1]] for row in expected]
    assert assign_coco_classes(np.array(areas), limits).T.tolist() == coco


def test_the_paper_has_these_limits_classes_and_protocols():
    assert PAPER_LIMITS == (12288.0, 49152.0)
    assert [one.name for one in CLASSES] == (
        ["all", "small", "medium", "large", "sparse", "moderate", "dense"]
    )
    assert AP_NAMES[0] == "AP"
    assert AP_NAMES[4:] == ("AP_S_sparse", "AP_S_moderate", "AP_S_dense")
    assert PROTOCOLS == ("coco", "owned", "recall")


@pytest.mark.parametrize("limits", LIMITS)
def test_people_are_in_at_most_one_density_by_equation_3(limits):
    areas = [area for area in list_areas(limits) if math.isfinite(area)]
    areas += [limits[0] * share for share in (0.01, 0.1, 0.1001, 0.3, 0.5, 0.9)]
    rows = [(area, n, k, c) for area in areas for n in range(18) for k in (17, 21) for c in (0, 1)]
    area, labelled, joints, is_counted = (np.array(column) for column in zip(*rows, strict=True))
    classes = classify_people(area, labelled, joints, is_counted.astype(bool), limits)
    density = compute_small_density(area, labelled, joints, limits)
    assert classes.shape == (7, len(rows))
    for row, member, value in zip(rows, classes.T.tolist(), density, strict=True):
        size, n, k, counts = row
        is_small = 0 < size < limits[0]
        if is_small and n:
            exact = 2 * (1 - 1 / (1 + math.exp(-(size / limits[0]) * (k / n))))
            assert value == pytest.approx(exact, abs=1e-12)
        else:
            assert math.isnan(value)
        densities = [value < 0.35, 0.35 <= value < 0.95, value >= 0.95]
        assert member[4:] == [bool(counts and is_small and one) for one in densities], row
        assert member[:4] == [bool(counts and one) for one in classify_one(size, limits)], row


def classify_one(area, limits):
    return classify_sizes(np.array([area]), limits)[:, 0].tolist()


def test_densities_are_half_open(monkeypatch):
    """Limits are moved onto a value, because no area gives exactly .35 or .95."""
    value = float(keypoint_density([1200], [17], 17)[0])
    counted = (np.array([1200.0]), np.array([17]), np.array([17]), np.array([True]))
    monkeypatch.setattr("smallpose.evaluation.protocols.DENSE_FROM", value)
    assert classify_people(*counted)[4:, 0].tolist() == [False, False, True]
    monkeypatch.setattr("smallpose.evaluation.protocols.DENSE_FROM", 2.0)
    monkeypatch.setattr("smallpose.evaluation.protocols.SPARSE_BELOW", value)
    assert classify_people(*counted)[4:, 0].tolist() == [False, True, False]


def test_detections_count_in_the_classes_of_their_owner_or_of_their_area():
    classes = np.array([[1, 1, 0, 0, 1, 0, 0], [1, 0, 1, 0, 0, 0, 0]], dtype=bool).T
    owners = np.array([-1, 0, 1, -1, -1])
    area = np.array([20_000.0, 20_000.0, 100.0, 100.0, -1.0])
    assigned = assign_owned_classes(owners, classes, area).T.astype(int).tolist()
    assert assigned == [
        [1, 0, 1, 0, 0, 0, 0],
        [1, 1, 0, 0, 1, 0, 0],
        [1, 0, 1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0, 0],
        [1, 0, 0, 0, 0, 0, 0],
    ]
    nobody = np.zeros((7, 0), dtype=bool)
    alone = assign_owned_classes(np.array([-1]), nobody, np.array([20_000.0]))
    assert alone[:, 0].astype(int).tolist() == [1, 0, 1, 0, 0, 0, 0]
