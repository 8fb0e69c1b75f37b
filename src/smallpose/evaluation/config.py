"""What the numbers of an evaluation depend on, checked where a user names it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.areas import OKS_AREAS, SIZE_AREAS
from smallpose.evaluation.protocols import PAPER_LIMITS, PROTOCOLS, SizeLimits


@dataclass(frozen=True, kw_only=True)
class ScoringConfig:
    """The arguments of `evaluate`, under the same names.

    Raises: InputError for a value that makes no sense.
    """

    protocols: Sequence[str] = ("coco",)
    oks_area: str = "file"
    size_area: str = "box"
    max_detections: int | None = 20
    keypoints: str | None = None
    sigmas: ArrayLike | None = None
    density_joints: int | None = None
    size_limits: SizeLimits = PAPER_LIMITS

    def __post_init__(self) -> None:
        choices = ", ".join(PROTOCOLS)
        for protocol in self.protocols:
            if protocol not in PROTOCOLS:
                raise InputError(
                    f"--protocol {protocol}", "no such protocol", f"choose from {choices}"
                )
        if not self.protocols:
            raise InputError("--protocol", "no protocol is given", f"choose from {choices}")
        for flag, rule, rules in (
            ("--oks-area", self.oks_area, OKS_AREAS),
            ("--size-area", self.size_area, SIZE_AREAS),
        ):
            if rule not in rules:
                raise InputError(f"{flag} {rule}", "no such rule", f"use {' or '.join(rules)}")
        for flag, value in (
            ("--max-detections", self.max_detections),
            ("--density-joints", self.density_joints),
        ):
            if value is not None and value < 1:
                raise InputError(f"{flag} {value}", "not above zero", "use 1 or more")
        small, medium = self.size_limits
        if not 0 < small <= medium:
            raise InputError(
                f"size limits {small}, {medium}",
                "they do not rise",
                "give the end of small, then the end of medium",
            )

    @property
    def detection_limit(self) -> int | None:
        """Return how many detections of an image any protocol needs; None for all."""
        return self.max_detections if set(self.protocols) == {"coco"} else None


def refuse_paths(truth: object, predictions: object) -> None:
    """Refuse the names of files, and tables in the wrong order, as Python callers may give them."""
    for table, what, reader in (
        (truth, "ground truth", "smallpose.read_coco({path!r})"),
        (predictions, "results", "smallpose.read_results({path!r}, truth)"),
    ):
        if isinstance(table, str | os.PathLike):
            path = os.fspath(table)
            raise InputError(
                f"{what} {path!r}",
                "the name of a file, not what is in it",
                "pass " + reader.format(path=path),
            )
    if isinstance(truth, Predictions) or isinstance(predictions, Instances):
        raise InputError(
            "ground truth and results",
            "are in the wrong order, or one of them is given twice",
            "pass the ground truth first, from smallpose.read_coco, then the results",
        )
