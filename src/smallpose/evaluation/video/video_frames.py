"""Bring people and detections of videos into the order of their frames.

Frames are ordered by their numbers, whatever the order of the file. Images without a video, frames
whose people were not labelled, and everything in them are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.matching.arrays import Floats, Ints, Mask
from smallpose.evaluation.matching.image_groups import group_by_image
from smallpose.io.track_records import NO_TRACK, VideoRecords

HEAD_DIAGONAL_SHARE = (
    0.6  # of the diagonal of the head's box, which is PoseTrack's size of the head
)
# Where a file has no box of the head: the same size in shares of the distance of head top and
# bottom, and of the root of the box's area; medians of the 52 people of three PoseTrack files.
HEAD_LENGTH_SHARE = 0.753
BOX_SIZE_SHARE = 0.170


@dataclass(frozen=True)
class VideoFrames:
    """The videos of a file.

    Args:
        names: (v,) of the videos, sorted.
        video: (m,) index of each image's video; -1 for images that are left out.
        number: (m,) of the frame in the video.
        step: (v,) frames from one labelled frame to the next: the smallest that occurs.
        rows: (v,) rows of the images of each video, in the order of their frames.
        people: (m,) rows of the people of each image who count, in file order.
        detections: (m,) rows of the detections of each image, the best first.
        person_track, detection_track: (n,), (d,) identities; people and detections without one have
            an identity of their own.
    """

    names: tuple[str, ...]
    video: Ints
    number: NDArray[np.int64]
    step: NDArray[np.int64]
    rows: tuple[Ints, ...]
    people: tuple[Ints, ...]
    detections: tuple[Ints, ...]
    person_track: NDArray[np.int64]
    detection_track: NDArray[np.int64]

    @property
    def num_frames(self) -> int:
        """Return how many images are frames that count."""
        return sum(map(len, self.rows))

    def list_people(self) -> Ints:
        """Return the rows of all people of all frames."""
        images = np.concatenate(self.rows).tolist()
        return np.concatenate([self.people[image] for image in images])

    def count_gaps(self) -> int:
        """Count the frames that are missing between others, by the step of each video."""
        return sum(
            int((np.diff(self.number[rows]) // step - 1).sum())
            for rows, step in zip(self.rows, self.step.tolist(), strict=True)
        )


def order_frames(
    truth: Instances,
    predictions: Predictions,
    records: VideoRecords,
    result_tracks: NDArray[np.int64],
    is_counted: Mask,
    min_score: float | None = None,
) -> VideoFrames:
    """Order the frames of all videos.

    Args:
        result_tracks: (d,) identity of each detection, -1 for none.
        is_counted: (n,) people who must be detected.
        min_score: of the detections that count; all by default.
    Raises: InputError where no image is a frame, or an identity is twice in one frame.
    """
    is_frame = np.array([bool(name) for name in records.videos]) & records.is_labelled
    names = sorted({n for n, used in zip(records.videos, is_frame, strict=True) if used})
    if not names:
        raise InputError(
            "--video",
            "no image of the ground truth is a labelled frame of a video",
            "leave it out, or give images group and frame_id",
        )
    index_of = {name: index for index, name in enumerate(names)}
    video = np.array(
        [index_of[n] if used else -1 for n, used in zip(records.videos, is_frame, strict=True)]
    )
    rows = []
    for index in range(len(names)):
        members = np.flatnonzero(video == index)
        rows.append(members[np.argsort(records.frames[members], kind="stable")])
    detections = _list_detections(truth, predictions, min_score)
    people = _list_people(truth, is_counted)
    frames = VideoFrames(
        names=tuple(names),
        video=video,
        number=records.frames,
        step=np.array([_find_step(records.frames[part]) for part in rows]),
        rows=tuple(rows),
        people=people,
        detections=detections,
        person_track=_fill_tracks(records.tracks),
        detection_track=_fill_tracks(result_tracks),
    )
    _refuse_repeats(truth, frames, "annotations", people, frames.person_track)
    _refuse_repeats(truth, frames, "results", detections, frames.detection_track)
    return frames


def _find_step(numbers: NDArray[np.int64]) -> int:
    return int(np.diff(numbers).min()) if len(numbers) > 1 else 1


def _list_people(truth: Instances, is_counted: Mask) -> tuple[Ints, ...]:
    rows = np.flatnonzero(is_counted)
    image = truth.image_rows[rows]
    order = np.argsort(image, kind="stable")
    starts = np.searchsorted(image[order], np.arange(1, len(truth.images)))
    return tuple(np.split(rows[order], starts))


def _list_detections(
    truth: Instances, predictions: Predictions, min_score: float | None
) -> tuple[Ints, ...]:
    groups = group_by_image(truth, predictions)
    is_used = np.ones(len(groups.detections), dtype=bool)
    if min_score is not None:
        is_used = predictions.scores[groups.detections] > min_score
    rows, image = groups.detections[is_used], groups.detection_image[is_used]
    parts = np.split(rows, np.searchsorted(image, np.arange(1, len(groups.image_ids))))
    by_id = np.argsort(truth.images.ids, kind="stable")
    listed: list[Ints] = [np.zeros(0, dtype=np.intp)] * len(by_id)
    for row, part in zip(by_id.tolist(), parts, strict=True):
        listed[row] = part
    return tuple(listed)


def _fill_tracks(tracks: NDArray[np.int64]) -> NDArray[np.int64]:
    filled = tracks.copy()
    is_unknown = tracks == NO_TRACK
    filled[is_unknown] = tracks.max(initial=-1) + 1 + np.arange(np.count_nonzero(is_unknown))
    return filled


def _refuse_repeats(
    truth: Instances,
    frames: VideoFrames,
    kind: str,
    members: Sequence[Ints],
    tracks: NDArray[np.int64],
) -> None:
    for row in np.flatnonzero(frames.video >= 0).tolist():
        here = tracks[members[row]]
        if len(np.unique(here)) < len(here):
            raise InputError(
                f"{kind}, image {truth.images.file_ids[row]}",
                "a track_id is there twice",
                "give each person of a frame a track_id of their own",
            )


def measure_heads(truth: Instances, heads_xywh: Floats, rows: Ints) -> tuple[Floats, int]:
    """Return the (n,) size of the heads of people, px, and how many of `rows` are estimated.

    PoseTrack's is .6 × the diagonal of the head's box. Without a box it is estimated from the
    distance of head top and bottom, else from the area of the person's box.
    """
    size = HEAD_DIAGONAL_SHARE * np.hypot(heads_xywh[:, 2], heads_xywh[:, 3])
    is_estimated = ~(size > 0)
    estimate = BOX_SIZE_SHARE * np.sqrt(np.maximum(truth.area, 1e-9))
    joints = truth.skeleton.joints
    if "head_top" in joints and "head_bottom" in joints:
        top, bottom = (truth.keypoints[:, joints.index(n)] for n in ("head_top", "head_bottom"))
        length = np.hypot(top[:, 0] - bottom[:, 0], top[:, 1] - bottom[:, 1])
        has_both = (top[:, 2] > 0) & (bottom[:, 2] > 0) & (length > 0)
        estimate = np.where(has_both, HEAD_LENGTH_SHARE * length, estimate)
    return np.where(is_estimated, estimate, size), int(np.count_nonzero(is_estimated[rows]))
