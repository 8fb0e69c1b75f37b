"""Figures of the runs' results: AP by class, from setting A to B, found along height."""

from collections.abc import Mapping, Sequence
from functools import partial

from smallpose.core.instances import Instances
from smallpose.report import figures
from smallpose.report.dataset_report import FigureSpec
from smallpose.report.inputs import paper_values
from smallpose.report.inputs.person_matching import compute_detection_by_height
from smallpose.report.inputs.runs import Run
from smallpose.report.inputs.scores import RunScore, SeedGroup, group_scores
from smallpose.report.page.summary import assign_looks
from smallpose.report.report_data import ReportData

MAX_BARS = 4  # runs beside each other in a bar chart
MAX_CURVES = 6


def make_result_figures(material: ReportData, scores: Mapping[int, RunScore]) -> list[FigureSpec]:
    runs = _choose_groups(material, scores)
    out = [_make_class_figure(runs, "coco")]
    if any("owned" in run.protocols() for run in runs):
        out.append(_make_class_figure(runs, "owned"))
    pairs = _pair_settings(material)
    if len(pairs) > 1:
        words = [f"{name} {get_ap(a):.1f} to {get_ap(b):.1f}" for name, (a, b) in pairs.items()]
        alt = "AP under setting A and B: " + ", ".join(words)
        out.append(
            FigureSpec("fig5_gains", "From setting A to B", alt, partial(figures.gains, pairs))
        )
    if material.test is not None and material.found:
        out.append(_make_height_figure(material, material.test))
    return out


def _make_class_figure(runs: Sequence[SeedGroup], protocol: str) -> FigureSpec:
    once = protocol == "owned"
    return FigureSpec(
        "fig5_ap_by_class" + ("_owned" if once else ""),
        "AP by size and density" + (", each false positive counted once" if once else ""),
        f"AP ({protocol}) in points by class: "
        + "; ".join(_describe_group(run, runs, protocol) for run in runs),
        partial(figures.ap_by_class, runs, protocol),
    )


def _make_height_figure(material: ReportData, test: Instances) -> FigureSpec:
    """Found or not along height; of many runs the best ones."""
    best = material.ranked[:MAX_CURVES]
    looks = assign_looks(material)
    curves = {
        figures.run_label(material.runs[n], material.runs): compute_detection_by_height(
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
    return FigureSpec(
        "found_by_height",
        "How small may a person get?",
        "Share of people found with OKS from 0.5 by height: " + "; ".join(ends),
        partial(figures.found_along_height, curves, [looks[n] for n in sorted(best)]),
    )


def _choose_groups(material: ReportData, scores: Mapping[int, RunScore]) -> list[SeedGroup]:
    """Runs of the set whose bars fit beside each other, seeds together.

    All that are trained, or those of the best method.
    """
    there = [g for g in group_scores(material.runs, scores) if g.first_run.data == material.data]
    trained = [g for g in there if not g.first_run.is_untrained]
    groups = trained or there or group_scores(material.runs, scores)
    if len(groups) <= MAX_BARS:
        return groups
    best = material.runs[material.best].method
    return [g for g in groups if g.first_run.method == best][:MAX_BARS]


def _pair_settings(material: ReportData) -> dict[str, tuple[Run, Run]]:
    """Methods with a run under each setting, the best of each; of several seeds the middle one."""
    best: dict[tuple[str, str], Run] = {}
    order = material.ranked or range(len(material.runs))
    for run in [material.runs[n] for n in order if not material.runs[n].is_untrained]:
        known = best.get((run.method, run.setting))
        if known is None or get_ap(run) > get_ap(known):
            best[run.method, run.setting] = run
    return {
        paper_values.format_method_label(method): (best[method, "A"], best[method, "B"])
        for method in dict.fromkeys(method for method, _ in best)
        if (method, "A") in best and (method, "B") in best
    }


def _describe_group(run: SeedGroup, runs: Sequence[SeedGroup], protocol: str = "coco") -> str:
    values = {c: run.measure(m, protocol) for m, c in figures.CLASSES.items()}
    words = [f"{name} {v.value:.1f}" for name, v in values.items() if v is not None]
    return f"{figures.run_label(run.first_run, [r.first_run for r in runs])}: {', '.join(words)}"


def get_ap(run: Run) -> float:
    """AP by protocol coco; 0 where the run has none."""
    return run.metric("AP") or 0.0
