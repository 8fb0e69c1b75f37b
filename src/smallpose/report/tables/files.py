"""Tables as files."""

from pathlib import Path

from smallpose.core.table import Table
from smallpose.system.files import write_atomically


def save_table(table: Table, folder: Path) -> None:
    """Write the table to `folder` as Markdown, CSV and LaTeX files of its name."""
    write_atomically(folder / f"{table.name}.md", table.to_markdown())
    write_atomically(folder / f"{table.name}.csv", table.to_csv())
    write_atomically(folder / f"{table.name}.tex", table.to_latex())
