"""Heatmaps of all people and of each: CID's codec (`DecoupledHeatmap` in MMPose)."""

import torch
from torch import Tensor

from smallpose.models.codecs.center_heatmap import (
    draw_instance_heatmaps,
    find_roots,
    merge_heatmaps,
)

MAX_PEOPLE = 30  # of an image that get heatmaps of their own


def encode_decoupled_heatmaps(
    keypoints: Tensor, corners: Tensor, map_wh: tuple[int, int], jitter: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Encode one image's people as heatmaps of all and of each.

    Args:
        keypoints: (n, k, 3) x, y in map px and v.
        corners: (n, 4, 2) of their boxes, map px.
        jitter: maximum map px by which roots are moved at random, either way.
    Returns: (k + 1, h, w) heatmaps, the root last; and for m people with a root of their own the
        (m, k, h, w) heatmaps, (m, k) weights and (m, 2) root pixels. Small people come first.
    """
    roots = find_roots(keypoints)
    sigma = compute_person_sigma(corners).clamp(min=1e-3)
    instance_heatmaps, weights = draw_instance_heatmaps(
        keypoints[..., :2], keypoints[..., 2], sigma, map_wh
    )
    has_root = roots.is_labelled[:, None].to(keypoints.dtype)
    root_heatmaps, root_weights = draw_instance_heatmaps(roots.xy[:, None], has_root, sigma, map_wh)
    last = roots.xy.new_tensor([map_wh[0] - 1, map_wh[1] - 1])
    shift = torch.randint(-jitter, jitter + 1, roots.xy.shape, device=roots.xy.device)
    pixels = torch.minimum((roots.xy + shift).clamp(min=0), last)
    # People at exactly the same point, not merely in the same pixel, are indistinguishable: the
    # first one is kept.
    person_at: dict[tuple[float, float], int] = {}
    for person in roots.diagonal.argsort(stable=True).tolist():
        if root_weights[person, 0] >= 1:
            x, y = pixels[person].tolist()
            person_at.setdefault((x, y), person)
    rows = torch.tensor(list(person_at.values()), dtype=torch.int64, device=keypoints.device)
    if len(rows) > MAX_PEOPLE:
        rows = rows[torch.randperm(len(rows), device=rows.device)[:MAX_PEOPLE]]
    heatmaps = torch.cat([merge_heatmaps(instance_heatmaps), merge_heatmaps(root_heatmaps)])
    return heatmaps, instance_heatmaps[rows], weights[rows], pixels[rows].long()


def compute_person_sigma(corners: Tensor, overlap: float = 0.7) -> Tensor:
    """Compute CID's sigmas, (n,), from (n, 4, 2) box corners in map px.

    A sigma is a third of CornerNet's radius, within which a moved box still has an IoU of
    `overlap`. The three cases lack the division by the leading coefficient, as in the code the
    weights come from.
    """
    height = torch.linalg.vector_norm(corners[:, 0] - corners[:, 1], dim=-1)
    width = torch.linalg.vector_norm(corners[:, 0] - corners[:, 2], dim=-1)
    total, area = height + width, height * width
    shifted = (total + (total**2 - 4 * area * (1 - overlap) / (1 + overlap)).sqrt()) / 2
    inner = (2 * total + (4 * total**2 - 16 * (1 - overlap) * area).sqrt()) / 2
    outer = -2 * overlap * total
    outer = (outer + (outer**2 + 16 * overlap * (1 - overlap) * area).sqrt()) / 2
    return torch.stack([shifted, inner, outer]).amin(dim=0) / 3
