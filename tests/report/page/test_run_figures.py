"""Figs. 4a, 4b, 5 and latency show the measured values."""

from dataclasses import replace

import numpy as np
import pytest

from smallpose.core.density import DENSE_FROM, SPARSE_BELOW
from smallpose.core.interval import Interval
from smallpose.evaluation.analysis.binned_ap import Bin, compute_binned_ap, measure_density
from smallpose.io.coco_results import read_results
from smallpose.report.claims.cells import METHODS, PaperSource
from smallpose.report.claims.our_runs import collect_our_results
from smallpose.report.figures.changes import (
    GAIN,
    LOSS,
    UNDECIDED,
    Change,
    compute_changes,
    draw_gains_by_class,
)
from smallpose.report.figures.density import draw_ap_against_density
from smallpose.report.figures.runs import draw_ap_by_class
from smallpose.report.figures.speed import LatencyPoint, draw_latency_against_ap
from smallpose.report.figures.style import CLASSES
from smallpose.report.images.density_sheet import build_density_sheet, format_density
from smallpose.report.images.encode import open_image_reader
from smallpose.report.inputs import paper_values
from smallpose.report.inputs.runs import read_runs
from smallpose.report.inputs.scores import SeedGroup, score_run
from smallpose.report.latency import Latency, measure_latencies


@pytest.fixture(scope="module")
def our_results(project):
    runs = read_runs([project.runs["A"], project.runs["B"]])
    predictions = {
        n: read_results(run.predictions_path, project.test) for n, run in enumerate(runs)
    }
    return collect_our_results(runs, project.test, predictions, num_resamples=100)


def test_each_bar_of_fig_5_is_the_difference_of_the_table(our_results):
    source = our_results.sources["owned"]
    changes = compute_changes(source, PaperSource(paper_values.PRINTED), METHODS)
    assert [c.label for c in changes] == ["SimpleBaseline R18 tiny"]
    figure = draw_gains_by_class(changes)
    cells = source.cells
    for axes, metric in zip(figure.axes, CLASSES, strict=True):
        a, b = (cells["simple_baseline_r50", s].measure(metric, "owned") for s in ("A", "B17"))
        bars = [bar.get_width() for bar in axes.patches]
        if a is None or b is None or not (a.has_ends and b.has_ends):
            assert bars == []
        else:
            assert bars == [pytest.approx(b.value - a.value)]


def test_colours_of_fig_5_come_from_the_interval():
    values = {
        "AP": Interval(5, 1, 9),
        "AP_S": Interval(-5, -9, -1),
        "AP_M": Interval(1, -1, 3),
    }
    change = Change("x", {m: values.get(m) for m in CLASSES}, dict.fromkeys(CLASSES))
    axes = draw_gains_by_class([change]).axes
    colours = [a.patches[0].get_facecolor() for a in axes[:3]]
    from matplotlib.colors import to_rgba

    assert colours == [to_rgba(c) for c in (GAIN, LOSS, UNDECIDED)]
    assert not axes[3].patches
    assert "n/a" in axes[3].texts[0].get_text()


def test_the_papers_own_fig_5_has_the_signs_of_its_tables():
    printed = PaperSource(paper_values.PRINTED)
    for change in compute_changes(printed, printed, METHODS):
        method = next(m for m in METHODS if paper_values.format_method_label(m) == change.label)
        for metric, drawn in change.ours.items():
            rows = [paper_values.ROWS[method, setting].metric(metric) for setting in "AB"]
            if drawn is None:
                assert None in rows
            else:
                assert np.sign(drawn.value) == np.sign(rows[1] - rows[0])


def bins(*aps: float | None) -> list[Bin]:
    return [
        Bin(
            low=i / 4,
            high=(i + 1) / 4,
            mean=(i + 0.5) / 4,
            people=10,
            ap=ap,
            interval=None if ap is None else Interval(ap, ap - 0.1, ap + 0.1),
        )
        for i, ap in enumerate(aps)
    ]


