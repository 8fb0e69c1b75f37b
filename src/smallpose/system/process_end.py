"""End a process without taking its interpreter down object by object."""

import atexit
import os
import sys
import threading


def end_process(code: int) -> None:
    """End this process at once, after what is registered for its end.

    For commands that have written everything: Python would free each object on its own, which takes
    a fifth of the time of a small evaluation. Returns, with nothing done, where others wait for the
    end: other threads, debuggers and profilers, or an interactive interpreter.
    """
    is_watched = sys.gettrace() is not None or sys.getprofile() is not None
    is_interactive = bool(sys.flags.interactive or sys.flags.inspect)
    if is_watched or is_interactive or threading.active_count() > 1:
        return
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(code)
