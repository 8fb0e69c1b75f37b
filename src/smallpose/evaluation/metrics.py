"""The paper's numbers by name: AP and AR by person size and keypoint density (Sec. 5.2)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smallpose.core.boxes import box_area
from smallpose.core.errors import InputError
from smallpose.evaluation import compiled
from smallpose.evaluation.alignment import Scored, align
from smallpose.evaluation.intervals import Interval, spread
from smallpose.evaluation.matching import find_people
from smallpose.evaluation.names import Numbers, names_of_curves, names_of_shares
from smallpose.evaluation.pairing import Pairing, pair_up
from smallpose.evaluation.precision_recall import THRESHOLDS
from smallpose.evaluation.protocols import (
    CLASSES,
    PAPER_LIMITS,
    PROTOCOLS,
    Limits,
    coco_reach,
    owned_reach,
    owners,
    person_classes,
)
from smallpose.evaluation.tally import Tally
from smallpose.evaluation.text import as_text
from smallpose.table.instances import Instances
from smallpose.table.predictions import Predictions

Floats = NDArray[np.float64]


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
    settings = _settings(found, protocols, area, max_found, density_joints, size_limits)
    scored = align(truth, found, keypoints, None if sigmas is None else np.asarray(sigmas, float))
    settings["keypoints"] = scored.skeleton.name
    settings["sigmas"] = [round(sigma, 12) for sigma in scored.sigmas.tolist()]
    tally = tally_up(
        truth,
        found,
        scored,
        protocols=protocols,
        scale=person_area(truth, area),
        most=max_found if set(protocols) == {"coco"} else None,
        joints=truth.joints if density_joints is None else np.full(len(truth), density_joints),
        limits=size_limits,
    )
    result = summarize(tally, protocols, max_found, settings, _notes(truth, found, scored))
    if intervals:
        return replace(result, intervals=spread(tally, protocols, max_found, intervals, seed))
    return result


def tally_up(
    truth: Instances,
    found: Predictions,
    scored: Scored,
    *,
    protocols: Sequence[str],
    scale: Floats,
    most: int | None,
    joints: NDArray[np.int64],
    limits: Limits = PAPER_LIMITS,
    thresholds: Floats = THRESHOLDS,
) -> Tally:
    """Match everybody in every class and sum up image by image.

    Args:
        scale: (n,) px², the people's areas.
        most: detections of an image that are looked at; None for all.
        joints: (n,) K of Eq. 3.
    """
    pairing = pair_up(truth, found, most)
    people = person_classes(scale, truth.labelled, joints, scored.counted, limits)
    matches = find_people(
        pairing,
        scored.found,
        scored.keypoints,
        truth.boxes_xywh,
        scale,
        truth.iscrowd,
        scored.sigmas,
        people,
        thresholds,
    )
    unmatched = ~(matches.hit | matches.absorbed) & np.uint16((1 << len(thresholds)) - 1)
    false: dict[str, NDArray[np.uint16]] = {}
    found_xywh = found_boxes(found)
    areas = box_area(found_xywh)[pairing.found]
    if "coco" in protocols:
        false["coco"] = unmatched * coco_reach(areas, limits)
    if "owned" in protocols:
        owner = owners(pairing, found_xywh, truth.boxes_xywh, scored.counted)
        false["owned"] = unmatched * owned_reach(owner, people, areas, limits)
    levels = len(thresholds) if "recall" in protocols else 0
    counts, met = _per_image(pairing, people, matches.met, levels)
    return Tally(
        classes=tuple(name for name, _, _ in CLASSES),
        image_ids=pairing.image_ids,
        groups=_groups(truth),
        given=pairing.given,
        people=counts,
        met=met,
        image=pairing.found_image,
        rank=pairing.rank,
        scores=found.scores[pairing.found],
        hit=matches.hit,
        false=false,
        thresholds=thresholds,
    )


def _groups(truth: Instances) -> tuple[str, ...]:
    """(m,) groups of the images in the order of their ids."""
    groups = truth.images.groups
    return tuple(groups[row] for row in np.argsort(truth.images.ids, kind="stable").tolist())


def _per_image(
    pairing: Pairing, people: NDArray[np.bool_], met: NDArray[np.uint16], levels: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(m, c) people of each image, (m, c, t) those who were found."""
    if compiled.CORE is not None:
        return compiled.per_image(pairing, people, met, levels)

    def sums(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
        total = np.zeros((len(flags), len(pairing.people) + 1), dtype=np.int64)
        np.cumsum(flags[:, pairing.people], axis=1, out=total[:, 1:])
        return np.diff(total[:, pairing.people_start], axis=1).T

    found = [sums(people & ((met >> t) & 1).astype(bool)) for t in range(levels)]
    counts = sums(people)
    return counts, np.stack(found, axis=2) if levels else np.zeros((*counts.shape, 0), np.int64)


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
        f"coco's cap of {max_found} detections binds in {int(binds.sum()):,} of "
        f"{len(tally.image_ids):,} images and puts {beyond:,} of {int(tally.totals[0]):,} people "
        "out of reach"
    )
    if set(numbers) > {"coco"}:
        free = names_of_curves(tally.curves("coco", None), tally.thresholds)["AP"]
        capped = numbers["coco"]["AP"]
        if free is not None and capped is not None:
            line += f"; AP would be {free:.4f} without it, {free - capped:+.4f}"
    return [line]


