"""Build the report page: finished runs and their data set as one HTML file that needs no network.

`write_report` reads the runs, writes everything on the page also as a file of its own (tables as
Markdown and CSV, figures and contact sheets as PNG and SVG), and writes `index.html` last.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from smallpose.core.concat_instances import concat_instances
from smallpose.core.counts import format_count
from smallpose.core.predictions import Predictions
from smallpose.core.table import Table
from smallpose.io.unknown_images import UnknownImages
from smallpose.report import figures
from smallpose.report.claims.check import CheckedClaims, check_claims
from smallpose.report.claims.datasets import OWN, DatasetSource
from smallpose.report.claims.our_runs import OurResults, collect_our_results
from smallpose.report.dataset_report import FigureSpec
from smallpose.report.images.contact_sheet import (
    ContactSheet,
    ReadImage,
    build_predictions_sheet,
    build_sample_sheet,
    build_source_sheet,
)
from smallpose.report.images.density_sheet import build_density_sheet
from smallpose.report.images.encode import encode_image, open_image_reader
from smallpose.report.images.sheet_drawing import draw_sheet
from smallpose.report.inputs.person_matching import RunPredictions
from smallpose.report.inputs.run_labels import describe_own_sets
from smallpose.report.inputs.scores import RunScore, SeedGroup, group_scores
from smallpose.report.inputs.selections import (
    Selection,
    list_selections,
    read_leaking_images,
)
from smallpose.report.latency import measure_latencies
from smallpose.report.page import context
from smallpose.report.page.cost_section import CostOptions, build_cost_section
from smallpose.report.page.curve_context import CurveSection, build_curve_section
from smallpose.report.page.difference_table import build_difference_table
from smallpose.report.page.learning_section import make_learning_figure
from smallpose.report.page.person_browser import MAX_RUNS, BrowserData, build_browser_data
from smallpose.report.page.quality_figures import report_quality
from smallpose.report.page.resolution_section import (
    build_resolution_context,
    split_resolution_folders,
)
from smallpose.report.page.result_figures import make_result_figures
from smallpose.report.page.run_figures import (
    make_change_figure,
    make_density_figure,
    make_latency_figure,
)
from smallpose.report.page.selected_results import build_selected_tables
from smallpose.report.page.summary import choose_styles, summarize_runs
from smallpose.report.report_data import ReportData, read_report_data
from smallpose.report.tables import paper_tables
from smallpose.report.tables.files import save_table
from smallpose.system.files import write_atomically
from smallpose.system.progress import print_status, show_progress


class WrittenReport(NamedTuple):
    """What the terminal shows of a report.

    Args:
        results: the tables of results, one per protocol, the paper's first.
        notes: what a reader of the numbers should know, as on the page.
    """

    results: list[Table]
    notes: list[str]


def write_report(
    paths: Sequence[Path],
    out: Path,
    num_latency_images: int = 0,
    *,
    names: Sequence[str] = (),
    images: Path | None = None,
    category: Sequence[str] = (),
    sigmas: Path | None = None,
    unknown_images: UnknownImages = "refuse",
    costs: CostOptions | None = None,
) -> WrittenReport:
    """Write the report of runs, or of result files and their ground truth, into `out`.

    Args:
        paths, names, images, category, sigmas, unknown_images: as for `read_report_data`.
            Folders that `smallpose resolution` wrote become a section.
        num_latency_images: images to time each run on; with 0 no run is timed, and the same runs
            give the same files.
        costs: measure or read what the methods cost for an image (default: not on the page).

    Raises: InputError when the paths are no finished runs, or no ground truth with its results.
    """
    paths, studies = split_resolution_folders(paths)
    data = read_report_data(
        paths,
        names=names,
        images=images,
        category=category,
        sigmas=sigmas,
        unknown_images=unknown_images,
    )
    scores = data.scores
    our_results = _collect_our_results(data, scores)
    claims = _check_claims(data, our_results) if data.has_runs_of_paper else None
    if claims is not None:
        write_atomically(out / "claims.json", claims.to_json())
    tables = _build_tables(group_scores(data.runs, scores), data, claims)
    summary = summarize_runs(data, scores)
    difference = build_difference_table(data, summary)
    selections = _list_selections(data)
    selected = build_selected_tables(data, selections)
    extra = [*itertools.chain(*selected), *filter(None, (summary.table, difference))]
    for table in [*tables.all, *extra]:
        save_table(table, out / "tables")
    result_figures = make_result_figures(data, scores)
    quality = report_quality(data, scores)
    result_figures += quality.figures
    for table in quality.tables:
        save_table(table, out / "tables")
    curves = build_curve_section(data, summary, selections)
    result_figures += _make_run_figures(data, our_results, curves, num_latency_images, out)
    cost_section = build_cost_section(data, costs, out)
    result_figures += (*cost_section.figures, *make_learning_figure(data))
    for table in cost_section.tables:
        save_table(table, out / "tables")
    data_figures = _list_data_figures(data)
    svgs = _draw_figures([*result_figures, *data_figures], data, out / "figures")
    read = _open_images(data)
    sheets = _build_sheets(data, read)
    for sheet in sheets:
        image = encode_image(draw_sheet(sheet), "png")
        write_atomically(out / "figures" / f"{sheet.name}.png", image)
    browser = _build_browser(data, read)
    for name, text in browser.list_external_packs() if browser else ():
        write_atomically(out / name, text)
    values: dict[str, Any] = {
        **context.build_page_context(data, tables),
        **context.build_sheet_context(sheets),
        **context.build_summary_context(summary),
        "difference": context.render_table(difference) if difference else None,
        **context.build_selection_context(selections, tables, selected),
        **curves.values,
        **context.build_people_context(data, browser),
        **build_resolution_context(studies, out),
        "quality_tables": [
            context.render_table(table) for table in (*quality.tables, *cost_section.tables)
        ],
        "result_figures": [context.render_figure(f, svgs[f.name]) for f in result_figures],
        "data_figures": [context.render_figure(f, svgs[f.name]) for f in data_figures],
    }
    write_atomically(out / "index.html", _render_page(values))
    return WrittenReport(list(tables.results), values["notes"])


def _build_tables(
    groups: Sequence[SeedGroup], data: ReportData, claims: CheckedClaims | None
) -> context.PageTables:
    if claims is None:
        return context.PageTables(
            results=paper_tables.build_all_results(groups),
            data_parts=_build_data_tables(data),
        )
    return context.PageTables(
        results=paper_tables.build_all_results(groups),
        table1=_build_table1(data) if data.is_built or data.data is None else None,
        comparisons=[
            paper_tables.build_table2(groups),
            paper_tables.build_table3(groups),
            paper_tables.build_table5(groups),
        ],
        data_parts=_build_data_tables(data),
        claims=claims.to_table(),
        only_files=paper_tables.build_other_protocols(groups),
    )


def _list_selections(data: ReportData) -> list[Selection]:
    """List the selections of people that numbers are offered for; none without ground truth."""
    if data.test is None or not data.results:
        return []
    return list_selections(data.test, read_leaking_images(data.data))


def _list_data_figures(data: ReportData) -> list[FigureSpec]:
    """List the figures of the set; of a ground truth that was given, `smallpose stats` has them."""
    return data.dataset.list_figures() if data.dataset and not data.is_of_file else []


def _build_table1(data: ReportData) -> Table:
    return paper_tables.build_table1(data.dataset.table1 if data.dataset else None)


def _build_data_tables(data: ReportData) -> list[Table]:
    """Build the tables of the people; the first one has the same counts as Table 1."""
    tables = data.dataset.build_tables() if data.dataset else []
    return tables[1:] if data.is_built and data.has_runs_of_paper else tables


def _draw_figures(specs: Sequence[FigureSpec], data: ReportData, folder: Path) -> dict[str, bytes]:
    """Draw and save all figures; return their SVG by name."""
    return {
        spec.name: figures.save_figure(
            spec.draw(), folder, spec.name, spec.title, _describe_subject(spec, data)
        )
        for spec in show_progress(specs, "figures")
    }


def _describe_subject(spec: FigureSpec, data: ReportData) -> str:
    """Describe the data of a figure, for files that are shared without the page."""
    if data.dataset is None or data.test is None:
        return ""
    if any(spec.name == other.name for other in data.dataset.list_figures()):
        return data.dataset.description
    num_people = int(data.test.is_counted.sum())
    name = data.data.name if data.data else "data set"
    people = format_count(num_people, "person", "people")
    return f"test set of {name}: {people} in {format_count(len(data.test.images), 'image')}"


def _collect_our_results(data: ReportData, scores: Mapping[int, RunScore]) -> OurResults | None:
    """Collect the runs as cells of the paper's tables, for the claims and for Fig. 5."""
    if data.test is None or not data.has_own_runs:
        return None
    return collect_our_results(data.runs, data.test, _list_predictions(data), scores=scores)


