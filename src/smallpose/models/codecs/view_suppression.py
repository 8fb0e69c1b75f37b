"""Find the detections of one person in several views of an image, and keep one of them.

A view is a tile, the full image, or a pass of a network over the image at another size.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

LOCATION_ERROR = 2.0  # standard deviation of a joint in a view, px of the network's input
# Methods of low resolution put a person's joints into the same box in each view, but elsewhere in
# it. Of the pairs of different people in one image of CrowdPose's validation set, which were chosen
# for their crowds, 0.3 % exceed both.
SAME_BOX_IOU = 0.7
OKS_IN_SAME_BOX = 0.3


@dataclass(frozen=True)
class ViewDetections:
    """The detections of all views.

    Args:
        points: (d, k, 2) px of the image.
        corners: (d, 4) x, y, x, y of the boxes, px.
        view_rows: (d,) view of each detection.
        location_error: (d,) standard deviation of a joint in that view, px of the image.
        sigmas: (k,) of the joints.
    """

    points: Floats
    corners: Floats
    view_rows: Rows
    location_error: Floats
    sigmas: Floats

    def compute_oks(self, best: int, others: Rows) -> Floats:
        """Compute the OKS of a detection with others, (n,).

        That of detections in different views allows for the location error of the coarser view.
        """
        error = np.maximum(self.location_error[others], self.location_error[best])
        error[self.view_rows[others] == self.view_rows[best]] = 0
        area = np.ptp(self.points[others], axis=1).prod(axis=1)
        mean_area = (area + np.ptp(self.points[best], axis=0).prod()) / 2 + np.spacing(1)
        variance = np.square(2 * self.sigmas) * mean_area[:, None] + np.square(error)[:, None]
        squared_distance = np.square(self.points[others] - self.points[best]).sum(axis=2)
        oks: Floats = np.exp(-squared_distance / variance / 2).mean(axis=1)
        return oks

    def compute_iou(self, best: int, others: Rows) -> Floats:
        """Compute the IoU of a detection's box with those of others, (n,)."""
        low = np.maximum(self.corners[others, :2], self.corners[best, :2])
        high = np.minimum(self.corners[others, 2:], self.corners[best, 2:])
        shared = np.maximum(high - low, 0).prod(axis=1)
        sides = self.corners[:, 2:] - self.corners[:, :2]
        union = sides[others].prod(axis=1) + sides[best].prod() - shared
        iou: Floats = shared / np.maximum(union, np.spacing(1))
        return iou


def suppress_people_of_other_views(
    candidates: ViewDetections, order: Rows, oks_threshold: float
) -> Rows:
    """Return the detections to keep: each drops those after it that are the same person.

    These are all whose OKS is above the threshold. In one view people are as distinct as the
    method says, so that of each other view, where none is so similar, the most similar detection
    in the same box is the same person, too, and any further one is another person.

    Args:
        order: (d,) rows, the preferred first.
        oks_threshold: above which two detections are one person.
    """
    kept: list[int] = []
    while len(order):
        best = int(order[0])
        order = order[1:]
        kept.append(best)
        oks = candidates.compute_oks(best, order)
        is_same = oks > oks_threshold
        views = candidates.view_rows[order]
        may_be_same = (oks > OKS_IN_SAME_BOX) & (candidates.compute_iou(best, order) > SAME_BOX_IOU)
        may_be_same &= ~np.isin(views, views[is_same]) & (views != candidates.view_rows[best])
        for view in set(views[may_be_same].tolist()):
            rows = np.flatnonzero(may_be_same & (views == view))
            is_same[rows[np.argmax(oks[rows])]] = True
        order = order[~is_same]
    return np.array(kept, dtype=np.intp)
