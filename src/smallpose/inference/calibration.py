"""Calibrated scores and expected errors of joints, as `fit_calibration` fits them.

A calibrated score is the share of detections of that score that match a person at OKS .5. The
expected error of a joint is the radius in px of the circle that holds its labelled place in 68 % of
cases: the size of the person times factors for the size, the joint and the joint's own score.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.predictions import Predictions
from smallpose.system.files import write_atomically
from smallpose.system.json_decode import read_json

Floats = NDArray[np.float64]
FORMAT = "smallpose calibration 1"
COVERAGE = 0.68  # share of joints within the expected error
_RAW_SHARE = 1e-4  # of a score, so that equal calibrated scores keep the order of the raw ones


@dataclass(frozen=True)
class Curve:
    """A line between knots, constant beyond them.

    Args:
        x: rising.
        y: at each.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]

    def evaluate(self, values: Floats) -> Floats:
        """Return y at the values."""
        return np.interp(values, self.x, self.y)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What was fitted for one method.

    Args:
        method: its name.
        correct: share of correct detections by score.
        size_factors: logarithm of the error over the person's size, by the logarithm of the size in
            px (the root of the area of the predicted box).
        score_factors: logarithm of a factor by the score of the joint.
        joint_factors: factor of each joint, by its name.
        num_images, num_detections, num_joints: that it was fitted on.
        weights_sha256: of the method's weights; "" where it was not recorded.
    """

    method: str
    correct: Curve
    size_factors: Curve
    score_factors: Curve
    joint_factors: dict[str, float]
    num_images: int
    num_detections: int
    num_joints: int
    weights_sha256: str = ""
    format: str = FORMAT

    def calibrate_scores(self, scores: Floats) -> Floats:
        """Return the (d,) shares of correct detections, in the order of the scores."""
        squashed = 0.5 * (1 + scores / (1 + np.abs(scores)))
        return (1 - _RAW_SHARE) * self.correct.evaluate(scores) + _RAW_SHARE * squashed

    def estimate_errors(self, predictions: Predictions) -> Floats:
        """Return the (d, k) expected error of each joint, px of the image."""
        sizes = compute_sizes(predictions)
        names = predictions.skeleton.joints
        factors = np.array([self.joint_factors.get(name, 1.0) for name in names])
        by_size = self.size_factors.evaluate(np.log(sizes))
        by_score = self.score_factors.evaluate(predictions.keypoint_scores)
        return sizes[:, None] * np.exp(by_size[:, None] + by_score) * factors

    def apply_to(self, predictions: Predictions) -> Predictions:
        """Return predictions with calibrated scores and the expected errors of their joints."""
        return replace(
            predictions,
            scores=self.calibrate_scores(predictions.scores),
            keypoint_errors=self.estimate_errors(predictions),
        )

    def compute_digest(self) -> str:
        """Return a hash of the content."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()


def compute_sizes(predictions: Predictions) -> Floats:
    """Return (d,) the root of the area of each box, px, else of the extent of the joints; >= 1."""
    if not len(predictions):
        return np.zeros(0)
    area = predictions.boxes_xywh[:, 2:].prod(axis=1)
    extent = np.ptp(predictions.keypoints[:, :, :2], axis=1).prod(axis=1)
    return np.sqrt(np.maximum(np.where(np.isfinite(area), area, extent), 1.0))


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Write a calibration as JSON."""
    write_atomically(path, msgspec.json.format(msgspec.json.encode(calibration), indent=1))


def read_calibration(path: Path, method: str) -> Calibration:
    """Read the calibration of a method.

    Raises: InputError for another file, and for that of another method.
    """
    remedy = "make one with 'smallpose predict METHOD --calibrate TRUTH.json'"
    if read_json(path, dict).get("format") != FORMAT:
        raise InputError(str(path), "is no calibration", remedy)
    calibration = read_json(path, Calibration)
    if calibration.method != method:
        raise InputError(
            str(path), f"is the calibration of {calibration.method}, not of {method}", remedy
        )
    curves = (calibration.correct, calibration.size_factors, calibration.score_factors)
    if not all(_is_sound(curve) for curve in curves):
        raise InputError(str(path), "has a curve without rising knots", remedy)
    return calibration


def refuse_other_weights(calibration: Calibration, weights_sha256: str, path: Path) -> None:
    """Raise InputError when a calibration was fitted for other weights than these.

    Args:
        weights_sha256: of the method's weights; "" where they have none, and nothing is refused.
        path: of the calibration, for the message.
    """
    fitted = calibration.weights_sha256
    if weights_sha256 in (fitted, ""):
        return
    remedy = "fit these weights with 'smallpose predict METHOD --calibrate TRUTH.json'"
    if not fitted:
        what = f"does not record for which weights of {calibration.method} it was fitted"
    else:
        what = (
            f"was fitted for other weights of {calibration.method} ({fitted[:12]}…; these are "
            f"{weights_sha256[:12]}…)"
        )
    raise InputError(str(path), what, remedy)


def _is_sound(curve: Curve) -> bool:
    values = np.array([*curve.x, *curve.y])
    is_rising = bool((np.diff(curve.x) > 0).all())
    return 0 < len(curve.x) == len(curve.y) and is_rising and bool(np.isfinite(values).all())
