"""Tables of the paper, ours beside the printed values: data in, Markdown, CSV and HTML out."""

import csv
import html
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from smallpose.core.files import write_whole
from smallpose.report import paper
from smallpose.report.results import METRICS, Run
from smallpose.stats.counts import Counts, Table1

Cell = str | float | int | None
Kind = Literal["text", "count", "points", "number"]
HEADS = dict(zip(METRICS, ("AP", "AP_S", "AP_M", "AP_L", "Sp", "Mo", "De", "AR"), strict=True))
MEANINGS = {
    "AP": "average precision over all people",
    "AP_S": "small people: box below 128 × 96 px²",
    "AP_M": "medium people: box below 256 × 192 px²",
    "AP_L": "large people: box from 256 × 192 px² on",
    "Sp": "small people whose keypoints lie sparse",
    "Mo": "small people of moderate keypoint density",
    "De": "small people whose keypoints lie dense",
    "AR": "average recall over all people",
}
PRINTED = "paper"


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
        if self.kind == "count":
            return f"{cell:,}"
        return f"{cell:.1f}" if self.kind == "points" else f"{cell:.2f}"

    def plain(self, cell: Cell) -> str:
        """A cell for programs; nothing for what is not known."""
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
        """Headings and cells; numbers without separators, nothing for what is not known."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([c.head for c in self.columns])
        for row in self.rows:
            writer.writerow([c.plain(v) for c, v in zip(self.columns, row, strict=True)])
        return out.getvalue()

    def save(self, folder: Path) -> None:
        """`folder/name.md` and `folder/name.csv`."""
        write_whole(folder / f"{self.name}.md", self.to_markdown())
        write_whole(folder / f"{self.name}.csv", self.to_csv())

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
            text, plain = html.escape(column.text(cell)), html.escape(column.plain(cell))
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


_POINTS = tuple(Column(head, "points", MEANINGS[head]) for head in HEADS.values())


def results(runs: Sequence[Run], protocol: str = "coco") -> Table:
    """Our runs by one protocol, in the paper's columns."""
    # Under `recall` AP and AR are the same number; it is not printed twice.
    metrics = METRICS[:-1] if protocol == "recall" else METRICS
    rows = [
        (paper.label(r.method), r.setting, *(r.metric(m, protocol) for m in metrics), how(r))
        for r in runs
    ]
    points = _POINTS
    if protocol == "recall":
        points = tuple(replace(c, head=c.head.replace("AP", "R")) for c in _POINTS[:-1])
    return Table(
        "results" if protocol == "coco" else f"results_{protocol}",
        f"Our runs, protocol {protocol}",
        (Column("method"), Column("setting"), *points, Column("run")),
        tuple(rows),
        PROTOCOL_NOTES[protocol],
    )


PROTOCOL_NOTES = {
    "coco": "As pycocotools counts: 20 people per image at most, and every unmatched small "
    "detection counts against each density class. Settings: A trains on the COCO part and is "
    "scored on COCO's 17 keypoints, B trains on the whole set and is scored on all 21.",
    "owned": "No cap on detections; each unmatched detection counts against one class only.",
    "recall": "Eqs. 2 and 4 as printed: the share of people found with OKS at least T, averaged "
    "over T.",
}


def how(run: Run) -> str:
    """What tells runs of one method apart: recipe, epochs, seed."""
    if run.untrained:
        return "ours · untrained"
    words = ["ours", run.recipe]
    if run.epochs is not None:
        words.append(f"{run.epochs:g} epoch{'' if run.epochs == 1 else 's'}")
    if run.seed is not None:
        words.append(f"seed {run.seed}")
    return " · ".join(w for w in words if w)


def table2(runs: Sequence[Run]) -> Table:
    """Paradigms and backbones: the paper's rows, each followed by ours."""
    return _beside(runs, 2, "Table 2: paradigms and backbones")


def table3(runs: Sequence[Run]) -> Table:
    """Ways of predicting and architectures: the paper's rows, each followed by ours."""
    return _beside(runs, 3, "Table 3: ways of predicting and architectures")


