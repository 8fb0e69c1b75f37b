"""What may stand below the main table: each breakdown as data for JSON and as lines to read."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.analysis import binned_ap, breakdown
from smallpose.evaluation.analysis.error_diagnosis import diagnose
from smallpose.evaluation.console_table import format_number, format_table
from smallpose.evaluation.evaluate import Evaluation
from smallpose.evaluation.protocols import CLASSES

Breakdown = tuple[Any, str]  # for JSON, for people
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
    asked: Sequence[str],
    truth: Instances,
    found: Predictions,
    result: Evaluation,
    rules: dict[str, Any],
    draws: int = 0,
    seed: int = 0,
) -> dict[str, Breakdown]:
    """The sections that were asked for, in that order.

    Args:
        result: the evaluation of the same tables by the same rules.
        rules: as for `evaluate`.
        draws: bootstrap draws for those along a scale; 0 for none.
    Raises: InputError for a word that is none of `SECTIONS`.
    """
    plain = {key: value for key, value in rules.items() if key != "protocols"}
    out: dict[str, Breakdown] = {}
    for name in asked:
        if name in ("source", "crowding"):
            label = breakdown.label_sources if name == "source" else breakdown.label_crowding
            out[name] = _groups(name, breakdown.evaluate_image_groups(result, label(truth)))
        elif name in ("joint", "visibility"):
            told = breakdown.score_joints(truth, found, visibility=name == "visibility", **plain)
            out[name] = _joints(name, told)
        elif name in ("density", "height"):
            k = rules.get("density_joints")
            values = (
                binned_ap.measure_density(truth, k)
                if name == "density"
                else binned_ap.measure_height(truth)
            )
            bins = binned_ap.compute_binned_ap(
                truth, found, values, num_resamples=draws, seed=seed, **plain
            )
            out[name] = _bins(name, bins)
        elif name == "image":
            out[name] = _images(breakdown.count_per_image(result))
        elif name == "diagnosis":
            told_so = diagnose(truth, found, **plain)
            out[name] = told_so.to_dict(), str(told_so)
        else:
            raise InputError(
                f"--breakdown {name}", "no such breakdown", f"choose from {', '.join(BREAKDOWNS)}"
            )
    return out


def _groups(name: str, groups: dict[str, Evaluation]) -> Breakdown:
    data = {label: {"protocols": e.protocols, "people": e.people} for label, e in groups.items()}
    rows = []
    for label, e in groups.items():
        for protocol, numbers in e.protocols.items():
            cells = [format_number(numbers[f"AP{suffix}"]) for _, suffix, _ in CLASSES]
            rows.append([label, protocol, *cells, f"{e.people['all']:,}"])
    heading = [name, "", *(f"AP {title}" for _, _, title in CLASSES), "people"]
    return data, "\n".join(format_table(heading, rows)) if rows else f"{name}: nothing is said"


def _joints(name: str, joints: Sequence[breakdown.JointScore]) -> Breakdown:
    rows = [
        [j.name, f"{j.labelled:,}", format_number(j.pck, 3), format_number(j.similarity, 3)]
        for j in joints
    ]
    heading = [name, "labelled", f"PCK@{breakdown.PCK_THRESHOLD:g}", "similarity"]
    return [asdict(j) for j in joints], "\n".join(format_table(heading, rows, left=1))


def _bins(name: str, bins: Sequence[binned_ap.Bin]) -> Breakdown:
    rows = []
    for b in bins:
        ends = (
            ""
            if b.interval is None
            else f"{format_number(b.interval[0], 3)}–{format_number(b.interval[1], 3)}"
        )
        rows.append([f"{b.low:.4g} – {b.high:.4g}", f"{b.people:,}", format_number(b.ap), ends])
    heading = [name, "people", "AP (owned)", "95 %"]
    return [asdict(b) for b in bins], "\n".join(format_table(heading, rows, left=1))


def _images(images: Sequence[dict[str, int]], most: int = 10) -> Breakdown:
    worst = sorted(images, key=lambda i: (i["right"] - i["people"] - i["wrong"], i["image_id"]))
    rows = [[str(value) for value in image.values()] for image in worst[:most]]
    heading = ["image", "people", "found", "right", "wrong"]
    lines = [
        f"the {len(rows)} images with most errors at OKS .50",
        *format_table(heading, rows, left=1),
    ]
    return list(images), "\n".join(lines)
