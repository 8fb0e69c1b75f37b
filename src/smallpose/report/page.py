"""The page: finished runs, and the data they were trained on, as one HTML file without a network.

`make_report` reads, computes nothing that has no file of its own (tables as Markdown and CSV,
figures and sheets as PNG and SVG), and writes `index.html` last.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
import msgspec
from markupsafe import Markup

from smallpose._version import __version__
from smallpose.core.errors import InputError
from smallpose.core.files import write_whole
from smallpose.core.json_text import read_json
from smallpose.core.progress import say, track
from smallpose.report import figures, paper, sheets, tables
from smallpose.report.claims.check import Claims, check_claims
from smallpose.report.claims.ours import ours
from smallpose.report.claims.sets import OWN, Sets
from smallpose.report.data import SPLITS, Drawing, Portrait, portrait
from smallpose.report.people import Pairing, found_by_height, pair_people
from smallpose.report.pictures import picture_file, pictures_at
from smallpose.report.results import Run, read_runs, same_data
from smallpose.report.scores import Score, by_seeds, score
from smallpose.report.sheets import Answer, Sheet
from smallpose.report.tables import Table
from smallpose.table.coco_json import read_coco
from smallpose.table.instances import Instances, concat
from smallpose.table.predictions import Predictions
from smallpose.table.results_json import read_results

MOST_BARS = 4  # runs beside each other in a bar chart
MOST_CURVES = 6


class Manifest(msgspec.Struct):
    """What the page needs of a built set's manifest."""

    synthetic: bool = False
    split: str = ""
    seed: int | None = None
    smallpose: str = ""


@dataclass(frozen=True)
class Material:
    """All that the page shows, read and counted.

    Args:
        data: the built set; None when it cannot be found, and then nothing below is there.
        found: the result file of each run that is about this set, by its place among the runs.
    """

    runs: Sequence[Run]
    data: Path | None
    manifest: Manifest
    picture: Portrait | None
    test: Instances | None
    found: Mapping[int, tuple[Predictions, Pairing]]

    @property
    def trained(self) -> list[Run]:
        """Without those that learned nothing."""
        return [run for run in self.runs if not run.untrained]

    @property
    def best(self) -> Run:
        """The run of highest AP; the first one where no AP is known."""
        runs = self.trained or list(self.runs)
        return max(runs, key=lambda run: run.metric("AP") or -1.0)


def make_report(runs: Sequence[Path], out: Path) -> list[Table]:
    """Write the report of these runs' folders into `out`.

    Returns: the tables of our own results, one per protocol, the paper's first.
    Raises: InputError when a folder is no finished run.
    """
    material = gather(runs)
    scores = _scores(material)
    seeds = by_seeds(material.runs, scores)
    claims = _claims(material, scores)
    results = tables.all_results(seeds)
    beside = [
        tables.table1(material.picture.table1 if material.picture else None),
        *(make(seeds) for make in (tables.table2, tables.table3, tables.table5)),
        claims.table(),
    ]
    write_whole(out / "claims.json", claims.to_json())
    parts = material.picture.tables()[1:] if material.picture else []
    for table in (*results, *beside, *parts, *tables.other_protocols(seeds)):
        table.save(out / "tables")
    drawings = _result_drawings(material)
    about_data = material.picture.drawings() if material.picture else []
    drawn = {
        drawing.name: figures.save(drawing.draw(), out / "figures", drawing.name)
        for drawing in track([*drawings, *about_data], "figures")
    }
    made = _sheets(material)
    for sheet in made:
        file = out / "figures" / f"{sheet.name}.png"
        write_whole(file, picture_file(sheets.paint(sheet), "png"))
    context = {
        **_context(material, results, beside, parts, made),
        "drawings": [_figure(d, drawn[d.name]) for d in drawings],
        "about_data": [_figure(d, drawn[d.name]) for d in about_data],
    }
    write_whole(out / "index.html", _render(context))
    return results


