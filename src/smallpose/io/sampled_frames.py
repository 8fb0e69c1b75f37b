"""Tell labels of frames that were saved at a rate and numbered anew, by the poses of the results.

`ffmpeg -vf fps=1` saves one frame of each second and calls them 1, 2, 3, …, as the first frames of
the video are called in the results. As for neighbouring frames, one-sided t-tests over the labelled
frames decide: results of frames at equal distances have to fit better than those of the same
number, and than those of the same distant frames in other orders, which gain as much where people
stand still or are missed at random.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.predictions import Predictions
from smallpose.io.frame_numbering import (
    find_last_number,
    is_first_frames_note,
    list_first_frames,
)
from smallpose.io.label_faults import NO_RESULT
from smallpose.io.neighbouring_frames import (
    MAX_P,
    MIN_GAIN,
    MIN_IMAGES,
    average_by_image,
    get_frame_number,
    is_above_zero,
    measure_people_fit,
    rename_frames,
)
from smallpose.io.pose_pairs import Floats, sample_people

# Frames that are looked for in results without a list of their images: more where results are of
# the last of so many, as names of 100,000 take a second.
_NUM_FRAMES = (2_000, 20_000, 200_000)
_MAX_SHARE = 0.9
_MAX_VIDEOS = 5  # that are looked at, as each takes some readings of the results
_NUM_ORDERS = 5  # of the distant frames, with the right one
# Frames from one saved frame to the next: videos of 24 to 60 a second, saved at usual rates.
_USUAL_STEPS = (
    *(3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 12.5, 15.0, 20.0, 23.976, 24.0, 25.0, 29.97, 30.0),
    *(40.0, 48.0, 50.0, 59.94, 60.0, 75.0, 90.0, 100.0, 120.0, 125.0, 150.0, 180.0, 200.0),
    *(240.0, 250.0, 300.0, 500.0, 600.0, 900.0, 1500.0, 1800.0),
)

Read = Callable[[Instances], Predictions]


@dataclass(frozen=True)
class _Fits:
    """How well results fit the labels.

    Args:
        image_rows: (p,) of the people.
        own: (p,) results of the frame that is called as the labelled one.
        apart: (c, p) results of frames at equal distances, for several distances.
    """

    image_rows: NDArray[np.intp]
    own: Floats
    apart: Floats


def check_first_frames(
    truth: Instances, predictions: Predictions, names: list[str], read: Read
) -> Predictions:
    """Settle by the poses, where they can, the note that frames may have been saved at a rate.

    It becomes the note that they were, for each video of which that is told, or is left out where
    the results of the same numbers fit for all videos.

    Args:
        names: of the predicted images; [] where there is no list of them.
        read: reads the same results for images of other names, and leaves out those of others.
    """
    videos = list_first_frames(truth.images)
    if not videos or not len(predictions):
        return predictions
    is_only = len(videos) == 1 and len(videos[0].image_rows) == len(truth.images)
    notes: list[str | None] = []
    for folder, first, image_rows in videos[:_MAX_VIDEOS]:
        part = truth if is_only else truth.take_images(np.array(image_rows))
        own = predictions if is_only else _read_if_any(part, read)
        max_p = MAX_P / min(len(videos), _MAX_VIDEOS)
        name = "" if is_only else folder
        notes.append(
            None if own is None else _check_video(part, own, first, names, read, name, max_p)
        )
    told = [note for note in notes if note]
    is_settled = told or (len(videos) <= _MAX_VIDEOS and all(note == "" for note in notes))
    if not is_settled:
        return predictions
    others = [one for one in predictions.notes if not is_first_frames_note(one)]
    return replace(predictions, notes=(*others, *told))


def _read_if_any(part: Instances, read: Read) -> Predictions | None:
    """Read the results of some images; None where they have none."""
    try:
        return read(part)
    except InputError:
        return None


def _check_video(
    truth: Instances,
    predictions: Predictions,
    first: int,
    names: list[str],
    read: Read,
    folder: str,
    max_p: float,
) -> str | None:
    """Return the note that the frames of a video were saved at a rate, or "" where they were not.

    Args:
        first: number of the first frame.
        folder: of the video, where there are others; else "".
        max_p: of the tests.
    Returns: None where the poses do not tell.
    """
    rows = truth.image_rows[sample_people(truth)]
    if len(np.unique(rows)) < MIN_IMAGES or not len(predictions):
        return None
    last = find_last_number(truth.images, names) if names else _find_last_predicted(truth, read)
    candidates = _list_candidates(len(truth.images), last + 1)
    indices = _get_indices(truth, first)
    fits = _Fits(
        rows,
        measure_people_fit(truth, predictions),
        np.array([_measure(truth, numbers[indices], read) for numbers in candidates]),
    )
    best = int(np.argmax([_average(fit) for fit in fits.apart]))
    numbers = candidates[best]
    control = _measure_other_orders(truth, numbers, indices, read)
    if _is_apart(fits, best, control, max_p):
        return _describe(truth, numbers[indices], last + 1, folder)
    return "" if _is_own(fits) else None


def _get_indices(truth: Instances, first: int) -> NDArray[np.intp]:
    """Return (m,) which of the saved frames each image is."""
    numbers = [get_frame_number(name) or 0 for name in truth.images.file_names]
    return np.array(numbers, dtype=np.intp) - first


def _find_last_predicted(truth: Instances, read: Read) -> int:
    """Return the number of the last frame with results, from reading them for many numbers."""
    last = -1
    for count in _NUM_FRAMES:
        images = make_images(range(1, count + 1), truth.images.file_names[:1] * count)
        nobody = make_instances(truth.skeleton, images, [], np.zeros((0, 4)), [])
        image_ids = read(rename_frames(nobody, range(count))).image_ids
        last = int(image_ids.max(initial=0)) - 1
        if last < _MAX_SHARE * count:
            return last
    return last


def _list_candidates(num_saved: int, total: int) -> list[NDArray[np.intp]]:
    """List the (s,) frames that may have been saved: the first of each step, or its middle."""
    usual = [one for one in _USUAL_STEPS if abs(total / one - num_saved) <= 1]
    index = np.arange(num_saved)
    candidates: dict[bytes, NDArray[np.intp]] = {}
    for step in (total / num_saved, *usual):
        # What ffmpeg's filter fps takes is the last frame before the middle.
        for numbers in (np.round(index * step), np.ceil((index + 0.5) * step) - 1):
            rows = np.minimum(numbers.astype(np.intp), total - 1)
            candidates[rows.tobytes()] = rows
    return list(candidates.values())


def _measure_other_orders(
    truth: Instances, numbers: NDArray[np.intp], indices: NDArray[np.intp], read: Read
) -> Floats:
    """Return (p,) how well results of the same frames fit on average in other orders."""
    shifts = {max(1, len(numbers) * step // _NUM_ORDERS) for step in range(1, _NUM_ORDERS)}
    fits = np.array([_measure(truth, np.roll(numbers, one)[indices], read) for one in shifts])
    is_known = ~np.isnan(fits)
    count = np.count_nonzero(is_known, axis=0)
    total = np.where(is_known, fits, 0.0).sum(axis=0)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def _measure(truth: Instances, numbers: NDArray[np.intp], read: Read) -> Floats:
    """Return (p,) how well results of frames of other numbers fit; NaN where there is none."""
    moved = rename_frames(truth, numbers.tolist())
    try:
        return measure_people_fit(moved, read(moved))
    except InputError:
        return np.full(len(sample_people(truth)), np.nan)


def _average(fit: Floats) -> float:
    is_known = ~np.isnan(fit)
    return float(fit[is_known].mean()) if is_known.any() else -math.inf


def _is_apart(fits: _Fits, best: int, control: Floats, max_p: float) -> bool:
    """Return whether the results of distant frames fit better than those of the same number.

    Args:
        control: (p,) fit of the same distant frames in other orders.
        max_p: of the tests.
    """
    gain = average_by_image(fits.image_rows, fits.apart[best] - fits.own)
    contrast = average_by_image(fits.image_rows, fits.apart[best] - control)
    if len(gain) < MIN_IMAGES or gain.mean() < MIN_GAIN:
        return False
    max_p /= len(fits.apart)  # the best of several
    return is_above_zero(gain, max_p) and is_above_zero(contrast, max_p)


def _is_own(fits: _Fits) -> bool:
    """Return whether the results of the same number fit better than those of all others."""
    losses = [average_by_image(fits.image_rows, fits.own - fit) for fit in fits.apart]
    return all(len(loss) and loss.mean() >= MIN_GAIN and is_above_zero(loss) for loss in losses)


def _describe(truth: Instances, numbers: NDArray[np.intp], total: int, folder: str) -> str:
    names = truth.images.file_names
    of_folder = f" of {folder}" if folder else ""
    example = int(np.argsort(numbers)[1])
    frame = rename_frames(truth, numbers.tolist()).images.file_names[example]
    return (
        f"the results of frames{of_folder} at equal distances, {len(names):,} of {total:,}, fit "
        "the labels better than those of the same number, so the labelled frames seem to have been "
        "saved at a rate (ffmpeg fps=…) and numbered anew; call each as its frame in the video "
        f"({names[example]} as {frame}, or near it), or predict them: smallpose predict METHOD "
        f"--data LABELS.json --images DIR; {NO_RESULT}"
    )
