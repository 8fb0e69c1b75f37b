"""What the page's template is given: numbers as words, figures and sheets as data URIs."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from smallpose._version import __version__
from smallpose.core.instances import SOURCES
from smallpose.core.table import Cell, Column, Table
from smallpose.report import figures
from smallpose.report.dataset_report import FigureSpec
from smallpose.report.images import contact_sheet
from smallpose.report.images.contact_sheet import ContactSheet
from smallpose.report.images.encode import encode_image
from smallpose.report.images.sheet_drawing import LEGEND
from smallpose.report.inputs.runs import Run
from smallpose.report.page.curves import compute_curves
from smallpose.report.page.person_browser import BrowserData, Said
from smallpose.report.page.result_figures import MAX_CURVES
from smallpose.report.page.run_details import describe_run
from smallpose.report.page.summary import Summary
from smallpose.report.report_data import ReportData


def build_context(
    material: ReportData,
    results: Sequence[Table],
    beside: Sequence[Table],
    parts: Sequence[Table],
    made: Sequence[ContactSheet],
) -> dict[str, Any]:
    """Everything but the overview, the people and the figures.

    Args:
        results: our own, a table a protocol; `beside` the paper's, and `parts` of the data set.
        made: sheets of people that were drawn.
    """
    by_name = {sheet.name: _render_sheet(sheet) for sheet in made}
    return {
        "version": __version__,
        "synthetic": material.manifest.synthetic,
        "cards": _build_cards(material),
        "results": [render_table(t) for t in results],
        "notes": _collect_notes(material.runs),
        "all_share": all(run.data == material.data for run in material.runs),
        "predictions": by_name.get("predictions"),
        "samples": [by_name[n] for n in ("samples", "densities", "sources") if n in by_name],
        "table1": render_table(beside[0]),
        "beside": [render_table(t) for t in beside[1:]],
        "parts": [render_table(t) for t in parts],
        "runs": [describe_run(run) for run in material.runs],
        "data": material.data.name if material.data else "",
        "manifest": material.manifest,
        "legend": [(text, f"rgb{colour}") for text, colour in LEGEND.values()],
    }


def build_summary_context(material: ReportData, said: Summary) -> dict[str, Any]:
    """The answer, and the curves that it is read from."""
    out: dict[str, Any] = {
        "headline": said.headline,
        "answers": said.lines,
        "answer_table": render_table(said.table) if said.table else None,
        "curves": None,
    }
    runs = [(run.colour, Said(run.drawn, *material.found[run.number])) for run in said.runs]
    if material.test is None or not runs:
        return out
    drawn = compute_curves(material.test, runs[:MAX_CURVES])
    first = Table("along_height", "Along height", *_build_curve_table(drawn["runs"]))
    return out | {
        "curves": _encode_for_script(drawn),
        "axes": drawn["axes"],
        "curves_runs": drawn["runs"],
        "curves_alt": "AP of each run along the height of people, their keypoint density, or the "
        "crowding of their image; the table below holds the same numbers along height",
        "curves_table": render_table(first),
        "curves_note": "Bins hold equally many people; AP by protocol owned, so that each false "
        "positive counts in one bin. Pale areas are 95 % intervals, from drawing whole images "
        "or videos.",
    }


def _build_curve_table(
    runs: Sequence[Mapping[str, Any]],
) -> tuple[tuple[Column, ...], tuple[tuple[Cell, ...], ...]]:
    columns = (
        Column("run"),
        Column("from, px", "number"),
        Column("to, px", "number"),
        Column("people", "count"),
        Column("AP", "points"),
        Column("95 %, low", "points"),
        Column("95 %, high", "points"),
        Column("found, %", "points"),
    )
    return columns, tuple((run["label"], *row) for run in runs for row in run["along"]["height"])


def _encode_for_script(data: Mapping[str, Any]) -> Markup:
    """JSON inside a script element; "<" cannot end it."""
    return Markup(json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"))


def build_people_context(material: ReportData, crowd: BrowserData | None) -> dict[str, Any]:
    """What the browser of people needs."""
    if crowd is None or material.test is None:
        return {"crowd": None}
    there = sorted(set(material.test.source.tolist()))
    note = f"{crowd.people:,} people of the test set, each with what every run found there."
    if crowd.people < crowd.judged:
        half = crowd.people // 2
        note = (
            f"{crowd.people:,} of the {crowd.judged:,} people of the test set: the {half:,} worst "
            f"of {crowd.data['runs'][0]['label']} and a random draw of the others, so shares below "
            "are of those shown and not of the test set."
        )
    note += _describe_false_positives(crowd)
    return {
        "crowd": crowd,
        "crowd_json": Markup(crowd.to_json()),
        "crowd_note": note,
        "crowd_sources": [(n, contact_sheet.SOURCE_NAMES[SOURCES[n]]) for n in there],
        "crowd_errors": ERRORS,
    }


def _describe_false_positives(crowd: BrowserData) -> str:
    """Which predictions without a person there are."""
    shown, there = (sum(counts) for counts in zip(*crowd.false, strict=True))
    if not there:
        return " No run has a false positive."
    few = f"the {shown:,} of the highest scores" if shown < there else "all of them"
    return f" There are {there:,} false positives; {few} can be looked at under “error”."


ERRORS = (
    ("good", "all good", "every labelled joint close to its label"),
    ("jitter", "jitter", "near its label, but not close"),
    ("inversion", "inversion", "left and right of the same person mixed up"),
    ("swap", "swap", "on a joint of another person"),
    ("miss", "miss", "near no label"),
    ("missed", "not met", "nobody was found, or nobody with OKS from 0.1"),
    ("false", "false positive", "a prediction that belongs to nobody: background, duplicate, swap"),
)


def _build_cards(material: ReportData) -> list[tuple[str, str]]:
    cards = []
    if material.picture is not None:
        counts = list(material.picture.table1.rows.values())[-1]
        cards += [(f"{counts.people:,}", "people"), (f"{counts.images_in_file:,}", "images")]
        cards.append((f"{100 * counts.sizes[0] / max(counts.people, 1):.0f} %", "of them small"))
    for metric, words in (("AP_S", "AP, small people, best run"), ("AP", "its AP, everybody")):
        value = material.mean(material.best, metric)
        if value is not None:
            cards.append((f"{value:.1f}", words))
    return cards


def _collect_notes(runs: Sequence[Run]) -> list[str]:
    """What the evaluations say a reader should know, and of which runs unless it is of all."""
    whose: dict[str, list[str]] = {}
    for run in runs:
        for note in run.evaluation.get("notes") or ():
            whose.setdefault(str(note), []).append(figures.label_run(run, runs))
    return [
        note if len(names) == len(runs) else f"{', '.join(names)}: {note}"
        for note, names in whose.items()
    ]


def render_table(table: Table) -> dict[str, Any]:
    """A table with its note and the name of its files."""
    return {"html": Markup(table.to_html()), "note": table.note, "name": table.name}


def render_figure(drawing: FigureSpec, svg: bytes) -> dict[str, Any]:
    """A figure by day and by night, with its size in CSS px, so that nothing moves."""
    width, height = _read_svg_size(svg)
    return {
        "name": drawing.name,
        "title": drawing.title,
        "alt": drawing.alt,
        "light": _build_data_uri(svg, "image/svg+xml"),
        "dark": _build_data_uri(figures.recolour_dark(svg), "image/svg+xml"),
        "width": width,
        "height": height,
    }


def _read_svg_size(svg: bytes) -> tuple[int, int]:
    """px of an SVG of ours, whose view box is in points."""
    found = re.search(rb'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert found is not None
    width, height = (round(float(side) * 4 / 3) for side in found.groups())
    return width, height


def _render_sheet(sheet: ContactSheet) -> dict[str, Any]:
    rows = [
        {
            "title": row.title,
            "note": row.note,
            "tiles": [
                {
                    "src": _build_data_uri(encode_image(t.image, "webp"), "image/webp"),
                    "width": t.image.shape[1] // 2,
                    "height": t.image.shape[0] // 2,
                    "caption": t.caption,
                    "alt": t.alt,
                }
                for t in row.tiles
            ],
        }
        for row in sheet.rows
        if row.tiles
    ]
    return {
        "name": sheet.name,
        "title": sheet.title,
        "note": sheet.note,
        "panels": sheet.panels if len(sheet.panels) > 1 else (),
        "rows": rows,
    }


def _build_data_uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
