"""Fixtures that the tests of several packages share."""

import difflib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from tests.advice import checking_advice

GOLDEN = Path(__file__).parent / "golden"
DIRECTORIES = pytest.StashKey[dict[Path, pytest.Dir]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="rewrite the golden files")
    parser.addoption("--long", action="store_true", help="run only the tests marked long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests marked long for --long, and run nothing else there."""
    is_long_run = config.getoption("--long")
    is_long = [item.get_closest_marker("long") is not None for item in items]
    left_out = [item for item, long in zip(items, is_long, strict=True) if long != is_long_run]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item, long in zip(items, is_long, strict=True) if long == is_long_run]


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Dir:
    """Return one node for each directory, however often it is collected.

    pytest 9.1 ties the fixtures of a conftest.py to the first node of its directory. After a file
    above it on the command line there is a second node, in which they are not found.
    """
    nodes = parent.session.stash.setdefault(DIRECTORIES, {})
    if path not in nodes:
        nodes[path] = pytest.Dir.from_parent(parent, path=path)
    return nodes[path]


@pytest.fixture(scope="session", autouse=True)
def _use_own_configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what builds record about their sources out of the user's configuration."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _check_advice() -> Iterator[None]:
    """Fail tests in which a command advises an option that it has not."""
    with checking_advice():
        yield


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Return a function that compares a text with a file of tests/golden; --golden rewrites it."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        expected = path.read_text() if path.exists() else ""
        diff = difflib.unified_diff(
            expected.splitlines(), text.splitlines(), "expected", "actual", lineterm=""
        )
        assert expected == text, "\n".join(diff)

    return compare


@pytest.fixture(scope="session")
def leave_out_rendering() -> Callable[[], AbstractContextManager[None]]:
    """Return a context in which figures are drawn but their files are empty.

    It halves the time of reports in tests of something else.
    """

    def save_figure(_: object, folder: Path, name: str, *__: str) -> bytes:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.svg").touch()
        (folder / f"{name}.png").touch()
        return b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 200"/>'

    @contextmanager
    def leave_out() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("smallpose.report.figures.save_figure", save_figure)
            yield

    return leave_out


@pytest.fixture
def unrendered_figures(
    leave_out_rendering: Callable[[], AbstractContextManager[None]],
) -> Iterator[None]:
    """Leave out the rendering of figures in one test."""
    with leave_out_rendering():
        yield


@pytest.fixture(scope="session")
def real() -> Path:
    """Return the folder of real files of the five sources, if it exists beside the repository."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data" / "real"
    if not folder.exists():
        pytest.skip("no real data beside the repository (../shared/data/real)")
    return folder
