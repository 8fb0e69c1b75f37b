"""Make the figures of the best run's failures: joints, scores, and density of all sizes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from smallpose.core.counts import format_count
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.core.table import Cell, Column, Table
from smallpose.evaluation.analysis.collapsed_pairs import COLLAPSED_BELOW
from smallpose.evaluation.analysis.density_axes import (
    DENSITY_LIMITS,
    MIN_SHARE,
    DensityBreakdown,
    break_down_by_density,
)
from smallpose.evaluation.analysis.error_diagnosis import MIN_OKS, count_collapsed_pairs
from smallpose.evaluation.analysis.joint_failures import (
    FAILURE_KINDS,
    JointFailure,
    judge_joints,
    rank_joints,
    tabulate_failures,
)
from smallpose.evaluation.analysis.score_quality import (
    Calibration,
    list_precision_curves,
    measure_calibration,
)
from smallpose.evaluation.metric_names import Metrics
from smallpose.evaluation.protocols import CLASSES
from smallpose.report.dataset_report import FigureSpec
from smallpose.report.figures.failures import (
    draw_calibration,
    draw_density_axes,
    draw_joint_failures,
    draw_precision_recall,
)
from smallpose.report.inputs.run_labels import label_run
from smallpose.report.inputs.scores import RunScore
from smallpose.report.page.result_figures import describe_part
from smallpose.report.page.summary import choose_styles
from smallpose.report.report_data import ReportData

MAX_CALIBRATED = 4  # runs


@dataclass(frozen=True)
class QualityReport:
    """The figures and tables of failures."""

    figures: list[FigureSpec]
    tables: list[Table]


def report_quality(data: ReportData, scores: Mapping[int, RunScore]) -> QualityReport:
    """Make figures and tables of failures; none without ground truth or trained results."""
    test = data.test
    ranked = [index for index in data.ranked if not data.runs[index].is_untrained]
    if test is None or not ranked:
        return QualityReport([], [])
    best, predictions = ranked[0], data.results[ranked[0]].predictions
    label = label_run(data.runs[best], data.runs)
    failures = tabulate_failures(judge_joints(test, predictions, protocols=("owned",)))
    breakdowns = {
        label_run(data.runs[index], data.runs): break_down_by_density(
            test, data.results[index].predictions
        )
        for index in ranked
    }
    densities = breakdowns[label]
    styles = choose_styles(data)
    shown = ranked[:MAX_CALIBRATED]
    calibrations = {
        label_run(data.runs[index], data.runs): measure_calibration(
            test,
            data.results[index].predictions,
            protocol="owned",
            all_matches=data.results[index].matches,
            known_ap=_find_known_ap(scores.get(index), data.results[index].predictions),
        )
        for index in shown
    }
    specs = [
        FigureSpec(
            name="joints_by_size",
            title=f"Which joints fail first ({label}): PCK@0.1, %",
            alt="PCK by joint, size and visibility; first to fail: " + _describe_joints(failures),
            draw=partial(draw_joint_failures, failures),
        ),
        FigureSpec(
            name="density_of_all_sizes",
            title=f"AP along density, pixels and labels, per size ({label}), protocol owned",
            alt="AP (owned) by size and density class: "
            + "; ".join(
                f"{one.size} {one.name} {100 * one.ap:.1f} of "
                f"{format_count(one.people, 'person', 'people')}"
                for one in densities.classes
                if one.ap is not None
            ),
            draw=partial(draw_density_axes, densities),
        ),
        FigureSpec(
            name="calibration",
            title="How often detections are right, by score"
            + describe_part(len(shown), len(ranked)),
            alt="Share of detections that are right against their score: "
            + "; ".join(_describe_calibration(name, one) for name, one in calibrations.items()),
            draw=partial(draw_calibration, calibrations, [styles[index].colour for index in shown]),
        ),
    ]
    if best in scores:
        curves = list_precision_curves(scores[best].evaluation)
        specs.append(
            FigureSpec(
                name="precision_recall",
                title=f"Precision and recall by class ({label}), protocol coco",
                alt="Precision against recall at an OKS of 0.5, by class; at a recall of 0.5: "
                + ", ".join(
                    f"{one.name} {one.read_at(0.5):.2f}"
                    for one in curves
                    if one.oks == 0.5 and one.precision is not None
                ),
                draw=partial(draw_precision_recall, curves),
            )
        )
    tables = [_build_density_table(densities, label), _build_joint_table(failures, label)]
    if len(breakdowns) > 1:
        tables.insert(1, _build_densities_of_runs(breakdowns))
    tables.append(_build_pair_table(data, test, ranked))
    return QualityReport(specs, tables)


def _build_pair_table(data: ReportData, test: Instances, ranked: Sequence[int]) -> Table:
    """Build the table of pairs of joints in one place, which networks that confuse sides have."""
    rows: list[tuple[Cell, ...]] = []
    for index in ranked:
        result = data.results[index]
        people = np.flatnonzero(np.nan_to_num(result.matches.oks) >= MIN_OKS)
        detections = result.matches.rows[people]
        pairs = count_collapsed_pairs(test, result.predictions, detections, people)
        shares = [pairs[one.name].share for one in CLASSES]
        rows.append(
            (
                label_run(data.runs[index], data.runs),
                *(None if share is None else 100 * share for share in shares),
            )
        )
    return Table(
        name="collapsed_pairs",
        title="Collapsed pairs: left and right joint in one place, % of the pairs labelled apart",
        columns=(Column("run"), *(Column(one.heading, "points") for one in CLASSES)),
        rows=tuple(rows),
        note="A network that cannot tell left from right puts both halfway between them. Pairs of "
        f"matched people; in one place is nearer than {COLLAPSED_BELOW} of their distance.",
    )


def _find_known_ap(score: RunScore | None, predictions: Predictions) -> Metrics | None:
    """Return AP (`owned`) of the predictions, where they were scored on all of their joints."""
    if score is None or score.evaluation.settings["keypoints"] != predictions.skeleton.name:
        return None
    return score.evaluation["owned"]


def _build_density_table(made: DensityBreakdown, label: str) -> Table:
    """Build the table of AP by density class of all sizes."""
    columns = (
        Column("size"),
        Column("density"),
        Column("people", "count"),
        Column("of the size, %", "points"),
        Column("AP (owned)", "points"),
    )
    rows: list[tuple[Cell, ...]] = [
        (
            one.size,
            one.name,
            one.people,
            None if math.isnan(one.share) else 100 * one.share,
            None if one.ap is None else 100 * one.ap,
        )
        for one in made.classes
    ]
    note = (
        "Eq. 3 with the upper limit of the person's own size class as the reference area (large: "
        "512 × 384 px²); for small people it is the paper's. Sparse and dense end at "
        + ", ".join(
            f"{low:g} and {high:g} ({size})" for size, (low, high) in DENSITY_LIMITS.items()
        )
        + "."
    )
    if made.scarce:
        names = ", ".join(f"{one.size} {one.name} ({one.people:,})" for one in made.scarce)
        note += f" With fewer than {100 * MIN_SHARE:.0f} % of the people of their size: {names}."
    title = f"AP by size and density ({label})"
    return Table("densities", title, columns, tuple(rows), note)


def _build_densities_of_runs(breakdowns: Mapping[str, DensityBreakdown]) -> Table:
    """Build the table of AP by size and density class, a row for each run."""
    first = next(iter(breakdowns.values()))
    columns = (
        Column("run"),
        *(Column(f"{one.size} {one.name}", "points") for one in first.classes),
    )
    people: tuple[Cell, ...] = ("people", *(str(one.people) for one in first.classes))
    rows: list[tuple[Cell, ...]] = [
        (label, *(None if one.ap is None else 100 * one.ap for one in breakdown.classes))
        for label, breakdown in breakdowns.items()
    ]
    note = "AP (owned), with the classes of the table above; the last row counts the people."
    return Table(
        "densities_of_runs", "AP by size and density, all runs", columns, (*rows, people), note
    )


def _build_joint_table(failures: list[JointFailure], label: str) -> Table:
    """Build the table of errors of each joint by size and visibility, without empty rows."""
    columns = (
        Column("joint"),
        Column("size"),
        Column("visibility"),
        Column("labels", "count"),
        Column("PCK@0.1, %", "points"),
        Column("OKS term, %", "points"),
        *(Column(f"{kind}, %", "points") for kind in FAILURE_KINDS),
    )
    rows: list[tuple[Cell, ...]] = [
        (
            one.joint.replace("_", " "),
            one.size,
            one.visibility,
            one.labelled,
            100 * (one.pck or 0.0),
            100 * (one.similarity or 0.0),
            *(100 * one.kinds[kind] for kind in FAILURE_KINDS),
        )
        for one in failures
        if one.labelled
    ]
    note = (
        "Hidden: v = 1, seen: v = 2. Missed: no prediction meets the joint's person (OKS from .1 "
        "on, by falling score). Shares are of the labels."
    )
    return Table("joint_failures", f"Errors of joints ({label})", columns, tuple(rows), note)


def _describe_joints(failures: list[JointFailure]) -> str:
    pck = {one.joint: one.pck for one in failures if (one.size, one.visibility) == ("all", "all")}
    first = rank_joints(failures)[:3]
    return ", ".join(
        f"{joint.replace('_', ' ')} {100 * (pck[joint] or 0):.0f} %" for joint in first
    )


def _describe_calibration(name: str, one: Calibration) -> str:
    if not one.bins:
        return f"{name} no detections"
    low, high = one.bins[0], one.bins[-1]
    ap, perfect = one.ap["AP"], one.perfect_ap["AP"]
    text = f"{name} {100 * low.correct:.0f} % at {low.score:.2f}, {100 * high.correct:.0f} % at "
    text += f"{high.score:.2f}"
    if ap is None or perfect is None:
        return text
    return f"{text}, AP {100 * ap:.1f} and {100 * perfect:.1f} if ranked by OKS"
