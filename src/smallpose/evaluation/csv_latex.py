"""An evaluation as CSV, Markdown or LaTeX, for a paper or a spreadsheet."""

import csv
import io

from smallpose.evaluation.evaluate import Evaluation
from smallpose.evaluation.protocols import AP_NAMES, CLASSES
from smallpose.evaluation.scoring.bootstrap import list_ends

_LATEX_MARKS = ["", "^{S}", "^{M}", "^{L}", "^{S}_{Sp}", "^{S}_{Mo}", "^{S}_{De}"]


def format_csv(result: Evaluation) -> str:
    """Format one line per number: protocol, metric, value, ends of the 95 % interval, people."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["protocol", "metric", "value", "low", "high", "people"])
    people = {one.suffix: result.people[one.name] for one in CLASSES}
    for protocol, metrics in result.protocols.items():
        for name, value in metrics.items():
            ends = list_ends(result.intervals.get(protocol, {}).get(name))
            number = "" if value is None else repr(value)
            cells = ["", ""] if ends is None else [repr(end) for end in ends]
            count = people.get(name[2:], people[""])
            writer.writerow([protocol, name, number, *cells, count])
    return text.getvalue()


def format_markdown(result: Evaluation) -> str:
    """Format a table in percent, classes as columns."""
    titles = ["AP" if one.name == "all" else f"AP {one.heading}" for one in CLASSES]
    heading = ["", *titles, "AR"]
    counts = ["people", *(f"{result.people[one.name]:,}" for one in CLASSES), ""]
    rule = ["---"] + ["---:"] * (len(heading) - 1)
    lines = [heading, rule, *_format_rows(result), counts]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def format_latex(result: Evaluation) -> str:
    """Format a booktabs table in percent with the paper's column heads."""
    heading = [f"$AP{mark}$" for mark in _LATEX_MARKS] + ["$AR$"]
    lines = [
        r"\begin{tabular}{l" + "r" * len(heading) + "}",
        r"\toprule",
        " & ".join(["", *heading]) + r" \\",
        r"\midrule",
    ]
    for row in _format_rows(result):
        lines.append(" & ".join(row).replace("–", "--").replace("n/a", "--") + r" \\")
    counts = [f"{result.people[one.name]:,}".replace(",", r"\,") for one in CLASSES]
    lines += [r"\midrule", " & ".join(["people", *counts, ""]) + r" \\"]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _format_rows(result: Evaluation) -> list[list[str]]:
    """Format AP of every class and AR, in percent as the paper prints them."""
    rows = []
    for protocol, metrics in result.protocols.items():
        row = [protocol]
        for name in (*AP_NAMES, "AR"):
            value = metrics[name]
            cell = "n/a" if value is None else f"{100 * value:.1f}"
            interval = result.intervals.get(protocol, {}).get(name)
            if interval is not None:
                cell += f" ({100 * interval.low:.1f}–{100 * interval.high:.1f})"
            row.append(cell)
        rows.append(row)
    return rows
