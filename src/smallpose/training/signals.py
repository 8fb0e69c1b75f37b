"""Handle signals that ask a run to stop: the first lets it finish its step and save.

A second signal ends the process immediately. Of several processes that are stopped together, each
may receive the first signal twice, from the system and from its parent, so only one that arrives
later counts as the second.
"""

import os
import signal
import threading
import time
from types import FrameType
from typing import Any

from smallpose.core.errors import SmallposeError
from smallpose.system.progress import print_status

ECHO_S = 2.0  # a signal within this time repeats the first one


class Interrupted(SmallposeError):
    """The run was stopped by a signal, and everything was saved."""

    def __init__(self, where: str, what: str, remedy: str, exit_code: int = 130) -> None:
        super().__init__(where, what, remedy)
        self.exit_code = exit_code

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return type(self), (self.where, self.what, self.remedy, self.exit_code)


def list_stop_signals() -> list[int]:
    """Return the signals that ask to stop; not SIGHUP if nohup made the process ignore it."""
    ignores_hang_up = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    signals: list[int] = [signal.SIGINT, signal.SIGTERM]
    return signals if ignores_hang_up else [*signals, signal.SIGHUP]


class StopSignals:
    """A context in which the first stop signal is recorded, and the second ends the process.

    Attributes:
        received: the number of the first signal; 0 if there was none.
    """

    def __init__(self) -> None:
        self.received = 0
        self._received_at = 0.0
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        # Python handles signals in the main thread only; elsewhere (a notebook's worker) nothing
        # changes.
        if threading.current_thread() is threading.main_thread():
            for number in list_stop_signals():
                self._previous[number] = signal.signal(number, self._record)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _record(self, number: int, _: FrameType | None) -> None:
        if self.received and time.monotonic() - self._received_at < ECHO_S:
            return
        if self.received:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.received, self._received_at = number, time.monotonic()
        print_status("finishing the step, then saving; signal again to stop immediately")
