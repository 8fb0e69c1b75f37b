"""Joints, boxes, sizes and density: known answers and invariants."""

import numpy as np
import pytest

from smallpose.core import skeleton as sk
from smallpose.core.boxes import box_iou, clip_boxes, extent, grow, union
from smallpose.core.density import DENSITIES, density_classes, keypoint_density
from smallpose.core.errors import InputError
from smallpose.core.sizes import size_class, size_classes

# The order and sigmas that the contracts print, typed from there and not from our code.
JOINTS_21 = """nose, head_top, left_eye, right_eye, left_ear, right_ear, head_bottom, chest,
left_shoulder, right_shoulder, left_elbow, right_elbow, left_wrist, right_wrist, left_hip,
right_hip, pelvis, left_knee, right_knee, left_ankle, right_ankle"""
SIGMAS_21 = (
    ".026 .079 .025 .025 .035 .035 .079 .079 .079 .079 .072 .072 .062 .062 .107 .107 .107 "
    ".087 .087 .089 .089"
)

# Where each source's joints go among the 21, 1-based, as measured on their real files.
TARGETS = {
    "coco17": "1 3 4 5 6 9 10 11 12 13 14 15 16 18 19 20 21",
    "mpii16": "21 19 16 15 18 20 17 8 7 2 14 12 10 9 11 13",
    "aic14": "10 12 14 9 11 13 16 19 21 15 18 20 2 7",
    "hieve14": "1 8 10 12 14 9 11 13 16 19 21 15 18 20",
    "posetrack17": "1 7 2 5 6 9 10 11 12 13 14 15 16 18 19 20 21",
    "crowdpose14": "9 10 11 12 13 14 15 16 18 19 20 21 2 7",
}


def test_the_21_joints_stand_in_the_papers_order_with_their_sigmas():
    assert list(sk.SMALLPOSE.joints) == JOINTS_21.replace(",", "").split()
    assert sk.SMALLPOSE.sigmas.tolist() == [float(s) for s in SIGMAS_21.split()]


def test_mirror_pairs_are_the_papers():
    pairs = {(3, 4), (5, 6), (9, 10), (11, 12), (13, 14), (15, 16), (18, 19), (20, 21)}
    mirror = sk.SMALLPOSE.mirror + 1
    assert {(i, m) for i, m in enumerate(mirror.tolist(), 1) if i < m} == pairs
    assert [i for i, m in enumerate(mirror.tolist(), 1) if i == m] == [1, 2, 7, 8, 17]


def test_the_skeleton_is_a_tree_of_20_edges_that_mirroring_keeps():
    edges = sk.SMALLPOSE.edges
    assert len(edges) == 20
    reached = {0}
    for _ in edges:
        reached |= {b for a, b in edges if a in reached} | {a for a, b in edges if b in reached}
    assert reached == set(range(21))
    mirror = sk.SMALLPOSE.mirror.tolist()
    assert {frozenset((mirror[a], mirror[b])) for a, b in edges} == {frozenset(e) for e in edges}


@pytest.mark.parametrize("name", TARGETS)
def test_each_source_maps_to_the_21_as_its_files_say(name):
    source = sk.SKELETONS[name]
    targets = [int(t) - 1 for t in TARGETS[name].split()]
    points = np.random.default_rng(0).random((2, len(source), 3)) + 1
    mapped = sk.map_joints(points, source, sk.SMALLPOSE)
    assert np.array_equal(mapped[:, targets], points)
    absent = sorted(set(range(21)) - set(targets))
    assert not mapped[:, absent].any()


@pytest.mark.parametrize("name", TARGETS)
def test_source_to_21_and_back_changes_nothing(name):
    source = sk.SKELETONS[name]
    points = np.random.default_rng(1).random((3, len(source), 3))
    there = sk.map_joints(points, source, sk.SMALLPOSE)
    assert np.array_equal(sk.map_joints(there, sk.SMALLPOSE, source), points)


def test_right_first_orders_do_not_swap_sides():
    """AI Challenger and HiEve list the right side first, COCO the left one."""
    assert sk.AIC14.joints[0] == "right_shoulder"
    assert sk.HIEVE14.joints[2] == "right_shoulder"
    assert sk.COCO17.joints[5] == "left_shoulder"
    for skeleton in sk.SKELETONS.values():
        for i, name in enumerate(skeleton.joints):
            other = skeleton.joints[skeleton.mirror[i]]
            swapped = name.replace("left", "L").replace("right", "left").replace("L", "right")
            assert other == swapped


def test_other_peoples_names_find_the_known_skeleton():
    names = [*sk.CROWDPOSE14.joints[:12], "head", "neck"]
    assert sk.named_skeleton(names) is sk.CROWDPOSE14
    with pytest.raises(InputError, match="no OKS sigma is known for joint 'tail'"):
        _ = sk.named_skeleton(["nose", "tail"]).sigmas


@pytest.mark.parametrize(
    ("area", "name"),
    [(12_287.99, "small"), (12_288, "medium"), (49_151.99, "medium"), (49_152, "large")],
)
def test_size_classes_are_half_open(area, name):
    assert size_class(area) == name


def test_an_area_of_zero_has_no_size():
    assert size_classes([0.0, -3.0, np.nan]).tolist() == [-1, -1, -1]


