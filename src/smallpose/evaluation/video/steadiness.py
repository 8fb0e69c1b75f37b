"""How steady poses are from frame to frame: acceleration and jitter, by size of the person.

Acceleration is the mean size of x(t-1) - 2 x(t) + x(t+1) over joints, as in SmoothNet and others.
Jitter is the standard deviation, along x and y, of an error that is independent between frames. It
follows from the median size of third differences, in which position, speed and steady acceleration
cancel out; few exchanged people do not move it, whereas they move the mean.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from smallpose.core.interval import Interval
from smallpose.core.sizes import SIZES
from smallpose.evaluation.matching.arrays import Floats, Ints, Mask
from smallpose.evaluation.scoring.bootstrap import MIN_CLUSTERS
from smallpose.evaluation.video.video_intervals import interval_of_size

# Of third differences of independent normal errors: 1 + 9 + 9 + 1 variances, and the median of the
# size of a normal number.
_THIRD_DIFFERENCE = np.sqrt(20.0)
_NORMAL_MEDIAN = 0.6744897501960817
SIZE_NAMES = ("all", *SIZES)


@dataclass(frozen=True)
class Trajectories:
    """Poses of tracks, track by track and frame by frame.

    Args:
        video, track, frame: (s,) whose pose it is, and when.
        points: (s, k, 2) px.
        exists: (s, k) joints that count.
        height: (s,) px, of the person's box.
        sizes: (4, s) membership in all, small, medium, large.
        step: (v,) frames from one frame of each video to the next.
    """

    video: Ints
    track: Ints
    frame: np.ndarray
    points: Floats
    exists: Mask
    height: Floats
    sizes: Mask
    step: np.ndarray


@dataclass(frozen=True)
class Differences:
    """Second and third differences of the joints of all windows of frames in a row.

    Args:
        second: (a,) sizes of second differences, px per frame².
        third: (j,) sizes of third differences along x and along y, px.
        second_height, third_height: (a,), (j,) px, of the person in the second frame.
        second_video, third_video: (a,), (j,).
        second_size, third_size: (4, a), (4, j) membership in `SIZE_NAMES`.
        num_windows, num_tracks: (4,) of three frames in a row with a joint that counts in all of
            them, and tracks that have one.
    """

    second: Floats
    third: Floats
    second_height: Floats
    third_height: Floats
    second_video: Ints
    third_video: Ints
    second_size: Mask
    third_size: Mask
    num_windows: Ints
    num_tracks: Ints


def sort_trajectories(one: Trajectories) -> Trajectories:
    """Sort by video, track and frame."""
    order = np.lexsort((one.frame, one.track, one.video))
    return Trajectories(
        video=one.video[order],
        track=one.track[order],
        frame=one.frame[order],
        points=one.points[order],
        exists=one.exists[order],
        height=one.height[order],
        sizes=one.sizes[:, order],
        step=one.step,
    )


def find_windows(one: Trajectories, length: int) -> Ints:
    """Return the (w,) rows where that many frames of a track follow each other without a gap."""
    count = max(len(one.frame) - length + 1, 0)
    is_window = np.ones(count, dtype=bool)
    for offset in range(1, length):
        now, before = slice(offset, offset + count), slice(offset - 1, offset - 1 + count)
        is_window &= one.video[now] == one.video[before]
        is_window &= one.track[now] == one.track[before]
        is_window &= one.frame[now] - one.frame[before] == one.step[one.video[now]]
    return np.flatnonzero(is_window)


def measure_differences(one: Trajectories) -> Differences:
    """Measure sorted trajectories; a joint counts where it exists in every frame of a window."""
    windows = find_windows(one, 3)
    points, exists = one.points, one.exists
    second = points[windows] - 2 * points[windows + 1] + points[windows + 2]
    counts = exists[windows] & exists[windows + 1] & exists[windows + 2]
    w2, k2 = np.nonzero(counts)
    longer = find_windows(one, 4)
    third = points[longer + 3] - points[longer] - 3 * (points[longer + 2] - points[longer + 1])
    is_whole = np.logical_and.reduce([exists[longer + offset] for offset in range(4)])
    w3, k3 = np.nonzero(is_whole)
    middle2, middle3 = windows[w2] + 1, longer[w3] + 1
    windows = windows[counts.any(axis=1)]
    sizes = one.sizes[:, windows + 1]
    track_of = one.video[windows] * (int(one.track.max(initial=0)) + 1) + one.track[windows]
    return Differences(
        second=np.hypot(second[w2, k2, 0], second[w2, k2, 1]),
        third=np.abs(third[w3, k3]).ravel(),
        second_height=one.height[middle2],
        third_height=np.repeat(one.height[middle3], 2),
        second_video=one.video[middle2],
        third_video=np.repeat(one.video[middle3], 2),
        second_size=one.sizes[:, middle2],
        third_size=np.repeat(one.sizes[:, middle3], 2, axis=1),
        num_windows=sizes.sum(axis=1),
        num_tracks=np.array([len(np.unique(track_of[is_member])) for is_member in sizes]),
    )


def measure_steadiness(
    one: Differences, weights: Sequence[Floats] = ()
) -> dict[str, dict[str, float | int | Interval | None]]:
    """Compute the numbers of each size.

    Args:
        weights: (b, v) in batches, how often each video was drawn; none for no intervals.
    Returns: by size and name: `tracks`, `windows`, and `acceleration`, `acceleration_of_height`,
        `jitter` and `jitter_of_height` as numbers or intervals; None where there is no window.
    """
    result: dict[str, dict[str, float | int | Interval | None]] = {}
    drawn = np.concatenate(list(weights)) if len(weights) else None
    for index, name in enumerate(SIZE_NAMES):
        a, j = one.second_size[index], one.third_size[index]
        row: dict[str, float | int | Interval | None] = {
            "tracks": int(one.num_tracks[index]),
            "windows": int(one.num_windows[index]),
        }
        heights = (one.second_height[a], one.third_height[j])
        for key, values, video in (
            ("acceleration", one.second[a], one.second_video[a]),
            ("acceleration_of_height", one.second[a] / heights[0], one.second_video[a]),
        ):
            row[key] = _add_interval(_weigh_mean, values, video, drawn)
        for key, values, video in (
            ("jitter", one.third[j], one.third_video[j]),
            ("jitter_of_height", one.third[j] / heights[1], one.third_video[j]),
        ):
            row[key] = _add_interval(_weigh_jitter, values, video, drawn)
        result[name] = row
    return result


def _weigh_mean(values: Floats, weight: Floats) -> float:
    return float((values * weight).sum() / weight.sum())


def _weigh_jitter(rising: Floats, weight: Floats) -> float:
    """Return the standard deviation from the weighted median of sorted third differences."""
    total = np.cumsum(weight)
    low = np.searchsorted(total, total[-1] / 2, side="left")
    high = np.searchsorted(total, total[-1] / 2, side="right")
    median = (rising[low] + rising[min(int(high), len(rising) - 1)]) / 2
    return float(median / (_NORMAL_MEDIAN * _THIRD_DIFFERENCE))


def _add_interval(
    compute: Callable[[Floats, Floats], float], values: Floats, video: Ints, drawn: Floats | None
) -> float | Interval | None:
    if not len(values):
        return None
    order = np.argsort(values, kind="stable")
    values, video = values[order], video[order]
    value = compute(values, np.ones(len(values)))
    num_videos = len(np.unique(video))
    if drawn is None or num_videos < MIN_CLUSTERS:
        return value  # no draw would be used
    resamples = []
    for weights in drawn:
        weight = weights[video].astype(np.float64)
        resamples.append(compute(values, weight) if weight.any() else np.nan)
    return interval_of_size(value, np.array(resamples), num_videos)
