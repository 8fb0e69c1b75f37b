"""What a reader of an evaluation should know, as plain sentences."""

from collections.abc import Iterable

import numpy as np

from smallpose.evaluation.matching.keypoint_selection import ScoredPoses
from smallpose.evaluation.metric_names import Metrics, name_curve_metrics
from smallpose.evaluation.scoring.match_counts import MatchCounts

_LIMIT = "coco's limit of"
# How sentences that begin with a count go on, for one and for more.
_PLURALS = {
    "person is ignored": "people are ignored",
    "labelled person has": "labelled people have",
}


def format_count(count: int, singular: str, plural: str) -> str:
    """Write a count with the word or words that agree with it.

    >>> format_count(1, "image", "images"), format_count(1200, "image", "images")
    ('1 image', '1,200 images')
    """
    return f"{count:,} {singular if count == 1 else plural}"


def collect_notes(scored: ScoredPoses, prediction_notes: Iterable[str]) -> list[str]:
    """List what a reader of the numbers should know about the tables."""
    notes = [*scored.truth.notes, *prediction_notes]
    if scored.num_without_joints:
        subject = format_count(scored.num_without_joints, "person is ignored", "people are ignored")
        notes.append(f"{subject}: no labelled joint among the scored {scored.skeleton.name}")
    num_flat = int(np.count_nonzero(scored.is_counted & ~(scored.truth.area > 0)))
    if num_flat:
        subject = format_count(num_flat, "labelled person has", "labelled people have")
        notes.append(f"{subject} a box without area: in no size class")
    return notes


def merge_notes(notes: Iterable[str]) -> list[str]:
    """List each note once, with the counts that notes begin with added up.

    What the limit on detections costs is left out: it is computed from the merged counts.
    """
    totals: dict[str, int | None] = {}
    for note in notes:
        if note.startswith(_LIMIT):
            continue
        count, _, rest = note.partition(" ")
        if count.replace(",", "").isdecimal():
            key = _replace_start(rest, _PLURALS)
            totals[key] = (totals.get(key) or 0) + int(count.replace(",", ""))
        else:
            totals[note] = None
    singulars = {plural: singular for singular, plural in _PLURALS.items()}
    return [
        note if total is None else format_count(total, _replace_start(note, singulars), note)
        for note, total in totals.items()
    ]


def _replace_start(text: str, replacements: dict[str, str]) -> str:
    """Replace the beginning of a text by that of the first entry that fits."""
    for start, replacement in replacements.items():
        if text.startswith(start):
            return replacement + text.removeprefix(start)
    return text


def describe_limit(
    counts: MatchCounts, metrics: dict[str, Metrics], max_detections: int | None
) -> list[str]:
    """Say where the limit on detections under `coco` binds, and what it costs where known."""
    if max_detections is None or "coco" not in metrics:
        return []
    num_bound = int((counts.num_detections > max_detections).sum())
    people_per_image = counts.num_people[:, 0]
    is_crowded = people_per_image > max_detections
    if not (num_bound or is_crowded.any()):
        return []
    num_beyond = int((people_per_image[is_crowded] - max_detections).sum())
    num_people = int(counts.people_per_class[0])
    note = (
        f"{_LIMIT} {format_count(max_detections, 'detection', 'detections')} binds in "
        f"{num_bound:,} of {format_count(len(counts.image_ids), 'image', 'images')} and puts "
        f"{num_beyond:,} of {format_count(num_people, 'person', 'people')} out of reach"
    )
    if set(metrics) > {"coco"}:
        unlimited = name_curve_metrics(counts.compute_curves("coco", None), counts.thresholds)["AP"]
        limited = metrics["coco"]["AP"]
        if unlimited is not None and limited is not None:
            note += f"; AP would be {unlimited:.4f} without it, {unlimited - limited:+.4f}"
    return [note]
