"""PoseTrack's AP and MOTA of the videos of a file, joint by joint and on average."""

from collections.abc import Sequence

import numpy as np

from smallpose.core.counts import format_share
from smallpose.evaluation.matching.arrays import Floats, Ints
from smallpose.evaluation.video import posetrack
from smallpose.evaluation.video.regions import find_inside, make_box_polygon
from smallpose.evaluation.video.scene import (
    Number,
    Rows,
    Scene,
    list_frame_rows,
    to_known,
)
from smallpose.evaluation.video.video_frames import measure_heads
from smallpose.evaluation.video.video_intervals import interval_of_difference, interval_of_share

_MOST = 0.5  # of the labelled joints, from which on the numbers are in doubt


def evaluate_joints(scene: Scene, can_identify: bool) -> tuple[dict[str, Number] | None, Rows]:
    """Return the averages over joints, None without labelled joints, and the rows of joints."""
    poses, frames = scene.scored.poses, scene.frames
    used = frames.list_people()
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
    value = float(np.nanmean(ap)) if np.isfinite(ap).any() else float("nan")
    averages["AP"] = interval_of_share(value, ap_drawn, len(videos))
    counts = np.stack(
        [posetrack.count_joint_tracks(video, len(joints)) for video in videos], axis=1
    )
    for index, name in enumerate(("MOTA", "MOTA_all_frames")):
        averages[name] = average_mota(counts[index], scene.weights) if can_identify else None
    mota = posetrack.compute_mota(counts[0].sum(axis=0))
    labelled = np.sum([one.num_labelled for one in lists], axis=0)
    names = scene.scored.skeleton.spelled_joints
    for index, joint in enumerate(joints.tolist()):
        row: dict[str, Number] = {
            "labelled": int(labelled[index]),
            "AP": to_known(float(ap[index])),
            "MOTA": to_known(float(mota[index])) if can_identify else None,
        }
        totals = counts[1].sum(axis=0)[index].tolist()
        kinds = ("missed", "false", "switches")
        for kind, total in zip(kinds, totals, strict=False):
            row[kind] = int(total) if can_identify or kind != "switches" else None
        rows[names[joint]] = row
    return averages, rows


def describe_joints_in_regions(scene: Scene) -> list[str]:
    """Say how many labelled joints and people are left out because they lie in regions to ignore.

    poseval leaves out labelled joints in regions, too, and not predicted ones alone; OKS and HOTA
    count all labelled people.
    """
    keypoints = scene.scored.poses.keypoints
    num_labelled = num_inside = num_people = num_gone = 0
    for row in list_frame_rows(scene.frames):
        labels = keypoints[scene.frames.people[row]]
        is_labelled = labels[:, :, 2] > 0
        is_inside = is_labelled & find_inside(labels[:, :, :2], _list_regions(scene, row))
        has_labels = is_labelled.any(axis=1)
        num_labelled += int(np.count_nonzero(is_labelled))
        num_inside += int(np.count_nonzero(is_inside))
        num_people += int(np.count_nonzero(has_labels))
        num_gone += int(np.count_nonzero(has_labels & ~(is_labelled & ~is_inside).any(axis=1)))
    if not num_inside:
        return []
    joints = format_share(
        num_inside,
        num_labelled,
        "labelled joint is inside regions to ignore and left out",
        "labelled joints are inside regions to ignore and left out",
    )
    people = format_share(num_gone, num_people, "person has", "people have")
    note = (
        f"{joints} of PoseTrack's AP and MOTA, as by poseval, so that {people} none left; AP of "
        "OKS and HOTA count them"
    )
    if num_inside > _MOST * num_labelled:
        note += (
            ": PoseTrack's AP and MOTA are in doubt, as they are those of the few others; draw "
            "regions that contain no labelled person"
        )
    return [note]


def average_mota(counts: Floats, weights: Sequence[Floats]) -> Number:
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


def _build_pose_frame(scene: Scene, row: int, heads: Floats, joints: Ints) -> posetrack.PoseFrame:
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


def _list_regions(scene: Scene, row: int) -> list[Floats]:
    """List the polygons of an image, or else the boxes of its ignored regions."""
    if scene.records.regions[row]:
        return list(scene.records.regions[row])
    return [make_box_polygon(box) for box in scene.truth.boxes_xywh[scene.matches.crowds[row]]]
