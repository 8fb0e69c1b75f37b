"""Muon: which weights it updates, the length of its steps, and its state."""

import pytest
import torch

from smallpose.core.skeleton import COCO17
from smallpose.methods import create_method
from smallpose.methods.base import PoseMethod, Recipe
from smallpose.training.muon import RATE_SHARE, find_matrices, orthogonalize
from smallpose.training.schedule import create_optimizer

TINY = "expected_oks_tiny"
MUON = Recipe(optimizer="muon", learning_rate=1e-3, weight_decay=0.1)


def take_steps(method: PoseMethod, optimizer: torch.optim.Optimizer, first: int, end: int) -> None:
    """Take steps along gradients that follow from the number of the step."""
    for step in range(first, end):
        generator = torch.Generator().manual_seed(step)
        for weight in method.parameters():
            weight.grad = torch.randn(weight.shape, generator=generator)
        for group in optimizer.param_groups:
            group["lr"] = MUON.learning_rate * group["rate_share"]
        optimizer.step()


@pytest.mark.parametrize("shape", [(3, 8, 30), (2, 40, 6), (1, 5, 5)])
def test_matrices_keep_their_directions_and_get_singular_values_near_1(shape):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    result = orthogonalize(matrices)
    values = torch.linalg.svdvals(result)
    assert float(values.min()) > 0.6 and float(values.max()) < 1.3
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    in_their_directions = u.mT @ result @ v.mT
    off_diagonal = in_their_directions - torch.diag_embed(
        torch.diagonal(in_their_directions, 0, 1, 2)
    )
    assert float(off_diagonal.abs().max()) < 1e-4


@pytest.mark.parametrize("name", [TINY, "simple_baseline_r18_tiny", "vitpose_tiny"])
def test_layers_of_joints_norms_and_biases_are_left_to_adamw(name):
    method = create_method(name, COCO17)
    matrices = find_matrices(method)
    weights = dict(method.named_parameters())
    assert matrices <= weights.keys() and all(weights[m].ndim > 1 for m in matrices)
    assert not any(m.startswith(method.keypoint_layers) for m in matrices)
    share = sum(weights[m].numel() for m in matrices) / method.num_parameters
    assert share > 0.9


def test_a_step_of_a_matrix_has_the_length_of_the_rate_in_every_direction():
    method = create_method(TINY, COCO17)
    before = {name: weight.detach().clone() for name, weight in method.named_parameters()}
    take_steps(method, create_optimizer(method, MUON), 0, 1)
    for name in find_matrices(method):
        change = (method.get_parameter(name).detach() - before[name]).flatten(1)
        rows, columns = change.shape
        rate = MUON.learning_rate * RATE_SHARE * max(1, rows / columns) ** 0.5
        values = torch.linalg.svdvals(change) / rate
        assert float(values.min()) > 0.6 and float(values.max()) < 1.3, name


def test_the_other_weights_take_the_steps_of_adamw():
    torch.manual_seed(0)
    methods = [create_method(TINY, COCO17) for _ in range(2)]
    methods[1].load_state_dict(methods[0].state_dict())
    adamw = Recipe(optimizer="adamw", learning_rate=1e-3, weight_decay=0.1)
    for method, recipe in zip(methods, (MUON, adamw), strict=True):
        take_steps(method, create_optimizer(method, recipe), 0, 3)
    matrices = find_matrices(methods[0])
    for name, weight in methods[0].named_parameters():
        is_equal = torch.equal(weight, methods[1].get_parameter(name))
        assert is_equal == (name not in matrices), name


def test_a_training_continues_from_its_state():
    torch.manual_seed(0)
    whole, halves = (create_method(TINY, COCO17) for _ in range(2))
    halves.load_state_dict(whole.state_dict())
    take_steps(whole, create_optimizer(whole, MUON), 0, 4)
    optimizer = create_optimizer(halves, MUON)
    take_steps(halves, optimizer, 0, 2)
    again = create_optimizer(halves, MUON)
    again.load_state_dict(optimizer.state_dict())
    take_steps(halves, again, 2, 4)
    assert all(map(torch.equal, whole.parameters(), halves.parameters()))
