"""The paper's numbers by name: AP and AR by person size and keypoint density (Sec. 5.2)."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.config import ScoringConfig, refuse_missing_boxes
from smallpose.evaluation.console_table import format_evaluation
from smallpose.evaluation.matching.keypoint_selection import ScoredPoses, select_keypoints
from smallpose.evaluation.metric_names import Metrics, name_curve_metrics, name_recall_metrics
from smallpose.evaluation.protocols import PAPER_LIMITS, Limits
from smallpose.evaluation.scoring.bootstrap import Interval, compute_intervals
from smallpose.evaluation.scoring.count_matches import evaluate_matches
from smallpose.evaluation.scoring.match_counts import MatchCounts, merge_counts

_CAP = "coco's cap of"


@dataclass(frozen=True)
class Evaluation:
    """Numbers by protocol and name; None where a class has no people.

    Args:
        protocols: such as `protocols["coco"]["AP_S"]`; also `result["coco"]["AP_S"]`.
        people: how many each class has.
        settings: what the numbers depend on.
        notes: what a reader should know, as plain sentences.
        tally: the sums the numbers were made from.
        intervals: likewise the 95 % interval of each number, where they were asked for.
    """

    protocols: dict[str, Metrics]
    people: dict[str, int]
    settings: dict[str, Any]
    notes: tuple[str, ...]
    match_counts: MatchCounts
    intervals: dict[str, dict[str, Interval]] = field(default_factory=dict)

    def __getitem__(self, protocol: str) -> Metrics:
        return self.protocols[protocol]

    def to_dict(self) -> dict[str, Any]:
        """What `to_json` writes."""
        return {
            "protocols": self.protocols,
            "people": self.people,
            "settings": self.settings,
            "notes": list(self.notes),
        } | ({"intervals": self.intervals} if self.intervals else {})

    def to_json(self) -> str:
        """The evaluation as JSON text; numbers with all their digits."""
        return json.dumps(self.to_dict(), indent=1) + "\n"

    def __str__(self) -> str:
        return format_evaluation(
            self.protocols, self.people, self.settings, self.notes, self.intervals
        )


def evaluate(
    truth: Instances,
    predictions: Predictions,
    *,
    protocols: Sequence[str] = ("coco",),
    area: str = "box",
    max_detections: int | None = 20,
    keypoints: str | None = None,
    sigmas: ArrayLike | None = None,
    density_joints: int | None = None,
    size_limits: Limits = PAPER_LIMITS,
    intervals: int = 0,
    seed: int = 0,
) -> Evaluation:
    """Score predictions against the truth.

    Args:
        protocols: of `coco`, `owned`, `recall`; see `protocols`.
        area: "box": width × height of a person's box is his size and the OKS scale; "file": the
            `area` field is, as in plain pycocotools.
        max_detections: detections of an image that count under `coco`; None for all.
        keypoints: "all" joints of the truth, "coco17", or None: what the predictions have.
        sigmas: one per scored joint; by default COCO's and those of the 21.
        density_joints: K of Eq. 3 for everybody; by default each source's own.
        size_limits: where small and medium end, px².
        intervals: bootstrap draws for a 95 % interval around each number; 0 for none.
        seed: of those draws.
    Raises: InputError when tables or arguments do not fit each other.
    """
    rules = ScoringConfig(
        protocols=tuple(protocols),
        area=area,
        max_detections=max_detections,
        keypoints=keypoints,
        sigmas=sigmas,
        density_joints=density_joints,
        size_limits=size_limits,
    )
    refuse_missing_boxes(predictions)
    scored = select_keypoints(truth, predictions, rules.keypoints, rules.sigmas)
    tally = evaluate_matches(truth, predictions, scored, rules)
    settings = rules.settings(scored, predictions.has_boxes)
    result = summarize_counts(
        tally, protocols, max_detections, settings, collect_notes(truth, predictions.notes, scored)
    )
    return add_intervals(result, intervals, seed) if intervals else result


def add_intervals(result: Evaluation, draws: int, seed: int = 0) -> Evaluation:
    """The same evaluation with a 95 % interval around each number."""
    most = result.settings["max_detections"]
    ends = compute_intervals(result.match_counts, tuple(result.protocols), most, draws, seed)
    return replace(result, intervals=ends)


def merge_evaluations(results: Sequence[Evaluation]) -> Evaluation:
    """Evaluations of different images as one; the same as if all had been scored together.

    Raises: InputError when they were made by different rules, or share an image.
    """
    # Parts without detections do not know by which rule their areas would have been taken.
    first = max(results, key=lambda r: bool(r.match_counts.given.any()))
    for other in results:
        theirs = dict(other.settings)
        if not other.match_counts.given.any():
            theirs["detection_area"] = first.settings["detection_area"]
        if theirs != first.settings or list(other.protocols) != list(first.protocols):
            raise InputError(
                "merge", "the results were made by different rules", "evaluate all alike"
            )
    tally = merge_counts([r.match_counts for r in results])
    notes = _added(note for r in results for note in r.notes if not _about_cap(note))
    return summarize_counts(
        tally, tuple(first.protocols), first.settings["max_detections"], first.settings, notes
    )


def _added(notes: Iterable[str]) -> list[str]:
    """The same notes once, with the counts that they begin with added up."""
    sums: dict[str, int] = {}
    for note in notes:
        count, _, rest = note.partition(" ")
        number = count.replace(",", "")
        counted = number.isdecimal()
        key = f" {rest}" if counted else note
        sums[key] = sums.get(key, 0) + (int(number) if counted else 0)
    return [f"{n:,}{key}" if key[0] == " " else key for key, n in sums.items()]


def summarize_counts(
    tally: MatchCounts,
    protocols: Sequence[str],
    max_detections: int | None,
    settings: dict[str, Any],
    notes: Sequence[str] = (),
) -> Evaluation:
    """The numbers that a tally adds up to."""
    numbers: dict[str, Metrics] = {}
    for protocol in protocols:
        if protocol == "recall":
            numbers[protocol] = name_recall_metrics(tally.recall(), tally.thresholds)
        else:
            most = max_detections if protocol == "coco" else None
            numbers[protocol] = name_curve_metrics(tally.curves(protocol, most), tally.thresholds)
    people = dict(zip(tally.classes, tally.totals.tolist(), strict=True))
    return Evaluation(
        numbers, people, settings, (*notes, *_cap(tally, numbers, max_detections)), tally
    )


def _about_cap(note: str) -> bool:
    return note.startswith(_CAP)


def _cap(tally: MatchCounts, numbers: dict[str, Metrics], max_detections: int | None) -> list[str]:
    """Where the cap on detections binds, and what it costs where that is known."""
    if max_detections is None or "coco" not in numbers:
        return []
    binds = tally.given > max_detections
    crowded = tally.people[:, 0] > max_detections
    if not (binds.any() or crowded.any()):
        return []
    beyond = int((tally.people[crowded, 0] - max_detections).sum())
    line = (
        f"{_CAP} {max_detections} detections binds in {int(binds.sum()):,} of "
        f"{len(tally.image_ids):,} images and puts {beyond:,} of {int(tally.totals[0]):,} people "
        "out of reach"
    )
    if set(numbers) > {"coco"}:
        free = name_curve_metrics(tally.curves("coco", None), tally.thresholds)["AP"]
        capped = numbers["coco"]["AP"]
        if free is not None and capped is not None:
            line += f"; AP would be {free:.4f} without it, {free - capped:+.4f}"
    return [line]


def collect_notes(truth: Instances, found_notes: Sequence[str], scored: ScoredPoses) -> list[str]:
    """What a reader of the numbers should know about the tables."""
    notes = [*truth.notes, *found_notes]
    if scored.without:
        notes.append(
            f"{scored.without:,} people are ignored: no labelled joint among the scored "
            f"{scored.skeleton.name}"
        )
    flat = int(np.count_nonzero(scored.counted & ~(truth.area > 0)))
    if flat:
        notes.append(f"{flat:,} labelled people have a box without area: in no size class")
    return notes
