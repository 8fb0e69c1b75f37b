import numpy as np
import pytest

from smallpose.core import skeleton as sk
from smallpose.core.errors import InputError

# The published order and sigmas, typed from the paper and not copied from our code.
JOINTS_21 = """nose, head_top, left_eye, right_eye, left_ear, right_ear, head_bottom, chest,
left_shoulder, right_shoulder, left_elbow, right_elbow, left_wrist, right_wrist, left_hip,
right_hip, pelvis, left_knee, right_knee, left_ankle, right_ankle"""
SIGMAS_21 = (
    ".026 .079 .025 .025 .035 .035 .079 .079 .079 .079 .072 .072 .062 .062 .107 .107 .107 "
    ".087 .087 .089 .089"
)

# Positions of each source's joints among the 21, from 1, as measured on their real files.
TARGETS = {
    "coco17": "1 3 4 5 6 9 10 11 12 13 14 15 16 18 19 20 21",
    "mpii16": "21 19 16 15 18 20 17 8 7 2 14 12 10 9 11 13",
    "aic14": "10 12 14 9 11 13 16 19 21 15 18 20 2 7",
    "hieve14": "1 8 10 12 14 9 11 13 16 19 21 15 18 20",
    "posetrack17": "1 7 2 5 6 9 10 11 12 13 14 15 16 18 19 20 21",
    "crowdpose14": "9 10 11 12 13 14 15 16 18 19 20 21 2 7",
}


def test_the_21_joints_have_the_papers_order_and_sigmas():
    assert list(sk.SMALLPOSE.joints) == JOINTS_21.replace(",", "").split()
    assert sk.SMALLPOSE.sigmas.tolist() == [float(s) for s in SIGMAS_21.split()]


def test_mirror_pairs_are_the_papers():
    pairs = {(3, 4), (5, 6), (9, 10), (11, 12), (13, 14), (15, 16), (18, 19), (20, 21)}
    mirrored = sk.SMALLPOSE.flip_indices + 1
    assert {(i, m) for i, m in enumerate(mirrored.tolist(), 1) if i < m} == pairs
    assert [i for i, m in enumerate(mirrored.tolist(), 1) if i == m] == [1, 2, 7, 8, 17]


def test_the_skeleton_is_a_tree_of_20_edges_that_mirroring_keeps():
    edges = sk.SMALLPOSE.edges
    assert len(edges) == 20
    reached = {0}
    for _ in edges:
        reached |= {b for a, b in edges if a in reached} | {a for a, b in edges if b in reached}
    assert reached == set(range(21))
    mirrored = sk.SMALLPOSE.flip_indices.tolist()
    assert {frozenset((mirrored[a], mirrored[b])) for a, b in edges} == {
        frozenset(e) for e in edges
    }


@pytest.mark.parametrize("name", TARGETS)
def test_joints_of_each_source_map_to_the_21_as_in_its_files(name):
    source = sk.SKELETONS[name]
    targets = [int(t) - 1 for t in TARGETS[name].split()]
    points = np.random.default_rng(0).random((2, len(source), 3)) + 1
    mapped = sk.map_joints(points, source, sk.SMALLPOSE)
    assert np.array_equal(mapped[:, targets], points)
    absent = sorted(set(range(21)) - set(targets))
    assert not mapped[:, absent].any()


@pytest.mark.parametrize("name", TARGETS)
def test_mapping_a_source_to_the_21_and_back_changes_nothing(name):
    source = sk.SKELETONS[name]
    points = np.random.default_rng(1).random((3, len(source), 3))
    as_21 = sk.map_joints(points, source, sk.SMALLPOSE)
    assert np.array_equal(sk.map_joints(as_21, sk.SMALLPOSE, source), points)


def test_right_first_orders_do_not_swap_sides():
    """AI Challenger and HiEve list the right side first, COCO the left one."""
    assert sk.AIC14.joints[0] == "right_shoulder"
    assert sk.HIEVE14.joints[2] == "right_shoulder"
    assert sk.COCO17.joints[5] == "left_shoulder"
    for skeleton in sk.SKELETONS.values():
        for i, name in enumerate(skeleton.joints):
            other = skeleton.joints[skeleton.flip_indices[i]]
            swapped = name.replace("left", "L").replace("right", "left").replace("L", "right")
            assert other == swapped


