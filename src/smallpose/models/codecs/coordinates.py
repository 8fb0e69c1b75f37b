"""Keypoints to coordinates in units of the crop and back, for methods that regress them."""

import torch
from torch import Tensor


def encode_coordinates(
    keypoints: Tensor, visible: Tensor, input_wh: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Keypoints of crops to (b, k, 2) coordinates in [0, 1) and (b, k) weights.

    Args:
        keypoints: (b, k, 2) x, y in crop px.
        visible: (b, k) 1 where labelled, 0 where not.
        input_wh: of the crops.
    Returns: coordinates, and weights of 1 for what is labelled and between the centres of the
        crop's outer pixels, 0 elsewhere.
    """
    size = keypoints.new_tensor(input_wh)
    inside = ((keypoints >= 0) & (keypoints <= size - 1)).all(dim=-1)
    return keypoints / size, (inside & (visible > 0.5)).to(keypoints.dtype)


def decode_coordinates(
    coordinates: Tensor, spread: Tensor | None, input_wh: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Coordinates to keypoints in crop px and their scores.

    Args:
        coordinates: (b, k, 2) in units of the crop.
        spread: (b, k, 2) how unsure of x and of y, 0 to 1; all scores are 1 without.
    Returns: (b, k, 2) keypoints and (b, k) scores, 1 less the mean spread.
    """
    points = coordinates * coordinates.new_tensor(input_wh)
    if spread is None:
        return points, torch.ones_like(points[..., 0])
    return points, (1 - spread).mean(dim=-1)


def flip_back_coordinates(
    coordinates: Tensor, spread: Tensor, mirror: Tensor, input_wh: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Coordinates and spreads for mirrored crops as if for the crops.

    The mirror image of x is w - 1 - x px, hence the one px less.

    Args:
        coordinates, spread: (b, k, 2).
        mirror: (k,) number of each joint's partner.
    """
    x, y = coordinates[:, mirror].unbind(dim=-1)
    return torch.stack([1 - x - 1 / input_wh[0], y], dim=-1), spread[:, mirror]
