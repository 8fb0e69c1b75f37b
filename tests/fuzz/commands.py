"""Run commands on damaged files and require what every failure must keep."""

import os
import re
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

from smallpose.cli.main import main
from smallpose.core.errors import SmallposeError

_EXIT_CODES = (0, 2, 3, 4)
_ERROR = re.compile(r"[^\n]+: [^\n]+; [^\n]+\Z")
_FINDINGS = re.compile(r"^[\d,]+ faults?, [\d,]+ remarks?$", re.MULTILINE)


def fuzz_counts(small: int, large: int) -> pytest.MarkDecorator:
    """Parametrize `count`: small in `make test`, large in `make check-long`.

    SMALLPOSE_FUZZ=N replaces the large number.
    """
    large = int(os.environ.get("SMALLPOSE_FUZZ", large))
    return pytest.mark.parametrize("count", [small, pytest.param(large, marks=pytest.mark.long)])


def check_mutants(mutants: Iterable[bytes], read: Callable[[bytes], int | None]) -> Counter[int]:
    """Read each mutant and return how often each exit code occurred.

    Args:
        read: returns an exit code (None is 0), or raises an error of smallpose.
    Raises: AssertionError that lists every kind of exception with the first mutant that raised it.
    """
    codes: Counter[int] = Counter()
    kinds: dict[str, str] = {}
    for number, mutant in enumerate(mutants):
        try:
            codes[read(mutant) or 0] += 1
        except SmallposeError as error:
            codes[error.exit_code] += 1
            assert _ERROR.match(str(error)), str(error)
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            ours = [
                f for f in traceback.extract_tb(error.__traceback__) if "smallpose" in f.filename
            ]
            frame = ours[-1] if ours else frame
            kind = f"{type(error).__name__} in {frame.filename}:{frame.lineno}"
            kinds.setdefault(kind, f"mutant {number}: {kind}: {error}"[:600])
    assert not kinds, f"{len(kinds)} kinds of failure:\n" + "\n".join(kinds.values())
    return codes


def run_checked(
    argv: Sequence[object], output: Path | None, capsys: pytest.CaptureFixture[str]
) -> int:
    """Run `smallpose ARGV` in this process and return its exit code.

    A failure must end in one line with where, what and remedy, and leave no output. An exception
    that is a bug is raised, because SMALLPOSE_TRACEBACK is set.

    Args:
        output: the file or folder that must not exist after a failure.
    """
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMALLPOSE_TRACEBACK", "1")
        try:
            code = main([str(word) for word in argv])
        except SystemExit as error:  # argparse
            code = int(error.code or 0)
    out, err = capsys.readouterr()
    assert code in _EXIT_CODES, (code, err)
    if code:
        last = (err.strip().splitlines() or [""])[-1]
        assert _ERROR.match(last) or _FINDINGS.search(out), err
        if output is not None:
            assert not os.path.lexists(output), f"{output} is left after: {last}"
    return code
