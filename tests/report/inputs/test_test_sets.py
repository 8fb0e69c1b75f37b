"""Runs on several test sets: each row and label names its set, and nothing compares them."""

import html
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.report.conftest import Project

from smallpose.cli.main import main
from smallpose.report.inputs.run_labels import label_run
from smallpose.report.inputs.runs import Run, group_seeds, read_run
from smallpose.report.inputs.test_sets import describe_test_set
from smallpose.report.report_data import read_report_data
from smallpose.report.tables import paper_tables

MIXED = "Rows of different test sets do not compare"


def copy_run(project: Project, to: Path, data: Path, **changes: object) -> Path:
    shutil.copytree(project.runs["B"], to)
    result = json.loads((to / "result.json").read_text()) | {"data": str(data)} | changes
    (to / "result.json").write_text(json.dumps(result))
    return to


@pytest.fixture
def runs(project: Project, tmp_path: Path) -> list[Path]:
    """Make a run on the set, and one of a method of one's own on another, of an image more."""
    path = shutil.copytree(project.data, tmp_path / "set3") / "annotations" / "test.json"
    labels = json.loads(path.read_text())
    labels["images"].append(labels["images"][0] | {"id": 10**6, "file_name": "more.jpg"})
    path.write_text(json.dumps(labels))
    return [
        copy_run(project, tmp_path / "onset", project.data),
        copy_run(project, tmp_path / "big", tmp_path / "set3", method="own"),
    ]


def read_page(folder: Path) -> str:
    page = (folder / "index.html").read_text()
    page = re.sub(r"<(script|style|svg).*?</\1>|data:[^\"]+", "", page, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


@pytest.mark.usefixtures("unrendered_figures")
def test_each_row_of_ours_names_its_test_set_in_every_table_and_form(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", *map(str, runs), "--out", str(tmp_path / "report")]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    sets = [describe_test_set(run, map_runs(runs)) for run in map_runs(runs)]
    assert re.fullmatch(r"set \(\d+ images\)", sets[0])
    assert re.fullmatch(r"set3 \(\d+ images\)", sets[1])
    tables = tmp_path / "report" / "tables"
    for protocol in ("", "_owned", "_recall"):
        for name in ("results", "table2"):
            for suffix in ("md", "csv", "tex"):
                text = (tables / f"{name}{protocol}.{suffix}").read_text()
                rows = [line for line in text.splitlines() if re.search(r"ours (·|\$)", line)]
                assert rows and all(one in text for one in sets)
                assert all(sum(one in row for one in sets) == 1 for row in rows)
            assert MIXED in (tables / f"{name}{protocol}.md").read_text()
    for name in ("table2", "table3", "table5"):
        assert "on the test set named above" not in (tables / f"{name}.md").read_text()
    note = f"not on the test set of {sets[0]}, so only in tables and compared with no other run: "
    assert f"{note}own B on {sets[1]}" in printed
    assert f"{note}own B on {sets[1]}" in read_page(tmp_path / "report")


def map_runs(folders: list[Path]) -> list[Run]:
    return [read_run(folder) for folder in folders]


def test_runs_on_one_set_have_no_column_of_test_sets(project: Project, runs: list[Path]) -> None:
    one = [read_run(runs[0]), read_run(project.runs["A"])]
    for build in (paper_tables.build_results_table, paper_tables.build_table2):
        table = build(one)
        assert "test set" not in [column.head for column in table.columns]
        assert MIXED not in table.note
    assert " on " not in label_run(one[0], one)


def test_a_table_of_one_set_names_it_beside_runs_on_another(runs: list[Path]) -> None:
    """The paper's tables leave out runs on sets of their own, whose set the page may be of."""
    onset, big = map_runs(runs)
    own = replace(big, own_set="19 joints of set3")
    rows = paper_tables.build_table2([onset, own]).rows
    assert [row[5] for row in rows if str(row[4]).startswith("ours")] == [
        describe_test_set(onset, [onset, own])
    ] * (len(rows) - len(paper_tables.build_table2([]).rows))


def test_sets_of_one_name_are_told_by_their_folders(runs: list[Path], tmp_path: Path) -> None:
    onset, big = map_runs(runs)
    missing = replace(big, data=None, recorded_data=tmp_path / "gone" / "set")
    every = [onset, big, missing]
    assert label_run(onset, every).endswith(f"on {onset.data.parent.name}/set")
    assert describe_test_set(missing, every) == "gone/set (missing)"
    assert describe_test_set(replace(big, data=None, recorded_data=None), every) == "an unknown set"


def test_runs_on_missing_sets_are_no_seeds_of_each_other(runs: list[Path], tmp_path: Path) -> None:
    run = read_run(runs[0])
    gone = [replace(run, data=None, recorded_data=tmp_path / name, seed=1) for name in "ab"]
    assert len(group_seeds(gone)) == 2


def test_the_best_run_is_of_the_set_that_most_share(runs: list[Path], tmp_path: Path) -> None:
    for folder in runs:
        (folder / "found.json").unlink()
    path = runs[1] / "result.json"
    result = json.loads(path.read_text())
    result["evaluation"]["protocols"]["coco"] |= {"AP": 0.99, "AP_S": 0.99}
    path.write_text(json.dumps(result))
    assert read_report_data(runs).best == 0
    for folder in runs:  # likewise where both sets are missing
        path = folder / "result.json"
        gone = str(tmp_path / "gone" / folder.name)
        path.write_text(json.dumps(json.loads(path.read_text()) | {"data": gone}))
    assert read_report_data(runs).best == 0


def test_own_sets_of_several_rows_are_told_by_row(runs: list[Path]) -> None:
    one, other = map_runs(runs)
    rows = [replace(one, own_set="19 joints of own2"), replace(other, own_set="19 joints of own")]
    note = paper_tables.build_results_table(rows).note
    assert (
        f"19 joints of own2 ({label_run(rows[0], rows)}) or "
        f"19 joints of own ({label_run(rows[1], rows)})." in note
    )


def test_the_zoo_names_test_sets_where_they_differ(runs: list[Path], tmp_path: Path) -> None:
    for folder in runs:
        (folder / "model.safetensors").unlink(missing_ok=True)
    assert main(["zoo", *map(str, runs), "--out", str(tmp_path / "zoo")]) == 0
    page = (tmp_path / "zoo" / "README.md").read_text()
    assert "| onset | set (" in page
    assert "| big | set3 (" in page
    assert MIXED in page
    entries = json.loads((tmp_path / "zoo" / "zoo.json").read_text())
    assert [entry["test_set"] for entry in entries] == ["set", "set3"]
    assert main(["zoo", str(runs[0]), "--out", str(tmp_path / "one")]) == 0
    assert MIXED not in (tmp_path / "one" / "README.md").read_text()
