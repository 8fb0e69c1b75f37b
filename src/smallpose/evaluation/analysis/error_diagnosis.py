"""Where the AP went: jitter, inversion, swap, miss, score, background, missed people.

After Ronchi and Perona (2017): each detection is matched with a person loosely, each labelled
joint of the pair is judged by its own similarity, and each kind of error is then corrected to see
how much AP it costs. Joints without a label are not judged.

All of it is under one protocol. Under `coco` only detections within the limit of an image count; a
person whose only detections are beyond it was not missed by the method, and is counted apart.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.analysis.collapsed_pairs import (
    COLLAPSED_BELOW,
    PairCounts,
    PairStates,
    find_collapsed_pairs,
)
from smallpose.evaluation.areas import get_detection_boxes
from smallpose.evaluation.config import ScoringConfig, refuse_other_tables
from smallpose.evaluation.console_table import format_number, format_table
from smallpose.evaluation.evaluate import evaluate
from smallpose.evaluation.matching.arrays import Floats, ImageGroups, Ints, Mask
from smallpose.evaluation.matching.greedy import match_greedily
from smallpose.evaluation.matching.image_groups import group_by_image
from smallpose.evaluation.matching.keypoint_selection import ScoredPoses, select_keypoints
from smallpose.evaluation.matching.oks import TINY, compute_pair_oks, find_candidates
from smallpose.evaluation.protocols import AP_NAMES, CLASSES
from smallpose.io.mismatch import read_boxes_as_meant

KINDS = ("good", "jitter", "inversion", "swap", "miss")
FIXES = ("jitter", "inversion", "swap", "miss", "score", "background", "missed")
MIN_OKS = 0.1  # from which on a detection matches a person loosely
NEAR_SIMILARITY = 0.5  # from which on a joint is near a point
GOOD_SIMILARITY = 0.85  # from which on a joint is well placed


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """Errors, and what they cost.

    Args:
        joints: by class and kind, labelled joints of matched people.
        people: by class, how many there are, were `met` (matched), and were `missed`.
        beyond_limit: by class, people matched only by detections beyond the limit of `coco`.
        background: detections that match no person.
        base: AP by name as it is.
        gains: by fix and name, how much AP would rise; None without people.
        protocol: whose AP this is.
        max_detections: of an image that count under it; None for all.
        collapsed: by class, pairs of left and right joints of matched people, and how many were put
            in one place.
        collapsed_by_pair: the same of all people by pair of joints.
    """

    joints: dict[str, dict[str, int]]
    people: dict[str, dict[str, int]]
    beyond_limit: dict[str, int]
    background: int
    base: dict[str, float | None]
    gains: dict[str, dict[str, float | None]]
    protocol: str
    max_detections: int | None
    collapsed: dict[str, PairCounts]
    collapsed_by_pair: dict[str, PairCounts]

    def to_dict(self) -> dict[str, Any]:
        """Return the diagnosis for JSON."""
        return {
            "protocol": self.protocol,
            "max_detections": self.max_detections,
            "joints": self.joints,
            "collapsed_pairs": {name: one.to_dict() for name, one in self.collapsed.items()},
            "collapsed_by_pair": {
                name: one.to_dict() for name, one in self.collapsed_by_pair.items()
            },
            "people": self.people,
            "beyond_limit": self.beyond_limit,
            "background": self.background,
            "base": self.base,
            "gains": self.gains,
        }

    def to_json(self) -> str:
        """Return the diagnosis as JSON text."""
        return json.dumps(self.to_dict(), indent=1) + "\n"

    def __repr__(self) -> str:
        """Return what was diagnosed in one line; `print` shows all."""
        return f"Diagnosis({self.protocol}; print shows all)"

    def __str__(self) -> str:
        return _format_diagnosis(self)


@dataclass(frozen=True)
class _Errors:
    """The errors of all detections.

    Args:
        scored: both tables in the scored joints.
        detections, people: (p,) rows of matched pairs, of people who count.
        kinds: (p, k) into `KINDS`; -1 where a joint has no label.
        background: (b,) rows of detections that match no person.
        is_missed: (n,) people who count and are not matched.
        is_beyond_limit: (n,) people who count and are matched only beyond the limit.
    """

    scored: ScoredPoses
    detections: Ints
    people: Ints
    kinds: NDArray[np.int8]
    background: Ints
    is_missed: Mask
    is_beyond_limit: Mask


def diagnose(
    truth: Instances, predictions: Predictions, *, protocol: str = "coco", **options: Any
) -> Diagnosis:
    """Find every error and correct one kind after the other.

    Args:
        protocol: whose AP the gains are of.
        options: as for `evaluate`.
    """
    refuse_other_tables(truth, predictions)
    config = ScoringConfig(protocols=(protocol,), **options)
    predictions = read_boxes_as_meant(truth, predictions)
    errors = _find_errors(truth, predictions, config)
    # Boxes are kept, so that a corrected pose has the area that its detection had.
    plain = replace(
        predictions,
        skeleton=errors.scored.skeleton,
        keypoints=errors.scored.poses.detections,
        boxes_xywh=get_detection_boxes(predictions),
    )

    def compute_ap(truth: Instances, predictions: Predictions) -> dict[str, float | None]:
        metrics = evaluate(truth, predictions, protocols=(protocol,), **options)[protocol]
        return {name: metrics[name] for name in AP_NAMES}

    base = compute_ap(truth, plain)
    gains = {
        fix: _compute_gains(compute_ap(*_correct_errors(fix, truth, plain, errors)), base)
        for fix in FIXES
    }
    pairs = _find_pairs(errors.scored, errors.detections, errors.people)
    return Diagnosis(
        collapsed=_count_pairs(pairs, errors.scored, errors.people),
        collapsed_by_pair=pairs.count_by_pair(),
        joints=_count_joints(errors),
        people=_count_people(errors),
        beyond_limit={
            one.name: int((is_member & errors.is_beyond_limit).sum())
            for one, is_member in zip(CLASSES, errors.scored.classes, strict=True)
        },
        background=len(errors.background),
        base=base,
        gains=gains,
        protocol=protocol,
        max_detections=config.detection_limit,
    )


def classify_joints(
    truth: Instances, predictions: Predictions, detections: Ints, people: Ints, **options: Any
) -> NDArray[np.int8]:
    """Classify how every joint of given pairs was placed.

    Args:
        detections, people: (p,) rows of the two tables that belong together.
        options: as for `evaluate`.
    Returns: (p, k) indices into `KINDS` of the scored joints; -1 where a joint has no label.
    """
    scored = select_keypoints(truth, predictions, ScoringConfig(**options))
    groups = group_by_image(truth, predictions)
    return _classify_pairs(groups, scored, detections, people)


def count_collapsed_pairs(
    truth: Instances, predictions: Predictions, detections: Ints, people: Ints, **options: Any
) -> dict[str, PairCounts]:
    """Count, by class, pairs of left and right joints that were put in one place.

    Args:
        detections, people: (p,) rows of the two tables that belong together.
        options: as for `evaluate`.
    """
    scored = select_keypoints(truth, predictions, ScoringConfig(**options))
    return _count_pairs(_find_pairs(scored, detections, people), scored, people)


def match_loosely(groups: ImageGroups, scored: ScoredPoses) -> Ints:
    """Return the (d,) person that each detection matches from OKS .1 on, -1 for none."""
    partner = np.full((1, 1, len(groups.detections)), -1, dtype=np.intp)
    match_greedily(
        find_candidates(groups, scored.poses, MIN_OKS),
        groups.rank,
        scored.classes[:1],
        scored.poses.is_crowd,
        np.array([MIN_OKS]),
        partner,
    )
    return np.asarray(partner[0, 0])


def compute_keypoint_similarity(
    poses: Floats, keypoints: Floats, area: Floats, sigmas: Floats
) -> Floats:
    """Return the (p, k) similarity of (p, k, 2) points with (p, k, 3) labelled ones.

    It is exp(-d² / …) as in the OKS, and 0 where there is no label.
    """
    with np.errstate(over="ignore"):
        distance2 = ((poses - keypoints[:, :, :2]) ** 2).sum(axis=2)
        value = np.exp(-distance2 / (2 * (2 * sigmas) ** 2 * (area[:, None] + TINY)))
    return np.where(keypoints[:, :, 2] > 0, value, 0.0)


def _find_errors(truth: Instances, predictions: Predictions, config: ScoringConfig) -> _Errors:
    scored = select_keypoints(truth, predictions, config)
    groups = group_by_image(truth, predictions)
    person = match_loosely(groups, scored)
    # Detections meet people by falling score, so those beyond the limit change no match before.
    is_within = np.ones(len(person), dtype=bool)
    if config.detection_limit is not None:
        is_within = groups.rank < config.detection_limit
    is_member = scored.classes[0]
    is_matched = person >= 0
    is_matched[is_matched] = is_member[person[is_matched]]
    detections, people = groups.detections[is_matched & is_within], person[is_matched & is_within]
    is_missed = is_member.copy()
    is_missed[person[is_matched]] = False
    is_beyond_limit = is_member & ~is_missed
    is_beyond_limit[people] = False
    return _Errors(
        scored=scored,
        detections=detections,
        people=people,
        kinds=_classify_pairs(groups, scored, detections, people),
        background=groups.detections[(person < 0) & is_within],
        is_missed=is_missed,
        is_beyond_limit=is_beyond_limit,
    )


def _classify_pairs(groups: ImageGroups, scored: ScoredPoses, d: Ints, g: Ints) -> NDArray[np.int8]:
    """Return (p, k) the index into `KINDS` of each joint of each pair; -1 without a label."""
    points = scored.poses.detections[d, :, :2]
    labels, area, sigmas = scored.poses.keypoints[g], scored.poses.area[g], scored.poses.sigmas
    similarity = compute_keypoint_similarity(points, labels, area, sigmas)
    mirror = scored.skeleton.flip_indices
    mirrored = compute_keypoint_similarity(points, labels[:, mirror], area, sigmas[mirror])
    mirrored[:, mirror == np.arange(len(mirror))] = 0
    kinds = np.full(similarity.shape, KINDS.index("miss"), dtype=np.int8)
    kinds[mirrored >= NEAR_SIMILARITY] = KINDS.index("inversion")
    kinds[similarity >= NEAR_SIMILARITY] = KINDS.index("jitter")
    kinds[similarity >= GOOD_SIMILARITY] = KINDS.index("good")
    kinds[~(labels[:, :, 2] > 0)] = -1
    # Only misplaced joints are compared with all the neighbours.
    p, joint = np.nonzero(kinds == KINDS.index("miss"))
    is_swap = _find_swaps(groups, scored, points[p, joint], g[p], joint)
    kinds[p[is_swap], joint[is_swap]] = KINDS.index("swap")
    return kinds


def _find_swaps(
    groups: ImageGroups, scored: ScoredPoses, points: Floats, person: Ints, joint: Ints
) -> Mask:
    """Return (q,) whether a point is near the same joint, or its mirror, of another person.

    Args:
        points: (q, 2) px.
        person, joint: (q,) the joint that each point should be, and whose.
    """
    poses = scored.poses
    image_of_person = np.empty(len(scored.truth), dtype=np.intp)
    image_of_person[groups.people] = groups.people_image
    image = image_of_person[person]
    start = groups.people_start
    num_people = start[image + 1] - start[image]
    row = np.repeat(np.arange(len(points)), num_people)
    within = np.arange(len(row)) - np.repeat(np.cumsum(num_people) - num_people, num_people)
    other = groups.people[start[image[row]] + within]
    is_other = other != person[row]
    row, other = row[is_other], other[is_other]
    is_near = np.zeros(len(points), dtype=bool)
    for joints in (joint, scored.skeleton.flip_indices[joint]):
        similarity = compute_keypoint_similarity(
            points[row][:, None],
            poses.keypoints[other, joints[row]][:, None],
            poses.area[other],
            poses.sigmas[joints[row]][:, None],
        )
        is_near[row[similarity[:, 0] >= NEAR_SIMILARITY]] = True
    return is_near


def _correct_errors(
    fix: str, truth: Instances, predictions: Predictions, errors: _Errors
) -> tuple[Instances, Predictions]:
    """Return both tables without one kind of error."""
    poses = errors.scored.poses
    if fix == "background":
        rows = np.delete(np.arange(len(predictions)), errors.background)
        return truth, predictions.take(rows)
    if fix == "missed":
        num_keypoints = np.where(errors.is_missed, 0, truth.num_keypoints)
        return replace(truth, num_keypoints=num_keypoints), predictions
    if fix == "score":
        # The best order there can be: by how well each pose fits the person it matches.
        # Those that match nobody come last, in their own order.
        scores = -1.0 - rank_by_score(predictions.scores)
        scores[errors.detections] = compute_pair_oks(poses, errors.detections, errors.people)
        return truth, replace(predictions, scores=scores)
    keypoints = predictions.keypoints.copy()
    p, joint = np.nonzero(errors.kinds == KINDS.index(fix))
    keypoints[errors.detections[p], joint, :2] = poses.keypoints[errors.people[p], joint, :2]
    return truth, replace(predictions, keypoints=keypoints)


def rank_by_score(scores: Floats) -> Floats:
    """Return (d,) the place of each score, 0 for the highest; equal scores share a place.

    >>> rank_by_score(np.array([0.2, 0.9, 0.9, 0.5])).tolist()
    [3.0, 0.0, 0.0, 2.0]
    """
    return np.searchsorted(np.sort(-scores), -scores).astype(np.float64)


def _compute_gains(
    corrected: Mapping[str, float | None], base: Mapping[str, float | None]
) -> dict[str, float | None]:
    gains: dict[str, float | None] = {}
    for name, before in base.items():
        after = corrected[name]
        # A class whose people were all missed is empty once these are ignored: nothing to gain.
        gains[name] = None if before is None or after is None else after - before
    return gains


def _count_joints(errors: _Errors) -> dict[str, dict[str, int]]:
    counts = {}
    for one, is_member in zip(CLASSES, errors.scored.classes, strict=True):
        kinds = errors.kinds[is_member[errors.people]]
        counts[one.name] = {kind: int((kinds == i).sum()) for i, kind in enumerate(KINDS)}
    return counts


def _find_pairs(scored: ScoredPoses, detections: Ints, people: Ints) -> PairStates:
    poses = scored.poses
    return find_collapsed_pairs(
        poses.detections[detections, :, :2],
        poses.keypoints[people],
        poses.area[people],
        poses.sigmas,
        scored.skeleton,
    )


def _count_pairs(pairs: PairStates, scored: ScoredPoses, people: Ints) -> dict[str, PairCounts]:
    """Count the pairs of people by class."""
    return {
        one.name: pairs.count(is_member[people])
        for one, is_member in zip(CLASSES, scored.classes, strict=True)
    }


def _count_people(errors: _Errors) -> dict[str, dict[str, int]]:
    is_matched = np.zeros(len(errors.is_missed), dtype=bool)
    is_matched[errors.people] = True
    return {
        one.name: {
            "all": int(is_member.sum()),
            "met": int((is_member & is_matched).sum()),
            "missed": int((is_member & errors.is_missed).sum()),
        }
        for one, is_member in zip(CLASSES, errors.scored.classes, strict=True)
    }


def _format_diagnosis(result: Diagnosis) -> str:
    heading = ["", *(one.heading for one in CLASSES)]
    rows = [["AP", *(format_number(result.base[name]) for name in AP_NAMES)]]
    for fix, gains in result.gains.items():
        cells = [format_number(gains[name], sign=True) for name in AP_NAMES]
        rows.append([f"without {fix}", *cells])
    title = f"what AP each kind of error costs; protocol {result.protocol}"
    if result.max_detections is not None:
        title += f", the best {format_count(result.max_detections, 'detection')} of an image"
    lines = [title, *format_table(heading, rows, left=1), ""]
    rows = []
    for kind in KINDS:
        row = [kind]
        for counts in result.joints.values():
            total = sum(counts.values())
            row.append("n/a" if not total else f"{100 * counts[kind] / total:.1f} %")
        rows.append(row)
    shares = [pairs.share for pairs in result.collapsed.values()]
    cells = ["n/a" if share is None else f"{100 * share:.1f} %" for share in shares]
    rows.append(["collapsed pairs", *cells])
    rows.append(["people met by none", *(f"{c['missed']:,}" for c in result.people.values())])
    if any(result.beyond_limit.values()):
        label = f"beyond the best {result.max_detections}"
        rows.append([label, *(f"{count:,}" for count in result.beyond_limit.values())])
    foot = ["people", *(f"{c['all']:,}" for c in result.people.values())]
    lines += ["labelled joints of matched people", *format_table(heading, rows, foot, left=1)]
    background = format_count(
        result.background, "detection matches no person", "detections match no person"
    )
    lines.append(f"{background} (OKS below {MIN_OKS})")
    # `person_matches` leaves more without: there an OKS of .5 comes before all lower ones.
    lines.append(
        "people met by none: detections, by falling score, meet the person left whom they fit best "
        f"(OKS from {MIN_OKS}); --people and --worst match from an OKS of 0.5 first, as AP does, "
        "which can leave more people without"
    )
    lines.append(
        "collapsed pairs: left and right joints that are labelled apart and were put in one place "
        f"(nearer than {COLLAPSED_BELOW} of their distance)"
    )
    return "\n".join(lines)
