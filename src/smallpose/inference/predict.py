"""Predict people with any method: the entry point of training, commands and scripts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.core.score_limits import ScoreLimit
from smallpose.dataloading.images import ImageArray
from smallpose.dataloading.large_images import LargeImage
from smallpose.inference.boxes import Boxes, select_true_boxes
from smallpose.inference.computation import apply_speed_options
from smallpose.inference.full_image import predict_full_images
from smallpose.inference.options import InferenceOptions
from smallpose.inference.top_down import predict_top_down
from smallpose.methods.base import PoseMethod
from smallpose.methods.full_image import FullImageMethod
from smallpose.models.codecs.heatmap_coding import HeatmapCoding


def predict_people(
    method: PoseMethod,
    people: Instances,
    boxes: Boxes | None,
    read: Callable[[str], ImageArray | LargeImage],
    options: InferenceOptions | None = None,
    label: str = "",
) -> Predictions:
    """Predict the people in the boxes with a top-down method, or all people with another method.

    Args:
        people: names the images.
        boxes: for top-down methods (default: those of `people`). Full-image methods ignore them.
        read: file name to image.
        label: of a progress bar over the images; "" for none.

    Raises: InputError when too many images are unreadable, or one does not have the annotated
        size.
    """
    options = options or InferenceOptions()
    with apply_speed_options(method, options):
        refuse_crop_options(method, options)
        if isinstance(method, FullImageMethod):
            predictions = predict_full_images(method, people, read, options, label)
            return _finish_scores(predictions, options)
        boxes = select_true_boxes(people) if boxes is None else boxes
        with apply_crop_options(method, options):
            predictions = predict_top_down(method, people, boxes, read, options, label)
        return _finish_scores(predictions, options)


def _finish_scores(predictions: Predictions, options: InferenceOptions) -> Predictions:
    """Calibrate the scores and leave out people with a low one, as the options say."""
    if options.calibration is not None:
        predictions = options.calibration.apply_to(predictions)
    if options.min_score is None:
        return predictions
    is_kept = predictions.scores >= options.min_score
    limit = ScoreLimit(
        name="--min-score",
        score=options.min_score,
        num_left_out=int((~is_kept).sum()),
        num_detections=len(is_kept),
        singular="person",
        plural="people",
    )
    limits = (*predictions.score_limits, limit)
    return replace(predictions.take(is_kept), score_limits=limits)


def refuse_crop_options(method: PoseMethod, options: InferenceOptions) -> None:
    """Raise InputError when options of crops are given for a method that takes full images."""
    if not isinstance(method, FullImageMethod):
        return
    for flag, value in (
        ("--zoom", options.zoom),
        ("--crop-interpolation", options.crop_interpolation),
        ("--heatmap-decoding", options.heatmap_decoding),
    ):
        if value:
            what = f"is for top-down methods, and {method.name} takes full images"
            raise InputError(flag, what, "leave it out")


@contextmanager
def apply_crop_options(method: PoseMethod, options: InferenceOptions) -> Iterator[None]:
    """Cut crops and read maps by the options in the context, else as the method was trained.

    Raises: InputError when the method cannot take crops of that size, or has no such maps.
    """
    before = method.crop_options
    coding = method.heatmap_coding
    method.set_crop_options(before.override(options.crop_interpolation, options.zoom))
    try:
        if options.heatmap_decoding:
            base = coding or HeatmapCoding()
            method.set_heatmap_coding(replace(base, decoding=options.heatmap_decoding))
        yield
    finally:
        method.set_crop_options(before)
        method.heatmap_coding = coding
