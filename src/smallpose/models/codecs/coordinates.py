"""Keypoints as coordinates in units of the crop, for regression (`RegressionLabel` in MMPose)."""

import torch
from torch import Tensor


def encode_coordinates(
    keypoints: Tensor, visible: Tensor, input_wh: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Encode keypoints of crops as (b, k, 2) coordinates in [0, 1) and (b, k) weights.

    Args:
        keypoints: (b, k, 2) x, y in crop px.
        visible: (b, k) 1 where labelled, 0 where not.
        input_wh: size of the crops.
    Returns: coordinates, and weights of 1 for what is labelled and between the centres of the
        crop's outer pixels, 0 elsewhere.
    """
    size = keypoints.new_tensor(input_wh)
    is_inside = ((keypoints >= 0) & (keypoints <= size - 1)).all(dim=-1)
    return keypoints / size, (is_inside & (visible > 0.5)).to(keypoints.dtype)


def decode_coordinates(
    coordinates: Tensor, sigma: Tensor | None, input_wh: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Decode coordinates to keypoints in crop px and their scores.

    Args:
        coordinates: (b, k, 2) in units of the crop.
        sigma: (b, k, 2) predicted standard deviations of x and y, 0 to 1; without them all scores
            are 1.
    Returns: (b, k, 2) keypoints and (b, k) scores, 1 minus the mean sigma.
    """
    points = coordinates * coordinates.new_tensor(input_wh)
    if sigma is None:
        return points, torch.ones_like(points[..., 0])
    return points, (1 - sigma).mean(dim=-1)


def flip_back_coordinates(
    coordinates: Tensor, sigma: Tensor, flip_indices: Tensor, input_wh: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Flip coordinates and sigmas of mirrored crops back to the crops.

    The mirror image of x is w - 1 - x px, hence the shift by one px.

    Args:
        coordinates, sigma: (b, k, 2).
        flip_indices: (k,) index of each joint's left-right counterpart.
    """
    x, y = coordinates[:, flip_indices].unbind(dim=-1)
    return torch.stack([1 - x - 1 / input_wh[0], y], dim=-1), sigma[:, flip_indices]
