"""One person in several views remains once, and neighbours remain, at random places and sizes."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from smallpose.core.skeleton import COCO17  # noqa: E402
from smallpose.inference.view_merging import View, merge_views  # noqa: E402
from smallpose.methods.full_image import Detections  # noqa: E402
from smallpose.models.codecs import view_suppression  # noqa: E402

IMAGE_WH = (1280, 720)
VIEWS = [View(np.array([x, y, 700, 420]), 1.0, 140) for y in (0, 300) for x in (0, 580)] + [
    View(np.array([0, 0, *IMAGE_WH]), 2.5)
]
NUM_IMAGES = 60


# A standing person in a box of height 1 from the head to the feet: COCO's 17 joints.
STANDING = np.array(
    [
        *([0.22, 0.05], [0.25, 0.03], [0.19, 0.03], [0.28, 0.05], [0.16, 0.05]),
        *([0.33, 0.2], [0.11, 0.2], [0.39, 0.36], [0.05, 0.36], [0.42, 0.5], [0.02, 0.5]),
        *([0.29, 0.52], [0.15, 0.52], [0.3, 0.75], [0.14, 0.75], [0.31, 0.97], [0.13, 0.97]),
    ]
)


def draw_pose(rng, height):
    """Return the joints of a standing person of that height at the origin, px."""
    limbs = rng.normal(0, 0.04, (17, 2)) * np.linspace(0.3, 1.5, 17)[:, None]
    shape = STANDING + limbs
    return (shape - shape.min(axis=0)) * height


def detect(rng, poses, joint_error, miss_rate=0.0):
    """Return what each view detects: the people complete in it, each joint off by an own error.

    Args:
        joint_error: standard deviation of a joint's error, share of the person's height.
    """
    parts, numbers = [], []
    for view in VIEWS:
        x, y, w, h = view.window.tolist()
        keypoints, corners, found = [], [], []
        for number, pose in enumerate(poses):
            low, high = pose.min(axis=0), pose.max(axis=0)
            is_complete = (low > [x, y]).all() and (high < [x + w, y + h]).all()
            if not is_complete or rng.random() < miss_rate:
                continue
            height = np.ptp(pose[:, 1])
            noise = rng.normal(0, joint_error * height, (17, 2)) + rng.normal(0, view.network_px, 2)
            box = np.concatenate([low, high]) + rng.normal(0, 0.02 * height, 4)
            keypoints.append(pose + noise)
            corners.append(box)
            found.append(number)
        numbers += found
        n = len(found)
        parts.append(
            Detections(
                keypoints=torch.from_numpy(np.reshape(keypoints, (n, 17, 2)).astype(np.float64)),
                keypoint_scores=torch.ones((n, 17), dtype=torch.float64),
                scores=torch.from_numpy(rng.uniform(0.1, 0.9, n)),
                boxes_xyxy=torch.from_numpy(np.reshape(corners, (n, 4)).astype(np.float64)),
            )
        )
    return parts, numbers


def merge(parts, numbers):
    """Merge the views; return the number of the person of each detection that is kept."""
    merged = merge_views(parts, VIEWS, COCO17.sigmas)
    every = torch.cat([part.keypoints for part in parts]).numpy()
    return [
        numbers[int(np.flatnonzero((every == one).all(axis=(1, 2)))[0])]
        for one in merged.keypoints.numpy()
    ]


def count_lost(parts, numbers, lost, monkeypatch):
    """Count the people of whom nothing is kept, now and by the OKS alone."""
    lost["now"] += len(set(numbers) - set(merge(parts, numbers)))
    with monkeypatch.context() as patch:
        patch.setattr(view_suppression, "SAME_BOX_IOU", 2.0)
        lost["by OKS alone"] += len(set(numbers) - set(merge(parts, numbers)))


def place_apart(rng):
    """Return people in cells of their own, 20 to 130 px tall."""
    cells = [(x, y) for x in range(20, 1200, 160) for y in range(20, 560, 160)]
    chosen = rng.permutation(len(cells))[:8]
    heights = np.exp(rng.uniform(np.log(20), np.log(130), 8))
    return [
        draw_pose(rng, height) + np.array(cells[cell]) + rng.uniform(0, 10, 2)
        for cell, height in zip(chosen, heights, strict=True)
    ]


@pytest.mark.parametrize("joint_error", [0.01, 0.04, 0.06])
def test_each_person_remains_once_however_a_method_places_the_joints(joint_error, monkeypatch):
    rng = np.random.default_rng(0)
    num_kept = num_people = num_kept_by_oks = 0
    for _ in range(NUM_IMAGES):
        parts, numbers = detect(rng, place_apart(rng), joint_error, miss_rate=0.1)
        kept = merge(parts, numbers)
        assert set(kept) == set(numbers)
        num_kept += len(kept)
        num_people += len(set(numbers))
        with monkeypatch.context() as patch:
            patch.setattr(view_suppression, "SAME_BOX_IOU", 2.0)
            num_kept_by_oks += len(merge(parts, numbers))
    assert num_kept <= 1.03 * num_people
    if joint_error == 0.06:  # as MoveNet's; the OKS alone leaves duplicates
        assert num_kept_by_oks > 1.3 * num_people


@pytest.mark.parametrize("overlap", [0.5, 0.75, 0.85])
def test_neighbours_that_the_views_show_side_by_side_are_kept_as_by_oks_alone(overlap, monkeypatch):
    """Two people whose boxes share that much of their width; at .85 their OKS reaches .7."""
    rng = np.random.default_rng(1)
    lost = {"now": 0, "by OKS alone": 0}
    for _ in range(2 * NUM_IMAGES):
        height = np.exp(rng.uniform(np.log(24), np.log(130)))
        corner = rng.uniform([10, 10], [1000, 560])
        shift = np.array([(1 - overlap) * 0.4 * height, rng.uniform(0, 0.05) * height])
        poses = [draw_pose(rng, height) + corner, draw_pose(rng, height) + corner + shift]
        count_lost(*detect(rng, poses, joint_error=0.02), lost, monkeypatch)
    assert lost["now"] <= lost["by OKS alone"]


def test_what_is_kept_of_neighbours_does_not_fall_where_views_miss_one(monkeypatch):
    rng = np.random.default_rng(2)
    lost = {"now": 0, "by OKS alone": 0}
    num_people = 0
    for _ in range(4 * NUM_IMAGES):
        height = np.exp(rng.uniform(np.log(24), np.log(130)))
        corner = rng.uniform([10, 10], [1000, 560])
        shift = rng.uniform(0.05, 0.6, 2) * [0.4 * height, 0.3 * height]
        poses = [draw_pose(rng, height) + corner, draw_pose(rng, height) + corner + shift]
        parts, numbers = detect(rng, poses, joint_error=0.03, miss_rate=0.25)
        num_people += len(set(numbers))
        count_lost(parts, numbers, lost, monkeypatch)
    assert lost["now"] - lost["by OKS alone"] <= 0.005 * num_people


def test_two_detections_in_one_view_are_two_people():
    rng = np.random.default_rng(3)
    poses = [draw_pose(rng, 100) + 50] * 2
    parts, numbers = detect(rng, poses, joint_error=0.08)
    assert sorted(set(merge(parts, numbers))) == [0, 1]
    box = parts[0].boxes_xyxy.numpy()
    assert len(box) == 2
