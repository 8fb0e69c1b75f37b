"""Track people through images that are numbered as frames of a video.

Frames that were extracted into a folder have its name and their numbers: `clip/000012.jpg`. How
many of them there are in a second is not known, and is taken to be `FRAMES_PER_S`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smallpose.core.predictions import Predictions
from smallpose.inference.tracking import Tracker

FRAMES_PER_S = 25
MIN_FRAMES = 3  # images of a folder that are called alike and numbered
_NUMBERED = re.compile(r"(.*?)(\d+)")


@dataclass(frozen=True)
class FrameSequence:
    """Numbered images of one folder.

    Args:
        folder: of the images.
        indices: (m,) of the files, in the order of their numbers.
        numbers: (m,) of the frames, rising.
    """

    folder: Path
    indices: tuple[int, ...]
    numbers: tuple[int, ...]


def list_frame_sequences(files: Sequence[Path]) -> list[FrameSequence]:
    """List the sequences of numbered images among the files; others belong to none."""
    members: dict[tuple[Path, str, str], list[tuple[int, int]]] = {}
    for index, file in enumerate(files):
        match = _NUMBERED.fullmatch(file.stem)
        if match:
            key = (file.parent, match[1], file.suffix.lower())
            members.setdefault(key, []).append((int(match[2]), index))
    sequences = []
    for (folder, _, _), frames in members.items():
        numbers, indices = zip(*sorted(frames), strict=True)
        if len(frames) >= MIN_FRAMES and len(set(numbers)) == len(frames):
            sequences.append(FrameSequence(folder, indices, numbers))
    return sequences


def track_sequences(
    tracker: Tracker,
    predictions: Predictions,
    sequences: Sequence[FrameSequence],
    image_ids: Sequence[int],
) -> tuple[int, ...]:
    """Return (d,) the number of the person in each prediction; 0 in images that are no frames.

    Args:
        predictions: in the images of all sequences, and in others.
        image_ids: of the files that `sequences` refers to.
    """
    track_ids = np.zeros(len(predictions), dtype=np.int64)
    for sequence in sequences:
        tracker.start_video()
        start = sequence.numbers[0]
        for index, number in zip(sequence.indices, sequence.numbers, strict=True):
            rows = np.flatnonzero(predictions.image_ids == image_ids[index])
            time_s = (number - start) / FRAMES_PER_S
            track_ids[rows] = tracker.assign(predictions.take(rows), time_s)
    return tuple(track_ids.tolist())
