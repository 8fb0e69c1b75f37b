"""Costs of an image: the model of the time, the frontier, images of so many people, the figure."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.core.interval import Interval
from smallpose.report.cost import process
from smallpose.report.cost.costs import (
    CHECKED_CELLS,
    SHOWN_CELLS,
    CostCell,
    create_method_cost,
    find_frontier,
    fit_time_model,
    read_costs,
)
from smallpose.report.cost.crowds import GREY, build_crowd, cut_people
from smallpose.report.cost.measure import measure_costs
from smallpose.report.figures.cost import BY_PEOPLE, BY_SIDE, CostPoint, draw_cost_frontier
from smallpose.report.images.encode import open_image_reader
from smallpose.report.inputs.runs import read_runs
from smallpose.report.page.cost_section import build_cost_table

CELLS = (*SHOWN_CELLS, *CHECKED_CELLS)


def make_cost(name="one", fixed=5.0, person=3.0, megapixel=2.0, mb=100.0, bend=0.0):
    """Make the costs of a method whose time is linear, or bends with the number of people."""
    cells = []
    for people, side in CELLS:
        size = CostCell(people, side, 0, 0).megapixels
        ms = fixed + person * people + megapixel * size + bend * people**2
        cells.append(CostCell(people, side, ms, mb + people))
    return create_method_cost(name, "CPU, 1 thread", cells)


def test_a_linear_time_is_recovered_and_predicts_images_it_has_not_seen():
    model = make_cost().model
    parts = model.fixed_ms, model.ms_per_person, model.ms_per_megapixel
    assert parts == pytest.approx((5, 3, 2))
    assert model.error < 1e-9
    assert model.predict_ms(7, 3) == pytest.approx(5 + 21 + 6)


def test_a_time_that_is_not_linear_has_a_large_error():
    assert make_cost(bend=1.0).model.error > 0.15


@pytest.mark.parametrize("seed", range(5))
def test_no_part_of_the_time_is_negative(seed):
    rng = np.random.default_rng(seed)
    cells = [CostCell(p, s, float(rng.uniform(1, 50)), 1.0) for p, s in SHOWN_CELLS]
    model = fit_time_model(cells)
    assert min(model.fixed_ms, model.ms_per_person, model.ms_per_megapixel) >= 0


@pytest.mark.parametrize("seed", range(5))
def test_the_frontier_is_who_nobody_beats(seed):
    rng = np.random.default_rng(seed)
    costs = rng.integers(1, 12, 9).tolist()
    gains = rng.integers(1, 12, 9).tolist()
    kept = find_frontier(costs, gains)
    for index in range(9):
        beaten = any(
            costs[k] <= costs[index]
            and gains[k] >= gains[index]
            and (costs[k], gains[k]) != (costs[index], gains[index])
            for k in range(9)
        )
        same = [(costs[k], gains[k]) for k in kept]
        assert ((costs[index], gains[index]) in same) == (not beaten)
    assert costs[kept[0]] == min(costs) and [costs[k] for k in kept] == sorted(
        costs[k] for k in kept
    )


@pytest.mark.parametrize(("number", "side"), CELLS)
def test_an_image_has_its_size_and_its_people_apart(project, number, side):
    cutouts = cut_people(project.test, open_image_reader(project.data / "images"), 16)
    crowd = build_crowd(cutouts, number, side)
    assert crowd.image.shape == (side * 3 // 4, side, 3)
    assert crowd.boxes_xywh.shape == (number, 4)
    low, high = crowd.boxes_xywh[:, :2], crowd.boxes_xywh[:, :2] + crowd.boxes_xywh[:, 2:]
    assert (low >= -1).all() and (high <= np.array([side, side * 3 // 4]) + 1).all()
    for a in range(number):
        for b in range(a):
            assert (low[a] >= high[b]).any() or (low[b] >= high[a]).any()
        x, y = (low[a] + high[a]).astype(int) // 2
        assert (crowd.image[y - 2 : y + 3, x - 2 : x + 3] != GREY).any()


def test_a_run_is_measured_in_a_process_of_its_own(project, tmp_path):
    from smallpose.methods import create_method
    from smallpose.training.checkpoint import save_model

    run = replace(read_runs([project.runs["B"]])[0], folder=tmp_path)
    method = create_method(run.method, project.test.skeleton)
    save_model(method, tmp_path, next(iter(method.recipes.values())), setting="B", seed=0)
    again = replace(run, seed=1)
    costs = measure_costs([run, again], project.test, open_image_reader(project.data / "images"))
    assert list(costs) == [run.method]
    cost = costs[run.method]
    assert {(c.people, c.side) for c in cost.cells} == set(CELLS)
    assert all(cell.ms > 0 for cell in cost.cells)
    few, *_, many = (cost.find_cell(*cell) for cell in BY_PEOPLE)
    assert many.ms > few.ms and many.mb > 1
    assert cost.device


def test_memory_is_kept_while_costs_are_measured_as_predict_keeps_it(tmp_path, monkeypatch):
    """Returned to the system after each image, CID's took 1,280 ms in place of some 350."""
    calls = []

    def load(folder, name):
        calls.append("load")
        raise InputError("run", "no weights", "train it")

    monkeypatch.setattr(process, "keep_freed_memory", lambda: calls.append("keep"))
    monkeypatch.setattr(process, "load_run_method", load)
    (tmp_path / "cells.json").write_text("[]")
    threads = torch.get_num_threads()
    assert process.main([str(tmp_path), "any", str(tmp_path)]) == 1
    torch.set_num_threads(threads)
    assert calls == ["keep", "load"]


