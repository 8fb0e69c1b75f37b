"""What `stats` does with result files: count their detections by size."""

import argparse
from pathlib import Path
from typing import Any

from smallpose.core.errors import InputError
from smallpose.core.table import Table

# Options of labels, and their values where they are not given.
_OPTIONS_OF_LABELS: dict[str, Any] = {
    "--compare": [],
    "--images": None,
    "--scenes": [],
    "--scene-weights": None,
    "--category": "",
}


def count_results(
    args: argparse.Namespace, names: dict[str, Path]
) -> tuple[Table, dict[str, Any], list[str]]:
    """Count the detections of result files by size.

    Args:
        names: the result files by name.
    Returns: the table, the numbers by name, and notes.
    Raises: InputError for options that are for labels.
    """
    from smallpose.evaluation.areas import refuse_missing_boxes
    from smallpose.io.coco_results import make_truth_for_results, read_results
    from smallpose.stats.result_counts import build_result_table, count_detections

    for flag, default in _OPTIONS_OF_LABELS.items():
        if (getattr(args, flag[2:].replace("-", "_")) or default) != default:
            raise InputError(
                flag, "results are counted by size alone", "pass labels, or leave it out"
            )
    counts, notes = {}, []
    for name, file in names.items():
        predictions = read_results(file, make_truth_for_results(file))
        refuse_missing_boxes(predictions, str(file))
        counts[name] = count_detections(predictions, args.min_score)
        notes += [f"{name}: {note}" for note in predictions.notes]
        notes.append(f"{name}: {counts[name].describe_sizes()}")
    content = {name: {"detections": one.to_dict()} for name, one in counts.items()}
    return build_result_table(counts), content, notes


def refuse_mixed(results: list[Path], files: list[Path]) -> None:
    """Raise InputError where labels are among result files."""
    labels = [file for file in files if file not in results]
    if results and labels:
        raise InputError(
            str(results[0]),
            f"is a list of results, and {labels[0]} is none",
            "describe labels and results in two calls",
        )
