"""The page's first lines: what they say of several seeds, of another set, of very good models."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from smallpose.report import make_report
from smallpose.report.inputs.scores import score_run
from smallpose.report.page.result_figures import make_result_figures
from smallpose.report.page.summary import summarize_runs
from smallpose.report.page.summary_statistics import HeightLimit
from smallpose.report.report_data import read_report_data


def copied(run: Path, to: Path, points: float, **more: object) -> Path:
    """A run like another, of other numbers."""
    shutil.copytree(run, to)
    result = json.loads((to / "result.json").read_text()) | more
    for numbers in result["evaluation"]["protocols"].values():
        numbers |= {"AP": points / 100, "AP_S": points / 100}
    (to / "result.json").write_text(json.dumps(result))
    return to


@pytest.fixture(scope="module")
def many(project, tmp_path_factory) -> list[Path]:
    """One method under two seeds, one of them lucky, and a better one under three."""
    root = tmp_path_factory.mktemp("many")
    simple = [
        copied(project.runs["B"], root / f"simple{seed}", points, seed=seed)
        for seed, points in enumerate((30.0, 60.0))
    ]
    better = [
        copied(project.runs["B"], root / f"hr{seed}", points, seed=seed, method="hrnet_w16_tiny")
        for seed, points in enumerate((49.0, 53.0, 48.0))
    ]
    return [*simple, *better]


def test_the_best_is_the_best_in_the_mean_and_no_rival_of_itself(many):
    material = read_report_data(many)
    assert [material.runs[n].folder.name for n in material.ranked] == ["hr0", "simple1"]
    assert material.mean(material.best, "AP_S") == pytest.approx(50)
    scores = {
        n: score_run(material.runs[n], material.test, found, num_resamples=200)
        for n, (found, _) in material.found.items()
    }
    said = summarize_runs(material, scores)
    assert "reaches 50.0 AP and 50.0 on small people in the mean of 3 seeds." in said.lines[0]
    assert "SimpleBaseline R18 tiny B, 2 seeds" in said.lines[0]
    assert [s.label for s in said.runs] == [
        "HRNet W16 tiny B, 3 seeds",
        "SimpleBaseline R18 tiny B, 2 seeds",
    ]
    bars = make_result_figures(material, scores)[0]
    assert bars.alt.count(";") == 1  # a bar for each method


def test_runs_of_another_set_are_named_and_stay_out_of_answer_and_cards(
    project, many, tmp_path, capsys
):
    shutil.copytree(project.data, tmp_path / "other")
    alien = copied(project.runs["B"], tmp_path / "alien", 99.0, data=str(tmp_path / "other"))
    make_report([many[0], many[2], alien], tmp_path / "report")
    assert f"not of the set {project.data}, and so only in tables: alien" in capsys.readouterr().err
    page = re.sub(
        r"data:[^\"]+|<(script|style).*?</\1>",
        "",
        (tmp_path / "report/index.html").read_text(),
        flags=re.S,
    )
    assert "Most of the runs above share the set" in page
    card = re.search(r">([\d.]+)<[^>]*>\s*(?:<[^>]*>)?\s*AP, small people, best run", page)
    assert card is not None and card[1] == "49.0"


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0, 0, "below 39 px"),
        (0, 60, "below 39 to 60 px"),
        (50, 60, "50 to 60 px"),
        (50, np.inf, "50 to above 364 px"),
        (np.inf, np.inf, "above 364 px"),
    ],
)
def test_an_interval_in_words(low, high, words):
    assert HeightLimit(50, low, high, 39, 364).ends == words


def test_a_remark_says_whose_it_is_unless_it_is_everybodys(project, many, tmp_path):
    for number, run in enumerate(many[:2]):
        path = tmp_path / run.name
        shutil.copytree(run, path)
        result = json.loads((path / "result.json").read_text())
        result["evaluation"]["notes"] = ["said of all", f"said of {number}"]
        (path / "result.json").write_text(json.dumps(result))
    make_report([tmp_path / "simple0", tmp_path / "simple1"], tmp_path / "report")
    page = (tmp_path / "report/index.html").read_text()
    assert "<li>said of all</li>" in page
    assert "<li>B (simple0): said of 0</li>" in page
