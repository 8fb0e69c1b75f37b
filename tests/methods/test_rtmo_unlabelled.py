"""RTMO's score is not taught where people are not labelled, also in images without any label."""

import pytest
import torch
import torch.nn.functional as F

from smallpose import create_method
from smallpose.dataloading.full_image.batch_people import BatchPeople
from smallpose.models.codecs.offsets import decode_keypoints

SIDE = 192


@pytest.fixture(scope="module")
def method():
    torch.manual_seed(0)
    return create_method("rtmo_tiny", "coco17").train()


def make_people(num_people, region=None):
    """Make the people of one image, and the part (x0, y0, x1, y1) whose people are not labelled."""
    generator = torch.Generator().manual_seed(num_people)
    low = torch.rand(num_people, 2, generator=generator) * 80
    boxes = torch.stack(
        [low, low + torch.tensor([60.0, 0]), low + torch.tensor([0, 60.0]), low + 60], dim=1
    )
    points = low[:, None] + 60 * torch.rand(num_people, 17, 2, generator=generator)
    keypoints = torch.cat([points, torch.ones(num_people, 17, 1)], dim=2)
    mask = torch.ones(1, SIDE // 4, SIDE // 4)
    if region is not None:
        x0, y0, x1, y1 = (side // 4 for side in region)
        mask[:, y0:y1, x0:x1] = 0
    image_index = torch.zeros(num_people, dtype=torch.int64)
    return BatchPeople(image_index, keypoints, boxes, torch.full((num_people,), 2000.0), mask)


def compute_class_loss(method, outputs, people):
    """Return the class loss and its gradient for each cell's score."""
    scores = outputs.cls_scores.detach().clone().requires_grad_(True)
    loss = method.loss(outputs._replace(cls_scores=scores), method.targets(people))["cls"]
    return loss.detach(), torch.autograd.grad(loss, scores)[0][0, :, 0]


def make_outputs(method):
    torch.manual_seed(1)
    with torch.no_grad():
        outputs = method(torch.rand(1, 3, SIDE, SIDE) * 255)
    generator = torch.Generator().manual_seed(2)
    visible = torch.randn(outputs.kpt_vis.shape, generator=generator)
    return outputs._replace(kpt_vis=visible)


@pytest.mark.parametrize("num_people", [0, 2])
def test_cells_whose_person_is_in_an_unlabelled_region_are_not_taught(method, num_people):
    outputs = make_outputs(method)
    region = (64, 32, 160, 128)
    plain, gradient = compute_class_loss(method, outputs, make_people(num_people))
    masked, masked_gradient = compute_class_loss(method, outputs, make_people(num_people, region))
    assert masked < plain
    # The share is read between pixels of the mask in a quarter of the sample's resolution.
    joints = decode_keypoints(outputs.kpt_offsets, outputs.grid_points)[0]
    weight = (outputs.kpt_vis[0].sigmoid() > 0.3).float()[..., None]
    xy = (joints * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1e-8)
    is_inside = ((xy > torch.tensor([70, 38])) & (xy < torch.tensor([154, 122]))).all(dim=1)
    is_outside = ((xy < torch.tensor([58, 26])) | (xy > torch.tensor([166, 134]))).any(dim=1)
    assert is_inside.any() and is_outside.any()
    assert (masked_gradient[is_inside] == 0).all() and (gradient[is_inside] != 0).any()
    torch.testing.assert_close(masked_gradient[is_outside], gradient[is_outside])


def test_the_loss_is_that_of_the_labelled_share_of_each_cell(method):
    """Of a mask in full resolution, read by the same rule, the loss differs by rounding alone."""
    outputs = make_outputs(method)
    region = (40, 40, 152, 168)
    people = make_people(0, region)
    loss, _ = compute_class_loss(method, outputs, people)
    full = torch.zeros(1, 1, SIDE, SIDE)
    full[..., region[1] : region[3], region[0] : region[2]] = 1
    joints = decode_keypoints(outputs.kpt_offsets, outputs.grid_points)[0]
    weight = (outputs.kpt_vis[0].sigmoid() > 0.3).float()[..., None]
    center = (joints * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1e-8)
    grid = (center / (SIDE - 1) * 2 - 1)[None, None]
    share = F.grid_sample(full, grid, align_corners=False)[0, 0, 0]
    logits = outputs.cls_scores[0, :, 0]
    error = F.binary_cross_entropy_with_logits(
        logits.clamp(-10, 10), torch.zeros_like(logits), reduction="none"
    )
    expected = (0.75 * logits.sigmoid().square() * error * (1 - share)).sum()
    assert loss == pytest.approx(float(expected), rel=0.02)


def test_an_image_that_is_all_unlabelled_teaches_no_score(method):
    outputs = make_outputs(method)
    joints = decode_keypoints(outputs.kpt_offsets, outputs.grid_points)[0].mean(dim=1)
    is_within = ((joints > 8) & (joints < SIDE - 8)).all(dim=1)
    _, gradient = compute_class_loss(method, outputs, make_people(0, (0, 0, SIDE, SIDE)))
    assert is_within.any() and (gradient[is_within] == 0).float().mean() > 0.9
