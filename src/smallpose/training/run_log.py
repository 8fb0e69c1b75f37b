"""The log of a run: `log.jsonl`, and loggers that receive the same records."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from smallpose.core.errors import RunError
from smallpose.system.files import write_atomically

RecordLogger = Callable[[dict[str, Any]], None]


class RunLog:
    """`log.jsonl`: one line per record, cut back to the step from which a run resumes.

    Args:
        path: of the file.
        step: later records are dropped.
        loggers: called with each record.
        silent: write nothing, as all processes but the first do.

    Attributes:
        validated_step: the last step with a validation in the log; -1 without any.
    """

    def __init__(
        self, path: Path, step: int, loggers: Sequence[RecordLogger] = (), silent: bool = False
    ) -> None:
        self.path, self.loggers = path, loggers
        self.validated_step = -1
        self._file = None if silent else self._open_file(path, step)

    def _open_file(self, path: Path, step: int) -> Any:
        kept_lines = []
        if path.exists():
            for line in path.read_text().splitlines():
                try:
                    record = json.loads(line)
                except ValueError:
                    continue  # a kill cut this line short
                if record.get("step", 0) > step:
                    continue
                kept_lines.append(line)
                if "AP" in record:
                    self.validated_step = record["step"]
        write_atomically(path, "".join(line + "\n" for line in kept_lines))
        return path.open("a", buffering=1)

    def write(self, **record: Any) -> None:
        """Write a record as one line and pass it to the loggers.

        Raises: RunError when the disk is full.
        """
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(record) + "\n")
        except OSError as error:
            raise RunError(
                str(self.path),
                f"{(error.strerror or str(error)).lower()} while writing",
                "free some space, then continue with --resume",
            ) from None
        for log_record in self.loggers:
            log_record(record)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
