"""Where the AP went: jitter, inversion, swap, miss, score, background, missed people.

After Ronchi and Perona (2017): each detection is matched with a person generously, each labelled
joint of the pair is judged by its own similarity, and each kind of error is then mended to see how
much AP it costs. Joints without a label are not judged.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.config import ScoringConfig, get_detection_boxes
from smallpose.evaluation.console_table import format_number, format_table
from smallpose.evaluation.evaluate import evaluate
from smallpose.evaluation.matching import native
from smallpose.evaluation.matching.greedy import match_greedily
from smallpose.evaluation.matching.image_groups import ImageGroups, group_by_image
from smallpose.evaluation.matching.keypoint_selection import ScoredPoses, select_keypoints
from smallpose.evaluation.matching.oks import TINY, compute_pair_oks, find_candidates
from smallpose.evaluation.protocols import CLASSES
from smallpose.evaluation.scoring.count_matches import Side, score_truth

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
KINDS = ("good", "jitter", "inversion", "swap", "miss")
FIXES = ("jitter", "inversion", "swap", "miss", "score", "background", "missed")
MIN_OKS = 0.1  # OKS from which on a detection is meant for a person
NEAR_SIMILARITY, GOOD_SIMILARITY = (
    0.5,
    0.85,
)  # similarity of a joint: meant for this point; well placed


@dataclass(frozen=True)
class Diagnosis:
    """Errors, and what they cost.

    Args:
        joints: by class and kind, labelled joints of people who were met.
        people: by class, how many there are, were `met`, and were `missed`.
        background: detections that are meant for nobody.
        base: AP by name as it is.
        gains: by fix and name, how much AP would rise; None without people.
    """

    joints: dict[str, dict[str, int]]
    people: dict[str, dict[str, int]]
    background: int
    base: dict[str, float | None]
    gains: dict[str, dict[str, float | None]]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "joints": self.joints,
            "people": self.people,
            "background": self.background,
            "base": self.base,
            "gains": self.gains,
        }

    def to_json(self) -> str:
        """The diagnosis as JSON text."""
        return json.dumps(self.to_dict(), indent=1) + "\n"

    def __str__(self) -> str:
        return _as_text(self)


def diagnose(
    truth: Instances, predictions: Predictions, *, protocol: str = "coco", **rules: Any
) -> Diagnosis:
    """Find every error and mend one kind after the other.

    Args:
        protocol: whose AP the gains are of, `coco` or `owned`.
        rules: as for `evaluate`.
    """
    said = ScoringConfig(protocols=(protocol,), **rules)
    scored = select_keypoints(truth, predictions, said.keypoints, said.sigmas)
    here = score_truth(truth, scored, said)
    pairing = group_by_image(truth, predictions, said.looked_at)
    taken = assign_people(pairing, scored, here)
    d, g = pairing.found[taken >= 0], taken[taken >= 0]
    counted = here.people[0, g]
    d, g = d[counted], g[counted]
    kinds = _judge(pairing, scored, here, d, g)
    missed = here.people[0].copy()
    missed[g] = False
    nobody = pairing.found[taken < 0]

    # Boxes are held, so that a mended pose keeps the area that its detection had.
    plain = replace(
        predictions,
        skeleton=scored.skeleton,
        keypoints=scored.found,
        boxes_xywh=get_detection_boxes(predictions),
    )
    mended = {
        fix: _mend(fix, truth, plain, scored, here, kinds, d, g, nobody, missed) for fix in FIXES
    }
    names = [f"AP{suffix}" for _, suffix, _ in CLASSES]

    def ap(a: Instances, b: Predictions) -> dict[str, float | None]:
        numbers = evaluate(a, b, protocols=(protocol,), **rules)[protocol]
        return {name: numbers[name] for name in names}

    base = ap(truth, plain)
    gains = {fix: _risen(base, ap(*pair)) for fix, pair in mended.items()}
    return Diagnosis(*_counts(here, kinds, g, missed), len(nobody), base, gains)


def classify_joints(
    truth: Instances, predictions: Predictions, detections: Ints, people: Ints, **rules: Any
) -> NDArray[np.int8]:
    """How every joint of given pairs was placed.

    Args:
        detections, people: (p,) rows of the two tables that belong together.
        rules: as for `evaluate`.
    Returns: (p, k) numbers into `KINDS` of the scored joints; -1 where the label has none.
    """
    said = ScoringConfig(**rules)
    scored = select_keypoints(truth, predictions, said.keypoints, said.sigmas)
    pairing = group_by_image(truth, predictions)
    return _judge(pairing, scored, score_truth(truth, scored, said), detections, people)


def assign_people(pairing: ImageGroups, scored: ScoredPoses, here: Side) -> Ints:
    """(d,) the person each detection is meant for, -1 for nobody."""
    columns = (scored.found, here.keypoints, here.truth.boxes_xywh, here.scale, here.sigmas)
    pairs = find_candidates if native.CORE is None else native.candidates
    near = pairs(pairing, *columns, MIN_OKS)
    partner = np.full((1, 1, len(pairing.found)), -1, dtype=np.intp)
    match_greedily(
        *near,
        pairing.rank,
        ~here.people[:1],
        here.truth.iscrowd,
        np.array([MIN_OKS]),
        partner,
    )
    return np.asarray(partner[0, 0])


def _judge(
    pairing: ImageGroups, scored: ScoredPoses, here: Side, d: Ints, g: Ints
) -> NDArray[np.int8]:
    """(p, k) number into `KINDS` of each joint of each pair; -1 where it has no label."""
    poses, points = scored.found[d, :, :2], here.keypoints
    own = compute_keypoint_similarity(poses, points[g], here.scale[g], here.sigmas)
    mirror = scored.skeleton.flip_indices
    turned = compute_keypoint_similarity(
        poses, points[g][:, mirror], here.scale[g], here.sigmas[mirror]
    )
    turned[:, mirror == np.arange(len(mirror))] = 0
    kinds = np.full(own.shape, KINDS.index("miss"), dtype=np.int8)
    kinds[turned >= NEAR_SIMILARITY] = KINDS.index("inversion")
    kinds[own >= NEAR_SIMILARITY] = KINDS.index("jitter")
    kinds[own >= GOOD_SIMILARITY] = KINDS.index("good")
    kinds[~(points[g, :, 2] > 0)] = -1
    # Only joints that went astray are compared with all the neighbours.
    p, joint = np.nonzero(kinds == KINDS.index("miss"))
    start = pairing.people_start
    number = np.empty(len(here.truth), dtype=np.intp)
    number[pairing.people] = pairing.people_image
    image = number[g[p]]
    company = start[image + 1] - start[image]
    row = np.repeat(np.arange(len(p)), company)
    within = np.arange(len(row)) - np.repeat(np.cumsum(company) - company, company)
    other = pairing.people[start[image[row]] + within]
    row, other = row[other != g[p[row]]], other[other != g[p[row]]]
    near = np.zeros(len(p), dtype=bool)
    for joints in (joint, mirror[joint]):
        similar = compute_keypoint_similarity(
            poses[p[row], joint[row]][:, None],
            points[other, joints[row]][:, None],
            here.scale[other],
            here.sigmas[joints[row]][:, None],
        )
        near[row[similar[:, 0] >= NEAR_SIMILARITY]] = True
    kinds[p[near], joint[near]] = KINDS.index("swap")
    return kinds


def compute_keypoint_similarity(
    poses: Floats, points: Floats, scale: Floats, sigmas: Floats
) -> Floats:
    """(p, k) of (p, k, 2) points with (p, k, 3) labelled ones; 0 where there is no label."""
    apart = ((poses - points[:, :, :2]) ** 2).sum(axis=2)
    with np.errstate(over="ignore"):
        value = np.exp(-apart / (2 * (2 * sigmas) ** 2 * (scale[:, None] + TINY)))
    return np.where(points[:, :, 2] > 0, value, 0.0)


def _mend(
    fix: str,
    truth: Instances,
    found: Predictions,
    scored: ScoredPoses,
    here: Side,
    kinds: NDArray[np.int8],
    d: Ints,
    g: Ints,
    nobody: Ints,
    missed: NDArray[np.bool_],
) -> tuple[Instances, Predictions]:
    if fix == "background":
        rows = np.delete(np.arange(len(found)), nobody)
        return truth, replace(
            found,
            image_ids=found.image_ids[rows],
            keypoints=found.keypoints[rows],
            scores=found.scores[rows],
            boxes_xywh=found.boxes_xywh[rows],
        )
    if fix == "missed":
        return replace(truth, num_keypoints=np.where(missed, 0, truth.num_keypoints)), found
    if fix == "score":
        # The best order there can be: by how well each pose really fits the person it is meant for.
        columns = (scored.found, here.keypoints, truth.boxes_xywh, here.scale, here.sigmas)
        scores = np.zeros(len(found))
        scores[d] = compute_pair_oks(*columns, d, g)
        return truth, replace(found, scores=scores)
    keypoints = found.keypoints.copy()
    p, joint = np.nonzero(kinds == KINDS.index(fix))
    keypoints[d[p], joint, :2] = here.keypoints[g[p], joint, :2]
    return truth, replace(found, keypoints=keypoints)


def _risen(
    base: Mapping[str, float | None], mended: Mapping[str, float | None]
) -> dict[str, float | None]:
    out: dict[str, float | None] = {}
    for name, before in base.items():
        after = mended[name]
        # A class of which everybody was missed is empty once they are forgiven: nothing to gain.
        out[name] = None if before is None or after is None else after - before
    return out


def _counts(
    here: Side, kinds: NDArray[np.int8], g: Ints, missed: NDArray[np.bool_]
) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, int]]]:
    joints, people = {}, {}
    met = np.zeros(len(missed), dtype=bool)
    met[g] = True
    for (name, _, _), members in zip(CLASSES, here.people, strict=True):
        those = kinds[members[g]]
        joints[name] = {kind: int((those == i).sum()) for i, kind in enumerate(KINDS)}
        people[name] = {
            "all": int(members.sum()),
            "met": int((members & met).sum()),
            "missed": int((members & missed).sum()),
        }
    return joints, people


def _as_text(result: Diagnosis) -> str:
    titles = [title for _, _, title in CLASSES]
    names = [f"AP{suffix}" for _, suffix, _ in CLASSES]
    rows = [["AP", *(format_number(result.base[name]) for name in names)]]
    for fix, gains in result.gains.items():
        rows.append([f"without {fix}", *(format_number(gains[name], sign=True) for name in names)])
    lines = ["what AP each kind of error costs", *format_table(["", *titles], rows, left=1), ""]
    rows = []
    for kind in KINDS:
        row = [kind]
        for counts in result.joints.values():
            total = sum(counts.values())
            row.append("n/a" if not total else f"{100 * counts[kind] / total:.1f} %")
        rows.append(row)
    rows.append(["people missed", *(f"{c['missed']:,}" for c in result.people.values())])
    foot = ["people", *(f"{c['all']:,}" for c in result.people.values())]
    lines += [
        "labelled joints of people who were met",
        *format_table(["", *titles], rows, foot, left=1),
    ]
    lines.append(f"{result.background:,} detections are meant for nobody (OKS below {MIN_OKS})")
    return "\n".join(lines)
