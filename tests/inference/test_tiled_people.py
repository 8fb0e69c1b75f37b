"""Tiles at random places and sizes: each person is predicted once, by views of any resolution."""

import cv2
import numpy as np
import pytest
import torch

from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.images import use_one_opencv_thread
from smallpose.inference import InferenceOptions, predict_people
from smallpose.inference.tile_plan import choose_tile_levels
from smallpose.inference.tiles import TileLevel, detect_in_tiles
from smallpose.methods.full_image import Detections, FullImageMethod

SHARES = np.stack([np.linspace(0, 1, 17), np.linspace(0, 1, 17) ** 2], axis=1)
MIN_PX = 3.0  # of the network's input; smaller people are not predicted


class KnownPeople(FullImageMethod):
    """Predicts known people as exactly as the pixels of its input allow, cut by the view's border.

    The place of a view follows from the address of its pixels in the image.
    """

    name, fit_mode, size_divisor, oks_threshold = "known", "inside", 32, 1.0
    score_threshold, default_flip_test = 0.0, False

    def __init__(self, input_px, image, boxes, sees_full_image=True):
        super().__init__(COCO17, (input_px, input_px))
        self.image = image
        self.boxes = np.asarray(boxes, float).reshape(-1, 4)
        self.sees_full_image = sees_full_image

    def prepare(self, crops):
        return crops

    def targets(self, keypoints):
        return keypoints

    def loss(self, outputs, targets):
        return {}

    def detect(self, images, flip_test):
        return []

    def detect_in_images(self, images, flip_test, batch_size):
        return [self._detect(image) for image in images]

    def _detect(self, image):
        address = image.__array_interface__["data"][0]
        pixel = (address - self.image.__array_interface__["data"][0]) // 3
        corner = np.array(divmod(pixel, self.image.shape[1])[::-1], float)
        size_wh = np.array([image.shape[1], image.shape[0]], float)
        low = np.clip(self.boxes[:, :2] - corner, 0, size_wh)
        high = np.clip(self.boxes[:, :2] + self.boxes[:, 2:] - corner, 0, size_wh)
        letterbox = self.fit_image((image.shape[1], image.shape[0]))
        px = (letterbox.scale / letterbox.size_wh).max()
        is_shown = ((high - low) > 0).all(axis=1) & ((high - low)[:, 1] >= MIN_PX * px)
        if image.shape == self.image.shape and not self.sees_full_image:
            is_shown[:] = False
        low, high = low[is_shown], high[is_shown]
        points = low[:, None] + SHARES * (high - low)[:, None]
        points = np.round(points / px) * px
        scores = torch.from_numpy(1 / (1 + high[:, 1] - low[:, 1]))  # coarse views have high scores
        return Detections(
            torch.from_numpy(points),
            scores[:, None].expand(-1, 17),
            scores,
            torch.from_numpy(np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)),
        )


def place_people(rng, size_wh, person_wh, count):
    """Return boxes at random places, also at the image's borders."""
    free = np.array(size_wh) - person_wh
    corners = rng.uniform(0, 1, (count, 2)) * free
    return np.concatenate([corners, np.broadcast_to(person_wh, (count, 2))], axis=1)


def detect_one_by_one(method, levels, boxes):
    """Return how often each person is detected when the image shows this person alone."""
    counts = []
    for box in boxes:
        method.boxes = box[None]
        detections = detect_in_tiles(method, method.image, False, 8, levels)
        is_there = np.abs(detections.boxes_xyxy[:, :2].numpy() - box[:2]).max(axis=1) < 30
        assert is_there.all()
        counts.append(len(detections.scores))
    return np.array(counts)


