"""Breakdowns of an evaluation, each as data for JSON and as text for the terminal."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.analysis import binned_ap, breakdown, quality_tables
from smallpose.evaluation.analysis.error_diagnosis import diagnose
from smallpose.evaluation.analysis.labelled_images import evaluate_image_groups
from smallpose.evaluation.analysis.missing_intervals import describe_missing_intervals
from smallpose.evaluation.console_table import (
    WIDTH,
    format_interval,
    format_number,
    format_table,
)
from smallpose.evaluation.evaluate import Evaluation
from smallpose.evaluation.protocols import AP_NAMES, CLASSES

Breakdown = tuple[Any, str]  # for JSON, for the terminal
_BIN_UNITS = {
    "density": "AP by keypoint density (Eq. 3) of small people",
    "height": "AP by height of the person's box, px",
}
BREAKDOWNS = (
    "source",
    "crowding",
    "joint",
    "visibility",
    "density",
    "height",
    "image",
    *quality_tables.BUILDERS,
    "diagnosis",
)


def build_breakdowns(
    names: Sequence[str],
    truth: Instances,
    predictions: Predictions,
    result: Evaluation,
    options: dict[str, Any],
    num_resamples: int = 0,
    seed: int = 0,
) -> dict[str, Breakdown]:
    """Build the named breakdowns, in that order.

    Args:
        names: of `BREAKDOWNS`.
        result: the evaluation of the same tables with the same options.
        options: as for `evaluate`; the first of its protocols is followed.
        num_resamples: of the bootstrap, for AP along a scale; 0 for none.
    Raises: InputError for an unknown name.
    """
    protocol = next(iter(result.protocols))
    options = {key: value for key, value in options.items() if key != "protocols"}
    limit = result.settings["max_detections"] if protocol == "coco" else None
    resampling = {"num_resamples": num_resamples, "seed": seed}
    evaluated = quality_tables.Evaluated(
        truth=truth,
        predictions=predictions,
        result=result,
        options=options,
        resampling=resampling,
        subject=_describe_protocol(protocol, limit),
    )
    made: dict[str, Breakdown] = {}
    for name in names:
        if name == "source":
            labels = breakdown.label_sources(truth)
            groups = evaluate_image_groups(result, labels)
            made[name] = _tabulate_groups(name, groups, "AP by source of the image")
        elif name == "crowding":
            labels = breakdown.label_crowding(truth)
            groups = evaluate_image_groups(result, labels)
            made[name] = _tabulate_groups(name, groups, _describe_crowding(truth))
        elif name in ("joint", "visibility"):
            joints = breakdown.score_joints(
                truth,
                predictions,
                by_visibility=name == "visibility",
                protocols=(protocol,),
                **options,
            )
            made[name] = _tabulate_joints(name, joints, _describe_protocol(protocol, limit))
        elif name in ("density", "height"):
            if name == "density":
                sizes = {
                    key: options[key] for key in ("size_area", "size_limits") if key in options
                }
                num_joints = options.get("density_joints")
                values = binned_ap.measure_density(truth, num_joints, **sizes)
            else:
                values = binned_ap.measure_height(truth)
            max_ratio = binned_ap.MAX_HEIGHT_RATIO if name == "height" else None
            bins = binned_ap.compute_binned_ap(
                truth, predictions, values, max_ratio=max_ratio, **resampling, **options
            )
            made[name] = _tabulate_bins(name, bins, num_resamples)
        elif name == "image":
            images = breakdown.count_per_image(result, truth)
            made[name] = _tabulate_images(images, _describe_protocol(protocol, limit))
        elif name in quality_tables.BUILDERS:
            made[name] = quality_tables.BUILDERS[name](evaluated)
        elif name == "diagnosis":
            diagnosis = diagnose(truth, predictions, protocol=protocol, **options)
            made[name] = diagnosis.to_dict(), str(diagnosis)
        else:
            raise InputError(
                f"--breakdown {name}", "no such breakdown", f"choose from {', '.join(BREAKDOWNS)}"
            )
    return made


def _describe_protocol(protocol: str, max_detections: int | None) -> str:
    """Name the protocol that a breakdown follows, with its limit."""
    if max_detections is None:
        return f"protocol {protocol}"
    return f"protocol {protocol}, the best {format_count(max_detections, 'detection')} of an image"


def _describe_crowding(truth: Instances) -> str:
    """Say where the levels end, and where their CrowdIndex is from."""
    easy, medium = breakdown.CROWDING_LIMITS
    levels = f"easy: CrowdIndex below {easy:g}, medium: below {medium:g}, hard: from {medium:g} on"
    published = truth.images.published_crowd_index
    num_published = sum(not math.isnan(value) for value in published)
    origin = "computed by Eq. 1"
    if num_published:
        origin = (
            f"as published in the file for {num_published:,} of "
            f"{format_count(len(published), 'image')}"
        )
    return f"{levels}; {origin}"


def _format_breakdown(caption: str, table: Sequence[str]) -> str:
    """Return the text of a breakdown: what the numbers are, then the table."""
    return "\n".join([*textwrap.wrap(caption, WIDTH, break_on_hyphens=False), *table])


def _tabulate_groups(name: str, groups: dict[str, Evaluation], caption: str) -> Breakdown:
    data = {label: {"protocols": e.protocols, "people": e.people} for label, e in groups.items()}
    if not groups:
        return data, f"{name}: no image has one"
    rows = []
    for label, evaluation in groups.items():
        for protocol, metrics in evaluation.protocols.items():
            cells = [format_number(metrics[metric]) for metric in AP_NAMES]
            rows.append([label, protocol, *cells, f"{evaluation.people['all']:,}"])
    heading = [name, "", *(f"AP {one.heading}" for one in CLASSES), "people"]
    return data, _format_breakdown(caption, format_table(heading, rows))


def _tabulate_joints(name: str, joints: Sequence[breakdown.JointScore], protocol: str) -> Breakdown:
    rows = []
    for joint in joints:
        numbers = [format_number(value, 3) for value in (joint.pck, joint.similarity)]
        rows.append([joint.name, f"{joint.labelled:,}", *numbers])
    heading = [name, "labelled", f"PCK@{breakdown.PCK_THRESHOLD:g}", "similarity"]
    caption = (
        f"PCK@{breakdown.PCK_THRESHOLD:g}: share of labels with a prediction within "
        f"{breakdown.PCK_THRESHOLD:g} × the longer side of the person's box; similarity: mean term "
        f"of OKS; {protocol}"
    )
    if name == "visibility":
        caption += "; hidden: v = 1, seen: v = 2"
    table = format_table(heading, rows, left=1)
    return [asdict(joint) for joint in joints], _format_breakdown(caption, table)


def _tabulate_bins(name: str, bins: Sequence[binned_ap.Bin], num_resamples: int) -> Breakdown:
    rows = []
    for one in bins:
        ends = "" if one.interval is None else format_interval(one.interval)
        span = f"{one.low:.4g} – {one.high:.4g}"
        rows.append([span, f"{one.people:,}", format_number(one.ap), ends])
    heading = [name, "people", "AP (owned)", "95 %"]
    caption = f"{_BIN_UNITS[name]}; bins of equally many people, protocol owned"
    if name == "height":
        caption += f"; those of heights beyond a ratio of {binned_ap.MAX_HEIGHT_RATIO:g} are split"
    table = [
        *format_table(heading, rows, left=1),
        *describe_missing_intervals(bins, num_resamples),
    ]
    return [one.to_dict() for one in bins], _format_breakdown(caption, table)


def _tabulate_images(
    images: Sequence[dict[str, Any]], protocol: str, max_rows: int = 10
) -> Breakdown:
    worst = sorted(images, key=lambda i: i["right"] - i["people"] - i["wrong"])
    rows = [[str(value) for value in image.values()] for image in worst[:max_rows]]
    heading = ["image", "people", "detections", "true", "false"]
    subject = format_count(len(rows), "image", "images")
    caption = f"the {subject} with most errors at OKS .50; {protocol}"
    return list(images), _format_breakdown(caption, format_table(heading, rows, left=1))
