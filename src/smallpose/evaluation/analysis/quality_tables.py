"""Breakdowns by density of all sizes, by failing joints and by scores, as data and as text."""

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smallpose.core.counts import format_count
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.analysis import density_axes, joint_failures, score_quality
from smallpose.evaluation.analysis.breakdown import PCK_THRESHOLD
from smallpose.evaluation.analysis.missing_intervals import describe_missing_intervals
from smallpose.evaluation.console_table import WIDTH, format_interval, format_number, format_table
from smallpose.evaluation.evaluate import Evaluation
from smallpose.evaluation.protocols import AP_NAMES, CLASSES

Breakdown = tuple[Any, str]  # for JSON, for the terminal
_AXIS_LABELS = {
    "density": "keypoint density (Eq. 3)",
    "pixels_per_joint": "px² per labelled joint",
    "labelled_share": "labelled share of the joints",
}


@dataclass(frozen=True)
class Evaluated:
    """What a breakdown is made from.

    Args:
        options: as for `evaluate`, without protocols.
        resampling: `num_resamples` and `seed` of intervals.
        subject: the protocol that is followed, in words.
    """

    truth: Instances
    predictions: Predictions
    result: Evaluation
    options: Mapping[str, Any]
    resampling: Mapping[str, int]
    subject: str

    @property
    def protocol(self) -> str:
        """Return the protocol that is followed."""
        return next(iter(self.result.protocols))


def _build_densities(evaluated: Evaluated) -> Breakdown:
    made = density_axes.break_down_by_density(
        evaluated.truth, evaluated.predictions, **evaluated.resampling, **evaluated.options
    )
    data = {
        "classes": [
            {
                "size": one.size,
                "class": one.name,
                "people": one.people,
                "share": None if math.isnan(one.share) else one.share,
                "ap": one.ap,
                "interval": None if one.interval is None else [one.interval.low, one.interval.high],
            }
            for one in made.classes
        ],
        "bins": {
            size: {axis: [one.to_dict() for one in bins] for axis, bins in axes.items()}
            for size, axes in made.bins.items()
        },
    }
    rows = []
    for one in made.classes:
        share = "n/a" if math.isnan(one.share) else f"{100 * one.share:.1f} %"
        ends = "" if one.interval is None else format_interval(one.interval)
        rows.append([one.size, one.name, f"{one.people:,}", share, format_number(one.ap), ends])
    caption = (
        "AP by keypoint density (Eq. 3) of all sizes: the reference area is the upper limit of the "
        "person's own class (small 128 × 96, medium 256 × 192, large 512 × 384 px²); sparse and "
        "dense end at "
        + ", ".join(
            f"{low:g} and {high:g} ({size})"
            for size, (low, high) in density_axes.DENSITY_LIMITS.items()
        )
        + "; protocol owned"
    )
    heading = ["size", "density", "people", "of size", "AP (owned)", "95 %"]
    lines = [*_wrap(caption), *format_table(heading, rows)]
    scarce = [f"{one.size} {one.name} ({one.people:,})" for one in made.scarce]
    if scarce:
        share = f"{100 * density_axes.MIN_SHARE:.0f} %"
        lines += _wrap(f"fewer than {share} of the people of their size: {', '.join(scarce)}")
    num_resamples = evaluated.resampling["num_resamples"]
    lines += describe_missing_intervals(made.classes, num_resamples)
    for axis, label in _AXIS_LABELS.items():
        rows = []
        for size, axes in made.bins.items():
            for b in axes[axis]:
                ends = "" if b.interval is None else format_interval(b.interval)
                span = f"{b.low:.4g} – {b.high:.4g}"
                rows.append([size, span, f"{b.people:,}", format_number(b.ap), ends])
        lines += ["", *format_table(["size", label, "people", "AP (owned)", "95 %"], rows)]
        shown = [b for axes in made.bins.values() for b in axes[axis]]
        lines += describe_missing_intervals(shown, num_resamples)
    return data, "\n".join(lines)


