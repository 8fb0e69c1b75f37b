"""Write finished runs as tables, figures and one page."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smallpose.core.table import Table

__all__ = ["make_report"]


def make_report(runs: Sequence[Path], out: Path, num_latency_images: int = 0) -> "list[Table]":
    """Write the report of these runs' folders into `out`; see `page.build.make_report`."""
    # Matplotlib is loaded only now.
    from smallpose.report.page import build

    return build.make_report(runs, out, num_latency_images)
