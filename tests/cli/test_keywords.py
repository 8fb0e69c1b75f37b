"""A word that an option takes in place of a path wins over a file or folder of that name."""

import json
from pathlib import Path

import pytest

from smallpose.catalog.early_checks import refuse_other_weights
from smallpose.catalog.keywords import make_path_parser
from smallpose.catalog.method_checks import refuse_missing_weights
from smallpose.cli.main import create_parser
from smallpose.cli.predict_checks import check_arguments
from smallpose.core.errors import InputError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder that has a folder `mmpose` and a file `real`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mmpose").mkdir()
    (tmp_path / "real").write_text("[]")
    return tmp_path


def test_published_weights_win_over_a_folder_of_that_name_and_a_line_says_so(folder, capsys):
    refuse_missing_weights("rtmo_s", "mmpose")
    assert not capsys.readouterr().err  # a folder of results cannot be meant
    (folder / "mmpose" / "model.json").write_text("{}")
    refuse_missing_weights("rtmo_s", "mmpose")
    line = capsys.readouterr().err
    assert "--weights mmpose is the keyword, not the folder" in line
    assert "write ./mmpose for the folder" in line
    assert refuse_other_weights("rtmo_s", "mmpose") is None
    with pytest.raises(
        InputError, match=r"--weights mmpose: is a folder without model\.safetensors"
    ):
        refuse_missing_weights("rtmo_s", "./mmpose")
    (folder / "mmpose" / "model.json").unlink()
    (folder / "mmpose").rmdir()
    refuse_missing_weights("rtmo_s", "mmpose")
    assert not capsys.readouterr().err


def test_weights_are_looked_up_by_the_keyword_beside_a_folder_of_that_name(folder, monkeypatch):
    methods = pytest.importorskip("smallpose.methods")
    asked = []
    monkeypatch.setattr(
        methods.mmpose_zoo, "find_checkpoint", lambda *words: asked.append(words[0]) or Path("x")
    )
    assert methods.find_weights("simple_baseline_r18_tiny", "mmpose") == Path("x")
    assert methods.find_weights("simple_baseline_r18_tiny", "./mmpose") == Path("mmpose")
    assert asked == ["mmpose"]


def test_real_measures_win_over_a_file_of_that_name(folder, capsys):
    words = ["truth.json", "--out", "out", "--compare", "real", "./real", "other/real"]
    (keyword, file, other) = create_parser("stats").parse_args(words).compare
    assert str(keyword) == "real"
    assert (file, other) == (folder / "real", Path("other/real"))
    assert "write ./real for the file" in capsys.readouterr().err


def test_paths_stay_as_they_were_typed(folder):
    assert make_path_parser("real", "--compare")("./mmpose") == Path("mmpose")


@pytest.mark.parametrize("name", ["movenet", "simple_baseline_r18_tiny"])
def test_methods_win_over_a_folder_of_that_name_and_a_run_is_reached_by_its_path(
    folder, name, capsys
):
    (folder / name).mkdir()
    (folder / name / "found.json").write_text("[]")
    args = create_parser("predict").parse_args([name, "photos", "--out", f"{name}/found.json"])
    with pytest.raises(InputError):
        check_arguments(args)
    assert "is the method" not in capsys.readouterr().err  # a folder of results cannot be meant
    card = {"method": "rtmo_tiny"}
    (folder / name / "model.json").write_text(json.dumps(card))
    words = ["predict", name, "photos", "--out", "o.json"]
    args = create_parser("predict").parse_args(words[1:])
    with pytest.raises(InputError) as error:
        check_arguments(args)
    assert args.method == name and "is a file or folder" not in str(error.value)
    line = capsys.readouterr().err
    assert f"METHOD {name} is the method, not the folder" in line and f"./{name}" in line
    args = create_parser("predict").parse_args([f"./{name}", *words[2:]])
    with pytest.raises(InputError):
        check_arguments(args)
    assert (args.method, Path(args.weights)) == ("rtmo_tiny", Path(name))
    assert "is the method" not in capsys.readouterr().err
