"""Tiles: small people are predicted, and people at tile borders are complete and unique."""

import cv2
import numpy as np
import pytest
import torch

from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.large_images import LargeImage
from smallpose.inference import InferenceOptions, predict_people
from smallpose.inference.tiles import compute_tile_windows
from smallpose.methods.full_image import Detections, FullImageMethod

MIN_HEIGHT = 8  # network px; smaller people are not predicted


class BlockMethod(FullImageMethod):
    """Predicts white blocks as people: joints on the diagonal, scores by height."""

    name, fit_mode, size_divisor, oks_threshold = "blocks", "inside", 32, 0.9
    score_threshold, default_flip_test = 0.0, False

    def __init__(self) -> None:
        super().__init__(COCO17, (128, 128))

    def prepare(self, crops):
        return crops.float().permute(0, 3, 1, 2)

    def targets(self, keypoints):
        return keypoints

    def loss(self, outputs, targets):
        return {}

    def detect(self, images, flip_test):
        detections = []
        for image in images[:, 0].numpy():
            _, _, stats, _ = cv2.connectedComponentsWithStats((image > 127).astype(np.uint8))
            boxes = [s[:4].astype(float) for s in stats[1:] if s[3] >= MIN_HEIGHT]
            boxes = np.array(boxes).reshape(-1, 4)
            corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
            shares = np.linspace(0, 1, 17)[:, None]
            points = boxes[:, None, :2] + shares * boxes[:, None, 2:]
            scores = torch.from_numpy(boxes[:, 3] / 128).float()
            detections.append(
                Detections(
                    torch.from_numpy(points).float(),
                    scores[:, None].expand(-1, 17),
                    scores,
                    torch.from_numpy(corners).float(),
                )
            )
        return detections


def make_image(size_wh, boxes):
    """Return an image with these blocks, and the table that names it."""
    image = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    for x, y, w, h in np.asarray(boxes).tolist():
        image[y : y + h, x : x + w] = 255
    images = make_images([1], ["a.png"], [size_wh[0]], [size_wh[1]])
    return image, make_instances(COCO17, images, [], np.zeros((0, 4)), [])


def predict(size_wh, boxes, **options):
    image, people = make_image(size_wh, boxes)
    return predict_people(
        BlockMethod(), people, None, lambda name: image, InferenceOptions(**options)
    )


def matches(predictions, boxes, within):
    """Return (boxes, predictions) whether a prediction is at a box."""
    distance = np.abs(predictions.boxes_xywh[None] - np.asarray(boxes)[:, None]).max(axis=2)
    return distance <= within


@pytest.mark.parametrize("size", [(1024, 768), (1000, 130), (129, 128), (3840, 2160), (64, 900)])
@pytest.mark.parametrize(("side", "overlap"), [(128, 32), (256, 0), (512, 256)])
def test_tiles_cover_the_image_have_one_size_and_share_enough(size, side, overlap):
    windows = compute_tile_windows(size, side, overlap)
    assert len(np.unique(windows[:, 2:], axis=0)) <= 1
    if not len(windows):
        assert max(size) <= side
        return
    is_covered = np.zeros((size[1], size[0]), bool)
    for x, y, w, h in windows.tolist():
        assert x >= 0 and y >= 0 and x + w <= size[0] and y + h <= size[1]
        is_covered[y : y + h, x : x + w] = True
    assert is_covered.all()
    for axis in (0, 1):
        starts = np.unique(windows[:, axis])
        assert (np.diff(starts) <= windows[0, 2 + axis] - overlap).all()


def test_people_on_tile_borders_are_predicted_once_and_complete():
    size = (1024, 768)
    side = 256
    overlap = 64
    windows = compute_tile_windows(size, side, overlap)
    borders_x = np.unique(np.concatenate([windows[:, 0], windows[:, 0] + windows[:, 2]]))
    borders_y = np.unique(np.concatenate([windows[:, 1], windows[:, 1] + windows[:, 3]]))
    boxes = [
        (int(x) - 12, int(y) - 20, 24, 40)
        for x in borders_x
        for y in borders_y
        if 30 < x < size[0] - 30 and 30 < y < size[1] - 30
    ]
    assert len(boxes) > 30
    predictions = predict(size, boxes, tile=side, tile_overlap=overlap)
    is_match = matches(predictions, boxes, within=3)
    assert (is_match.sum(axis=1) == 1).all()
    assert len(predictions) == len(boxes)


def test_small_people_come_from_tiles_and_the_large_one_from_the_full_image():
    rng = np.random.default_rng(0)
    x, y = np.meshgrid(np.arange(20, 1000, 70), np.arange(20, 500, 60))
    small = [
        (int(a + rng.integers(9)), int(b + rng.integers(9)), 16, 30)
        for a, b in zip(x.ravel(), y.ravel(), strict=True)
    ]
    large = (200, 560, 500, 190)  # across three tiles
    plain = predict((1024, 768), [*small, large])
    tiled = predict((1024, 768), [*small, large], tile=256)
    assert matches(plain, small, 8).any(axis=1).sum() * 3 <= len(small)
    assert (matches(tiled, small, 3).sum(axis=1) == 1).all()
    assert matches(tiled, [large], 12).sum() == 1
    # There are no duplicates, and no part of the large person is a person.
    assert len(tiled) == len(small) + 1


