"""The parts of COCO-WholeBody, under the names and by the rules of xtcocotools.

A person has `keypoints` (the body's 17), `foot_kpts`, `face_kpts`, `lefthand_kpts` and
`righthand_kpts`; a result has the same fields, and may have a score of each part. The sigmas are
those that MMPose passes to xtcocotools.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.matching.arrays import Floats
from smallpose.evaluation.matching.keypoint_selection import round_like_coco

Record = dict[str, Any]

_FOOT = (68, 66, 66, 92, 94, 94)  # thousandths, as the others
_CHIN = (42, 43, 44, 43, 40, 35, 31, 25, 20, 23, 29, 32, 37, 38, 43, 41, 45)
_BROWS = (13, 12, 11, 11, 12, 12, 11, 11, 13, 15)
_NOSE = (9, 7, 7, 7, 12, 9, 8, 16, 10)
_EYES = (17, 11, 9, 11, 9, 7, 13, 8, 11, 12, 10, 34)
_MOUTH = (8, 8, 9, 8, 8, 7, 10, 8, 9, 9, 9, 7, 7, 8, 11, 8, 8, 8, 10, 8)
_FACE = (*_CHIN, *_BROWS, *_NOSE, *_EYES, *_MOUTH)
_HAND = (29, 22, 35, 37, 47, 26, 25, 24, 35, 18, 24, 22, 26, 17, 21, 21, 32, 20, 19, 22, 31)
PARTS = {
    "body": ("keypoints",),
    "foot": ("foot_kpts",),
    "face": ("face_kpts",),
    "lefthand": ("lefthand_kpts",),
    "righthand": ("righthand_kpts",),
    "wholebody": ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts"),
}
PART_TYPES = tuple(f"keypoints_{part}" for part in PARTS)  # xtcocotools' `iouType`


def get_part_sigmas(iou_type: str) -> Floats:
    """Return the (k,) sigmas of a part, or COCO's 17 for other types."""
    if iou_type not in PART_TYPES:
        return round_like_coco(COCO17.sigmas)
    of_field = {
        "keypoints": COCO17.sigmas,
        "foot_kpts": np.array(_FOOT) / 1000,
        "face_kpts": np.array(_FACE) / 1000,
        "lefthand_kpts": np.array(_HAND) / 1000,
        "righthand_kpts": np.array(_HAND) / 1000,
    }
    return np.concatenate([of_field[field] for field in list_fields(iou_type)])


def take_part_of_people(people: Sequence[Record], iou_type: str) -> list[Record]:
    """Return people with the joints of a part alone, and the number of its labelled joints.

    As in xtcocotools, the labels decide who is counted, not the field `num_keypoints`.
    """
    taken = []
    for person in people:
        keypoints = _join_fields(person, iou_type)
        count = sum(v > 0 for v in keypoints[2::3])
        taken.append(person | {"keypoints": keypoints, "num_keypoints": count})
    return taken


def take_part_of_results(results: Sequence[Record], iou_type: str) -> list[Record]:
    """Return results with the joints and the score of a part, without those of no joint.

    As in xtcocotools, a result counts if any of its joints has a score above 0; its score is that
    of the part (`foot_score` and so on) where it has one.
    """
    part = iou_type.removeprefix("keypoints_")
    taken = []
    for result in results:
        keypoints = _join_fields(result, iou_type)
        if has_scored_joint(keypoints):
            score = result["score"] if part == "body" else result.get(f"{part}_score")
            score = result["score"] if score is None else score
            taken.append(result | {"keypoints": keypoints, "score": score})
    return taken


def has_scored_joint(keypoints: Sequence[float]) -> bool:
    """Return whether any joint has a score above 0; xtcocotools leaves out results without."""
    return any(score > 0 for score in keypoints[2::3])


def require_part_fields(
    kind: str, records: Sequence[Record], iou_type: str, where: str, remedy: str
) -> None:
    """Refuse people or results without the fields of a part.

    Args:
        kind: "annotation" or "result".
        where, remedy: of the message.
    Raises: InputError that names the first field that is missing.
    """
    for index, record in enumerate(records):
        for field in list_fields(iou_type):
            if record.get(field) is None:
                number = record.get("id", index + 1)
                raise InputError(f"{where}, {kind} {number}", f"has no {field}", remedy)


def list_fields(iou_type: str) -> tuple[str, ...]:
    """Return the fields of a record that have the joints of a part, in order."""
    return PARTS[iou_type.removeprefix("keypoints_")]


def _join_fields(record: Mapping[str, Any], iou_type: str) -> list[float]:
    return [value for field in list_fields(iou_type) for value in record[field]]
