"""Match people and detections of frames as the evaluation does, at an OKS of .5."""

from dataclasses import dataclass

import numpy as np

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.matching.arrays import Ints, Mask
from smallpose.evaluation.matching.greedy import match_greedily
from smallpose.evaluation.matching.image_groups import group_by_image
from smallpose.evaluation.matching.keypoint_selection import ScoredPoses
from smallpose.evaluation.matching.oks import find_candidates
from smallpose.evaluation.video.video_frames import VideoFrames

MATCH_OKS = 0.5


@dataclass(frozen=True)
class FrameMatches:
    """Who was detected.

    Args:
        detection: (n,) row of the detection of each person who counts; -1 for none.
        is_ignored: (d,) the detection matches only a person or region that does not count.
        crowds: (m,) rows of the regions of each image.
    """

    detection: Ints
    is_ignored: Mask
    crowds: tuple[Ints, ...]


def match_frames(
    truth: Instances, predictions: Predictions, scored: ScoredPoses, frames: VideoFrames
) -> FrameMatches:
    """Match all images; a detection below the minimum score of `frames` has no match."""
    groups = group_by_image(truth, predictions)
    partner = np.full((1, 1, len(groups.detections)), -1, dtype=np.intp)
    match_greedily(
        find_candidates(groups, scored.poses, MATCH_OKS),
        groups.rank,
        scored.is_counted[None],
        scored.poses.is_crowd,
        np.array([MATCH_OKS]),
        partner,
    )
    person = partner[0, 0]
    is_used = np.zeros(len(predictions), dtype=bool)
    is_used[np.concatenate([np.zeros(0, dtype=np.intp), *frames.detections])] = True
    is_matched = (person >= 0) & is_used[groups.detections]
    counts = np.zeros(len(person), dtype=bool)
    counts[is_matched] = scored.is_counted[person[is_matched]]
    detection = np.full(len(truth), -1, dtype=np.intp)
    detection[person[counts]] = groups.detections[counts]
    is_ignored = np.zeros(len(predictions), dtype=bool)
    is_ignored[groups.detections[is_matched & ~counts]] = True
    rows = np.flatnonzero(truth.iscrowd)
    order = rows[np.argsort(truth.image_rows[rows], kind="stable")]
    starts = np.searchsorted(truth.image_rows[order], np.arange(1, len(truth.images)))
    return FrameMatches(detection, is_ignored, tuple(np.split(order, starts)))
