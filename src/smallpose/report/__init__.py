"""Write finished runs as tables, figures and one page."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smallpose.core.table import Table
    from smallpose.report.page.cost_section import CostOptions

__all__ = ["make_report"]


def make_report(
    paths: Sequence[Path],
    out: Path,
    num_latency_images: int = 0,
    *,
    names: Sequence[str] = (),
    images: Path | None = None,
    category: Sequence[str] = (),
    sigmas: Path | None = None,
    costs: "CostOptions | None" = None,
) -> "list[Table]":
    """Write the report of runs, or of result files and their ground truth, into `out`.

    See `page.build.write_report`.

    Returns: the tables of results, one per protocol, the paper's first.
    """
    # Matplotlib is loaded only now.
    from smallpose.report.page import build

    return build.write_report(
        paths,
        out,
        num_latency_images,
        names=names,
        images=images,
        category=category,
        sigmas=sigmas,
        costs=costs,
    ).results
