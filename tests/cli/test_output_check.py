"""A command does not write over what it reads."""

import argparse
import json

import pytest

from smallpose.cli.main import main
from smallpose.cli.output_check import refuse_output_over_input
from smallpose.core.errors import InputError


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Return a folder with a truth of one person and results for it, as working directory."""
    keypoints = [5, 6, 2] * 17
    person = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "area": 81}
    person |= {"keypoints": keypoints, "num_keypoints": 17, "iscrowd": 0}
    images = [{"id": 1, "file_name": "a.jpg", "width": 20, "height": 20}]
    (tmp_path / "truth.json").write_text(json.dumps({"images": images, "annotations": [person]}))
    found = [{"image_id": 1, "category_id": 1, "keypoints": keypoints, "score": 0.5}]
    for name in ("found.json", "other.json"):
        (tmp_path / name).write_text(json.dumps(found))
    (tmp_path / "link.json").symlink_to(tmp_path / "truth.json")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        ["evaluate", "truth.json", "found.json", "--json", "truth.json"],
        ["evaluate", "truth.json", "found.json", "--json", "./found.json"],
        ["evaluate", "truth.json", "found.json", "--json", "link.json"],
        ["compare", "truth.json", "found.json", "other.json", "--json", "other.json"],
        [
            "predict",
            "hrnet_w32",
            "--weights",
            "w.pth",
            "--data",
            "truth.json",
            "--images",
            ".",
            "--out",
            "truth.json",
        ],
        [
            "predict",
            "hrnet_w32",
            "--weights",
            "w.pth",
            "--data",
            "truth.json",
            "--images",
            ".",
            "--boxes",
            "found.json",
            "--out",
            "found.json",
        ],
    ],
)
def test_an_output_that_is_an_input_is_refused_and_stays(command, files, capsys):
    before = {path.name: path.read_bytes() for path in files.glob("*.json")}
    assert main(command) == 2
    assert "is an input of this command" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in files.glob("*.json")} == before


def test_outputs_that_exist_are_replaced_and_two_of_one_name_are_refused(files, capsys):
    (files / "score.json").write_text("{}")
    command = ["evaluate", "truth.json", "found.json", "--json", "score.json"]
    assert main(command) == 0
    assert "protocols" in (files / "score.json").read_text()
    both = argparse.Namespace(json="score.json", out=files / "score.json")
    with pytest.raises(InputError, match="is the file of another option"):
        refuse_output_over_input(both)
