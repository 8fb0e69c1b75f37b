"""Build Tables 2, 3 and 5 of the paper: methods, our rows beside the printed ones."""

from collections.abc import Mapping, Sequence

from smallpose.catalog.methods import read_catalog
from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.core.table import Cell, Column, Table
from smallpose.report.inputs import paper_values
from smallpose.report.inputs.paper_values import Method, ResultRow
from smallpose.report.inputs.runs import Run
from smallpose.report.inputs.scores import SeedGroup
from smallpose.report.inputs.test_sets import (
    MIXED_NOTE,
    has_different_test_sets,
    list_test_set_cells,
)
from smallpose.report.tables.table_parts import (
    AUTHORS_SET,
    PRINTED,
    PROTOCOL_NOTES,
    TEST_SET,
    Runs,
    add_on_coco17,
    choose_metrics,
    describe_intervals,
    describe_run,
    find_printed,
    group_runs,
    name_table,
)

_NUM_COCO, _NUM_ALL = len(COCO17), len(SMALLPOSE)
_ONE_SET = (
    "Rows marked paper are printed values on the authors' test set. Ours are on the test set named "
    "above, so the two may be read side by side but not subtracted."
)
_SEVERAL_SETS = (
    "Rows marked paper are printed values on the authors' test set, and ours are on the test set "
    f"that each names, so they may be read side by side but not subtracted. {MIXED_NOTE}"
)
_COMPARISON_NOTE = (
    "A is scored on COCO's "
    f"{_NUM_COCO} joints, B on all {_NUM_ALL}, in the paper as well, so that a gain from A to B "
    f"contains the change of joints. B17 is B scored on the {_NUM_COCO}: only B17 compares with A."
)
_TABLE_5_NOTE = (
    f"Rows of {_NUM_COCO} joints compare with each other, and so do rows of {_NUM_ALL}; what was "
    f"trained on more than COCO is printed on {_NUM_ALL} joints only, and ours is in both."
)


def build_other_protocols(runs: Runs) -> list[Table]:
    """Build Tables 2, 3 and 5 by `owned` and `recall`, where they have rows."""
    tables = [
        build(runs, protocol)
        for protocol in ("owned", "recall")
        for build in (build_table2, build_table3, build_table5)
    ]
    return [table for table in tables if table.rows]


def build_table2(runs: Runs, protocol: str = "coco") -> Table:
    """Build Table 2, paradigms and backbones: the paper's rows, each followed by ours."""
    return _build_comparison(
        runs,
        name="table2",
        title="Table 2: paradigms and backbones",
        trait="paradigm",
        groups=paper_values.TABLE_2_GROUPS,
        protocol=protocol,
    )


def build_table3(runs: Runs, protocol: str = "coco") -> Table:
    """Build Table 3, kinds of prediction and architectures: the paper's rows, then ours."""
    return _build_comparison(
        runs,
        name="table3",
        title="Table 3: kinds of prediction and architectures",
        trait="prediction",
        groups=paper_values.TABLE_3_GROUPS,
        protocol=protocol,
    )


def _build_comparison(
    runs: Runs,
    *,
    name: str,
    title: str,
    trait: str,
    groups: Mapping[str, Sequence[str]],
    protocol: str,
) -> Table:
    """Build Table 2 or 3; the paper prints `coco` alone, so others have our rows only.

    Args:
        trait: heading of what the groups are.
        groups: names of methods by group, in the order printed.
    """
    metrics, points = choose_metrics(protocol)
    every = [group.first_run for group in group_runs(runs)]
    ours = [group for group in group_runs(runs) if protocol in group.protocols()]
    ours = add_on_coco17(ours, protocol)
    methods = {method.name: method for method in paper_values.METHODS}
    rows: list[tuple[Cell, ...]] = []
    group_of = {name: group for group, names in groups.items() for name in names}
    for name_of_method, group_name in group_of.items():
        method = methods[name_of_method]
        own = [g for g in ours if paper_values.find_paper_method(g.first_run.method) == method.name]
        for setting, settings in (("A", ["A"]), ("B", ["B", "B17"])):
            if protocol == "coco":
                values = _list_printed(paper_values.ROWS[method.name, setting], metrics)
                start = method.printed, method.backbone, group_name, setting, PRINTED
                rows.append((*start, *_list_authors_cells(every), *values))
            rows += [
                _build_our_row(group, method, group_name, metrics, protocol, every)
                for group in own
                if group.first_run.trained_on in settings
            ]
    if name == "table2":
        rows += _build_other_rows(ours, metrics, protocol, every)
    heads = ("method", "backbone", trait, "setting", "from")
    return Table(
        name=name_table(name, protocol),
        title=title if protocol == "coco" else f"{title}, protocol {protocol}",
        columns=(*(Column(head) for head in heads), *_list_set_columns(every), *points),
        rows=tuple(rows),
        note=_write_note(_COMPARISON_NOTE, protocol, every) + describe_intervals(rows),
        muted_rows=find_printed(rows, 4),
    )