# S, n, K, KD to five places, class: the reference values of Eq. 3.
VECTORS = [
    (600, 3, 17, 0.86253, "moderate"),
    (1200, 17, 17, 0.95121, "dense"),
    (1200, 14, 17, 0.94078, "moderate"),
    (1229, 17, 17, 0.95003, "dense"),
    (1230, 17, 17, 0.94999, "moderate"),
    (1220, 17, 21, 0.93875, "moderate"),
    (4096, 4, 14, 0.47492, "moderate"),
    (6144, 17, 17, 0.75508, "moderate"),
    (12287, 17, 17, 0.53791, "moderate"),
    (12287, 7, 17, 0.16207, "sparse"),
]


@pytest.mark.parametrize(("area", "n", "k", "density", "name"), VECTORS)
def test_keypoint_density_has_the_reference_values(area, n, k, density, name):
    assert round(float(keypoint_density([area], [n], [k])[0]), 5) == density
    assert DENSITIES[density_classes([area], [n], [k])[0]] == name


def test_density_is_undefined_without_labels_and_refused_without_area():
    assert np.isnan(keypoint_density([100.0], [0], 17)[0])
    assert density_classes([100.0, 20_000.0, 0.0], [0, 17, 17], 17).tolist() == [-1, -1, -1]
    with pytest.raises(InputError, match=r"row 1: area 0\.0"):
        keypoint_density([5.0, 0.0], [1, 1], 17)


def test_a_box_inside_its_image_is_not_touched_by_clipping():
    """x + w - x is not w in floating point; an honest box keeps its last bit."""
    boxes = np.array([[0.1, 0.2, 0.7, 0.3], [-5.0, 2.0, 10.0, 4.0], [90.0, 90.0, 20.0, 20.0]])
    clipped = clip_boxes(boxes, np.full(3, 50.0), np.full(3, 50.0))
    assert np.array_equal(clipped[0], boxes[0])
    assert clipped[1].tolist() == [0.0, 2.0, 5.0, 4.0]
    assert clipped[2, 2:].tolist() == [0.0, 0.0]
    unknown = clip_boxes(boxes, np.zeros(3), np.zeros(3))
    assert np.array_equal(unknown, boxes)


def test_extent_counts_labelled_points_only():
    points = np.array([[[1.0, 2, 2], [5, 9, 1], [100, 100, 0]], [[1, 1, 0]] * 3])
    box = extent(points)
    assert box[0].tolist() == [1, 2, 4, 7]
    assert np.isnan(box[1]).all()


def test_growing_keeps_the_centre_and_union_holds_both():
    box = np.array([[10.0, 20, 40, 60]])
    assert grow(box, 1.3)[0].tolist() == pytest.approx([4.0, 11.0, 52.0, 78.0])
    other = np.array([[0.0, 30, 5, 5]])
    assert union(box, other)[0].tolist() == [0, 20, 50, 60]
    assert union(box, np.full((1, 4), np.nan))[0].tolist() == box[0].tolist()


def test_iou_of_known_boxes():
    a = np.array([[0.0, 0, 10, 10]])
    b = np.array([[0.0, 0, 10, 10], [5, 0, 10, 10], [50, 50, 1, 1], [0, 0, 0, 0]])
    assert box_iou(a, b)[0].tolist() == pytest.approx([1, 1 / 3, 0, 0])


def test_a_skeleton_comes_from_our_form_a_category_or_a_coco_file(tmp_path):
    from smallpose.io.skeleton_json import read_skeleton

    joints = '["nose", "left_fin", "right_fin"]'
    coco = f'{{"keypoints": {joints}, "skeleton": [[1, 2], [1, 3]], "sigmas": [0.1, 0.2, 0.2]}}'
    for text in (
        f'{{"joints": {joints}, "edges": [[0, 1], [0, 2]], "sigmas": [0.1, 0.2, 0.2]}}',
        coco,
        f'{{"images": [], "annotations": [], "categories": [{coco}]}}',
    ):
        (tmp_path / "fish.json").write_text(text)
        fish = read_skeleton(tmp_path / "fish.json")
        assert fish.joints == ("nose", "left_fin", "right_fin")
        assert fish.edges == ((0, 1), (0, 2))
        assert fish.sigmas.tolist() == [0.1, 0.2, 0.2]
        assert fish.mirror.tolist() == [0, 2, 1]
    (tmp_path / "known.json").write_text('{"joints": ["nose", "left_ear", "right_ear"]}')
    assert read_skeleton(tmp_path / "known.json").sigmas.tolist() == [0.026, 0.035, 0.035]
    for text, said in (
        ("{}", "names no joints"),
        ('{"joints": ["nose", "nose"]}', "names a joint twice"),
        ('{"joints": ["nose", "fin"]}', "no OKS sigma is known for joint 'fin'"),
        ('{"joints": ["nose", "fin"], "sigmas": [0.1]}', "1 sigmas for 2 joints"),
        ('{"joints": ["nose", "left_ear"], "edges": [[0, 2]]}', "joins no two of 2 joints"),
    ):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(InputError, match=said):
            read_skeleton(tmp_path / "bad.json")


@pytest.mark.parametrize(
    ("names", "mirror"),
    [
        (("nose", "left_hip", "right_hip"), [0, 2, 1]),
        (("hip_left", "nose", "hip_right"), [2, 1, 0]),
        (("l_hip", "r_hip", "tail"), [1, 0, 2]),
        (("hip_L", "hip_R", "tail"), [1, 0, 2]),
        (("lower_leg", "rower_leg", "bill"), [0, 1, 2]),
        (("l_hip", "tail", "nose"), [0, 1, 2]),
    ],
)
def test_sides_are_words_wherever_they_stand(names, mirror):
    assert sk.Skeleton("own", names, own_sigmas=(0.1,) * 3).mirror.tolist() == mirror
