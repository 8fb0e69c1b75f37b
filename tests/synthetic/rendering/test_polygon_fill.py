"""Polygons to pixels: known answers, and the compiled loops against their NumPy twins."""

import cv2
import numpy as np
import pytest

from smallpose.synthetic.rendering import polygon_fill
from smallpose.synthetic.rendering.polygon_fill import (
    ONE,
    Sprite,
    apply_shading,
    average_blocks,
    composite_sprite,
    fill_polygons,
)

needs_core = pytest.mark.skipif(polygon_fill.CORE is None, reason="no compiler at installation")


def one(shape, size_wh, hull=False):
    """The pixels that a single polygon covers."""
    width, height = size_wh
    canvas = np.zeros(width * height, np.uint16)
    places = np.array([[0, height, width]])
    points = np.asarray(shape, np.int32)
    polygons = np.array([[0, 0, len(points), int(hull)]], np.int32)
    fill_polygons(canvas, places, points, polygons, np.array([7], np.uint16))
    return canvas.reshape(height, width) == 7


@pytest.fixture(params=["compiled", "numpy"])
def either(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(polygon_fill, "CORE", None)
    elif polygon_fill.CORE is None:
        pytest.skip("no compiler at installation")


def test_pixels_whose_centres_are_inside_or_on_the_edge_are_filled(either):
    square = np.array([[1, 1], [4, 1], [4, 3], [1, 3]]) * ONE
    expected = np.zeros((6, 6), bool)
    expected[1:4, 1:5] = True
    np.testing.assert_array_equal(one(square, (6, 6)), expected)
    between = np.add(
        square, [[1, 1], [-1, 1], [-1, -1], [1, -1]]
    )  # an eighth of a pixel further in
    expected[:] = False
    expected[2, 2:4] = True
    np.testing.assert_array_equal(one(between, (6, 6)), expected)


def test_convex_polygons_hold_what_their_half_planes_hold(either):
    rng = np.random.default_rng(0)
    ys, xs = np.mgrid[:40, :50] * ONE
    for _ in range(60):
        corners = rng.integers(-15 * ONE, 60 * ONE, (rng.integers(3, 20), 2))
        hull = cv2.convexHull(corners.astype(np.int32))[:, 0].astype(np.int64)
        inside = np.ones(xs.shape, bool)
        for (ax, ay), (bx, by) in zip(hull, np.roll(hull, -1, axis=0), strict=True):
            inside &= (bx - ax) * (ys - ay) - (by - ay) * (xs - ax) >= 0
        np.testing.assert_array_equal(one(hull, (50, 40)), inside)
        np.testing.assert_array_equal(one(corners, (50, 40), hull=True), inside)


def test_shapes_without_an_inside_and_outside_the_canvas_are_no_trouble(either):
    assert not one(np.full((5, 2), 12), (6, 6), hull=True).any()
    assert not one(np.array([[0, 8], [40, 8], [20, 8]]), (6, 6)).any()
    far = np.array([[-200_000, -200_000], [200_000, -200_000], [200_000, 200_000]])
    assert one(far, (6, 6)).any()
    assert not one(np.add(far, [400_000, 0]), (6, 6)).any()


def test_later_polygons_lie_over_earlier_ones_and_each_in_its_own_canvas(either):
    pixels = np.zeros(9 + 16, np.uint16)
    places = np.array([[0, 3, 3], [9, 4, 4]])
    points = np.array([[0, 0], [100, 0], [100, 100], [0, 100]], np.int32)
    polygons = np.array([[0, 0, 4, 0], [1, 0, 4, 0], [0, 0, 4, 0]], np.int32)
    fill_polygons(pixels, places, points, polygons, np.array([1, 2, 3], np.uint16))
    assert set(pixels[:9].tolist()) == {3}
    assert set(pixels[9:].tolist()) == {2}


def test_an_average_is_the_mean_of_what_was_drawn(either):
    canvas = np.full((2, 4), 100 << 8, np.uint16)
    canvas[0, 0] = 1 | 200 << 8
    canvas[:, 2:] = 2 | 50 << 8
    table = np.zeros((256, 3), np.uint8)
    table[1], table[2] = (80, 40, 0), (10, 20, 30)
    colour, cover, tone, parts = average_blocks(canvas, table, 2)
    assert colour.tolist() == [[[20, 10, 0], [10, 20, 30]]]
    assert cover.tolist() == [[64, 255]]
    assert tone.tolist() == [[125, 50]]
    assert parts.tolist() == [[0, 2]]


@needs_core
def test_compiled_loops_and_twins_give_the_same_bytes(monkeypatch):
    rng = np.random.default_rng(1)

    def everything(seed):
        rng = np.random.default_rng(seed)
        sizes = rng.integers(1, 12, (4, 2)) * 4
        area = sizes.prod(axis=1)
        places = np.column_stack([np.cumsum(area) - area, sizes])
        pixels = np.full(int(area.sum()), 118 << 8, np.uint16)
        points = rng.integers(-200, 500, (300, 2)).astype(np.int32)
        count = rng.integers(3, 13, 25)
        polygons = np.column_stack(
            [rng.integers(0, 4, 25), np.cumsum(count) - count, count, np.ones(25)]
        ).astype(np.int32)
        fill_polygons(
            pixels, places, points, polygons, rng.integers(0, 1 << 16, 25).astype(np.uint16)
        )
        table = rng.integers(0, 256, (256, 3)).astype(np.uint8)
        table[0] = 0
        image = rng.integers(0, 256, (70, 80, 3)).astype(np.uint8)
        owner, parts = np.zeros((70, 80), np.int16), np.zeros((70, 80), np.uint8)
        out = [pixels]
        for number, (start, height, width) in enumerate(places.tolist()):
            canvas = pixels[start : start + height * width].reshape(height, width)
            for over in (1, 2, 4):
                colour, cover, tone, drawn = average_blocks(canvas, table, over)
                out += [colour.copy(), cover, tone, drawn]
                apply_shading(colour, tone, table)
                sprite = Sprite(3 * over, 5, colour, cover, drawn)
                composite_sprite(
                    image, owner, parts, sprite, number + 1, (18, 60) if number % 2 else (1, 0)
                )
                out.append(colour)
        return [*out, image, owner, parts]

    for seed in rng.integers(0, 1000, 6).tolist():
        compiled = everything(seed)
        with monkeypatch.context() as without:
            without.setattr(polygon_fill, "CORE", None)
            twins = everything(seed)
        for ours, theirs in zip(compiled, twins, strict=True):
            np.testing.assert_array_equal(ours, theirs)
