"""End by exceptions when the system asks a process to stop, so that what it began is removed."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def exit_when_terminated() -> Iterator[None]:
    """Raise SystemExit for SIGTERM as long as the context lasts.

    Contexts and `finally` inside of it are left as after an error: temporary folders are removed
    and programs that were started are ended. Python handles signals in the main thread only;
    elsewhere nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _exit(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)
