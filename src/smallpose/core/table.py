"""A table that renders as Markdown, CSV, LaTeX, HTML and text for a terminal."""

import csv
import io
import itertools
import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from smallpose.core.interval import Interval

Cell = str | float | int | Interval | None
Kind = Literal["text", "count", "points", "number", "exact"]
TERMINAL_WIDTH = 80  # characters
_MIN_TEXT_WIDTH = 8
_UNKNOWN = ("", "–", "n/a")  # cells without a number
_DIGITS = {"points": ".1f", "number": ".2f", "exact": ""}


@dataclass(frozen=True)
class Column:
    """A heading and the format of the cells below it.

    Args:
        kind: `text` is aligned left, all others right; `count` has separators of thousands,
            `points` one decimal, `number` two, and `exact` all digits.
        meaning: an explanation, which the HTML shows on hovering.
        latex: the heading in LaTeX, where it is not `head` itself.
        width: beyond which cells are wrapped in text.
    """

    head: str
    kind: Kind = "text"
    meaning: str = ""
    latex: str = ""
    width: int = 22

    def format(self, cell: Cell) -> str:
        """Format a cell for readers; a dash where it is unknown."""
        if isinstance(cell, str):
            return cell
        if isinstance(cell, Interval):
            ends = self.format_ends(cell)
            return self.format(cell.value) + (f" ({ends})" if ends else "")
        if cell is None or math.isnan(cell):
            return "–"
        return f"{cell:,}" if self.kind == "count" else f"{cell:{_DIGITS.get(self.kind, '.2f')}}"

    def format_value(self, cell: Cell) -> str:
        """Format a cell without its interval."""
        return self.format(cell.value if isinstance(cell, Interval) else cell)

    def format_ends(self, cell: Cell) -> str:
        """Format the interval of a cell, such as `18.0–20.9`; "" without one."""
        if not isinstance(cell, Interval) or not cell.has_ends:
            return ""
        dash = "–" if cell.low >= 0 else " to "
        return f"{self.format(cell.low)}{dash}{self.format(cell.high)}"

    def format_plain(self, cell: Cell) -> str:
        """Format the value of a cell for programs; "" where it is unknown."""
        if isinstance(cell, Interval):
            return self.format_plain(cell.value)
        if cell is None or (isinstance(cell, float) and math.isnan(cell)):
            return ""
        if isinstance(cell, float) and self.kind != "exact":
            return f"{round(cell, 4):g}"
        return str(cell)


