"""Bodies: lengths, mirror, floor."""

import numpy as np
import pytest

from smallpose.core.skeleton import SMALLPOSE
from smallpose.synthetic.people import body
from smallpose.synthetic.people.body import JOINT, draw_build, pose_bodies
from smallpose.synthetic.people.pose_modes import MODES, USUAL
from smallpose.synthetic.people.poses import ANGLES, draw_modes, draw_motions, mirror_angles


def people(seed, n=200):
    rng = np.random.default_rng(seed)
    motions = draw_motions(draw_modes(n, USUAL, rng), rng)
    return motions.at(0.0), draw_build(n, 0.2, rng)


def adult():
    one = np.ones(1)
    return body.Build(1.75 * one, one, one, one, one)


def distance(joints, a, b):
    return np.linalg.norm(joints[:, JOINT[a]] - joints[:, JOINT[b]], axis=1)


def test_an_adult_standing_straight_is_one_body_height_tall():
    joints = pose_bodies(np.zeros((1, len(ANGLES))), adult()).joints[0]
    assert joints[JOINT["head_top"], 1] == pytest.approx(1.0, abs=0.02)
    assert joints[JOINT["left_ankle"], 1] == pytest.approx(0.045, abs=1e-9)


def test_chest_and_pelvis_are_the_middles_of_shoulders_and_hips():
    bodies = pose_bodies(*people(0))
    for middle, pair in (("chest", "shoulder"), ("pelvis", "hip")):
        sides = bodies.joints[:, [JOINT[f"left_{pair}"], JOINT[f"right_{pair}"]]]
        assert np.allclose(bodies.joints[:, JOINT[middle]], sides.mean(axis=1))


@pytest.mark.parametrize("side", ["left", "right"])
def test_limbs_keep_their_lengths_in_every_pose(side):
    angles, build = people(1)
    joints = pose_bodies(angles, build).joints
    for a, b, length in (
        ("shoulder", "elbow", body.UPPER_ARM),
        ("elbow", "wrist", body.FOREARM),
        ("hip", "knee", body.THIGH),
        ("knee", "ankle", body.SHIN),
    ):
        assert np.allclose(distance(joints, f"{side}_{a}", f"{side}_{b}"), length * build.limbs)


def test_mirrored_angles_make_the_mirror_image():
    angles, build = people(2)
    here, there = pose_bodies(angles, build), pose_bodies(mirror_angles(angles), build)
    mirrored = here.joints[:, SMALLPOSE.flip_indices] * [-1, 1, 1]
    assert np.allclose(there.joints, mirrored)
    assert np.allclose(mirror_angles(mirror_angles(angles)), angles)


def test_no_person_sinks_into_the_floor_or_hovers():
    bodies = pose_bodies(*people(3))
    lowest = np.minimum(bodies.joints[:, :, 1].min(axis=1), bodies.toes[:, :, 1].min(axis=1))
    assert (lowest > -1e-9).all()
    assert (lowest < 0.12).all()


def test_every_mode_can_be_drawn_and_stays_inside_the_limits_of_joints():
    rng = np.random.default_rng(4)
    motions = draw_motions(tuple(MODES), rng)
    knee = [ANGLES.index("l_knee"), ANGLES.index("r_knee")]
    for time_s in (0.0, 0.3, 1.7):
        angles = motions.at(time_s)
        assert np.isfinite(pose_bodies(angles, draw_build(len(MODES), 0.0, rng)).joints).all()
        assert (angles[:, knee] >= 0).all()


def test_a_walk_moves_arms_against_legs():
    rng = np.random.default_rng(5)
    motions = draw_motions(("walk",) * 50, rng)
    swing = motions.at(0.0) - motions.base
    arm, leg = swing[:, ANGLES.index("l_arm_flex")], swing[:, ANGLES.index("l_hip_flex")]
    assert np.corrcoef(arm, leg)[0, 1] < -0.9


def test_zero_people_are_no_error():
    rng = np.random.default_rng(6)
    assert len(pose_bodies(draw_motions((), rng).at(0.0), draw_build(0, 0.1, rng))) == 0