@pytest.mark.parametrize("person_wh", [(5, 12), (6, 16), (9, 24), (13, 36), (24, 80), (60, 150)])
@pytest.mark.parametrize(
    ("size_wh", "side", "input_px"), [((1920, 1080), 640, 640), ((1024, 768), 256, 128)]
)
def test_no_person_is_predicted_twice_whatever_the_resolution_of_the_views(
    person_wh, size_wh, side, input_px
):
    rng = np.random.default_rng(side + person_wh[1])
    image = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    method = KnownPeople(input_px, image, [])
    boxes = place_people(rng, size_wh, np.array(person_wh), 30)
    counts = detect_one_by_one(method, [TileLevel(side, side // 4)], boxes)
    assert (counts == 1).all()


@pytest.mark.parametrize("is_tall", [False, True])
@pytest.mark.parametrize(
    ("size_wh", "side", "input_px"),
    [((1120, 640), 640, 640), ((640, 1120), 640, 640), ((1500, 1100), 400, 128)],
)
def test_people_up_to_the_overlap_are_complete_in_some_tile(size_wh, side, input_px, is_tall):
    rng = np.random.default_rng(side)
    image = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    method = KnownPeople(input_px, image, [], sees_full_image=False)
    overlap = side // 4
    for share in (0.3, 0.9, 1.0):
        longer = share * overlap
        person_wh = np.array([0.5 * longer, longer] if is_tall else [longer, 0.5 * longer])
        boxes = place_people(rng, size_wh, person_wh, 25)
        counts = detect_one_by_one(method, [TileLevel(side, overlap)], boxes)
        assert (counts == 1).all()


def test_the_places_at_which_a_person_of_the_overlap_was_lost():
    image = np.zeros((640, 1120, 3), np.uint8)
    method = KnownPeople(640, image, [], sees_full_image=False)
    places = np.array([[x, 200, 160, 300] for x in range(0, 961, 4)], float)
    assert (detect_one_by_one(method, [TileLevel(640, 160)], places) == 1).all()


def test_neighbours_whom_a_tile_tells_apart_remain_two_beside_a_coarse_view():
    image = np.zeros((1080, 1920, 3), np.uint8)
    boxes = np.array([[300, 300, 8, 20], [306, 301, 8, 20], [1000, 500, 8, 20], [1007, 500, 8, 20]])
    method = KnownPeople(640, image, boxes)
    detections = detect_in_tiles(method, image, False, 8, [TileLevel(480, 120)])
    np.testing.assert_allclose(
        np.sort(detections.boxes_xyxy[:, 0].numpy()), [300, 306, 1000, 1007], atol=1
    )


@pytest.mark.parametrize("smallest", [8, 16, 30, 60, 400])
@pytest.mark.parametrize("input_px", [128, 256, 512, 640])
@pytest.mark.parametrize("size_wh", [(3840, 2160), (1000, 3000), (640, 480)])
def test_chosen_tiles_show_everybody_from_the_smallest_on_tall_enough(smallest, input_px, size_wh):
    image = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    method = KnownPeople(input_px, image, [])
    levels = choose_tile_levels(method, size_wh, InferenceOptions(smallest=smallest))
    full_px = max(size_wh) / input_px
    assert bool(levels) == (smallest / full_px < method.needed_px)
    if not levels:
        return
    sides = [level.side for level in levels]
    assert smallest * input_px / sides[0] == pytest.approx(
        min(4 * smallest, method.needed_px), rel=0.02
    )
    # Whoever is not tall enough in the next level, or in the full image, is complete in this one.
    for level, coarser_px in zip(levels, [*np.array(sides[1:]) / input_px, full_px], strict=True):
        assert method.needed_px * coarser_px - 1 <= level.overlap <= level.side / 2  # whole px


def test_options_choose_tiles_for_images_and_print_them(capsys):
    use_one_opencv_thread()
    image = np.zeros((480, 1280, 3), np.uint8)
    cv2.rectangle(image, (700, 200), (706, 216), (255, 255, 255), -1)
    images = make_images([1], ["a.png"], [1280], [480])
    people = make_instances(COCO17, images, [], np.zeros((0, 4)), [])
    method = KnownPeople(256, image, [[700, 200, 6, 12]])
    options = InferenceOptions(smallest=12)
    plain = predict_people(method, people, None, lambda name: image)
    tiled = predict_people(method, people, None, lambda name: image, options, "known")
    assert (len(plain), len(tiled)) == (0, 1)
    message = capsys.readouterr().err
    assert "1,280 × 480 px: " in message and " tiles of 96 px, enlarged 2.7 times" in message
    assert "people of 12 px are 32 px tall in known's input instead of 2" in message


def test_a_method_that_needs_more_gets_tiles_where_another_needs_none():
    image = np.zeros((480, 640, 3), np.uint8)
    options = InferenceOptions(smallest=32)
    method = KnownPeople(640, image, [])
    assert choose_tile_levels(method, (640, 480), options) == []
    method.needed_px = 64
    (level,) = choose_tile_levels(method, (640, 480), options)
    assert level.side == 320  # shows them twice as large
