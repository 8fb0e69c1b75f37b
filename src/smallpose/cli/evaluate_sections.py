"""Build the breakdowns of `smallpose evaluate`, and write its tables to files."""

import argparse
from typing import TYPE_CHECKING, Any

from smallpose.cli.evaluate_figures import name_model
from smallpose.cli.options import parse_names

if TYPE_CHECKING:
    from smallpose.cli.evaluate_inputs import Inputs
    from smallpose.core.predictions import Predictions
    from smallpose.evaluation.evaluate import Evaluation
    from smallpose.evaluation.slices.slice_matching import SliceMatching

# The numbers of a breakdown for JSON, and its text.
Section = tuple[Any, str]


def build_sections(
    args: argparse.Namespace,
    inputs: "Inputs",
    predictions: "Predictions",
    result: "Evaluation",
    matching: "SliceMatching | None",
) -> dict[str, Section]:
    """Build the breakdowns that were asked for, and write the rows of people."""
    truth, options = inputs.truth, inputs.options
    sections: dict[str, Section] = {}
    if args.people:
        from smallpose.evaluation.analysis.person_rows import list_person_rows, write_people

        scoring = {key: value for key, value in options.items() if key != "protocols"}
        rows = list_person_rows(truth, {name_model(args.predictions): predictions}, **scoring)
        write_people(rows, args.people)
    if args.diagnose or args.breakdown:
        from smallpose.evaluation.analysis.breakdown_tables import build_breakdowns

        names = [*parse_names(args.breakdown), *(["diagnosis"] if args.diagnose else [])]
        sections |= build_breakdowns(
            names, truth, predictions, result, options, args.intervals, args.seed
        )
    if matching:
        from smallpose.evaluation.slices.slice_tables import build_slices

        sections["slices"] = build_slices(
            args.slices,
            parse_names(args.slice_by),
            matching,
            result,
            num_resamples=args.intervals,
            seed=args.seed,
        )
    if inputs.measures:
        from smallpose.evaluation.measures.measure_tables import build_measure_section

        sections["measures"] = build_measure_section(
            truth,
            predictions,
            inputs.measures,
            min_joint_score=args.min_joint_score,
            num_resamples=args.intervals,
            seed=args.seed,
            **options,
        )
    if args.video:
        from smallpose.evaluation.video.video_tables import build_video_section

        sections["video"] = build_video_section(
            truth,
            predictions,
            (args.truth, args.predictions),
            min_score=args.min_track_score,
            num_resamples=args.intervals,
            seed=args.seed,
            **options,
        )
    return sections


def write_tables(args: argparse.Namespace, result: "Evaluation") -> None:
    """Write the metrics as CSV, Markdown and LaTeX, as asked for."""
    from smallpose.evaluation.csv_latex import format_csv, format_latex, format_markdown
    from smallpose.system.files import write_atomically

    for path, format_table in (
        (args.csv, format_csv),
        (args.markdown, format_markdown),
        (args.latex, format_latex),
    ):
        if path:
            write_atomically(path, format_table(result))
