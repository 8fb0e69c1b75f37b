"""How good can anybody be? AP that rounding, codecs and the precision of labels leave.

All people are detected, in their own box and without false positives; only their joints are as
imprecise as one cause makes them. AP depends on the scores, too: it is given for equal scores and
for the best order, in which a detection's score is its OKS.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.evaluation.areas import get_person_area
from smallpose.evaluation.ceiling.ceiling_report import CeilingPoint, CeilingReport, Curve
from smallpose.evaluation.ceiling.method_codecs import (
    METHOD_CODECS,
    MethodCodec,
    find_method_codec,
)
from smallpose.evaluation.ceiling.people import (
    annotate_again,
    compute_own_oks,
    has_whole_labels,
    predict_people,
    round_joints,
    scale_people,
    select_people,
)
from smallpose.evaluation.config import ScoringConfig
from smallpose.evaluation.evaluate import evaluate
from smallpose.evaluation.matching.arrays import Floats, Mask
from smallpose.evaluation.matching.keypoint_selection import choose_sigmas
from smallpose.io.label_faults import NO_SIZES, describe_wrong_units

DEFAULT_HEIGHTS = (12.0, 16.0, 24.0, 32.0, 48.0, 64.0, 96.0, 128.0)
NUM_PLACED = 2000  # people at each height; fewer are placed several times
MIN_PEOPLE = 20  # below, AP depends on who they are

Blur = Callable[[Instances, Floats, "np.random.Generator"], tuple[Floats, Mask | None]]


@dataclass(frozen=True)
class Cause:
    """One reason for which joints are imprecise.

    Args:
        name: of the JSON.
        label: in the table.
        title: what it is.
        blur: returns joints, (n, k, 2) px, and who is detected, for people and their areas.
    """

    name: str
    label: str
    title: str
    blur: Blur


def measure_ceiling(
    truth: Instances,
    *,
    methods: Sequence[str] = (),
    heights: Sequence[float] = DEFAULT_HEIGHTS,
    oks_area: str = "file",
    sigmas: ArrayLike | None = None,
    seed: int = 0,
) -> CeilingReport:
    """Measure the best possible AP by person height and on the file as it is.

    Args:
        methods: whose codecs are measured (default: all eleven).
        heights: of people's boxes, px.
        oks_area, sigmas: as for `evaluate`.
        seed: of the places of people and of annotators' errors.
    Raises: InputError for too few people, or a height or method that makes no sense.
    """
    for height in heights:
        if not height >= 2:
            raise InputError(
                f"--heights {height:g}",
                "a person has less than 2 px",
                "use heights of 2 px or more",
            )
    rng = np.random.default_rng(seed)
    config = ScoringConfig(oks_area=oks_area, sigmas=sigmas)
    joint_sigmas = choose_sigmas(truth.skeleton, truth.skeleton, sigmas)
    people = select_people(truth, NUM_PLACED, rng)
    if len(people) < MIN_PEOPLE:
        raise InputError(
            "smallpose ceiling",
            f"only {format_count(len(people), 'person has', 'people have')} a box, an area and "
            "labelled joints",
            f"give a file with {MIN_PEOPLE} or more",
        )
    causes = _list_causes(methods, joint_sigmas)
    options: dict[str, Any] = {"oks_area": oks_area, "sigmas": sigmas}
    repeats = -(-NUM_PLACED // len(people))
    points: dict[str, list[CeilingPoint]] = {cause.name: [] for cause in causes}
    for height in heights:
        scaled = scale_people(people, height, repeats, rng)
        for cause in causes:
            metrics = _score(scaled, cause, joint_sigmas, options, rng)
            points[cause.name].append(
                CeilingPoint(
                    px=float(height),
                    ap=metrics["AP"],
                    ap_best_order=metrics["AP_best_order"],
                    oks=metrics["OKS"],
                    detected=metrics["found"],
                )
            )
    on_file = {cause.name: _score(truth, cause, joint_sigmas, options, rng) for cause in causes}
    return CeilingReport(
        curves=tuple(
            Curve(
                cause.name, cause.label, cause.title, tuple(points[cause.name]), on_file[cause.name]
            )
            for cause in causes
        ),
        people=len(people),
        placed=len(people) * repeats,
        settings={
            "keypoints": truth.skeleton.name,
            "oks_area": config.oks_area,
            "sigmas": [round(sigma, 12) for sigma in joint_sigmas.tolist()],
            "heights": [float(height) for height in heights],
            "seed": seed,
        },
        notes=tuple(_collect_notes(truth, people, sigmas)),
    )


def _list_causes(methods: Sequence[str], sigmas: Floats) -> list[Cause]:
    """List what is measured: rounding, annotators, and each codec once with all its methods."""

    def round_up(people: Instances, area: Floats, rng: "np.random.Generator") -> Any:
        return round_joints(people, rng), None

    def annotate(times: int) -> Blur:
        return lambda people, area, rng: (annotate_again(people, sigmas, area, rng, times), None)

    def decode(codec: MethodCodec) -> Blur:
        return lambda people, area, rng: codec.decode(people)

    causes = [
        Cause("whole_pixels", "whole pixels", "joints in whole pixels", round_up),
        Cause(
            "second_annotator",
            "annotator",
            "an annotator who errs by the sigmas, where the labels are exact",
            annotate(1),
        ),
        Cause(
            "two_annotators",
            "two annotators",
            "an annotator who errs by the sigmas, where the labels err as much",
            annotate(2),
        ),
    ]
    for name in methods or METHOD_CODECS:
        codec = find_method_codec(name)
        causes.append(Cause(name, codec.label, codec.description, decode(codec)))
    return causes


def _score(
    people: Instances,
    cause: Cause,
    sigmas: Floats,
    options: dict[str, Any],
    rng: "np.random.Generator",
) -> dict[str, float | None]:
    """Return AP of all classes with equal scores, AP with the best order, and the mean OKS."""
    area = get_person_area(people, options["oks_area"])
    points, is_detected = cause.blur(people, area, rng)
    oks = compute_own_oks(people, points, sigmas, area)
    is_scored = people.is_counted & (people.num_labelled > 0)
    kept = is_scored if is_detected is None else is_scored & is_detected
    equal = evaluate(people, predict_people(people, points, kept), max_detections=None, **options)
    best = evaluate(
        people, predict_people(people, points, kept, oks), max_detections=None, **options
    )
    classes = {name: equal["coco"][name] for name in ("AP", "AP50", "AP75", "AP_S", "AP_M", "AP_L")}
    return classes | {
        "AP_best_order": best["coco"]["AP"],
        "OKS": float(np.where(kept, oks, 0)[is_scored].mean()) if is_scored.any() else None,
        "found": float(kept.sum() / is_scored.sum()) if is_scored.any() else None,
    }


def _collect_notes(truth: Instances, people: Instances, sigmas: ArrayLike | None) -> list[str]:
    notes = [f"{fault}; {NO_SIZES}" for fault in describe_wrong_units(truth)]
    num_left_out = int(truth.is_counted.sum()) - len(people)
    if num_left_out > 0:
        notes.append(
            f"{num_left_out:,} of {format_count(int(truth.is_counted.sum()), 'person', 'people')} "
            "are not in the curves: no labelled joint, box or area, or beyond a sample of "
            f"{NUM_PLACED:,}"
        )
    if has_whole_labels(truth):
        notes.append(
            "the labels are whole numbers: on the file as it is, the joints are up to half a pixel "
            "beside them, which no prediction can know"
        )
    if not ((truth.images.width > 0) & (truth.images.height > 0)).all():
        notes.append(
            "images without a size are taken to have 640 × 480 px, which decides how large people "
            "are for DEKR, CID and RTMO"
        )
    from smallpose.evaluation.sigma_file import describe_borrowed_sigmas

    return notes + describe_borrowed_sigmas(truth.skeleton, sigmas)
