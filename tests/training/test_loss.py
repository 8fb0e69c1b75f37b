"""The loss as a module, and its micro-batches."""

import pytest
import torch

from smallpose.methods import METHODS, create_method
from smallpose.training.loss import LossModule, split_batch

TINY = "simple_baseline_r18_tiny"


@pytest.mark.parametrize(
    "name", [n for n in METHODS if "tiny" in n and "w8" not in n and "rtmo" not in n]
)
def test_top_down_networks_leave_no_weight_without_a_gradient(name):
    """DDP waits for all gradients, and looks for unused weights in full-image methods only."""
    method = create_method(name)
    w, h = method.input_wh
    people = torch.rand(2, 17, 3) * 50
    people[..., 2] = 0  # even if no joint is labelled
    LossModule(method.train(), False)(torch.zeros(2, h, w, 3, dtype=torch.uint8), people).backward()
    assert not [n for n, p in method.named_parameters() if p.grad is None]


def test_the_gradients_of_micro_batches_add_up_to_that_of_the_step():
    """In eval mode, since batch norm statistics are those of each micro-batch."""
    for name in (TINY, "simcc_r18_tiny"):
        torch.manual_seed(0)
        method = create_method(name).eval()
        w, h = method.input_wh
        crops = torch.randint(0, 255, (5, h, w, 3), dtype=torch.uint8)
        people = torch.rand(5, 17, 3) * 60
        people[..., 2] = 2
        gradients = []
        for micro_batch in (0, 2):
            method.zero_grad()
            for part, part_people, share in split_batch(crops, people, micro_batch):
                weight = 1.0 if method.sums_loss else share
                (LossModule(method, False)(part, part_people) * weight).backward()
            gradients.append([p.grad.clone() for p in method.parameters()])
        for full, parts in zip(*gradients, strict=True):
            torch.testing.assert_close(parts, full, rtol=1e-3, atol=1e-6)


def test_micro_batches_of_full_images_have_their_people(eight):
    from smallpose.dataloading.full_image.batch_people import BatchPeople

    n = torch.tensor([0, 0, 2, 3, 3, 3])
    rows = torch.arange(6.0)
    people = BatchPeople(n, rows[:, None, None], rows[:, None, None], rows, torch.zeros(4, 2, 2))
    parts = list(split_batch(torch.arange(4), people, 3))
    assert [p.tolist() for p, _, _ in parts] == [[0, 1], [2, 3]]
    assert [p.image_index.tolist() for _, p, _ in parts] == [[0, 0], [0, 1, 1, 1]]
    assert [p.area.tolist() for _, p, _ in parts] == [[0, 1], [2, 3, 4, 5]]
    assert [share for _, _, share in parts] == [0.5, 0.5]
