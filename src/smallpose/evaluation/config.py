"""What the numbers of an evaluation depend on, checked where a user names it."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike

from smallpose.core.argument_checks import refuse_other_counts
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.areas import OKS_AREAS, SIZE_AREAS
from smallpose.evaluation.protocols import PAPER_LIMITS, PROTOCOLS, SizeLimits
from smallpose.evaluation.sigma_file import JointSigmas


@dataclass(frozen=True, kw_only=True)
class ScoringConfig:
    """The arguments of `evaluate`, under the same names.

    Args:
        protocols: one as text becomes a tuple of it.
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
        object.__setattr__(self, "protocols", list_protocols(self.protocols))
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
            if value is not None:
                refuse_other_counts(flag, value)
        _refuse_other_limits(self.size_limits)
        object.__setattr__(self, "sigmas", convert_named_sigmas(self.sigmas))
        if self.sigmas is not None:
            _refuse_other_sigmas(self.sigmas)

    @property
    def detection_limit(self) -> int | None:
        """Return how many detections of an image any protocol needs; None for all."""
        return self.max_detections if set(self.protocols) == {"coco"} else None


def _refuse_other_limits(limits: SizeLimits) -> None:
    remedy = "give the end of small, then the end of medium, px², as in (1024, 9216)"
    try:
        small, medium = limits
        is_rising = 0 < small <= medium
    except (TypeError, ValueError):
        raise InputError(f"size limits {limits}", "are no two numbers", remedy) from None
    if not is_rising:
        raise InputError(f"size limits {small}, {medium}", "they do not rise", remedy)


def convert_named_sigmas(sigmas: ArrayLike | Mapping[str, float] | None) -> ArrayLike | None:
    """Return sigmas that are given by name of joint, as a file may have them, so that they fit.

    Raises: InputError where a value is no number.
    """
    if not isinstance(sigmas, Mapping):
        return sigmas
    try:
        return JointSigmas(tuple(map(float, sigmas.values())), tuple(map(str, sigmas)))
    except (TypeError, ValueError):
        raise InputError(
            "--sigmas", "has values that are no numbers", 'write {"nose": 0.026, …}, by joint'
        ) from None


def _refuse_other_sigmas(sigmas: ArrayLike) -> None:
    if isinstance(sigmas, str | os.PathLike):
        raise InputError(
            f"--sigmas {os.fspath(sigmas)}",
            "the name of a file, not what is in it",
            "pass one number per keypoint, in their order",
        )


def list_protocols(protocols: str | Sequence[str]) -> tuple[str, ...]:
    """Return the names of protocols, which may be one text, with commas as commands take it.

    >>> list_protocols("coco"), list_protocols("coco,owned"), list_protocols(["owned"])
    (('coco',), ('coco', 'owned'), ('owned',))
    """
    if isinstance(protocols, str):
        return tuple(name.strip() for name in protocols.split(","))
    return tuple(protocols)


def refuse_other_tables(truth: object, predictions: object) -> None:
    """Refuse what callers in Python may pass in place of tables.

    Raises: InputError for names of files, tables in the wrong order and other things.
    """
    if isinstance(truth, Predictions) or isinstance(predictions, Instances):
        raise InputError(
            "ground truth and results",
            "are in the wrong order, or one of them is given twice",
            "pass the ground truth first, from smallpose.read_coco, then the results",
        )
    refuse_other_truth(truth)
    _refuse_other_table(predictions, Predictions, "results", "read_results({path!r}, truth)")


def refuse_unnamed_results(function: str, truth: object, predictions: object) -> None:
    """Refuse what callers in Python may pass in place of results by name.

    Raises: InputError for lists and tables without names, and as `refuse_other_tables`.
    """
    if not isinstance(predictions, Mapping):
        raise InputError(
            function,
            f"results are a {type(predictions).__name__}, so they have no names",
            'pass a dict: {"A": predictions_a, "B": predictions_b}',
        )
    for one in predictions.values():
        refuse_other_tables(truth, one)


def refuse_other_truth(truth: object) -> None:
    """Raise InputError for what is no table of labelled people, such as the name of a file."""
    _refuse_other_table(truth, Instances, "ground truth", "read_coco({path!r})")


def _refuse_other_table(table: object, kind: type, what: str, reader: str) -> None:
    if isinstance(table, kind):
        return
    if isinstance(table, str | os.PathLike):
        path = os.fspath(table)
        remedy = f"pass smallpose.{reader.format(path=path)}"
        raise InputError(f"{what} {path!r}", "the name of a file, not what is in it", remedy)
    remedy = f"pass smallpose.{reader.format(path='FILE.json')}"
    raise InputError(what, f"is of type {type(table).__name__}, no table", remedy)
