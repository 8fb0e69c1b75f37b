"""What a reader of an evaluation should know, as plain sentences."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from smallpose.core.counts import format_count
from smallpose.core.density import DENSITIES
from smallpose.core.distinct import is_member
from smallpose.core.instances import Instances
from smallpose.core.joint_order import list_joints
from smallpose.core.skeleton import Skeleton
from smallpose.evaluation.areas import get_person_area
from smallpose.evaluation.comparability import DataFacts
from smallpose.evaluation.config import ScoringConfig
from smallpose.evaluation.matching.arrays import Floats, ImageGroups
from smallpose.evaluation.matching.keypoint_selection import ScoredPoses
from smallpose.evaluation.metric_names import Metrics, name_curve_metrics
from smallpose.evaluation.protocols import CLASSES
from smallpose.evaluation.scoring.cluster_units import name_units
from smallpose.evaluation.scoring.match_counts import MatchCounts
from smallpose.evaluation.sigma_file import describe_borrowed_sigmas, describe_large_sigmas
from smallpose.io.equal_scores import EQUAL_SCORES, EQUAL_SCORES_REMEDY, find_equal_scores
from smallpose.io.frame_groups import describe_possible_frames
from smallpose.io.label_faults import NO_RESULT, UNSETTLED, describe_label_faults

_LIMIT = "coco's limit of"
NO_MATCH = "every AP is 0: no detection reaches an OKS of .5"
FEW_MATCHES = "AP is near 0: "
_MIN_PEOPLE = 50  # from which on so few matches are told
_MAX_MATCHED_SHARE = 0.05  # of the people
UNLABELLED = "with scores as those of people who are found, which count as false"
_REPEATED = "a region to ignore (iscrowd 1) in their place"
_MAX_NAMES = 3  # of metrics in a note
_MIN_UNLABELLED = 5  # images
_MAX_UNLABELLED_SHARE = 0.3  # of all images
_NO_DETECTION = "there is no detection in any image: nobody was found"
# How sentences that begin with a count go on, for one and for more.
_PLURALS = {
    "person is ignored": "people are ignored",
    "labelled person has": "labelled people have",
    "counted person has": "counted people have",
    "small person is": "small people are",
    "detection has": "detections have",
}


def collect_notes(
    scored: ScoredPoses,
    prediction_notes: Iterable[str],
    config: ScoringConfig,
    detection_boxes: Floats,
    label_faults: Sequence[str] | None = None,
) -> list[str]:
    """List what a reader of the numbers should know about the tables.

    Args:
        label_faults: of the truth, where they are known; see `describe_label_faults`.
        detection_boxes: (d, 4) boxes of the detections, whose areas decide their size classes.
    """
    if label_faults is None:
        label_faults = describe_label_faults(scored.truth)
    notes = [*scored.truth.notes, *label_faults, *prediction_notes]
    if np.any(scored.is_counted & (scored.truth.ids == 0)):
        notes.append(
            "the person with annotation id 0 is scored as any other; pycocotools counts them as "
            "missed"
        )
    if scored.num_without_joints:
        subject = format_count(scored.num_without_joints, "person is ignored", "people are ignored")
        notes.append(f"{subject}: no labelled joint among the scored {scored.skeleton.name}")
    if scored.missing_joints:
        notes.append(describe_missing_joints(scored.missing_joints, scored.skeleton))
    notes += describe_borrowed_sigmas(scored.skeleton, config.sigmas)
    notes += describe_large_sigmas(scored.skeleton, scored.poses.sigmas)
    notes += _describe_odd_people(scored)
    notes += _describe_areas(scored, config) + _describe_density(scored)
    notes += describe_possible_frames(scored.truth.images, truth=scored.truth)
    return notes + _describe_detection_boxes(detection_boxes)


def _describe_odd_people(scored: ScoredPoses) -> list[str]:
    """Say who is counted without a label, or has an id that other evaluators lose, as `check`."""
    truth = scored.truth
    is_bare = truth.num_labelled == 0
    is_negative = (truth.ids < 0) & (not truth.text_ids)
    notes = []
    for is_odd, text in (
        (
            is_bare,
            "no labelled joint, but num_keypoints above 0: any pose within twice their box "
            "matches; write num_keypoints 0",
        ),
        (
            is_negative,
            "a negative id, which faster-coco-eval loses and hotcoco refuses; number them from 1",
        ),
    ):
        count = int(np.count_nonzero(is_odd & truth.is_counted))
        if count:
            notes.append(
                f"{format_count(count, 'counted person has', 'counted people have')} {text}"
            )
    return notes


def _describe_areas(scored: ScoredPoses, config: ScoringConfig) -> list[str]:
    """Say who has no area, by the two areas that decide the OKS scale and the size classes."""
    truth, is_counted = scored.truth, scored.is_counted
    is_missing = np.isnan(truth.file_area)
    is_flat = ~(get_person_area(truth, config.size_area) > 0)
    selections = []
    if "file" in (config.oks_area, config.size_area):
        selections.append((is_missing, "no area field: width × height of their box is used"))
    if config.oks_area == "file":
        is_zero = (truth.file_area == 0) & (truth.area > 0)
        remedy = "use --oks-area box if that is not meant"
        selections.append((is_zero, f"an area of 0, so only exact poses match; {remedy}"))
        is_negative = truth.file_area < 0
        ignored = "a negative area, so they are ignored, as by pycocotools"
        selections.append((is_negative, f"{ignored}; {remedy}"))
        images = truth.images
        limit = (images.width.astype(np.float64) * images.height)[truth.image_rows]
        is_huge = (truth.file_area > limit) & (limit > 0)
        selections.append(
            (is_huge, f"an area larger than their image, so poses match from afar; {remedy}")
        )
    is_turned = (truth.boxes_xywh[:, 2] < 0) | (truth.boxes_xywh[:, 3] < 0)
    selections.append((is_turned, "a box of negative width or height: write x, y, width, height"))
    what = "a box without area" if config.size_area == "box" else "an area of 0"
    selections.append((is_flat, f"{what}: in no size class"))
    notes = []
    for is_selected, text in selections:
        count = int(np.count_nonzero(is_selected & is_counted))
        if count:
            subject = format_count(count, "labelled person has", "labelled people have")
            notes.append(f"{subject} {text}")
    return notes


def _describe_detection_boxes(boxes_xywh: Floats) -> list[str]:
    """Say that boxes of detections are turned, whose products of sides may look like areas."""
    # Faster than `any` over two columns.
    count = int(np.count_nonzero((boxes_xywh[:, 2] < 0) | (boxes_xywh[:, 3] < 0)))
    if not count:
        return []
    subject = format_count(count, "detection has", "detections have")
    return [f"{subject} a box of negative width or height: write bbox as x, y, width, height"]


def _describe_density(scored: ScoredPoses) -> list[str]:
    """Say why sparse, moderate and dense people are fewer than small ones, if they are."""
    names = [one.name for one in CLASSES]
    is_small = scored.classes[names.index("small")]
    has_density = scored.classes[[names.index(name) for name in DENSITIES]].any(axis=0)
    count = int(np.count_nonzero(is_small & ~has_density))
    if not count:
        return []
    subject = format_count(count, "small person is", "small people are")
    return [f"{subject} in no density class: no keypoint with v > 0, so Eq. 3 has no value"]


def describe_missing_joints(missing: tuple[str, ...], scored: Skeleton) -> str:
    """Say on which joints the numbers are, and that others were left out."""
    return (
        f"scored on the {format_count(len(scored), 'joint')} that the results have; the truth has "
        f"{len(missing)} more ({list_joints(missing)})"
    )


def describe_constant_metrics(metrics: Mapping[str, float | None]) -> list[str]:
    """Say which metrics have no interval because they are 0, or 1, in all resamples.

    Args:
        metrics: by name with their protocol.
    """
    notes = []
    for value in (0.0, 1.0):
        names = [name for name, one in metrics.items() if one == value]
        if names:
            listed = ", ".join(names[:_MAX_NAMES])
            more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
            notes.append(
                f"no interval for {listed}{more}: {value:g} here and in all resamples, which "
                "cannot tell how far from it the true value may be"
            )
    return notes


def describe_scarce_classes(
    what: str, class_clusters: Sequence[int], min_clusters: int, unit: str
) -> list[str]:
    """Say which classes lack an interval or a p-value, in one sentence or none.

    Args:
        what: is missing, such as "interval".
        class_clusters: (c,) clusters that contain a person of each class.
        unit: what a cluster is; see `cluster_units`.
    """
    scarce = [
        f"{one.heading} ({count})"
        for one, count in zip(CLASSES, class_clusters, strict=True)
        if 0 < count < min_clusters
    ]
    if not scarce:
        return []
    return [
        f"no {what} for {', '.join(scarce)}: people in fewer than {min_clusters} {name_units(unit)}"
    ]


def describe_few_matches(names: Sequence[str]) -> list[str]:
    """Say which metrics have intervals that rest on few matched people, in a sentence or none."""
    if not names:
        return []
    which = "interval" if len(names) == 1 else "intervals"
    verb = "rests" if len(names) == 1 else "rest"
    return [
        f"the {which} of {', '.join(names)} {verb} on few matched people and may be too narrow "
        "(docs/intervals.md)"
    ]


def merge_notes(notes: Iterable[str]) -> list[str]:
    """List each note once, with the counts that notes begin with added up.

    What follows from the merged counts is left out: what the limit on detections costs, that there
    is none, that none or hardly any matches, that all scores are equal, and that regions are in the
    place of people.
    """
    totals: dict[str, int | None] = {}
    for note in notes:
        is_left_out = note.startswith((_LIMIT, NO_MATCH, FEW_MATCHES)) or note == _NO_DETECTION
        if is_left_out or _REPEATED in note or note.endswith(EQUAL_SCORES_REMEDY):
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


def describe_regions(facts: DataFacts) -> list[str]:
    """Say that regions to ignore are in the place of most people, so that AP is too high."""
    if not facts.num_repeated_regions:
        return []
    from smallpose.io.peer_files import describe_repeated_regions

    num_people = facts.num_people + facts.num_without_joints
    note = describe_repeated_regions(facts.num_repeated_regions, num_people)
    return [note] if note else []


def describe_unlabelled_images(
    counts: MatchCounts, truth: Instances, config: ScoringConfig
) -> list[str]:
    """Say where many images without a label look like images that nobody has labelled.

    An image counts where it has no label, not even one to ignore, and a confident detection: one
    whose score reaches the lower quartile of those that match a person at the first threshold. In
    ordinary sets detections in images without people have lower scores.
    """
    total = len(counts.image_ids)
    is_labelled = np.zeros(len(truth.images), dtype=bool)
    is_labelled[truth.image_rows] = True
    if _are_few(total - int(np.count_nonzero(is_labelled)), total):
        return []  # as for most sets, without a look at the detections
    scores = counts.scores[(counts.true_positives[0] & 1) > 0]
    if not len(scores):
        return []
    has_label = is_member(counts.image_ids, truth.images.ids[is_labelled])
    is_confident = (counts.scores >= np.sort(scores)[len(scores) // 4]) & ~has_label[counts.image]
    num_images = int(np.count_nonzero(np.bincount(counts.image[is_confident])))
    if _are_few(num_images, total):
        return []
    images = format_count(num_images, "image", "images")
    detections = format_count(int(is_confident.sum()), "detection", "detections")
    note = f"{images} of {total:,} have no label and {detections} {UNLABELLED}"
    protocol = next((one for one in config.protocols if one != "recall"), None)
    if protocol is not None:
        labelled = counts.select_images(has_label)
        limit = config.max_detections if protocol == "coco" else None
        ap = name_curve_metrics(labelled.compute_curves(protocol, limit), counts.thresholds)["AP"]
        if ap is not None:
            note += f"; without images that have no label, AP would be {ap:.4f} under {protocol}"
    return [
        f"{note}; if nobody has labelled them, leave them out of the labels' images and add "
        "--unknown-images drop"
    ]


def _are_few(num_unlabelled: int, num_images: int) -> bool:
    is_rare = num_unlabelled <= _MAX_UNLABELLED_SHARE * num_images
    return is_rare or num_unlabelled < _MIN_UNLABELLED


def describe_no_match(
    counts: MatchCounts, groups: ImageGroups, truth: Instances, boxes: Floats, notes: Iterable[str]
) -> list[str]:
    """Say that no detection, or hardly any, matches anybody, and what mostly causes that.

    Args:
        boxes: (d, 4) of the detections.
        notes: those so far; one that tells the cause is enough.
    """
    num_matched = int(np.count_nonzero(counts.true_positives[0] & 1))
    num_people = int(counts.people_per_class[0])
    is_silent = not counts.num_detections.any() or not num_people
    if is_silent or (num_matched and not _are_hardly_any(num_matched, num_people, counts)):
        return []
    if any(UNSETTLED in note for note in notes):
        return []
    # Imported here, because most results match somebody and evaluations should start fast.
    from smallpose.evaluation.analysis.no_match import (
        describe_checks,
        describe_likely_causes,
        describe_whole_images,
    )

    if num_matched:
        checks = describe_checks(groups, truth.boxes_xywh, boxes, num_matched, num_people)
        return [FEW_MATCHES + checks]
    image_ids = counts.image_ids[groups.detection_image]
    whole = describe_whole_images(truth.images, image_ids, boxes[groups.detections])
    causes = describe_likely_causes(groups, truth.boxes_xywh, boxes, whole)
    return [f"{NO_MATCH}, {causes}; {NO_RESULT}"]


def _are_hardly_any(num_matched: int, num_people: int, counts: MatchCounts) -> bool:
    """Return whether so few people are matched, and not for want of detections."""
    is_known = num_people >= _MIN_PEOPLE and counts.num_detections.sum() >= num_people / 2
    return bool(is_known and num_matched <= _MAX_MATCHED_SHARE * num_people)


def describe_equal_scores(counts: MatchCounts, notes: Iterable[str]) -> list[str]:
    """Say that all scores are equal where their order decides AP.

    Args:
        notes: those so far; one that tells it is enough.
    """
    note = find_equal_scores(counts.scores)
    if not note or any(EQUAL_SCORES in other for other in notes):
        return []
    true = np.bitwise_or.reduce(counts.true_positives[0])
    false = [np.bitwise_or.reduce(one[0]) for one in counts.false_positives.values()]
    # With true or with false positives alone at each threshold, every order gives the same AP.
    if not any(true & one for one in false):
        return []
    return [f"{note}; {EQUAL_SCORES_REMEDY}"]


def describe_limit(
    counts: MatchCounts, metrics: dict[str, Metrics], max_detections: int | None
) -> list[str]:
    """Say where the limit on detections under `coco` binds, and what it costs where known.

    In images of fewer detections it changes no score, however many people they have.
    Where there is no detection at all, say that.
    """
    if len(counts.image_ids) and not counts.num_detections.any():
        return [_NO_DETECTION]
    if max_detections is None or "coco" not in metrics:
        return []
    num_bound = int((counts.num_detections > max_detections).sum())
    people_per_image = counts.num_people[:, 0]
    is_crowded = people_per_image > max_detections
    if not num_bound:
        return []
    num_beyond = int((people_per_image[is_crowded] - max_detections).sum())
    num_people = int(counts.people_per_class[0])
    beyond = f"{num_beyond:,} of {format_count(num_people, 'person', 'people')} out of reach"
    images = format_count(len(counts.image_ids), "image", "images")
    note = f"{_LIMIT} {format_count(max_detections, 'detection', 'detections')} "
    note += f"binds in {num_bound:,} of {images} and puts {beyond}"
    if set(metrics) > {"coco"}:
        unlimited = name_curve_metrics(counts.compute_curves("coco", None), counts.thresholds)["AP"]
        limited = metrics["coco"]["AP"]
        if unlimited is not None and limited is not None:
            change = f"{unlimited - limited:+.4f}"
            is_same = float(change) == 0
            note += f"; AP would be {unlimited:.4f} without it"
            note += ", the same" if is_same else f", {change}"
    return [note]
