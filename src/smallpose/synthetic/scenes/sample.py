"""Render one image in memory with its people, for tests and examples."""

import numpy as np
from numpy.typing import NDArray

from smallpose.synthetic.rendering.raster import use_one_thread
from smallpose.synthetic.scenes.layout import PROFILES, plan_scene
from smallpose.synthetic.scenes.render import render_scene


def draw_scene(
    seed: int, size_wh: tuple[int, int] = (640, 480), kind: str = "coco", split: str = "train"
) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.float64]]:
    """Render an image like those of one source, with exact joints.

    Args:
        kind: coco, mpii, aic, hieve or posetrack.
        split: "train" or "test", which share neither plates nor palettes.

    Returns:
        (h, w, 3) RGB bytes; (n, 21, 3) keypoints, px, v 2 seen, 1 hidden, 0 outside;
        (n, 4) boxes x, y, width, height around the visible part. Only visible people are
        returned.
    """
    rng = np.random.default_rng([19, seed])
    scene = plan_scene(PROFILES[kind], split, (split, 8), rng, size_wh)
    with use_one_thread():
        drawn = render_scene(scene, grain_seed=seed)
    seen = drawn.mask_area > 0
    keypoints = drawn.keypoints[seen]
    keypoints[keypoints[:, :, 2] == 0] = 0.0
    return drawn.image, keypoints, drawn.boxes_xywh[seen]
