"""RLE's head, loss and normalising flow."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from smallpose.models.heads.rle import RealNVP, RLEHead, RLELoss


def make_random_flow() -> RealNVP:
    """Make a flow whose networks are not close to zero."""
    torch.manual_seed(0)
    flow = RealNVP()
    for layer in flow.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.12)
    return flow


def test_a_flow_is_a_density_that_integrates_to_one():
    steps = torch.linspace(-12, 12, 121)
    points = torch.cartesian_prod(steps, steps)
    with torch.no_grad():
        mass = make_random_flow().log_prob(points).exp().sum() * 0.2**2
    assert mass.item() == pytest.approx(1, abs=0.01)


@torch.no_grad()
def test_the_loss_is_the_formula_of_the_paper_one_number_at_a_time():
    torch.manual_seed(1)
    module = RLELoss()
    module.flow_model = make_random_flow()
    points, logits, target = torch.rand(3, 4, 2), torch.randn(3, 4, 2), torch.rand(3, 4, 2)
    weight = torch.tensor([[1.0, 0, 1, 1]] * 3)
    total = 0.0
    for b, k in np.argwhere(weight.numpy()):
        s = torch.sigmoid(logits[b, k])
        error = (points[b, k] - target[b, k]) / s
        log_f = module.flow_model.log_prob(error[None])[0]
        total += sum((s[i].log() - log_f) + (2 * s[i]).log() + error[i].abs() for i in (0, 1))
    loss = module(points, logits, target, weight)
    assert loss.item() == pytest.approx(float(total / 3), rel=1e-5)


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e30])
def test_targets_without_weight_change_neither_loss_nor_gradient(bad):
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
def test_extreme_sigmas_leave_the_loss_finite(logit):
    module = RLELoss()
    points = torch.full((1, 2, 2), 0.9, requires_grad=True)
    logits = torch.full((1, 2, 2), logit, requires_grad=True)
    loss = module(points, logits, torch.zeros(1, 2, 2), torch.ones(1, 2))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(points.grad).all()
    assert torch.isfinite(logits.grad).all()


def test_the_loss_of_a_batch_without_weights_is_zero():
    head = RLEHead(8, 5)
    outputs = head(torch.rand(2, 8, 3, 2))
    assert outputs.shape == (2, 5, 4)
    target, weight = torch.full((2, 5, 2), math.nan), torch.zeros(2, 5)
    assert head.loss_module(outputs[..., :2], outputs[..., 2:], target, weight) == 0
