"""The page: finished runs, and the data they were trained on, as one HTML file without a network.

`make_report` reads, computes nothing that has no file of its own (tables as Markdown and CSV,
figures and sheets as PNG and SVG), and writes `index.html` last.
"""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from smallpose._version import __version__
from smallpose.core.files import write_whole
from smallpose.core.progress import say, track
from smallpose.report import figures, paper, sheets, tables
from smallpose.report.along import curves
from smallpose.report.claims.check import Claims, check_claims
from smallpose.report.claims.ours import Ours, ours
from smallpose.report.claims.sets import OWN, Sets
from smallpose.report.crowd import MOST_RUNS, Crowd, Said, gather_crowd
from smallpose.report.data import Drawing
from smallpose.report.gallery import density_sheet
from smallpose.report.latency import measure
from smallpose.report.material import Material, gather
from smallpose.report.overview import Overview, answer, looks_of
from smallpose.report.people import found_by_height
from smallpose.report.pictures import picture_file, pictures_at
from smallpose.report.results import Run
from smallpose.report.run_drawings import change_drawing, density_drawing, latency_drawing
from smallpose.report.scores import Score, Seeds, by_seeds, score
from smallpose.report.sheets import Answer, Sheet
from smallpose.report.tables import Cell, Column, Table
from smallpose.table.instances import SOURCES, Instances, concat
from smallpose.table.predictions import Predictions

MOST_BARS = 4  # runs beside each other in a bar chart
MOST_CURVES = 6


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
    results = tables.all_results(seeds)
    beside = [
        tables.table1(material.picture.table1 if material.picture else None),
        *(make(seeds) for make in (tables.table2, tables.table3, tables.table5)),
    ]
    sentences = claims.table()
    write_whole(out / "claims.json", claims.to_json())
    parts = material.picture.tables()[1:] if material.picture else []
    said = answer(material, scores)
    others = [sentences, *tables.other_protocols(seeds), *([said.table] if said.table else [])]
    for table in (*results, *beside, *parts, *others):
        table.save(out / "tables")
    drawings = _result_drawings(material, scores)
    drawings += _run_drawings(material, scores, mine, latency, out)
    about_data = material.picture.drawings() if material.picture else []
    drawn = {
        drawing.name: figures.save(
            *(drawing.draw(), out / "figures", drawing.name, drawing.title),
            _subject(drawing, material),
        )
        for drawing in track([*drawings, *about_data], "figures")
    }
    made = _sheets(material)
    for sheet in made:
        file = out / "figures" / f"{sheet.name}.png"
        write_whole(file, picture_file(sheets.paint(sheet), "png"))
    crowd = _crowd(material)
    context = {
        **_context(material, results, beside, parts, made),
        **_overview(material, said),
        **_people(material, crowd),
        "claims": [_table(sentences)],
        "drawings": [_figure(d, drawn[d.name]) for d in drawings],
        "about_data": [_figure(d, drawn[d.name]) for d in about_data],
    }
    for name, text in crowd.beside() if crowd else ():
        write_whole(out / name, text)
    write_whole(out / "index.html", _render(context))
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
    if latency and (material.data / "images").is_dir():
        times = measure(
            material.runs, material.test, pictures_at(material.data / "images"), latency
        )
        rows = [t.to_dict() for t in times.values()]
        write_whole(out / "latency.json", json.dumps(rows, indent=1) + "\n")
        made += latency_drawing(material.runs, times, scores)
    return made


def _result_drawings(material: Material, scores: Mapping[int, Score]) -> list[Drawing]:
    shown = [n for n, run in enumerate(material.runs) if run in _shown(material)]
    runs = [Seeds((material.runs[n],), (scores[n],) if n in scores else ()) for n in shown]
    out = [_by_class(runs, "coco")]
    if any("owned" in run.protocols() for run in runs):
        out.append(_by_class(runs, "owned"))
    pairs = _pairs(material.trained)
    if len(pairs) > 1:
        words = [f"{name} {_ap(a):.1f} to {_ap(b):.1f}" for name, (a, b) in pairs.items()]
        alt = "AP under setting A and B: " + ", ".join(words)
        out.append(Drawing("fig5_gains", "From setting A to B", alt, partial(figures.gains, pairs)))
    if material.test is not None and material.found:
        out.append(_by_height(material, material.test))
    return out


def _by_class(runs: Sequence[Seeds], protocol: str) -> Drawing:
    once = protocol == "owned"
    return Drawing(
        "fig5_ap_by_class" + ("_owned" if once else ""),
        "AP by size and density" + (", each false positive counted once" if once else ""),
        f"AP ({protocol}) in points by class: "
        + "; ".join(_spoken(run, runs, protocol) for run in runs),
        partial(figures.ap_by_class, runs, protocol),
    )


