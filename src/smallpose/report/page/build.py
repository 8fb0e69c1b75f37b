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
from smallpose.report.dataset_report import Drawing
from smallpose.report.images import contact_sheet
from smallpose.report.images.contact_sheet import Answer, Sheet
from smallpose.report.images.density_sheet import density_sheet
from smallpose.report.images.encode import picture_file, pictures_at
from smallpose.report.inputs.scores import Score, by_seeds, score
from smallpose.report.latency import measure
from smallpose.report.page import context as given
from smallpose.report.page.person_browser import MOST_RUNS, Crowd, Said, gather_crowd
from smallpose.report.page.result_figures import result_drawings
from smallpose.report.page.run_figures import change_drawing, density_drawing, latency_drawing
from smallpose.report.page.summary import answer
from smallpose.report.report_data import Material, gather
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
    material = gather(runs)
    scores = _scores(material)
    seeds = by_seeds(material.runs, scores)
    mine = _ours(material, scores)
    claims = _claims(material, mine)
    results = paper_tables.all_results(seeds)
    beside = [
        paper_tables.table1(material.picture.table1 if material.picture else None),
        *(make(seeds) for make in (paper_tables.table2, paper_tables.table3, paper_tables.table5)),
    ]
    sentences = claims.table()
    write_whole(out / "claims.json", claims.to_json())
    parts = material.picture.tables()[1:] if material.picture else []
    said = answer(material, scores)
    others = [
        sentences,
        *paper_tables.other_protocols(seeds),
        *([said.table] if said.table else []),
    ]
    for table in (*results, *beside, *parts, *others):
        table.save(out / "tables")
    drawings = result_drawings(material, scores)
    drawings += _run_drawings(material, scores, mine, latency, out)
    about_data = material.picture.drawings() if material.picture else []
    drawn = {
        drawing.name: figures.save(
            drawing.draw(),
            out / "figures",
            drawing.name,
            drawing.title,
            _subject(drawing, material),
        )
        for drawing in track([*drawings, *about_data], "figures")
    }
    made = _sheets(material)
    for sheet in made:
        file = out / "figures" / f"{sheet.name}.png"
        write_whole(file, picture_file(contact_sheet.paint(sheet), "png"))
    crowd = _crowd(material)
    handed = {
        **given.context(material, results, beside, parts, made),
        **given.overview(material, said),
        **given.people(material, crowd),
        "claims": [given.shown_table(sentences)],
        "drawings": [given.shown_figure(d, drawn[d.name]) for d in drawings],
        "about_data": [given.shown_figure(d, drawn[d.name]) for d in about_data],
    }
    for name, text in crowd.beside() if crowd else ():
        write_whole(out / name, text)
    write_whole(out / "index.html", _render(handed))
    return results


def _subject(drawing: Drawing, material: Material) -> str:
    """For files that travel without the page: what the figure is of."""
    if material.picture is None or material.test is None:
        return ""
    if any(drawing.name == d.name for d in material.picture.drawings()):
        return material.picture.subject
    people = int(material.test.counted.sum())
    where = material.data.name if material.data else "data set"
    return f"test set of {where}: {people:,} people in {len(material.test.images):,} images"


def _scores(material: Material) -> dict[int, Score]:
    """Every run scored on the same draws of images; none where the data is not there."""
    if material.test is None:
        return {}
    return {
        n: score(material.runs[n], material.test, found)
        for n, (found, _) in track(list(material.found.items()), "intervals")
    }


def _ours(material: Material, scores: Mapping[int, Score]) -> Ours | None:
    """The runs as cells of the paper's tables, for its sentences and for Fig. 5."""
    if material.test is None:
        return None
    return ours(material.runs, material.test, _found(material), scores=scores)


def _found(material: Material) -> dict[int, Predictions]:
    return {n: predictions for n, (predictions, _) in material.found.items()}


def _claims(material: Material, mine: Ours | None) -> Claims:
    """The paper's sentences, on its own numbers and on these runs."""
    if material.picture is None:
        return check_claims(runs=mine)
    people = concat(list(material.picture.sets.values()))
    return check_claims(runs=mine, sets=Sets({OWN: people}))


def _run_drawings(
    material: Material, scores: Mapping[int, Score], mine: Ours | None, latency: int, out: Path
) -> list[Drawing]:
    """Fig. 4a, Fig. 5, and latency where it was asked for."""
    made = change_drawing(mine)
    if material.test is None or material.data is None:
        return made
    made = [*density_drawing(material.runs, material.test, _found(material)), *made]
    if latency and not (material.data / "images").is_dir():
        say(f"{material.data}: no pictures, so no run is timed")
    elif latency:
        times = measure(
            material.runs, material.test, pictures_at(material.data / "images"), latency
        )
        rows = [t.to_dict() for t in times.values()]
        write_whole(out / "latency.json", json.dumps(rows, indent=1) + "\n")
        made += latency_drawing(material.runs, times, scores)
    return made


def _sheets(material: Material) -> list[Sheet]:
    """Predictions, people by size, people by source; none without pictures."""
    if material.test is None or material.data is None or material.picture is None:
        return []
    if not (material.data / "images").is_dir():
        say(f"{material.data}: no pictures, so no sheets of people")
        return []
    read = pictures_at(material.data / "images")
    test, out = material.test, []
    answers = _answers(material)
    if answers:
        out.append(contact_sheet.predictions_sheet(test, answers, read))
    out.append(contact_sheet.sample_sheet(test, read))
    out.append(density_sheet(test, read))
    out.append(contact_sheet.source_sheet([test, *material.picture.sets.values()], read))
    return [s for s in out if any(row.tiles for row in s.rows)]


def _answers(material: Material) -> list[Answer]:
    """The best method's runs under A and B, or the best run alone."""
    chosen: dict[str, int] = {}
    for number in material.ranked:
        run = material.runs[number]
        if run.method == material.runs[material.best].method and not (chosen and run.untrained):
            chosen.setdefault(run.setting, number)
    return [
        Answer(setting or material.runs[number].folder.name, *material.found[number])
        for setting, number in sorted(chosen.items())
    ]


def _crowd(material: Material) -> Crowd | None:
    """Everybody in the test set with what the best runs said; None without any result file."""
    order = material.ranked[:MOST_RUNS]
    if material.test is None or material.data is None or not order:
        return None
    folder = material.data / "images"
    read = pictures_at(folder) if folder.is_dir() else None
    label = partial(figures.run_label, runs=material.runs)
    said = [Said(label(material.runs[n]), *material.found[n]) for n in order]
    return gather_crowd(material.test, said, read)


def _render(context: Mapping[str, Any]) -> str:
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
