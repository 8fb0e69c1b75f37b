"""A run remembers which of its OKS sigmas nobody measured, and says so beside its numbers."""

import json
import shutil

import pytest

from smallpose.cli.main import main
from smallpose.core.skeleton import SMALLPOSE
from smallpose.evaluation.sigma_file import format_sigma_file
from smallpose.methods.checkpoints.read import skeleton_from_json
from smallpose.report.page.context import build_notes
from smallpose.report.report_data import read_report_data
from smallpose.report.tables.results_tables import build_results_table

TINY = "rtmpose_tiny"
NOTE = "1 of 21 sigmas was not measured but borrowed (far_ankle)"
NAMES = [*SMALLPOSE.joints[:-1], "far_ankle"]


@pytest.fixture
def data(eight, tmp_path):
    """A set of joints of one's own, and sigmas of which one is borrowed."""
    data = tmp_path / "own"
    shutil.copytree(eight, data)
    for path in (data / "annotations").iterdir():
        content = json.loads(path.read_text())
        content["categories"][0]["keypoints"] = NAMES
        path.write_text(json.dumps(content))
    (data / "manifest.json").unlink(missing_ok=True)
    borrowed = {"far_ankle": "that of left_ankle, its neighbour"}
    text = format_sigma_file(SMALLPOSE.sigmas.tolist(), NAMES, borrowed)
    (tmp_path / "sigmas.json").write_text(text)
    return data


def test_borrowed_sigmas_stay_with_the_run_and_are_told_beside_its_numbers(data, tmp_path, capsys):
    run = tmp_path / "run"
    words = ["--data", data, "--sigmas", tmp_path / "sigmas.json", "--out", run]
    call = ["train", TINY, *words, "--recipe", "quick", "epochs=1"]
    assert main([str(word) for word in call]) == 0
    printed = capsys.readouterr().out
    assert f"note: {NOTE}" in " ".join(printed.split())
    card = json.loads((run / "model.json").read_text())["skeleton"]
    assert card["not_measured"] == {"far_ankle": "that of left_ankle, its neighbour"}
    assert skeleton_from_json(card).borrowed_sigmas == card["not_measured"]
    data = read_report_data([run])
    notes = build_notes(data.notes, data.runs)
    assert len([note for note in notes if NOTE in note]) == 1
    assert f"Note: {NOTE}" in build_results_table(data.runs).note
    result = json.loads((run / "result.json").read_text())
    del result["evaluation"]["notes"]  # as in runs of versions that did not record it
    (run / "result.json").write_text(json.dumps(result))
    data = read_report_data([run])
    assert [note for note in build_notes(data.notes, data.runs) if NOTE in note]
