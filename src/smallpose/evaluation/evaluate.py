"""The paper's metrics by name: AP and AR by person size and keypoint density (Sec. 5.2)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from smallpose.core.argument_checks import refuse_other_counts
from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.interval import Interval
from smallpose.core.predictions import Predictions
from smallpose.evaluation.areas import get_detection_boxes, refuse_missing_boxes
from smallpose.evaluation.comparability import (
    DataFacts,
    collect_data_facts,
    describe_comparability,
    merge_data_facts,
)
from smallpose.evaluation.config import (
    ScoringConfig,
    convert_named_sigmas,
    refuse_other_tables,
)
from smallpose.evaluation.matching.arrays import ImageGroups, Ints, Matches
from smallpose.evaluation.matching.greedy import match_detections
from smallpose.evaluation.matching.image_groups import group_by_image
from smallpose.evaluation.matching.keypoint_selection import ScoredPoses, select_keypoints
from smallpose.evaluation.metric_names import Metrics, name_curve_metrics, name_recall_metrics
from smallpose.evaluation.notes import (
    collect_notes,
    describe_constant_metrics,
    describe_equal_scores,
    describe_few_matches,
    describe_limit,
    describe_no_match,
    describe_regions,
    describe_scarce_classes,
    describe_unlabelled_images,
    merge_notes,
)
from smallpose.evaluation.protocols import PAPER_LIMITS, PROTOCOLS, SizeLimits
from smallpose.evaluation.scoring.count_matches import count_matches
from smallpose.evaluation.scoring.detected_people import (
    DetectedPeople,
    list_detected_people,
    merge_detected_people,
)
from smallpose.evaluation.scoring.match_counts import MatchCounts, merge_counts
from smallpose.evaluation.scoring.precision_recall import THRESHOLDS
from smallpose.evaluation.undetected_images import describe_undetected_images
from smallpose.io.mismatch import read_boxes_as_meant

if TYPE_CHECKING:
    from smallpose.evaluation.analysis.half_detected import HalfDetected


@dataclass(frozen=True, repr=False)
class Evaluation:
    """Metrics by protocol and name; None where a class has no people.

    Args:
        protocols: such as `protocols["coco"]["AP_S"]`; also `result["coco"]["AP_S"]`.
        people: how many each class has.
        settings: what the metrics depend on.
        notes: what a reader should know, as plain sentences.
        match_counts: what the metrics were computed from.
        detected: which people were detected, and how tall they are.
        facts: what of the data decides what the metrics are comparable to.
        intervals: by protocol and name, the 95 % interval of each metric, where computed.
        resampling: number of draws, seed and number of clusters (images or videos) of intervals.
    """

    protocols: dict[str, Metrics]
    people: dict[str, int]
    settings: dict[str, Any]
    notes: tuple[str, ...]
    match_counts: MatchCounts
    detected: DetectedPeople
    facts: DataFacts
    intervals: dict[str, dict[str, Interval | None]] = field(default_factory=dict)
    resampling: dict[str, int] = field(default_factory=dict)

    def __getitem__(self, protocol: str) -> Metrics:
        if protocol not in PROTOCOLS:
            first = next(iter(self.protocols))
            raise KeyError(
                f"{protocol}: no such protocol; those of this result are "
                f"{', '.join(self.protocols)}, and metrics are below them: result[{first!r}]['AP']"
            )
        if protocol not in self.protocols:
            raise KeyError(
                f"{protocol}: not evaluated, only {', '.join(self.protocols)}; pass "
                f"protocols=({', '.join(map(repr, [*self.protocols, protocol]))}) to evaluate"
            )
        return self.protocols[protocol]

    @cached_property
    def half_detected(self) -> "HalfDetected":
        """Return the height from which on half of the people are detected."""
        # Imported here, because it needs this module.
        from smallpose.evaluation.analysis.half_detected_fit import find_half_detected_height

        return find_half_detected_height(self)

    def to_dict(self) -> dict[str, Any]:
        """Return what `to_json` writes."""
        content = {
            "protocols": self.protocols,
            "people": self.people,
            "settings": self.settings | self.resampling,
            "notes": list(self.notes),
        }
        if self.intervals:
            from smallpose.evaluation.scoring.bootstrap import list_ends

            content["intervals"] = {
                protocol: {name: list_ends(interval) for name, interval in intervals.items()}
                for protocol, intervals in self.intervals.items()
            }
        return content | {"half_detected_px": self.half_detected.to_dict()}

    def to_json(self) -> str:
        """Return the evaluation as JSON text, numbers with all their digits."""
        return json.dumps(self.to_dict(), indent=1) + "\n"

    def format_tables(self) -> str:
        """Return all that is printed but the sentence on height."""
        # Imported here, because JSON has no tables and should be there fast.
        from smallpose.evaluation.console_table import format_evaluation

        return format_evaluation(
            self.protocols, self.people, self.settings, self.notes, self.intervals
        )

    def __str__(self) -> str:
        from smallpose.evaluation.console_table import fill_text

        return f"{self.format_tables()}\n\n{fill_text(f'{self.half_detected.describe()}.')}"

    def __repr__(self) -> str:
        """Return the AP of each protocol in one line; `print` shows all."""
        from smallpose.evaluation.console_table import format_number

        people = format_count(self.people.get("all", 0), "person", "people")
        values = ", ".join(
            f"{protocol} {name} {format_number(metrics[name])}"
            for protocol, metrics in self.protocols.items()
            for name in list(metrics)[:1]
        )
        notes = f", {format_count(len(self.notes), 'note')}" if self.notes else ""
        return f"Evaluation({values}, {people}{notes}; print shows all)"


def evaluate(
    truth: Instances,
    predictions: Predictions,
    *,
    protocols: str | Sequence[str] = ("coco",),
    oks_area: str = "file",
    size_area: str = "box",
    max_detections: int | None = 20,
    keypoints: str | None = None,
    sigmas: ArrayLike | Mapping[str, float] | None = None,
    density_joints: int | None = None,
    size_limits: SizeLimits = PAPER_LIMITS,
    intervals: int = 0,
    seed: int = 0,
) -> Evaluation:
    """Score predictions against the ground truth.

    Args:
        protocols: of `coco`, `owned`, `recall`, one or more; see `protocols`.
        oks_area: what scales OKS: "file", the `area` field, as in pycocotools (width × height of
            the box for people who have none); "box", width × height of the box; "0.53box", 0.53
            times that, as in published CrowdPose and AI Challenger results.
        size_area: what decides who is small, medium or large: "box" or "file".
        max_detections: of an image that count under `coco`; None for all.
        keypoints: "all" joints of the truth, "coco17", or None: what the predictions have.
        sigmas: one per scored joint, or by name of joint; by default COCO's and those of the 21.
        density_joints: K of Eq. 3 for all people; by default each source's own.
        size_limits: where small and medium end, px².
        intervals: bootstrap resamples for a 95 % interval around each metric; 0 for none.
        seed: of the resamples.
    Raises: InputError when tables or arguments do not fit each other.
    """
    config = ScoringConfig(
        protocols=protocols,
        oks_area=oks_area,
        size_area=size_area,
        max_detections=max_detections,
        keypoints=keypoints,
        sigmas=convert_named_sigmas(sigmas),
        density_joints=density_joints,
        size_limits=size_limits,
    )
    refuse_other_tables(truth, predictions)
    refuse_other_counts("--intervals", intervals, minimum=0)
    refuse_other_counts("--seed", seed, minimum=0)
    refuse_missing_boxes(predictions)

    predictions = read_boxes_as_meant(truth, predictions)
    scored = select_keypoints(truth, predictions, config)
    groups = group_by_image(truth, predictions, config.detection_limit)
    matches = match_detections(groups, scored.poses, scored.classes, THRESHOLDS)
    result = summarize_matches(scored, groups, matches, predictions, config)
    return add_intervals(result, intervals, seed) if intervals else result


def summarize_matches(
    scored: ScoredPoses,
    groups: ImageGroups,
    matches: Matches,
    predictions: Predictions,
    config: ScoringConfig,
    owners: Ints | None = None,
) -> Evaluation:
    """Count the matches and compute the metrics.

    Args:
        owners: (d,) of the detections, where they are known; see `protocols.find_owners`.
    """
    boxes = get_detection_boxes(predictions)
    counts = count_matches(scored, groups, matches, boxes, predictions.scores, config, owners)
    detected = list_detected_people(scored, groups, matches)
    notes = [
        *collect_notes(scored, predictions.notes, config, boxes),
        *describe_unlabelled_images(counts, scored.truth, config),
        *describe_undetected_images(counts, detected, predictions.notes, predictions.covers_images),
    ]
    notes += describe_no_match(counts, groups, scored.truth, boxes, notes)
    return summarize_counts(
        counts,
        config.protocols,
        describe_settings(config, scored, predictions.has_boxes),
        notes,
        detected,
        collect_data_facts(scored, groups, boxes, predictions.has_boxes, predictions.covers_images),
    )


def summarize_counts(
    counts: MatchCounts,
    protocols: Sequence[str],
    settings: dict[str, Any],
    notes: Sequence[str],
    detected: DetectedPeople,
    facts: DataFacts,
) -> Evaluation:
    """Compute the metrics from the counts, and what they are comparable to."""
    max_detections = settings["max_detections"]
    metrics: dict[str, Metrics] = {}
    for protocol in protocols:
        if protocol == "recall":
            metrics[protocol] = name_recall_metrics(counts.compute_recall(), counts.thresholds)
        else:
            limit = max_detections if protocol == "coco" else None
            curves = counts.compute_curves(protocol, limit)
            metrics[protocol] = name_curve_metrics(curves, counts.thresholds)
    return Evaluation(
        protocols=metrics,
        people=dict(zip(counts.classes, counts.people_per_class.tolist(), strict=True)),
        settings=settings
        | {"comparable_to": describe_comparability(settings, protocols, counts, facts)},
        notes=(
            *notes,
            *describe_equal_scores(counts, notes),
            *describe_regions(facts),
            *describe_limit(counts, metrics, max_detections),
        ),
        match_counts=counts,
        detected=detected,
        facts=facts,
    )


def describe_settings(
    config: ScoringConfig, scored: ScoredPoses, has_boxes: bool
) -> dict[str, Any]:
    """Return the settings for the JSON and for the foot of the table.

    Args:
        has_boxes: whether the detections have boxes, which then are their areas.
    """
    return {
        "keypoints": scored.skeleton.name,
        "oks_area": config.oks_area,
        "size_area": config.size_area,
        "detection_area": "width × height of bbox" if has_boxes else "extent of all keypoints",
        "max_detections": config.max_detections,
        "density_joints": config.density_joints
        or "source's skeleton, else the category's keypoints",
        "size_limits": list(config.size_limits),
        "sigmas": [round(sigma, 12) for sigma in scored.poses.sigmas.tolist()],
    }


def add_intervals(result: Evaluation, num_resamples: int, seed: int = 0) -> Evaluation:
    """Return the same evaluation with a 95 % interval around each metric.

    A class whose people are in too few images (or videos) gets none, and a note says why.
    """
    # Imported here, because most evaluations have no intervals and should start fast.
    from smallpose.evaluation.scoring.bootstrap import (
        MIN_CLUSTERS,
        MIN_RESAMPLES,
        compute_interval,
        count_class_clusters,
        count_clusters,
        get_class_index,
        resample_metrics,
        rests_on_few_matches,
    )
    from smallpose.evaluation.scoring.cluster_units import name_unit

    if num_resamples < MIN_RESAMPLES:
        raise InputError(
            f"--intervals {num_resamples}", "too few resamples", "use 1000, or 0 for no intervals"
        )
    counts = result.match_counts
    limit = result.settings["max_detections"]
    resamples = resample_metrics(counts, tuple(result.protocols), limit, num_resamples, seed)
    num_clusters = count_clusters(counts.groups)
    class_clusters = count_class_clusters(counts)
    unit = name_unit(counts.groups)
    intervals: dict[str, dict[str, Interval | None]] = {}
    few_matches: dict[str, None] = {}
    constant: dict[str, float | None] = {}
    for protocol, metrics in resamples.items():
        intervals[protocol] = {}
        for name, values in metrics.items():
            is_enough = class_clusters[get_class_index(name)] >= MIN_CLUSTERS
            interval = compute_interval(result[protocol][name], values, num_clusters)
            intervals[protocol][name] = interval if is_enough else None
            if is_enough and interval is None and result[protocol][name] in (0.0, 1.0):
                constant[f"{name} ({protocol})"] = result[protocol][name]
            is_shown = is_enough and interval is not None and name.startswith("AP")
            if is_shown and rests_on_few_matches(result[protocol][name], values):
                few_matches.setdefault(name)
    return replace(
        result,
        intervals=intervals,
        resampling={"draws": num_resamples, "seed": seed, "clusters": num_clusters},
        notes=(
            *result.notes,
            *describe_scarce_classes("interval", class_clusters.tolist(), MIN_CLUSTERS, unit),
            *describe_constant_metrics(constant),
            *describe_few_matches([*few_matches]),
        ),
    )


def merge_evaluations(results: Sequence[Evaluation]) -> Evaluation:
    """Merge evaluations of different images; the same as if all had been scored together.

    Raises: InputError when they were made with different settings, or share an image.
    """

    def has_detections(result: Evaluation) -> bool:
        return bool(result.match_counts.num_detections.any())

    # Parts without detections do not know by which rule their areas would have been taken.
    first = max(results, key=has_detections)
    for other in results:
        # Which images there are decides what a part is comparable to.
        shared = (
            ("comparable_to",) if has_detections(other) else ("comparable_to", "detection_area")
        )
        settings = other.settings | {key: first.settings[key] for key in shared}
        if settings != first.settings or list(other.protocols) != list(first.protocols):
            raise InputError(
                "merge", "the results were made with different settings", "evaluate all alike"
            )
    return summarize_counts(
        merge_counts([result.match_counts for result in results]),
        tuple(first.protocols),
        first.settings,
        merge_notes(note for result in results for note in result.notes),
        merge_detected_people([result.detected for result in results]),
        merge_data_facts([result.facts for result in results]),
    )
