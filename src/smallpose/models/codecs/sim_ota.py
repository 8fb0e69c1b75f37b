"""Which cells learn which person (SimOTA, Ge et al. 2021, with the OKS of RTMO).

Every person takes the cells that would cost least to teach: they lie in and near the middle of his
box, already say "person", and already have a box and joints like his. How many he takes depends on
how good his ten best ones are, so that a well-found person gets more of them.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from smallpose.models.codecs.offsets import GridPoints, box_iou, corners_to_center_size

RADIUS = 2.5  # strides around a person's centre
CANDIDATES = 10
FAR = 1e5  # cost of a cell that is not both in the box and near the centre


class CellPredictions(NamedTuple):
    """What the p cells of a picture say now, without gradients.

    Args:
        scores: (p,) of there being a person, in [0, 1].
        boxes: (p, 4) corners, px.
        keypoints: (p, k, 2) px.
    """

    scores: Tensor
    boxes: Tensor
    keypoints: Tensor


def compute_oks(found: Tensor, truth: Tensor, seen: Tensor, area: Tensor, sigmas: Tensor) -> Tensor:
    """OKS of poses, mean over the joints that are labelled; 0 where none is.

    Args:
        found, truth: (…, k, 2) px, broadcast.
        seen: (…, k) 1 where labelled.
        area: (…) px².
        sigmas: (k,).
    """
    distance = torch.linalg.vector_norm(found - truth, dim=-1)
    distance = distance / area.sqrt().clamp(min=1e-8)[..., None] / (2 * sigmas)
    weights = seen / seen.sum(dim=-1, keepdim=True).clamp(min=1e-8)
    return (torch.exp(-distance.square() / 2) * weights).sum(dim=-1)


def assign_cells(
    guess: CellPredictions,
    points: GridPoints,
    boxes: Tensor,
    keypoints: Tensor,
    area: Tensor,
    sigmas: Tensor,
    keypoint_center: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The cells that learn somebody, whom, and their OKS with him now.

    Args:
        boxes: (g, 4) corners of the people, px.
        keypoints: (g, k, 3) x, y and 1 where labelled.
        area: (g,) px².
        keypoint_center: a person's centre is the mean of his labelled keypoints, not his box's.
    Returns: (m,) cells in ascending order, (m,) people, (m,) OKS.
    """
    none = torch.zeros(0, dtype=torch.int64, device=boxes.device)
    inside, near = _where(points, boxes, keypoints, keypoint_center)
    worth = torch.nonzero((inside | near).any(dim=1))[:, 0]
    if len(worth) == 0 or len(boxes) == 0:
        return none, none, boxes.new_zeros(0)
    oks = compute_oks(
        guess.keypoints[worth, None],
        keypoints[None, ..., :2],
        keypoints[None, ..., 2],
        area[None],
        sigmas,
    )  # (candidates, g)
    overlap = box_iou(guess.boxes[worth, None], boxes[None])
    surprise = -guess.scores[worth].sqrt().log().clamp(min=-100)
    cost = (
        FAR * ~(inside & near)[worth]
        - 3 * (overlap + 1e-7).log()
        - 3 * (oks + 1e-7).log()
        + surprise[:, None]
    )
    taken = _cheapest(cost, oks)
    learn = taken.any(dim=1)
    whom = torch.where(taken, cost, torch.full_like(cost, torch.inf))[learn].argmin(dim=1)
    return worth[learn], whom, oks[learn].gather(1, whom[:, None])[:, 0]


def _where(
    points: GridPoints, boxes: Tensor, keypoints: Tensor, keypoint_center: bool
) -> tuple[Tensor, Tensor]:
    """(p, g) whether each point is inside each box, and near each person's centre."""
    xy = points.xy[:, None]
    inside = ((xy > boxes[None, :, :2]) & (xy < boxes[None, :, 2:])).all(dim=-1)
    center, _ = corners_to_center_size(boxes)
    if keypoint_center:
        seen = keypoints[..., 2:]
        mean = (keypoints[..., :2] * seen).sum(dim=1) / seen.sum(dim=1).clamp(min=1)
        center = torch.where(seen.any(dim=1), mean, center)
    near = ((xy - center[None]).abs() < RADIUS * points.stride[:, None]).all(dim=-1)
    return inside, near


def _cheapest(cost: Tensor, oks: Tensor) -> Tensor:
    """(c, g) which cells each person takes; one that several want goes where it costs least."""
    best = oks.topk(min(CANDIDATES, len(oks)), dim=0).values
    many = best.sum(dim=0).int().clamp(min=1)
    taken = torch.zeros_like(cost, dtype=torch.bool)
    for person, count in enumerate(many.tolist()):
        taken[cost[:, person].topk(count, largest=False).indices, person] = True
    wanted = taken.sum(dim=1) > 1
    taken[wanted] = False
    taken[wanted, cost[wanted].argmin(dim=1)] = True
    return taken
