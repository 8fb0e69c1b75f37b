"""Pictures: joints where limbs meet, visibility with known answers, small people small."""

from dataclasses import replace

import numpy as np
import pytest

from smallpose.synthetic import draw_scene
from smallpose.synthetic.people.body import JOINT, Build
from smallpose.synthetic.people.body_parts import CARRIED, SHOWS
from smallpose.synthetic.people.clothes import LEGS, TOPS, draw_outfits
from smallpose.synthetic.people.poses import ANGLES, Motions
from smallpose.synthetic.rendering.backgrounds import HORIZON, PLATE_WH, paint_background
from smallpose.synthetic.rendering.image_style import PLACES
from smallpose.synthetic.scenes import render
from smallpose.synthetic.scenes.layout import PROFILES, Occluder, plan_scene

FACE = [JOINT[j] for j in ("nose", "left_eye", "right_eye")]
PLAIN = "hall"


@pytest.fixture(autouse=True)
def one_grey_plate(monkeypatch, request):
    """Most claims are about people, and need no place painted."""
    if "painted" not in request.fixturenames:
        grey = np.full((PLATE_WH[1], PLATE_WH[0], 3), 128, np.uint8)
        monkeypatch.setattr(render, "paint_background", lambda *_: grey)


@pytest.fixture
def painted():
    return None


def scene_of(heights, xs, yaws=0.0, feet=400.0, size_wh=(640, 480)):
    """People standing straight, arms a little out, on given spots."""
    n = len(heights)
    rng = np.random.default_rng(0)
    scene = plan_scene(PROFILES["coco"], "train", ("train", 1), rng, size_wh)
    base = np.zeros((n, len(ANGLES)))
    base[:, [ANGLES.index("l_arm_abduct"), ANGLES.index("r_arm_abduct")]] = 0.35
    base[:, [ANGLES.index("l_hip_abduct"), ANGLES.index("r_hip_abduct")]] = 0.1
    one, still = np.ones(n), np.zeros((n, len(ANGLES)))
    outfits = replace(
        draw_outfits(n, "city", "train", rng),
        legs=np.ones(n, dtype=int),
        bag=np.zeros(n, bool),
        hat=np.zeros(n, bool),
        long_hair=np.zeros(n, bool),
    )
    return replace(
        scene,
        pitch=0.0,
        horizon=200.0,
        motions=Motions(("stand",) * n, base, still, still, np.zeros(n)),
        build=Build(1.7 * one, one, one, one, one),
        outfits=outfits,
        yaw=np.broadcast_to(np.asarray(yaws, dtype=float), n).copy(),
        scale=np.asarray(heights, dtype=float),
        anchor=np.stack([np.asarray(xs, float), np.broadcast_to(np.asarray(feet, float), n)], 1),
        pace=np.zeros((n, 2)),
        things=(),
    )


def test_a_person_facing_the_camera_has_the_left_hand_on_the_right_of_the_image():
    front, back = render.render_scene(scene_of([250, 250], [180, 460], [0, np.pi])).keypoints
    left, right = JOINT["left_wrist"], JOINT["right_wrist"]
    assert front[left, 0] > front[right, 0]
    assert back[left, 0] < back[right, 0]


def test_from_the_front_all_is_seen_and_from_behind_all_but_the_face():
    front, back = render.render_scene(scene_of([250, 250], [180, 460], [0, np.pi])).keypoints
    assert (front[:, 2] == 2).all()
    assert (back[FACE, 2] == 1).all()
    body = [i for i in range(21) if i not in FACE]
    assert (back[body, 2] == 2).all()


def test_from_the_left_the_right_ear_eye_and_shoulder_are_hidden():
    side = render.render_scene(scene_of([260], [320], [-np.pi / 2])).keypoints[0]
    assert side[JOINT["left_ear"], 2] == 2
    for joint in ("right_ear", "right_eye", "right_shoulder"):
        assert side[JOINT[joint], 2] == 1, joint


def test_a_person_behind_a_board_is_hidden_to_the_knees_and_seen_above():
    scene = scene_of([170], [320])
    board = Occluder("board", 320.0, 410.0, 100.0, 1)
    keypoints = render.render_scene(replace(scene, things=(board,))).keypoints[0]
    assert keypoints[JOINT["left_ankle"], 2] == 1
    assert keypoints[JOINT["left_knee"], 2] == 1
    assert keypoints[JOINT["nose"], 2] == 2


