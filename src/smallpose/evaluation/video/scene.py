"""What the parts of the evaluation of videos share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from smallpose.core.instances import Instances
from smallpose.core.interval import Interval
from smallpose.core.predictions import Predictions
from smallpose.evaluation.matching.arrays import Floats, Ints
from smallpose.evaluation.matching.keypoint_selection import ScoredPoses
from smallpose.evaluation.video.match_frames import FrameMatches
from smallpose.evaluation.video.video_frames import VideoFrames
from smallpose.io.track_records import VideoRecords

Number = float | int | Interval | None
Rows = dict[str, dict[str, Number]]


@dataclass(frozen=True)
class Scene:
    """The tables, frames and matches of a file.

    Args:
        weights: batches of (b, v), how often each video was drawn; empty for no intervals.
    """

    truth: Instances
    predictions: Predictions
    records: VideoRecords
    scored: ScoredPoses
    frames: VideoFrames
    matches: FrameMatches
    size_limits: tuple[float, float]
    weights: tuple[Floats, ...]


def to_known(value: float) -> float | None:
    """Return a number, or None where it is not finite."""
    return value if np.isfinite(value) else None


def list_frame_rows(frames: VideoFrames) -> list[int]:
    """Return the rows of the images of all frames, video by video."""
    return [row for rows in frames.rows for row in rows.tolist()]


def flatten_members(members: Sequence[Ints], frames: VideoFrames) -> tuple[Ints, Ints]:
    """Return the rows of all frames' members, and the image of each."""
    images = list_frame_rows(frames)
    rows = np.concatenate([np.zeros(0, dtype=np.intp), *(members[i] for i in images)])
    return rows, np.repeat(np.array(images, dtype=np.intp), [len(members[i]) for i in images])