def test_a_bin_without_people_is_a_gap_and_not_a_zero():
    axes = draw_ap_against_density({"one": bins(0.5, None, 0.3), "two": bins(0.6, 0.5, 0.4)}).axes[
        0
    ]
    one, two = (line.get_ydata() for line in axes.lines)
    assert one[[0, 2]].tolist() == [50, 30]
    assert np.isnan(one[1])
    assert two.tolist() == [60, 50, 40]
    whiskers = [line[:, 1].tolist() for c in axes.collections[:2] for line in c.get_segments()]
    expected = ([40, 60], [20, 40], [50, 70], [40, 60], [30, 50])
    assert whiskers == [pytest.approx(ends) for ends in expected]


def test_points_of_fig_4a_are_in_order_of_density(project):
    run = read_runs([project.runs["B"]])[0]
    found = read_results(run.predictions_path, project.test)
    made = compute_binned_ap(
        project.test, found, measure_density(project.test), num_bins=4, num_resamples=50
    )
    x = draw_ap_against_density({"B": made}).axes[0].lines[0].get_xdata()
    assert (np.diff(x) > 0).all()


def test_each_tile_has_its_density_which_is_in_its_class(project):
    sheet = build_density_sheet(project.test, open_image_reader(project.data / "images"))
    limits = {
        "sparse": (0, SPARSE_BELOW),
        "moderate": (SPARSE_BELOW, DENSE_FROM),
        "dense": (DENSE_FROM, 1),
    }
    shown = []
    for row in sheet.rows:
        low, high = limits[row.title]
        values = [float(tile.caption[0].removeprefix("KD ")) for tile in row.tiles]
        assert all(low <= value < high for value in values)
        assert values == sorted(values)
        shown += values
    people = [int((project.test.density_class == code).sum()) for code in range(3)]
    assert len(shown) == sum(min(8, n) for n in people)


@pytest.mark.parametrize(
    ("density", "text"),
    [
        (0.5, "0.500"),
        (0.94996, "0.94996"),
        (0.95, "0.950"),
        (0.3499999, "0.3499999"),
        (0.35, "0.350"),
    ],
)
def test_a_printed_density_stays_in_its_class(density: float, text: str):
    assert format_density(density) == text


def test_whiskers_of_ap_by_class_are_the_intervals(project):
    run = read_runs([project.runs["B"]])[0]
    scored = score_run(
        run, project.test, read_results(run.predictions_path, project.test), num_resamples=100
    )
    group = SeedGroup((run,), (scored,))
    axes = draw_ap_by_class([group], "owned").axes[0]
    whiskers = [line[:, 1].tolist() for c in axes.collections for line in c.get_segments()]
    known = [group.measure(m, "owned") for m in CLASSES]
    expected = [[m.low, m.high] for m in known if m is not None and m.has_ends]
    assert whiskers == [pytest.approx(e) for e in expected]
    # Scores recorded in result.json have no interval and are drawn without whiskers.
    assert not draw_ap_by_class([replace(group, scores=())]).axes[0].collections


def test_runs_without_weights_are_not_timed(project):
    runs = read_runs(list(project.runs.values()))
    assert measure_latencies(runs, project.test, open_image_reader(project.data / "images")) == {}


def test_a_trained_run_is_timed_and_drawn(project, tmp_path):
    from smallpose.methods import create_method
    from smallpose.training.checkpoint import save_model

    run = replace(read_runs([project.runs["B"]])[0], folder=tmp_path)
    method = create_method(run.method, project.test.skeleton)
    save_model(method, tmp_path, next(iter(method.recipes.values())), setting="B", seed=0)
    times = measure_latencies(
        [run], project.test, open_image_reader(project.data / "images"), num_images=3
    )
    latency = times[0]
    assert 0 < latency.low <= latency.median <= latency.high
    assert (latency.images, latency.people) == (3, 3.0)
    axes = draw_latency_against_ap([LatencyPoint("B", latency, Interval(20, 15, 25))]).axes[0]
    assert axes.lines[0].get_xdata()[0] == latency.median
    assert "3 images" in axes.get_xlabel()
    assert "people" in axes.get_xlabel()


def test_latency_has_quartiles_as_whiskers():
    times = Latency("x", 20.0, 10.0, 40.0, 5, 4.0, "CPU, 1 thread")
    axes = draw_latency_against_ap([LatencyPoint("x", times, Interval(30))]).axes[0]
    assert axes.collections[0].get_segments()[0][:, 0].tolist() == [10.0, 40.0]
    assert "CPU, 1 thread" in axes.get_xlabel()
