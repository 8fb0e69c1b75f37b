"""Limbs and joints are drawn at their positions, at every size."""

import numpy as np
import pytest

from smallpose.core.skeleton import (
    AIC14,
    COCO17,
    HIEVE14,
    MPII16,
    POSETRACK17,
    SMALLPOSE,
    map_joints,
)
from smallpose.report.images.pose_drawing import (
    LEFT,
    MIDDLE,
    MIN_DOT_STROKE,
    OUTLINE,
    PAD,
    SIDES,
    Window,
    choose_stroke_width,
    draw_person_tile,
    draw_pose,
    find_joint_side,
    list_limbs,
    place_window,
)

GREY = 128


def make_image(width: int = 640, height: int = 480):
    return np.full((height, width, 3), GREY, dtype=np.uint8)


def has_colour_near(tile, xy, colour, reach: int = 3) -> bool:
    """Return whether the colour occurs within a few px of the point."""
    x, y = np.rint(xy).astype(int)
    part = tile[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1].astype(int)
    return bool((np.abs(part - np.array(colour)).max(axis=2) < 30).any())


@pytest.mark.parametrize("height", [24, 60, 150, 450])
def test_joints_are_drawn_at_their_positions(project, height: int):
    person = project.test.keypoints[0].copy()
    box = project.test.boxes_xywh[0]
    scale = height / box[3]
    person[:, :2] = (person[:, :2] - box[:2]) * scale + (80.0, 15.0)
    person[:, 2] = 2
    drawn_box = np.array([80.0, 15.0, box[2] * scale, height])
    tile = draw_person_tile(make_image(), drawn_box, (240, 320), SMALLPOSE, person)
    window = place_window(drawn_box, (640, 480), (240, 320))
    for name, xy in zip(SMALLPOSE.joints, window.to_tile(person[:, :2]), strict=True):
        assert has_colour_near(tile, xy, SIDES[find_joint_side(name)]), name


def test_a_limb_is_coloured_along_its_middle_and_dark_at_its_edge():
    tile = make_image(200, 200)
    points = np.zeros((21, 2))
    is_drawn = np.zeros(21, dtype=bool)
    ends = SMALLPOSE.joint_indices(["left_knee", "left_ankle"])
    points[ends] = (100.0, 40.0), (100.0, 160.0)
    is_drawn[ends] = True
    draw_pose(tile, points, SMALLPOSE, is_drawn=is_drawn, stroke=6.0)
    assert tile[100, 100].tolist() == list(LEFT)
    assert np.abs(tile[100, 104].astype(int) - OUTLINE).max() < 60
    assert tile[100, 120].tolist() == [GREY] * 3


def test_an_occluded_joint_is_a_ring_and_a_visible_one_a_dot():
    points, is_drawn = np.full((21, 2), 50.0), np.zeros(21, dtype=bool)
    is_drawn[SMALLPOSE.joints.index("nose")] = True
    visible, occluded = make_image(100, 100), make_image(100, 100)
    draw_pose(visible, points, SMALLPOSE, is_drawn=is_drawn, stroke=8.0)
    draw_pose(occluded, points, SMALLPOSE, is_drawn=is_drawn, is_occluded=is_drawn, stroke=8.0)
    assert visible[50, 50].tolist() == list(MIDDLE)
    assert occluded[50, 50].tolist() != list(MIDDLE)
    assert has_colour_near(occluded, (58, 50), MIDDLE)


def test_nothing_is_drawn_for_joints_that_are_not_labelled():
    box = np.array([100.0, 100.0, 60.0, 120.0])
    plain = draw_person_tile(make_image(), box, (240, 320), SMALLPOSE, None)
    empty = draw_person_tile(make_image(), box, (240, 320), SMALLPOSE, np.zeros((21, 3)))
    assert (plain == empty).all()


def test_a_pose_far_outside_the_tile_draws_nothing():
    tile = make_image(100, 100)
    draw_pose(tile, np.full((21, 2), 1e12), SMALLPOSE)
    assert (tile == GREY).all()


@pytest.mark.parametrize("source", [COCO17, MPII16, AIC14, POSETRACK17, SMALLPOSE])
def test_every_source_gives_one_connected_skeleton(source):
    """Of the 21 joints, without those the source lacks; COCO's face is a part of its own."""
    labelled = map_joints(np.ones((1, len(source), 3)), source, SMALLPOSE)[0, :, 2] > 0
    if source is POSETRACK17:
        labelled[SMALLPOSE.joint_indices(["left_ear", "right_ear"])] = False  # placeholders there
    group = {int(i): int(i) for i in np.flatnonzero(labelled)}
    for a, b, _ in list_limbs(SMALLPOSE, labelled):
        old, new = group[a], group[b]
        group = {i: new if g == old else g for i, g in group.items()}
    assert len(set(group.values())) == (2 if source is COCO17 else 1)


