"""Which points lie in regions whose people are not labelled."""

from collections.abc import Sequence

import numpy as np

from smallpose.evaluation.matching.arrays import Floats, Mask


def find_inside(points: Floats, polygons: Sequence[Floats]) -> Mask:
    """Return (…) whether each of (…, 2) points lies inside any polygon of (c, 2) corners.

    A polygon with fewer than three corners contains nothing.
    """
    inside = np.zeros(points.shape[:-1], dtype=bool)
    for polygon in polygons:
        if len(polygon) >= 3:
            inside |= _find_inside_one(points, polygon)
    return inside


def _find_inside_one(points: Floats, polygon: Floats) -> Mask:
    """Count the edges to the right of each point; it is inside where the count is odd."""
    x, y = points[..., 0, None], points[..., 1, None]
    x1, y1 = polygon.T
    x2, y2 = np.roll(polygon, -1, axis=0).T
    crosses = (y1 > y) != (y2 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        edge_x = x1 + (y - y1) * (x2 - x1) / (y2 - y1)
    return np.asarray(((crosses & (x < edge_x)).sum(axis=-1) % 2).astype(bool))


def make_box_polygon(box_xywh: Floats) -> Floats:
    """Return the (4, 2) corners of a box."""
    x, y, w, h = box_xywh
    return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])