def _by_height(material: Material, test: Instances) -> Drawing:
    """Found or not along height; of many runs the best ones."""
    best = sorted(material.found, key=lambda n: -_ap(material.runs[n]))[:MOST_CURVES]
    looks = looks_of(material)
    curves = {
        figures.run_label(material.runs[n], material.runs): found_by_height(
            test, material.found[n][1]
        )
        for n in sorted(best)
    }
    ends = [
        f"{name} {100 * c.share[0]:.0f} % at {c.x[0]:.0f} px, {100 * c.share[-1]:.0f} % at "
        f"{c.x[-1]:.0f} px"
        for name, c in curves.items()
        if len(c.x)
    ]
    return Drawing(
        "found_by_height",
        "How small may a person get?",
        "Share of people found with OKS from 0.5 by height: " + "; ".join(ends),
        partial(figures.found_along_height, curves, [looks[n] for n in sorted(best)]),
    )


def _shown(material: Material) -> list[Run]:
    """Runs whose bars fit beside each other: all that are trained, or those of the best method."""
    runs = material.trained or list(material.runs)
    if len(runs) <= MOST_BARS:
        return runs
    return [run for run in runs if run.method == material.best.method][:MOST_BARS]


def _pairs(runs: Sequence[Run]) -> dict[str, tuple[Run, Run]]:
    """Methods with a run under each setting, the best of each."""
    best: dict[tuple[str, str], Run] = {}
    for run in runs:
        known = best.get((run.method, run.setting))
        if known is None or _ap(run) > _ap(known):
            best[run.method, run.setting] = run
    return {
        paper.label(method): (best[method, "A"], best[method, "B"])
        for method in dict.fromkeys(run.method for run in runs)
        if (method, "A") in best and (method, "B") in best
    }


def _spoken(run: Seeds, runs: Sequence[Seeds], protocol: str = "coco") -> str:
    values = {c: run.measured(m, protocol) for m, c in figures.CLASSES.items()}
    words = [f"{name} {v.value:.1f}" for name, v in values.items() if v is not None]
    return f"{figures.run_label(run.first, [r.first for r in runs])}: {', '.join(words)}"


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
        out.append(sheets.predictions_sheet(test, answers, read))
    out.append(sheets.sample_sheet(test, read))
    out.append(density_sheet(test, read))
    out.append(sheets.source_sheet([test, *material.picture.sets.values()], read))
    return [s for s in out if any(row.tiles for row in s.rows)]


def _answers(material: Material) -> list[Answer]:
    """The best method's runs under A and B, or the best run alone."""
    numbers = {id(material.runs[n]): n for n in material.found}
    there = [run for run in material.trained or material.runs if id(run) in numbers]
    if not there:
        return []
    best = max(there, key=lambda run: run.metric("AP") or -1.0)
    chosen: dict[str, Run] = {}
    for run in there:
        known = chosen.get(run.setting)
        if run.method == best.method and (known is None or _ap(run) > _ap(known)):
            chosen[run.setting] = run
    return [
        Answer(setting or run.folder.name, *material.found[numbers[id(run)]])
        for setting, run in sorted(chosen.items())
    ]


def _ap(run: Run) -> float:
    return run.metric("AP") or 0.0


def _context(
    material: Material,
    results: Sequence[Table],
    beside: Sequence[Table],
    parts: Sequence[Table],
    made: Sequence[Sheet],
) -> dict[str, Any]:
    by_name = {sheet.name: _sheet(sheet) for sheet in made}
    return {
        "version": __version__,
        "synthetic": material.manifest.synthetic,
        "cards": _cards(material),
        "results": [_table(t) for t in results],
        "notes": _notes(material.runs),
        "predictions": by_name.get("predictions"),
        "samples": [by_name[n] for n in ("samples", "densities", "sources") if n in by_name],
        "table1": _table(beside[0]),
        "beside": [_table(t) for t in beside[1:]],
        "parts": [_table(t) for t in parts],
        "runs": [_run(run) for run in material.runs],
        "data": material.data.name if material.data else "",
        "manifest": material.manifest,
        "legend": [(text, f"rgb{colour}") for text, colour in sheets.LEGEND.values()],
    }


def _overview(material: Material, said: Overview) -> dict[str, Any]:
    """The answer, and the curves that it is read from."""
    out: dict[str, Any] = {
        "headline": said.headline,
        "answers": said.lines,
        "answer_table": _table(said.table) if said.table else None,
        "curves": None,
    }
    runs = [(run.colour, Said(run.label, *material.found[run.number])) for run in said.runs]
    if material.test is None or not runs:
        return out
    drawn = curves(material.test, runs[:MOST_CURVES])
    first = Table("along_height", "Along height", *_curve_rows(drawn["runs"]))
    return out | {
        "curves": _for_script(drawn),
        "axes": drawn["axes"],
        "curves_runs": drawn["runs"],
        "curves_alt": "AP of each run along the height of people, their keypoint density, or the "
        "crowding of their image; the table below holds the same numbers along height",
        "curves_table": _table(first),
        "curves_note": "Bins hold equally many people; AP by protocol owned, so that each false "
        "positive counts in one bin. Pale areas are 95 % intervals, from drawing whole images "
        "or videos.",
    }


