"""What a run writes down as it goes: a file of lines, and boards for who likes to watch."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from smallpose.core.errors import RunError
from smallpose.system.files import write_whole

Board = Callable[[dict[str, Any]], None]


class Log:
    """`log.jsonl`: one line per record, cut back to where a resumed run goes on from.

    Args:
        path: of the file.
        step: records behind it are dropped.
        boards: who else is told each record.
        silent: write nothing, as all processes but the first do.

    Attributes:
        looked: the last step at which a validation was written down.
    """

    def __init__(
        self, path: Path, step: int, boards: Sequence[Board] = (), silent: bool = False
    ) -> None:
        self.path, self.boards = path, boards
        self.looked = -1
        self._file = None if silent else self._begin(path, step)

    def _begin(self, path: Path, step: int) -> Any:
        kept = []
        if path.exists():
            for line in path.read_text().splitlines():
                try:
                    record = json.loads(line)
                except ValueError:
                    continue  # the line that a kill cut short
                if record.get("step", 0) <= step:
                    kept.append(line)
                    self.looked = record["step"] if "AP" in record else self.looked
        write_whole(path, "".join(line + "\n" for line in kept))
        return path.open("a", buffering=1)

    def write(self, **record: Any) -> None:
        """One line.

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
                "free some space, then go on with --resume",
            ) from None
        for board in self.boards:
            board(record)

    def close(self) -> None:
        """No more lines."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
