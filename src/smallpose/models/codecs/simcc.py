"""Keypoints to bins along x and along y, and back (SimCC, Li et al. 2022).

A coordinate is a class: each axis of the crop is cut into half pixels, and the label of a keypoint
is a Gaussian over the bins of each axis. Half a pixel is as fine as decoding gets.
"""

import math

import torch
from torch import Tensor

from smallpose.models.codecs.peaks import find_first_maximum

SPLIT_RATIO = 2  # bins per crop px


def encode_simcc(
    keypoints: Tensor, visible: Tensor, input_wh: tuple[int, int], sigma: float = 6.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Keypoints of crops to labels over the bins, and to the weight of each in the loss.

    Args:
        keypoints: (b, k, 2) x, y in crop px.
        visible: (b, k) 1 where labelled, 0 where not.
        input_wh: of the crops.
        sigma: of the labels, bins.
    Returns: (b, k, 2w) and (b, k, 2h) labels with a sum of 1 away from the border (what falls off
        it is lost), and (b, k) weights: 0 for what is not labelled or 3 sigma off an axis.
    """
    bins = [SPLIT_RATIO * side for side in input_wh]
    middle = torch.round(keypoints.float() * SPLIT_RATIO)  # half to even
    reach = 3 * sigma
    size = middle.new_tensor(bins)
    there = (middle - reach < size) & (middle + reach + 1 >= 0)  # false for what is no number
    weights = torch.where(there.all(dim=-1), visible, torch.zeros_like(visible))
    drawn = (weights >= 0.5)[..., None]
    labels = []
    for axis, count in enumerate(bins):
        away = torch.arange(count, device=middle.device) - middle[..., axis, None]
        bell = torch.exp(away.square() / (-2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
        labels.append(torch.where(drawn, bell, torch.zeros_like(bell)))
    return labels[0], labels[1], weights


def decode_simcc(x_bins: Tensor, y_bins: Tensor) -> tuple[Tensor, Tensor]:
    """Raw outputs over the bins to keypoints in crop px and their scores.

    Args:
        x_bins, y_bins: (b, k, 2w) and (b, k, 2h) logits.
    Returns: (b, k, 2) keypoints, (-0.5, -0.5) where the score is not above 0; (b, k) scores, the
        smaller of the two largest logits.
    """
    (x_score, x), (y_score, y) = find_first_maximum(x_bins), find_first_maximum(y_bins)
    scores = torch.minimum(x_score, y_score)
    points = torch.stack([x, y], dim=-1).to(x_bins.dtype)
    points = torch.where((scores > 0)[..., None], points, torch.full_like(points, -1.0))
    return points / SPLIT_RATIO, scores


def flip_back_simcc(x_bins: Tensor, y_bins: Tensor, mirror: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs for mirrored crops as if for the crops: sides exchanged, x reversed.

    Args:
        mirror: (k,) number of each joint's partner.
    """
    return x_bins[:, mirror].flip(-1), y_bins[:, mirror]
