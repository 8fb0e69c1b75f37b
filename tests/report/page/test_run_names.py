"""A run has one name on the whole page: in text, tables, figures, sheets and notes."""

import html
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.report.conftest import Project

from smallpose.core.interval import Interval
from smallpose.report import make_report
from smallpose.report.inputs.run_labels import describe_own_sets, label_run, label_seeds
from smallpose.report.inputs.runs import Run, read_run
from smallpose.report.page.build import _choose_sheet_results
from smallpose.report.page.difference_table import _to_points
from smallpose.report.page.summary import _describe_lead
from smallpose.report.page.summary_statistics import Lead
from smallpose.report.report_data import read_report_data

METHOD = "SimpleBaseline R18 tiny"
NO_INTERVAL = "no interval: 0 here and in all resamples"


def copy_run(run: Path, to: Path, points: float, **changes: object) -> Path:
    shutil.copytree(run, to)
    result = json.loads((to / "result.json").read_text()) | {"recipe": to.name} | changes
    for scores in result["evaluation"]["protocols"].values():
        scores |= {"AP": points / 100, "AP_S": points / 100}
    (to / "result.json").write_text(json.dumps(result))
    return to


@pytest.fixture(scope="module")
def runs_named_as_settings(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    """Make the best run in a folder called A and another in one called B, both of setting B."""
    root = tmp_path_factory.mktemp("names")
    shutil.copytree(project.data, root / "own")
    (root / "own" / "manifest.json").unlink()
    own = str(root / "own")
    return [
        copy_run(project.runs["B"], root / name, points, data=own)
        for name, points in (("A", 60.0), ("B", 30.0))
    ]


@pytest.fixture(scope="module")
def run(project: Project) -> Run:
    return read_run(project.runs["B"])


@pytest.mark.usefixtures("unrendered_figures")
def test_the_sheet_names_the_run_whose_poses_it_shows(
    runs_named_as_settings: list[Path], tmp_path: Path
) -> None:
    """It named the setting, B, which was the folder of the other run."""
    make_report(runs_named_as_settings, tmp_path / "report")
    page = (tmp_path / "report" / "index.html").read_text()
    assert "by the OKS of own (A), in even steps" in page
    panels = set(re.findall(r'<span style="left[^"]*">([^<]*)</span>', page))
    assert panels == {"ground truth", "own (A)"}
    text = html.unescape(re.sub(r"<[^>]+>", " ", page[page.index("<main") :]))
    assert text.split()[text.split().index("reaches") - 2 :][:2] == ["own", "(A)"]
    assert re.search(r"no evidence for its claims: own \(A\), own \(B\) \([^)]*own\);", text)
    assert re.search(r"<summary><b>own \(B\)</b> SimpleBaseline R18 tiny <span>", page)


def test_sheets_and_people_have_the_labels_of_the_tables(project: Project) -> None:
    data = read_report_data(list(project.runs.values()))
    labels = [one.label for one in _choose_sheet_results(data)]
    assert labels == [f"{METHOD} A", f"{METHOD} B"]
    assert {one.label for one in data.results.values()} == {
        label_run(run, data.runs) for run in data.runs
    }


def test_a_setting_alone_names_no_run(run: Run) -> None:
    assert label_run(run, [run]) == f"{METHOD} B"
    in_a = replace(run, setting="A", folder=Path("B"))
    assert [label_run(one, [run, in_a]) for one in (run, in_a)] == [f"{METHOD} B", f"{METHOD} A"]
    other = replace(run, folder=Path("other"), recipe="other")
    assert [label_run(one, [run, other]) for one in (run, other)] == ["B (B)", "B (other)"]
    assert label_run(replace(run, name="mine"), [run, other]) == "mine"


def test_folders_of_one_name_are_told_apart(run: Run) -> None:
    runs = [replace(run, folder=Path(name) / "run", recipe=name) for name in ("x", "y")]
    assert [label_run(one, runs) for one in runs] == ["B (x/run)", "B (y/run)"]


def test_seeds_have_one_label_and_each_its_folder(run: Run) -> None:
    seeds = [replace(run, folder=Path(f"s{seed}"), seed=seed) for seed in range(3)]
    assert {label_seeds(index, seeds) for index in range(3)} == {f"{METHOD} B"}
    assert label_run(seeds[1], seeds) == f"{METHOD} B (s1)"


def test_runs_of_several_sets_are_listed_set_by_set(run: Run) -> None:
    runs = [replace(run, folder=Path(s), recipe=s, own_set=f"5 joints of {s}") for s in "xy"]
    note = describe_own_sets([*runs, run])
    assert f"claims: {METHOD} own (x) (5 joints of x); {METHOD} own (y) (5 joints of y);" in note


def test_a_lead_that_is_0_in_all_resamples_has_no_interval() -> None:
    """`compare` prints none, either: nothing says how far from 0 it may be."""
    nothing = Lead(0.0, 0.0, 0.0, "the 21 joints", everyone=Interval.exact(0.0))
    for name in ("over all people", "on small people"):
        expected = f"better {name} than b cannot be told (+0.0 AP, {NO_INTERVAL})."
        assert expected in _describe_lead(nothing, "b")
    assert nothing.ends == NO_INTERVAL
    assert _to_points(0.0, Interval.exact(0.0)) == 0.0
    some = Lead(0.0, -0.01, 0.02, "the 21 joints")
    assert "(+0.0 AP, 95 %: -0.0 to +0.0)" in _describe_lead(some, "b")
    assert isinstance(_to_points(0.0, Interval(0.0, -0.01, 0.01)), Interval)
