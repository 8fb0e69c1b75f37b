"""Tell results that fit the labels of a neighbouring frame better than those of their own.

Where labels and results number frames from 0 and from 1, and only some frames are labelled, the
numbers alone tell nothing: the poses do.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.io.frame_numbering import NUMBERED
from smallpose.io.label_faults import NO_RESULT
from smallpose.io.pose_pairs import (
    Floats,
    average_rows,
    choose_best_pairs,
    collect_poses,
    sample_people,
)

_SHIFTS = (-1, 1)
_MIN_IMAGES = 5
_MIN_GAIN = 0.05  # of a person's fit, 0 to 1, that counts as better or worse
_MIN_BETTER = 0.9  # of those whose fit changes


def describe_better_neighbours(
    truth: Instances, predictions: Predictions, read: Callable[[Instances], Predictions]
) -> str | None:
    """Say so where the poses of frame n - 1, or of n + 1, fit the labels of frame n better.

    Args:
        predictions: with the results of images that `truth` lacks left out.
        read: reads the same results for images of other names, and leaves out the same way.
    """
    people = sample_people(truth)
    if len(np.unique(truth.image_rows[people])) < _MIN_IMAGES or not len(predictions):
        return None
    own = _measure_fit(truth, predictions)
    for shift in _SHIFTS:
        moved = _rename_frames(truth, shift)
        if moved is None:
            return None
        try:
            neighbours = _measure_fit(moved, read(moved))
        except InputError:  # no frame has such a neighbour
            continue
        if _is_better(truth.image_rows[people], neighbours - own):
            neighbour = "frame before" if shift < 0 else "next frame"
            return (
                f"the results of the {neighbour} fit the labels better than those of the same "
                "number, so labels and results seem to number frames from 0 and from 1 (ffmpeg "
                "from 1, predict and OpenCV from 0); number both alike (ffmpeg -start_number 0); "
                f"{NO_RESULT}"
            )
    return None


def _is_better(image_rows: NDArray[np.intp], gain: Floats) -> bool:
    is_better = gain > _MIN_GAIN
    is_worse = gain < -_MIN_GAIN
    if len(np.unique(image_rows[is_better])) < _MIN_IMAGES:
        return False
    return bool(is_better.sum() >= _MIN_BETTER * (is_better.sum() + is_worse.sum()))


def _measure_fit(truth: Instances, predictions: Predictions) -> Floats:
    """Return how well the best detection fits each of the people that `sample_people` takes.

    It is NaN in images without detections, which may not have been predicted.
    """
    fit = np.full(len(truth), np.nan)
    poses = collect_poses(truth, predictions)
    quality = average_rows(poses.own_fit)
    best = choose_best_pairs(poses.pairs, quality)
    fit[poses.pairs.people[best]] = quality[best]
    return fit[sample_people(truth)]


def _rename_frames(truth: Instances, shift: int) -> Instances | None:
    """Give each image the name of a neighbouring frame; None where one is no frame."""
    names = [_shift_number(name, shift) for name in truth.images.file_names]
    if None in names:
        return None
    return replace(truth, images=replace(truth.images, file_names=tuple(map(str, names))))


def _shift_number(name: str, shift: int) -> str | None:
    path = PurePosixPath(name.replace("\\", "/"))
    match = NUMBERED.fullmatch(path.stem)
    if match is None:
        return None
    number = int(match[2]) + shift
    stem = f"{match[1]}{number:0{len(match[2])}d}" if number >= 0 else f"{match[1]}before"
    return str(path.with_name(f"{stem}{path.suffix}"))
