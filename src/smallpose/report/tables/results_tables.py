"""Build the tables of our runs and of result files, one for each protocol."""

from collections.abc import Sequence

from smallpose.core.table import Column, Table
from smallpose.evaluation.sigma_file import select_sigma_notes
from smallpose.report.inputs.different_sigmas import describe_different_sigmas
from smallpose.report.inputs.run_labels import collect_run_notes, label_run
from smallpose.report.inputs.runs import Run
from smallpose.report.inputs.scores import SeedGroup
from smallpose.report.inputs.test_sets import (
    MIXED_NOTE,
    has_different_test_sets,
    list_test_set_cells,
)
from smallpose.report.tables.table_parts import (
    COUNTED_AS_COCO,
    PROTOCOL_NOTES,
    TEST_SET,
    Runs,
    add_on_coco17,
    choose_metrics,
    describe_intervals,
    describe_run,
    group_runs,
    name_table,
)


def build_results_table(runs: Runs, protocol: str = "coco", *, beside: Sequence[Run] = ()) -> Table:
    """Build the table of our runs by one protocol, in the paper's columns.

    Args:
        beside: runs that are not in this table, which the names of its rows are told from.
    """
    metrics, points = choose_metrics(protocol)
    groups = group_runs(runs)
    sigmas = _describe_sigmas(groups)
    if all(group.first_run.is_result_file for group in groups):
        return _build_file_table(groups, protocol, sigmas)
    if any(group.first_run.setting == "A" for group in groups):
        groups = add_on_coco17(groups, protocol)
    firsts = [group.first_run for group in groups]
    named = [*firsts, *beside]
    is_mixed = has_different_test_sets(named)
    rows = [
        (
            label_run(group.first_run, named),
            group.first_run.method_label,
            group.first_run.trained_on or "–",
            *list_test_set_cells(group.first_run, named),
            *(group.measure(metric, protocol) for metric in metrics),
            describe_run(group),
        )
        for group in groups
    ]
    return Table(
        name=name_table("results", protocol),
        title=f"Our runs, protocol {protocol}",
        columns=(
            Column("run"),
            Column("method"),
            Column("setting"),
            *((TEST_SET,) if is_mixed else ()),
            *points,
            Column("training"),
        ),
        rows=tuple(rows),
        note=_describe_settings(groups, protocol, named)
        + (f" {MIXED_NOTE}" if is_mixed else "")
        + describe_intervals(rows)
        + sigmas,
    )


def _describe_settings(groups: Sequence[SeedGroup], protocol: str, named: Sequence[Run]) -> str:
    """Describe how a table of results counts, and on which joints its rows are scored."""
    runs = [group.first_run for group in groups]
    own: dict[str, dict[str, None]] = {}
    for run in runs:
        if run.own_set:
            own.setdefault(run.own_set, {})[label_run(run, named)] = None
    is_all_own = all(run.own_set for run in runs)
    is_short = is_all_own and protocol == "coco"
    note = COUNTED_AS_COCO if is_short else PROTOCOL_NOTES[protocol]
    if not own:
        return note
    rows = "Rows" if is_all_own else "Rows of setting own"
    sets = [f"{name} ({', '.join(labels)})" for name, labels in own.items()]
    return f"{note} {rows} were trained and scored on {' or '.join(sets if sets[1:] else own)}."


def _describe_sigmas(groups: Sequence[SeedGroup]) -> str:
    """Say in a note which sigmas were not measured, or differ; "" where all were, and none does."""
    runs = [group.first_run for group in groups]
    different = describe_different_sigmas(groups)
    notes = [*select_sigma_notes(collect_run_notes(runs)), *([different] if different else [])]
    return "".join(f" Note: {note}." for note in notes)


def _build_file_table(groups: Sequence[SeedGroup], protocol: str, sigmas: str) -> Table:
    """Build the table of result files by one protocol: no settings, no trainings.

    Args:
        sigmas: what its note says of them.
    """
    metrics, points = choose_metrics(protocol)
    rows = [
        (
            group.first_run.title,
            *(group.measure(metric, protocol) for metric in metrics),
            str(group.first_run.file_facts["file"]),
        )
        for group in groups
    ]
    note = COUNTED_AS_COCO if protocol == "coco" else PROTOCOL_NOTES[protocol]
    return Table(
        name=name_table("results", protocol),
        title=f"Results, protocol {protocol}",
        columns=(Column("result"), *points, Column("file")),
        rows=tuple(rows),
        note=note + describe_intervals(rows) + sigmas,
    )


def build_all_results(runs: Runs, *, beside: Sequence[Run] = ()) -> list[Table]:
    """Build a table of results for each protocol that has numbers, the paper's first.

    Args:
        beside: as for `build_results_table`.
    """
    groups = group_runs(runs)
    tables = []
    for protocol in PROTOCOL_NOTES:
        scored = [group for group in groups if protocol in group.protocols()]
        others = [group.first_run for group in groups if protocol not in group.protocols()]
        if scored:
            tables.append(build_results_table(scored, protocol, beside=[*others, *beside]))
    return tables