def person_area(truth: Instances, area: str) -> Floats:
    """(n,) px² by the chosen rule.

    Raises: InputError when the `area` field is asked for and somebody lacks it.
    """
    if area == "box":
        return truth.area
    lacking = np.flatnonzero(np.isnan(truth.file_area) & truth.counted)
    if len(lacking):
        raise InputError(
            f"annotation {truth.ids[lacking[0]]}",
            f"no area field (nor in {len(lacking) - 1:,} more)",
            "use --area box",
        )
    return np.where(np.isnan(truth.file_area), truth.area, truth.file_area)


def found_boxes(found: Predictions) -> Floats:
    """(d, 4) boxes of the detections by the rule of their areas, px."""
    if found.has_boxes:
        return found.boxes_xywh
    if compiled.CORE is not None:
        return compiled.extents(found.keypoints)
    low = found.keypoints[:, :, :2].min(axis=1)
    return np.concatenate([low, found.keypoints[:, :, :2].max(axis=1) - low], axis=1)


def _settings(
    found: Predictions,
    protocols: Sequence[str],
    area: str,
    max_found: int | None,
    density_joints: int | None,
    limits: Limits,
) -> dict[str, Any]:
    for protocol in protocols:
        if protocol not in PROTOCOLS:
            raise InputError(
                f"--protocol {protocol}", "no such protocol", f"choose from {', '.join(PROTOCOLS)}"
            )
    if not protocols:
        raise InputError("--protocol", "none is named", f"choose from {', '.join(PROTOCOLS)}")
    if area not in ("box", "file"):
        raise InputError(f"--area {area}", "no such rule", "say box or file")
    if max_found is not None and max_found < 1:
        raise InputError(f"--max-found {max_found}", "nobody could be found", "give 1 or more")
    if density_joints is not None and density_joints < 1:
        raise InputError(f"--density-joints {density_joints}", "not above zero", "give 1 or more")
    if not 0 < limits[0] <= limits[1]:
        raise InputError(f"size limits {limits}", "they do not rise", "give small, then medium")
    if found.has_boxes and not np.isfinite(found.boxes_xywh).all():
        row = int(np.flatnonzero(~np.isfinite(found.boxes_xywh).all(axis=1))[0])
        raise InputError(
            f"results, entry[{row}]",
            "no bbox, and the first entry has one",
            "write a bbox for all or for none",
        )
    return {
        "keypoints": "",
        "area": {"box": "width × height of bbox", "file": "area field"}[area],
        "found_area": "width × height of bbox" if found.has_boxes else "extent of all keypoints",
        "max_found": max_found,
        "density_joints": density_joints or "source's skeleton, else the category's keypoints",
        "size_limits": list(limits),
        "sigmas": [],
    }


def _notes(truth: Instances, found: Predictions, scored: Scored) -> list[str]:
    notes = [*truth.notes, *found.notes]
    if scored.without:
        notes.append(
            f"{scored.without:,} people are ignored: no labelled joint among the scored "
            f"{scored.skeleton.name}"
        )
    flat = int(np.count_nonzero(scored.counted & ~(truth.area > 0)))
    if flat:
        notes.append(f"{flat:,} labelled people have a box without area: in no size class")
    return notes