def _list_predictions(data: ReportData) -> dict[int, Predictions]:
    return {index: result.predictions for index, result in data.results.items()}


def _check_claims(data: ReportData, our_results: OurResults | None) -> CheckedClaims:
    """Check the paper's sentences on its own numbers and on these runs."""
    note = describe_own_sets(data.runs)
    notes = [note] if note else []
    if data.dataset is None or not data.is_built:
        return check_claims(runs=our_results, notes=notes)
    people = concat_instances(list(data.dataset.sets.values()))
    return check_claims(runs=our_results, datasets=DatasetSource({OWN: people}), notes=notes)


def _make_run_figures(
    data: ReportData,
    our_results: OurResults | None,
    curves: CurveSection,
    num_latency_images: int,
    out: Path,
) -> list[FigureSpec]:
    """Make Fig. 4a, Fig. 5, and latency if it is wanted."""
    specs = make_change_figure(our_results)
    if data.test is None or data.data is None:
        return specs
    styles = choose_styles(data)
    predictions = _list_predictions(data)
    specs = [
        *make_density_figure(data.runs, data.test, predictions, styles, curves.density),
        *specs,
    ]
    if num_latency_images and data.images is None:
        print_status(f"{data.data}: it has no images, so no run is timed")
    elif num_latency_images and data.images is not None:
        read = open_image_reader(data.images, [data.test.images])
        latencies = measure_latencies(data.runs, data.test, read, num_latency_images)
        rows = [latency.to_dict() for latency in latencies.values()]
        write_atomically(out / "latency.json", json.dumps(rows, indent=1) + "\n")
        specs += make_latency_figure(data.runs, latencies, data.scores, styles)
    return specs


