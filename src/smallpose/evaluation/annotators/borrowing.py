"""Sigmas of joints that were not measured, borrowed by name or from neighbours.

A borrowed sigma lets a file be scored at all. It says nothing about the people who labelled that
file, and whatever is computed with it is marked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.skeleton import SIGMAS, Skeleton
from smallpose.evaluation.annotators.match_annotators import Floats

_COCO = ("nose", "eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")


@dataclass(frozen=True)
class Sigma:
    """A sigma that was not measured here.

    Args:
        value: the sigma.
        origin: whose it is, such as "COCO's" or "that of left_ankle, the nearest named joint".
    """

    value: float
    origin: str


def borrow_sigmas(
    skeleton: Skeleton, measured: Mapping[int, float], people: Instances | None = None
) -> dict[int, Sigma]:
    """Find a sigma for each joint that has none of its own.

    A joint of the 21 has the published sigma of its name. Others have that of the joint to which
    the skeleton connects them on the shortest way, or that is nearest to them on the labelled
    people.

    Args:
        measured: sigmas by index of the joint.
        people: whose labels tell how near joints are, where the skeleton has no edges.
    Returns: by index, for every joint that `measured` lacks.
    Raises: InputError where no joint has a sigma to borrow.
    """
    published = {
        index: Sigma(SIGMAS[name], _name_origin(name))
        for index, name in enumerate(skeleton.joints)
        if name in SIGMAS and index not in measured
    }
    missing = [k for k in range(len(skeleton)) if k not in measured and k not in published]
    values = dict(measured) | {index: one.value for index, one in published.items()}
    if missing and not values:
        name = skeleton.spelled_joints[missing[0]]
        raise InputError(
            f"joint {name!r}",
            "no joint has a name whose sigma is published, so none can be borrowed",
            f'write them by hand into a file for --sigmas, as in {{"{name}": 0.05, …}} '
            "(COCO's are .025, eyes, to .107, hips), or label people twice, with this joint "
            "among their labels: smallpose sigmas A.json B.json",
        )
    steps = _count_edges(skeleton)
    distance = None if people is None else _measure_distances(people)
    borrowed = dict(published)
    for k in missing:
        lender, reason = _find_lender(k, sorted(values), steps, distance)
        if lender is None:
            borrowed[k] = Sigma(float(np.median(list(values.values()))), reason)
            continue
        name = skeleton.spelled_joints[lender]
        borrowed[k] = Sigma(values[lender], f"that of {name}, {reason}")
    return borrowed


def _name_origin(name: str) -> str:
    is_coco = any(name == part or name.endswith(f"_{part}") for part in _COCO)
    if is_coco:
        return "COCO's"
    return (
        "CrowdPose's" if name in ("head_top", "head_bottom") else "that of its neighbours in COCO"
    )


def _count_edges(skeleton: Skeleton) -> Floats:
    """Return (k, k) the number of edges between each two joints; infinite without a way."""
    count = len(skeleton)
    steps = np.full((count, count), np.inf)
    np.fill_diagonal(steps, 0)
    for a, b in skeleton.edges:
        steps[a, b] = steps[b, a] = 1
    for middle in range(count):
        steps = np.minimum(steps, steps[:, middle, None] + steps[None, middle])
    return steps


def _measure_distances(people: Instances) -> Floats:
    """Return (k, k) median distances between joints over the root of the area; NaN if unknown."""
    rows = np.flatnonzero(people.is_counted & (people.area > 0))[:2000]
    points = people.keypoints[rows]
    is_labelled = points[:, :, 2] > 0
    xy = np.where(is_labelled[..., None], points[:, :, :2], np.nan)
    xy /= np.sqrt(people.area[rows])[:, None, None]
    out = np.full((points.shape[1],) * 2, np.nan)
    for k in range(points.shape[1]):
        distance = np.hypot(*np.moveaxis(xy - xy[:, k, None], -1, 0))
        is_known = np.isfinite(distance)
        for other in np.flatnonzero(is_known.any(axis=0)).tolist():
            out[k, other] = np.median(distance[is_known[:, other], other])
    return out


def _find_lender(
    joint: int, lenders: Sequence[int], steps: Floats, distance: Floats | None
) -> tuple[int | None, str]:
    """Return the joint that lends its sigma, None where nothing tells which is near, and why."""
    near = steps[joint, lenders]
    if np.isfinite(near).any():
        candidates = [one for one, step in zip(lenders, near, strict=True) if step == near.min()]
        if distance is not None and np.isfinite(distance[joint, candidates]).any():
            return candidates[int(np.nanargmin(distance[joint, candidates]))], "its neighbour"
        return candidates[0], "its neighbour"
    if distance is not None and np.isfinite(distance[joint, list(lenders)]).any():
        return lenders[int(np.nanargmin(distance[joint, list(lenders)]))], "the nearest joint"
    return None, "the median of the other joints"
