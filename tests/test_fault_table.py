"""docs/faults.md names the tests that cover each fault; they exist and fail without its guard."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fault_guards import GUARDS, WITHOUT, Guard

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "smallpose"


def read_rows() -> list[str]:
    """Return the rows of the tables of faults, without their heads."""
    text = (ROOT / "docs" / "faults.md").read_text().split("## Fuzzed readers")[0]
    rows = [line[2:] for line in text.splitlines() if line.startswith("| ")]
    return [row for row in rows if not row.startswith("fault |")]


def find_test_files() -> dict[str, list[str]]:
    """Return the files of each test by its name; several readers have tests of one name."""
    files: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE):
            files.setdefault(name, []).append(str(path))
    return files


def test_every_test_that_the_table_of_faults_names_exists():
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "faults.md").read_text()))
    assert len(named) > 40
    assert named <= set(find_test_files()), sorted(named - set(find_test_files()))


def test_every_row_has_a_guard_and_its_test_is_named_there():
    rows = read_rows()
    assert len(rows) > 50
    for row in rows:
        guards = [guard for guard in GUARDS if row.startswith(guard.row)]
        assert guards or row.startswith(WITHOUT), row[:80]
        assert all(f"`{guard.test}`" in row for guard in guards), row[:80]
    for guard in GUARDS:
        assert sum(row.startswith(guard.row) for row in rows) == 1, guard.row
        assert (PACKAGE / guard.file).read_text().count(guard.old) == 1, (guard.file, guard.old)


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the package, whose guards are removed one at a time."""
    folder = tmp_path_factory.mktemp("src")
    shutil.copytree(PACKAGE, folder / "smallpose", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.mark.long
@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: f"{guard.row[:30]}-{guard.test[5:40]}")
def test_the_test_of_a_row_fails_without_its_guard(guard: Guard, copy: Path):
    path = copy / "smallpose" / guard.file
    sound = path.read_text()
    path.write_text(sound.replace(guard.old, guard.new))
    test_files = find_test_files()[guard.test]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *test_files]
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [*command, "-k", guard.test],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
    finally:
        path.write_text(sound)
    if "skipped" in done.stdout and "failed" not in done.stdout:
        pytest.skip("the test of this row is skipped on this machine")
    assert done.returncode == 1, done.stdout[-2000:]
