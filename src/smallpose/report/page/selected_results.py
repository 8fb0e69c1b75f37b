"""Build the tables of results for people in doubt left out: the same runs, without intervals."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from smallpose.core.counts import format_count
from smallpose.core.skeleton import COCO17
from smallpose.core.table import Table
from smallpose.evaluation.evaluate import evaluate
from smallpose.report.inputs.runs import PROTOCOLS, Run
from smallpose.report.inputs.scores import group_scores, has_more_than_coco17
from smallpose.report.inputs.selections import Selection
from smallpose.report.report_data import ReportData
from smallpose.report.tables import paper_tables


def build_selected_tables(data: ReportData, selections: Sequence[Selection]) -> list[list[Table]]:
    """Build the tables of results of each selection but the first, one per protocol.

    Runs on another data set keep the numbers that they recorded, so they are left out.
    """
    return [_build_tables(data, selection) for selection in selections[1:]]


def _build_tables(data: ReportData, selection: Selection) -> list[Table]:
    runs = [_evaluate_run(data, index, selection) for index in sorted(data.results)]
    others = group_scores([run for run in data.runs if run.data != data.data])
    beside = [group.first_run for group in others]
    return [
        replace(
            table,
            name=f"{table.name}_without_{selection.key}",
            title=f"{table.title}, {selection.label}",
            note=f"{format_count(selection.num_people, 'person counts', 'people count')} here. "
            f"{table.note} Intervals are in the table of all people.",
        )
        for table in paper_tables.build_all_results(group_scores(runs), beside=beside)
    ]


def _evaluate_run(data: ReportData, index: int, selection: Selection) -> Run:
    """Evaluate a run for the selection alone."""
    run, predictions = data.runs[index], data.results[index].predictions
    predictions = selection.select_predictions(predictions)

    def score(keypoints: str | None) -> dict[str, Any]:
        result = evaluate(selection.truth, predictions, protocols=PROTOCOLS, keypoints=keypoints)
        return result.to_dict()

    is_more = not run.is_untrained and has_more_than_coco17(selection.truth, predictions)
    return replace(
        run,
        evaluation=score(None),
        evaluation_on_17=score(COCO17.name) if is_more else None,
    )
