"""Draw the figures of `compare`: AP by class and detection along height, results side by side."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.analysis.comparison import Comparison
from smallpose.report.figures import (
    choose_run_styles,
    draw_ap_by_class,
    draw_detection_rate,
    save_figure,
)
from smallpose.report.inputs.person_matching import compute_detection_by_height, match_people
from smallpose.report.inputs.result_files import describe_result_file


def save_comparison_figures(
    comparison: Comparison,
    truth: Instances,
    predictions: Mapping[str, Predictions],
    paths: Mapping[str, Path],
    folder: Path,
    **scoring: Any,
) -> None:
    """Write `ap_by_class` and `detected_by_height` as PNG and SVG; the legend names the results.

    Args:
        predictions, paths: by the names that the comparison has.
        scoring: options of the comparison, as for `match_people`.
    """
    runs = [
        replace(
            describe_result_file(paths[name], name, predictions[name], Path()),
            evaluation=evaluation.to_dict(),
        )
        for name, evaluation in comparison.evaluations.items()
    ]
    styles = choose_run_styles(runs)
    protocol = next(iter(next(iter(comparison.evaluations.values())).protocols))
    bars = draw_ap_by_class(runs, protocol, styles)
    save_figure(bars, folder, "ap_by_class", title="AP by class")
    curves = {
        name: compute_detection_by_height(truth, match_people(truth, one, None, **scoring))
        for name, one in predictions.items()
    }
    if all(len(curve.x) for curve in curves.values()):
        rates = draw_detection_rate(curves, styles)
        save_figure(rates, folder, "detected_by_height", title="People detected by height")
