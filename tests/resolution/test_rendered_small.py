"""Reducing an image of synthetic people gives what rendering them small gives.

bench/resolution.py compares the curves of a network; no trained weights come with the tests.
"""

import numpy as np
import pytest
from rendered_small import HEIGHTS, compare_curves, draw_large_scenes

from smallpose.synthetic.scenes.render import render_scene


@pytest.mark.long
def test_reduced_and_rendered_people_are_found_alike():
    """The oracle compares pixels, and limbs of few px are drawn flat: below, AP differs."""
    for reduced, rendered in compare_curves(60, 80, HEIGHTS):
        metrics = ("found",) if reduced.px < 64 else ("AP", "OKS", "found", "PCK")
        for metric in metrics:
            a, b = reduced.intervals[metric], rendered.intervals[metric]
            is_close = abs(a.value - b.value) < 0.01
            assert is_close or a.overlaps(b), (reduced.px, metric, a, b)


def test_a_reduced_scene_has_its_people_where_the_labels_say():
    scenes, _, truth = draw_large_scenes(3)
    for row, scene in enumerate(scenes):
        size_wh = (240, 180)
        drawn = render_scene(scene.reduce(size_wh), grain_seed=row)
        expected = truth.keypoints[truth.image_rows == row]
        seen = drawn.keypoints[drawn.mask_area > 0]
        if len(seen) != len(expected):
            continue
        labelled = (expected[:, :, 2] > 0) & (seen[:, :, 2] > 0)
        points = (expected[:, :, :2] + 0.5) / 4 - 0.5
        assert np.abs(seen[:, :, :2] - points)[labelled].max() < 0.5