def _build_failures(evaluated: Evaluated) -> Breakdown:
    judged = joint_failures.judge_joints(
        evaluated.truth,
        evaluated.predictions,
        protocols=(evaluated.protocol,),
        **evaluated.options,
    )
    failures = joint_failures.tabulate_failures(judged)
    by_place = {(one.joint, one.size, one.visibility): one for one in failures}
    columns = [(size, "all") for size in joint_failures.ALL_SIZES]
    columns += [("small", "hidden"), ("small", "seen")]
    rows = []
    for joint in joint_failures.rank_joints(failures):
        cells = [by_place[joint, size, visibility] for size, visibility in columns]
        small = by_place[joint, "small", "all"]
        rows.append(
            [
                joint,
                *(format_number(cell.pck, 3) for cell in cells),
                f"{small.labelled:,}",
                _name_worst_kind(small),
            ]
        )
    heading = ["joint", *joint_failures.ALL_SIZES, "S hidden", "S seen", "labels", "most often"]
    caption = (
        f"PCK@{PCK_THRESHOLD:g} of each joint by the size of the person and, of small people, by "
        "visibility, the joint that fails first on top; labels, and the commonest error, of small "
        f"people; {evaluated.subject}"
    )
    return [one.to_dict() for one in failures], "\n".join(
        [
            *_wrap(caption),
            *format_table(heading, rows, left=1),
            *_wrap(
                "missed: the person is met by no detection, as --diagnose counts; --people and "
                "--worst match from an OKS of 0.5 first, which can leave more people without"
            ),
        ]
    )


def _name_worst_kind(failure: joint_failures.JointFailure) -> str:
    """Name the commonest kind of error with its share; "" where nothing is wrong."""
    errors = {kind: share for kind, share in failure.kinds.items() if kind != "good" and share > 0}
    if not errors:
        return ""
    worst = max(errors, key=lambda kind: errors[kind])
    return f"{worst} {100 * errors[worst]:.0f} %"


def _build_calibration(evaluated: Evaluated) -> Breakdown:
    made = score_quality.measure_calibration(
        evaluated.truth, evaluated.predictions, protocol=evaluated.protocol, **evaluated.options
    )
    rows = [
        [
            f"{one.low:.3f} – {one.high:.3f}",
            f"{one.detections:,}",
            *(format_number(value, 3) for value in (one.score, one.correct, one.oks)),
        ]
        for one in made.bins
    ]
    heading = ["score", "detections", "mean score", "correct", "mean OKS"]
    caption = (
        "scores and how often they are right (OKS from .5 on), in bins of equally many detections; "
        + evaluated.subject
    )
    lines = [*_wrap(caption), *format_table(heading, rows, left=1)]
    if made.error is not None:
        lines.append(f"calibration error {format_number(made.error, 3)}: mean |score - correct|")
    elif made.bins:
        lines.append("no calibration error: scores are not between 0 and 1")
    heading = ["", *(one.heading for one in CLASSES)]
    rows = [
        [label, *(format_number(ap[name]) for name in AP_NAMES)]
        for label, ap in (("AP", made.ap), ("AP if ranked by OKS", made.perfect_ap))
    ]
    return made.to_dict(), "\n".join([*lines, "", *format_table(heading, rows, left=1)])


def _build_curves(evaluated: Evaluated) -> Breakdown:
    curves = score_quality.list_precision_curves(evaluated.result)
    if not curves:
        return [], "curves: the protocol recall has no precision"
    data = [{"class": one.name, "oks": one.oks, "precision": one.precision} for one in curves]
    rows = []
    for oks in score_quality.CURVE_OKS:
        for recall in score_quality.SHOWN_RECALLS:
            cells = [format_number(one.read_at(recall), 3) for one in curves if one.oks == oks]
            rows.append([f"OKS {format_number(oks, 2)}", f"recall {recall:.1f}", *cells])
    heading = ["precision at", "", *(one.heading for one in CLASSES)]
    people = evaluated.result.people
    foot = ["people", "", *(f"{people[one.name]:,}" for one in CLASSES)]
    subject = format_count(len(score_quality.SHOWN_RECALLS), "recall", "recalls")
    caption = f"precision-recall curves at {subject} (--json has all 101); {evaluated.subject}"
    return data, "\n".join([*_wrap(caption), *format_table(heading, rows, foot)])


BUILDERS: dict[str, Callable[[Evaluated], Breakdown]] = {
    "densities": _build_densities,
    "failures": _build_failures,
    "calibration": _build_calibration,
    "curves": _build_curves,
}


def _wrap(text: str) -> Sequence[str]:
    return textwrap.wrap(text, WIDTH, break_on_hyphens=False)
