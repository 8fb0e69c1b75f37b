"""An evaluation as CSV, Markdown or LaTeX, for a paper or a spreadsheet."""

import csv
import io

from smallpose.evaluation.evaluate import Evaluation
from smallpose.evaluation.protocols import CLASSES

_HEADINGS = [title for _, _, title in CLASSES]
_LATEX = ["", "^{S}", "^{M}", "^{L}", "^{S}_{Sp}", "^{S}_{Mo}", "^{S}_{De}"]


def format_csv(result: Evaluation) -> str:
    """One line per number: protocol, metric, value, low and high end of 95 %, people."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["protocol", "metric", "value", "low", "high", "people"])
    people = {suffix: result.people[name] for name, suffix, _ in CLASSES}
    for protocol, numbers in result.protocols.items():
        for name, value in numbers.items():
            ends = [repr(end) for end in result.intervals.get(protocol, {}).get(name) or ()]
            count = people[name[2:] if name[2:] in people else ""]
            writer.writerow(
                [protocol, name, "" if value is None else repr(value), *(ends or ["", ""]), count]
            )
    return out.getvalue()


def _rows(result: Evaluation, name: str = "{}") -> list[list[str]]:
    """AP of every class and AR, in percent as the paper prints them."""
    rows = []
    for protocol, numbers in result.protocols.items():
        row = [name.format(protocol)]
        for metric in (*(f"AP{suffix}" for _, suffix, _ in CLASSES), "AR"):
            value = numbers[metric]
            cell = "n/a" if value is None else f"{100 * value:.1f}"
            ends = result.intervals.get(protocol, {}).get(metric)
            if ends:
                cell += f" ({100 * ends[0]:.1f}–{100 * ends[1]:.1f})"
            row.append(cell)
        rows.append(row)
    return rows


def format_markdown(result: Evaluation) -> str:
    """A table in percent, classes as columns."""
    heading = ["", *(f"AP {t}" if t != "all" else "AP" for t in _HEADINGS), "AR"]
    counts = ["people", *(f"{result.people[n]:,}" for n, _, _ in CLASSES), ""]
    lines = [heading, ["---"] + ["---:"] * (len(heading) - 1), *_rows(result), counts]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def format_latex(result: Evaluation) -> str:
    """A booktabs table in percent with the paper's column heads."""
    heads = [f"$AP{mark}$" for mark in _LATEX] + ["$AR$"]
    lines = [
        r"\begin{tabular}{l" + "r" * len(heads) + "}",
        r"\toprule",
        " & ".join(["", *heads]) + r" \\",
        r"\midrule",
    ]
    for row in _rows(result):
        lines.append(" & ".join(row).replace("–", "--").replace("n/a", "--") + r" \\")
    counts = [f"{result.people[n]:,}".replace(",", r"\,") for n, _, _ in CLASSES]
    lines += [r"\midrule", " & ".join(["people", *counts, ""]) + r" \\"]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])
