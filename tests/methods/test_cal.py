"""CAL's confidence mask and loss."""

import math

import numpy as np
import pytest
import torch

from smallpose.methods.cal import compute_confidence_mask, heatmap_and_offset_loss


def make_heatmaps(peaks: list[tuple[int, int]]) -> torch.Tensor:
    """Make (1, k, 20, 16) heatmaps with one pixel of 1 each."""
    heatmaps = torch.zeros(1, len(peaks), 20, 16)
    for k, (x, y) in enumerate(peaks):
        heatmaps[0, k, y, x] = 1
    return heatmaps


def test_the_mask_is_the_gaussian_of_the_errors():
    true = [(8, 10), (5, 7), (10, 4), (7, 15), (2, 2)]
    errors = [(0, 0), (1, 0), (2, 1), (1, -1), (9, 9)]
    predicted = [(x + dx, y + dy) for (x, y), (dx, dy) in zip(true, errors, strict=True)]
    weights = torch.tensor([[1.0, 1, 1, 1, 0]])
    mask = compute_confidence_mask(make_heatmaps(predicted), make_heatmaps(true), weights)
    counted = np.array(errors[:4], dtype=float)
    mean, covariance = counted.mean(axis=0), np.cov(counted.T, bias=True) + 1e-6 * np.eye(2)
    grid = np.array([[(dx, dy) for dx in range(-3, 4)] for dy in range(-3, 4)]) - mean
    density = np.exp(-np.einsum("yxi,ij,yxj->yx", grid, np.linalg.inv(covariance), grid) / 2)
    density /= 2 * math.pi * math.sqrt(np.linalg.det(covariance))
    expected = density / (density.max() + 1e-5)
    assert np.allclose(mask[0, 0, 7:14, 5:12], expected, atol=1e-6)
    assert mask[0, 0].sum() == pytest.approx(expected.sum(), rel=1e-5)
    assert mask[0, 0].argmax() == 10 * 16 + 9  # one px right of the keypoint, as the mean error is
    assert not mask[0, 4].any()
    # At (2, 2) the border cuts the patch.
    at_the_corner = compute_confidence_mask(
        make_heatmaps(predicted), make_heatmaps(true), weights + 1
    )
    assert at_the_corner[0, 4].max() == pytest.approx(1, abs=1e-2)


def test_no_keypoint_and_a_single_one_have_masks_too():
    heatmaps = make_heatmaps([(8, 10), (3, 3)])
    assert not compute_confidence_mask(heatmaps, heatmaps, torch.zeros(1, 2)).any()
    single = compute_confidence_mask(heatmaps, heatmaps, torch.tensor([[1.0, 0]]))
    assert single.sum() == pytest.approx(1, abs=1e-3)
    assert single[0, 0, 10, 8] == pytest.approx(1, abs=1e-3)


def test_a_heatmap_without_a_peak_counts_as_decoded_at_the_corner():
    true, flat = make_heatmaps([(2, 1)]), torch.full((1, 1, 20, 16), -0.1)
    flat[0, 0, 15, 9] = -0.01
    mask = compute_confidence_mask(flat, true, torch.ones(1, 1))
    assert mask.argmax() == 0  # decoding gives (0, 0), where the Gaussian of one error is


def test_the_mask_passes_no_gradient():
    heatmaps = make_heatmaps([(8, 10)]).requires_grad_()
    mask = compute_confidence_mask(heatmaps, heatmaps.detach(), torch.ones(1, 1))
    assert not mask.requires_grad


def test_the_loss_is_its_formula():
    torch.manual_seed(0)
    heatmaps, offsets = torch.rand(2, 3, 5, 4), torch.rand(2, 6, 5, 4)
    true_heatmaps, true_offsets = torch.rand(2, 3, 5, 4), torch.rand(2, 6, 5, 4)
    mask, weights = torch.rand(2, 3, 5, 4), torch.tensor([[1.0, 0, 1], [1, 1, 0]])
    targets = true_heatmaps, true_offsets, mask, weights
    heatmap_loss, offset_loss = heatmap_and_offset_loss((heatmaps, offsets), targets, mask)
    expected_heatmap_loss, expected_offset_loss = 0.0, 0.0
    for k in range(3):
        w = weights[:, k, None, None]
        squared = (heatmaps[:, k] * w - true_heatmaps[:, k] * w).square()
        expected_heatmap_loss += 0.5 * squared.mean()
        pair = slice(2 * k, 2 * k + 2)
        m = (mask[:, k] * w)[:, None]
        expected_offset_loss += (offsets[:, pair] * m - true_offsets[:, pair] * m).abs().mean()
    assert heatmap_loss == pytest.approx(float(expected_heatmap_loss / 3), rel=1e-5)
    assert offset_loss == pytest.approx(float(expected_offset_loss / 3), rel=1e-5)
