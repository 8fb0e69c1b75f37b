"""Figures of several runs on one test set: Fig. 4a, Fig. 5, and latency against AP_S."""

from collections.abc import Mapping, Sequence
from functools import partial

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.analysis.binned_ap import Bin, compute_binned_ap, measure_density
from smallpose.report.claims.claims_methods import METHODS
from smallpose.report.claims.our_runs import Ours
from smallpose.report.claims.result_source import PaperBoard
from smallpose.report.dataset_report import FigureSpec
from smallpose.report.figures.changes import Change, changes_of, gains_by_class
from smallpose.report.figures.density import ap_against_density
from smallpose.report.figures.runs import run_label
from smallpose.report.figures.speed import Point, latency_against_ap, milliseconds
from smallpose.report.figures.style import CLASSES
from smallpose.report.inputs import paper_values
from smallpose.report.inputs.runs import Run
from smallpose.report.inputs.scores import RunScore, SeedGroup
from smallpose.report.latency import Latency

MAX_CURVES = 6  # curves that can be told apart in one figure
BINS, DRAWS = 10, 300


def make_density_figure(
    runs: Sequence[Run], truth: Instances, found: Mapping[int, Predictions]
) -> list[FigureSpec]:
    """Fig. 4a, of the best runs if there are many; nothing where nobody is small."""
    trained = [n for n in found if not runs[n].is_untrained] or list(found)
    best = sorted(trained, key=lambda n: -(runs[n].metric("AP_S") or 0.0))[:MAX_CURVES]
    density = measure_density(truth)
    methods: dict[str, list[Bin]] = {
        run_label(runs[n], runs): compute_binned_ap(
            truth, found[n], density, num_bins=BINS, num_resamples=DRAWS
        )
        for n in sorted(best)
    }
    methods = {name: bins for name, bins in methods.items() if bins}
    if not methods:
        return []
    words = []
    for name, bins in methods.items():
        known = [b for b in bins if b.ap is not None]
        ends = [f"{100 * (b.ap or 0):.1f} at {(b.low + b.high) / 2:.2f}" for b in known]
        words.append(f"{name} {ends[0]}, {ends[-1]}" if known else f"{name} nothing")
    return [
        FigureSpec(
            "fig4a_ap_against_density",
            "AP against keypoint density",
            "AP (owned) of small people, from the lowest density to the highest: "
            + "; ".join(words),
            partial(ap_against_density, methods),
        )
    ]


def make_change_figure(mine: Ours | None) -> list[FigureSpec]:
    """Fig. 5 of the methods that have both settings."""
    if mine is None:
        return []
    board = mine.boards["owned"]
    changes = changes_of(board, PaperBoard(paper_values.PRINTED), METHODS)
    if not changes:
        return []
    return [
        FigureSpec(
            "fig5_changes",
            "From setting A to B by class",
            "B minus A in points of AP (owned), both on 17 joints: "
            + "; ".join(_describe_change(change) for change in changes),
            partial(gains_by_class, changes),
        )
    ]


def _describe_change(change: Change) -> str:
    known = [(CLASSES[m], v) for m, v in change.ours.items() if v is not None]
    return f"{change.label} " + ", ".join(f"{name} {v.value:+.1f}" for name, v in known)


def make_latency_figure(
    runs: Sequence[Run], times: Mapping[int, Latency], scores: Mapping[int, RunScore]
) -> list[FigureSpec]:
    """Latency against AP_S, of runs with both."""
    points = []
    for n, latency in times.items():
        if n in scores:
            small = SeedGroup((runs[n],), (scores[n],)).measure("AP_S", "owned")
            if small is not None:
                points.append(Point(run_label(runs[n], runs), latency, small))
    if not points:
        return []
    words = [f"{p.label} {milliseconds(p.latency.median)}, {p.ap_small.value:.1f}" for p in points]
    return [
        FigureSpec(
            "latency_against_ap_small",
            "Latency against AP of small people",
            f"Milliseconds per image ({points[0].latency.device}) and AP_S: " + "; ".join(words),
            partial(latency_against_ap, points),
        )
    ]
