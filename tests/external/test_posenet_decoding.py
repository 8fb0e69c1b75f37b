"""PoseNet's maps become people: joints along the tree, one person for all their peaks."""

import numpy as np
import pytest

from smallpose.core.skeleton import COCO17
from smallpose.external.posenet_decoding import (
    EDGES,
    NMS_RADIUS,
    STRIDE,
    PoseMaps,
    decode_poses,
)

H, W = 20, 30


def make_maps(people, scores, rng):
    """Make maps as a perfect network would for (n, 17, 2) people: right near every joint."""
    maps = PoseMaps(
        scores=rng.uniform(0, 0.01, (H, W, 17)).astype(np.float32),
        offsets=rng.normal(0, 50, (H, W, 17, 2)).astype(np.float32),
        forward=rng.normal(0, 50, (H, W, 16, 2)).astype(np.float32),
        backward=rng.normal(0, 50, (H, W, 16, 2)).astype(np.float32),
    )
    for joints, score in zip(people, scores, strict=True):
        for joint, point in enumerate(joints):
            x, y = np.rint(point / STRIDE).astype(int)
            for row in range(max(y - 1, 0), min(y + 2, H)):
                for column in range(max(x - 1, 0), min(x + 2, W)):
                    cell = np.array([column, row]) * STRIDE
                    is_middle = (row, column) == (y, x)
                    maps.scores[row, column, joint] = score if is_middle else score / 2
                    maps.offsets[row, column, joint] = point - cell
                    for edge, (parent, child) in enumerate(EDGES):
                        if joint == parent:
                            maps.forward[row, column, edge] = joints[child] - cell
                        if joint == child:
                            maps.backward[row, column, edge] = joints[parent] - cell
    return maps


def draw_person(rng, left):
    """Draw 17 joints, each in cells of its own."""
    columns = left + 3 * (np.arange(17) % 4)
    rows = 2 + 3 * (np.arange(17) // 4)
    return np.stack([columns, rows], axis=1) * STRIDE + rng.uniform(-6, 6, (17, 2))


@pytest.mark.parametrize("seed", range(4))
def test_people_of_perfect_maps_are_found_once_with_all_joints(seed):
    rng = np.random.default_rng(seed)
    people = np.stack([draw_person(rng, 1), draw_person(rng, 16)])
    poses = decode_poses(make_maps(people, (0.6, 0.9), rng), threshold=0.3)
    assert poses.scores == pytest.approx([0.9, 0.6])
    # A joint is at its cell's offset from the place to which the displacement leads.
    np.testing.assert_allclose(poses.keypoints, people[::-1], atol=STRIDE * 0.6)
    np.testing.assert_allclose(poses.keypoint_scores, [[0.9] * 17, [0.6] * 17], rtol=1e-6)


def test_joints_are_exactly_where_offsets_lead():
    rng = np.random.default_rng(0)
    person = draw_person(rng, 4)
    poses = decode_poses(make_maps(person[None], (0.8,), rng), threshold=0.3)
    np.testing.assert_allclose(poses.keypoints[0], person, atol=1e-4)


def decode_slowly(maps, threshold):
    """Decode people one by one, as the method is described."""
    peaks = []
    for joint in range(17):
        for y in range(H):
            for x in range(W):
                around = maps.scores[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2, joint]
                score = maps.scores[y, x, joint]
                if score >= threshold and score == around.max():
                    peaks.append((float(score), joint, x, y))
    peaks.sort(reverse=True)
    people = []
    for score, joint, x, y in peaks:
        root = np.array([x, y]) * STRIDE + maps.offsets[y, x, joint]
        if any(np.linalg.norm(pose[joint] - root) <= NMS_RADIUS for pose, _, _ in people):
            continue
        pose = {joint: root}
        scores = {joint: score}
        while len(pose) < 17:
            for edge, (parent, child) in enumerate(EDGES):
                for source, target, field in (
                    (parent, child, maps.forward),
                    (child, parent, maps.backward),
                ):
                    if source in pose and target not in pose:
                        cx, cy = nearest_cell(pose[source])
                        point = pose[source] + field[cy, cx, edge]
                        for _ in range(2):
                            cx, cy = nearest_cell(point)
                            point = np.array([cx, cy]) * STRIDE + maps.offsets[cy, cx, target]
                        cx, cy = nearest_cell(point)
                        pose[target] = point
                        scores[target] = float(maps.scores[cy, cx, target])
        new = [
            scores[j]
            for j in range(17)
            if all(np.linalg.norm(other[j] - pose[j]) > NMS_RADIUS for other, _, _ in people)
        ]
        people.append((pose, scores, sum(new) / 17))
    people = [person for person in people if person[2] >= threshold]
    return sorted(people, key=lambda person: -person[2])


def nearest_cell(point):
    x, y = np.rint(point / STRIDE).astype(int)
    return min(max(x, 0), W - 1), min(max(y, 0), H - 1)


def test_random_maps_are_decoded_as_described():
    rng = np.random.default_rng(3)
    maps = PoseMaps(
        scores=rng.uniform(0, 1, (H, W, 17)).astype(np.float32) ** 4,
        offsets=rng.normal(0, 8, (H, W, 17, 2)).astype(np.float32),
        forward=rng.normal(0, 40, (H, W, 16, 2)).astype(np.float32),
        backward=rng.normal(0, 40, (H, W, 16, 2)).astype(np.float32),
    )
    poses = decode_poses(maps, threshold=0.2)
    expected = decode_slowly(maps, 0.2)
    assert len(expected) > 5
    assert poses.scores == pytest.approx([score for _, _, score in expected])
    for row, (pose, scores, _) in enumerate(expected):
        for joint in range(17):
            np.testing.assert_allclose(poses.keypoints[row, joint], pose[joint], atol=1e-3)
            assert poses.keypoint_scores[row, joint] == pytest.approx(scores[joint])


def test_maps_are_read_as_all_y_then_all_x():
    outputs = {
        "MobilenetV1/heatmap_2/BiasAdd": np.zeros((1, 2, 3, 17), np.float32),
        "MobilenetV1/offset_2/BiasAdd": np.arange(34, dtype=np.float32) * np.ones((1, 2, 3, 34)),
        "MobilenetV1/displacement_fwd_2/BiasAdd": np.arange(32) * np.ones((1, 2, 3, 32)),
        "MobilenetV1/displacement_bwd_2/BiasAdd": -np.arange(32) * np.ones((1, 2, 3, 32)),
    }
    maps = PoseMaps.from_outputs(outputs)
    assert maps.scores[0, 0, 0] == 0.5
    assert maps.offsets[1, 2, 5].tolist() == [5 + 17, 5]
    assert maps.forward[1, 2, 3].tolist() == [3 + 16, 3]
    assert maps.backward[1, 2, 3].tolist() == [-19, -3]


def test_the_tree_reaches_every_joint():
    assert {child for _, child in EDGES} == set(range(17)) - {COCO17.joints.index("nose")}
