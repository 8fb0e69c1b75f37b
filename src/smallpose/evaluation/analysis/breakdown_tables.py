"""Breakdowns of an evaluation, each as data for JSON and as text for the terminal."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.analysis import binned_ap, breakdown
from smallpose.evaluation.analysis.error_diagnosis import diagnose
from smallpose.evaluation.console_table import format_interval, format_number, format_table
from smallpose.evaluation.evaluate import Evaluation
from smallpose.evaluation.notes import format_count
from smallpose.evaluation.protocols import AP_NAMES, CLASSES

Breakdown = tuple[Any, str]  # for JSON, for the terminal
BREAKDOWNS = (
    "source",
    "crowding",
    "joint",
    "visibility",
    "density",
    "height",
    "image",
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
        options: as for `evaluate`.
        num_resamples: of the bootstrap, for AP along a scale; 0 for none.
    Raises: InputError for an unknown name.
    """
    options = {key: value for key, value in options.items() if key != "protocols"}
    resampling = {"num_resamples": num_resamples, "seed": seed}
    made: dict[str, Breakdown] = {}
    for name in names:
        if name == "source":
            labels = breakdown.label_sources(truth)
            made[name] = _tabulate_groups(name, breakdown.evaluate_image_groups(result, labels))
        elif name == "crowding":
            labels = breakdown.label_crowding(truth)
            made[name] = _tabulate_groups(name, breakdown.evaluate_image_groups(result, labels))
        elif name in ("joint", "visibility"):
            joints = breakdown.score_joints(
                truth, predictions, by_visibility=name == "visibility", **options
            )
            made[name] = _tabulate_joints(name, joints)
        elif name in ("density", "height"):
            if name == "density":
                sizes = {
                    key: options[key] for key in ("size_area", "size_limits") if key in options
                }
                num_joints = options.get("density_joints")
                values = binned_ap.measure_density(truth, num_joints, **sizes)
            else:
                values = binned_ap.measure_height(truth)
            bins = binned_ap.compute_binned_ap(truth, predictions, values, **resampling, **options)
            made[name] = _tabulate_bins(name, bins)
        elif name == "image":
            made[name] = _tabulate_images(breakdown.count_per_image(result, truth))
        elif name == "diagnosis":
            diagnosis = diagnose(truth, predictions, **options)
            made[name] = diagnosis.to_dict(), str(diagnosis)
        else:
            raise InputError(
                f"--breakdown {name}", "no such breakdown", f"choose from {', '.join(BREAKDOWNS)}"
            )
    return made


def _tabulate_groups(name: str, groups: dict[str, Evaluation]) -> Breakdown:
    data = {label: {"protocols": e.protocols, "people": e.people} for label, e in groups.items()}
    if not groups:
        return data, f"{name}: no image has one"
    rows = []
    for label, evaluation in groups.items():
        for protocol, metrics in evaluation.protocols.items():
            cells = [format_number(metrics[metric]) for metric in AP_NAMES]
            rows.append([label, protocol, *cells, f"{evaluation.people['all']:,}"])
    heading = [name, "", *(f"AP {one.heading}" for one in CLASSES), "people"]
    return data, "\n".join(format_table(heading, rows))


def _tabulate_joints(name: str, joints: Sequence[breakdown.JointScore]) -> Breakdown:
    rows = []
    for joint in joints:
        numbers = [format_number(value, 3) for value in (joint.pck, joint.similarity)]
        rows.append([joint.name, f"{joint.labelled:,}", *numbers])
    heading = [name, "labelled", f"PCK@{breakdown.PCK_THRESHOLD:g}", "similarity"]
    return [asdict(joint) for joint in joints], "\n".join(format_table(heading, rows, left=1))


def _tabulate_bins(name: str, bins: Sequence[binned_ap.Bin]) -> Breakdown:
    rows = []
    for one in bins:
        ends = "" if one.interval is None else format_interval(one.interval)
        span = f"{one.low:.4g} – {one.high:.4g}"
        rows.append([span, f"{one.people:,}", format_number(one.ap), ends])
    heading = [name, "people", "AP (owned)", "95 %"]
    return [one.to_dict() for one in bins], "\n".join(format_table(heading, rows, left=1))


def _tabulate_images(images: Sequence[dict[str, Any]], max_rows: int = 10) -> Breakdown:
    worst = sorted(images, key=lambda i: i["right"] - i["people"] - i["wrong"])
    rows = [[str(value) for value in image.values()] for image in worst[:max_rows]]
    heading = ["image", "people", "detections", "true", "false"]
    subject = format_count(len(rows), "image", "images")
    lines = [f"the {subject} with most errors at OKS .50", *format_table(heading, rows, left=1)]
    return list(images), "\n".join(lines)
