"""Make the figures of results: AP by class, from setting A to B, share detected along height."""

from collections.abc import Mapping, Sequence
from functools import partial

from smallpose.core.counts import format_count
from smallpose.core.instances import Instances
from smallpose.report import figures
from smallpose.report.dataset_report import FigureSpec
from smallpose.report.inputs import paper_values
from smallpose.report.inputs.person_matching import compute_detection_by_height
from smallpose.report.inputs.runs import Run
from smallpose.report.inputs.scores import RunScore, Scored, SeedGroup, group_scores
from smallpose.report.page.summary import choose_styles
from smallpose.report.report_data import ReportData

MAX_BARS = 4  # runs side by side in a bar chart
MAX_CURVES = 6


def make_result_figures(data: ReportData, scores: Mapping[int, RunScore]) -> list[FigureSpec]:
    """Make the figures that need nothing but the results of the runs."""
    groups = _choose_groups(data, scores)
    styles = _get_styles(data, groups)
    all_groups = group_scores(data.runs, scores)
    if any(group.first_run.setting == "A" for group in groups):
        # Beside A, B is drawn on the same 17 joints.
        groups, all_groups = (
            [group.on_coco17() or group for group in some] for some in (groups, all_groups)
        )
    firsts = [group.first_run for group in all_groups]
    labels = [figures.label_run(group.first_run, firsts) for group in groups]
    part = describe_part(len(groups), len(_list_groups(data, scores)))
    specs = [_make_class_figure(groups, "coco", styles, labels, part)]
    if any("owned" in group.protocols() for group in groups):
        specs.append(_make_class_figure(groups, "owned", styles, labels, part))
    pairs = _pair_settings(data, scores)
    if len(pairs) > 1:
        specs.append(_make_gains_figure(pairs))
    if data.test is not None and data.results:
        specs.append(_make_height_figure(data, data.test))
    return specs


def _get_styles(data: ReportData, groups: Sequence[SeedGroup]) -> list[figures.SeriesStyle]:
    """Return how the runs are drawn in all figures of the page."""
    styles = {id(data.runs[index]): style for index, style in choose_styles(data).items()}
    return [styles[id(group.first_run)] for group in groups]


def _make_class_figure(
    groups: Sequence[SeedGroup],
    protocol: str,
    styles: Sequence[figures.SeriesStyle],
    labels: Sequence[str],
    part: str,
) -> FigureSpec:
    is_owned = protocol == "owned"
    is_on_17 = any(group.first_run.setting == "B17" for group in groups)
    title = "AP by size and density" + (", B on A's 17 joints" if is_on_17 else "")
    descriptions = "; ".join(
        _describe_group(group, label, protocol) for group, label in zip(groups, labels, strict=True)
    )
    return FigureSpec(
        name="fig5_ap_by_class" + ("_owned" if is_owned else ""),
        title=f"{title}, protocol {protocol}{part}",
        alt=f"AP ({protocol}) in points by class: {descriptions}",
        draw=partial(figures.draw_ap_by_class, groups, protocol, styles, labels),
    )


def _make_gains_figure(pairs: Mapping[str, tuple[Scored, Scored]]) -> FigureSpec:
    gains = [f"{name} {_get_ap(a):.1f} to {_get_ap(b):.1f}" for name, (a, b) in pairs.items()]
    return FigureSpec(
        name="fig5_gains",
        title="From setting A to B, protocol coco",
        alt="AP under setting A and B, both on 17 joints: " + ", ".join(gains),
        draw=partial(figures.draw_gains, pairs),
    )


def _make_height_figure(data: ReportData, test: Instances) -> FigureSpec:
    """Make the figure of the share detected along height, of many runs the best ones."""
    best = sorted(data.ranked[:MAX_CURVES])
    styles = choose_styles(data)
    curves = {
        figures.label_run(data.runs[index], data.runs): compute_detection_by_height(
            test, data.results[index].matches
        )
        for index in best
    }
    descriptions = [
        f"{name} {100 * curve.share[0]:.0f} % at {curve.x[0]:.0f} px, "
        f"{100 * curve.share[-1]:.0f} % at {curve.x[-1]:.0f} px"
        for name, curve in curves.items()
        if len(curve.x)
    ]
    return FigureSpec(
        name="detected_by_height",
        title="Share of people detected by height" + describe_part(len(best), len(data.ranked)),
        alt="Share of people detected (OKS ≥ 0.5) by height: " + "; ".join(descriptions),
        draw=partial(figures.draw_detection_rate, curves, [styles[index] for index in best]),
    )


def _choose_groups(data: ReportData, scores: Mapping[int, RunScore]) -> list[SeedGroup]:
    """Choose the runs on the set whose bars fit side by side, seeds in one group.

    These are all trained ones, or the best of those of the best method.
    """
    groups = _list_groups(data, scores)
    if len(groups) <= MAX_BARS:
        return groups
    best = data.runs[data.best].method
    groups = [group for group in groups if group.first_run.method == best]
    place = {id(data.runs[index]): place for place, index in enumerate(data.ranked)}
    ranked = sorted(groups, key=lambda group: place.get(id(group.first_run), len(place)))
    chosen = {id(group) for group in ranked[:MAX_BARS]}
    return [group for group in groups if id(group) in chosen]


def _list_groups(data: ReportData, scores: Mapping[int, RunScore]) -> list[SeedGroup]:
    """List the trained runs on the set, or all of them where none is, seeds in one group."""
    all_groups = group_scores(data.runs, scores)
    on_set = [group for group in all_groups if group.first_run.data == data.data]
    trained = [group for group in on_set if not group.first_run.is_untrained]
    return trained or on_set or all_groups


def describe_part(num_shown: int, num_runs: int) -> str:
    """Say in a title that not all runs are in its figure; "" where they are."""
    return f" ({num_shown} of {format_count(num_runs, 'run')})" if num_shown < num_runs else ""


def _pair_settings(
    data: ReportData, scores: Mapping[int, RunScore]
) -> dict[str, tuple[Scored, Scored]]:
    """Pair the runs of each method under A and B, the best of each, of several seeds the middle.

    Both are scored on COCO's 17 joints; methods of which this is unknown are left out.
    """
    best: dict[tuple[str, str], Scored] = {}
    for index in data.ranked or range(len(data.runs)):
        run = data.runs[index]
        scored = _get_on_coco17(run, scores.get(index))
        known = best.get((run.method, run.setting))
        if scored is None or run.is_untrained:
            continue
        if known is None or _get_ap(scored) > _get_ap(known):
            best[run.method, run.setting] = scored
    return {
        paper_values.format_method_label(method): (best[method, "A"], best[method, "B"])
        for method in dict.fromkeys(method for method, _ in best)
        if (method, "A") in best and (method, "B") in best
    }


def _describe_group(group: SeedGroup, label: str, protocol: str) -> str:
    values = {name: group.measure(metric, protocol) for metric, name in figures.CLASSES.items()}
    parts = [f"{name} {value.value:.1f}" for name, value in values.items() if value is not None]
    return f"{label}: {', '.join(parts)}"


def _get_on_coco17(run: Run, score: RunScore | None) -> Scored | None:
    """Return the run as scored on COCO's 17 joints; None where that is unknown."""
    if run.setting == "A":
        return score or run
    if score is not None and score.on_coco17 is not None:
        return score.on_coco17
    recorded = run.on_coco17()
    return recorded if recorded.protocols else None


def _get_ap(scored: Scored) -> float:
    """Return AP by protocol coco; 0 if the run has none."""
    return scored.metric("AP") or 0.0
