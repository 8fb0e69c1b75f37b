"""Two detections are one person by their OKS, or in one box of two views; else both are kept."""

import numpy as np

from smallpose.core.skeleton import COCO17
from smallpose.models.codecs.view_suppression import (
    OKS_IN_SAME_BOX,
    ViewDetections,
    suppress_people_of_other_views,
)

THRESHOLD = 0.5
BOX = [0.0, 0.0, 40.0, 100.0]
POSE = np.random.default_rng(0).uniform([0, 0], [40, 100], (17, 2))


def make_candidates(points, view_rows, corners=BOX, location_error=0.0):
    n = len(points)
    return ViewDetections(
        points=np.array(points),
        corners=np.broadcast_to(np.array(corners), (n, 4)),
        view_rows=np.array(view_rows),
        location_error=np.full(n, location_error),
        sigmas=COCO17.sigmas,
    )


def keep(candidates):
    order = np.arange(len(candidates.points))
    return suppress_people_of_other_views(candidates, order, THRESHOLD).tolist()


def move_to_oks(oks):
    """Return the pose moved to the right until its OKS with the pose is that."""
    shifts = np.linspace(0, 40, 2001)
    moved = POSE + np.stack([shifts, np.zeros_like(shifts)], axis=1)[:, None]
    candidates = make_candidates([POSE, *moved], [0] * (len(shifts) + 1))
    values = candidates.compute_oks(0, np.arange(1, len(shifts) + 1))
    return moved[int(np.abs(values - oks).argmin())]


def test_unlike_poses_in_one_box_are_two_people():
    alike = move_to_oks(OKS_IN_SAME_BOX + 0.05)
    assert keep(make_candidates([POSE, alike], [0, 1])) == [0]
    unlike = move_to_oks(OKS_IN_SAME_BOX - 0.05)
    assert keep(make_candidates([POSE, unlike], [0, 1])) == [0, 1]


def test_a_view_that_shows_the_person_by_oks_has_no_second_one_of_the_same_box():
    same, other = move_to_oks(0.7), move_to_oks(0.4)
    half = [0.0, 0.0, 40.0, 50.0]  # the box of the first, so that by box it would be the second
    corners = [BOX, half, BOX]
    assert keep(make_candidates([POSE, same, other], [0, 1, 1], corners)) == [0, 2]
    assert keep(make_candidates([POSE, other], [0, 1])) == [0], "alone it is the person"


def test_location_error_counts_between_views_and_not_in_one():
    moved = move_to_oks(0.2)
    far = [[0.0, 0.0, 40.0, 100.0], [200.0, 0.0, 240.0, 100.0]]
    assert keep(make_candidates([POSE, moved], [0, 1], far, location_error=30)) == [0]
    assert keep(make_candidates([POSE, moved], [0, 0], far, location_error=30)) == [0, 1]