def _beside(runs: Sequence[Run], number: int, title: str) -> Table:
    rows: list[tuple[Cell, ...]] = []
    quiet = set()
    for method in paper.METHODS:
        if method.table != number:
            continue
        traits = (method.backbone, method.paradigm if number == 2 else method.output)
        for setting in ("A", "B"):
            quiet.add(len(rows))
            printed = paper.ROWS[method.name, setting]
            values = [printed.metric(m) for m in METRICS]
            rows.append((paper.label(method.name), *traits, setting, PRINTED, *values))
            for run in runs:
                if paper.family(run.method) == method.name and run.setting == setting:
                    # A variant of ours has another backbone than the paper's method.
                    own = traits if run.method == method.name else ("", traits[1])
                    values = [run.metric(m) for m in METRICS]
                    rows.append((paper.label(run.method), *own, setting, how(run), *values))
    second = Column("paradigm") if number == 2 else Column("output")
    columns = (Column("method"), Column("backbone"), second, Column("setting"), Column("from"))
    return Table(
        f"table{number}",
        title,
        (*columns, *_POINTS),
        tuple(rows),
        _OTHER_DATA,
        frozenset(quiet),
    )


_OTHER_DATA = (
    "Rows marked paper are printed values on the authors' test set; a dash is a value we do not "
    "have. Ours are on the test set named above, so the two may be read beside each other but not "
    "subtracted."
)


def table1(ours: Table1 | None) -> Table:
    """Images and people by split and size, the paper's and ours."""
    rows: list[tuple[Cell, ...]] = []
    quiet = set()
    for split, printed in paper.TABLE_1.items():
        quiet.add(len(rows))
        mean = printed.people_per_image
        rows.append((split, PRINTED, None, printed.people, *printed.sizes, mean))
        if ours is not None and split in ours.rows:
            rows.append((split, "ours", *_counts(ours.rows[split])))
    return Table(
        "table1",
        "Table 1: images and people by split and size",
        (Column("split"), Column("from"), *_COUNTS),
        tuple(rows),
        "Images are those with at least one labelled person.",
        frozenset(quiet),
    )


_COUNTS = (
    *(Column(head, "count") for head in ("images", "people", "small", "medium", "large")),
    Column("people per image", "number"),
)


def _counts(counts: Counts) -> tuple[Cell, ...]:
    return counts.images, counts.people, *counts.sizes, counts.people_per_image


def table5(runs: Sequence[Run]) -> Table:
    """How much training data matters: SimpleBaseline on COCO, on subsets, on everything."""
    rows: list[tuple[Cell, ...]] = [
        ("SimpleBaseline R50", s.trained_on, PRINTED, s.ap, s.ap_s, s.ap_l) for s in paper.TABLE_5
    ]
    quiet = frozenset(range(len(rows)))
    trained_on = {"A": "the COCO part", "B": "the whole training set"}
    for run in runs:
        if paper.family(run.method) == "simple_baseline_r50" and not run.untrained:
            values = [run.metric(m) for m in ("AP", "AP_S", "AP_L")]
            where = trained_on.get(run.setting, run.setting)
            rows.append((paper.label(run.method), where, how(run), *values))
    points = [Column(head, "points", MEANINGS[head]) for head in ("AP", "AP_S", "AP_L")]
    columns = (Column("method"), Column("trained on"), Column("from"), *points)
    title = "Table 5: how much training data matters"
    return Table("table5", title, columns, tuple(rows), _OTHER_DATA, quiet)


def counts_table(sets: Mapping[str, Counts], name: str = "counts", first: str = "set") -> Table:
    """Several sets, or the parts of one, side by side: sizes and densities (Fig. 8)."""
    heads = ("images", "with people", "people", "small", "medium", "large")
    columns = tuple(Column(h, "count") for h in (*heads, "sparse", "moderate", "dense"))
    rows = tuple(
        (
            *(set_name, c.images_in_file, c.images, c.people, *c.sizes, *c.densities),
            c.people_per_image,
        )
        for set_name, c in sets.items()
    )
    return Table(
        name,
        f"Images and people by {first}",
        (Column(first), *columns, Column("people per image", "number")),
        rows,
        "With people: images with at least one labelled person; the mean is over these. Sparse, "
        "moderate and dense are the small people.",
    )
