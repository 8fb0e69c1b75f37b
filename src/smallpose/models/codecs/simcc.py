"""Keypoints as bins along x and along y (SimCC, Li et al. 2022; `SimCCLabel` in MMPose).

A coordinate is a class: each axis of the crop is divided into half pixels, and the label of a
keypoint is a Gaussian over the bins of each axis. Decoding is therefore exact to half a pixel.
"""

import math

import torch
from torch import Tensor

from smallpose.models.codecs.gaussian import evaluate_gaussian, weigh_by_patch
from smallpose.models.codecs.peaks import find_first_maximum

SPLIT_RATIO = 2  # bins per crop px


def encode_simcc(
    keypoints: Tensor,
    visible: Tensor,
    input_wh: tuple[int, int],
    sigma: float | tuple[float, float] = 6.0,
    normalize: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    """Encode keypoints of crops as smoothed labels over the bins, with the loss weight of each.

    Args:
        keypoints: (b, k, 2) x, y in crop px.
        visible: (b, k) 1 where labelled, 0 where not.
        input_wh: size of the crops.
        sigma: of the Gaussian label smoothing, bins; one for both axes, or that of x and of y.
        normalize: divide the labels by the integral of the Gaussian; else their peak is 1.
    Returns: (b, k, 2w) and (b, k, 2h) labels, normalised ones with a sum of 1 away from the border
        (what lies beyond it is lost), and (b, k) weights: 0 for what is not labelled or 3 sigma off
        an axis.
    """
    num_bins = (SPLIT_RATIO * input_wh[0], SPLIT_RATIO * input_wh[1])
    center = torch.round(keypoints.float() * SPLIT_RATIO)  # half to even
    sigmas = sigma if isinstance(sigma, tuple) else (sigma, sigma)
    reach = 3 * torch.tensor(sigmas, dtype=center.dtype, device=center.device)
    weights = weigh_by_patch(visible, (center - reach, center + reach), num_bins)
    is_drawn = (weights >= 0.5)[..., None]
    labels = []
    for axis, count in enumerate(num_bins):
        distance = torch.arange(count, device=center.device) - center[..., axis, None]
        density = evaluate_gaussian(distance.square(), sigmas[axis])
        if normalize:
            density = density / (sigmas[axis] * math.sqrt(2 * math.pi))
        labels.append(torch.where(is_drawn, density, torch.zeros_like(density)))
    return labels[0], labels[1], weights


def decode_simcc(x_logits: Tensor, y_logits: Tensor) -> tuple[Tensor, Tensor]:
    """Decode logits over the bins to keypoints in crop px and their scores.

    Args:
        x_logits, y_logits: (b, k, 2w) and (b, k, 2h).
    Returns: (b, k, 2) keypoints, (-0.5, -0.5) where the score is not above 0; (b, k) scores, the
        smaller of the two largest logits.
    """
    x_score, x = find_first_maximum(x_logits)
    y_score, y = find_first_maximum(y_logits)
    scores = torch.minimum(x_score, y_score)
    points = torch.stack([x, y], dim=-1).to(x_logits.dtype)
    points = torch.where((scores > 0)[..., None], points, torch.full_like(points, -1.0))
    return points / SPLIT_RATIO, scores


def flip_back_simcc(
    x_logits: Tensor, y_logits: Tensor, flip_indices: Tensor
) -> tuple[Tensor, Tensor]:
    """Flip logits of mirrored crops back to the crops: left and right swapped, x reversed.

    Args:
        flip_indices: (k,) index of each joint's left-right counterpart.
    """
    return x_logits[:, flip_indices].flip(-1), y_logits[:, flip_indices]
