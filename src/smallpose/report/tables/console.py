"""Tables for the terminal."""

import sys
from typing import TextIO

from smallpose.report.tables.paper_tables import Table


def print_table(table: Table, out: TextIO | None = None) -> None:
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
        console.width = 240
    console.print(rich, soft_wrap=True)


def print_long_table(table: Table, out: TextIO | None = None) -> None:
    """Print a table whose cells are sentences: each row a short line, the last cell beneath it."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table as RichTable

    out = sys.stdout if out is None else out
    console = Console(file=out, highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 160
    console.print(table.title, style="bold")
    widths = [
        max(len(cell) for cell in column)
        for column in zip([c.head for c in table.columns], *table.texts(), strict=True)
    ]
    for cells in [[c.head for c in table.columns], *table.texts()]:
        line = RichTable(box=None, show_header=False, padding=(0, 2, 0, 0))
        *short, last = cells
        for number, widest in enumerate(widths[:-1]):
            line.add_column(width=min(widest, 46 if number == 2 else 22))
        line.add_row(*short)
        console.print(line)
        if cells[0] != table.columns[0].head:
            console.print(Padding(last, (0, 0, 1, 4)), style="dim")
    console.print(table.note)