def test_hieves_nose_is_joined_to_its_chest():
    labelled = map_joints(np.ones((1, 14, 3)), HIEVE14, SMALLPOSE)[0, :, 2] > 0
    nose, chest = SMALLPOSE.joint_indices(["nose", "chest"]).tolist()
    assert (nose, chest, "middle") in list_limbs(SMALLPOSE, labelled)


def test_mirrored_people_have_mirrored_colours():
    limbs = list_limbs(SMALLPOSE, np.ones(21, dtype=bool))
    other = {"left": "right", "right": "left", "middle": "middle"}
    mirror = SMALLPOSE.flip_indices
    mirrored = {(*sorted((int(mirror[a]), int(mirror[b]))), other[s]) for a, b, s in limbs}
    assert mirrored == {(*sorted((a, b)), s) for a, b, s in limbs}


@pytest.mark.parametrize(
    "box", [(0.0, 0.0, 20.0, 40.0), (600.0, 400.0, 40.0, 80.0), (300.0, 0.0, 30.0, 30.0)]
)
def test_a_window_stays_inside_the_image_if_it_fits(box: tuple[float, ...]):
    window = place_window(np.array(box), (640, 480), (240, 320))
    assert window.left >= 0
    assert window.top >= 0
    assert window.left + window.width <= 640
    assert window.top + window.height <= 480


def test_a_window_shows_the_whole_box_even_of_a_wide_person():
    window = place_window(np.array([0.0, 200.0, 640.0, 90.0]), (640, 480), (240, 320))
    assert window.left <= 0
    assert window.left + window.width >= 640
    tile = window.cut(make_image())
    assert tile[0, 0].tolist() == list(PAD)
    assert tile[160, 120].tolist() == [GREY] * 3


def test_pixel_centres_of_the_image_map_to_centres_of_enlarged_pixels():
    window = Window(10, 20, 24, 32, (240, 320))
    assert window.to_tile(np.array([10.0, 20.0])) == pytest.approx([4.5, 4.5])
    assert window.scale == (10.0, 10.0)


def test_strokes_scale_with_the_person_within_limits():
    widths = [choose_stroke_width(height) for height in (5, 24, 100, 200, 400, 600, 5000)]
    assert widths == sorted(widths)
    assert choose_stroke_width(400) == pytest.approx(2 * choose_stroke_width(200))
    assert widths[0] == widths[1] == 1.0 and widths[-1] == choose_stroke_width(1000)


def test_the_middle_of_an_occluded_joint_shows_the_image():
    tile, points = make_image(100, 100), np.full((21, 2), 50.0)
    is_drawn = np.zeros(21, dtype=bool)
    is_drawn[SMALLPOSE.joints.index("nose")] = True
    draw_pose(tile, points, SMALLPOSE, is_drawn=is_drawn, is_occluded=is_drawn, stroke=8.0)
    assert tile[50, 50].tolist() == [GREY] * 3
    assert has_colour_near(tile, (58, 50), MIDDLE)


def test_dots_are_round():
    tile, is_drawn = make_image(100, 100), np.zeros(21, dtype=bool)
    is_drawn[SMALLPOSE.joints.index("nose")] = True
    draw_pose(tile, np.full((21, 2), 50.0), SMALLPOSE, is_drawn=is_drawn, stroke=2.0)
    drawn = (tile != GREY).any(axis=2)
    assert (drawn == drawn.T).all()
    # Of the square around it a disc covers 0.79, a diamond half.
    side = int(drawn.any(axis=0).sum())
    assert 0.65 < drawn.sum() / side**2 < 0.95


def test_a_person_of_24_px_is_drawn_without_dots_and_a_large_one_with_them():
    is_drawn = np.zeros(21, dtype=bool)
    ends = SMALLPOSE.joint_indices(["left_knee", "left_ankle"])
    is_drawn[ends] = True
    small, large = make_image(100, 100), make_image(1000, 1000)
    for tile, height in ((small, 24.0), (large, 600.0)):
        # A vertical shin, so that only a dot is wider than the limb.
        points = np.zeros((21, 2))
        points[ends] = (50.0, 20.0), (50.0, 20.0 + height)
        draw_pose(tile, points, SMALLPOSE, is_drawn=is_drawn, stroke=choose_stroke_width(height))
    wide = [
        (tile[row, :100] != GREY).any(axis=1).sum()
        for tile, row in ((small, 32), (small, 44), (large, 320), (large, 620))
    ]
    assert choose_stroke_width(24) < MIN_DOT_STROKE < choose_stroke_width(600)
    assert wide[0] == wide[1] <= 5  # in the middle of the shin, at the ankle
    assert wide[2] < wide[3]
