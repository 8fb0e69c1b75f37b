"""Tiles: small people are seen, nobody is cut at a seam, nobody is found twice."""

import cv2
import numpy as np
import pytest
import torch

from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.inference import Options, find
from smallpose.inference.tiles import tile_windows
from smallpose.methods.full_image import Found, WholeImageMethod

LEAST = 8  # network px; who is less tall is not seen


class Blocks(WholeImageMethod):
    """Finds white blocks: joints along the diagonal, taller ones surer."""

    name, fitting, multiple, nms_above = "blocks", "inside", 32, 0.9
    score_above, default_flip_test = 0.0, False

    def __init__(self) -> None:
        super().__init__(COCO17, (128, 128))

    def prepare(self, crops):
        return crops.float().permute(0, 3, 1, 2)

    def targets(self, keypoints):
        return keypoints

    def loss(self, outputs, targets):
        return {}

    def find(self, pictures, flip_test):
        found = []
        for picture in pictures[:, 0].numpy():
            _, _, stats, _ = cv2.connectedComponentsWithStats((picture > 127).astype(np.uint8))
            boxes = [s[:4].astype(float) for s in stats[1:] if s[3] >= LEAST]
            boxes = np.array(boxes).reshape(-1, 4)
            corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
            along = np.linspace(0, 1, 17)[:, None]
            points = boxes[:, None, :2] + along * boxes[:, None, 2:]
            scores = torch.from_numpy(boxes[:, 3] / 128).float()
            found.append(
                Found(
                    torch.from_numpy(points).float(),
                    scores[:, None].expand(-1, 17),
                    scores,
                    torch.from_numpy(corners).float(),
                )
            )
        return found


def planted(size_wh, boxes):
    """A picture with these blocks, and the table that names it."""
    picture = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    for x, y, w, h in np.asarray(boxes).tolist():
        picture[y : y + h, x : x + w] = 255
    images = make_images([1], ["a.png"], [size_wh[0]], [size_wh[1]])
    return picture, make_instances(COCO17, images, [], np.zeros((0, 4)), [])


def look(size_wh, boxes, **options):
    picture, people = planted(size_wh, boxes)
    return find(Blocks(), people, None, lambda name: picture, Options(**options))


def matches(found, boxes, within):
    """(boxes, found) whether each was found there."""
    away = np.abs(found.boxes_xywh[None] - np.asarray(boxes)[:, None]).max(axis=2)
    return away <= within


@pytest.mark.parametrize("size", [(1024, 768), (1000, 130), (129, 128), (3840, 2160), (64, 900)])
@pytest.mark.parametrize(("side", "overlap"), [(128, 32), (256, 0), (512, 256)])
def test_tiles_cover_the_image_have_one_size_and_share_enough(size, side, overlap):
    windows = tile_windows(size, side, overlap)
    assert len(np.unique(windows[:, 2:], axis=0)) <= 1
    if not len(windows):
        assert max(size) <= side
        return
    seen = np.zeros((size[1], size[0]), bool)
    for x, y, w, h in windows.tolist():
        assert x >= 0 and y >= 0 and x + w <= size[0] and y + h <= size[1]
        seen[y : y + h, x : x + w] = True
    assert seen.all()
    for axis in (0, 1):
        starts = np.unique(windows[:, axis])
        assert (np.diff(starts) <= windows[0, 2 + axis] - overlap).all()


def test_people_on_every_seam_are_found_once_and_whole():
    size, side, overlap = (1024, 768), 256, 64
    windows = tile_windows(size, side, overlap)
    seams_x = np.unique(np.concatenate([windows[:, 0], windows[:, 0] + windows[:, 2]]))
    seams_y = np.unique(np.concatenate([windows[:, 1], windows[:, 1] + windows[:, 3]]))
    boxes = [
        (int(x) - 12, int(y) - 20, 24, 40)
        for x in seams_x
        for y in seams_y
        if 30 < x < size[0] - 30 and 30 < y < size[1] - 30
    ]
    assert len(boxes) > 30
    found = look(size, boxes, tile=side, tile_overlap=overlap)
    there = matches(found, boxes, within=3)
    assert (there.sum(axis=1) == 1).all()
    assert len(found) == len(boxes)


def test_tiles_find_the_small_ones_and_the_whole_view_the_large_one():
    rng = np.random.default_rng(0)
    x, y = np.meshgrid(np.arange(20, 1000, 70), np.arange(20, 500, 60))
    small = [
        (int(a + rng.integers(9)), int(b + rng.integers(9)), 16, 30)
        for a, b in zip(x.ravel(), y.ravel(), strict=True)
    ]
    large = (200, 560, 500, 190)  # across three tiles
    plain = look((1024, 768), [*small, large])
    tiled = look((1024, 768), [*small, large], tile=256)
    assert matches(plain, small, 8).any(axis=1).sum() * 3 <= len(small)
    assert (matches(tiled, small, 3).sum(axis=1) == 1).all()
    assert matches(tiled, [large], 12).sum() == 1
    # Not one duplicate, and no part of the large one passes for a person.
    assert len(tiled) == len(small) + 1


def test_a_image_no_larger_than_a_tile_is_looked_at_once():
    boxes = [(10, 10, 20, 40), (70, 30, 20, 50)]
    plain, tiled = look((128, 128), boxes), look((128, 128), boxes, tile=128)
    np.testing.assert_array_equal(plain.keypoints, tiled.keypoints)
    assert len(look((600, 128), [], tile=128)) == 0


def test_a_cap_counts_people_of_the_image_and_not_of_tiles():
    boxes = [(x, 40, 16, 30) for x in range(10, 1000, 60)]
    assert len(look((1024, 128), boxes, tile=128)) == len(boxes)
    assert len(look((1024, 128), boxes, tile=128, most=5)) == 5
