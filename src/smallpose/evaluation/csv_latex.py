"""Export an evaluation as CSV, Markdown or LaTeX, for a paper or a spreadsheet."""

from smallpose.core.interval import Interval
from smallpose.core.table import Cell, Column, Table
from smallpose.evaluation.evaluate import Evaluation
from smallpose.evaluation.protocols import AP_NAMES, CLASSES
from smallpose.evaluation.scoring.bootstrap import list_ends

_LATEX_MARKS = ("", "^{S}", "^{M}", "^{L}", "^{S}_{Sp}", "^{S}_{Mo}", "^{S}_{De}")


def format_csv(result: Evaluation) -> str:
    """Format one line per number: protocol, metric, value, ends of the 95 % interval, people."""
    heads = ("protocol", "metric", "value", "low", "high", "people")
    people = {one.suffix: result.people[one.name] for one in CLASSES}
    rows: list[tuple[Cell, ...]] = []
    for protocol, metrics in result.protocols.items():
        for name, value in metrics.items():
            ends = list_ends(result.intervals.get(protocol, {}).get(name)) or (None, None)
            rows.append((protocol, name, value, *ends, people.get(name[2:], people[""])))
    return Table("", "", tuple(Column(head, "exact") for head in heads), tuple(rows)).to_csv()


def format_markdown(result: Evaluation) -> str:
    """Format a table in percent, classes as columns."""
    return _build_table(result).to_markdown()


def format_latex(result: Evaluation) -> str:
    """Format a booktabs table in percent with the paper's column heads."""
    return _build_table(result).to_latex()


def _build_table(result: Evaluation) -> Table:
    """Build the table of AP of every class and AR, in percent as the paper prints them."""
    columns = [
        Column("AP" if one.name == "all" else f"AP {one.heading}", "points", latex=f"$AP{mark}$")
        for one, mark in zip(CLASSES, _LATEX_MARKS, strict=True)
    ]
    rows: list[tuple[Cell, ...]] = []
    for protocol, metrics in result.protocols.items():
        intervals = result.intervals.get(protocol, {})
        cells = [_to_percent(metrics[name], intervals.get(name)) for name in (*AP_NAMES, "AR")]
        rows.append((protocol, *cells))
    return Table(
        name="evaluation",
        title="",
        columns=(Column(""), *columns, Column("AR", "points", latex="$AR$")),
        rows=tuple(rows),
        foot=("people", *(f"{result.people[one.name]:,}" for one in CLASSES), ""),
    )


def _to_percent(value: float | None, interval: Interval | None) -> Cell:
    if interval is not None:
        return interval * 100
    return None if value is None else 100 * value
