"""A word that an option takes in place of a path wins over a file or folder of that name."""

from pathlib import Path

import pytest

from smallpose.catalog.early_checks import refuse_other_weights
from smallpose.catalog.keywords import make_path_parser
from smallpose.catalog.method_checks import refuse_missing_weights
from smallpose.cli.main import create_parser
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
    line = capsys.readouterr().err
    assert "--weights mmpose is the keyword, not the folder" in line
    assert "write ./mmpose for the folder" in line
    assert refuse_other_weights("rtmo_s", "mmpose") is None
    with pytest.raises(InputError, match=r"mmpose/model.safetensors: no such file"):
        refuse_missing_weights("rtmo_s", "./mmpose")
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
