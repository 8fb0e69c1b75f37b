"""The numbers broken down: by source, by crowding, image by image, keypoint by keypoint.

Groups of images are scored as if the others were not there. Keypoints are judged on the person
that each detection is meant for; the joints of people whom nobody meant count as not found.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import SOURCES, Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.analysis.error_diagnosis import assign_people, compute_keypoint_similarity
from smallpose.evaluation.config import ScoringConfig
from smallpose.evaluation.evaluate import Evaluation, summarize_counts
from smallpose.evaluation.matching.image_groups import group_by_image
from smallpose.evaluation.matching.keypoint_selection import select_keypoints
from smallpose.evaluation.scoring.count_matches import score_truth
from smallpose.evaluation.scoring.match_counts import MatchCounts
from smallpose.stats.crowding import crowd_index

Floats = NDArray[np.float64]
# CrowdPose's easy, medium and hard images, by CrowdIndex.
CROWDING = (0.1, 0.8)
PCK_THRESHOLD = 0.1  # of the longer side of the person's box
V = ("hidden", "seen")


def evaluate_image_groups(result: Evaluation, labels: Sequence[str]) -> dict[str, Evaluation]:
    """The evaluation of each group of images.

    Args:
        labels: (m,) group of each image in the order of their ids; "" for none.
    """
    names = np.array(labels, dtype=object)
    most = result.settings["max_detections"]
    return {
        label: summarize_counts(
            _only(result.match_counts, names == label),
            tuple(result.protocols),
            most,
            result.settings,
        )
        for label in dict.fromkeys(sorted(label for label in labels if label))
    }


def label_sources(truth: Instances) -> list[str]:
    """(m,) source of each image in the order of their ids, by its people where it says none."""
    source = truth.images.source.copy()
    silent = source[truth.image_rows] == 0
    source[truth.image_rows[silent]] = truth.source[silent]
    order = np.argsort(truth.images.ids, kind="stable")
    return [SOURCES[code] for code in source[order].tolist()]


def label_crowding(truth: Instances, limits: tuple[float, float] = CROWDING) -> list[str]:
    """(m,) easy, medium or hard by CrowdIndex, in the order of the image ids; "" without people.

    Args:
        limits: where easy and medium end; CrowdPose's own are 0.1 and 0.8.
    """
    index = crowd_index(truth)[np.argsort(truth.images.ids, kind="stable")]
    level = np.searchsorted(limits, index, side="right")
    words = ("easy", "medium", "hard")
    return [
        "" if np.isnan(value) else words[i] for value, i in zip(index, level.tolist(), strict=True)
    ]


def _only(tally: MatchCounts, chosen: NDArray[np.bool_]) -> MatchCounts:
    """The same sums over some of the images."""
    number = np.cumsum(chosen) - 1
    kept = np.flatnonzero(chosen[tally.image])
    return MatchCounts(
        classes=tally.classes,
        image_ids=tally.image_ids[chosen],
        groups=tuple(tally.groups[i] for i in np.flatnonzero(chosen).tolist()),
        given=tally.given[chosen],
        people=tally.people[chosen],
        met=tally.met[chosen],
        image=number[tally.image[kept]],
        rank=tally.rank[kept],
        scores=tally.scores[kept],
        hit=tally.hit[:, kept],
        false={protocol: bits[:, kept] for protocol, bits in tally.false.items()},
        thresholds=tally.thresholds,
    )


def count_per_image(result: Evaluation) -> list[dict[str, int]]:
    """Of each image: people, detections, who was found and what was false at OKS .50."""
    tally = result.match_counts
    m = len(tally.image_ids)
    false = next(iter(tally.false.values()), np.zeros((1, len(tally.scores)), np.uint16))
    right = np.bincount(tally.image, tally.hit[0] & 1, m).astype(int)
    wrong = np.bincount(tally.image, false[0] & 1, m).astype(int)
    columns = (tally.image_ids, tally.people[:, 0], tally.given, right, wrong)
    names = ("image_id", "people", "found", "right", "wrong")
    return [
        dict(zip(names, row, strict=True))
        for row in zip(*(c.tolist() for c in columns), strict=True)
    ]


@dataclass(frozen=True)
class JointScore:
    """How well one joint is found.

    Args:
        name: of the joint, with `, hidden` or `, seen` behind it when told apart.
        labelled: how often it has a label.
        pck: share within a tenth of the longer side of the box.
        similarity: mean of exp(-d² / …) as in the OKS, 0 where the person was missed.
    """

    name: str
    labelled: int
    pck: float | None
    similarity: float | None


def score_joints(
    truth: Instances, predictions: Predictions, *, visibility: bool = False, **rules: Any
) -> list[JointScore]:
    """Every scored joint, over all people; each told apart by visibility on request."""
    said = ScoringConfig(**rules)
    scored = select_keypoints(truth, predictions, said.keypoints, said.sigmas)
    here = score_truth(truth, scored, said)
    pairing = group_by_image(truth, predictions, said.looked_at)
    taken = assign_people(pairing, scored, here)
    d, g = pairing.found[taken >= 0], taken[taken >= 0]
    n, k = len(truth), len(scored.skeleton)
    alike, near = np.zeros((n, k)), np.zeros((n, k), dtype=bool)
    poses = scored.found[d, :, :2]
    alike[g] = compute_keypoint_similarity(poses, here.keypoints[g], here.scale[g], here.sigmas)
    apart = np.sqrt(((poses - here.keypoints[g, :, :2]) ** 2).sum(axis=2))
    near[g] = apart <= PCK_THRESHOLD * truth.boxes_xywh[g, 2:].max(axis=1, initial=0)[:, None]
    v = np.where(here.people[0][:, None], here.keypoints[:, :, 2], 0)
    out = []
    for j, name in enumerate(scored.skeleton.joints):
        for suffix, which in (
            [(f", {word}", v[:, j] == i) for i, word in enumerate(V, 1)]
            if visibility
            else [("", v[:, j] > 0)]
        ):
            count = int(which.sum())
            share = float(near[which, j].mean()) if count else None
            mean = float(alike[which, j].mean()) if count else None
            out.append(JointScore(name + suffix, count, share, mean))
    return out
