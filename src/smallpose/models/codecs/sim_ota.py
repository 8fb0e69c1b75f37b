"""SimOTA: which grid cells are supervised by which person (YOLOX, Ge et al. 2021; RTMO's costs).

Every person is assigned the cells of least cost: those inside their box and near its centre, with
a high score and with a box and keypoints like theirs. The number of cells grows with the quality
of a person's ten best ones, so that a well detected person gets more of them ("dynamic k").
"""

from typing import NamedTuple

import torch
from torch import Tensor

from smallpose.models.codecs.offsets import GridPoints, box_iou, corners_to_center_size

CENTER_RADIUS = 2.5  # strides around a person's centre
CANDIDATE_TOPK = 10
OUTSIDE_COST = 1e5  # of a cell that is not both in the box and near the centre
IOU_WEIGHT = 3.0
OKS_WEIGHT = 3.0


class CellPredictions(NamedTuple):
    """Current predictions of the p grid cells of an image, without gradients.

    Args:
        scores: (p,) in [0, 1].
        boxes: (p, 4) corners, px.
        keypoints: (p, k, 2) px.
    """

    scores: Tensor
    boxes: Tensor
    keypoints: Tensor


class ImageTruth(NamedTuple):
    """The g people of an image.

    Args:
        boxes: (g, 4) corners, px.
        keypoints: (g, k, 3) x, y and 1 where labelled.
        area: (g,) px².
    """

    boxes: Tensor
    keypoints: Tensor
    area: Tensor


class Assignment(NamedTuple):
    """The m positive cells of an image.

    Args:
        cells: (m,) indices in ascending order.
        people: (m,) row of the person that each is assigned to.
        oks: (m,) of the cell's keypoints with that person's.
    """

    cells: Tensor
    people: Tensor
    oks: Tensor


def compute_oks(
    predicted: Tensor, truth: Tensor, visible: Tensor, area: Tensor, sigmas: Tensor
) -> Tensor:
    """Compute the OKS of poses, a mean over the labelled joints; 0 where none is labelled.

    Args:
        predicted, truth: (…, k, 2) px, broadcast.
        visible: (…, k) 1 where labelled.
        area: (…) px².
        sigmas: (k,).
    """
    distance = torch.linalg.vector_norm(predicted - truth, dim=-1)
    distance = distance / area.sqrt().clamp(min=1e-8)[..., None] / (2 * sigmas)
    weights = visible / visible.sum(dim=-1, keepdim=True).clamp(min=1e-8)
    return (torch.exp(-distance.square() / 2) * weights).sum(dim=-1)


def assign_cells(
    predictions: CellPredictions,
    truth: ImageTruth,
    points: GridPoints,
    sigmas: Tensor,
    use_keypoint_center: bool,
) -> Assignment:
    """Assign people to grid cells.

    Args:
        use_keypoint_center: a person's centre is the mean of their labelled keypoints instead of
            their box's centre.
    """
    no_index = torch.zeros(0, dtype=torch.int64, device=truth.boxes.device)
    in_box, near_center = _locate_cells(points, truth, use_keypoint_center)
    candidates = torch.nonzero((in_box | near_center).any(dim=1))[:, 0]
    if len(candidates) == 0 or len(truth.boxes) == 0:
        return Assignment(no_index, no_index, truth.boxes.new_zeros(0))
    oks = compute_oks(
        predictions.keypoints[candidates, None],
        truth.keypoints[None, ..., :2],
        truth.keypoints[None, ..., 2],
        truth.area[None],
        sigmas,
    )  # (candidates, g)
    iou = box_iou(predictions.boxes[candidates, None], truth.boxes[None])
    score_cost = -predictions.scores[candidates].sqrt().log().clamp(min=-100)
    cost = (
        OUTSIDE_COST * ~(in_box & near_center)[candidates]
        - IOU_WEIGHT * (iou + 1e-7).log()
        - OKS_WEIGHT * (oks + 1e-7).log()
        + score_cost[:, None]
    )
    is_assigned = _match_dynamic_k(cost, oks)
    is_positive = is_assigned.any(dim=1)
    assigned_cost = torch.where(is_assigned, cost, torch.full_like(cost, torch.inf))
    people = assigned_cost[is_positive].argmin(dim=1)
    return Assignment(
        candidates[is_positive], people, oks[is_positive].gather(1, people[:, None])[:, 0]
    )


def _locate_cells(
    points: GridPoints, truth: ImageTruth, use_keypoint_center: bool
) -> tuple[Tensor, Tensor]:
    """Return whether each point is inside each box and near each person's centre, (p, g)."""
    xy = points.xy[:, None]
    in_box = ((xy > truth.boxes[None, :, :2]) & (xy < truth.boxes[None, :, 2:])).all(dim=-1)
    center, _ = corners_to_center_size(truth.boxes)
    if use_keypoint_center:
        visible = truth.keypoints[..., 2:]
        mean = (truth.keypoints[..., :2] * visible).sum(dim=1) / visible.sum(dim=1).clamp(min=1)
        center = torch.where(visible.any(dim=1), mean, center)
    distance = (xy - center[None]).abs()
    near_center = (distance < CENTER_RADIUS * points.stride[:, None]).all(dim=-1)
    return in_box, near_center


def _match_dynamic_k(cost: Tensor, oks: Tensor) -> Tensor:
    """Return which cells each person is assigned, (candidates, g).

    A cell that several people would get is assigned to the one of least cost.
    """
    topk_oks = oks.topk(min(CANDIDATE_TOPK, len(oks)), dim=0).values
    dynamic_k = topk_oks.sum(dim=0).int().clamp(min=1)
    is_assigned = torch.zeros_like(cost, dtype=torch.bool)
    for person, k in enumerate(dynamic_k.tolist()):
        is_assigned[cost[:, person].topk(k, largest=False).indices, person] = True
    is_contested = is_assigned.sum(dim=1) > 1
    is_assigned[is_contested] = False
    is_assigned[is_contested, cost[is_contested].argmin(dim=1)] = True
    return is_assigned
