"""Describe a problem of a table as one plain sentence."""

from typing import NamedTuple


class Finding(NamedTuple):
    """One sentence about a table, and whether it is a fault or only a remark."""

    message: str
    is_fault: bool

    def __str__(self) -> str:
        return f"{'fault ' if self.is_fault else 'remark'}  {self.message}"
