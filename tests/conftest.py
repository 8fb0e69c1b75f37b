"""Fixtures that the tests of several packages share."""

import ctypes
import difflib
import fcntl
import gc
import importlib.util
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import pytest
from tests.advice import checking_advice, running_verbs
from tests.background_files import keep_backgrounds
from tests.warm_python import start_server

GOLDEN = Path(__file__).parent / "golden"
DIRECTORIES = pytest.StashKey[dict[Path, pytest.Dir]]()
NUMBERS = itertools.count()


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


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage while modules and tests are made: all of them stay.

    In a fresh clone one process after the other collects: each uses what the first one compiled.
    """
    gc.disable()
    with Path(__file__).open() as lock:
        if _must_compile():
            fcntl.flock(lock, fcntl.LOCK_EX)
        return (yield)


def _must_compile() -> bool:
    """Return whether no bytecode of the largest library is kept yet, but will be."""
    torch = importlib.util.find_spec("torch")
    is_compiled = torch is None or torch.cached is None or Path(torch.cached).exists()
    return not is_compiled and not sys.dont_write_bytecode


def pytest_collection_finish() -> None:
    """Leave what stays until the end out of later garbage collections, and make these rarer."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Look through the objects of all tests once at the end: pytest and Python do it six times."""
    gc.collect()
    gc.freeze()


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Dir:
    """Return one node for each directory, however often it is collected.

    pytest 9.1 ties the fixtures of a conftest.py to the first node of its directory. After a file
    above it on the command line there is a second node, in which they are not found.
    """
    nodes = parent.session.stash.setdefault(DIRECTORIES, {})
    if path not in nodes:
        nodes[path] = pytest.Dir.from_parent(parent, path=path)
    return nodes[path]


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a new folder for one test, named as pytest names it.

    pytest's own fixture reads the names of all earlier folders first: 2 ms after 1,500 of them.
    """
    name = re.sub(r"\W", "_", request.node.name)[:30]
    path = tmp_path_factory.getbasetemp() / str(next(NUMBERS)) / f"{name}0"
    path.mkdir(parents=True)
    return path


@pytest.fixture(scope="session", autouse=True)
def _use_own_configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what builds record about their sources out of the user's configuration."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _keep_freed_memory() -> None:
    """Let glibc keep the memory that a test frees for the next one: cleared pages cost time.

    But for allocations of 32 MiB and more, whose pages some tests count.
    """
    m_trim_threshold, m_mmap_threshold = -1, -3
    with suppress(AttributeError, OSError, TypeError):  # musl, macOS, Windows
        set_option = ctypes.CDLL(None).mallopt
        set_option(m_mmap_threshold, 32 * 2**20)
        set_option(m_trim_threshold, 2**31 - 1)


@pytest.fixture(scope="session", autouse=True)
def _do_not_wait_for_disks() -> Iterator[None]:
    """Leave files to the system: only a power failure, which no test has, would show it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


def pytest_runtest_setup() -> None:
    """Forget the command that the last test left by an exception."""
    running_verbs.clear()


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


@pytest.fixture
def few_placed_people(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `ceiling` place a tenth of the people at each height, for tests of its command line."""
    monkeypatch.setattr("smallpose.evaluation.ceiling.measure.NUM_PLACED", 200)


@pytest.fixture
def without_initial_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the memory of weights as it is, which takes most of the time of building networks."""
    nn = pytest.importorskip("torch").nn
    kinds = ("kaiming_normal_", "kaiming_uniform_", "xavier_uniform_")
    for name in (*kinds, "normal_", "trunc_normal_", "uniform_"):
        monkeypatch.setattr(nn.init, name, lambda tensor, *_, **__: tensor)


def find_common_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of temporary files of all processes of this run."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def keep_painted(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[], AbstractContextManager[None]]:
    """Return a context in which no background of synthetic images is painted twice."""
    folder = find_common_folder(tmp_path_factory) / "backgrounds"
    return lambda: keep_backgrounds(folder)


@pytest.fixture
def kept_backgrounds(keep_painted: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """Paint no background of synthetic images twice in one test."""
    with keep_painted():
        yield


@pytest.fixture(scope="session")
def warm_python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a Python that has imported PyTorch and smallpose before it starts.

    For tests that start commands as processes; see tests/warm_python.py.
    """
    with start_server(find_common_folder(tmp_path_factory)) as executable:
        yield executable


@pytest.fixture
def warm_executable(warm_python: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands that start others start them with that Python."""
    monkeypatch.setattr(sys, "executable", str(warm_python))


@pytest.fixture(scope="session")
def tiny_synthetic(
    tmp_path_factory: pytest.TempPathFactory,
    keep_painted: Callable[[], AbstractContextManager[None]],
) -> Path:
    """Return a synthetic data set in the five published layouts, which is only read.

    The processes of a run share it: the first one draws it, and the others wait.
    """
    from smallpose.synthetic import make_synthetic_dataset

    folder = find_common_folder(tmp_path_factory)
    out = folder / "tiny_synthetic"
    with (folder / "tiny_synthetic.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not out.exists():
            with keep_painted():
                make_synthetic_dataset(out, "tiny", seed=11)
    return out


@pytest.fixture(scope="session")
def real() -> Path:
    """Return the folder of real files of the five sources, if it exists beside the repository."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data" / "real"
    if not folder.exists():
        pytest.skip("no real data beside the repository (../shared/data/real)")
    return folder


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object, error: object) -> None:
    """Say how a process of the tests ended that ended too early: by which signal, or exit code."""
    process = getattr(getattr(getattr(node, "gateway", None), "_io", None), "popen", None)
    if error and process is not None:
        with suppress(subprocess.TimeoutExpired):
            print(f"\na process of the tests ended with {process.wait(10)}", file=sys.stderr)