def gather(folders: Sequence[Path]) -> Material:
    """Read the runs, the set that most of them share, and what they found in it."""
    if not folders:
        raise InputError("report", "no run is given", "name the folders of finished runs")
    runs = read_runs(folders)
    data = same_data(runs)
    if data is None:
        say("the data set of these runs is not there any more: a report without people")
        return Material(runs, None, Manifest(), None, None, {})
    sets = {split: read_coco(data / "annotations" / f"{split}.json") for split in SPLITS
            if (data / "annotations" / f"{split}.json").is_file()}  # fmt: skip
    manifest = Manifest()
    if (data / "manifest.json").is_file():
        manifest = read_json(data / "manifest.json", Manifest)
    found = {}
    for number, run in enumerate(runs):
        if run.data == data and run.found is not None:
            predictions = read_results(run.found, sets["test"])
            found[number] = predictions, pair_people(sets["test"], predictions)
    return Material(runs, data, manifest, portrait(sets), sets["test"], found)


def _scores(material: Material) -> dict[int, Score]:
    """Every run scored on the same draws of images; none where the data is not there."""
    if material.test is None:
        return {}
    return {
        n: score(material.runs[n], material.test, found)
        for n, (found, _) in track(list(material.found.items()), "intervals")
    }


def _claims(material: Material, scores: Mapping[int, Score]) -> Claims:
    """The paper's sentences, on its own numbers and on these runs."""
    if material.test is None or material.picture is None:
        return check_claims()
    found = {n: predictions for n, (predictions, _) in material.found.items()}
    mine = ours(material.runs, material.test, found, scores=scores)
    people = concat(list(material.picture.sets.values()))
    return check_claims(runs=mine, sets=Sets({OWN: people}))


def _result_drawings(material: Material) -> list[Drawing]:
    runs = _shown(material)
    out = [_by_class(runs, "coco")]
    if any("owned" in run.protocols for run in runs):
        out.append(_by_class(runs, "owned"))
    pairs = _pairs(material.trained)
    if len(pairs) > 1:
        words = [f"{name} {_ap(a):.1f} to {_ap(b):.1f}" for name, (a, b) in pairs.items()]
        alt = "AP under setting A and B: " + ", ".join(words)
        out.append(Drawing("fig5_gains", "From setting A to B", alt, partial(figures.gains, pairs)))
    if material.test is not None and material.found:
        out.append(_by_height(material, material.test))
    return out


def _by_class(runs: Sequence[Run], protocol: str) -> Drawing:
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
    colours = figures.run_colours(material.runs)
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
        partial(figures.found_along_height, curves, [colours[n] for n in sorted(best)]),
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


def _spoken(run: Run, runs: Sequence[Run], protocol: str = "coco") -> str:
    values = {c: run.metric(m, protocol) for m, c in figures.CLASSES.items()}
    words = [f"{name} {value:.1f}" for name, value in values.items() if value is not None]
    return f"{figures.run_label(run, runs)}: {', '.join(words)}"


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
        "headline": _headline(material),
        "synthetic": material.manifest.synthetic,
        "cards": _cards(material),
        "results": [_table(t) for t in results],
        "notes": _notes(material.runs),
        "predictions": by_name.get("predictions"),
        "samples": [by_name[n] for n in ("samples", "sources") if n in by_name],
        "table1": _table(beside[0]),
        "beside": [_table(t) for t in beside[1:]],
        "parts": [_table(t) for t in parts],
        "runs": [_run(run) for run in material.runs],
        "data": material.data.name if material.data else "",
        "manifest": material.manifest,
        "legend": [(text, f"rgb{colour}") for text, colour in sheets.LEGEND.values()],
    }


def _headline(material: Material) -> str:
    """What came out, in one sentence made of the numbers."""
    best = material.best
    ap, small = best.metric("AP"), best.metric("AP_S")
    name = paper.label(best.method)
    if ap is None:
        return f"{name}: no AP is known."
    text = f"{name}, setting {best.setting}, reaches {ap:.1f} AP"
    return text + (f" and {small:.1f} on small people." if small is not None else ".")


def _cards(material: Material) -> list[tuple[str, str]]:
    cards = []
    if material.picture is not None:
        counts = list(material.picture.table1.rows.values())[-1]
        cards += [(f"{counts.people:,}", "people"), (f"{counts.images_in_file:,}", "images")]
        cards.append((f"{100 * counts.sizes[0] / max(counts.people, 1):.0f} %", "of them small"))
    for metric, words in (("AP", "best AP"), ("AP_S", "its AP, small people")):
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
