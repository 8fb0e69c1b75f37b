"""The records of `COCOeval`: what pycocotools keeps of each image, made and accumulated.

Scripts that evaluate batch by batch, as those of torchvision and DETR do, take the records of each
batch, join them and let `accumulate` turn them into curves.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.evaluation.areas import MASK_SHARE, box_around_poses
from smallpose.evaluation.matching.arrays import Bits, Candidates, Floats, Ints, Mask, Poses
from smallpose.evaluation.matching.greedy import MAX_THRESHOLDS, match_greedily
from smallpose.evaluation.matching.native_matching import MAX_OKS_THRESHOLD
from smallpose.evaluation.scoring.precision_recall import Curves, compute_curves

Record = Mapping[str, Any]  # an annotation or a result, as `loadAnns` returns it
# Stands for id 0 in records of matches, where pycocotools writes 0 for "not matched": it is true,
# and int() makes 0 of it.
_ID_0 = float(np.nextafter(0, 1))


def count_keypoints(person: Record) -> int:
    """Return `num_keypoints`, or the number of labelled keypoints where the file has none."""
    value = person.get("num_keypoints")
    if value is None:
        return sum(v > 0 for v in person["keypoints"][2::3])
    return int(value)


def get_area(person: Record, use_area: bool) -> float:
    """Return the area of a person, px²: OKS scale and range.

    It is the field `area`, or width × height of the box where there is none; without `use_area`
    0.53 times the latter, as in xtcocotools.
    """
    if use_area and person.get("area") is not None:
        return float(person["area"])
    _, _, width, height = person["bbox"]
    return float(width * height) if use_area else float(width * height * MASK_SHARE)


def collect_areas(detections: Sequence[Record]) -> Floats:
    """Return the (d,) areas of results; without the field those that `loadRes` computes."""
    return np.array([_get_detection_area(one) for one in detections], dtype=np.float64)


def _get_detection_area(detection: Record) -> float:
    if detection.get("area") is not None:
        return float(detection["area"])
    if detection.get("bbox"):
        return float(detection["bbox"][2] * detection["bbox"][3])
    pose = np.array(detection["keypoints"], dtype=np.float64).reshape(1, -1, 3)
    _, _, width, height = box_around_poses(pose)[0].tolist()
    return float(width * height)


def collect_poses(
    sigmas: Any, people: Sequence[Record], detections: Sequence[Record], use_area: bool
) -> Poses:
    """Return the poses of records.

    Raises: InputError when they do not have one keypoint per sigma.
    """
    sigmas = np.asarray(sigmas, dtype=np.float64)
    k = len(sigmas)
    return Poses(
        detections=_collect_values([d["keypoints"] for d in detections], 3 * k).reshape(-1, k, 3),
        keypoints=_collect_values([g["keypoints"] for g in people], 3 * k).reshape(-1, k, 3),
        boxes_xywh=_collect_values([g["bbox"] for g in people], 4),
        area=np.array([get_area(g, use_area) for g in people], dtype=np.float64),
        is_crowd=np.array([bool(g.get("iscrowd", 0)) for g in people], dtype=bool),
        sigmas=sigmas,
    )


def _collect_values(rows: Sequence[Any], width: int) -> Floats:
    values = np.array(rows, dtype=np.float64)
    if values.size and values.shape[1:] != (width,):
        raise InputError(
            "COCOeval",
            f"{format_count(values.shape[-1], 'value')} in a record instead of {width}",
            "set params.kpt_oks_sigmas to one sigma per keypoint",
        )
    return values.reshape(-1, width)


def match_image(
    oks: Any, is_member: Mask, is_crowd: Mask, num_detections: int, thresholds: Floats
) -> Ints:
    """Match the detections of one image, best first.

    Args:
        oks: (d, g) of them with its people; empty where either is missing.
        is_member: (g,) people who count.
        is_crowd: (g,) regions that match any number of detections.
        thresholds: (t,) OKS that makes a match.
    Returns: (t, d) row of the person that each detection matches, -1 for none.
    """
    partner: Ints = np.full((1, len(thresholds), num_detections), -1, dtype=np.intp)
    if not len(oks):
        return np.asarray(partner[0])
    values = np.asarray(oks, dtype=np.float64)[:num_detections]
    d, g = np.nonzero(values >= min(float(thresholds.min()), MAX_OKS_THRESHOLD))
    candidates = Candidates(d, g, values[d, g])
    for start in range(0, len(thresholds), MAX_THRESHOLDS):
        some = slice(start, start + MAX_THRESHOLDS)
        match_greedily(
            candidates,
            np.arange(num_detections),
            is_member[None],
            is_crowd,
            thresholds[some],
            partner[:, some],
        )
    return np.asarray(partner[0])


def make_record(
    *,
    image: Any,
    category: Any,
    area_range: Any,
    max_detections: int,
    gt_ids: Sequence[Any],
    dt_ids: Sequence[Any],
    scores: Sequence[float],
    is_member: Mask,
    is_in_range: Mask,
    partner: Ints,
) -> dict[str, Any]:
    """Make pycocotools' record of an image, a category and an area range.

    Args:
        gt_ids, is_member: (g,) people in file order, and whether they count.
        dt_ids, scores, is_in_range: (d,) detections by falling score, and whether their area is in
            the range.
        partner: (t, d) row of the person that each detection matches, -1 for none.
    """
    order = np.argsort(~is_member, kind="stable")
    is_matched = partner >= 0
    position = np.empty(len(order), dtype=np.intp)
    position[order] = np.arange(len(order))
    gt_matches = np.zeros((len(partner), len(order)))
    dt_matches = np.zeros(partner.shape)
    for t, d in np.argwhere(is_matched):  # in the order of scores: a crowd keeps its last one
        gt_matches[t, position[partner[t, d]]] = dt_ids[d] or _ID_0
        dt_matches[t, d] = gt_ids[partner[t, d]] or _ID_0
    is_ignored = ~is_member[partner] if len(order) else np.zeros(partner.shape, dtype=bool)
    return {
        "image_id": image,
        "category_id": category,
        "aRng": area_range,
        "maxDet": max_detections,
        "dtIds": list(dt_ids),
        "gtIds": [gt_ids[row] for row in order.tolist()],
        "dtMatches": dt_matches,
        "gtMatches": gt_matches,
        "dtScores": list(scores),
        "gtIgnore": (~is_member[order]).astype(int),
        "dtIgnore": np.where(is_matched, is_ignored, ~is_in_range),
    }


def accumulate_records(
    records: Sequence[Record | None], max_detections: int, recalls: Floats
) -> Curves | None:
    """Turn the records of images of one category and area range into curves.

    Args:
        max_detections: of an image that count.
        recalls: (r,) at which precision is read off.
    Returns: None where no image has people or detections, or no person counts.
    """
    known = [record for record in records if record is not None]
    if not known:
        return None
    num_people = sum(int(np.count_nonzero(np.asarray(r["gtIgnore"]) == 0)) for r in known)
    if num_people == 0:
        return None
    n = max_detections
    scores = np.concatenate([np.asarray(r["dtScores"][:n], dtype=np.float64) for r in known])
    is_matched = np.concatenate([np.asarray(r["dtMatches"])[:, :n] != 0 for r in known], axis=1)
    is_ignored = np.concatenate([np.asarray(r["dtIgnore"])[:, :n] != 0 for r in known], axis=1)
    order = np.argsort(-scores, kind="stable")
    parts = []
    for start in range(0, len(is_matched), MAX_THRESHOLDS):
        some = slice(start, start + MAX_THRESHOLDS)
        parts.append(
            compute_curves(
                order,
                scores,
                true_positives=_pack_bits((is_matched & ~is_ignored)[some]),
                false_positives=_pack_bits((~is_matched & ~is_ignored)[some]),
                num_people=num_people,
                num_thresholds=len(is_matched[some]),
                recalls=recalls,
            )
        )
    return concat_curves(parts)


def concat_curves(parts: Sequence[Curves]) -> Curves:
    """Join the curves of consecutive thresholds."""
    return Curves(
        precision=np.concatenate([part.precision for part in parts]),
        recall=np.concatenate([part.recall for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
    )


def _pack_bits(flags: Mask) -> Bits:
    """Pack (t, d) flags into (d,) numbers with a bit per threshold."""
    bits = (1 << np.arange(len(flags))).astype(np.uint16)
    return np.asarray(np.sum(flags * bits[:, None], axis=0, dtype=np.uint16))


class ResultList:
    """A plain list of results with the calls of pycocotools' `COCO` that an evaluation needs.

    Ids and areas are those that `loadRes` gives; unlike there, the list may be empty.
    """

    def __init__(self, results: Sequence[Record]) -> None:
        has_boxes = bool(results) and bool(results[0].get("bbox"))
        self.records = []
        for number, one in enumerate(results, 1):
            record = {**one, "id": number}
            record.pop("area", None)
            if not has_boxes:
                record.pop("bbox", None)
            self.records.append(record | {"area": _get_detection_area(record)})

    def getAnnIds(self, imgIds: Sequence[Any] = (), catIds: Sequence[Any] = ()) -> list[int]:
        """Return the ids of the results of these images and categories; of all where empty."""
        images, categories = set(imgIds), set(catIds)
        return [
            record["id"]
            for record in self.records
            if (not images or record["image_id"] in images)
            and (not categories or record["category_id"] in categories)
        ]

    def loadAnns(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """Return the results with these ids."""
        return [self.records[number - 1] for number in ids]
