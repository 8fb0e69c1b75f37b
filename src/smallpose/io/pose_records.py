"""The keys of poses in the forms of other tools, and the record of COCO results made of each."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.io.joint_list import MAX_JOINTS

Record = dict[str, Any]
T = TypeVar("T", bound=Struct)
Floats = NDArray[np.float64]
Point = Annotated[list[float], Meta(min_length=2, max_length=3)]
Box = Annotated[list[float], Meta(min_length=4, max_length=4)]
SINK_REMEDY = (
    'write them as well: sink.append(key_points.as_detections(), custom_data={"file_name": name, '
    '"keypoints": key_points.xy, "keypoint_confidence": key_points.keypoint_confidence})'
)
MIN_KEYPOINT_SCORE = 0.2  # MMPose counts keypoints above this in a detection's score

_SIDES = ("right", "left")
_OPENPOSE_ARMS = [f"{side}_{j}" for side in _SIDES for j in ("shoulder", "elbow", "wrist")]
_OPENPOSE_LEGS = [f"{side}_{j}" for side in _SIDES for j in ("hip", "knee", "ankle")]
_OPENPOSE_HEAD = [f"{side}_{j}" for j in ("eye", "ear") for side in _SIDES]
_OPENPOSE_FEET = [
    f"{side}_{j}" for side in ("left", "right") for j in ("big_toe", "small_toe", "heel")
]
# By their number: the COCO and the BODY_25 model.
OPENPOSE_JOINTS = {
    18: ["nose", "neck", *_OPENPOSE_ARMS, *_OPENPOSE_LEGS, *_OPENPOSE_HEAD],
    25: [
        "nose",
        "neck",
        *_OPENPOSE_ARMS,
        "mid_hip",
        *_OPENPOSE_LEGS,
        *_OPENPOSE_HEAD,
        *_OPENPOSE_FEET,
    ],
}


class FlatPose(Struct):
    keypoints: list[float]
    score: float
    bbox: Box | None = None
    box: Box | None = None  # AlphaPose
    category_id: int | str | None = None


class MmposePose(Struct):
    keypoints: list[Point]
    keypoint_scores: list[float]
    bbox: list[Any] | None = None  # [[x1, y1, x2, y2]] or the four numbers
    bbox_score: float = 1.0


class VitposePose(Struct):
    keypoints: list[Point]
    scores: list[float]
    labels: list[Annotated[int, Meta(ge=0, lt=MAX_JOINTS)]]


class SinkRow(Struct):
    x_min: float
    y_min: float
    x_max: float
    y_max: float
    confidence: float
    keypoints: list[Point] | None = None
    keypoint_scores: list[float] | None = None
    keypoint_confidence: list[float] | None = None
    xyxy: Box | None = None  # of the detector, in the data of RF-DETR's KeyPoints


class OpenposePose(Struct):
    pose_keypoints_2d: list[float]


class CmuPose(Struct):
    joints: list[float]


class Arrays(Struct):
    """A row per pose; every tool has some of the fields."""

    keypoints: list[list[Point]] | None = None
    xy: list[list[Point]] | None = None
    boxes: list[Box] | None = None
    xyxy: list[Box] | None = None
    scores: list[float] | None = None
    detection_confidence: list[float] | None = None
    keypoints_scores: list[list[float]] | None = None
    keypoint_confidence: list[list[float]] | None = None
    labels: list[int] | None = None
    class_id: list[int] | None = None


def flatten_points(value: dict[str, Any]) -> dict[str, Any]:
    """Return a pose with triples x, y, score as one flat list, as COCO's results have them."""
    points = value.get("keypoints")
    has_triples = isinstance(points, list) and all(
        isinstance(point, list) and len(point) == 3 for point in points
    )
    if not has_triples or "score" not in value or "keypoint_scores" in value:
        return value
    return value | {"keypoints": [number for point in points or [] for number in point]}


def convert_pose(value: Any, kind: type[T], where: str) -> T:
    """Convert decoded JSON; whole floats are read as integers, null fields are left out."""
    known = {field.name for field in msgspec.structs.fields(kind)}
    kept = {k: v for k, v in value.items() if k in known and v is not None}
    try:
        return msgspec.convert(kept, kind)
    except msgspec.ValidationError as error:
        what = str(error).replace("`", "").replace(" - at $.", ": ")
        remedy = "write the pose again, with x, y in px and a score"
        raise InputError(where, what, remedy) from None


def join_scores(points: Sequence[Point], scores: Sequence[float], where: str) -> Floats:
    """Return (k, 3) x, y, score."""
    if len(points) != len(scores):
        raise describe_lengths(where, "keypoints and their scores")
    if any(len(point) != len(points[0]) for point in points):
        raise describe_lengths(where, "keypoints")
    xy = np.array([point[:2] for point in points], dtype=np.float64).reshape(-1, 2)
    return np.column_stack([xy, np.asarray(scores, dtype=np.float64)])


def compute_mean_score(points: Floats) -> float:
    """Return the mean of the keypoint scores of (k, 3) points; 0 without points."""
    return float(points[:, 2].mean()) if len(points) else 0.0


def build_record(points: Floats, score: float, box_xyxy: Any) -> Record:
    record: Record = {"keypoints": points.ravel().tolist(), "score": score}
    if box_xyxy:
        x1, y1, x2, y2 = box_xyxy
        record["bbox"] = [x1, y1, x2 - x1, y2 - y1]
    return record


def describe_lengths(where: str, what: str) -> InputError:
    return InputError(where, f"the lengths of {what} are wrong", "write the file again")
