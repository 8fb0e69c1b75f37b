"""Run verbs as processes of their own, one after the other or side by side."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from smallpose.core.errors import RunError

_Process = subprocess.Popen[bytes]


def run_verb(
    *words: object, environment: Mapping[str, str] | None = None, one_thread: bool = True
) -> None:
    """Print a command and run it.

    Args:
        words: verb and arguments.
        environment: variables to set besides those of this process.
        one_thread: whether it computes in one thread, unless the user chose a number of threads.

    Raises: RunError when it ends with another exit code than 0.
    """
    threads = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")} if one_thread else {}
    _run_chains([[list(words)]], {**threads, **(environment or {})})


def run_side_by_side(*chains: list[list[object]]) -> None:
    """Run chains of commands side by side, the commands of a chain one after the other.

    Each computes in one thread, unless the user chose a number of threads.

    Raises: RunError when a command ends with another exit code than 0.
    """
    _run_chains(chains, {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")})


def _run_chains(chains: Sequence[list[list[object]]], more_environment: Mapping[str, str]) -> None:
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
                    running[index] = _start_process(words, more_environment)
            time.sleep(0.05)
    finally:
        # Ctrl-C reaches the processes as well; wait until they have ended.
        for process in running:
            if process is not None:
                process.wait()


def _start_process(words: list[object], more_environment: Mapping[str, str]) -> _Process:
    # One process per verb, so that what one has loaded does not slow the next.
    print(f"\n$ smallpose {shlex.join(str(word) for word in words)}", flush=True)
    command = [sys.executable, "-m", "smallpose", *map(str, words)]
    return subprocess.Popen(command, env={**os.environ, **more_environment})
