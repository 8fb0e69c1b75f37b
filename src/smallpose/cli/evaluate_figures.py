"""The figures of `smallpose evaluate`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallpose.core.errors import InputError

if TYPE_CHECKING:
    from smallpose.core.instances import Instances
    from smallpose.core.predictions import Predictions
    from smallpose.evaluation.evaluate import Evaluation


def draw_worst_people(
    args: argparse.Namespace,
    truth: "Instances",
    predictions: "Predictions",
    options: dict[str, Any],
) -> None:
    """Draw the people with the lowest OKS into worst.png in the folder of --worst."""
    from smallpose.system.packages import require_packages

    require_packages("evaluate --worst", "cv2", "PIL", "matplotlib")
    from smallpose.dataset.meant_folder import suggest_image_folder
    from smallpose.evaluation.analysis.person_matches import match_people
    from smallpose.report.images.encode import encode_image, match_image_names, open_image_reader
    from smallpose.report.images.sheet_drawing import draw_sheet
    from smallpose.report.images.worst_sheet import build_worst_sheet, find_worst_people
    from smallpose.report.inputs.person_matching import RunPredictions
    from smallpose.system.files import write_atomically

    left_out = ("protocols", "max_detections")
    scoring = {key: value for key, value in options.items() if key not in left_out}
    matches = match_people(truth, predictions, None, **scoring)
    result = RunPredictions(name_model(args.predictions), predictions, matches)
    names = truth.images.file_names
    worst = [names[row] for row in truth.image_rows[find_worst_people(truth, result)].tolist()]
    files = match_image_names(args.images, worst, names)
    read = open_image_reader(args.images, [truth.images], files)
    sheet = build_worst_sheet(truth, result, read)
    if not sheet.has_tiles:
        raise InputError(
            f"--images {args.images}",
            "has none of the images of the worst people",
            suggest_image_folder(
                args.images,
                names,
                "give the folder that the file names of the ground truth are relative to",
            ),
        )
    write_atomically(args.worst / "worst.png", encode_image(draw_sheet(sheet), "png"))


def name_model(path: Path) -> str:
    """Return the name of a result file, or of the run that it is in."""
    from smallpose.io.result_folders import get_result_name

    return get_result_name(path)


def draw_figures(
    args: argparse.Namespace,
    truth: "Instances",
    predictions: "Predictions",
    result: "Evaluation",
    options: dict[str, Any],
) -> None:
    """Draw all figures of an evaluation into the folder of --figures."""
    from smallpose.evaluation.analysis.binned_ap import (
        MAX_HEIGHT_RATIO,
        compute_binned_ap,
        measure_density,
        measure_height,
    )
    from smallpose.evaluation.ceiling.whole_pixels import compute_ceiling_bins
    from smallpose.report.figures.evaluation import save_figures

    options = {key: value for key, value in options.items() if key != "protocols"}
    sizes = {key: value for key, value in options.items() if key in ("size_area", "size_limits")}
    options |= {"num_resamples": args.intervals, "seed": args.seed}
    scales = {
        "density": measure_density(truth, args.density_joints, **sizes),
        "height": measure_height(truth),
    }
    curves = {}
    ceilings = {}
    for name, values in scales.items():
        binning = options | {"max_ratio": MAX_HEIGHT_RATIO if name == "height" else None}
        curves[name] = compute_binned_ap(truth, predictions, values, **binning)
        ceilings[name] = compute_ceiling_bins(truth, predictions, values, **binning)
    save_figures(result, curves, args.figures, ceilings, name_model(args.predictions))
    _draw_failure_figures(args, truth, predictions, result, options)


def _draw_failure_figures(
    args: argparse.Namespace,
    truth: "Instances",
    predictions: "Predictions",
    result: "Evaluation",
    options: dict[str, Any],
) -> None:
    from smallpose.evaluation.analysis.density_axes import break_down_by_density
    from smallpose.evaluation.analysis.joint_failures import judge_joints, tabulate_failures
    from smallpose.evaluation.analysis.score_quality import (
        list_precision_curves,
        measure_calibration,
    )
    from smallpose.report.figures.failures import save_failure_figures

    protocol = next(iter(result.protocols))
    scoring = {k: v for k, v in options.items() if k not in ("num_resamples", "seed")}
    save_failure_figures(
        tabulate_failures(judge_joints(truth, predictions, protocols=(protocol,), **scoring)),
        list_precision_curves(result),
        measure_calibration(truth, predictions, protocol=protocol, **scoring),
        break_down_by_density(truth, predictions, **options),
        args.figures,
        name_model(args.predictions),
    )
