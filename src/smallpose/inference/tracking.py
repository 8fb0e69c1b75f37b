"""Join the detections of one person in the frames of a video to a track.

A greedy matcher: each detection continues the track whose last pose, moved on at its last speed,
it resembles most. It knows no appearance. So a person who is hidden for more than `MAX_GAP_S`
gets a new number, and two people who cross while one hides the other may exchange theirs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.core.predictions import Predictions

Floats = NDArray[np.float64]

MAX_GAP_S = 1.0  # s for which a track without detections is continued, or two frames
MIN_SIMILARITY = 0.1  # of a detection and the track that it continues
SIGMA_FACTOR = 2.0  # of OKS: people move from frame to frame by more than annotators differ
MAX_SPEED = 3.0  # heights of a person per second; a faster one is a mismatch


@dataclass
class _Track:
    """A person seen so far: the last pose, its box, when, and the speed of the box's centre."""

    track_id: int
    keypoints: Floats
    box_xywh: Floats
    time_s: float
    velocity: Floats


class Tracker:
    """Numbers the people of videos; a number is given once.

    Args:
        sigmas: (k,) of the joints.
    """

    def __init__(self, sigmas: Floats) -> None:
        self._sigmas = SIGMA_FACTOR * sigmas
        self._tracks: list[_Track] = []
        self._next_id = 1
        self._last_time = 0.0

    def start_video(self) -> None:
        """End all tracks: people of another video get new numbers."""
        self._tracks = []
        self._last_time = 0.0

    def assign(self, predictions: Predictions, time_s: float) -> list[int]:
        """Return the number of each person of one frame.

        Args:
            predictions: of the frame; times rise from call to call.
        """
        step = time_s - self._last_time
        self._last_time = time_s
        max_gap = max(MAX_GAP_S, 2 * step)  # where few frames are predicted, at least two of them
        self._tracks = [t for t in self._tracks if time_s - t.time_s <= max_gap]
        similarity = np.zeros((len(predictions), len(self._tracks)))
        for column, track in enumerate(self._tracks):
            shift = track.velocity * (time_s - track.time_s)
            similarity[:, column] = _compute_similarity(predictions, track, shift, self._sigmas)
        ids = [0] * len(predictions)
        for row, column in _match_greedily(similarity, predictions.scores):
            track = self._tracks[column]
            ids[row] = track.track_id
            _continue_track(track, predictions, row, time_s)
        for row in range(len(predictions)):
            if not ids[row]:
                ids[row] = self._begin_track(predictions, row, time_s)
        return ids

    def _begin_track(self, predictions: Predictions, row: int, time_s: float) -> int:
        track_id = self._next_id
        self._next_id += 1
        pose = predictions.keypoints[row]
        box = predictions.boxes_xywh[row]
        self._tracks.append(_Track(track_id, pose, box, time_s, np.zeros(2)))
        return track_id


def _continue_track(track: _Track, predictions: Predictions, row: int, time_s: float) -> None:
    box = predictions.boxes_xywh[row]
    before, now = _get_centre(track.box_xywh), _get_centre(box)
    velocity = (now - before) / max(time_s - track.time_s, 1e-3)
    limit = MAX_SPEED * max(box[3], 1.0)
    speed = float(np.hypot(*velocity))
    track.velocity = velocity * min(1.0, limit / max(speed, 1e-9))
    track.keypoints = predictions.keypoints[row]
    track.box_xywh = box
    track.time_s = time_s


def _get_centre(box_xywh: Floats) -> Floats:
    centre: Floats = box_xywh[:2] + box_xywh[2:] / 2
    return centre


def _compute_similarity(
    predictions: Predictions, track: _Track, shift: Floats, sigmas: Floats
) -> Floats:
    """Return (d,) the mean of OKS and IoU of each detection with a track moved on by `shift`.

    OKS tells apart people whose boxes overlap, and IoU people whose joints are uncertain.
    """
    boxes = predictions.boxes_xywh
    moved = np.concatenate([track.box_xywh[:2] + shift, track.box_xywh[2:]])
    low = np.maximum(boxes[:, :2], moved[:2])
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], moved[:2] + moved[2:])
    overlap = np.clip(high - low, 0, None).prod(axis=1)
    areas = boxes[:, 2:].prod(axis=1)
    iou = overlap / np.maximum(areas + moved[2:].prod() - overlap, 1e-9)
    offsets = predictions.keypoints[:, :, :2] - (track.keypoints[:, :2] + shift)
    squared = (offsets**2).sum(axis=2)
    area = np.maximum((areas + moved[2:].prod()) / 2, 1e-9)
    oks = np.exp(-squared / (2 * area[:, None] * (2 * sigmas) ** 2)).mean(axis=1)
    similarity: Floats = (oks + iou) / 2
    return similarity


def _match_greedily(similarity: Floats, scores: Floats) -> list[tuple[int, int]]:
    """Pair detections and tracks, the most similar first; ties by the score."""
    rows, columns = np.nonzero(similarity >= MIN_SIMILARITY)
    order = np.lexsort([-scores[rows], -similarity[rows, columns]])
    pairs: list[tuple[int, int]] = []
    used_rows: set[int] = set()
    used_columns: set[int] = set()
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in used_rows and column not in used_columns:
            used_rows.add(row)
            used_columns.add(column)
            pairs.append((row, column))
    return pairs
