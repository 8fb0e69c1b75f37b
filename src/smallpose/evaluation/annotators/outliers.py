"""Labels that are mistakes and not part of the spread: slips, other joints, exchanged sides."""

from dataclasses import dataclass

import numpy as np

from smallpose.evaluation.annotators.match_annotators import Floats, RepeatedLabels
from smallpose.evaluation.annotators.spread import Mask, measure_pairs

# Of normal errors one in e^25 is beyond 5 sigmas, so that these are mistakes of another kind.
OUTLIER_SIGMAS = 5.0


@dataclass(frozen=True)
class Outlier:
    """A label that does not belong to the spread: a slip, another joint, or exchanged sides.

    Args:
        image: file name of the image.
        ids: annotation ids of the person in the files, None where there is none.
        joint: name of the joint; of the left one where sides are exchanged.
        annotators: names of the files that may be wrong; two of them where only two labelled it.
        kind: "far off" or "sides exchanged".
        sigmas: distance between the labels, in standard deviations of such a distance.
    """

    image: str
    ids: tuple[int | str | None, ...]
    joint: str
    annotators: tuple[str, ...]
    kind: str
    sigmas: float


def find_outliers(labels: RepeatedLabels) -> tuple[Mask, list[Outlier]]:
    """Find labels that are farther off than the spread of the joint explains.

    The spread is taken from the median distance, which outliers do not move. A label is an outlier
    if it is far from all others of the joint; of two labels, either may be the wrong one.

    Returns: (p, a, k) labels to leave out, and their list, the farthest first.
    """
    is_labelled = labels.is_labelled
    squared = measure_pairs(labels)
    variance = _estimate_robustly(squared)
    is_out = np.zeros(is_labelled.shape, dtype=bool)
    is_exchanged = _find_exchanged_sides(labels, squared, variance)
    outliers = []
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = np.sqrt(squared / (2 * variance))  # (p, a, a, k)
    nearest = np.where(np.isnan(distance), np.inf, distance).min(axis=2)
    is_far = is_labelled & np.isfinite(nearest) & (nearest > OUTLIER_SIGMAS)
    flip = labels.skeleton.flip_indices
    for p, k in np.argwhere((is_far | is_exchanged).any(axis=1)).tolist():
        suspects = np.flatnonzero(is_exchanged[p, :, k] | is_far[p, :, k])
        is_out[p, suspects, k] = True
        has_changed_sides = bool(is_exchanged[p, :, k].any())
        if has_changed_sides and flip[k] < k:
            continue  # named with its partner
        outliers.append(
            Outlier(
                image=labels.image_names[p],
                ids=labels.ids[p],
                joint=labels.skeleton.spelled_joints[k],
                annotators=tuple(labels.annotators[a] for a in suspects),
                kind="sides exchanged" if has_changed_sides else "far off",
                sigmas=float(nearest[p, suspects, k].max()),
            )
        )
    return is_out, sorted(outliers, key=lambda one: -one.sigmas)


def _estimate_robustly(squared: Floats) -> Floats:
    """Return (k,) sigma² from the median of squared distances; NaN without any, or if it is 0.

    d² of two normal labels has an exponential distribution with mean 2 sigma².
    """
    columns = np.moveaxis(squared, -1, 0).reshape(squared.shape[-1], -1)
    out = np.full(len(columns), np.nan)
    for k, column in enumerate(columns):
        known = column[np.isfinite(column)]
        if len(known) and np.median(known) > 0:
            out[k] = np.median(known) / np.log(2) / 2
    return out


def _find_exchanged_sides(labels: RepeatedLabels, squared: Floats, variance: Floats) -> Mask:
    """Return (p, a, k) labels whose left and right fit all other annotators the other way round."""
    num_people, num_annotators, _ = labels.is_labelled.shape
    out = np.zeros(labels.is_labelled.shape, dtype=bool)
    xy, is_labelled = labels.keypoints[..., :2], labels.is_labelled
    limit = OUTLIER_SIGMAS**2
    for left, right in enumerate(labels.skeleton.flip_indices.tolist()):
        if right <= left:
            continue
        has_both = is_labelled[:, :, left] & is_labelled[:, :, right]
        votes = np.zeros((num_people, num_annotators), dtype=int)
        others = np.zeros((num_people, num_annotators), dtype=int)
        for a in range(num_annotators):
            for b in range(num_annotators):
                if a == b:
                    continue
                straight = squared[:, a, b, left] + squared[:, a, b, right]
                crossed = np.stack(
                    [
                        ((xy[:, a, left] - xy[:, b, right]) ** 2).sum(axis=1),
                        ((xy[:, a, right] - xy[:, b, left]) ** 2).sum(axis=1),
                    ]
                )
                scale = variance[left] + variance[right]  # twice their mean
                crossed /= labels.area * scale
                gain = straight / scale - crossed.sum(axis=0)
                does_fit = (gain > limit) & (crossed < limit).all(axis=0)
                is_pair = has_both[:, a] & has_both[:, b]
                others[:, a] += is_pair
                votes[:, a] += is_pair & does_fit
        is_exchanged = (others > 0) & (votes == others)
        out[:, :, left] = out[:, :, right] = is_exchanged
    return out
