"""Tables for the terminal."""

import sys
from typing import TextIO

from smallpose.report.tables import Table


def show(table: Table, out: TextIO | None = None) -> None:
    """Print a table as wide as it needs to be, so that a file or a pipe gets whole lines."""
    from rich.console import Console
    from rich.table import Table as RichTable

    out = sys.stdout if out is None else out
    rich = RichTable(title=table.title, title_justify="left", title_style="bold", box=None)
    for column in table.columns:
        rich.add_column(column.head, justify="left" if column.kind == "text" else "right")
    for number, cells in enumerate(table.texts()):
        rich.add_row(*cells, style="dim" if number in table.quiet else "")
    console = Console(file=out, highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 200
    console.print(rich, soft_wrap=True)