@pytest.mark.parametrize(("ms", "num_repeats"), [(500.0, 3), (40.0, 6), (1.0, 30)])
def test_short_times_are_repeated_more_often_and_the_least_is_taken(monkeypatch, ms, num_repeats):
    times = [ms, ms / 2, *[ms] * 100]
    calls = iter(times)
    monkeypatch.setattr(process, "_measure_ms", lambda predict, device: next(calls))
    assert process._measure_least_ms(lambda: None, "cpu") == ms / 2
    assert len(times) - len(list(calls)) == num_repeats


def test_runs_without_weights_are_left_out(project, capsys):
    runs = read_runs(list(project.runs.values()))
    assert measure_costs(runs, project.test, open_image_reader(project.data / "images")) == {}
    assert "no run has its weights" in capsys.readouterr().err


@pytest.mark.long
def test_weights_that_cannot_be_read_are_left_out(project, tmp_path, capsys):
    runs = read_runs(list(project.runs.values()))
    (tmp_path / "model.safetensors").write_bytes(b"nonsense")
    broken = replace(runs[0], folder=tmp_path)
    assert measure_costs([broken], project.test, open_image_reader(project.data / "images")) == {}
    assert "its costs were not measured" in capsys.readouterr().err


def test_markers_are_the_measured_values_and_stairs_their_frontier():
    cheap, dear = make_cost("cheap"), make_cost("dear", fixed=50, mb=900)
    useless = make_cost("useless", fixed=90, mb=2000)
    points = [
        CostPoint("cheap", cheap, Interval(10, 8, 12)),
        CostPoint("dear", dear, Interval(30, 25, 35)),
        CostPoint("useless", useless, Interval(20, 15, 25)),
    ]
    figure = draw_cost_frontier(points)
    for axes, cells in ((figure.axes[0], BY_PEOPLE), (figure.axes[1], BY_SIDE)):
        drawn = [line for line in axes.lines if line.get_marker() not in ("None", "", None)]
        values = sorted(float(line.get_xdata()[0]) for line in drawn)
        expected = sorted(p.cost.find_cell(*cell).ms for p in points for cell in cells)
        assert values == pytest.approx(expected)
        stairs = [line for line in axes.lines if line.get_marker() in ("None", "", None)]
        assert [len(line.get_xdata()) for line in stairs] == [2, 2, 2]
    table = build_cost_table(points)
    assert [row[0] for row in table.rows] == ["dear", "useless", "cheap"]
    assert [row[-1] for row in table.rows] == ["1, 4, 16", "–", "1, 4, 16"]


def test_more_methods_than_colours_look_different_in_the_legend_and_in_the_figure():
    points = [CostPoint(f"m{i}", make_cost(f"m{i}"), Interval(i, i, i)) for i in range(1, 13)]
    figure = draw_cost_frontier(points)
    (legend,) = figure.legends
    markers = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    for lines in (legend.get_lines(), markers):
        assert len({(line.get_color(), line.get_fillstyle()) for line in lines}) == 12
    assert [line.get_color() for line in legend.get_lines()] == [m.get_color() for m in markers]


def test_costs_are_read_again_and_other_files_are_refused(tmp_path):
    path = tmp_path / "cost.json"
    cost = make_cost()
    path.write_text(json.dumps([cost.to_dict()]))
    assert read_costs(path) == {"one": cost}
    for content in ([{"name": "x"}], [cost.to_dict() | {"cells": []}], {"name": "x"}):
        path.write_text(json.dumps(content))
        with pytest.raises(InputError):
            read_costs(path)


@pytest.mark.usefixtures("unrendered_figures")
@pytest.mark.usefixtures("unrendered_figures")
def test_a_report_shows_the_costs_of_a_file(project, tmp_path, capsys):
    path = tmp_path / "cost.json"
    path.write_text(json.dumps([make_cost("simple_baseline_r18_tiny").to_dict()]))
    out = tmp_path / "report"
    words = [str(project.runs["A"]), str(project.runs["B"]), "--out", str(out)]
    assert main(["report", *words, "--cost-file", str(path)]) == 0
    assert "Costs of an image" in (out / "index.html").read_text()
    assert json.loads((out / "cost.json").read_text())[0]["model"][
        "ms_per_person"
    ] == pytest.approx(3)
    assert (out / "figures" / "cost_frontier.png").is_file()
    assert (out / "tables" / "costs.csv").is_file()
    assert main(["report", *words, "--cost-file", str(tmp_path / "none.json")]) == 2
    assert "no such file" in capsys.readouterr().err
