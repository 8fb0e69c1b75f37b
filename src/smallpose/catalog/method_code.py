"""Name a method of a user's own: `FILE.py:NAME`, or `FILE.py` where the file holds one method."""

import re
from dataclasses import dataclass
from pathlib import Path

_CODE = re.compile(r"(?P<file>.+\.py)(?::(?P<name>\w+))?")


@dataclass(frozen=True)
class MethodCode:
    """Where a user's method is.

    Args:
        file: the Python file.
        name: of a function or a class in it; "" where the file holds one method only.
    """

    file: Path
    name: str

    def __str__(self) -> str:
        return f"{self.file}:{self.name}" if self.name else str(self.file)

    @classmethod
    def parse(cls, text: str) -> "MethodCode | None":
        """Parse `FILE.py:NAME` or `FILE.py`; None for other texts."""
        match = _CODE.fullmatch(text)
        return None if match is None else cls(Path(match["file"]), match["name"] or "")


def is_method_code(text: str) -> bool:
    """Return whether the text names a method in a file."""
    return MethodCode.parse(text) is not None
