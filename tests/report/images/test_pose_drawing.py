"""Limbs and joints land where they belong, at every size."""

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
    RIGHT,
    Window,
    choose_stroke_width,
    draw_person_tile,
    draw_pose,
    list_limbs,
    place_window,
)

GREY = 128


def picture(width: int = 640, height: int = 480):
    return np.full((height, width, 3), GREY, dtype=np.uint8)


def near(tile, xy, colour, reach: int = 3) -> bool:
    """Whether the colour stands within a few px of the point."""
    x, y = np.rint(xy).astype(int)
    part = tile[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1].astype(int)
    return bool((np.abs(part - np.array(colour)).max(axis=2) < 30).any())


@pytest.mark.parametrize("height", [24, 60, 150, 450])
def test_drawn_joints_land_where_the_joints_are(world, height: int):
    person = world.test.keypoints[0].copy()
    box = world.test.boxes_xywh[0]
    scale = height / box[3]
    person[:, :2] = (person[:, :2] - box[:2]) * scale + (80.0, 15.0)
    person[:, 2] = 2
    here = np.array([80.0, 15.0, box[2] * scale, height])
    tile = draw_person_tile(picture(), here, (240, 320), SMALLPOSE, person)
    window = place_window(here, (640, 480), (240, 320))
    for name, xy in zip(SMALLPOSE.joints, window.to_tile(person[:, :2]), strict=True):
        colour = LEFT if "left" in name else RIGHT if "right" in name else MIDDLE
        assert near(tile, xy, colour), name


def test_a_limb_is_coloured_along_its_middle_and_dark_at_its_edge():
    tile = picture(200, 200)
    points = np.zeros((21, 2))
    there = np.zeros(21, dtype=bool)
    ends = SMALLPOSE.index(["left_knee", "left_ankle"])
    points[ends] = (100.0, 40.0), (100.0, 160.0)
    there[ends] = True
    draw_pose(tile, points, SMALLPOSE, there=there, stroke=6.0)
    assert tile[100, 100].tolist() == list(LEFT)
    assert np.abs(tile[100, 104].astype(int) - OUTLINE).max() < 60
    assert tile[100, 120].tolist() == [GREY] * 3


def test_a_hidden_joint_is_a_ring_and_a_seen_one_a_dot():
    points, there = np.full((21, 2), 50.0), np.zeros(21, dtype=bool)
    there[SMALLPOSE.joints.index("nose")] = True
    seen, hidden = picture(100, 100), picture(100, 100)
    draw_pose(seen, points, SMALLPOSE, there=there, stroke=8.0)
    draw_pose(hidden, points, SMALLPOSE, there=there, hidden=there, stroke=8.0)
    assert seen[50, 50].tolist() == list(MIDDLE)
    assert hidden[50, 50].tolist() != list(MIDDLE)
    assert near(hidden, (58, 50), MIDDLE)


def test_nothing_is_drawn_for_joints_that_are_not_labelled():
    box = np.array([100.0, 100.0, 60.0, 120.0])
    plain = draw_person_tile(picture(), box, (240, 320), SMALLPOSE, None)
    empty = draw_person_tile(picture(), box, (240, 320), SMALLPOSE, np.zeros((21, 3)))
    assert (plain == empty).all()


def test_a_pose_far_outside_the_tile_is_no_trouble():
    tile = picture(100, 100)
    draw_pose(tile, np.full((21, 2), 1e12), SMALLPOSE)
    assert (tile == GREY).all()


@pytest.mark.parametrize("source", [COCO17, MPII16, AIC14, POSETRACK17, SMALLPOSE])
def test_every_source_gives_one_connected_body(source):
    """As the 21 joints with what the source lacks left out; COCO's face stands alone there too."""
    labelled = map_joints(np.ones((1, len(source), 3)), source, SMALLPOSE)[0, :, 2] > 0
    if source is POSETRACK17:
        labelled[SMALLPOSE.index(["left_ear", "right_ear"])] = False  # placeholders there
    group = {int(i): int(i) for i in np.flatnonzero(labelled)}
    for a, b, _ in list_limbs(SMALLPOSE, labelled):
        old, new = group[a], group[b]
        group = {i: new if g == old else g for i, g in group.items()}
    assert len(set(group.values())) == (2 if source is COCO17 else 1)