def _list_set_columns(runs: Sequence[Run]) -> tuple[Column, ...]:
    return (TEST_SET,) if has_different_test_sets(runs) else ()


def _list_authors_cells(runs: Sequence[Run]) -> tuple[str, ...]:
    return (AUTHORS_SET,) if has_different_test_sets(runs) else ()


def _write_note(note: str, protocol: str, runs: Sequence[Run]) -> str:
    """Say whose people the rows are scored on, before the note of a table by protocol coco."""
    is_mixed = has_different_test_sets(runs)
    if protocol == "coco":
        return f"{_SEVERAL_SETS if is_mixed else _ONE_SET} {note}"
    return PROTOCOL_NOTES[protocol] + (f" {MIXED_NOTE}" if is_mixed else "")


def _list_printed(row: ResultRow, metrics: Sequence[str]) -> list[float | None]:
    return [row.metric(metric) for metric in metrics]


def _build_our_row(
    group: SeedGroup,
    method: Method,
    group_name: str,
    metrics: Sequence[str],
    protocol: str,
    runs: Sequence[Run],
) -> tuple[Cell, ...]:
    run = group.first_run
    label = paper_values.format_method_label(run.method)
    values = [group.measure(metric, protocol) for metric in metrics]
    backbone = _name_backbone(run, method)
    start = label, backbone, group_name, run.trained_on, describe_run(group)
    return *start, *list_test_set_cells(run, runs), *values


def _build_other_rows(
    groups: Sequence[SeedGroup], metrics: Sequence[str], protocol: str, runs: Sequence[Run]
) -> list[tuple[Cell, ...]]:
    """Build the rows of methods that are not the paper's, which follow its rows."""
    rows: list[tuple[Cell, ...]] = []
    for group in groups:
        run = group.first_run
        if (
            run.is_result_file
            or run.own_set
            or paper_values.find_paper_method(run.method) is not None
        ):
            continue
        facts = run.card or read_catalog().get(run.method, {})
        paradigm = str(facts.get("paradigm", ""))
        label = paper_values.format_method_label(run.method)
        start = label, "", paradigm, run.trained_on, describe_run(group)
        values = (group.measure(metric, protocol) for metric in metrics)
        rows.append((*start, *list_test_set_cells(run, runs), *values))
    return rows


def _name_backbone(run: Run, method: Method) -> str:
    """Return the paper's backbone; "" for a variant of ours, which has another one."""
    return method.backbone if run.method == method.name else ""


# What runs were trained on, in the order of Table 5, and the joints that they are scored on.
_TRAINED_ON = {
    "A": ("COCO part", len(COCO17)),
    "B": ("full set", len(SMALLPOSE)),
    "B17": ("full set", len(COCO17)),
    "subset": ("subsets", len(SMALLPOSE)),
    "subset17": ("subsets", len(COCO17)),
}


def build_table5(runs: Runs, protocol: str = "coco") -> Table:
    """Build Table 5: SimpleBaseline trained on COCO, on the full set and on subsets of it."""
    metrics, points = choose_metrics(protocol)
    metrics, points = metrics[:7], points[:7]  # Table 5 has no AR.
    method = next(m for m in paper_values.METHODS if m.name == paper_values.TABLE_5_METHOD)
    every = [group.first_run for group in group_runs(runs)]
    rows: list[tuple[Cell, ...]] = []
    for trained_on, printed in paper_values.TABLE_5.items() if protocol == "coco" else ():
        num_joints = len(COCO17 if trained_on == "COCO" else SMALLPOSE)
        start = method.printed, method.backbone, trained_on, num_joints, PRINTED
        rows.append((*start, *_list_authors_cells(every), *_list_printed(printed, metrics)))
    groups = [
        group
        for group in group_runs(runs)
        if protocol in group.protocols()
        and not group.first_run.is_untrained
        and paper_values.find_paper_method(group.first_run.method) == method.name
        and group.first_run.trained_on in _TRAINED_ON
    ]
    order = list(_TRAINED_ON)
    ours = add_on_coco17(groups, protocol)
    for group in sorted(ours, key=lambda group: order.index(group.first_run.trained_on)):
        run = group.first_run
        label = paper_values.format_method_label(run.method)
        start = (
            label,
            _name_backbone(run, method),
            *_TRAINED_ON[run.trained_on],
            describe_run(group),
        )
        values = (group.measure(metric, protocol) for metric in metrics)
        rows.append((*start, *list_test_set_cells(run, every), *values))
    columns = (
        Column("method"),
        Column("backbone"),
        Column("trained on"),
        Column("joints", "count", "keypoints scored"),
        Column("from"),
        *_list_set_columns(every),
    )
    title = "Table 5: effect of the amount of training data"
    return Table(
        name=name_table("table5", protocol),
        title=title if protocol == "coco" else f"{title}, protocol {protocol}",
        columns=(*columns, *points),
        rows=tuple(rows),
        note=_write_note(_TABLE_5_NOTE, protocol, every) + describe_intervals(rows),
        muted_rows=find_printed(rows, 4),
    )