def test_an_image_no_larger_than_a_tile_is_processed_once():
    boxes = [(10, 10, 20, 40), (70, 30, 20, 50)]
    plain = predict((128, 128), boxes)
    tiled = predict((128, 128), boxes, tile=128)
    np.testing.assert_array_equal(plain.keypoints, tiled.keypoints)
    assert len(predict((600, 128), [], tile=128)) == 0


def test_the_maximum_counts_people_of_the_image_and_not_of_tiles():
    boxes = [(x, 40, 16, 30) for x in range(10, 1000, 60)]
    assert len(predict((1024, 128), boxes, tile=128)) == len(boxes)
    assert len(predict((1024, 128), boxes, tile=128, max_people=5)) == 5


def test_tiles_of_an_image_read_in_parts_give_the_people_of_the_image_read_whole(tmp_path):
    rng = np.random.default_rng(3)
    corners = 20 + 90 * np.stack(np.meshgrid(range(9), range(7)), axis=-1).reshape(-1, 2)
    sizes = rng.integers((6, 12), (14, 40), (63, 2))
    image, people = make_image((900, 700), np.concatenate([corners, sizes], axis=1))
    cv2.imwrite(str(tmp_path / "a.png"), image)
    large = LargeImage(tmp_path / "a.png", "PNG", 900, 700)
    for tile in (0, 200, 400):
        options = InferenceOptions(tile=tile)
        whole = predict_people(BlockMethod(), people, None, lambda name: image, options)
        parts = predict_people(BlockMethod(), people, None, lambda name: large, options)
        assert len(whole) == len(parts) and (tile != 200 or len(whole) > 60)
        np.testing.assert_allclose(parts.keypoints, whole.keypoints, atol=1e-4)


def test_people_of_a_reduced_image_are_in_px_of_the_image(tmp_path, monkeypatch):
    boxes = [[100, 200, 160, 240], [500, 96, 80, 320]]
    image, people = make_image((900, 700), boxes)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    large = LargeImage(tmp_path / "a.png", "PNG", 900, 700)
    reduce = LargeImage.reduce
    monkeypatch.setattr(LargeImage, "reduce", lambda self: reduce(self, 225))
    found = predict_people(BlockMethod(), people, None, lambda name: large)
    order = np.argsort(found.boxes_xywh[:, 0])
    np.testing.assert_allclose(found.boxes_xywh[order], boxes, atol=10)  # 7 px of the image a px


@pytest.mark.parametrize("person_wh", [(18, 60), (19, 64), (24, 80), (36, 120)])
def test_a_person_whom_the_full_image_shows_coarsely_is_predicted_once(person_wh):
    rng = np.random.default_rng(person_wh[1])
    corners = rng.integers(0, np.array([1024, 768]) - person_wh, (20, 2))
    boxes = [(100, 201, *person_wh), *((x, y, *person_wh) for x, y in corners.tolist())]
    for box in boxes:
        predictions = predict((1024, 768), [box], tile=256, tile_overlap=64)
        assert len(predictions) == 1
        if max(person_wh) <= 64:
            assert matches(predictions, [box], within=3).all()  # as the tile shows them


def test_people_of_a_4k_crowd_are_found_once_each_by_tiles_and_few_without():
    """Recall of people below 48 px at least three times as high, duplicates below 1 %."""
    rng = np.random.default_rng(11)
    corners = np.stack(np.meshgrid(range(24), range(14)), axis=-1).reshape(-1, 2) * [158, 152]
    sizes = np.stack([rng.integers(9, 20, 336), rng.integers(22, 56, 336)], axis=1)
    boxes = np.concatenate([corners + rng.integers(4, 90, (336, 2)), sizes], axis=1)
    image, people = make_image((3840, 2160), boxes)
    method = BlockMethod()
    method.input_wh = (640, 640)
    recalls = {}
    is_small = sizes[:, 1] < 48
    for name, options in (
        ("plain", InferenceOptions()),
        ("tiles", InferenceOptions(tile=640, tile_overlap=160)),
        ("chosen", InferenceOptions(smallest=22)),
    ):
        predictions = predict_people(method, people, None, lambda _: image, options)
        is_match = matches(predictions, boxes, within=6)
        recalls[name] = is_match.any(axis=1)[is_small].mean()
        num_twice = len(predictions) - is_match.any(axis=0).sum() + (is_match.sum(axis=1) > 1).sum()
        assert num_twice < 0.01 * len(boxes)
    assert recalls["tiles"] == recalls["chosen"] == 1
    assert 3 * recalls["plain"] <= recalls["tiles"]
