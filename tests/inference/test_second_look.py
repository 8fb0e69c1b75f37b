"""A second look at small people: enlarged, once each, with the neighbours the first look missed."""

import json

import cv2
import numpy as np
import pytest
from tests.inference.test_tiles import BlockMethod, make_image, matches, predict

from smallpose.cli.main import main
from smallpose.dataloading.large_images import LargeImage
from smallpose.inference import InferenceOptions, predict_people
from smallpose.inference.second_look import LOOK_PX, MAX_WINDOWS, choose_windows, detect_twice
from smallpose.inference.tiles import TileLevel, detect_in_tiles

SIZE = (1024, 768)  # eight px of it are one of the network's 128


class CountingMethod(BlockMethod):
    """Records the sizes of all images that it is given."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def detect_in_images(self, images, flip_test, batch_size):
        self.seen += [image.shape[1::-1] for image in images]
        return super().detect_in_images(images, flip_test, batch_size)


def look(boxes, size=SIZE):
    """Return the people of a second look, and the windows that it took."""
    image, _ = make_image(size, boxes)
    method = CountingMethod()
    detections = detect_twice(method, image, False, 8)
    return detections, method.seen[1:]


def test_small_people_are_placed_as_exactly_as_in_tiles():
    boxes = [(100, 200, 40, 70), (700, 500, 36, 80), (420, 90, 30, 66)]
    plain = predict(SIZE, boxes)
    twice = predict(SIZE, boxes, second_look=True)
    assert len(plain) == len(twice) == 3
    assert not matches(plain, boxes, 2).any()
    assert (matches(twice, boxes, 2).sum(axis=1) == 1).all()


def test_neighbours_that_the_first_look_missed_are_added_and_strangers_are_not():
    seen = (400, 300, 40, 72)
    neighbour = (455, 310, 14, 30)  # four px high in the network's input, where eight are needed
    stranger = (900, 700, 14, 30)
    boxes = [seen, neighbour, stranger]
    assert len(predict(SIZE, boxes)) == 1
    twice = predict(SIZE, boxes, second_look=True)
    assert matches(twice, boxes, 2).any(axis=1).tolist() == [True, True, False]


def test_large_people_and_images_at_full_size_get_no_window():
    assert look([(100, 100, 300, 600)])[1] == []
    people = np.array([[100.0, 100, 300, 620]])
    assert not len(choose_windows(people, np.ones(1), SIZE, 8.0, 128))
    small = np.array([[10.0, 10, 30, 40]])
    # At four times its size a person of 30 px gains 4 where the first look shows one px as one, and
    # 1.25 where it had shown each as 3.2.
    assert len(choose_windows(small, np.ones(1), SIZE, 1.0, 128)) == 1
    assert not len(choose_windows(small, np.ones(1), SIZE, 1 / 3.2, 128))


@pytest.mark.parametrize("height", [30, 60, 120, 240, 400])
def test_a_window_shows_a_person_as_large_as_the_rule_says(height):
    box = np.array([[500.0, 300, 500 + height / 2, 300 + height]])
    ((x, y, w, h),) = choose_windows(box, np.ones(1), (4000, 4000), 16.0, 640)
    assert w == h and x <= 500 and y <= 300 and x + w >= box[0, 2] and y + h >= box[0, 3]
    assert height * 640 / w == pytest.approx(min(LOOK_PX, 4 * height), rel=0.02)


def test_windows_stay_in_the_image_are_shared_and_have_a_limit():
    rng = np.random.default_rng(0)
    for image_wh in ((1024, 768), (2000, 300), (90, 900)):
        corner = rng.uniform(0, np.array(image_wh) - 30, (60, 2))
        boxes = np.concatenate([corner, corner + rng.uniform(8, 30, (60, 2))], axis=1)
        windows = choose_windows(boxes, rng.uniform(0.5, 1, 60), image_wh, 8.0, 128)
        assert 0 < len(windows) <= MAX_WINDOWS
        assert (windows[:, :2] >= 0).all()
        assert (windows[:, :2] + windows[:, 2:] <= image_wh).all()
    crowd = np.array([[x, 100.0, x + 10, 130] for x in range(500, 560, 12)])
    assert len(choose_windows(crowd, np.ones(5), SIZE, 2.0, 640)) == 1
    apart = np.array(
        [[x, y, x + 10.0, y + 30.0] for x in range(0, 3000, 300) for y in range(0, 3000, 300)]
    )
    assert len(choose_windows(apart, np.ones(100), (3000, 3000), 23.0, 128)) == MAX_WINDOWS


def test_unlikely_people_are_not_looked_at_again():
    boxes = np.array([[100.0, 100, 120, 140], [600.0, 600, 620, 640]])
    windows = choose_windows(boxes, np.array([0.9, 0.1]), SIZE, 8.0, 128)
    assert len(windows) == 1 and (windows[0, :2] < 200).all()


@pytest.mark.parametrize("seed", range(3))
def test_each_person_of_a_crowd_is_predicted_once(seed):
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(20, 960, 100), np.arange(20, 640, 130))
    boxes = [
        (int(a + rng.integers(20)), int(b + rng.integers(20)), int(w), int(h))
        for a, b, w, h in zip(
            x.ravel(),
            y.ravel(),
            rng.integers(20, 60, x.size),
            rng.integers(66, 100, x.size),
            strict=True,
        )
    ]
    twice = predict(SIZE, boxes, second_look=True)
    assert (matches(twice, boxes, 12).sum(axis=1) == 1).all()
    assert len(twice) == len(boxes)


def test_the_maximum_counts_people_of_both_looks_and_images_once():
    boxes = [(x, 300, 40, 72) for x in range(20, 980, 90)]
    image, people = make_image(SIZE, boxes)
    options = InferenceOptions(second_look=True, max_people=4)
    limited = predict_people(BlockMethod(), people, None, lambda name: image, options)
    assert len(limited) == 4
    assert any("reached in 1 image" in note for note in limited.notes)


def test_an_image_read_in_parts_has_the_same_people(tmp_path):
    boxes = [(100, 200, 40, 70), (700, 500, 36, 80)]
    image, people = make_image(SIZE, boxes)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    large = LargeImage(tmp_path / "a.png", "PNG", *SIZE)
    options = InferenceOptions(second_look=True)
    whole = predict_people(BlockMethod(), people, None, lambda name: image, options)
    parts = predict_people(BlockMethod(), people, None, lambda name: large, options)
    np.testing.assert_allclose(parts.keypoints, whole.keypoints, atol=1e-4)


def test_tiles_may_be_seen_larger_than_the_full_image():
    boxes = [(40 + 90 * i, 50 + 60 * (i % 9), 5, 9) for i in range(10)]
    seen = {}
    for tile_to in (0, 512):
        predictions = predict(SIZE, boxes, tile=256, tile_overlap=32, tile_to=tile_to)
        seen[tile_to] = matches(predictions, boxes, 3).sum(axis=1)
    assert not seen[0].any()  # nine px of the image are 4.5 of the network's, which needs eight
    assert (seen[512] == 1).all()


def test_tiles_at_the_side_of_the_network_are_those_without_the_option():
    image, _ = make_image(SIZE, [(100, 200, 40, 70), (700, 500, 36, 80), (20, 30, 200, 500)])
    method = BlockMethod()
    plain = detect_in_tiles(method, image, False, 8, [TileLevel(256, 64)])
    same = detect_in_tiles(method, image, False, 8, [TileLevel(256, 64)], tile_to=128)
    for before, after in zip(plain, same, strict=True):
        np.testing.assert_array_equal(before.numpy(), after.numpy())
    assert method.test_side == 0


def test_commands_explain_where_the_options_do_not_fit(tmp_path, capsys):
    image = np.zeros((40, 40, 3), np.uint8)
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), image)
    out = ["--out", str(tmp_path / "out.json")]
    weights = ["--weights", str(path)]
    for words, message in (
        (
            ["rtmo_tiny", *weights, "--zoom", "auto", "--tile", "64"],
            "cannot be combined with --tile",
        ),
        (["rtmo_tiny", *weights, "--tile-to", "512"], "add --tile PX"),
        (["hrnet_w16_tiny", *weights, "--zoom", "auto"], "sees every box at one size"),
        (["rtmo_tiny", *weights, "--tile", "64", "--tile-to", "7"], "use 32 to 4096 px"),
    ):
        assert main(["predict", words[0], str(path), *words[1:], *out]) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1, error


@pytest.mark.parametrize("flags", [["--zoom", "auto"], ["--tile", "96", "--tile-to", "256"]])
def test_a_detector_of_boxes_takes_the_options_and_crops_theirs(flags, tmp_path):
    """Options of crops are for the top-down method, those of detection for the one before it."""
    from smallpose import create_method
    from smallpose.training.checkpoint import save_model

    for name in ("rtmo_tiny", "simple_baseline_r18_tiny"):
        method = create_method(name)
        (tmp_path / name).mkdir()
        save_model(method, tmp_path / name, method.recipes["quick"])
    image = np.random.default_rng(0).integers(0, 256, (200, 180, 3)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    out = tmp_path / "out.json"
    words = [str(tmp_path / "simple_baseline_r18_tiny"), str(tmp_path / "a.png"), "--out", str(out)]
    boxes = ["--boxes-from", str(tmp_path / "rtmo_tiny"), "--max-people", "3", "--device", "cpu"]
    crops = ["--crop-interpolation", "cubic", "--heatmap-decoding", "dark"]
    assert main(["predict", *words, *boxes, *crops, *flags]) == 0
    assert isinstance(json.loads(out.read_text()), list)