def _open_images(data: ReportData) -> ReadImage | None:
    """Open the images of the data set, if it has any."""
    if data.data is None:
        return None
    if data.images is None:
        print_status(f"{data.data}: {_describe_missing_images(data)}")
        return None
    tables = [] if data.dataset is None else data.dataset.sets.values()
    return open_image_reader(data.images, [people.images for people in tables])


def _describe_missing_images(data: ReportData) -> str:
    if data.is_of_file:
        return "no images were given (--images DIR), so people are drawn without them"
    return "it has no images, so no contact sheets are drawn"


def _build_sheets(data: ReportData, read: ReadImage | None) -> list[ContactSheet]:
    """Build the sheets of predictions, and of people by size, density and source."""
    if data.test is None or data.dataset is None or read is None:
        return []
    sheets = []
    results = _choose_sheet_results(data)
    if results:
        sheets.append(build_predictions_sheet(data.test, results, read))
    sheets.append(build_sample_sheet(data.test, read))
    sheets.append(build_density_sheet(data.test, read))
    sheets.append(build_source_sheet([data.test, *data.dataset.sets.values()], read))
    return [sheet for sheet in sheets if sheet.has_tiles]


def _choose_sheet_results(data: ReportData) -> list[RunPredictions]:
    """Choose the best method's runs under A and B, or the best run alone."""
    chosen: dict[str, int] = {}
    for index in data.ranked:
        run = data.runs[index]
        if run.method == data.runs[data.best].method and not (chosen and run.is_untrained):
            chosen.setdefault(run.setting, index)
    return [data.results[index] for _, index in sorted(chosen.items())]


def _build_browser(data: ReportData, read: ReadImage | None) -> BrowserData | None:
    """Collect the people of the test set with the best runs; None without any result file."""
    best = data.ranked[:MAX_RUNS]
    if data.test is None or not best:
        return None
    return build_browser_data(data.test, [data.results[index] for index in best], read)


def _render_page(values: Mapping[str, Any]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [
                jinja2.PackageLoader("smallpose.report.page", "templates"),
                jinja2.PackageLoader("smallpose.report.page", "static"),
            ]
        ),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("page.html").render(values) + "\n"
