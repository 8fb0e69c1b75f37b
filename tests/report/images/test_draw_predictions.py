"""Images with drawn predictions are large enough for small people; strokes scale with people."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from smallpose.core.instances import make_images
from smallpose.core.predictions import Predictions, make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.images import read_image
from smallpose.report.images.draw_predictions import (
    MAX_IMAGE_SIDE,
    MIN_IMAGE_HEIGHT,
    MIN_PERSON_HEIGHT,
    DrawnCounter,
    draw_image,
    draw_predictions,
    measure_drawn_people,
)
from smallpose.report.images.pose_drawing import LEFT, RIGHT
from smallpose.report.images.video_drawing import VideoDrawing

GREY = 128


def make_standing_person(height_px: float, corner: tuple[float, float]) -> np.ndarray:
    """Make (17, 3) keypoints of an upright person, scores of 0.9."""
    height = np.array([0, 0, 0, 0.02, 0.02, 0.2, 0.2, 0.35, 0.35, 0.5, 0.5, 0.5, 0.5, 0.75, 0.75])
    height = np.concatenate([height, [1, 1]]) * height_px
    side = np.array([0, 1, -1, 2, -2, 3, -3, 4, -4, 4, -4, 2, -2, 2, -2, 2, -2]) * height_px / 24
    return np.stack([side + corner[0], height + corner[1], np.full(17, 0.9)], axis=1)


def draw_people(tmp_path, size_wh, people):
    """Draw the given (k, 3) people; return the image and its scale."""
    image = np.full((size_wh[1], size_wh[0], 3), GREY, np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    images = make_images([1], ["a.png"], [size_wh[0]], [size_wh[1]])
    points = np.stack(people)
    n = len(points)
    predictions = Predictions(
        COCO17, np.ones(n, np.int64), points, np.full(n, 0.9), np.zeros((n, 4))
    )
    assert draw_predictions(predictions, images, tmp_path, read_image, tmp_path / "out") == 1
    result = read_image(next((tmp_path / "out").iterdir()))
    return result, result.shape[0] / size_wh[1]


@pytest.mark.parametrize(
    ("size_wh", "height_px", "expected"),
    [
        ((640, 480), 400, MIN_IMAGE_HEIGHT),  # enlarged to a common height
        ((640, 480), 24, 480 * MIN_PERSON_HEIGHT / 24),  # until its people are visible
        ((640, 480), 8, 480 * MAX_IMAGE_SIDE / 640),  # but not without limit
        ((4000, 1000), 8, 1000),  # a large image is not enlarged
    ],
)
def test_images_are_enlarged_until_their_people_are_visible(tmp_path, size_wh, height_px, expected):
    person = make_standing_person(height_px, (size_wh[0] / 2, 40))
    image, _ = draw_people(tmp_path, size_wh, [person])
    assert image.shape[0] == pytest.approx(expected, abs=1)


def test_strokes_scale_with_each_person_of_an_image(tmp_path):
    people = [make_standing_person(40, (100, 50)), make_standing_person(600, (700, 60))]
    image, scale = draw_people(tmp_path, (1200, 720), people)
    assert scale == 1

    def measure_width(x, y):
        """Measure the width of what is drawn on the row around a point, px."""
        row = image[round(y), round(x) - 20 : round(x) + 20].astype(int)
        return int((np.abs(row - GREY).max(axis=1) > 40).sum())

    thin = measure_width(100 + 2 * 40 / 24, 50 + 0.87 * 40)
    thick = measure_width(700 + 2 * 600 / 24, 60 + 0.87 * 600)
    assert 0 < thin <= 8 and thick > thin + 3


def test_a_distant_joint_of_low_score_does_not_change_the_scale(tmp_path):
    person = make_standing_person(24, (300, 200))
    person[9] = 2.0, 2.0, 0.01
    near, _ = draw_people(tmp_path, (640, 480), [make_standing_person(24, (300, 200))])
    far, _ = draw_people(tmp_path, (640, 480), [person])
    assert near.shape == far.shape
    assert (np.abs(far[:40, :40].astype(int) - GREY) < 12).all()


def test_left_and_right_limbs_differ_in_colour(tmp_path):
    image, scale = draw_people(tmp_path, (640, 480), [make_standing_person(300, (300, 80))])
    for x, colour in ((300 + 2 * 300 / 24, LEFT), (300 - 2 * 300 / 24, RIGHT)):
        pixel = image[round((80 + 0.87 * 300) * scale), round(x * scale)]
        assert np.abs(pixel.astype(int) - colour).max() < 40


def test_images_without_people_are_drawn_too(tmp_path):
    """A video's frames would have gaps otherwise."""
    cv2.imwrite(str(tmp_path / "a.png"), np.full((48, 64, 3), GREY, np.uint8))
    images = make_images([3, 1], ["a.png", "a.png"], [64, 64], [48, 48])
    person = make_standing_person(30, (20, 5))[None]
    one = Predictions(COCO17, np.array([3]), person, np.array([0.9]), np.zeros((1, 4)))
    assert draw_predictions(one, images, tmp_path, read_image, tmp_path / "out") == 2
    assert [file.name for file in sorted((tmp_path / "out").iterdir())] == ["1-a.jpg", "3-a.jpg"]
    empty = read_image(tmp_path / "out" / "1-a.jpg")
    assert (np.abs(empty.astype(int) - GREY) < 3).all()


