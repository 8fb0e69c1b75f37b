"""The Gaussian patch that all codecs draw."""

import math

import torch

from smallpose.models.codecs.gaussian import draw_gaussians, weigh_by_patch


def test_a_patch_is_the_gaussian_within_its_first_and_last_pixel_and_zero_elsewhere():
    center = torch.tensor([[2.25, 3.5]])
    first, last = torch.tensor([[1.0, 2.0]]), torch.tensor([[4.0, 9.0]])
    (gaussian,) = draw_gaussians(center, 1.5, (first, last), torch.tensor([True]), (6, 5))
    for y in range(5):
        for x in range(6):
            in_patch = 1 <= x <= 4 and y >= 2
            squared = (x - 2.25) ** 2 + (y - 3.5) ** 2
            expected = math.exp(-squared / 4.5) if in_patch else 0.0
            assert math.isclose(gaussian[y, x], expected, rel_tol=1e-5)


def test_keypoints_that_are_not_drawn_leave_their_map_empty_even_if_they_are_nan():
    center = torch.tensor([[2.0, 2.0], [math.nan, 2.0]])
    maps = draw_gaussians(
        center, 1.0, (center - 3, center + 3), torch.tensor([False, True]), (5, 5)
    )
    assert (maps == 0).all()


def test_each_keypoint_can_have_a_sigma_of_its_own():
    center = torch.full((2, 1, 2), 4.0)
    patch = torch.zeros(2, 1, 2), torch.full((2, 1, 2), 8.0)
    is_drawn = torch.ones(2, 1, dtype=torch.bool)
    maps = draw_gaussians(center, torch.tensor([[1.0], [2.0]]), patch, is_drawn, (9, 9))
    torch.testing.assert_close(maps[:, 0, 4, 6], torch.tensor([math.exp(-2), math.exp(-0.5)]))


def test_a_keypoint_keeps_its_weight_while_its_patch_ends_at_most_one_pixel_before_the_map():
    last_x = torch.tensor([0.0, -1.0, -2.0, 9.0, 9.0])
    first_x = torch.tensor([-6.0, -7.0, -8.0, 3.0, 4.0])
    first, last = (torch.stack([x, torch.zeros(5)], dim=-1) for x in (first_x, last_x))
    weights = weigh_by_patch(torch.full((5,), 0.7), (first, last), (4, 4))
    torch.testing.assert_close(weights, torch.tensor([0.7, 0.7, 0.0, 0.7, 0.0]))
