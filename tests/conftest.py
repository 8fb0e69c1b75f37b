"""Fixtures that several rooms' tests share."""

import difflib
from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="rewrite the golden files")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """`golden("table1.md", text)`: `text` equals the file we promised; --golden rewrites it."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        promised = path.read_text() if path.exists() else ""
        diff = difflib.unified_diff(
            promised.splitlines(), text.splitlines(), "promised", "made", lineterm=""
        )
        assert promised == text, "\n".join(diff)

    return compare


@pytest.fixture(scope="session")
def real() -> Path:
    """Real files of the five sources, where the developer has them beside the repository."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data" / "real"
    if not folder.exists():
        pytest.skip("no real data beside the repository (../shared/data/real)")
    return folder
