"""The page: finished runs, and the data they were trained on, as one HTML file without a network.

`make_report` reads, computes nothing that has no file of its own (tables as Markdown and CSV,
figures and sheets as PNG and SVG), and writes `index.html` last.
"""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jinja2

from smallpose.core.instances import concat
from smallpose.core.predictions import Predictions
from smallpose.report import figures
from smallpose.report.claims.check import Claims, check_claims
from smallpose.report.claims.claims_datasets import OWN, Sets
from smallpose.report.claims.our_runs import Ours, ours
from smallpose.report.dataset_report import FigureSpec
from smallpose.report.images import contact_sheet
from smallpose.report.images.contact_sheet import Answer, ContactSheet
from smallpose.report.images.density_sheet import build_density_sheet
from smallpose.report.images.encode import encode_image, open_image_reader
from smallpose.report.inputs.scores import RunScore, group_scores, score_run
from smallpose.report.latency import measure_latencies
from smallpose.report.page import context as given
from smallpose.report.page.person_browser import MAX_RUNS, BrowserData, Said, build_browser_data
from smallpose.report.page.result_figures import make_result_figures
from smallpose.report.page.run_figures import (
    make_change_figure,
    make_density_figure,
    make_latency_figure,
)
from smallpose.report.page.summary import summarize_runs
from smallpose.report.report_data import ReportData, read_report_data
from smallpose.report.tables import paper_tables
from smallpose.report.tables.paper_tables import Table
from smallpose.system.files import write_whole
from smallpose.system.progress import say, track


def make_report(runs: Sequence[Path], out: Path, latency: int = 0) -> list[Table]:
    """Write the report of these runs' folders into `out`.

    Args:
        latency: images to time each run on; 0 for none, and then the same runs give the same files.

    Returns: the tables of our own results, one per protocol, the paper's first.
    Raises: InputError when a folder is no finished run.
    """
    material = read_report_data(runs)
    scores = _score_runs(material)
    seeds = group_scores(material.runs, scores)
    mine = _collect_our_results(material, scores)
    claims = _check_claims(material, mine)
    results = paper_tables.all_results(seeds)
    beside = [
        paper_tables.table1(material.picture.table1 if material.picture else None),
        *(make(seeds) for make in (paper_tables.table2, paper_tables.table3, paper_tables.table5)),
    ]
    sentences = claims.table()
    write_whole(out / "claims.json", claims.to_json())
    parts = material.picture.tables()[1:] if material.picture else []
    said = summarize_runs(material, scores)
    others = [
        sentences,
        *paper_tables.other_protocols(seeds),
        *([said.table] if said.table else []),
    ]
    for table in (*results, *beside, *parts, *others):
        table.save(out / "tables")
    drawings = make_result_figures(material, scores)
    drawings += _make_run_figures(material, scores, mine, latency, out)
    about_data = material.picture.drawings() if material.picture else []
    drawn = {
        drawing.name: figures.save(
            drawing.draw(),
            out / "figures",
            drawing.name,
            drawing.title,
            _describe_subject(drawing, material),
        )
        for drawing in track([*drawings, *about_data], "figures")
    }
    made = _build_sheets(material)
    for sheet in made:
        file = out / "figures" / f"{sheet.name}.png"
        write_whole(file, encode_image(contact_sheet.draw_sheet(sheet), "png"))
    crowd = _crowd(material)
    handed = {
        **given.build_context(material, results, beside, parts, made),
        **given.build_summary_context(material, said),
        **given.build_people_context(material, crowd),
        "claims": [given.render_table(sentences)],
        "drawings": [given.render_figure(d, drawn[d.name]) for d in drawings],
        "about_data": [given.render_figure(d, drawn[d.name]) for d in about_data],
    }
    for name, text in crowd.beside() if crowd else ():
        write_whole(out / name, text)
    write_whole(out / "index.html", _render_page(handed))
    return results


