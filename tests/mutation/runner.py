"""Run the tests on mutants in a copy of the package.

Each mutant is tried in a fork of this process, which has the libraries loaded already, so that
most take little more than the tests that they fail.
"""

import importlib
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path

from mutants import Mutant
from targets import Target

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "smallpose"
_PRELOADED = ("numpy", "msgspec", "rich.progress", "pytest", "pycocotools.cocoeval")
_COMPILE = ("-shared", "-fPIC", "-O1", "-ffp-contract=off", "-DPy_LIMITED_API=0x030B0000", "-w")
TIMEOUT_S = 300


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant.

    Args:
        state: "caught", "survived" or "invalid" (it does not compile).
        by: the test that failed, or how the process ended.
        seconds: that it took.
    """

    state: str
    by: str
    seconds: float


class Workbench:
    """A copy of the package in which one file at a time is changed."""

    def __init__(self, folder: Path) -> None:
        """Copy the package below `folder`, and load what all mutants need.

        Raises: RuntimeError in a process that has loaded the package: forks would test that one.
        """
        if "smallpose" in sys.modules:
            raise RuntimeError("smallpose is loaded; run the tool in a process of its own")
        self.folder = folder
        shutil.copytree(PACKAGE, folder / "smallpose", ignore=shutil.ignore_patterns("__pycache__"))
        for name in _PRELOADED:
            importlib.import_module(name)
        self._unchanged: dict[tuple[str, ...], Outcome] = {}

    def try_unchanged(self, target: Target) -> Outcome:
        """Run the tests of a target on the unchanged package, once for the same tests."""
        if target.tests not in self._unchanged:
            self._unchanged[target.tests] = self._run_tests(target)
        return self._unchanged[target.tests]

    def try_mutant(self, target: Target, mutant: Mutant) -> Outcome:
        """Run the tests of a target on a mutant; the copy is as before afterwards."""
        path = self.folder / "smallpose" / mutant.file
        sound = path.read_text()
        library = path.parent / target.extension[0] if target.extension else None
        sound_library = library.read_bytes() if library else b""
        path.write_text(mutant.apply(sound))
        try:
            if library and not _compile(path.parent, library, target.extension[1]):
                return Outcome("invalid", "it does not compile", 0.0)
            return self._run_tests(target)
        finally:
            path.write_text(sound)
            if library:
                _replace(library, sound_library)

    def _run_tests(self, target: Target) -> Outcome:
        begin = time.perf_counter()
        output = self.folder / "output.txt"
        child = os.fork()
        if child == 0:
            _run_pytest(self.folder, target, output)
        status = _wait(child, TIMEOUT_S)
        seconds = time.perf_counter() - begin
        if status is None:
            return Outcome("caught", f"no end within {TIMEOUT_S} s", seconds)
        if os.WIFSIGNALED(status):
            return Outcome("caught", f"signal {os.WTERMSIG(status)}", seconds)
        code = os.waitstatus_to_exitcode(status)
        lines = output.read_text(errors="replace").splitlines()
        failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
        if code not in (0, 1, 2, 3):
            raise RuntimeError(f"pytest ended with {code}: " + "\n".join(lines[-20:]))
        by = failed[0].partition(" - ")[0] if failed else f"exit code {code}"
        return Outcome("caught" if code else "survived", by if code else "", seconds)


def _compile(folder: Path, library: Path, sources: tuple[str, ...]) -> bool:
    """Compile an extension in its folder; return whether it compiles."""
    new = library.with_suffix(".new")
    include = sysconfig.get_paths()["include"]
    command = ["cc", *_COMPILE, f"-I{include}", *sources, "-o", str(new), "-lm"]
    if subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode:
        return False
    new.replace(library)
    return True


def _replace(library: Path, content: bytes) -> None:
    """Write an extension under a new inode, because the old one may be loaded."""
    new = library.with_suffix(".new")
    new.write_bytes(content)
    new.replace(library)


def _run_pytest(folder: Path, target: Target, output: Path) -> None:
    """Run the tests in this process, which ends with pytest's code."""
    os.setsid()
    with output.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(ROOT)
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(folder))
    os.environ |= {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    import pytest

    quiet = ("-q", "-x", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist")
    left_out = [f"--deselect={name}" for name in target.left_out]
    code = 3
    try:
        code = int(pytest.main([*quiet, *left_out, *target.tests]))
    finally:
        sys.stdout.flush()
        os._exit(code)


def _wait(child: int, timeout_s: float) -> int | None:
    """Return the status of a child, or None after killing it and its own children."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None
