"""Figures of the runs' results: AP by class, from setting A to B, found along height."""

from collections.abc import Mapping, Sequence
from functools import partial

from smallpose.core.instances import Instances
from smallpose.report import figures
from smallpose.report.dataset_report import Drawing
from smallpose.report.inputs import paper_values
from smallpose.report.inputs.person_matching import found_by_height
from smallpose.report.inputs.runs import Run
from smallpose.report.inputs.scores import Score, Seeds, by_seeds
from smallpose.report.page.summary import looks_of
from smallpose.report.report_data import Material

MOST_BARS = 4  # runs beside each other in a bar chart
MOST_CURVES = 6


def result_drawings(material: Material, scores: Mapping[int, Score]) -> list[Drawing]:
    runs = _shown(material, scores)
    out = [_by_class(runs, "coco")]
    if any("owned" in run.protocols() for run in runs):
        out.append(_by_class(runs, "owned"))
    pairs = _pairs(material)
    if len(pairs) > 1:
        words = [f"{name} {points(a):.1f} to {points(b):.1f}" for name, (a, b) in pairs.items()]
        alt = "AP under setting A and B: " + ", ".join(words)
        out.append(Drawing("fig5_gains", "From setting A to B", alt, partial(figures.gains, pairs)))
    if material.test is not None and material.found:
        out.append(_by_height(material, material.test))
    return out


def _by_class(runs: Sequence[Seeds], protocol: str) -> Drawing:
    once = protocol == "owned"
    return Drawing(
        "fig5_ap_by_class" + ("_owned" if once else ""),
        "AP by size and density" + (", each false positive counted once" if once else ""),
        f"AP ({protocol}) in points by class: "
        + "; ".join(_spoken(run, runs, protocol) for run in runs),
        partial(figures.ap_by_class, runs, protocol),
    )


def _by_height(material: Material, test: Instances) -> Drawing:
    """Found or not along height; of many runs the best ones."""
    best = material.ranked[:MOST_CURVES]
    looks = looks_of(material)
    curves = {
        figures.run_label(material.runs[n], material.runs): found_by_height(
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
    return Drawing(
        "found_by_height",
        "How small may a person get?",
        "Share of people found with OKS from 0.5 by height: " + "; ".join(ends),
        partial(figures.found_along_height, curves, [looks[n] for n in sorted(best)]),
    )


def _shown(material: Material, scores: Mapping[int, Score]) -> list[Seeds]:
    """Runs of the set whose bars fit beside each other, seeds together.

    All that are trained, or those of the best method.
    """
    there = [g for g in by_seeds(material.runs, scores) if g.first.data == material.data]
    trained = [g for g in there if not g.first.untrained]
    groups = trained or there or by_seeds(material.runs, scores)
    if len(groups) <= MOST_BARS:
        return groups
    best = material.runs[material.best].method
    return [g for g in groups if g.first.method == best][:MOST_BARS]


def _pairs(material: Material) -> dict[str, tuple[Run, Run]]:
    """Methods with a run under each setting, the best of each; of several seeds the middle one."""
    best: dict[tuple[str, str], Run] = {}
    order = material.ranked or range(len(material.runs))
    for run in [material.runs[n] for n in order if not material.runs[n].untrained]:
        known = best.get((run.method, run.setting))
        if known is None or points(run) > points(known):
            best[run.method, run.setting] = run
    return {
        paper_values.label(method): (best[method, "A"], best[method, "B"])
        for method in dict.fromkeys(method for method, _ in best)
        if (method, "A") in best and (method, "B") in best
    }


def _spoken(run: Seeds, runs: Sequence[Seeds], protocol: str = "coco") -> str:
    values = {c: run.measured(m, protocol) for m, c in figures.CLASSES.items()}
    words = [f"{name} {v.value:.1f}" for name, v in values.items() if v is not None]
    return f"{figures.run_label(run.first, [r.first for r in runs])}: {', '.join(words)}"


def points(run: Run) -> float:
    """AP by protocol coco; 0 where the run has none."""
    return run.metric("AP") or 0.0
