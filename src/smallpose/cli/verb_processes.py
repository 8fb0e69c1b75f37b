"""Run verbs as processes of their own, one after the other or side by side."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping

from smallpose.core.errors import RunError

_Process = subprocess.Popen[bytes]


def run_verb(*words: object, environment: Mapping[str, str] | None = None) -> None:
    """Print a command and run it.

    Args:
        words: verb and arguments.
        environment: variables to set besides those of this process.

    Raises: RunError when it ends with another exit code than 0.
    """
    run_side_by_side([list(words)], environment=environment)


def run_side_by_side(
    *chains: list[list[object]], environment: Mapping[str, str] | None = None
) -> None:
    """Run chains of commands side by side, the commands of a chain one after the other.

    Args:
        environment: variables to set besides those of this process.

    Raises: RunError when a command ends with another exit code than 0.
    """
    waiting = [list(chain) for chain in chains]
    running: list[_Process | None] = [None] * len(chains)
    verbs = [""] * len(chains)
    try:
        while any(running) or any(waiting):
            for index, chain in enumerate(waiting):
                process = running[index]
                if process is not None and process.poll() is None:
                    continue
                if process is not None and process.returncode:
                    what = f"ended with exit code {process.returncode}"
                    raise RunError(f"smallpose {verbs[index]}", what, "read its error above")
                running[index] = None
                if chain:
                    words = chain.pop(0)
                    verbs[index] = str(words[0])
                    running[index] = _start_process(words, environment or {})
            time.sleep(0.05)
    finally:
        # Ctrl-C reaches the processes as well; wait until they have ended.
        for process in running:
            if process is not None:
                process.wait()


def _start_process(words: list[object], more_environment: Mapping[str, str]) -> _Process:
    # One process per verb, so that what one has loaded does not slow the next.
    print(f"\n$ smallpose {shlex.join(str(word) for word in words)}", flush=True)
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    environment |= more_environment
    command = [sys.executable, "-m", "smallpose", *map(str, words)]
    return subprocess.Popen(command, env=environment)
