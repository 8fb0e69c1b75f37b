"""RLE's likelihood with its flow, and CAL's confidence mask and loss."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from smallpose.methods.cal import compute_confidence_mask, heatmap_and_offset_loss
from smallpose.models.heads.rle import RealNVP, RLEHead, RLELoss


def bent_flow() -> RealNVP:
    """A flow whose nets do something."""
    torch.manual_seed(0)
    flow = RealNVP()
    for layer in flow.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.12)
    return flow


def test_a_flow_is_a_density_however_bent():
    steps = torch.linspace(-12, 12, 121)
    points = torch.cartesian_prod(steps, steps)
    with torch.no_grad():
        mass = bent_flow().log_prob(points).exp().sum() * 0.2**2
    assert mass.item() == pytest.approx(1, abs=0.01)


@torch.no_grad()
def test_the_loss_is_the_formula_of_the_paper_one_number_at_a_time():
    torch.manual_seed(1)
    module = RLELoss()
    module.flow_model = bent_flow()
    points, logits, target = torch.rand(3, 4, 2), torch.randn(3, 4, 2), torch.rand(3, 4, 2)
    weight = torch.tensor([[1.0, 0, 1, 1]] * 3)
    total = 0.0
    for b, k in np.argwhere(weight.numpy()):
        s = torch.sigmoid(logits[b, k])
        error = (points[b, k] - target[b, k]) / s
        log_f = module.flow_model.log_prob(error[None])[0]
        total += sum((s[i].log() - log_f) + (2 * s[i]).log() + error[i].abs() for i in (0, 1))
    assert module(points, logits, target, weight).item() == pytest.approx(
        float(total / 3), rel=1e-5
    )


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e30])
def test_what_has_no_weight_can_do_no_harm(bad):
    module = RLELoss()
    points, logits = torch.rand(2, 3, 2, requires_grad=True), torch.zeros(2, 3, 2)
    target, weight = torch.rand(2, 3, 2), torch.ones(2, 3)
    target[0, 1], weight[0, 1] = bad, 0
    loss = module(points, logits, target, weight)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(points.grad).all()
    assert (points.grad[0, 1] == 0).all()


@pytest.mark.parametrize("logit", [-200.0, -80.0, 80.0, 200.0])
def test_spreads_at_their_ends_leave_the_loss_finite(logit):
    module = RLELoss()
    points = torch.full((1, 2, 2), 0.9, requires_grad=True)
    logits = torch.full((1, 2, 2), logit, requires_grad=True)
    loss = module(points, logits, torch.zeros(1, 2, 2), torch.ones(1, 2))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(points.grad).all()
    assert torch.isfinite(logits.grad).all()


def test_a_batch_in_which_nothing_counts_costs_nothing():
    head = RLEHead(8, 5)
    made = head(torch.rand(2, 8, 3, 2))
    assert made.shape == (2, 5, 4)
    nothing = torch.full((2, 5, 2), math.nan), torch.zeros(2, 5)
    assert head.loss_module(made[..., :2], made[..., 2:], *nothing) == 0


def maps_with_peaks(pixels: list[tuple[int, int]]) -> torch.Tensor:
    """(1, k, 20, 16) with one pixel of 1 in each map."""
    maps = torch.zeros(1, len(pixels), 20, 16)
    for k, (x, y) in enumerate(pixels):
        maps[0, k, y, x] = 1
    return maps


def test_the_mask_is_the_gaussian_of_the_misses():
    true = [(8, 10), (5, 7), (10, 4), (7, 15), (2, 2)]
    misses = [(0, 0), (1, 0), (2, 1), (1, -1), (9, 9)]
    found = [(x + dx, y + dy) for (x, y), (dx, dy) in zip(true, misses, strict=True)]
    weights = torch.tensor([[1.0, 1, 1, 1, 0]])
    mask = compute_confidence_mask(maps_with_peaks(found), maps_with_peaks(true), weights)
    seen = np.array(misses[:4], dtype=float)
    mean, cov = seen.mean(axis=0), np.cov(seen.T, bias=True) + 1e-6 * np.eye(2)
    grid = np.array([[(dx, dy) for dx in range(-3, 4)] for dy in range(-3, 4)]) - mean
    density = np.exp(-np.einsum("yxi,ij,yxj->yx", grid, np.linalg.inv(cov), grid) / 2)
    density /= 2 * math.pi * math.sqrt(np.linalg.det(cov))
    wanted = density / (density.max() + 1e-5)
    assert np.allclose(mask[0, 0, 7:14, 5:12], wanted, atol=1e-6)
    assert mask[0, 0].sum() == pytest.approx(wanted.sum(), rel=1e-5)
    assert mask[0, 0].argmax() == 10 * 16 + 9  # one px right of the keypoint, as the mean miss is
    assert not mask[0, 4].any()
    # (2, 2) has no room for all of the patch.
    at_the_corner = compute_confidence_mask(
        maps_with_peaks(found), maps_with_peaks(true), weights + 1
    )
    assert at_the_corner[0, 4].max() == pytest.approx(1, abs=1e-2)


def test_no_keypoint_and_a_single_one_have_masks_too():
    maps = maps_with_peaks([(8, 10), (3, 3)])
    assert not compute_confidence_mask(maps, maps, torch.zeros(1, 2)).any()
    single = compute_confidence_mask(maps, maps, torch.tensor([[1.0, 0]]))
    assert single.sum() == pytest.approx(1, abs=1e-3)
    assert single[0, 0, 10, 8] == pytest.approx(1, abs=1e-3)


def test_a_map_without_a_peak_misses_as_far_as_decoding_would():
    true, flat = maps_with_peaks([(2, 1)]), torch.full((1, 1, 20, 16), -0.1)
    flat[0, 0, 15, 9] = -0.01
    mask = compute_confidence_mask(flat, true, torch.ones(1, 1))
    assert mask.argmax() == 0  # decoding says (0, 0), and the Gaussian of one miss stands there


def test_the_mask_passes_no_gradient():
    maps = maps_with_peaks([(8, 10)]).requires_grad_()
    assert not compute_confidence_mask(maps, maps.detach(), torch.ones(1, 1)).requires_grad


def test_cals_loss_is_its_formula():
    torch.manual_seed(0)
    heatmaps, offsets = torch.rand(2, 3, 5, 4), torch.rand(2, 6, 5, 4)
    true_heatmaps, true_offsets = torch.rand(2, 3, 5, 4), torch.rand(2, 6, 5, 4)
    mask, weights = torch.rand(2, 3, 5, 4), torch.tensor([[1.0, 0, 1], [1, 1, 0]])
    targets = true_heatmaps, true_offsets, mask, weights
    on_maps, on_offsets = heatmap_and_offset_loss((heatmaps, offsets), targets, mask)
    maps_by_hand, offsets_by_hand = 0.0, 0.0
    for k in range(3):
        w = weights[:, k, None, None]
        maps_by_hand += 0.5 * (heatmaps[:, k] * w - true_heatmaps[:, k] * w).square().mean()
        both = slice(2 * k, 2 * k + 2)
        m = (mask[:, k] * w)[:, None]
        offsets_by_hand += (offsets[:, both] * m - true_offsets[:, both] * m).abs().mean()
    assert on_maps == pytest.approx(float(maps_by_hand / 3), rel=1e-5)
    assert on_offsets == pytest.approx(float(offsets_by_hand / 3), rel=1e-5)
