"""The page's first lines with several seeds, another data set, and limits beyond the data."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from smallpose.evaluation.analysis.half_detected import Fall, HalfDetected
from smallpose.evaluation.analysis.half_detected_fit import find_half_detected_height
from smallpose.report import make_report
from smallpose.report.inputs.scores import score_run
from smallpose.report.page.result_figures import make_result_figures
from smallpose.report.page.summary import _describe_height, _write_headline, summarize_runs
from smallpose.report.report_data import read_report_data


def copy_run(run: Path, to: Path, points: float, **changes: object) -> Path:
    """Copy a run and change its scores."""
    shutil.copytree(run, to)
    result = json.loads((to / "result.json").read_text()) | changes
    for scores in result["evaluation"]["protocols"].values():
        scores |= {"AP": points / 100, "AP_S": points / 100}
    (to / "result.json").write_text(json.dumps(result))
    return to


@pytest.fixture(scope="module")
def seed_runs(project, tmp_path_factory) -> list[Path]:
    """Make runs of one method with two seeds, one of them lucky, and of a better one with three."""
    root = tmp_path_factory.mktemp("seed_runs")
    simple = [
        copy_run(project.runs["B"], root / f"simple{seed}", points, seed=seed)
        for seed, points in enumerate((30.0, 60.0))
    ]
    better = [
        copy_run(project.runs["B"], root / f"hr{seed}", points, seed=seed, method="hrnet_w16_tiny")
        for seed, points in enumerate((49.0, 53.0, 48.0))
    ]
    return [*simple, *better]


def test_the_best_run_is_the_best_in_the_mean_and_is_not_compared_with_itself(seed_runs):
    data = read_report_data(seed_runs)
    assert [data.runs[n].folder.name for n in data.ranked] == ["hr0", "simple1"]
    assert data.mean(data.best, "AP_S") == pytest.approx(50)
    scores = {
        n: score_run(data.runs[n], data.test, result.predictions, num_resamples=200)
        for n, result in data.results.items()
    }
    summary = summarize_runs(data, scores)
    assert "reaches 50.0 AP and 50.0 on small people in the mean of 3 seeds." in summary.lines[0]
    assert "SimpleBaseline R18 tiny B, 2 seeds" in summary.lines[0]
    assert [s.label for s in summary.runs] == [
        "HRNet W16 tiny B, 3 seeds",
        "SimpleBaseline R18 tiny B, 2 seeds",
    ]
    figure = make_result_figures(data, scores)[0]
    assert figure.alt.count(";") == 1  # a bar for each method


@pytest.mark.usefixtures("unrendered_figures")
def test_runs_on_another_data_set_are_named_and_only_in_tables(project, seed_runs, tmp_path):
    shutil.copytree(project.data, tmp_path / "other")
    other = copy_run(project.runs["B"], tmp_path / "other_run", 99.0, data=str(tmp_path / "other"))
    make_report([seed_runs[0], seed_runs[2], other], tmp_path / "report")
    page = re.sub(
        r"data:[^\"]+|<(script|style).*?</\1>",
        "",
        (tmp_path / "report/index.html").read_text(),
        flags=re.S,
    )
    label = "SimpleBaseline R18 tiny B (other_run) on other"
    words = f"<code>{project.data.name}</code> (all but {label}, which is in tables only)"
    assert f"The runs above share the data set {words}" in " ".join(page.split())
    card = re.search(r">([\d.]+)<[^>]*>\s*(?:<[^>]*>)?\s*AP, small people, best run", page)
    assert card is not None and card[1] == "49.0"


def test_the_page_names_the_height_that_evaluate_names(project):
    data = read_report_data([project.runs["B"]])
    summary = summarize_runs(data, data.scores)
    evaluated = find_half_detected_height(data.scores[0].evaluation)
    assert summary.runs[0].limit == evaluated


def test_no_headline_names_a_height_whose_interval_spans_the_range():
    def write(**changes):
        limit = HalfDetected(61, 48, 75, 20, 400, people=900, clusters=90, within=0.2)
        return _write_headline(replace(limit, **changes))

    assert write() == "Half of the people are detected from 61 px of height on."
    spanning = [write(low=0, high=np.inf, within=1.0), write(low=22, high=390, within=0.95)]
    fall = Fall(low=72, high=160, share=0.6, from_height=300, to_height=400, share_above=0.24)
    falling = write(fall=fall)
    assert not any("61" in text for text in (*spanning, falling, write(people=19)))
    assert "60 % are detected from 72 to 160 px, 24 % from 300 px on" in falling


@pytest.mark.parametrize(
    ("changes", "ends"),
    [
        ({}, "48 to 75 px"),
        ({"height": 0.0, "low": 0.0, "high": 77.0}, "from 77 px on at the latest"),
        ({"height": np.inf, "low": 300.0, "high": np.inf}, "not below 300 px"),
        ({"height": 0.0, "low": 0.0, "high": 0.0}, "the people of this test set only"),
    ],
)
def test_the_line_below_any_headline_names_its_run_its_interval_and_a_doubt(project, changes, ends):
    data = read_report_data([project.runs["B"]])
    limit = HalfDetected(61, 48, 75, 20, 400, people=900, clusters=90, within=0.2)
    best = replace(summarize_runs(data, data.scores).runs[0], limit=replace(limit, **changes))
    line = _describe_height(best)
    assert best.single_label in line
    assert "Heights differ in more than size" in line
    assert ends in line
    # The same words as those of evaluate.
    assert ends.removesuffix(" px") in best.limit.describe() or "test set" in ends


@pytest.mark.usefixtures("unrendered_figures")
def test_a_note_names_its_run_unless_all_runs_have_it(seed_runs, tmp_path):
    for number, run in enumerate(seed_runs[:2]):
        path = tmp_path / run.name
        shutil.copytree(run, path)
        result = json.loads((path / "result.json").read_text())
        result["evaluation"]["notes"] = ["note of all", f"note of {number}"]
        (path / "result.json").write_text(json.dumps(result))
    make_report([tmp_path / "simple0", tmp_path / "simple1"], tmp_path / "report")
    page = (tmp_path / "report/index.html").read_text()
    assert "<li>note of all</li>" in page
    assert "<li>SimpleBaseline R18 tiny B (simple0): note of 0</li>" in page
