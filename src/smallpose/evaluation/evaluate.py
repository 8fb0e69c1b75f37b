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
from smallpose.evaluation.config import Rules, refuse_missing_boxes
from smallpose.evaluation.console_table import as_text
from smallpose.evaluation.matching.keypoint_selection import Scored, align
from smallpose.evaluation.metric_names import Numbers, names_of_curves, names_of_shares
from smallpose.evaluation.protocols import PAPER_LIMITS, Limits
from smallpose.evaluation.scoring.bootstrap import Interval, spread
from smallpose.evaluation.scoring.count_matches import tally_up
from smallpose.evaluation.scoring.match_counts import Tally, merged

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

    protocols: dict[str, Numbers]
    people: dict[str, int]
    settings: dict[str, Any]
    notes: tuple[str, ...]
    tally: Tally
    intervals: dict[str, dict[str, Interval]] = field(default_factory=dict)

    def __getitem__(self, protocol: str) -> Numbers:
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
        return as_text(self.protocols, self.people, self.settings, self.notes, self.intervals)


def evaluate(
    truth: Instances,
    found: Predictions,
    *,
    protocols: Sequence[str] = ("coco",),
    area: str = "box",
    max_found: int | None = 20,
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
        max_found: detections of an image that count under `coco`; None for all.
        keypoints: "all" joints of the truth, "coco17", or None: what the predictions have.
        sigmas: one per scored joint; by default COCO's and those of the 21.
        density_joints: K of Eq. 3 for everybody; by default each source's own.
        size_limits: where small and medium end, px².
        intervals: bootstrap draws for a 95 % interval around each number; 0 for none.
        seed: of those draws.
    Raises: InputError when tables or arguments do not fit each other.
    """
    rules = Rules(
        protocols=tuple(protocols),
        area=area,
        max_found=max_found,
        keypoints=keypoints,
        sigmas=sigmas,
        density_joints=density_joints,
        size_limits=size_limits,
    )
    refuse_missing_boxes(found)
    scored = align(truth, found, rules.keypoints, rules.sigmas)
    tally = tally_up(truth, found, scored, rules)
    settings = rules.settings(scored, found.has_boxes)
    result = summarize(tally, protocols, max_found, settings, remarks(truth, found.notes, scored))
    return with_intervals(result, intervals, seed) if intervals else result


def with_intervals(result: Evaluation, draws: int, seed: int = 0) -> Evaluation:
    """The same evaluation with a 95 % interval around each number."""
    most = result.settings["max_found"]
    ends = spread(result.tally, tuple(result.protocols), most, draws, seed)
    return replace(result, intervals=ends)


def merge(results: Sequence[Evaluation]) -> Evaluation:
    """Evaluations of different images as one; the same as if all had been scored together.

    Raises: InputError when they were made by different rules, or share an image.
    """
    # Parts without detections do not know by which rule their areas would have been taken.
    first = max(results, key=lambda r: bool(r.tally.given.any()))
    for other in results:
        theirs = dict(other.settings)
        if not other.tally.given.any():
            theirs["found_area"] = first.settings["found_area"]
        if theirs != first.settings or list(other.protocols) != list(first.protocols):
            raise InputError(
                "merge", "the results were made by different rules", "evaluate all alike"
            )
    tally = merged([r.tally for r in results])
    notes = _added(note for r in results for note in r.notes if not _about_cap(note))
    return summarize(
        tally, tuple(first.protocols), first.settings["max_found"], first.settings, notes
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


def summarize(
    tally: Tally,
    protocols: Sequence[str],
    max_found: int | None,
    settings: dict[str, Any],
    notes: Sequence[str] = (),
) -> Evaluation:
    """The numbers that a tally adds up to."""
    numbers: dict[str, Numbers] = {}
    for protocol in protocols:
        if protocol == "recall":
            numbers[protocol] = names_of_shares(tally.recall(), tally.thresholds)
        else:
            most = max_found if protocol == "coco" else None
            numbers[protocol] = names_of_curves(tally.curves(protocol, most), tally.thresholds)
    people = dict(zip(tally.classes, tally.totals.tolist(), strict=True))
    return Evaluation(numbers, people, settings, (*notes, *_cap(tally, numbers, max_found)), tally)


def _about_cap(note: str) -> bool:
    return note.startswith(_CAP)


def _cap(tally: Tally, numbers: dict[str, Numbers], max_found: int | None) -> list[str]:
    """Where the cap on detections binds, and what it costs where that is known."""
    if max_found is None or "coco" not in numbers:
        return []
    binds = tally.given > max_found
    crowded = tally.people[:, 0] > max_found
    if not (binds.any() or crowded.any()):
        return []
    beyond = int((tally.people[crowded, 0] - max_found).sum())
    line = (
        f"{_CAP} {max_found} detections binds in {int(binds.sum()):,} of "
        f"{len(tally.image_ids):,} images and puts {beyond:,} of {int(tally.totals[0]):,} people "
        "out of reach"
    )
    if set(numbers) > {"coco"}:
        free = names_of_curves(tally.curves("coco", None), tally.thresholds)["AP"]
        capped = numbers["coco"]["AP"]
        if free is not None and capped is not None:
            line += f"; AP would be {free:.4f} without it, {free - capped:+.4f}"
    return [line]


def remarks(truth: Instances, found_notes: Sequence[str], scored: Scored) -> list[str]:
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
