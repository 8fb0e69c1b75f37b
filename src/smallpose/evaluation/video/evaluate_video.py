"""Evaluate videos: identity (HOTA), PoseTrack's AP and MOTA, and how steady poses are."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import box_area, box_around_keypoints
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.interval import Interval
from smallpose.core.predictions import Predictions
from smallpose.core.sizes import SIZES
from smallpose.evaluation.config import ScoringConfig
from smallpose.evaluation.matching.arrays import Floats, Ints, Mask
from smallpose.evaluation.matching.keypoint_selection import ScoredPoses, select_keypoints
from smallpose.evaluation.matching.oks import compute_pair_oks
from smallpose.evaluation.protocols import classify_sizes
from smallpose.evaluation.scoring.bootstrap import draw_weights
from smallpose.evaluation.video import posetrack
from smallpose.evaluation.video.hota import TrackedFrame, compute_hota, sum_hota
from smallpose.evaluation.video.match_frames import FrameMatches, match_frames
from smallpose.evaluation.video.regions import find_inside, make_box_polygon
from smallpose.evaluation.video.steadiness import (
    Trajectories,
    measure_differences,
    measure_steadiness,
    sort_trajectories,
)
from smallpose.evaluation.video.video_frames import VideoFrames, measure_heads, order_frames
from smallpose.evaluation.video.video_intervals import (
    interval_of_difference,
    interval_of_share,
)
from smallpose.evaluation.video.video_notes import list_notes
from smallpose.io.track_records import NO_TRACK, VideoRecords

Number = float | int | Interval | None
Rows = dict[str, dict[str, Number]]


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
    """

    videos: int
    frames: int
    gaps: int
    identity: dict[str, Number] | None
    posetrack: dict[str, Number] | None
    joints: Rows
    steadiness: dict[str, Rows]
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class _Scene:
    """What all parts of the evaluation share."""

    truth: Instances
    predictions: Predictions
    records: VideoRecords
    scored: ScoredPoses
    frames: VideoFrames
    matches: FrameMatches
    size_limits: tuple[float, float]
    weights: tuple[Floats, ...]


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
    scene = _Scene(
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
        _refuse_without_tracks(records, scored)
    can_identify = has_people_tracks and has_tracks
    averages, joints = _evaluate_posetrack(scene, can_identify)
    steadiness: dict[str, Rows] = {}
    if has_tracks:
        steadiness["tracks"] = _measure_tracks(scene)
    if has_people_tracks:
        steadiness["people"] = _measure_people(scene)
    return VideoEvaluation(
        videos=len(frames.names),
        frames=frames.num_frames,
        gaps=frames.count_gaps(),
        identity=_evaluate_identity(scene) if can_identify else None,
        posetrack=averages,
        joints=joints,
        steadiness=steadiness,
        notes=tuple(list_notes(truth, records, frames, result_tracks, scored.is_counted)),
    )


def _refuse_without_tracks(records: VideoRecords, scored: ScoredPoses) -> None:
    """Raise InputError where, without identities, nothing of a video is left to measure."""
    if records.has_video_names and scored.is_counted.any():
        return
    raise InputError(
        "--video",
        "neither labels nor results have a track_id",
        "write it with predict --track, or leave out --video",
    )


def _evaluate_identity(scene: _Scene) -> dict[str, Number]:
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
    metrics: dict[str, Number] = {name: _known(float(one)) for name, one in value.items()}
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


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


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


def _evaluate_posetrack(scene: _Scene, can_identify: bool) -> tuple[dict[str, Number] | None, Rows]:
    poses, frames = scene.scored.poses, scene.frames
    used = np.concatenate([np.zeros(0, dtype=np.intp), *(frames.people[r] for r in _rows(frames))])
    is_labelled = poses.keypoints[used, :, 2] > 0
    joints = np.flatnonzero(is_labelled.any(axis=0))
    if not len(joints):
        return None, {}
    heads, _ = measure_heads(scene.truth, scene.records.heads_xywh, used)
    videos = [
        [
            _build_pose_frame(scene, row, heads, joints)
            for row in rows.tolist()
            if len(frames.people[row])
        ]
        for rows in frames.rows
    ]
    lists = [posetrack.list_joints(video, len(joints)) for video in videos]
    ap, ap_drawn = _compute_ap(lists, scene.weights)
    rows: Rows = {}
    averages: dict[str, Number] = {}
    averages["AP"] = interval_of_share(float(np.nanmean(ap)), ap_drawn, len(videos))
    counts = np.stack(
        [posetrack.count_joint_tracks(video, len(joints)) for video in videos], axis=1
    )
    for index, name in enumerate(("MOTA", "MOTA_all_frames")):
        averages[name] = _average_mota(counts[index], scene.weights) if can_identify else None
    mota = posetrack.compute_mota(counts[0].sum(axis=0))
    labelled = np.sum([one.num_labelled for one in lists], axis=0)
    names = scene.scored.skeleton.joints
    for index, joint in enumerate(joints.tolist()):
        row: dict[str, Number] = {
            "labelled": int(labelled[index]),
            "AP": _known(float(ap[index])),
            "MOTA": _known(float(mota[index])) if can_identify else None,
        }
        totals = counts[1].sum(axis=0)[index].tolist()
        kinds = ("missed", "false", "switches")
        for kind, total in zip(kinds, totals, strict=False):
            row[kind] = int(total) if can_identify or kind != "switches" else None
        rows[names[joint]] = row
    return averages, rows


def _rows(frames: VideoFrames) -> list[int]:
    return [row for rows in frames.rows for row in rows.tolist()]


def _average_mota(counts: Floats, weights: Sequence[Floats]) -> Number:
    """Average the MOTA of (v, k, 4) counts over the joints with labels."""
    mota = posetrack.compute_mota(counts.sum(axis=0))
    if not np.isfinite(mota).any():
        return None
    value = float(np.nanmean(mota))
    if not len(weights):
        return value
    drawn = posetrack.compute_mota(np.tensordot(np.concatenate(list(weights)), counts, axes=1))
    has_any = np.isfinite(drawn).any(axis=1)
    means = np.full(len(drawn), np.nan)
    means[has_any] = np.nanmean(drawn[has_any], axis=1)
    return interval_of_difference(value, means, len(counts))


def _compute_ap(
    lists: Sequence[posetrack.JointLists], weights: Sequence[Floats]
) -> tuple[Floats, Floats]:
    """Return the (k,) AP of each joint, and the (b,) means over joints of resampled videos."""
    num_joints = len(lists[0].num_labelled)
    drawn = np.concatenate(list(weights)) if len(weights) else np.zeros((0, len(lists)))
    ap, by_draw = np.empty(num_joints), np.empty((len(drawn), num_joints))
    for joint in range(num_joints):
        scores = np.concatenate([one.scores[joint] for one in lists])
        is_right = np.concatenate([one.is_right[joint] for one in lists])
        video = np.repeat(np.arange(len(lists)), [len(one.scores[joint]) for one in lists])
        labelled = np.array([one.num_labelled[joint] for one in lists])
        order = posetrack.rank_joints(scores)
        is_right, video = is_right[order], video[order]
        ap[joint] = posetrack.compute_joint_ap(is_right, float(labelled.sum()))
        for b, weight in enumerate(drawn):
            by_draw[b, joint] = posetrack.compute_joint_ap(
                is_right, float(weight @ labelled), weight[video]
            )
    has_any = np.isfinite(by_draw).any(axis=1)
    means = np.full(len(drawn), np.nan)
    means[has_any] = np.nanmean(by_draw[has_any], axis=1)
    return ap, means


def _build_pose_frame(scene: _Scene, row: int, heads: Floats, joints: Ints) -> posetrack.PoseFrame:
    """Build a frame without points in regions to ignore, and without people who have none left."""
    poses = scene.scored.poses
    people, detections = scene.frames.people[row], scene.frames.detections[row]
    labels = poses.keypoints[people][:, joints]
    predicted = poses.detections[detections][:, joints]
    regions = _list_regions(scene, row)
    is_labelled = (labels[:, :, 2] > 0) & ~find_inside(labels[:, :, :2], regions)
    is_absent = (predicted[:, :, :2] == 0).all(axis=2) & (predicted[:, :, 2] <= 0)
    is_predicted = ~is_absent & ~find_inside(predicted[:, :, :2], regions)
    g, p = is_labelled.any(axis=1), is_predicted.any(axis=1)
    return posetrack.PoseFrame(
        points=labels[g][:, :, :2],
        predicted=predicted[p][:, :, :2],
        is_labelled=is_labelled[g],
        is_predicted=is_predicted[p],
        scores=predicted[p][:, :, 2],
        head=heads[people[g]],
        people=scene.frames.person_track[people[g]],
        tracks=scene.frames.detection_track[detections[p]],
    )


def _list_regions(scene: _Scene, row: int) -> list[Floats]:
    """List the polygons of an image, or else the boxes of its ignored regions."""
    if scene.records.regions[row]:
        return list(scene.records.regions[row])
    return [make_box_polygon(box) for box in scene.truth.boxes_xywh[scene.matches.crowds[row]]]


def _measure_tracks(scene: _Scene) -> Rows:
    """Measure how steady the tracks of the results are, matched or not."""
    frames, predictions = scene.frames, scene.predictions
    rows, image = _flatten(frames.detections, frames)
    points = predictions.keypoints[rows]
    has_scores = bool((predictions.keypoint_scores > 0).any())
    exists = (points[:, :, 2] > 0) | (not has_scores)
    boxes = predictions.boxes_xywh[rows]
    if not predictions.has_boxes:
        boxes = box_around_keypoints(np.concatenate([points[:, :, :2], exists[:, :, None]], axis=2))
    one = Trajectories(
        video=frames.video[image],
        track=frames.detection_track[rows],
        frame=frames.number[image],
        points=points[:, :, :2],
        exists=exists,
        height=boxes[:, 3],
        sizes=classify_sizes(box_area(boxes), scene.size_limits),
        step=frames.step,
    )
    return measure_steadiness(measure_differences(sort_trajectories(one)), scene.weights)


def _flatten(members: Sequence[Ints], frames: VideoFrames) -> tuple[Ints, Ints]:
    """Return the rows of all frames' members, and the image of each."""
    images = _rows(frames)
    rows = np.concatenate([np.zeros(0, dtype=np.intp), *(members[i] for i in images)])
    return rows, np.repeat(np.array(images, dtype=np.intp), [len(members[i]) for i in images])


def _measure_people(scene: _Scene) -> Rows:
    """Measure how steady predictions of labelled people are, beside the labels themselves."""
    frames, poses = scene.frames, scene.scored.poses
    rows, image = _flatten(frames.people, frames)
    detection = scene.matches.detection[rows]
    is_matched = detection >= 0
    labels = poses.keypoints[rows]
    predicted = np.zeros_like(labels)
    predicted[is_matched] = poses.detections[detection[is_matched]]
    exists = (labels[:, :, 2] > 0) & is_matched[:, None]
    sizes = np.array([scene.scored.classes[index][rows] for index in range(1 + len(SIZES))])
    parts = {
        "": (predicted[:, :, :2], exists),
        "label_": (labels[:, :, :2], exists),
    }
    measured: dict[str, Rows] = {}
    differences = {}
    for name, (points, mask) in parts.items():
        one = Trajectories(
            video=frames.video[image],
            track=frames.person_track[rows],
            frame=frames.number[image],
            points=points,
            exists=mask,
            height=scene.truth.boxes_xywh[rows, 3],
            sizes=sizes,
            step=frames.step,
        )
        differences[name] = measure_differences(sort_trajectories(one))
        measured[name] = measure_steadiness(differences[name], scene.weights if name == "" else ())
    result = measured[""]
    error = np.abs(differences[""].second - differences["label_"].second)
    for index, (size, row) in enumerate(result.items()):
        for key in ("acceleration", "jitter"):
            row[f"label_{key}"] = measured["label_"][size][key]
        members = error[differences[""].second_size[index]]
        row["acceleration_error"] = float(members.mean()) if len(members) else None
    return result