def _curve_rows(
    runs: Sequence[Mapping[str, Any]],
) -> tuple[tuple[Column, ...], tuple[tuple[Cell, ...], ...]]:
    columns = (
        *(Column("run"), Column("from, px", "number"), Column("to, px", "number")),
        *(Column("people", "count"), Column("AP", "points"), Column("95 %, low", "points")),
        *(Column("95 %, high", "points"), Column("found, %", "points")),
    )
    return columns, tuple((run["label"], *row) for run in runs for row in run["along"]["height"])


def _for_script(data: Mapping[str, Any]) -> Markup:
    """JSON inside a script element; "<" cannot end it."""
    return Markup(json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"))


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


def _people(material: Material, crowd: Crowd | None) -> dict[str, Any]:
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
    note += _false_note(crowd)
    return {
        "crowd": crowd,
        "crowd_json": Markup(crowd.to_json()),
        "crowd_note": note,
        "crowd_sources": [(n, sheets.SOURCE_NAMES[SOURCES[n]]) for n in there],
        "crowd_errors": ERRORS,
    }


def _false_note(crowd: Crowd) -> str:
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


def _cards(material: Material) -> list[tuple[str, str]]:
    cards = []
    if material.picture is not None:
        counts = list(material.picture.table1.rows.values())[-1]
        cards += [(f"{counts.people:,}", "people"), (f"{counts.images_in_file:,}", "images")]
        cards.append((f"{100 * counts.sizes[0] / max(counts.people, 1):.0f} %", "of them small"))
    for metric, words in (("AP_S", "AP, small people, best run"), ("AP", "its AP, everybody")):
        value = material.best.metric(metric)
        if value is not None:
            cards.append((f"{value:.1f}", words))
    return cards


def _notes(runs: Sequence[Run]) -> list[str]:
    """What the evaluations say a reader should know; each sentence once."""
    notes = [note for run in runs for note in run.evaluation.get("notes") or ()]
    return list(dict.fromkeys(str(note) for note in notes))


def _table(table: Table) -> dict[str, Any]:
    return {"html": Markup(table.to_html()), "note": table.note, "name": table.name}


def _figure(drawing: Drawing, svg: bytes) -> dict[str, Any]:
    width, height = _svg_size(svg)
    return {
        "name": drawing.name,
        "title": drawing.title,
        "alt": drawing.alt,
        "light": _data_uri(svg, "image/svg+xml"),
        "dark": _data_uri(figures.by_night(svg), "image/svg+xml"),
        "width": width,
        "height": height,
    }


def _svg_size(svg: bytes) -> tuple[int, int]:
    """px of an SVG of ours, whose view box is in points."""
    found = re.search(rb'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert found is not None
    width, height = (round(float(side) * 4 / 3) for side in found.groups())
    return width, height


def _sheet(sheet: Sheet) -> dict[str, Any]:
    rows = [
        {
            "title": row.title,
            "note": row.note,
            "tiles": [
                {
                    "src": _data_uri(picture_file(t.picture, "webp"), "image/webp"),
                    "width": t.picture.shape[1] // 2,
                    "height": t.picture.shape[0] // 2,
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


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _run(run: Run) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "method": run.method,
        "setting": run.setting,
        "recipe": run.recipe,
        "seed": run.seed,
        "parameters": f"{run.parameters:,}" if run.parameters is not None else None,
        "epochs": f"{run.epochs:g}" if run.epochs is not None else None,
        "steps": f"{run.steps:,}" if run.steps is not None else None,
        "training took": _duration(run.seconds),
    }
    return {
        "title": paper.label(run.method),
        "how": tables.how(run),
        "setting": run.setting,
        "groups": [
            ("run", _flat(facts)),
            ("recipe", _flat(run.recipe_fields)),
            ("evaluation", _flat(run.evaluation.get("settings") or {})),
            ("weights", _flat(run.weights if isinstance(run.weights, dict) else {})),
            ("environment", _flat(run.environment)),
        ],
    }


def _flat(facts: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Nested facts as lines; what is not said is left out."""
    lines: list[tuple[str, str]] = []
    for key, value in facts.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping):
            lines += _flat(value, f"{name}.")
        elif isinstance(value, list | tuple):
            lines.append((name, ", ".join(str(v) for v in value)))
        elif value not in (None, ""):
            lines.append((name, str(value)))
    return lines


def _duration(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    whole = round(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{seconds:.1f} s"


def _render(context: Mapping[str, Any]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("smallpose.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("page.html").render(context) + "\n"
