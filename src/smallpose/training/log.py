"""What a run writes down as it goes."""

import json
from pathlib import Path
from typing import Any


class Log:
    """`log.jsonl`: one line per record, cut back to where a resumed run goes on from."""

    def __init__(self, path: Path, step: int) -> None:
        kept = []
        if path.exists():
            for line in path.read_text().splitlines():
                try:
                    record = json.loads(line)
                except ValueError:
                    continue  # the line that a kill cut short
                if record.get("step", 0) <= step:
                    kept.append(line)
        path.write_text("".join(line + "\n" for line in kept))
        self._file = path.open("a", buffering=1)

    def write(self, **record: Any) -> None:
        """One line."""
        self._file.write(json.dumps(record) + "\n")

    def close(self) -> None:
        """No more lines."""
        self._file.close()
