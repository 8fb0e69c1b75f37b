"""Build the context of the page's template: numbers in words, figures and sheets as data URIs."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from smallpose._version import __version__
from smallpose.core.counts import format_count
from smallpose.core.instances import SOURCES
from smallpose.core.table import Table
from smallpose.evaluation.analysis.cut_scores import collect_score_facts, describe_cut_scores
from smallpose.evaluation.analysis.missing_images import (
    collect_image_facts,
    count_missing_images,
    describe_missing_images,
)
from smallpose.evaluation.comparability import describe_mixed_boxes
from smallpose.report import figures
from smallpose.report.dataset_report import FigureSpec
from smallpose.report.images.contact_sheet import SOURCE_NAMES, ContactSheet, Tile
from smallpose.report.images.encode import encode_image
from smallpose.report.images.sheet_drawing import LEGEND
from smallpose.report.inputs.run_labels import collect_run_notes
from smallpose.report.inputs.runs import PROTOCOLS, Run
from smallpose.report.inputs.scores import RunScore
from smallpose.report.inputs.selections import Selection
from smallpose.report.page.person_browser import BrowserData
from smallpose.report.page.run_details import describe_run
from smallpose.report.page.summary import Summary
from smallpose.report.report_data import ReportData
from smallpose.system.environment import describe_differences

# Name, label and explanation of each error that the person browser filters by.
ERRORS = (
    ("good", "all good", "every labelled joint is close to its label"),
    ("jitter", "jitter", "near its label, but not close"),
    ("inversion", "inversion", "left and right of the same person are swapped"),
    ("swap", "swap", "on a joint of another person"),
    ("miss", "miss", "near no label"),
    ("missed", "missed person", "no prediction is left for the person with an OKS of at least 0.1"),
    ("false", "false positive", "a prediction without a person: background, duplicate or swap"),
)


@dataclass(frozen=True)
class PageTables:
    """The tables of the report, by their place on the page.

    Args:
        results: our own, one per protocol.
        table1: the paper's Table 1 with our counts; None, like the other tables of the paper, on a
            page without runs of ours.
        comparisons: the paper's Tables 2, 3 and 5 with our rows.
        data_parts: the data set's people by source.
        only_files: tables that are written but not shown.
    """

    results: Sequence[Table]
    table1: Table | None = None
    comparisons: Sequence[Table] = ()
    data_parts: Sequence[Table] = ()
    claims: Table | None = None
    only_files: Sequence[Table] = ()

    @property
    def all(self) -> list[Table]:
        """Return all tables."""
        return [
            *self.results,
            *([self.table1] if self.table1 else []),
            *self.comparisons,
            *self.data_parts,
            *([self.claims] if self.claims else []),
            *self.only_files,
        ]


def build_page_context(data: ReportData, tables: PageTables) -> dict[str, Any]:
    """Build the values of the sections on results, claims, data, paper and runs."""
    return {
        "version": __version__,
        "synthetic": data.manifest.synthetic,
        "cards": _build_cards(data),
        "notes": build_notes(data.notes, data.runs, data.scores),
        "is_of_file": data.is_of_file,
        "has_own_runs": data.has_own_runs,
        "has_images": data.images is not None,
        "runs_on_others": [
            figures.label_run(run, data.runs) for run in data.runs if run.data != data.data
        ],
        "claims": render_table(tables.claims) if tables.claims else None,
        "table1": render_table(tables.table1) if tables.table1 else None,
        "comparisons": [render_table(table) for table in tables.comparisons],
        "data_parts": [render_table(table) for table in tables.data_parts],
        "runs": [describe_run(run, data.runs) for run in data.runs],
        "data": data.data.name if data.data else "",
        "manifest": data.manifest,
    }


def build_sheet_context(sheets: Sequence[ContactSheet]) -> dict[str, Any]:
    """Build the values of the contact sheets."""
    by_name = {sheet.name: _render_sheet(sheet) for sheet in sheets}
    names = ("samples", "densities", "sources")
    return {
        "predictions_sheet": by_name.get("predictions"),
        "data_sheets": [by_name[name] for name in names if name in by_name],
        "legend": [(text, f"rgb{colour}") for text, colour in LEGEND.values()],
    }


def build_summary_context(summary: Summary) -> dict[str, Any]:
    """Build the values of the headline, and of the table behind it."""
    return {
        "headline": summary.headline,
        "summary_lines": [_link_notes(line) for line in summary.lines],
        "summary_table": render_table(summary.table) if summary.table else None,
    }


def _link_notes(line: str) -> Markup:
    """Escape a line, and link its words on the notes to them."""
    link = Markup('<a href="#notes">see the notes</a>')
    return escape(line).replace("see the notes", link)


def build_selection_context(
    selections: Sequence[Selection], tables: PageTables, selected: Sequence[Sequence[Table]]
) -> dict[str, Any]:
    """Build the values of the results' tables: of all people, then of each selection.

    Args:
        selected: the tables of each selection but the first.
    """
    shown = [tables.results, *selected]
    keys = [selection.key for selection in selections] or ["all"]
    return {
        "selections": selections,
        "result_sets": [
            {"key": key, "tables": [_render_protocol(table) for table in one]}
            for key, one in zip(keys, shown, strict=True)
        ],
    }


def _render_protocol(table: Table) -> dict[str, Any]:
    protocols = [name for name in PROTOCOLS if table.name.startswith(f"results_{name}")]
    return render_table(table) | {"protocol": protocols[0] if protocols else "coco"}


def build_people_context(data: ReportData, browser: BrowserData | None) -> dict[str, Any]:
    """Build the values of the person browser."""
    if browser is None or data.test is None:
        return {"browser": None}
    sources = sorted(set(data.test.source.tolist()))
    return {
        "browser": browser,
        "browser_json": Markup(browser.to_json()),
        "browser_note": _describe_people(browser) + _describe_false_positives(browser),
        "browser_sources": [(code, SOURCE_NAMES[SOURCES[code]]) for code in sources],
        "browser_errors": ERRORS,
    }


def _describe_people(browser: BrowserData) -> str:
    if browser.num_people == browser.num_scored:
        return (
            f"{format_count(browser.num_people, 'person', 'people')} of the test set, with the "
            "predictions of every run."
        )
    label = browser.data["runs"][0]["label"]
    return (
        f"{browser.num_people:,} of the {format_count(browser.num_scored, 'person', 'people')} of "
        f"the test set: the {browser.num_people // 2:,} worst of {label} and a random sample of "
        "the others. Shares below are of the people shown, not of the test set."
    )


def _describe_false_positives(browser: BrowserData) -> str:
    shown, total = (sum(counts) for counts in zip(*browser.false_positives, strict=True))
    if not total:
        return " No run has a false positive."
    part = f"the {shown:,} of the highest scores are" if shown < total else "all of them are"
    return f" There are {format_count(total, 'false positive')}; {part} listed under “error”."


def _build_cards(data: ReportData) -> list[tuple[str, str]]:
    """Build the pairs of value and label below the headline: of the people who were scored."""
    cards = []
    if data.dataset is not None:
        rows = data.dataset.table1.rows
        is_split = len(rows) > 1
        counts = rows["test"] if is_split else list(rows.values())[-1]
        part = " of the test set" if is_split else ""
        small = 100 * counts.sizes[0] / max(counts.people, 1)
        cards += [
            (f"{counts.people:,}", f"people{part}"),
            (f"{counts.images_in_file:,}", f"images{part}"),
            (f"{small:.0f} %", f"of people{part} are small"),
        ]
    for metric, label in (
        ("AP_S", "AP, small people, best run"),
        ("AP", "AP, all people, same run"),
    ):
        value = data.mean(data.best, metric)
        if value is not None:
            cards.append((f"{value:.1f}", label))
    return cards


def build_notes(
    notes: Sequence[str], runs: Sequence[Run], scores: Mapping[int, RunScore] | None = None
) -> list[str]:
    """Collect the notes on the data, what the runs were computed with, and their evaluations.

    Args:
        scores: of the runs, by their index.
    """
    labels = {figures.label_run(run, runs): run for run in runs}
    environments = {label: run.environment for label, run in labels.items()}
    settings = {label: run.evaluation.get("settings") or {} for label, run in labels.items()}
    differences = [*describe_differences(environments), *describe_mixed_boxes(settings)]
    facts = {
        figures.label_run(runs[index], runs): collect_score_facts(
            score.evaluation, runs[index].environment
        )
        for index, score in (scores or {}).items()
    }
    differences += describe_cut_scores(facts).values()
    image_facts = {
        figures.label_run(runs[index], runs): collect_image_facts(score.evaluation)
        for index, score in (scores or {}).items()
    }
    differences += count_missing_images(image_facts)
    differences += describe_missing_images(image_facts).values()
    of_runs = collect_run_notes(runs)
    # A note on the runs of one set is among those of the evaluations, with the names of the runs.
    of_all = [note for note in notes if not any(one.endswith(f": {note}") for one in of_runs)]
    return list(dict.fromkeys([*of_all, *differences, *of_runs]))


def render_table(table: Table) -> dict[str, Any]:
    """Render a table as HTML, with its note and the name of its files."""
    return {
        "html": Markup(table.to_html()),
        "note": table.note,
        "name": table.name,
        "title": table.title,
    }


def render_figure(spec: FigureSpec, svg: bytes) -> dict[str, Any]:
    """Render a figure in light and dark, with its size in CSS px, so that no content jumps."""
    width, height = _read_svg_size(svg)
    return {
        "name": spec.name,
        "title": spec.title,
        "alt": spec.alt,
        "light": _build_data_uri(svg, "image/svg+xml"),
        "dark": _build_data_uri(figures.recolour_dark(svg), "image/svg+xml"),
        "width": width,
        "height": height,
    }


def _read_svg_size(svg: bytes) -> tuple[int, int]:
    """Read the px of one of our SVGs, whose view box is in points."""
    match = re.search(rb'viewBox="[\d.]+ [\d.]+ ([\d.]+) ([\d.]+)"', svg)
    assert match is not None
    width, height = (round(float(side) * 4 / 3) for side in match.groups())
    return width, height


def _render_sheet(sheet: ContactSheet) -> dict[str, Any]:
    rows = [
        {
            "title": row.title,
            "note": row.note,
            "tiles": [_render_tile(tile) for tile in row.tiles],
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


def _render_tile(tile: Tile) -> dict[str, Any]:
    return {
        "src": _build_data_uri(encode_image(tile.image, "webp"), "image/webp"),
        "width": tile.image.shape[1] // 2,
        "height": tile.image.shape[0] // 2,
        "caption": tile.caption,
        "alt": tile.alt,
    }


def _build_data_uri(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