def test_synonyms_of_joint_names_find_the_known_skeleton():
    names = [*sk.CROWDPOSE14.joints[:12], "head", "neck"]
    assert sk.resolve_skeleton(names) == sk.CROWDPOSE14
    with pytest.raises(InputError, match=r"joint 'tail'; give .* sigmas TRUTH\.json --out"):
        _ = sk.resolve_skeleton(["nose", "tail"]).sigmas


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("nose", "left_hip", "right_hip"), [0, 2, 1]),
        (("hip_left", "nose", "hip_right"), [2, 1, 0]),
        (("l_hip", "r_hip", "tail"), [1, 0, 2]),
        (("hip_L", "hip_R", "tail"), [1, 0, 2]),
        (("lower_leg", "rower_leg", "bill"), [0, 1, 2]),
        (("l_hip", "tail", "nose"), [0, 1, 2]),
        (("LShoulder", "Nose", "RShoulder"), [2, 1, 0]),
        (("LEye", "REye", "Neck"), [1, 0, 2]),
        (("lsho", "rsho", "neck"), [1, 0, 2]),
        (("hipL", "hipR", "ring"), [1, 0, 2]),
        (("shoulder.R", "tail", "shoulder.L"), [2, 1, 0]),
        (("Left Foot", "right foot", "head"), [1, 0, 2]),
        (("KneeRight", "KneeLeft", "lip"), [1, 0, 2]),
        (("leftear", "rightear", "nose"), [1, 0, 2]),
        (("LBigToe", "RBigToe", "spine"), [1, 0, 2]),
        (("L_F_Paw", "R_F_Paw", "L_B_Paw"), [1, 0, 2]),
        (("rank", "lank", "head"), [1, 0, 2]),
    ],
)
def test_left_and_right_are_recognized_anywhere_in_a_joint_name(names, expected):
    assert sk.Skeleton("own", names, custom_sigmas=(0.1,) * 3).flip_indices.tolist() == expected


def make(*names, **options):
    return sk.Skeleton("own", names, custom_sigmas=(0.1,) * len(names), **options)


def test_pairs_that_are_given_win_over_names():
    given = make("left_hip", "right_hip", "tail", custom_pairs=((0, 2),))
    assert given.flip_indices.tolist() == [2, 1, 0]
    assert given.flip_problem is None
    assert make("1", "2", custom_pairs=()).flip_problem is None


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("1", "2", "3"), "no left and right joints are recognized in own"),
        (("nose", "tail"), "no left and right joints are recognized in own"),
        (("left_hip", "right_hip", "left_knee"), "the mirrored joint of 'left_knee' is not known"),
        (
            ("left_eye", "right_eye", *(f"face-{i}" for i in range(68))),
            "the mirrored joint of 'face-0' is not known",
        ),
    ],
)
def test_a_skeleton_whose_sides_are_unknown_cannot_be_flipped(names, message):
    assert make(*names).flip_problem == message


def test_known_skeletons_and_numbers_on_the_midline_can_be_flipped():
    for skeleton in sk.SKELETONS.values():
        assert skeleton.flip_problem is None
    assert make("LHip", "RHip", "spine1", "spine2", "spine3").flip_problem is None


def test_joints_of_the_21_are_recognized_in_any_spelling_and_others_keep_theirs():
    names = ("Nose", "LShoulder", "right shoulder", "knee.R", "lank", "Neck", "Tail", "center hip")
    skeleton = sk.resolve_skeleton(names)
    assert skeleton.joints == (
        *("nose", "left_shoulder", "right_shoulder", "right_knee", "left_ankle", "head_bottom"),
        *("Tail", "center hip"),
    )
    assert skeleton.spelled_joints == names
    spaced = [name.replace("_", " ").title() for name in sk.COCO17.joints]
    assert sk.resolve_skeleton(spaced) == sk.COCO17


def test_two_names_of_one_joint_are_both_kept_as_they_are():
    assert sk.resolve_skeleton(("neck", "upper_neck", "Nose")).joints == (
        *("neck", "upper_neck", "nose"),
    )
    assert sk.resolve_skeleton(("chest", "thorax")).joints == ("chest", "thorax")


def test_joints_of_two_skeletons_are_matched_in_any_spelling_and_none_is_used_twice():
    own = sk.resolve_skeleton(("LHip", "RHip", "Tail", "fin_L"))
    other = sk.resolve_skeleton(("right_hip", "tail", "L fin", "left_hip", "wing"))
    assert sk.find_joint_indices(own, other) == [1, 2, 3, 0, None]
    assert sk.find_joint_indices(make("hip_left"), make("left_hip", "l_hip")) == [None, None]


def test_joints_of_many_people_are_mapped_one_by_one():
    points = np.random.default_rng(0).random((2 * sk._ROWS_PER_BLOCK + 3, 17, 3))
    expected = np.zeros((len(points), 21, 3))
    for index, name in enumerate(sk.SMALLPOSE.joints):
        if name in sk.COCO17.joints:
            expected[:, index] = points[:, sk.COCO17.joints.index(name)]
    out = np.full((len(points), 21, 3), np.nan)
    assert sk.map_joints(points, sk.COCO17, sk.SMALLPOSE, out) is out
    assert np.array_equal(out, expected)
    assert np.array_equal(sk.map_joints(points, sk.COCO17, sk.SMALLPOSE), expected)
    assert sk.map_joints(points[:0], sk.COCO17, sk.SMALLPOSE).shape == (0, 21, 3)
