"""Tell images that were probably not predicted from images in which a model finds nobody."""

from collections.abc import Iterable

import numpy as np

from smallpose.core.counts import format_share
from smallpose.evaluation.comparability import MAX_SHARE_WITHOUT_DETECTIONS
from smallpose.evaluation.matching.arrays import Floats, Mask
from smallpose.evaluation.scoring.detected_people import DetectedPeople
from smallpose.evaluation.scoring.match_counts import MatchCounts
from smallpose.io.predicted_images import NO_HEIGHT, UNPREDICTED

_MIN_IMAGES = 5  # without a detection
_MOST = 0.5  # of the images with people, from which on nothing else is asked
_MIN_PEOPLE = 20  # with a detected person beside them, by whom the share missed is known
_NUM_NEAREST = 30  # of these in height, by whom it is estimated
_MIN_RATIO = 3.0  # of images without a detection to those expected


def describe_undetected_images(
    counts: MatchCounts,
    detected: DetectedPeople,
    notes: Iterable[str],
    covers_images: bool = False,
) -> list[str]:
    """Say that images with people have no detection, as if they had not been predicted.

    It is said of most images, and of a tenth of them where a model that misses people at the rate
    of the other images would leave at most a third as many images without a detection.

    Args:
        covers_images: all are known to have been predicted; then nothing is said.
        notes: those so far; one that names images that were not predicted is enough.
    """
    has_people = counts.num_people[:, 0] > 0
    is_missing = has_people & (counts.num_detections == 0)
    num_with_people, num_missing = int(has_people.sum()), int(is_missing.sum())
    is_rare = num_missing <= MAX_SHARE_WITHOUT_DETECTIONS * num_with_people
    if covers_images or num_missing < _MIN_IMAGES or is_rare:
        return []
    if not counts.num_detections.any() or any(UNPREDICTED in note for note in notes):
        return []
    evidence = ""
    if num_missing <= _MOST * num_with_people:
        expected = estimate_undetected_images(counts, detected)
        if expected is None or num_missing < _MIN_RATIO * expected:
            return []
        evidence = (
            f", though about {max(1, round(expected))} would have none by the share of people who "
            "are missed in the others"
        )
    images = format_share(
        num_missing,
        num_with_people,
        "image with scored people has",
        "images with scored people have",
    )
    return [
        f"{images} no detection, and all people in them count as missed, so {NO_HEIGHT}{evidence}; "
        "if these images were not predicted (every N-th frame, a part of a set), leave them out "
        "of the labels' images"
    ]


def estimate_undetected_images(counts: MatchCounts, detected: DetectedPeople) -> float | None:
    """Estimate in how many images all people would be missed, were all images predicted.

    A person is missed with the share of people of similar height who are missed in images in which
    somebody else is detected: whether they are found themselves does not decide if they are looked
    at, so this holds for one person per image and for results above a score, too.

    Returns: the expected images; None where too few people have a detected one beside them.
    """
    image = np.searchsorted(counts.image_ids, detected.image_ids)
    num_images = len(counts.image_ids)
    num_found = np.bincount(image[detected.is_detected], minlength=num_images)
    is_beside = num_found[image] > detected.is_detected
    if np.count_nonzero(is_beside) < _MIN_PEOPLE:
        return None
    share = estimate_share_missed(detected.height, is_beside, detected.is_detected)
    log_share = np.bincount(image, weights=np.log(share), minlength=num_images)
    has_people = np.bincount(image, minlength=num_images) > 0
    return float(np.exp(log_share[has_people]).sum())


def estimate_share_missed(height: Floats, is_known: Mask, is_detected: Mask) -> Floats:
    """Return the (n,) share missed of the known people nearest in the order of height."""
    known = np.flatnonzero(is_known)
    known = known[np.argsort(height[known], kind="stable")]
    num_nearest = min(len(known), _NUM_NEAREST)
    middle = np.searchsorted(height[known], height)
    start = np.clip(middle - num_nearest // 2, 0, len(known) - num_nearest)
    missed_before = np.concatenate([[0], np.cumsum(~is_detected[known])])
    num_missed = missed_before[start + num_nearest] - missed_before[start]
    return np.asarray((num_missed + 1) / (num_nearest + 2))
