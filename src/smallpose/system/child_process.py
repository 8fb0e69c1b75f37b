"""Run a function in a process of its own, which may crash without ending this one.

Libraries written in C can crash on damaged files. In a child process that is an error of one line;
locks are released and unfinished files removed as after every other error.
"""

import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from smallpose.core.errors import InputError, SmallposeError

T = TypeVar("T")
_COMMAND = "from smallpose.system.child_process import serve_call; serve_call()"


def run_in_child(function: Callable[..., T], *args: Any, where: str, remedy: str) -> T:
    """Call a function of a module in a new process and return its result.

    Args:
        function: of a module, with arguments and a result that can be pickled.
        where: what is read, for the error of a crash, and `remedy` what to do then.

    Raises: the function's own SmallposeError; InputError where the process crashes.
    """
    folders = [folder for folder in sys.path if folder]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(folders)}
    # -P: a pickle.py in the working directory must not be imported.
    done = subprocess.run(
        [sys.executable, "-P", "-c", _COMMAND],
        input=pickle.dumps((function, args)),
        stdout=subprocess.PIPE,
        env=environment,
        check=False,
    )
    if done.returncode or not done.stdout:
        what = f"reading it crashed ({_name_exit(done.returncode)}); the file is damaged"
        raise InputError(where, what, remedy)
    result, error, trace = pickle.loads(done.stdout)
    if error is not None:
        raise error
    if trace:
        raise RuntimeError(trace)
    return result  # type: ignore[no-any-return]


def _name_exit(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"exit code {code}"


def serve_call() -> None:
    """Make the call that is pickled on standard input; its result goes to standard output.

    What the function itself prints goes to standard error.
    """
    try:
        with os.fdopen(os.dup(1), "wb") as output:
            os.dup2(2, 1)
            function, args = pickle.load(sys.stdin.buffer)
            pickle.dump(_call(function, args), output)
    except (KeyboardInterrupt, BrokenPipeError):  # the other process was interrupted or ended
        os._exit(130)


def _call(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, Any, str]:
    """Return the result, the error that a user caused, and the text of any other exception."""
    try:
        return function(*args), None, ""
    except SmallposeError as error:
        return None, error, ""
    except Exception:
        return None, None, traceback.format_exc()
