"""Read one part of COCO-WholeBody's people and results: the body, feet, face or hands, or all.

The records become those of an ordinary file with the part's joints, so that everything that scores
poses scores parts, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.matching.arrays import Floats
from smallpose.evaluation.wholebody import (
    get_part_sigmas,
    list_fields,
    require_part_fields,
    take_part_of_people,
    take_part_of_results,
)
from smallpose.io.coco_annotations import read_coco
from smallpose.io.coco_results import read_results
from smallpose.io.unknown_images import UnknownImages
from smallpose.system.files import read_bytes

_MARK = b"\xef\xbb\xbf"  # of the byte order, at the begin of a file
_SIDES = ("left", "right")
_FOOT = tuple(f"{side}_{joint}" for side in _SIDES for joint in ("big_toe", "small_toe", "heel"))
_JOINTS = {
    "keypoints": COCO17.joints,
    "foot_kpts": _FOOT,
    "face_kpts": tuple(f"face_{index}" for index in range(68)),
    "lefthand_kpts": tuple(f"left_hand_{index}" for index in range(21)),
    "righthand_kpts": tuple(f"right_hand_{index}" for index in range(21)),
}


@dataclass(frozen=True)
class PartOfFiles:
    """One part of the people and of the results.

    Args:
        sigmas: (k,) of its joints, those that MMPose passes to xtcocotools.
    """

    truth: Instances
    predictions: Predictions
    sigmas: Floats


def read_part(
    truth: Path,
    predictions: Path,
    part: str,
    category: str | Sequence[str] = (),
    unknown_images: UnknownImages = "refuse",
) -> PartOfFiles:
    """Read a part of COCO-WholeBody by the rules of xtcocotools.

    The labels of the part decide who is counted, and results without a joint that has a score are
    left out; see `wholebody`.

    Args:
        part: "body", "foot", "face", "lefthand", "righthand" or "wholebody".
        category: as for `read_coco`.
        unknown_images: as for `read_results`.
    Raises: InputError as `read_coco` and `read_results`, and for a record without the part.
    """
    iou_type = f"keypoints_{part}"
    data = read_bytes(truth)
    body = read_coco(truth, category=category, data=data)  # a wrong file fails here
    content: dict[str, Any] = msgspec.json.decode(data.removeprefix(_MARK))
    people = content["annotations"]
    results = _read_list(predictions, body, unknown_images)
    for path, kind, records in (
        (truth, "annotation", people),
        (predictions, "result", results),
    ):
        require_part_fields(
            kind,
            records,
            iou_type,
            where=f"{path}, --keypoints {part}",
            remedy="give files in the form of COCO-WholeBody, or leave out --keypoints",
        )
    try:
        content["annotations"] = take_part_of_people(people, iou_type)
        results = take_part_of_results(results, iou_type)
    except (TypeError, KeyError) as error:
        raise InputError(
            f"{truth}, {predictions}, --keypoints {part}",
            f"a record cannot be read ({error})",
            "write lists of x, y and v, or the score, and a score of each result",
        ) from None
    names = [joint for field in list_fields(iou_type) for joint in _JOINTS[field]]
    for one in content.get("categories") or []:
        one.pop("skeleton", None)
        if one.get("keypoints") is not None or len(content["categories"]) == 1:
            one["keypoints"] = names
    part_truth = read_coco(truth, category=category, data=msgspec.json.encode(content))
    skeleton = replace(part_truth.skeleton, name=f"COCO-WholeBody {part}")
    part_truth = replace(part_truth, skeleton=skeleton)
    return PartOfFiles(
        truth=part_truth,
        predictions=read_results(
            predictions, part_truth, msgspec.json.encode(results), unknown_images
        ),
        sigmas=get_part_sigmas(iou_type),
    )


def _read_list(path: Path, truth: Instances, unknown_images: UnknownImages) -> list[dict[str, Any]]:
    """Read a plain list of results; a wrong one fails as in `read_results`.

    Raises: InputError for results in another form, too.
    """
    data = read_bytes(path)
    read_results(path, truth, data, unknown_images)
    content = msgspec.json.decode(data.removeprefix(_MARK))
    if not isinstance(content, list):
        raise InputError(
            f"{path}, --keypoints",
            "is no plain list of results, which alone have parts",
            "give the results as COCO-WholeBody's list of records",
        )
    return content
