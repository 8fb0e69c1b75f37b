"""Evaluate videos: identity (HOTA), PoseTrack's AP and MOTA, and how steady poses are."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import Images, Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.config import ScoringConfig
from smallpose.evaluation.matching.arrays import Floats, Ints, Mask
from smallpose.evaluation.matching.keypoint_selection import ScoredPoses, select_keypoints
from smallpose.evaluation.matching.oks import compute_pair_oks
from smallpose.evaluation.scoring.bootstrap import draw_weights
from smallpose.evaluation.video.hota import TrackedFrame, compute_hota, sum_hota
from smallpose.evaluation.video.joint_metrics import (
    describe_joints_in_regions,
    evaluate_joints,
)
from smallpose.evaluation.video.match_frames import match_frames
from smallpose.evaluation.video.scene import Number, Rows, Scene, to_known
from smallpose.evaluation.video.trajectories import measure_people, measure_tracks
from smallpose.evaluation.video.video_frames import order_frames
from smallpose.evaluation.video.video_intervals import (
    interval_of_share,
)
from smallpose.evaluation.video.video_notes import list_notes
from smallpose.io.frame_groups import describe_possible_frames
from smallpose.io.track_records import NO_TRACK, VideoRecords


@dataclass(frozen=True)
class VideoEvaluation:
    """The numbers of the videos of a file.

    Args:
        videos, frames, gaps: their number; gaps are frames missing between others.
        identity: HOTA and its parts, and IDF1; None where people or detections have no identity.
        posetrack: AP and MOTA, means over joints; `joints` has each joint's. MOTA is None as above.
        joints: by name, `AP`, `MOTA`, `labelled`, `missed`, `false` and `switches`.
        steadiness: by whose trajectories (`tracks` of the results, `people` of the labels) the rows
            of each size.
        notes: what a reader should know, as plain sentences.
        posetrack_notes: the same of PoseTrack's numbers.
    """

    videos: int
    frames: int
    gaps: int
    identity: dict[str, Number] | None
    posetrack: dict[str, Number] | None
    joints: Rows
    steadiness: dict[str, Rows]
    notes: tuple[str, ...] = field(default=())
    posetrack_notes: tuple[str, ...] = field(default=())


def evaluate_video(
    truth: Instances,
    predictions: Predictions,
    records: VideoRecords,
    result_tracks: NDArray[np.int64],
    *,
    min_score: float | None = None,
    num_resamples: int = 0,
    seed: int = 0,
    **options: Any,
) -> VideoEvaluation:
    """Evaluate the videos of a file.

    Args:
        records: of the truth, see `read_video_records`.
        result_tracks: (d,) identity of each detection in its video, -1 where it has none.
        min_score: of the detections that count; all by default.
        num_resamples: of the bootstrap over videos; 0 for no intervals.
        options: as for `evaluate`; all detections of an image count.
    Raises: InputError where no image is a frame, or an identity is twice in one frame.
    """
    config = ScoringConfig(**options)
    scored = select_keypoints(truth, predictions, config)
    frames = order_frames(truth, predictions, records, result_tracks, scored.is_counted, min_score)
    weights: tuple[Floats, ...] = ()
    if num_resamples:
        weights = tuple(
            w.astype(np.float64) for w in draw_weights(frames.names, num_resamples, seed)
        )
    matches = match_frames(truth, predictions, scored, frames)
    scene = Scene(
        truth=truth,
        predictions=predictions,
        records=records,
        scored=scored,
        frames=frames,
        matches=matches,
        size_limits=config.size_limits,
        weights=weights,
    )
    has_people_tracks = bool((records.tracks[scored.is_counted] != NO_TRACK).any())
    has_tracks = bool((result_tracks != NO_TRACK).any())
    if not (has_people_tracks or has_tracks):
        _refuse_without_tracks(truth.images, records, scored)
    can_identify = has_people_tracks and has_tracks
    averages, joints = evaluate_joints(scene, can_identify)
    steadiness: dict[str, Rows] = {}
    if has_tracks:
        steadiness["tracks"] = measure_tracks(scene)
    if has_people_tracks:
        steadiness["people"] = measure_people(scene)
    return VideoEvaluation(
        videos=len(frames.names),
        frames=frames.num_frames,
        gaps=frames.count_gaps(),
        identity=_evaluate_identity(scene) if can_identify else None,
        posetrack=averages,
        joints=joints,
        steadiness=steadiness,
        notes=tuple(list_notes(truth, records, frames, result_tracks, scored.is_counted)),
        posetrack_notes=tuple(describe_joints_in_regions(scene)),
    )


def _refuse_without_tracks(images: Images, records: VideoRecords, scored: ScoredPoses) -> None:
    """Raise InputError where, without identities, nothing of a video is left to measure.

    Numbered images are frames, too: a note about them advises `--video`, for the intervals.
    """
    are_numbered = bool(describe_possible_frames(replace(images, groups=())))
    if (records.has_video_names or are_numbered) and scored.is_counted.any():
        return
    raise InputError(
        "--video",
        "neither labels nor results have a track_id",
        "write it with predict --track, or leave out --video",
    )


def _evaluate_identity(scene: Scene) -> dict[str, Number]:
    frames, matches = scene.frames, scene.matches
    sums = []
    for rows in frames.rows:
        people = [frames.people[row] for row in rows.tolist()]
        detections = [_drop(frames.detections[row], matches.is_ignored) for row in rows.tolist()]
        person_of = _number_from_zero(frames.person_track, people)
        track_of = _number_from_zero(frames.detection_track, detections)
        sums.append(
            sum_hota(
                [
                    TrackedFrame(
                        people=person_of[g],
                        detections=track_of[d],
                        oks=_compute_oks(scene.scored, d, g).T,
                    )
                    for g, d in zip(people, detections, strict=True)
                ]
            )
        )
    counts, parts, identity = (
        np.stack([getattr(one, name) for one in sums]) for name in ("counts", "parts", "identity")
    )
    value = compute_hota(counts.sum(axis=0), parts.sum(axis=0), identity.sum(axis=0))
    metrics: dict[str, Number] = {name: to_known(float(one)) for name, one in value.items()}
    if scene.weights:
        weights = np.concatenate(scene.weights)
        drawn = compute_hota(
            *(np.tensordot(weights, one, axes=1) for one in (counts, parts, identity))
        )
        for name, one in value.items():
            metrics[name] = interval_of_share(float(one), drawn[name], len(sums))
    return metrics


def _drop(rows: Ints, is_dropped: Mask) -> Ints:
    return rows[~is_dropped[rows]]


def _number_from_zero(tracks: NDArray[np.int64], members: Sequence[Ints]) -> Ints:
    """Return the tracks of the members of one video, numbered from 0; -1 elsewhere."""
    rows = np.concatenate([np.zeros(0, dtype=np.intp), *members])
    numbers = np.full(len(tracks), -1, dtype=np.intp)
    numbers[rows] = np.unique(tracks[rows], return_inverse=True)[1]
    return numbers


def _compute_oks(scored: ScoredPoses, detections: Ints, people: Ints) -> Floats:
    """Return the (p, g) OKS of all pairs."""
    d = np.repeat(detections, len(people))
    g = np.tile(people, len(detections))
    return compute_pair_oks(scored.poses, d, g).reshape(len(detections), len(people))
