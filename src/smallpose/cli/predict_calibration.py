"""`smallpose predict --calibrate TRUTH.json` and `--calibration FILE`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.system.progress import print_status

if TYPE_CHECKING:
    from smallpose.core.skeleton import Skeleton
    from smallpose.evaluation.sigma_file import JointSigmas
    from smallpose.inference.calibration import Calibration
    from smallpose.inference.fit_calibration import CalibrationQuality
    from smallpose.inference.predict_files import PredictionResult
    from smallpose.methods import PoseMethod

PACKAGES = ("scipy",)


def check_calibration_arguments(args: argparse.Namespace) -> None:
    """Let --calibrate take the place of --data, and refuse options that do not fit.

    Raises: InputError; ImportError where SciPy is missing.
    """
    for path, flag in ((args.calibrate, "--calibrate"), (args.calibration, "--calibration")):
        if path is not None and not path.exists():
            raise InputError(f"{flag} {path}", "no such file", "check the path")
    if args.calibrate is None:
        return
    for is_given, flag in (
        (args.data, "--data"),
        (args.inputs, "images"),
        (args.calibration, "--calibration"),
        (args.min_score is not None, "--min-score"),
        (args.own_joints, "--own-joints"),
        (args.shards or args.backend, "--shards or --backend"),
    ):
        if is_given:
            raise InputError(
                "--calibrate",
                f"takes all people of its own labelled images, and {flag} cannot be added",
                f"leave {flag} out, and use what was fitted by --calibration in a second run",
            )
    from smallpose.system.packages import require_packages

    require_packages("--calibrate", *PACKAGES)
    args.data = args.calibrate


def load_calibration(args: argparse.Namespace) -> "Calibration | None":
    """Read the file of --calibration; None without one."""
    if args.calibration is None:
        return None
    from smallpose.inference.calibration import read_calibration

    return read_calibration(args.calibration, args.method)


def check_calibrated_weights(
    args: argparse.Namespace, calibration: "Calibration | None", method: "PoseMethod"
) -> None:
    """Refuse the calibration of other weights than the method has."""
    if calibration is None:
        return
    from smallpose.inference.calibration import refuse_other_weights
    from smallpose.methods.checkpoints.weights_digest import compute_weights_digest

    refuse_other_weights(calibration, compute_weights_digest(method), args.calibration)


def get_calibration_path(out: Path) -> Path:
    """Return where the calibration of results is written."""
    return out.with_name(f"{out.stem}.calibration.json")


def write_fitted_calibration(
    args: argparse.Namespace, result: "PredictionResult", method: "PoseMethod"
) -> None:
    """Fit a calibration on the results, write it, and print how good it is on other images."""
    from dataclasses import replace

    from smallpose.inference.calibration import write_calibration
    from smallpose.inference.fit_calibration import fit_calibration, measure_quality
    from smallpose.methods.checkpoints.weights_digest import compute_weights_digest

    truth = result.people
    if not len(truth.skeleton) or not truth.keypoints[:, :, 2].any():
        remedy = "pass a COCO file with labelled keypoints"
        raise InputError(f"--calibrate {args.calibrate}", "has no labelled joints", remedy)
    sigmas = _get_method_sigmas(method, truth.skeleton)
    calibration = fit_calibration(truth, result.predictions, args.method, sigmas)
    calibration = replace(calibration, weights_sha256=compute_weights_digest(method))
    quality = measure_quality(truth, result.predictions, sigmas)
    path = get_calibration_path(args.out)
    write_calibration(calibration, path)
    for line in describe_quality(quality):
        print_status(line)
    print_status(
        f"calibration of {format_count(calibration.num_detections, 'detection')} and "
        f"{format_count(calibration.num_joints, 'joint')} in "
        f"{format_count(calibration.num_images, 'image')}: {path}; the results have the method's "
        "own scores"
    )


def _get_method_sigmas(method: "PoseMethod", data: "Skeleton") -> "JointSigmas":
    """Return the sigmas that a method was trained with, which scored its training, too.

    Args:
        data: joints of the labels; where these have numbers for names, they are the method's.
    """
    from smallpose.dataloading.coco_files import are_joints_by_number
    from smallpose.evaluation.sigma_file import JointSigmas

    named = data if are_joints_by_number(method.skeleton, data) else method.skeleton
    return JointSigmas(tuple(method.skeleton.sigmas.tolist()), named.spelled_joints)


def describe_quality(quality: "CalibrationQuality") -> list[str]:
    """Return what cross-validation says, in lines."""
    by_size = ", ".join(
        f"{name} {100 * share:.1f} ({joints:,})"
        for name, (share, joints) in quality.coverage_by_size.items()
    )
    return [
        "measured on images that were left out of the fit, in five parts:",
        f"  mean distance of score and share correct: {quality.error_before:.3f} before, "
        f"{quality.error_after:.3f} after",
        f"  joints within their expected error, of 68 %: {100 * quality.coverage:.1f}; by size "
        f"(joints): {by_size}",
    ]
