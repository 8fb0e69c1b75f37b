"""What a number depends on, said once: the rules of an evaluation, checked at the door."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.matching import native
from smallpose.evaluation.matching.keypoint_selection import ScoredPoses
from smallpose.evaluation.protocols import PAPER_LIMITS, PROTOCOLS, Limits

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ScoringConfig:
    """The arguments of `evaluate`, under the same names.

    Raises: InputError for a value that makes no sense.
    """

    protocols: Sequence[str] = ("coco",)
    area: str = "box"
    max_detections: int | None = 20
    keypoints: str | None = None
    sigmas: ArrayLike | None = None
    density_joints: int | None = None
    size_limits: Limits = PAPER_LIMITS

    def __post_init__(self) -> None:
        choices = ", ".join(PROTOCOLS)
        for protocol in self.protocols:
            if protocol not in PROTOCOLS:
                raise InputError(
                    f"--protocol {protocol}", "no such protocol", f"choose from {choices}"
                )
        if not self.protocols:
            raise InputError("--protocol", "none is named", f"choose from {choices}")
        if self.area not in ("box", "file"):
            raise InputError(f"--area {self.area}", "no such rule", "say box or file")
        for flag, value in (
            ("--max-detections", self.max_detections),
            ("--density-joints", self.density_joints),
        ):
            if value is not None and value < 1:
                raise InputError(f"{flag} {value}", "not above zero", "give 1 or more")
        small, medium = self.size_limits
        if not 0 < small <= medium:
            raise InputError(
                f"size limits {small}, {medium}", "they do not rise", "give small, then medium"
            )

    @property
    def looked_at(self) -> int | None:
        """Detections of an image that any protocol looks at; None for all."""
        return self.max_detections if set(self.protocols) == {"coco"} else None

    def joints(self, truth: Instances) -> NDArray[np.int64]:
        """(n,) K of Eq. 3."""
        if self.density_joints is None:
            return truth.num_source_joints
        return np.full(len(truth), self.density_joints)

    def settings(self, scored: ScoredPoses, boxed: bool) -> dict[str, Any]:
        """For the JSON and the foot of the table.

        Args:
            boxed: detections have their areas from boxes.
        """
        area = {"box": "width × height of bbox", "file": "area field"}[self.area]
        return {
            "keypoints": scored.skeleton.name,
            "area": area,
            "detection_area": "width × height of bbox" if boxed else "extent of all keypoints",
            "max_detections": self.max_detections,
            "density_joints": self.density_joints
            or "source's skeleton, else the category's keypoints",
            "size_limits": list(self.size_limits),
            "sigmas": [round(sigma, 12) for sigma in scored.sigmas.tolist()],
        }


def get_person_area(truth: Instances, area: str) -> Floats:
    """(n,) px² by the chosen rule.

    Raises: InputError when the `area` field is asked for and somebody lacks it.
    """
    if area == "box":
        return truth.area
    lacking = np.flatnonzero(np.isnan(truth.file_area) & truth.is_counted)
    if len(lacking):
        raise InputError(
            f"annotation {truth.ids[lacking[0]]}",
            f"no area field (nor in {len(lacking) - 1:,} more)",
            "use --area box",
        )
    return np.where(np.isnan(truth.file_area), truth.area, truth.file_area)


def get_detection_boxes(found: Predictions) -> Floats:
    """(d, 4) boxes of the detections by the rule of their areas, px."""
    if found.has_boxes:
        return found.boxes_xywh
    if native.CORE is not None:
        return native.extents(found.keypoints)
    low = found.keypoints[:, :, :2].min(axis=1)
    return np.concatenate([low, found.keypoints[:, :, :2].max(axis=1) - low], axis=1)


def refuse_missing_boxes(found: Predictions) -> None:
    """Raises InputError when the first detection has a box and another has none."""
    lacking = ~np.isfinite(found.boxes_xywh).all(axis=1)
    if found.has_boxes and lacking.any():
        raise InputError(
            f"results, entry[{int(np.argmax(lacking))}]",
            "no bbox, and the first entry has one",
            "write a bbox for all or for none",
        )
