"""SimOTA: assignment of people to grid cells, and its OKS."""

import numpy as np
import torch

from smallpose.models.codecs.offsets import GridPoints, make_grid_points
from smallpose.models.codecs.sim_ota import (
    CellPredictions,
    ImageTruth,
    assign_cells,
    compute_oks,
)


def make_two_people() -> tuple[CellPredictions, ImageTruth, GridPoints]:
    """Make an image of 8 × 8 cells with two people, and predictions close to them."""
    points = make_grid_points([(8, 8)], (16,), torch.zeros(1))
    boxes = torch.tensor([[10.0, 10.0, 60.0, 60.0], [70.0, 70.0, 120.0, 120.0]])
    joints = torch.stack([boxes[:, :2] + 20, boxes[:, 2:] - 10], dim=1)
    truth = ImageTruth(
        boxes=boxes,
        keypoints=torch.cat([joints, torch.ones(2, 2, 1)], dim=2),
        area=torch.tensor([900.0, 900.0]),
    )
    nearest = (points.xy[:, None] - (boxes[None, :, :2] + 25)).norm(dim=-1).argmin(dim=1)
    # 4 px off, so that a person gets six cells and not ten, which is more than are in the box.
    predictions = CellPredictions(
        scores=torch.full((64,), 0.5), boxes=boxes[nearest], keypoints=joints[nearest] + 4
    )
    return predictions, truth, points


def test_cells_are_assigned_to_the_person_they_lie_in_and_to_one_person_only():
    predictions, truth, points = make_two_people()
    sigmas = torch.tensor([0.1, 0.1])
    assignment = assign_cells(predictions, truth, points, sigmas, use_keypoint_center=True)
    cells, people = assignment.cells.tolist(), assignment.people.tolist()
    assert len(set(cells)) == len(cells)
    assert set(people) == {0, 1}
    for cell, person in zip(cells, people, strict=True):
        assert (points.xy[cell] > truth.boxes[person, :2]).all()
        assert (points.xy[cell] < truth.boxes[person, 2:]).all()
    expected = np.exp(-32 / 900 / 0.2**2 / 2)
    torch.testing.assert_close(
        assignment.oks, torch.full((len(cells),), expected, dtype=torch.float32)
    )
    no_people = ImageTruth(*(column[:0] for column in truth))
    empty = assign_cells(predictions, no_people, points, sigmas, use_keypoint_center=True)
    assert [len(column) for column in empty] == [0, 0, 0]


def test_oks_is_one_for_equal_poses_and_counts_labelled_joints_only():
    truth = torch.tensor([[[0.0, 0.0], [5.0, 5.0]]])
    far = truth + torch.tensor([[[0.0, 0.0], [1e6, 0.0]]])
    sigmas, area = torch.tensor([0.1, 0.1]), torch.tensor([100.0])
    assert float(compute_oks(far, truth, torch.tensor([[1.0, 0.0]]), area, sigmas)) == 1
    assert float(compute_oks(far, truth, torch.tensor([[1.0, 1.0]]), area, sigmas)) == 0.5
    assert float(compute_oks(far, truth, torch.zeros(1, 2), area, sigmas)) == 0
