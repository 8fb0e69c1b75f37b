"""A table as Markdown, CSV, HTML and LaTeX, with intervals beside their numbers."""

import csv
import html
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from smallpose.report.inputs.scores import Measurement
from smallpose.system.files import write_atomically

Cell = str | float | int | Measurement | None
Kind = Literal["text", "count", "points", "number"]


@dataclass(frozen=True)
class Column:
    """A heading, how its cells are written, and what it means."""

    head: str
    kind: Kind = "text"
    meaning: str = ""

    def text(self, cell: Cell) -> str:
        """A cell for people; a dash for what is not known."""
        if cell is None or (isinstance(cell, float) and math.isnan(cell)):
            return "–"
        if isinstance(cell, str):
            return cell
        if isinstance(cell, Measurement):
            ends = self.ends(cell)
            return self.text(cell.value) + (f" ({ends})" if ends else "")
        if self.kind == "count":
            return f"{cell:,}"
        return f"{cell:.1f}" if self.kind == "points" else f"{cell:.2f}"

    def ends(self, cell: Cell) -> str:
        """The interval of a measured cell, such as `18.0 – 20.9`; nothing without one."""
        if not isinstance(cell, Measurement) or cell.low is None or cell.high is None:
            return ""
        dash = "–" if cell.low >= 0 else " to "
        return f"{self.text(cell.low)}{dash}{self.text(cell.high)}"

    def plain(self, cell: Cell) -> str:
        """A cell for programs; nothing for what is not known."""
        if isinstance(cell, Measurement):
            return self.plain(cell.value)
        if cell is None or (isinstance(cell, float) and math.isnan(cell)):
            return ""
        return f"{round(cell, 4):g}" if isinstance(cell, float) else str(cell)


@dataclass(frozen=True)
class Table:
    """Rows under headings.

    Args:
        name: of its files.
        title: one line above it.
        note: what a reader must know to read it right.
        quiet: rows that stand for comparison, such as the paper's, by number.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    quiet: frozenset[int] = frozenset()

    def texts(self) -> list[list[str]]:
        """All cells as people read them."""
        return [[c.text(v) for c, v in zip(self.columns, row, strict=True)] for row in self.rows]

    def to_markdown(self) -> str:
        """Title, table and note."""
        lines = [[c.head for c in self.columns]]
        lines.append(["---" if c.kind == "text" else "---:" for c in self.columns])
        lines += [[_escape(cell) for cell in row] for row in self.texts()]
        table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return "\n\n".join(part for part in (f"**{self.title}**", table, self.note) if part) + "\n"

    def to_csv(self) -> str:
        """Headings and cells; numbers without separators, nothing for what is not known.

        A column with intervals is followed by its low and its high end.
        """
        spans = [any(self._has_ends(row[i]) for row in self.rows) for i in range(len(self.columns))]
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        heads = [
            [c.head, f"{c.head}_low", f"{c.head}_high"] if wide else [c.head]
            for c, wide in zip(self.columns, spans, strict=True)
        ]
        writer.writerow([head for part in heads for head in part])
        for row in self.rows:
            cells = [
                [c.plain(v), *(c.plain(end) for end in _ends(v))] if wide else [c.plain(v)]
                for c, v, wide in zip(self.columns, row, spans, strict=True)
            ]
            writer.writerow([cell for part in cells for cell in part])
        return out.getvalue()

    @staticmethod
    def _has_ends(cell: Cell) -> bool:
        return isinstance(cell, Measurement) and cell.low is not None

    def to_latex(self) -> str:
        """A `tabular` to paste; intervals small beside their number, rules by booktabs."""
        kinds = "".join("l" if c.kind == "text" else "r" for c in self.columns)
        lines = [" & ".join(_latex(c.head) for c in self.columns) + r" \\"]
        for row in self.rows:
            cells = []
            for column, cell in zip(self.columns, row, strict=True):
                ends = column.ends(cell)
                shown = cell.value if isinstance(cell, Measurement) else cell
                text = _latex(column.text(shown))
                cells.append(text + (rf" {{\scriptsize ({_latex(ends)})}}" if ends else ""))
            lines.append(" & ".join(cells) + r" \\")
        return "\n".join(
            [
                f"% {self.title}",
                *(f"% {line}" for line in self.note.splitlines()),
                rf"\begin{{tabular}}{{{kinds}}}",
                r"\toprule",
                lines[0],
                r"\midrule",
                *lines[1:],
                r"\bottomrule",
                r"\end{tabular}",
                "",
            ]
        )

    def save(self, folder: Path) -> None:
        """`folder/name.md`, `.csv` and `.tex`."""
        write_atomically(folder / f"{self.name}.md", self.to_markdown())
        write_atomically(folder / f"{self.name}.csv", self.to_csv())
        write_atomically(folder / f"{self.name}.tex", self.to_latex())

    def to_html(self) -> str:
        """Title and `<table>`; each number in `data-value`, so that a script can sort by it."""
        head = "".join(_heading(column) for column in self.columns)
        body = "".join(
            f'<tr class="quiet">{self._cells(row)}</tr>'
            if number in self.quiet
            else f"<tr>{self._cells(row)}</tr>"
            for number, row in enumerate(self.rows)
        )
        # The title stands outside the part that scrolls, or a narrow screen would cut it off.
        return (
            f'<h3 id="{self.name}-title">{html.escape(self.title)}</h3><div class="scroll">'
            f'<table id="{self.name}-table" aria-labelledby="{self.name}-title">'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        )

    def _cells(self, row: tuple[Cell, ...]) -> str:
        out = []
        for number, (column, cell) in enumerate(zip(self.columns, row, strict=True)):
            ends = column.ends(cell)
            shown = cell.value if isinstance(cell, Measurement) else cell
            text, plain = html.escape(column.text(shown)), html.escape(column.plain(cell))
            text += f" <small>{html.escape(ends)}</small>" if ends else ""
            if number == 0:
                out.append(f'<th scope="row" data-value="{plain}">{text}</th>')
            else:
                kind = "" if column.kind == "text" else ' class="n"'
                out.append(f'<td{kind} data-value="{plain}">{text}</td>')
        return "".join(out)


def _heading(column: Column) -> str:
    kind = "" if column.kind == "text" else ' class="n"'
    meaning = f' title="{html.escape(column.meaning)}"' if column.meaning else ""
    head = html.escape(column.head)
    if "_" in column.head:
        base, index = column.head.split("_", 1)
        head = f"{base}<sub>{index}</sub>"
    return f'<th scope="col"{kind}{meaning}>{head}</th>'


def _escape(cell: str) -> str:
    return cell.replace("|", "\\|")


def _ends(cell: Cell) -> tuple[Cell, Cell]:
    return (cell.low, cell.high) if isinstance(cell, Measurement) else (None, None)


_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "−": "$-$",
    "≥": r"$\ge$",
    "≤": r"$\le$",
}


def _latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)
