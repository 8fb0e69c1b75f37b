"""Fixtures of a folder are found in every order of the files on pytest's command line."""

import os
import subprocess
import sys
from pathlib import Path

CONFTEST = Path(__file__).parent / "conftest.py"


def test_a_folder_keeps_its_fixtures_after_a_file_above_it(tmp_path):
    folder = tmp_path / "inner"
    folder.mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text())
    (folder / "conftest.py").write_text(
        "import pytest\n\n\n@pytest.fixture\ndef one():\n    return 1\n"
    )
    for name in ("test_a", "test_b"):
        (folder / f"{name}.py").write_text("def test_it(one):\n    assert one == 1\n")
    (tmp_path / "test_above.py").write_text("def test_it():\n    pass\n")
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    files = ["inner/test_a.py", "test_above.py", "inner/test_b.py"]
    environment = os.environ | {"PYTHONPATH": str(CONFTEST.parents[1])}  # for tests.advice
    done = subprocess.run(
        [*words, *files], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert "3 passed" in done.stdout, done.stdout