def test_hieves_nose_is_joined_to_its_chest():
    labelled = map_joints(np.ones((1, 14, 3)), HIEVE14, SMALLPOSE)[0, :, 2] > 0
    nose, chest = SMALLPOSE.index(["nose", "chest"]).tolist()
    assert (nose, chest, "middle") in list_limbs(SMALLPOSE, labelled)


def test_mirrored_people_have_mirrored_colours():
    everything = list_limbs(SMALLPOSE, np.ones(21, dtype=bool))
    other = {"left": "right", "right": "left", "middle": "middle"}
    mirror = SMALLPOSE.mirror
    turned = {(*sorted((int(mirror[a]), int(mirror[b]))), other[s]) for a, b, s in everything}
    assert turned == {(*sorted((a, b)), s) for a, b, s in everything}


@pytest.mark.parametrize(
    "box", [(0.0, 0.0, 20.0, 40.0), (600.0, 400.0, 40.0, 80.0), (300.0, 0.0, 30.0, 30.0)]
)
def test_a_window_stays_in_the_image_where_it_can(box: tuple[float, ...]):
    window = place_window(np.array(box), (640, 480), (240, 320))
    assert window.left >= 0
    assert window.top >= 0
    assert window.left + window.width <= 640
    assert window.top + window.height <= 480


def test_a_window_shows_the_whole_box_even_of_a_wide_person():
    window = place_window(np.array([0.0, 200.0, 640.0, 90.0]), (640, 480), (240, 320))
    assert window.left <= 0
    assert window.left + window.width >= 640
    tile = window.cut(picture())
    assert tile[0, 0].tolist() == list(PAD)
    assert tile[160, 120].tolist() == [GREY] * 3


def test_pixel_centres_stay_pixel_centres():
    window = Window(10, 20, 24, 32, (240, 320))
    assert window.to_tile(np.array([10.0, 20.0])) == pytest.approx([4.5, 4.5])
    assert window.scale == (10.0, 10.0)


def test_strokes_go_with_the_person_and_stop_at_both_ends():
    widths = [choose_stroke_width(tall) for tall in (5, 24, 100, 200, 400, 600, 5000)]
    assert widths == sorted(widths)
    assert choose_stroke_width(400) == pytest.approx(2 * choose_stroke_width(200))
    assert widths[0] == widths[1] == 1.0 and widths[-1] == choose_stroke_width(1000)


def test_the_middle_of_a_hidden_joint_shows_the_image():
    tile, points = picture(100, 100), np.full((21, 2), 50.0)
    there = np.zeros(21, dtype=bool)
    there[SMALLPOSE.joints.index("nose")] = True
    draw_pose(tile, points, SMALLPOSE, there=there, hidden=there, stroke=8.0)
    assert tile[50, 50].tolist() == [GREY] * 3
    assert near(tile, (58, 50), MIDDLE)


def test_dots_are_round():
    tile, there = picture(100, 100), np.zeros(21, dtype=bool)
    there[SMALLPOSE.joints.index("nose")] = True
    draw_pose(tile, np.full((21, 2), 50.0), SMALLPOSE, there=there, stroke=2.0)
    drawn = (tile != GREY).any(axis=2)
    assert (drawn == drawn.T).all()
    # Of the square around it a disc covers 0.79, a diamond half.
    side = int(drawn.any(axis=0).sum())
    assert 0.65 < drawn.sum() / side**2 < 0.95


def test_a_person_of_24_px_is_drawn_without_dots_and_a_large_one_with_them():
    there = np.zeros(21, dtype=bool)
    ends = SMALLPOSE.index(["left_knee", "left_ankle"])
    there[ends] = True
    small, large = picture(100, 100), picture(1000, 1000)
    for tile, tall in ((small, 24.0), (large, 600.0)):
        # A vertical shin, so that what is wider than the limb is a dot.
        points = np.zeros((21, 2))
        points[ends] = (50.0, 20.0), (50.0, 20.0 + tall)
        draw_pose(tile, points, SMALLPOSE, there=there, stroke=choose_stroke_width(tall))
    wide = [
        (tile[row, :100] != GREY).any(axis=1).sum()
        for tile, row in ((small, 32), (small, 44), (large, 320), (large, 620))
    ]
    assert choose_stroke_width(24) < MIN_DOT_STROKE < choose_stroke_width(600)
    assert wide[0] == wide[1] <= 5  # in the middle of the shin, at the ankle
    assert wide[2] < wide[3]