def test_a_person_in_front_hides_the_person_behind():
    scene = scene_of([300, 150], [320, 320], feet=[460.0, 400.0])
    drawn = render.render_scene(scene)
    assert drawn.keypoints[1, JOINT["chest"], 2] == 1
    assert drawn.keypoints[0, JOINT["chest"], 2] == 2
    assert drawn.mask_area[1] < 0.7 * render.render_scene(scene_of([150], [320])).mask_area[0]


def test_joints_beyond_the_border_are_not_labelled_and_the_others_are():
    cut = render.render_scene(scene_of([300], [320], feet=560.0)).keypoints[0]
    outside = cut[:, 1] > 479.5
    assert outside.any()
    assert ((cut[:, 2] == 0) == outside).all()


@pytest.mark.parametrize("height", [24, 60, 150, 400])
def test_joints_that_are_seen_lie_on_their_own_limb(height):
    drawn = render.render_scene(scene_of([height], [320], feet=440.0))
    owner = drawn.owner
    for x, y, v in drawn.keypoints[0].tolist():
        if v == 2:
            near = owner[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2]
            assert (near == 1).any()


@pytest.mark.parametrize("height", [18, 40, 88, 95, 210, 310])
def test_a_person_is_as_tall_in_the_image_as_asked_at_every_way_of_drawing(height):
    drawn = render.render_scene(scene_of([height], [320], feet=440.0))
    assert drawn.boxes_xywh[0, 3] == pytest.approx(1.03 * height, abs=1.5 + 0.015 * height)
    assert drawn.mask_area[0] / height**2 == pytest.approx(0.2, abs=0.05)


def test_small_people_are_averaged_and_not_cut_out():
    """The edge of a small figure holds mixtures of figure and ground."""
    scene = replace(scene_of([40], [320]), blur=0.0, noise=0.0)
    pixels = render.render_scene(scene).image[355:405, 300:340].reshape(-1, 3)
    assert len(np.unique(pixels // 8, axis=0)) > 60


def test_what_carries_a_person_shows_none_of_his_joints():
    assert not SHOWS[:, CARRIED[0] : CARRIED[1] + 1].any()


def test_the_same_scene_is_drawn_the_same():
    a, b = draw_scene(3), draw_scene(3)
    for one, other in zip(a, b, strict=True):
        assert np.array_equal(one, other)
    assert not np.array_equal(a[0], draw_scene(4)[0])


def test_a_drawn_scene_has_people_with_boxes_inside_the_image():
    image, keypoints, boxes = draw_scene(11, size_wh=(320, 240))
    assert image.shape == (240, 320, 3) and image.dtype == np.uint8
    assert len(keypoints) == len(boxes) > 0
    assert (boxes[:, 2:] > 0).all() and (boxes[:, 0] + boxes[:, 2] <= 320).all()


def test_people_walk_slowly_and_the_camera_stands_still():
    rng = np.random.default_rng(8)
    scene = plan_scene(PROFILES["hieve"], "train", ("h", 1), rng, (640, 360), seconds=4.0)
    scene = replace(scene, noise=0.0)
    first, next_ = render.render_scene(scene, 0.0), render.render_scene(scene, 0.04)
    moved = np.linalg.norm(next_.keypoints[:, 16, :2] - first.keypoints[:, 16, :2], axis=1)
    assert moved.max() > 0
    assert (moved / scene.scale).max() < 0.05  # heights in 1/25 s: a runner's foot
    same = (first.owner == 0) & (next_.owner == 0)
    assert same.mean() > 0.5


@pytest.mark.parametrize("place", PLACES)
def test_every_place_can_be_painted_and_has_ground_unlike_its_sky(place, painted):
    image = paint_background(place, "tests", 1)
    assert image.shape == (PLATE_WH[1], PLATE_WH[0], 3)
    sky, ground = (
        image[: HORIZON - 150].mean(axis=(0, 1)),
        image[HORIZON + 150 :].mean(axis=(0, 1)),
    )
    assert np.abs(sky - ground).max() > 8 or place == "hall"
    assert image.std() > 12
    paint_background.cache_clear()
    assert np.array_equal(image, paint_background(place, "tests", 1))


def test_train_and_test_share_no_colour_of_clothes():
    for colours in (TOPS, LEGS):
        train = {tuple(c) for c in colours["train"].tolist()}
        assert train.isdisjoint(tuple(c) for c in colours["test"].tolist())
