"""The page's curves: bins at their mean, intervals of shares, people in doubt left out."""

import json
from dataclasses import replace

import numpy as np
import pytest

from smallpose.core.sizes import SIZES
from smallpose.evaluation.analysis.density_axes import (
    AXES,
    break_down_by_density,
    measure_densities,
)
from smallpose.evaluation.analysis.half_detected_fit import find_half_detected_height
from smallpose.evaluation.doubts import describe_height_doubt
from smallpose.evaluation.evaluate import evaluate
from smallpose.report.inputs.selections import list_selections, read_leaking_images
from smallpose.report.page.curve_context import build_curve_table, describe_partial_boxes
from smallpose.report.page.curves import compute_curves
from smallpose.report.page.selected_results import build_selected_tables
from smallpose.report.page.summary_statistics import find_height_limit
from smallpose.report.report_data import read_report_data


@pytest.fixture(scope="module")
def data(project):
    return read_report_data([project.runs["untrained"], project.runs["B"]])


@pytest.fixture(scope="module")
def doubtful(data):
    """Make one label suspect (its joints are at one point) and two images leaking."""
    keypoints = data.test.keypoints.copy()
    keypoints[0, :, :2] = keypoints[0, 0, :2]
    keypoints[0, :, 2] = 2
    return replace(data.test, keypoints=keypoints), frozenset(data.test.images.file_names[:2])


def test_selections_leave_out_suspects_and_leaking_images(doubtful):
    truth, leaking = doubtful
    every, labels, leaks, both = list_selections(truth, leaking)
    assert [s.key for s in (every, labels, leaks, both)] == ["all", "labels", "leaks", "both"]
    assert labels.label == "without 1 suspect label"
    assert labels.num_people == every.num_people - 1
    assert len(leaks.truth.images) == len(truth.images) - 2
    assert "2 images similar to training images" in leaks.label
    assert both.num_people <= min(labels.num_people, leaks.num_people)


def test_a_set_without_doubts_has_one_selection(data):
    assert [s.key for s in list_selections(data.test)] == ["all"]


def test_leaking_images_are_read_from_the_built_set(tmp_path):
    pairs = [
        {"first": "a.jpg", "second": "b.jpg", "leak": True, "kind": "same"},
        {"first": "c.jpg", "second": "d.jpg", "leak": False, "kind": "crop"},
    ]
    (tmp_path / "leaks.json").write_text(json.dumps({"pairs": pairs, "moved": {}}))
    assert read_leaking_images(tmp_path) == {"a.jpg", "b.jpg"}
    assert read_leaking_images(tmp_path / "annotations" / "test.json") == {"a.jpg", "b.jpg"}
    (tmp_path / "leaks.json").write_text("no json")
    assert read_leaking_images(tmp_path) == frozenset()
    assert read_leaking_images(None) == frozenset()


def test_numbers_of_a_selection_are_those_of_evaluate_on_it(data, doubtful):
    truth, leaking = doubtful
    data = replace(data, test=truth)
    selections = list_selections(truth, leaking)
    tables = build_selected_tables(data, selections)
    assert [one[0].name for one in tables] == [
        "results_without_labels",
        "results_without_leaks",
        "results_without_both",
    ]
    for selection, (table, *_) in zip(selections[1:], tables, strict=True):
        predictions = selection.select_predictions(data.results[1].predictions)
        expected = evaluate(selection.truth, predictions)["coco"]["AP"]
        column = table.heads.index("AP")
        values = [row[column].value for row in table.rows]
        assert any(v == pytest.approx(100 * expected) for v in values)
        assert f"{selection.num_people:,} people count" in table.note


def test_curves_have_every_selection_with_its_own_limit(data, doubtful):
    truth, leaking = doubtful
    selections = list_selections(truth, leaking)
    results = [selections[0].match(data.results[1])]
    caution = describe_height_doubt(evaluate(truth, results[0].predictions).notes)
    limits = [find_height_limit(truth, results[0].matches, caution=caution)]
    curves = compute_curves(selections, results, ["#000000"], limits).data
    (run,) = curves["runs"]
    keys = [selection.key for selection in selections]
    assert list(run["along"]) == list(run["half"]) == keys
    for selection in selections:
        bins = run["along"][selection.key]["height"]
        assert sum(b[3] for b in bins) == selection.num_people
        predictions = selection.select_predictions(results[0].predictions)
        half = find_half_detected_height(evaluate(selection.truth, predictions))
        assert run["half"][selection.key]["sentence"] == half.describe()
        ceiling = curves["ceilings"][selection.key]["height"]
        assert [mean for mean, _ in ceiling] == [b[2] for b in bins]
        assert all(ap >= (b[5] or 0) for (_, ap), b in zip(ceiling, bins, strict=True))


def test_points_are_at_the_mean_and_shares_are_those_of_the_matches(data):
    selections = list_selections(data.test)
    limits = [find_height_limit(data.test, data.results[1].matches)]
    (run,) = compute_curves(selections, [data.results[1]], ["#000000"], limits).data["runs"]
    height = data.test.boxes_xywh[:, 3]
    is_matched = data.results[1].matches.is_matched
    for low, high, mean, people, partial, *_, share, share_low, share_high in run["along"]["all"][
        "height"
    ]:
        inside = (height >= low - 1e-3) & (height <= high + 1e-3)
        assert mean == pytest.approx(height[inside].mean(), abs=1e-3)
        assert people == inside.sum() and 0 <= partial <= people
        assert share == pytest.approx(100 * is_matched[inside].mean(), abs=0.01)
        assert share_low is None or share_low <= share <= share_high


def test_partial_boxes_are_named_up_to_the_last_bin_that_has_many():
    bins = [[7, 40, 25, 77, 41], [41, 60, 50, 100, 30], [61, 90, 75, 100, 2]]
    text = describe_partial_boxes(bins)
    assert "Of the 177 people up to 60 px, 71 have over 30 %" in text
    assert describe_partial_boxes(bins[2:]) == ""


def test_the_table_beside_the_curves_has_their_numbers(data):
    selections = list_selections(data.test)
    limits = [find_height_limit(data.test, data.results[1].matches)]
    curves = compute_curves(selections, [data.results[1]], ["#000000"], limits).data
    table = build_curve_table(curves["runs"])
    assert np.sum([row[4] for row in table.rows]) == int(data.test.is_counted.sum())


def test_every_run_has_curves_along_density_and_its_parts_for_each_size(data):
    selections = list_selections(data.test)
    results = [data.results[index] for index in sorted(data.results)]
    limits = [find_height_limit(data.test, result.matches) for result in results]
    curves = compute_curves(selections, results, ["#000000"] * len(results), limits).data
    values = measure_densities(data.test)
    for run, result in zip(curves["runs"], results, strict=True):
        expected = break_down_by_density(data.test, result.predictions).bins
        for size, is_member in zip(SIZES, values.sizes, strict=True):
            for name in AXES:
                bins = run["along"]["all"].get(f"{name}_{size}", [])
                if (name, size) == ("density", "small"):
                    bins = run["along"]["all"]["density"]
                assert sum(b[3] for b in bins) == is_member.sum()
                ends = [expected[size][name][0].low, expected[size][name][-1].high]
                assert [bins[0][0], bins[-1][1]] == pytest.approx(ends, abs=1e-4)
