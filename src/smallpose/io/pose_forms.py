"""Read the poses of one image as other tools write them, told apart by their keys.

| keys of a pose | tool |
|---|---|
| `keypoints` flat, `score`, perhaps `bbox` or `box` | OpenPifPaf, AlphaPose, Detectron2 |
| `keypoints` [[x, y]…], `keypoint_scores`, `bbox`, `bbox_score` | MMPose |
| `keypoints`, `scores`, `labels`, `bbox` | ViTPose of transformers |
| `x_min` … `y_max`, `confidence`, and `keypoints` as custom data | supervision's JSONSink |
| `pose_keypoints_2d` | OpenPose, AlphaPose `--format open` |
| `joints` | AlphaPose `--format cmu` |

An image is a list of poses, MMPose's {meta_info, instance_info}, OpenPose's {people}, AlphaPose's
{bodies}, or arrays with a row per pose: torchvision's {boxes, labels, scores, keypoints,
keypoints_scores} and the fields of supervision's KeyPoints, which RF-DETR returns.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from smallpose.core.counts import format_count, format_share
from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17
from smallpose.io.pose_records import (
    MIN_KEYPOINT_SCORE,
    OPENPOSE_JOINTS,
    SINK_REMEDY,
    Arrays,
    CmuPose,
    FlatPose,
    MmposePose,
    OpenposePose,
    Record,
    SinkRow,
    VitposePose,
    build_record,
    compute_mean_score,
    convert_pose,
    describe_lengths,
    flatten_points,
    join_scores,
)


class PoseReader:
    """Reads the poses of images, and keeps what has to be told about all of them.

    Attributes:
        keypoint_names: of the joints, where the files name them.
    """

    def __init__(self) -> None:
        self.keypoint_names: list[str] | None = None
        self._num_poses = 0
        self._num_without_score = 0
        self._num_missing_joints = 0
        self._classes: set[int] = set()

    def read_image(self, value: Any, where: str) -> list[Record]:
        """Return a record {keypoints, score, bbox} for each pose of an image.

        Args:
            value: decoded JSON.
            where: the image in messages.

        Raises: InputError where the keys or lengths of a pose are of no known form.
        """
        poses = value
        if isinstance(value, dict):
            if "instance_info" in value:
                self._read_names(value, where)
            elif _is_arrays(value):
                return self._read_arrays(value, where)
            poses = next((value[key] for key in _LIST_KEYS if key in value), None)
        if not isinstance(poses, list):
            raise _describe_unknown_form(where, value)
        return [
            self.read_pose(pose, f"{where}, person[{number}]") for number, pose in enumerate(poses)
        ]

    def read_pose(self, value: Any, where: str) -> Record:
        """Return the record of one pose."""
        self._num_poses += 1
        for key, kind, read in self._forms:
            if isinstance(value, dict) and key in value:
                return read(self, convert_pose(flatten_points(value), kind, where), where)
        raise _describe_unknown_form(where, value)

    def list_notes(self) -> list[str]:
        """Return what was assumed, as plain sentences."""
        notes = []
        if self._num_without_score:
            num_without = self._num_without_score
            share = format_share(num_without, self._num_poses, "result has", "results have")
            notes.append(f"{share} no score; it is the mean of their keypoint scores")
        if self._num_missing_joints:
            notes.append(
                f"{format_count(self._num_missing_joints, 'keypoint')} below the threshold of "
                "post_process_pose_estimation are missing and count as wrong; leave out threshold="
            )
        return notes

    def _read_names(self, value: dict[str, Any], where: str) -> None:
        """Read the names of the joints from MMPose's meta_info."""
        meta = value.get("meta_info")
        names = meta.get("keypoint_id2name") if isinstance(meta, dict) else None
        if not isinstance(names, dict):
            return
        try:
            listed = [str(names[key]) for key in sorted(names, key=int)]
        except ValueError:
            return
        if self.keypoint_names not in (None, listed):
            raise InputError(where, "names other joints than the files before", "read them apart")
        self.keypoint_names = listed

    def _read_flat(self, pose: FlatPose, where: str) -> Record:
        record: Record = {"keypoints": pose.keypoints, "score": pose.score}
        if pose.bbox or pose.box:
            record["bbox"] = pose.bbox or pose.box
        if pose.category_id is not None:
            record["category_id"] = pose.category_id
        return record

    def _read_mmpose(self, pose: MmposePose, where: str) -> Record:
        """Score a pose by its box times the mean of the keypoint scores above 0.2, as MMPose."""
        if pose.keypoints and len(pose.keypoints[0]) == 3:
            raise InputError(
                where, "its keypoints are 3D", "write the 2D poses, in px of the image"
            )
        points = join_scores(pose.keypoints, pose.keypoint_scores, where)
        confident = points[points[:, 2] > MIN_KEYPOINT_SCORE]
        score = pose.bbox_score * compute_mean_score(confident)
        box = pose.bbox
        if box and isinstance(box[0], list):
            box = box[0]
        if box and not (len(box) == 4 and all(isinstance(side, int | float) for side in box)):
            raise describe_lengths(where, "bbox")
        return build_record(points, score, box)

    def _read_vitpose(self, pose: VitposePose, where: str) -> Record:
        """Place the joints by their labels; the box is none of the input's and is left out."""
        points = join_scores(pose.keypoints, pose.scores, where)
        if len(pose.labels) != len(points):
            raise describe_lengths(where, "keypoints and labels")
        num_joints = max([len(COCO17), *(label + 1 for label in pose.labels)])
        placed = np.zeros((num_joints, 3))
        placed[pose.labels] = points
        self._num_missing_joints += num_joints - len(set(pose.labels))
        self._num_without_score += 1
        return build_record(placed, compute_mean_score(points), None)

    def _read_sink_row(self, row: SinkRow, where: str) -> Record:
        if row.keypoints is None:
            raise InputError(where, "has a box and no keypoints", SINK_REMEDY)
        scores = row.keypoint_scores or row.keypoint_confidence or [1.0] * len(row.keypoints)
        box = row.xyxy or [row.x_min, row.y_min, row.x_max, row.y_max]
        return build_record(join_scores(row.keypoints, scores, where), row.confidence, box)

    def _read_openpose(self, pose: OpenposePose, where: str) -> Record:
        return self._read_scoreless(pose.pose_keypoints_2d, where)

    def _read_cmu(self, pose: CmuPose, where: str) -> Record:
        return self._read_scoreless(pose.joints, where)

    def _read_scoreless(self, values: Sequence[float], where: str) -> Record:
        if not values or len(values) % 3:
            what = (
                f"{format_count(len(values), 'keypoint value is', 'keypoint values are')} no "
                "triples x, y, score"
            )
            raise InputError(where, what, "write the file again without --keypoint_scale")
        points = np.reshape(values, (-1, 3))
        self.keypoint_names = self.keypoint_names or OPENPOSE_JOINTS.get(len(points))
        self._num_without_score += 1
        return build_record(points, compute_mean_score(points), None)

    def _read_arrays(self, value: dict[str, Any], where: str) -> list[Record]:
        arrays = convert_pose(value | _get_data(value), Arrays, where)
        poses = arrays.keypoints or arrays.xy or []
        scores = arrays.scores or arrays.detection_confidence
        joint_scores = arrays.keypoints_scores or arrays.keypoint_confidence
        boxes = arrays.boxes or arrays.xyxy
        lengths = [len(rows) for rows in (scores, joint_scores, boxes) if rows is not None]
        if any(length != len(poses) for length in lengths):
            raise describe_lengths(where, "keypoints, scores and boxes")
        self._num_poses += len(poses)
        self._check_classes(arrays.labels or arrays.class_id or [], where)
        records = []
        for row, points in enumerate(poses):
            own_scores = joint_scores[row] if joint_scores else [1.0] * len(points)
            joined = join_scores(points, own_scores, where)
            self._num_without_score += scores is None
            score = compute_mean_score(joined) if scores is None else scores[row]
            records.append(build_record(joined, score, boxes[row] if boxes else None))
        return records

    def _check_classes(self, classes: Sequence[int], where: str) -> None:
        self._classes.update(classes)
        if len(self._classes) > 1:
            listed = ", ".join(map(str, sorted(self._classes)))
            what = f"its detections are of several classes ({listed})"
            raise InputError(where, what, "keep those of people before writing the file")

    _forms: Sequence[tuple[str, type[Struct], Callable[..., Record]]] = (
        ("x_min", SinkRow, _read_sink_row),
        ("keypoint_scores", MmposePose, _read_mmpose),
        ("labels", VitposePose, _read_vitpose),
        ("pose_keypoints_2d", OpenposePose, _read_openpose),
        ("joints", CmuPose, _read_cmu),
        ("keypoints", FlatPose, _read_flat),
    )


