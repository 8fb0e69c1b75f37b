"""The parameters of `COCOeval`, under pycocotools' names, and what is asked of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from smallpose.core.errors import InputError
from smallpose.evaluation.scoring.precision_recall import RECALLS, THRESHOLDS
from smallpose.evaluation.wholebody import PART_TYPES, get_part_sigmas


class Params:
    """pycocotools' parameters of a keypoint evaluation, under their own names."""

    def __init__(self, iouType: str = "keypoints") -> None:
        if iouType not in ("keypoints", "keypoints_crowd", *PART_TYPES):
            raise InputError(
                f"COCOeval, iouType {iouType!r}",
                "only keypoints are scored",
                "use pycocotools for others",
            )
        self.iouType = iouType
        self.imgIds: list[int] = []
        self.catIds: list[int] = []
        self.iouThrs = THRESHOLDS.copy()
        self.recThrs = RECALLS.copy()
        self.maxDets = [20]
        self.areaRng: list[Any] = [[0, 1e5**2], [32**2, 96**2], [96**2, 1e5**2]]
        self.areaRngLbl = ["all", "medium", "large"]
        self.useCats = 1
        self.useSegm = None
        self.kpt_oks_sigmas = get_part_sigmas(iouType)


def list_categories(p: Params) -> list[Any]:
    """List the categories that are scored apart; -1 stands for all of them together."""
    return list(p.catIds) if p.useCats else [-1]


def is_changed(p: Params, evaluated: Any) -> bool:
    """Return whether other images, categories, ranges or limits are wanted than were evaluated."""
    return not (
        hasattr(evaluated, "imgIds")  # no parameters before `evaluate`
        and list_categories(p) == list_categories(evaluated)
        and list(p.imgIds) == list(evaluated.imgIds)
        and list(p.maxDets) == list(evaluated.maxDets)
        and np.array_equal(p.areaRng, evaluated.areaRng)
        and np.array_equal(p.iouThrs, evaluated.iouThrs)
    )


def find_positions(wanted: Sequence[Any], evaluated: Sequence[Any]) -> list[int]:
    """Return the positions of the wanted values among the evaluated ones, without unknown ones."""
    if list(wanted) == list(evaluated):  # also where one is there twice
        return list(range(len(evaluated)))
    position = {value: i for i, value in enumerate(evaluated)}
    return [position[value] for value in wanted if value in position]
