"""Find pairs of joints, left and right, that a method put in one place.

A network that cannot tell left from right puts both joints of a pair halfway between them. AP50
hides that and AP75 does not, and no single joint is far off: only the distance of the two shows it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.skeleton import Skeleton

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# A pair is judged if the right joint's label, taken for the left joint, would have at most this
# similarity (as in the OKS): nearer labels cannot be told from one place.
MAX_SIMILARITY = 0.5
COLLAPSED_BELOW = 0.25  # of the labelled distance


@dataclass(frozen=True)
class PairCounts:
    """Pairs of joints of some people.

    Args:
        judged: pairs whose two labels are apart.
        collapsed: those of them that were put in one place.
    """

    judged: int
    collapsed: int

    @property
    def share(self) -> float | None:
        """Return the share of collapsed pairs; None without a pair."""
        return self.collapsed / self.judged if self.judged else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers."""
        return {"judged": self.judged, "collapsed": self.collapsed, "share": self.share}


@dataclass(frozen=True)
class PairStates:
    """The state of each pair of joints of p people.

    Args:
        names: (q,) of the pairs: `shoulder` for `left_shoulder` and `right_shoulder`.
        is_judged, is_collapsed: (p, q).
    """

    names: tuple[str, ...]
    is_judged: Mask
    is_collapsed: Mask

    def count(self, rows: Mask) -> PairCounts:
        """Count the pairs of the selected people."""
        return PairCounts(int(self.is_judged[rows].sum()), int(self.is_collapsed[rows].sum()))

    def count_by_pair(self) -> dict[str, PairCounts]:
        """Count the pairs of all people by name."""
        judged, collapsed = self.is_judged.sum(axis=0), self.is_collapsed.sum(axis=0)
        return {
            name: PairCounts(int(judged[pair]), int(collapsed[pair]))
            for pair, name in enumerate(self.names)
        }


def find_collapsed_pairs(
    points: Floats, labels: Floats, area: Floats, sigmas: Floats, skeleton: Skeleton
) -> PairStates:
    """Find the pairs that were put in one place.

    Args:
        points: (p, k, 2) predicted, px.
        labels: (p, k, 3) of the people who are matched with them; v of 0 is no label.
        area: (p,) px², as in the OKS.
        sigmas: (k,) as in the OKS.
        skeleton: whose mirror pairs are looked at.
    """
    mirror = np.asarray(skeleton.flip_indices)
    one = np.flatnonzero(mirror > np.arange(len(mirror)))
    other = mirror[one]
    labelled = _measure_squared_distance(labels[:, :, :2], one, other)
    predicted = _measure_squared_distance(points, one, other)
    # exp(-d² / (2 (2 sigma)² area)) <= MAX_SIMILARITY, without the exponential.
    least = -np.log(MAX_SIMILARITY) * 2 * (2 * sigmas[one]) ** 2 * area[:, None]
    is_labelled = (labels[:, one, 2] > 0) & (labels[:, other, 2] > 0)
    is_judged = is_labelled & (labelled >= least) & (labelled > 0)
    names = tuple(_name_pair(skeleton.joints[joint]) for joint in one.tolist())
    is_collapsed = is_judged & (predicted < COLLAPSED_BELOW**2 * labelled)
    return PairStates(names, is_judged, is_collapsed)


def _measure_squared_distance(points: Floats, one: Any, other: Any) -> Floats:
    difference = points[:, one] - points[:, other]
    return np.asarray((difference**2).sum(axis=2))


def _name_pair(joint: str) -> str:
    """Drop the side from a joint's name.

    >>> _name_pair("left_shoulder"), _name_pair("r_knee"), _name_pair("joint_4")
    ('shoulder', 'knee', 'joint_4')
    """
    for side in ("left_", "right_", "l_", "r_"):
        if joint.startswith(side):
            return joint.removeprefix(side)
    return joint
