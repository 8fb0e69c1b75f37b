"""What an explanation consists of: a table, a figure, and what they show."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from smallpose.core.table import Cell, Table
from smallpose.report.figures.files import save_figure
from smallpose.report.tables.files import save_table


@dataclass(frozen=True)
class Explanation:
    """A simulation that answers one question.

    Args:
        table: its numbers.
        draw: draws its figure.
        finding: what the numbers show, in a sentence or two.
    """

    table: Table
    draw: Callable[[], Figure]
    finding: str


def get_column(rows: Sequence[tuple[Cell, ...]], index: int) -> list[float]:
    """Return the numbers of a column of the table."""
    cells = (row[index] for row in rows)
    return [cell for cell in cells if isinstance(cell, float)]


def save_explanation(explanation: Explanation, folder: Path) -> None:
    """Write the table as Markdown, CSV and LaTeX, and the figure as PNG and SVG."""
    save_table(explanation.table, folder)
    save_figure(
        explanation.draw(),
        folder,
        explanation.table.name,
        explanation.table.title,
        explanation.finding,
    )
