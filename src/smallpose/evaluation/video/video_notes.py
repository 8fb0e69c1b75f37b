"""What a reader should know about the evaluation of videos: who and what was left out."""

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count, format_share
from smallpose.core.instances import Instances
from smallpose.evaluation.matching.arrays import Mask
from smallpose.evaluation.video.video_frames import VideoFrames, measure_heads
from smallpose.io.track_records import NO_TRACK, VideoRecords


def list_notes(
    truth: Instances,
    records: VideoRecords,
    frames: VideoFrames,
    result_tracks: NDArray[np.int64],
    is_counted: Mask,
) -> list[str]:
    """List what was left out or estimated, as plain sentences."""
    return [
        *_describe_images(records),
        *_describe_tracks(records, frames, result_tracks, is_counted),
        *_describe_heads(truth, records, frames),
        *_describe_gaps(frames),
        *_describe_steps(truth, records, frames, result_tracks),
    ]


def _describe_steps(
    truth: Instances, records: VideoRecords, frames: VideoFrames, result_tracks: NDArray[np.int64]
) -> list[str]:
    """Say over how many frames of a video steadiness is measured, where they are not all there."""
    has_tracks = bool((result_tracks != NO_TRACK).any() or (records.tracks != NO_TRACK).any())
    steps = [step for step, rows in zip(frames.step, frames.rows, strict=True) if len(rows) > 1]
    if not has_tracks or max(steps, default=1) == 1:
        return []
    low, high = min(steps), max(steps)
    apart = f"{high}" if low == high else f"{low} to {high}"
    remedy = "predict all frames (without --every)"  # where the list of images was given
    if len(truth):
        remedy = (
            "give the list of images that 'predict' writes (found.images.json) in place of the "
            "labels"
        )
    return [
        f"the frames of this file are {apart} apart by their numbers: steadiness is that from one "
        f"of them to the next, and larger than over all frames of a video; for those {remedy}"
    ]


def _describe_images(records: VideoRecords) -> list[str]:
    notes = []
    num_stills = sum(not name for name in records.videos)
    if num_stills:
        stills = format_count(num_stills, "image that is no frame", "images that are no frames")
        notes.append(f"left out: {stills} of a video")
    num_unlabelled = int(np.count_nonzero(~records.is_labelled))
    if num_unlabelled:
        word = format_count(num_unlabelled, "frame", "frames")
        notes.append(f"left out: {word} marked as not labelled")
    return notes


def _describe_tracks(
    records: VideoRecords,
    frames: VideoFrames,
    result_tracks: NDArray[np.int64],
    is_counted: Mask,
) -> list[str]:
    has_people_tracks = bool((records.tracks[is_counted] != NO_TRACK).any())
    has_tracks = bool((result_tracks != NO_TRACK).any())
    if not (has_tracks or has_people_tracks):
        return [
            "neither labels nor results have a track_id: identity (HOTA, MOTA) and steadiness are "
            "not measured"
        ]
    if not has_tracks:
        return [
            "no result has a track_id: identity (HOTA, MOTA) is not measured, and steadiness on "
            "matched people only"
        ]
    notes = _describe_untracked(result_tracks, "result", "results")
    if not has_people_tracks:
        return [*notes, "no label has a track_id: identity (HOTA, MOTA) is not measured"]
    return notes + _describe_untracked(records.tracks[frames.list_people()], "label", "labels")


def _describe_untracked(tracks: NDArray[np.int64], singular: str, plural: str) -> list[str]:
    count = int(np.count_nonzero(tracks == NO_TRACK))
    if not count:
        return []
    subject = format_count(
        count,
        f"{singular} without track_id counts as a person",
        f"{plural} without track_id count as people",
    )
    return [f"{subject} seen in one frame only"]


def _describe_heads(truth: Instances, records: VideoRecords, frames: VideoFrames) -> list[str]:
    people = frames.list_people()
    _, num_estimated = measure_heads(truth, records.heads_xywh, people)
    if not num_estimated:
        return []
    return [
        f"{format_share(num_estimated, len(people), 'person has', 'people have')} no bbox_head: "
        "the size of their head is estimated, so AP and MOTA are not those of PoseTrack's own files"
    ]


def _describe_gaps(frames: VideoFrames) -> list[str]:
    gaps = frames.count_gaps()
    if not gaps:
        return []
    missing = format_count(gaps, "frame is", "frames are")
    return [
        f"{missing} missing between others: identities are carried over gaps, and steadiness is "
        "measured where frames follow each other"
    ]
