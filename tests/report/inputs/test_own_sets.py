"""Runs on sets of their own have no place in the paper's tables and are no evidence."""

import json
import shutil
from pathlib import Path

import pytest
from tests.report.conftest import Project

from smallpose.cli.main import main
from smallpose.core.skeleton import COCO17
from smallpose.report.claims.inputs import read_our_runs
from smallpose.report.inputs.run_labels import describe_own_sets
from smallpose.report.inputs.runs import Run, group_seeds, read_run
from smallpose.report.report_data import ReportData, read_report_data
from smallpose.report.tables import paper_tables


@pytest.fixture(scope="module")
def own_runs(project: Project, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Copy the set without its manifest, and a run that was trained on 19 joints of it."""
    root = tmp_path_factory.mktemp("own")
    shutil.copytree(project.data / "annotations", root / "own" / "annotations")
    shutil.copytree(project.runs["B"], root / "run19")
    path = root / "run19" / "result.json"
    result = json.loads(path.read_text()) | {"data": str(root / "own")}
    result["evaluation"]["settings"] |= {"keypoints": "19 keypoints", "sigmas": [0.1] * 19}
    path.write_text(json.dumps(result))
    return [root / "run19"]


def change_joints(project: Project, folder: Path, joints: str) -> Run:
    shutil.copytree(project.runs["B"], folder)
    path = folder / "result.json"
    result = json.loads(path.read_text())
    result["evaluation"]["settings"] |= {"keypoints": joints, "sigmas": [0.1] * 17}
    path.write_text(json.dumps(result))
    return read_run(folder)


def test_runs_on_a_set_of_their_own_have_no_row_in_the_papers_tables(
    project: Project, own_runs: list[Path]
) -> None:
    run = read_run(own_runs[0])
    assert (run.own_set, run.trained_on) == ("19 joints of own", "own")
    for build in (
        paper_tables.build_table2,
        paper_tables.build_table3,
        paper_tables.build_table5,
    ):
        assert build([run]).rows == build([]).rows
        assert len(build([read_run(project.runs["B"])]).rows) > len(build([]).rows)


def test_results_of_own_runs_name_their_joints(own_runs: list[Path]) -> None:
    table = paper_tables.build_results_table([read_run(own_runs[0])])
    assert "19 joints of own" in table.note
    assert "21" not in table.note
    assert "own" in table.rows[0]


def test_setting_b_on_cocos_joints_is_no_run_of_the_paper(project: Project, tmp_path: Path) -> None:
    assert change_joints(project, tmp_path / "run", COCO17.name).own_set == "17 joints of set"


def test_runs_on_a_built_set_stay_in_the_papers_tables(project: Project) -> None:
    runs = [read_run(folder) for folder in project.runs.values()]
    assert describe_own_sets(runs) == ""
    assert not any(run.own_set for run in runs)


def test_own_runs_are_no_evidence_for_claims(own_runs: list[Path]) -> None:
    assert read_our_runs(own_runs) == (None, None, "")
    note = describe_own_sets([read_run(own_runs[0])])
    assert "no evidence for its claims: SimpleBaseline R18 tiny own (19 joints of own);" in note
    assert "; the paper's tables and claims are about sets" in note


def test_a_report_of_own_runs_says_that_they_are_left_out(own_runs: list[Path]) -> None:
    data: ReportData = read_report_data(own_runs)
    assert not data.has_runs_of_paper
    assert not data.is_built
    assert "not in the paper's tables" in data.notes[0]


@pytest.mark.usefixtures("unrendered_figures")
def test_runs_that_were_scored_with_different_sigmas_are_named(
    project: Project, own_runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both were rows of one table, and would have been the seeds of one method."""
    shutil.copytree(own_runs[0], tmp_path / "other")
    path = tmp_path / "other" / "result.json"
    result = json.loads(path.read_text())
    result["evaluation"]["settings"]["sigmas"] = [0.05] * 19
    path.write_text(json.dumps(result))
    runs = [read_run(own_runs[0]), read_run(tmp_path / "other")]
    assert len(group_seeds(runs)) == 2
    words = "are scored with different OKS sigmas, so their numbers cannot be compared"
    assert words in paper_tables.build_results_table(runs).note
    assert words not in paper_tables.build_results_table(runs[:1]).note
    shutil.rmtree(own_runs[0].parent / "own")  # nothing to score them on again
    data = read_report_data([own_runs[0], tmp_path / "other"])
    [note] = [note for note in data.notes if words in note]
    assert f"--sigmas {own_runs[0]}" in note
    runs = [str(own_runs[0]), str(tmp_path / "other")]
    assert main(["report", *runs, "--out", str(tmp_path / "report")]) == 0
    assert "note: " in (printed := " ".join(capsys.readouterr().out.split())) and words in printed
    page = (tmp_path / "report" / "index.html").read_text()
    assert "OKS sigmas differ, so the numbers cannot be compared" in page[: page.index("</header>")]