_LIST_KEYS = ("instance_info", "people", "bodies", "predictions")
_POSE_KEYS = ("keypoints", "pose_keypoints_2d", "joints", "x_min")


def has_poses(value: Any) -> bool:
    """Return whether decoded JSON is the poses of an image, perhaps none."""
    if isinstance(value, list):
        return all(isinstance(pose, dict) and is_pose(pose) for pose in value[:1])
    return isinstance(value, dict) and (
        _is_arrays(value) or any(isinstance(value.get(key), list) for key in _LIST_KEYS)
    )


def is_pose(value: dict[str, Any]) -> bool:
    """Return whether an object has the keys of a pose."""
    return any(key in value for key in _POSE_KEYS)


def _is_arrays(value: dict[str, Any]) -> bool:
    """Return whether an object has a row per pose in each of its fields."""
    has_rows = "xy" in value or ("keypoints" in value and "boxes" in value)
    points = value.get("keypoints", value.get("xy"))
    is_nested = isinstance(points, list) and (not points or isinstance(points[0], list))
    return has_rows and is_nested


def _get_data(value: dict[str, Any]) -> dict[str, Any]:
    """Return `data` of supervision's KeyPoints, where RF-DETR keeps the boxes."""
    data = value.get("data")
    return {"xyxy": data["xyxy"]} if isinstance(data, dict) and "xyxy" in data else {}


def _describe_unknown_form(where: str, value: Any) -> InputError:
    keys = ", ".join(map(str, list(value)[:6])) if isinstance(value, dict) else type(value).__name__
    what = f"is no pose of a known form ({keys})"
    return InputError(where, what, "write COCO results: image_id, keypoints x, y, score, and score")
