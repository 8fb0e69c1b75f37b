"""The optimizers of a training compute what their classes do, and load no compiler."""

import sys
from pathlib import Path

import pytest
import torch

from smallpose.core.skeleton import COCO17
from smallpose.methods import create_method
from smallpose.methods.base import Recipe
from smallpose.training import schedule
from smallpose.training.run import TrainingConfig, train

TINY = "simple_baseline_r18_tiny"


def take_steps(recipe: Recipe) -> tuple[torch.optim.Optimizer, list[torch.Tensor]]:
    """Return the optimizer after four steps, half of them from its stored state, and weights."""
    torch.manual_seed(0)
    method = create_method(TINY, COCO17)
    optimizer = schedule.create_optimizer(method, recipe)
    for step in range(4):
        if step == 2:
            state = optimizer.state_dict()
            optimizer = schedule.create_optimizer(method, recipe)
            optimizer.load_state_dict(state)
        optimizer.zero_grad(set_to_none=True)
        weights = list(method.parameters())
        for weight in weights:
            weight.grad = torch.randn_like(weight)
        optimizer.step()
    return optimizer, weights


@pytest.mark.parametrize("name", schedule.OPTIMIZERS)
def test_weights_and_state_are_those_of_the_class_bit_by_bit(name, monkeypatch):
    recipe = Recipe(optimizer=name, weight_decay=0.1, clip_norm=1.0)
    optimizer, weights = take_steps(recipe)
    assert all(weight.requires_grad for weight in weights)
    monkeypatch.setattr(schedule, "_leave_out_compiler", schedule.OPTIMIZERS.__getitem__)
    expected, expected_weights = take_steps(recipe)
    assert type(expected) is schedule.OPTIMIZERS[name]
    assert isinstance(optimizer, type(expected)) and type(optimizer) is not type(expected)
    assert all(map(torch.equal, weights, expected_weights))
    state = optimizer.state_dict()
    expected_state = expected.state_dict()
    assert state["param_groups"] == expected_state["param_groups"]
    for index, of_weight in expected_state["state"].items():
        for key, value in of_weight.items():
            assert torch.equal(state["state"][index][key], value)


def test_a_training_loads_no_compiler(eight: Path, tmp_path: Path, monkeypatch):
    """Its import took 1.7 s, as long as PyTorch's; None among the modules forbids it."""
    optimizer = schedule.create_optimizer(create_method(TINY, COCO17), Recipe())
    for name in ("add_param_group", "zero_grad", "state_dict", "load_state_dict"):
        assert not hasattr(getattr(optimizer, name), "__wrapped__"), name
    monkeypatch.setitem(sys.modules, "torch._dynamo", None)
    overrides = (("steps", "2"), ("batch_size", "4"))
    result = train(TrainingConfig(method=TINY, data=eight, out=tmp_path, overrides=overrides))
    assert result["steps"] == 2
