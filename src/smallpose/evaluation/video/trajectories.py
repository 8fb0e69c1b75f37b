"""How steady the tracks of results, and the predictions of labelled people, are in a file."""

import numpy as np

from smallpose.core.boxes import box_area, box_around_keypoints
from smallpose.core.sizes import SIZES
from smallpose.evaluation.protocols import classify_sizes
from smallpose.evaluation.video.scene import Rows, Scene, flatten_members
from smallpose.evaluation.video.steadiness import (
    Trajectories,
    measure_differences,
    measure_steadiness,
    sort_trajectories,
)


def measure_tracks(scene: Scene) -> Rows:
    """Measure how steady the tracks of the results are, matched or not."""
    frames, predictions = scene.frames, scene.predictions
    rows, image = flatten_members(frames.detections, frames)
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


def measure_people(scene: Scene) -> Rows:
    """Measure how steady predictions of labelled people are, beside the labels themselves."""
    frames, poses = scene.frames, scene.scored.poses
    rows, image = flatten_members(frames.people, frames)
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
