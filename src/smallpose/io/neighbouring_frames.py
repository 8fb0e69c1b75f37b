"""Tell results that fit the labels of a neighbouring frame better than those of their own.

Where labels and results number frames from 0 and from 1, and only some frames are labelled, the
numbers alone tell nothing: the poses do. The people of a frame move together, so frames are what
is counted: by one-sided t-tests over the frames, results of one neighbour have to fit better than
those of the same frame, and than those of the other neighbour. Of 8,000 simulated sets of labels
with the right numbers (`make check-long`), 1 was doubted.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.core.student_t import compute_two_sided_p
from smallpose.io.frame_numbering import NUMBERED
from smallpose.io.label_faults import NO_RESULT
from smallpose.io.pose_pairs import (
    Floats,
    average_rows,
    choose_best_pairs,
    collect_poses,
    sample_people,
)

MIN_IMAGES = 5
MIN_GAIN = 0.02  # of the mean fit, 0 to 1
MAX_P = 0.0025  # of both tests, one-sided
MAX_P_ASKED = 0.02  # likewise, from which on the note only asks


def describe_better_neighbours(
    truth: Instances, predictions: Predictions, read: Callable[[Instances], Predictions]
) -> str | None:
    """Say so where the poses of frame n - 1, or of n + 1, fit the labels of frame n better.

    Args:
        predictions: with the results of images that `truth` lacks left out.
        read: reads the same results for images of other names, and leaves out the same way.
    """
    people = sample_people(truth)
    if len(np.unique(truth.image_rows[people])) < MIN_IMAGES or not len(predictions):
        return None
    own = measure_people_fit(truth, predictions)
    before, after = (_measure_gain(truth, shift, own, read) for shift in (-1, 1))
    if before is None or after is None:
        return None
    rows = truth.image_rows[people]
    for max_p, describe in ((MAX_P, _describe), (MAX_P_ASKED, _ask)):
        if _is_better(rows, before, after, max_p):
            return describe("frame before", "")
        if _is_better(rows, after, before, max_p):
            return describe("next frame", ", unless the model lags, as smoothed tracks do")
    return None


def _describe(neighbour: str, exception: str) -> str:
    return (
        f"the results of the {neighbour} fit the labels better than those of the same number, so "
        "labels and results seem to number frames from 0 and from 1 (ffmpeg from 1, predict and "
        f"OpenCV from 0); number both alike (ffmpeg -start_number 0, without fps=, which numbers "
        f"anew){exception}; {NO_RESULT}"
    )


def _ask(neighbour: str, exception: str) -> str:
    return (
        f"the results of the {neighbour} fit the labels a little better than those of the same "
        "number, which may be chance: do labels and results number frames alike (ffmpeg from 1, "
        f"predict and OpenCV from 0)? If not, number both alike (ffmpeg -start_number 0, without "
        f"fps=, which numbers anew){exception}"
    )


def _measure_gain(
    truth: Instances, shift: int, own: Floats, read: Callable[[Instances], Predictions]
) -> Floats | None:
    """Return by how much the results of a neighbour fit each person better than `own`.

    None where no frame has such a neighbour.
    """
    moved = _rename_frames(truth, shift)
    if moved is None:
        return None
    try:
        return measure_people_fit(moved, read(moved)) - own
    except InputError:
        return None


def _is_better(image_rows: NDArray[np.intp], gain: Floats, other: Floats, max_p: float) -> bool:
    """Return whether results of a neighbour fit better than those of the same frame.

    They must also fit better than those of the `other` neighbour: who is missed in a frame at
    random gains on both sides.
    """
    means = average_by_image(image_rows, gain)
    contrast = average_by_image(image_rows, gain - other)
    if len(means) < MIN_IMAGES or means.mean() < MIN_GAIN:
        return False
    return is_above_zero(means, max_p) and is_above_zero(contrast, max_p)


def average_by_image(image_rows: NDArray[np.intp], values: Floats) -> Floats:
    """Return (i,) the means of the images that have known values."""
    is_known = ~np.isnan(values)
    counts = np.bincount(image_rows[is_known])
    totals = np.bincount(image_rows[is_known], weights=values[is_known])
    return np.asarray(totals[counts > 0] / counts[counts > 0])


def is_above_zero(values: Floats, max_p: float = MAX_P) -> bool:
    """Return whether the mean is above 0 by more than chance explains, by a one-sided t-test."""
    if len(values) < MIN_IMAGES or values.mean() <= 0:
        return False
    deviation = max(float(values.std(ddof=1)), 1e-9)
    t = float(values.mean()) / deviation * math.sqrt(len(values))
    return compute_two_sided_p(t, len(values) - 1) < 2 * max_p


def measure_people_fit(truth: Instances, predictions: Predictions) -> Floats:
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
    numbers = [get_frame_number(name) for name in truth.images.file_names]
    if None in numbers:
        return None
    return rename_frames(truth, [number + shift for number in numbers if number is not None])


def rename_frames(truth: Instances, numbers: Sequence[int]) -> Instances:
    """Give images, which are called as frames, the names of frames of other numbers."""
    pairs = zip(truth.images.file_names, numbers, strict=True)
    names = tuple(_set_number(name, number) for name, number in pairs)
    return replace(truth, images=replace(truth.images, file_names=names))


def get_frame_number(name: str) -> int | None:
    """Return the number in a frame's name; None without one."""
    match = NUMBERED.fullmatch(PurePosixPath(name.replace("\\", "/")).stem)
    return None if match is None else int(match[2])


def _set_number(name: str, number: int) -> str:
    path = PurePosixPath(name.replace("\\", "/"))
    match = NUMBERED.fullmatch(path.stem)
    if match is None:
        return name
    stem = f"{match[1]}{number:0{len(match[2])}d}" if number >= 0 else f"{match[1]}before"
    return str(path.with_name(f"{stem}{path.suffix}"))
