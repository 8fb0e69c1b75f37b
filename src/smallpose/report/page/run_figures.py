"""Make figures of several runs on one test set: Fig. 4a, Fig. 5, and latency against AP_S."""

from collections.abc import Mapping, Sequence
from functools import partial

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.analysis.binned_ap import Bin, compute_binned_ap, measure_density
from smallpose.report.claims.cells import METHODS, PaperSource
from smallpose.report.claims.our_runs import OurResults
from smallpose.report.dataset_report import FigureSpec
from smallpose.report.figures.changes import Change, compute_changes, draw_gains_by_class
from smallpose.report.figures.density import draw_ap_against_density
from smallpose.report.figures.speed import (
    LatencyPoint,
    draw_latency_against_ap,
    format_milliseconds,
)
from smallpose.report.figures.style import CLASSES, SeriesStyle
from smallpose.report.inputs import paper_values
from smallpose.report.inputs.run_labels import label_run
from smallpose.report.inputs.runs import Run
from smallpose.report.inputs.scores import RunScore, SeedGroup
from smallpose.report.latency import Latency
from smallpose.report.page.curves import NUM_BINS, NUM_RESAMPLES
from smallpose.report.page.result_figures import describe_part

MAX_CURVES = 6  # that can be told apart in one figure


def make_density_figure(
    runs: Sequence[Run],
    truth: Instances,
    predictions: Mapping[int, Predictions],
    styles: Mapping[int, SeriesStyle] | None = None,
    known: Mapping[int, list[Bin]] | None = None,
) -> list[FigureSpec]:
    """Make Fig. 4a, of many runs for the best ones; none without small people.

    Args:
        styles: of the runs in all figures of the page (default: a series of colours).
        known: bins of the runs that were computed for the curves of the page.
    """
    trained = [n for n in predictions if not runs[n].is_untrained] or list(predictions)
    best = sorted(trained, key=lambda n: -(runs[n].metric("AP_S") or 0.0))[:MAX_CURVES]
    density = measure_density(truth)
    known = known or {}
    methods = {
        label_run(runs[n], runs): known[n]
        if n in known
        else compute_binned_ap(
            truth, predictions[n], density, num_bins=NUM_BINS, num_resamples=NUM_RESAMPLES
        )
        for n in sorted(best)
    }
    drawn = [n for n, bins in zip(sorted(best), methods.values(), strict=True) if bins]
    methods = {name: bins for name, bins in methods.items() if bins}
    if not methods:
        return []
    descriptions = "; ".join(_describe_bins(name, bins) for name, bins in methods.items())
    return [
        FigureSpec(
            name="fig4a_ap_against_density",
            title="AP against keypoint density, protocol owned"
            + describe_part(len(best), len(trained)),
            alt="AP (owned) of small people, from the lowest density to the highest: "
            + descriptions,
            draw=partial(
                draw_ap_against_density, methods, [styles[n] for n in drawn] if styles else ()
            ),
        )
    ]


def _describe_bins(name: str, bins: Sequence[Bin]) -> str:
    known = [b for b in bins if b.ap is not None]
    if not known:
        return f"{name} no values"
    ends = [f"{100 * (b.ap or 0):.1f} at {b.mean:.2f}" for b in (known[0], known[-1])]
    return f"{name} {', '.join(ends)}"


def make_change_figure(our_results: OurResults | None) -> list[FigureSpec]:
    """Make Fig. 5, for the methods that have both settings."""
    if our_results is None:
        return []
    owned, printed = our_results.sources["owned"], PaperSource(paper_values.PRINTED)
    changes = compute_changes(owned, printed, METHODS)
    if not changes:
        return []
    return [
        FigureSpec(
            name="fig5_changes",
            title="From setting A to B by class, protocol owned",
            alt="B minus A in points of AP (owned), both on 17 joints: "
            + "; ".join(_describe_change(change) for change in changes),
            draw=partial(draw_gains_by_class, changes),
        )
    ]


def _describe_change(change: Change) -> str:
    known = [(CLASSES[m], v) for m, v in change.ours.items() if v is not None]
    return f"{change.label} " + ", ".join(f"{name} {v.value:+.1f}" for name, v in known)


def make_latency_figure(
    runs: Sequence[Run],
    latencies: Mapping[int, Latency],
    scores: Mapping[int, RunScore],
    styles: Mapping[int, SeriesStyle] | None = None,
) -> list[FigureSpec]:
    """Make the figure of latency against AP_S, for runs with both."""
    points: list[LatencyPoint] = []
    drawn: list[SeriesStyle] = []
    for index, latency in latencies.items():
        if index in scores:
            ap_small = SeedGroup((runs[index],), (scores[index],)).measure("AP_S", "owned")
            if ap_small is not None:
                points.append(LatencyPoint(label_run(runs[index], runs), latency, ap_small))
                drawn += [styles[index]] if styles else []
    if not points:
        return []
    descriptions = [
        f"{p.label} {format_milliseconds(p.latency.median)}, {p.ap_small.value:.1f}" for p in points
    ]
    return [
        FigureSpec(
            name="latency_against_ap_small",
            title="Latency against AP of small people",
            alt=f"Milliseconds per image ({points[0].latency.device}) and AP_S: "
            + "; ".join(descriptions),
            draw=partial(draw_latency_against_ap, points, drawn),
        )
    ]