def _describe_subject(drawing: FigureSpec, material: ReportData) -> str:
    """For files that travel without the page: what the figure is of."""
    if material.picture is None or material.test is None:
        return ""
    if any(drawing.name == d.name for d in material.picture.drawings()):
        return material.picture.subject
    people = int(material.test.counted.sum())
    where = material.data.name if material.data else "data set"
    return f"test set of {where}: {people:,} people in {len(material.test.images):,} images"


def _score_runs(material: ReportData) -> dict[int, RunScore]:
    """Every run scored on the same draws of images; none where the data is not there."""
    if material.test is None:
        return {}
    return {
        n: score_run(material.runs[n], material.test, found)
        for n, (found, _) in track(list(material.found.items()), "intervals")
    }


def _collect_our_results(material: ReportData, scores: Mapping[int, RunScore]) -> Ours | None:
    """The runs as cells of the paper's tables, for its sentences and for Fig. 5."""
    if material.test is None:
        return None
    return ours(material.runs, material.test, _found(material), scores=scores)


def _found(material: ReportData) -> dict[int, Predictions]:
    return {n: predictions for n, (predictions, _) in material.found.items()}


def _check_claims(material: ReportData, mine: Ours | None) -> Claims:
    """The paper's sentences, on its own numbers and on these runs."""
    if material.picture is None:
        return check_claims(runs=mine)
    people = concat(list(material.picture.sets.values()))
    return check_claims(runs=mine, sets=Sets({OWN: people}))


def _make_run_figures(
    material: ReportData, scores: Mapping[int, RunScore], mine: Ours | None, latency: int, out: Path
) -> list[FigureSpec]:
    """Fig. 4a, Fig. 5, and latency where it was asked for."""
    made = make_change_figure(mine)
    if material.test is None or material.data is None:
        return made
    made = [*make_density_figure(material.runs, material.test, _found(material)), *made]
    if latency and not (material.data / "images").is_dir():
        say(f"{material.data}: no pictures, so no run is timed")
    elif latency:
        times = measure_latencies(
            material.runs, material.test, open_image_reader(material.data / "images"), latency
        )
        rows = [t.to_dict() for t in times.values()]
        write_whole(out / "latency.json", json.dumps(rows, indent=1) + "\n")
        made += make_latency_figure(material.runs, times, scores)
    return made


def _build_sheets(material: ReportData) -> list[ContactSheet]:
    """Predictions, people by size, people by source; none without pictures."""
    if material.test is None or material.data is None or material.picture is None:
        return []
    if not (material.data / "images").is_dir():
        say(f"{material.data}: no pictures, so no sheets of people")
        return []
    read = open_image_reader(material.data / "images")
    test, out = material.test, []
    answers = _answers(material)
    if answers:
        out.append(contact_sheet.build_predictions_sheet(test, answers, read))
    out.append(contact_sheet.build_sample_sheet(test, read))
    out.append(build_density_sheet(test, read))
    out.append(contact_sheet.build_source_sheet([test, *material.picture.sets.values()], read))
    return [s for s in out if any(row.tiles for row in s.rows)]


def _answers(material: ReportData) -> list[Answer]:
    """The best method's runs under A and B, or the best run alone."""
    chosen: dict[str, int] = {}
    for number in material.ranked:
        run = material.runs[number]
        if run.method == material.runs[material.best].method and not (chosen and run.is_untrained):
            chosen.setdefault(run.setting, number)
    return [
        Answer(setting or material.runs[number].folder.name, *material.found[number])
        for setting, number in sorted(chosen.items())
    ]


def _crowd(material: ReportData) -> BrowserData | None:
    """Everybody in the test set with what the best runs said; None without any result file."""
    order = material.ranked[:MAX_RUNS]
    if material.test is None or material.data is None or not order:
        return None
    folder = material.data / "images"
    read = open_image_reader(folder) if folder.is_dir() else None
    label = partial(figures.run_label, runs=material.runs)
    said = [Said(label(material.runs[n]), *material.found[n]) for n in order]
    return build_browser_data(material.test, said, read)


def _render_page(context: Mapping[str, Any]) -> str:
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
    return environment.get_template("page.html").render(context) + "\n"
