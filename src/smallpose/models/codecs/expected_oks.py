"""Maps of probability, read where OKS is expected to be highest.

A map is a distribution over where its joint is. OKS says what a place near a joint is worth, so a
place is worth its mean over the distribution: its expected OKS. The place where that is largest is
decoded, between the pixels of the map, and the value is the joint's score, because AP ranks people
by their scores and counts their OKS. The labels that train the maps are Gaussians of OKS's own
widths: COCO measured these as the uncertainty of labels.
"""

import math

import numpy as np
import torch
from torch import Tensor

from smallpose.core.skeleton import SIGMAS, Skeleton
from smallpose.models.codecs.peaks import find_peak_pixels

STRIDE = 4
OFFSET_PX = (STRIDE - 1) / 2  # crop px of the middle of a map's first pixel; its grid is symmetric
# Area of people as a share of the crop's squared height: boxes are 1 / 1.25 of it high, and people
# cover about 0.36 of the square of that.
AREA_SHARE = 0.36 / 1.25**2
OKS_FACTOR = 2.0  # of the sigmas in OKS
LABEL_BLUR = 0.5  # map px, in quadrature; a narrower Gaussian would be lost between the pixels
KERNEL_BLUR = 0.3  # map px, in quadrature; where in its pixel a joint is, is unknown

# Factors of the labels along x (b, k, w) and y (b, k, h); which joints are labelled (b, k).
MapLabels = tuple[Tensor, Tensor, Tensor]


def find_label_sigmas(skeleton: Skeleton) -> Tensor:
    """Return the (k,) OKS sigmas of the joints; the mean of the 21 for joints without one."""
    mean = float(np.mean(list(SIGMAS.values())))
    sigmas = skeleton.custom_sigmas or [SIGMAS.get(joint, mean) for joint in skeleton.joints]
    return torch.tensor(sigmas, dtype=torch.float32)


def encode_map_labels(keypoints: Tensor, sigmas: Tensor, map_wh: tuple[int, int]) -> MapLabels:
    """Encode (b, k, 3) keypoints in crop px as Gaussians of sum 1 over the pixels of the maps.

    Args:
        sigmas: (k,) of OKS.
        map_wh: size of the maps.
    Returns: factors along x and y, and (b, k) which joints are labelled and inside the crop.
    """
    w, h = map_wh
    points = (keypoints[..., :2].float() - OFFSET_PX) / STRIDE
    end = points.new_tensor([w - 0.5, h - 0.5])
    is_inside = ((points > -0.5) & (points < end)).all(dim=-1)
    is_labelled = is_inside & (keypoints[..., 2] > 0)
    points = torch.where(is_labelled[..., None], points, torch.zeros_like(points))
    widths = compute_map_widths(sigmas, h, LABEL_BLUR)
    x_labels = evaluate_axis_gaussian(points[..., 0], w, widths)
    y_labels = evaluate_axis_gaussian(points[..., 1], h, widths)
    x_labels = x_labels / x_labels.sum(dim=-1, keepdim=True)
    y_labels = y_labels / y_labels.sum(dim=-1, keepdim=True)
    return x_labels, y_labels, is_labelled


def compute_map_cross_entropy(logits: Tensor, labels: MapLabels) -> Tensor:
    """Return the mean cross-entropy of (b, k, h, w) maps over the labelled joints."""
    x_labels, y_labels, is_labelled = labels
    # The label is a product, so the mean logit under it takes two small matrix products.
    rows = torch.matmul(logits, x_labels[..., None])[..., 0]
    mean_logits = (rows * y_labels).sum(dim=-1)
    entropy = logits.flatten(2).logsumexp(dim=-1) - mean_logits
    return (entropy * is_labelled).sum() / is_labelled.sum().clamp(min=1)


def compute_expected_oks(logits: Tensor, sigmas: Tensor) -> Tensor:
    """Return (b, k, h, w) the expected OKS of a keypoint in the middle of each pixel.

    Args:
        logits: (b, k, h, w); their softmax over the map is the distribution.
        sigmas: (k,) of OKS.
    """
    h, w = logits.shape[-2:]
    widths = compute_map_widths(OKS_FACTOR * sigmas, h, KERNEL_BLUR)[:, None]
    x_kernel, y_kernel = (
        evaluate_axis_gaussian(torch.arange(n, device=logits.device)[None], n, widths)
        for n in (w, h)
    )
    masses = logits.flatten(2).softmax(dim=-1).view_as(logits)
    return torch.matmul(torch.matmul(y_kernel, masses), x_kernel)


def decode_expected_oks(logits: Tensor, sigmas: Tensor) -> tuple[Tensor, Tensor]:
    """Return the (b, k, 2) places of largest expected OKS in crop px, and its (b, k) values."""
    expected = compute_expected_oks(logits, sigmas)
    pixels, scores = find_peak_pixels(expected)
    log_maps = expected.clamp(min=1e-9).log()
    steps = [_find_vertex(log_maps, pixels, axis) for axis in (0, 1)]
    return (pixels + torch.stack(steps, dim=-1)) * STRIDE + OFFSET_PX, scores


def compute_map_widths(sigmas: Tensor, height: int, blur: float) -> Tensor:
    """Return (k,) standard deviations in map px for a person of typical area.

    Args:
        sigmas: (k,) shares of the root of the area.
        height: of the maps.
        blur: map px, added in quadrature.
    """
    return (sigmas * math.sqrt(AREA_SHARE) * height).square().add(blur**2).sqrt()


def evaluate_axis_gaussian(points: Tensor, count: int, widths: Tensor) -> Tensor:
    """Return (…, count) Gaussians of height 1 about (…) points at the pixels of an axis."""
    distance = torch.arange(count, device=points.device) - points[..., None]
    return torch.exp(-distance.square() / (2 * widths.square()[..., None]))


def _find_vertex(maps: Tensor, pixels: Tensor, axis: int) -> Tensor:
    """Return (b, k) steps to the vertex of the parabola through a maximum and its neighbours.

    At most half a pixel; 0 at the border.

    Args:
        maps: (b, k, h, w).
        pixels: (b, k, 2) x, y of the maxima.
        axis: 0 for a step along x, 1 along y.
    """
    h, w = maps.shape[-2:]
    length = (w, h)[axis]
    is_inside = (pixels[..., axis] > 0) & (pixels[..., axis] < length - 1)
    side = is_inside * (1, w)[axis]
    center = pixels[..., 1] * w + pixels[..., 0]
    flat = maps.flatten(2)
    before, peak, after = (
        flat.gather(-1, index[..., None])[..., 0]
        for index in (center - side, center, center + side)
    )
    curvature = (2 * peak - before - after).clamp(min=1e-6)
    return ((after - before) / (2 * curvature)).clamp(-0.5, 0.5)
