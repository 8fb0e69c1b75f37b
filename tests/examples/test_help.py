"""Every example answers --help and calls without arguments in one sentence, and writes nothing."""

import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
# Files that define something and are no programs.
SCRIPTS = [
    file
    for file in sorted(EXAMPLES.glob("*.py"))
    if "sys.argv" in file.read_text() or "argparse" in file.read_text()
]


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.stem)
def test_help_is_printed(file, monkeypatch, capsys, tmp_path):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(file), "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(file), run_name="__main__")
    assert not ended.value.code
    assert "usage: " in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_missing_arguments_are_named(monkeypatch, capsys):
    pytest.importorskip("torch")
    monkeypatch.setattr(sys, "argv", ["train_and_predict.py"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(EXAMPLES / "train_and_predict.py"), run_name="__main__")
    assert ended.value.code == 2
    assert "required: SET, RUN" in capsys.readouterr().err
