"""SIGINT and SIGTERM: the step in hand is finished and saved; a second one ends the process."""

import os
import signal
import threading
from types import FrameType
from typing import Any

from smallpose.core.errors import SmallposeError
from smallpose.core.progress import say


class Interrupted(SmallposeError):
    """SIGINT or SIGTERM came; everything was saved."""

    def __init__(self, where: str, what: str, mend: str, exit_code: int = 130) -> None:
        super().__init__(where, what, mend)
        self.exit_code = exit_code

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return type(self), (self.where, self.what, self.mend, self.exit_code)


class Signals:
    """Within it, the first SIGINT or SIGTERM is only noted; the second one ends the process."""

    def __init__(self) -> None:
        self.received = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Signals":
        # Python lets only the main thread listen; elsewhere (a notebook's worker) nothing changes.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.received:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.received = number
        say("finishing the step, then saving; once more to stop at once")