@dataclass(frozen=True)
class Table:
    """Rows below headings.

    Args:
        name: of its files and of its element in HTML.
        title: one line above the table; may be empty.
        note: what a reader must know; Markdown and LaTeX contain it.
        muted_rows: indices of rows shown for comparison, such as the paper's.
        foot: a last row below a rule; empty without one.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    muted_rows: frozenset[int] = frozenset()
    foot: tuple[Cell, ...] = ()

    @property
    def heads(self) -> list[str]:
        """Return the headings."""
        return [column.head for column in self.columns]

    @property
    def all_rows(self) -> tuple[tuple[Cell, ...], ...]:
        """Return the rows, and the foot where there is one."""
        return (*self.rows, self.foot) if self.foot else self.rows

    def format_cells(self) -> list[list[str]]:
        """Format all cells, row by row, for readers."""
        return [[c.format(cell) for c, cell in self._pair(row)] for row in self.all_rows]

    def to_markdown(self) -> str:
        """Render title, table and note."""
        lines = [self.heads, ["---" if c.kind == "text" else "---:" for c in self.columns]]
        lines += [[cell.replace("|", "\\|") for cell in row] for row in self.format_cells()]
        table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        title = f"**{self.title}**" if self.title else ""
        return "\n\n".join(part for part in (title, table, self.note) if part) + "\n"

    def to_csv(self) -> str:
        """Render headings and cells, numbers without separators of thousands.

        A column with intervals is followed by one of their low and one of their high ends.
        """
        with_ends = [any(_has_ends(cell) for cell in cells) for cells in self._cells_by_column()]
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        head: list[str] = []
        for column, is_wide in zip(self.columns, with_ends, strict=True):
            head.append(column.head)
            head += [f"{column.head}_low", f"{column.head}_high"] if is_wide else []
        writer.writerow(head)
        for row in self.all_rows:
            cells: list[str] = []
            for (column, cell), is_wide in zip(self._pair(row), with_ends, strict=True):
                cells.append(column.format_plain(cell))
                ends = (cell.low, cell.high) if isinstance(cell, Interval) else (None, None)
                cells += [column.format_plain(end) for end in ends] if is_wide else []
            writer.writerow(cells)
        return out.getvalue()

    def to_latex(self) -> str:
        """Render a `tabular` with the rules of booktabs, intervals in a smaller size."""
        alignment = "".join("l" if c.kind == "text" else "r" for c in self.columns)
        lines = [rf"\begin{{tabular}}{{{alignment}}}", r"\toprule"]
        lines += [_join_latex(c.latex or _escape_latex(c.head) for c in self.columns), r"\midrule"]
        lines += [self._to_latex_row(row) for row in self.rows]
        if self.foot:
            lines += [r"\midrule", self._to_latex_row(self.foot)]
        lines += [r"\bottomrule", r"\end{tabular}", ""]
        comments = [line for line in (self.title, *self.note.splitlines()) if line]
        return "\n".join([*(f"% {line}" for line in comments), *lines])

    def to_html(self) -> str:
        """Render title and `<table>`; `data-value` holds each number for sorting."""
        head = "".join(_render_heading(column) for column in self.columns)
        body = "".join(
            f'<tr class="quiet">{self._to_html_cells(row)}</tr>'
            if index in self.muted_rows
            else f"<tr>{self._to_html_cells(row)}</tr>"
            for index, row in enumerate(self.all_rows)
        )
        # The title is outside the scrolled part, or a narrow screen would cut it off.
        return (
            f'<h3 id="{self.name}-title">{_escape_html(self.title)}</h3><div class="scroll">'
            f'<table id="{self.name}-table" aria-labelledby="{self.name}-title">'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        )

    def to_text(
        self, wrap: bool = False, width: int = TERMINAL_WIDTH, names_unknown: bool = True
    ) -> str:
        """Render for a terminal: title, headings and rows between rules.

        A table that is too wide gets headings of several lines; where that is not enough, columns
        without any number are left out and named below; where that is not enough either, columns
        continue in a second block, which repeats the columns of text at the left, or the first of
        them alone where it tells the rows apart.

        Args:
            wrap: cells wider than their column continue on the next line.
            width: of the terminal, in characters.
            names_unknown: name the columns that are left out.
        """
        cells = [self.heads, *self.format_cells()]
        widths = self._measure_widths(cells, wrap)
        if _measure_line(widths) > width:
            widths = _narrow_headings(cells, widths)
        unknown = self._find_unknown_columns() if _measure_line(widths) > width else []
        if unknown:
            text = self._leave_out(unknown).to_text(wrap, width)
            names = f"n/a in all rows: {', '.join(self.heads[index] for index in unknown)}"
            return f"{text}\n{wrap_text(names, width)}" if names_unknown else text
        labels = [c.kind == "text" for c in self.columns].index(False) if self._has_numbers else 0
        repeated = min(labels, 1) if self._has_distinct_labels else labels
        widths = _narrow_texts(widths, labels, width, repeated)
        blocks = _split_columns(widths, labels, width, repeated)
        text = "\n\n".join(self._render_block(cells, widths, block) for block in blocks)
        titles = textwrap.wrap(self.title, width, break_long_words=False)
        return "\n".join([*titles, text])

    def _find_unknown_columns(self) -> list[int]:
        """Return the indices of columns of numbers that have none; a foot of 0 counts as none."""
        rows = self.format_cells()
        body, foot = rows[: len(self.rows)], rows[len(self.rows) :]
        return [
            index
            for index, column in enumerate(self.columns)
            if column.kind != "text"
            and self.rows
            and all(row[index] in _UNKNOWN for row in body)
            and all(row[index] in (*_UNKNOWN, "0") for row in foot)
        ]

    def _leave_out(self, indices: Sequence[int]) -> "Table":
        """Return the table without some columns."""
        kept = [index for index in range(len(self.columns)) if index not in indices]
        return replace(
            self,
            columns=tuple(self.columns[index] for index in kept),
            rows=tuple(tuple(row[index] for index in kept) for row in self.rows),
            foot=tuple(self.foot[index] for index in kept) if self.foot else (),
        )

    @property
    def _has_numbers(self) -> bool:
        return any(column.kind != "text" for column in self.columns)

    @property
    def _has_distinct_labels(self) -> bool:
        """Return whether the first column tells the rows apart."""
        labels = [str(row[0]) for row in self.all_rows]
        return all(labels) and len(set(labels)) == len(labels)

    def _render_block(
        self, cells: Sequence[Sequence[str]], widths: Sequence[int], columns: Sequence[int]
    ) -> str:
        """Render some of the columns between rules."""
        kept = [widths[c] for c in columns]
        rows = [
            self._align([row[c] for c in columns], kept, columns, indent="  " if number else "")
            for number, row in enumerate(cells)
        ]
        rule = "─" * _measure_line(kept)
        head, body, foot = rows[:1], rows[1 : len(self.rows) + 1], rows[len(self.rows) + 1 :]
        parts = [*itertools.chain(*head), rule, *itertools.chain(*body), rule]
        return "\n".join([*parts, *itertools.chain(*foot)])

    def to_long_text(self, width: int) -> str:
        """Render a table whose last column holds sentences: those of a row below its other cells.

        Args:
            width: of the terminal, in characters.
        """
        indent = " " * 4
        cells = self.format_cells()
        widths = self._measure_widths([self.heads, *cells], wrap=True)[:-1]
        widths = _narrow_texts(widths, labels=0, width=width, repeated=0)
        lines = [self.title, *self._align(self.heads[:-1], widths)]
        for *short, sentences in cells:
            below = textwrap.wrap(sentences, width - len(indent))
            lines += [*self._align(short, widths), *(indent + line for line in below), ""]
        return "\n".join([*lines, textwrap.fill(self.note, width)])

    def _measure_widths(self, cells: Sequence[Sequence[str]], wrap: bool) -> list[int]:
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        if not wrap:
            return widths
        return [min(w, column.width) for w, column in zip(widths, self.columns, strict=True)]

    def _align(
        self,
        cells: Sequence[str],
        widths: Sequence[int],
        columns: Sequence[int] = (),
        indent: str = "",
    ) -> list[str]:
        """Align the cells of a row; a cell wider than its column is wrapped.

        Args:
            columns: indices of the columns that the cells are of (default: the first ones).
            indent: of the further lines of the first cell, which could pass for a row.
        """
        wrapped = [
            [cell] if len(cell) <= width else textwrap.wrap(cell, width)
            for cell, width in zip(cells, widths, strict=True)
        ]
        if wrapped and len(wrapped[0]) > 1:
            wrapped[0] = _wrap_with_indent(cells[0], widths[0], indent)
        lines = []
        for parts in itertools.zip_longest(*wrapped, fillvalue=""):
            kinds = [self.columns[c].kind for c in columns or range(len(widths))]
            aligned = [
                text.ljust(width) if kind == "text" else text.rjust(width)
                for kind, text, width in zip(kinds, parts, widths, strict=True)
            ]
            lines.append("  ".join(aligned).rstrip())
        return lines

    def _pair(self, row: tuple[Cell, ...]) -> list[tuple[Column, Cell]]:
        return list(zip(self.columns, row, strict=True))

    def _cells_by_column(self) -> list[list[Cell]]:
        return [[row[index] for row in self.all_rows] for index in range(len(self.columns))]

    def _to_latex_row(self, row: tuple[Cell, ...]) -> str:
        cells = []
        for column, cell in self._pair(row):
            ends = column.format_ends(cell)
            text = _escape_latex(column.format_value(cell))
            cells.append(text + (rf" {{\scriptsize ({_escape_latex(ends)})}}" if ends else ""))
        return _join_latex(cells)

    def _to_html_cells(self, row: tuple[Cell, ...]) -> str:
        out = []
        for index, (column, cell) in enumerate(self._pair(row)):
            text = _escape_html(column.format_value(cell))
            plain = _escape_html(column.format_plain(cell))
            ends = column.format_ends(cell)
            text += f" <small>{_escape_html(ends)}</small>" if ends else ""
            if index == 0:
                out.append(f'<th scope="row" data-value="{plain}">{text}</th>')
            else:
                css_class = "" if column.kind == "text" else ' class="n"'
                out.append(f'<td{css_class} data-value="{plain}">{text}</td>')
        return "".join(out)


def wrap_text(text: str, width: int = TERMINAL_WIDTH) -> str:
    """Wrap the lines that are too wide, with the lines that continue them indented.

    Paths and addresses stay whole, so that they can be copied.
    """
    lines: list[str] = []
    for line in text.splitlines():
        if len(line) <= width:
            lines.append(line)
            continue
        indent = line[: len(line) - len(line.lstrip())]
        lines += textwrap.wrap(
            line,
            width,
            subsequent_indent=f"{indent}  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(lines)


def build_text_table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    foot: Sequence[str] = (),
    num_left: int | None = None,
) -> Table:
    """Build a table of formatted cells.

    Args:
        num_left: columns that are aligned left (default: all of them).
    """
    num_left = len(heads) if num_left is None else num_left
    kinds: list[Kind] = ["text" if index < num_left else "number" for index in range(len(heads))]
    columns = tuple(Column(head, kind) for head, kind in zip(heads, kinds, strict=True))
    return Table("", "", columns, tuple(tuple(row) for row in rows), foot=tuple(foot))


def _measure_line(widths: Sequence[int]) -> int:
    """Return the width of a line, with two spaces between columns."""
    return sum(widths) + 2 * (len(widths) - 1)


def _wrap_with_indent(text: str, width: int, indent: str) -> list[str]:
    """Wrap a text with its further lines indented, unless that would break a word."""
    lines = textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False)
    return lines if max(map(len, lines)) <= width else textwrap.wrap(text, width)


def _narrow_headings(cells: Sequence[Sequence[str]], widths: Sequence[int]) -> list[int]:
    """Return widths that let headings of several words take several lines."""
    heads, *rows = cells
    body = [max(map(len, column)) for column in zip(*rows, strict=True)] or [0] * len(heads)
    words = [max(map(len, head.split()), default=0) for head in heads]
    return [min(w, max(b, word)) for w, b, word in zip(widths, body, words, strict=True)]


def _narrow_texts(widths: Sequence[int], labels: int, width: int, repeated: int) -> list[int]:
    """Narrow columns so that the labels and the column beside them fit in each block.

    Args:
        labels: number of columns of text at the left; 0 if the table has only text.
        repeated: how many of them every block repeats.
    """
    widths = list(widths)
    shrinkable = range(labels or len(widths))
    beside = [0, *(w + 2 for w in widths[labels:])] if labels else [0]
    # The first block has all labels; without others than them, any column may follow.
    first = beside[1] if repeated < labels and len(beside) > 1 else max(beside)
    _narrow_to_fit(widths, shrinkable, width - first)
    _narrow_to_fit(widths, range(repeated), width - max(beside))
    return widths


def _narrow_to_fit(widths: list[int], shrinkable: range, available: int) -> None:
    """Narrow the widest of some columns until they fit, or have the least width of a text."""
    while (
        _measure_line([widths[c] for c in shrinkable]) > available
        and max((widths[c] for c in shrinkable), default=0) > _MIN_TEXT_WIDTH
    ):
        widths[max(shrinkable, key=widths.__getitem__)] -= 1


def _split_columns(
    widths: Sequence[int], labels: int, width: int, repeated: int
) -> list[list[int]]:
    """Split the columns into blocks that fit; each but the first begins with repeated labels."""
    blocks = [list(range(labels))]
    num_labels = labels
    for column in range(labels, len(widths)):
        is_full = _measure_line([widths[c] for c in (*blocks[-1], column)]) > width
        if is_full and labels and len(blocks[-1]) > num_labels:
            blocks.append(list(range(repeated)))
            num_labels = repeated
        blocks[-1].append(column)
    return blocks


def _has_ends(cell: Cell) -> bool:
    return isinstance(cell, Interval) and cell.has_ends


def _render_heading(column: Column) -> str:
    css_class = "" if column.kind == "text" else ' class="n"'
    meaning = f' title="{_escape_html(column.meaning)}"' if column.meaning else ""
    head = _escape_html(column.head)
    if "_" in column.head:
        base, index = column.head.split("_", 1)
        head = f"{base}<sub>{index}</sub>"
    return f'<th scope="col"{css_class}{meaning}>{head}</th>'


def _join_latex(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


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


def _escape_latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)


def _escape_html(text: str) -> str:
    import html  # imported here: its table of entities takes longer to load than a small file

    return html.escape(text)
