"""`claims` says which runs its verdicts leave out, and why."""

import json
import shutil
from pathlib import Path

import pytest

from smallpose.cli.main import main
from smallpose.report.claims.inputs import read_our_runs


def copy_run(source: Path, target: Path, **changes) -> Path:
    shutil.copytree(source, target)
    result = json.loads((target / "result.json").read_text()) | changes
    (target / "result.json").write_text(json.dumps(result))
    return target


@pytest.fixture
def others(project, tmp_path: Path) -> list[Path]:
    """Write runs that are no evidence beside those of the project, each for another reason."""
    shutil.copytree(project.data, tmp_path / "set3")
    run = project.runs["B"]
    paths = [copy_run(run, tmp_path / f"on_set3_{n}", data=str(tmp_path / "set3")) for n in "ab"]
    paths.append(copy_run(run, tmp_path / "recipe", recipe={"name": "own"}))
    paths.append(copy_run(run, tmp_path / "method", method="own_method"))
    paths.append(copy_run(project.runs["A"], tmp_path / "lost"))
    (paths[-1] / "found.json").unlink()
    return paths


def test_runs_that_are_left_out_are_counted_with_the_reason(project, others, capsys):
    folders = [*project.runs.values(), *others]
    note = read_our_runs(folders).left_out
    assert note.startswith("6 of 8 runs are left out: ")
    for folder, reason in (
        ("untrained", "without training"),
        ("on_set3_b", "not on the test set of set (10 images)"),
        ("recipe", "another variant, or another recipe, than the first of its method"),
        ("method", "no method of the paper"),
        ("lost", "without found.json"),
    ):
        named = next(part for part in note.split("; ") if f"({reason})" in part)
        assert folder in named or "own_method" in named
    words = [str(folder) for folder in folders]
    assert main(["claims", *words, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["notes"][-1] == note
    assert main(["claims", *words]) == 0
    assert "6 of 8 runs are left out" in " ".join(capsys.readouterr().out.split())


def test_without_a_run_that_is_left_out_there_is_no_note(project):
    assert read_our_runs([project.runs["A"], project.runs["B"]]).left_out == ""
    assert read_our_runs([]) == (None, None, "")


def test_runs_of_which_none_is_evidence_are_named(project):
    ours = read_our_runs([project.runs["untrained"]])
    assert ours.results is None
    assert ours.left_out == (
        "1 of 1 run is left out: SimpleBaseline R18 tiny untrained (without training)"
    )
