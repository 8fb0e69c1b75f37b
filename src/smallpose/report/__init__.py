"""Results in; tables, figures and one page out."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smallpose.report.tables.paper_tables import Table

__all__ = ["make_report"]


def make_report(runs: Sequence[Path], out: Path, latency: int = 0) -> "list[Table]":
    """As `page.make_report`; matplotlib is loaded only now."""
    from smallpose.report.page.build import make_report as make

    return make(runs, out, latency)
