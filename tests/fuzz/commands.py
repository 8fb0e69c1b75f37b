"""Run a command on a damaged file and require what every failure must keep."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from smallpose.cli.main import main

EXIT_CODES = (0, 2, 3, 4, 5, 6)
_ERROR = re.compile(r"[^\n]+: [^\n]+; [^\n]+\n?\Z")


def run_checked(argv: Sequence[object], output: Path | None, capsys: pytest.CaptureFixture) -> int:
    """Run `smallpose ARGV` in this process and return its exit code.

    A failure must end in one line with where, what and remedy, and leave no output. An exception
    of another kind is a bug and is raised, because SMALLPOSE_TRACEBACK is set.

    Args:
        output: the file or folder that must not exist after a failure.
    """
    capsys.readouterr()
    os.environ["SMALLPOSE_TRACEBACK"] = "1"
    try:
        code = main([str(word) for word in argv])
    except SystemExit as error:  # argparse
        code = int(error.code or 0)
    out, err = capsys.readouterr()
    assert code in EXIT_CODES, (code, err)
    if code in (2, 3, 4):
        last = (err.strip().splitlines() or [""])[-1]
        has_findings = re.search(r"^\d+ faults, \d+ remarks$", out, re.MULTILINE)
        assert _ERROR.match(last) or has_findings, err
        if output is not None:
            assert not output.exists(), f"{output} is left after: {last}"
    return code
