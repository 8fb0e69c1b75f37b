"""Asked to stop, a run finishes the step in hand and saves; asked again it ends at once.

Of several processes that are stopped together each may hear of it twice, from the system and from
its parent, so that only a signal that comes later counts as the second.
"""

import os
import signal
import threading
import time
from types import FrameType
from typing import Any

from smallpose.core.errors import SmallposeError
from smallpose.system.progress import say

ECHO_S = 2.0  # how much later


class Interrupted(SmallposeError):
    """A signal came; everything was saved."""

    def __init__(self, where: str, what: str, mend: str, exit_code: int = 130) -> None:
        super().__init__(where, what, mend)
        self.exit_code = exit_code

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return type(self), (self.where, self.what, self.mend, self.exit_code)


def stopping() -> list[int]:
    """Signals that ask to stop; SIGHUP is none of them where nohup has seen to it."""
    hang_up = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    return [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hang_up else [])]


class Signals:
    """Within it, the first signal is only noted; the second one ends the process."""

    def __init__(self) -> None:
        self.received = 0
        self._at = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Signals":
        # Python lets only the main thread listen; elsewhere (a notebook's worker) nothing changes.
        if threading.current_thread() is threading.main_thread():
            for number in stopping():
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.received and time.monotonic() - self._at < ECHO_S:
            return
        if self.received:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.received, self._at = number, time.monotonic()
        say("finishing the step, then saving; once more to stop at once")