@pytest.mark.parametrize(
    ("scores", "min_score", "expected"),
    [
        ({1: [0.8, 0.17, 0.15]}, None, "2 of 3 people (scores from 0.16 on, a fifth of the best"),
        ({1: [0.8, 0.1], 2: [0.5, 0.2]}, None, "3 of 4 people (scores from 0.16 on, a fifth"),
        ({1: [0.8, 0.1], 2: [0.5, 0.05]}, None, "2 of 4 people (scores from 0.1 to 0.16 on, a"),
        ({1: [0.8, 0.1], 2: [0.5]}, 0.6, "1 of 3 people (scores from 0.6 on, as by --draw-min"),
        ({1: [0.5]}, 0.6, "0 of 1 person (scores from 0.6 on"),
        ({1: [0.8, 0.4], 2: [0.1]}, None, ""),
        ({}, None, ""),
    ],
)
def test_people_whom_a_drawing_hides_are_counted(scores, min_score, expected):
    ids = [image_id for image_id, values in scores.items() for _ in values]
    values = [score for one in scores.values() for score in one]
    keypoints = np.ones((len(ids), len(COCO17), 3))
    drawn = DrawnCounter(min_score)
    drawn.add_predictions(make_predictions(COCO17, ids, keypoints, values))
    assert drawn.describe().startswith(expected) and bool(drawn.describe()) == bool(expected)


def test_the_count_is_that_of_the_people_in_the_image():
    """Removing the people who are counted as hidden leaves the drawing as it was."""
    people = [make_standing_person(200, (100 + 150 * k, 100)) for k in range(3)]
    keypoints = np.array(people)
    scores = [0.9, 0.19, 0.1]
    predictions = make_predictions(COCO17, [1, 1, 1], keypoints, scores)
    image = np.zeros((400, 640, 3), np.uint8)
    full = draw_image(image, predictions, np.arange(3))
    assert (full == draw_image(image, predictions, np.arange(2))).all()
    assert (full != draw_image(image, predictions, np.arange(1))).any()
    drawn = DrawnCounter()
    drawn.add_predictions(predictions)
    assert drawn.describe().startswith("2 of 3 people")


def test_drawings_of_a_folder_are_sorted_as_the_images_are(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((48, 64, 3), GREY, np.uint8))
    nobody = make_predictions(COCO17, [], np.zeros((0, 17, 3)), [])
    for num_digits, expected in ((1, ["02-a.jpg", "10-a.jpg"]), (4, ["0002-a.jpg", "0010-a.jpg"])):
        out = tmp_path / str(num_digits)
        images = make_images([10, 2], ["a.png", "a.png"], [64, 64], [48, 48])
        draw_predictions(nobody, images, tmp_path, read_image, out, num_digits=num_digits)
        assert sorted(path.name for path in out.iterdir()) == expected


@pytest.mark.parametrize(
    ("height_px", "size_wh", "message"),
    [
        (200, (640, 360), ""),
        (32, (1280, 720), "enlarged from 640 × 360 to 1,280 × 720 px, because half of the people"),
        (1, (2560, 1440), "enlarged from 640 × 360 to 2,560 × 1,440 px"),
        (60, (640, 360), ""),  # by 7 %, nothing to be seen
        (50, (818, 460), "to 818 × 460 px"),  # of even sides, as it is written
        (None, (640, 360), ""),
    ],
)
def test_a_drawn_video_has_the_size_of_its_frames_unless_people_are_small(
    tmp_path, height_px, size_wh, message, capsys
):
    av = pytest.importorskip("av")
    people = [] if height_px is None else [make_standing_person(height_px, (300, 60))] * 3
    keypoints = np.reshape(people, (len(people), 17, 3))
    predictions = make_predictions(COCO17, [1] * len(people), keypoints, [0.9] * len(people))
    path = tmp_path / "clip_drawn.mp4"
    drawing = VideoDrawing(path, Fraction(10), None, measure_drawn_people(predictions))
    for time_s in (0, 0.1):
        drawing.add_frame(np.full((360, 640, 3), GREY, np.uint8), predictions, time_s, [])
    drawing.close()
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    assert (frame.width, frame.height) == size_wh
    error = capsys.readouterr().err
    assert message in error and bool(message) == bool(error)
