"""Slices of an evaluation as data for JSON and as text for the terminal."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smallpose.core.counts import format_count
from smallpose.evaluation.console_table import WIDTH, format_interval, format_number, format_table
from smallpose.evaluation.evaluate import Evaluation
from smallpose.evaluation.protocols import AP_NAMES, CLASSES
from smallpose.evaluation.slices.attribute_file import (
    Attributes,
    choose_columns,
    read_attributes,
)
from smallpose.evaluation.slices.evaluate_slices import (
    SliceScore,
    evaluate_image_slices,
    evaluate_person_slices,
)
from smallpose.evaluation.slices.robustness import (
    find_level_columns,
    name_level_slicings,
    summarize_robustness,
)
from smallpose.evaluation.slices.slice_matching import SliceMatching
from smallpose.evaluation.slices.slicing import CROSS, make_slicings

_EXPLANATIONS = {
    "image": "each slice is scored as if its images were the only ones",
    "person": "people outside a slice are ignored; under coco an unmatched detection is false in "
    "every slice, under owned in that of the person it belongs to",
}


def build_slices(
    path: Path,
    wanted: Sequence[str],
    matching: SliceMatching,
    result: Evaluation,
    *,
    num_resamples: int = 0,
    seed: int = 0,
) -> tuple[dict[str, Any], str]:
    """Evaluate the slices of a table of attributes.

    Args:
        wanted: columns, or several with `*` between; every column where it is empty.
        result: of everything.
        num_resamples: of the bootstrap for 95 % intervals; 0 for none.
    Returns: data for JSON, text for the terminal.
    """
    truth = matching.scored.truth
    attributes = read_attributes(path, truth)
    chosen = choose_columns(attributes, wanted)
    level_columns = find_level_columns(attributes)
    needed = list(dict.fromkeys([*chosen, *_list_level_slicings(level_columns)]))
    slicings = make_slicings(attributes, needed)
    if attributes.by == "image":
        slices = evaluate_image_slices(
            truth, result, slicings, num_resamples=num_resamples, seed=seed
        )
    else:
        slices = evaluate_person_slices(
            matching, result, slicings, num_resamples=num_resamples, seed=seed
        )
    protocol = next(iter(result.protocols))
    robustness = None
    if level_columns:
        robustness = summarize_robustness(level_columns, slices, protocol)
    shown = {CROSS.join(names) for names in chosen}
    content = {
        "by": attributes.by,
        "rows": attributes.num_rows,
        "without_row": attributes.num_without_row,
        "attributes": {
            name: {value: one.to_dict() for value, one in groups.items()}
            for name, groups in slices.items()
        },
    }
    if robustness:
        content["robustness"] = robustness
    tables = [_format_slicing(name, slices[name]) for name in slices if name in shown]
    if robustness:
        tables.append(_format_robustness(robustness))
    return content, "\n\n".join([_format_caption(attributes), *tables])


def _list_level_slicings(columns: tuple[str, str | None] | None) -> list[tuple[str, ...]]:
    return name_level_slicings(columns) if columns else []


def _format_caption(attributes: Attributes) -> str:
    unit = ("image", "images") if attributes.by == "image" else ("person", "people")
    text = f"Slices by {attributes.file}: {_EXPLANATIONS[attributes.by]}"
    if attributes.num_without_row:
        verb = "is" if attributes.num_without_row == 1 else "are"
        text += f". {format_count(attributes.num_without_row, *unit)} {verb} in no row of it"
    return textwrap.fill(text, WIDTH, break_on_hyphens=False)


def _format_slicing(name: str, groups: Mapping[str, SliceScore]) -> str:
    rows = []
    for value, score in groups.items():
        label = value
        for protocol, metrics in score.protocols.items():
            cells = [format_number(metrics[metric]) for metric in AP_NAMES]
            people = f"{score.people['all']:,}" if label else ""
            rows.append([label, protocol, people, *cells])
            if score.intervals:
                ends = score.intervals[protocol]
                rows.append(["", "95 %", "", *(format_interval(ends[m]) for m in AP_NAMES)])
            label = ""
    if not rows:
        return f"{name}: every cell is empty"
    heading = [name, "", "people", *(f"AP {one.heading}" for one in CLASSES)]
    return "\n".join(format_table(heading, rows))


def _format_robustness(robustness: Mapping[str, Any]) -> str:
    rows = [["level 0", *_format_means(robustness["clean"])]]
    for kind, one in robustness["corruptions"].items():
        rows.append([kind, *_format_means(one["mean"])])
        rows.append(["  relative", *_format_means(one["relative"])])
    if len(robustness["corruptions"]) > 1:
        rows.append(["mean (mPC)", *_format_means(robustness["mean"])])
        rows.append(["  relative (rPC)", *_format_means(robustness["relative"])])
    heading = ["corruption", *(f"AP {one.heading}" for one in CLASSES)]
    caption = f"mean AP over the levels above 0, protocol {robustness['protocol']}"
    return "\n".join([caption, *format_table(heading, rows, left=1)])


def _format_means(means: Mapping[str, float | None]) -> list[str]:
    return [format_number(means[name], 3) for name in AP_NAMES]
