"""Merge the detections of several views of one image, so that each person remains once.

A view is a tile or the full image. It shows a person only as exactly as the pixels that the
network sees: of 3840 px reduced to 640, one of them is six of the image. So poses of one person in
two views differ by more than two peaks of one view, and small people by more than their size
allows. Views are therefore compared with the uncertainty of the coarser one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from smallpose.methods.full_image import Detections, FullImageMethod
from smallpose.models.codecs.view_suppression import (
    LOCATION_ERROR,
    ViewDetections,
    suppress_people_of_other_views,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rows = NDArray[np.intp]

OKS_THRESHOLD = 0.7  # above which people in two views are one
EDGE = 0.01  # share of a tile's side within which a box is taken to be cut by its border
EDGE_NETWORK_PX = 1.5  # the same in px of the network's input, if that is more


@dataclass(frozen=True)
class View:
    """What one pass through the network shows.

    Args:
        window: (4,) x, y, width, height in the image, px.
        network_px: px of the image that one px of the network's input shows.
        overlap: people up to this size, px of the image, are complete in some view of this kind; 0
            for the full image.
    """

    window: Ints
    network_px: float
    overlap: int = 0


def compute_network_px(method: FullImageMethod, image_wh: tuple[int, int]) -> float:
    """Return how many px of an image of that size one px of the network's input shows."""
    letterbox = method.fit_image(image_wh)
    return float((letterbox.scale / np.array(letterbox.size_wh)).max())


def compute_edge(side: int, network_px: float) -> float:
    """Return the distance from a tile's border within which a person counts as cut, image px."""
    return max(EDGE * side, EDGE_NETWORK_PX * network_px)


def shift_to_image(detections: Detections, view: View) -> Detections:
    """Shift detections from px of a view to px of the image."""
    corner = torch.from_numpy(view.window[:2].astype(np.float64))
    return detections._replace(
        keypoints=detections.keypoints + corner,
        boxes_xyxy=detections.boxes_xyxy + corner.repeat(2),
    )


def drop_cut_people(detections: Detections, view: View, image_wh: tuple[int, int]) -> Detections:
    """Drop people whose box reaches a border of the view that is no border of the image."""
    x, y, w, h = view.window.tolist()
    edge = torch.tensor([compute_edge(side, view.network_px) for side in (w, h)])
    low = detections.boxes_xyxy[:, :2] < torch.tensor([x, y]) + edge
    high = detections.boxes_xyxy[:, 2:] > torch.tensor([x + w, y + h]) - edge
    low &= torch.tensor([x > 0, y > 0])
    high &= torch.tensor([x + w < image_wh[0], y + h < image_wh[1]])
    return detections.take(~(low | high).any(dim=1))


def merge_views(parts: Sequence[Detections], views: Sequence[View], sigmas: Floats) -> Detections:
    """Merge the detections of all views, px of the image, into one per person, best score first.

    People no larger than a view's overlap are taken from the finest view that shows them, others
    from the view with the highest score.
    """
    merged = Detections(*(torch.cat(column) for column in zip(*parts, strict=True)))
    if not len(merged.scores):
        return merged
    view_rows = np.repeat(np.arange(len(views)), [len(part.scores) for part in parts])
    network_px = np.array([view.network_px for view in views])[view_rows]
    overlap = np.array([view.overlap for view in views])[view_rows]
    corners = merged.boxes_xyxy.numpy()
    is_preferred = (corners[:, 2:] - corners[:, :2]).max(axis=1) <= overlap
    scores = merged.scores.numpy()
    order = np.lexsort((-scores, np.where(is_preferred, network_px, np.inf)))
    candidates = ViewDetections(
        points=merged.keypoints.numpy(),
        corners=corners,
        view_rows=view_rows,
        location_error=LOCATION_ERROR * network_px,
        sigmas=sigmas,
    )
    kept = suppress_people_of_other_views(candidates, order, OKS_THRESHOLD)
    kept = kept[np.argsort(-scores[kept], kind="stable")]
    return merged.take(torch.from_numpy(kept))
