"""One picture in memory with its people, for tests and examples."""

import numpy as np
from numpy.typing import NDArray

from smallpose.synthetic.rendering.raster import one_thread
from smallpose.synthetic.scenes.layout import PROFILES, draw_scene_plan
from smallpose.synthetic.scenes.render import draw


def draw_scene(
    seed: int, size_wh: tuple[int, int] = (640, 480), kind: str = "coco", split: str = "train"
) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.float64]]:
    """A picture as one of the sources has them, with exact joints.

    Args:
        kind: coco, mpii, aic, hieve or posetrack.
        split: "train" or "test", which share neither plates nor palettes.

    Returns:
        (h, w, 3) RGB bytes; (n, 21, 3) keypoints, px, v 2 seen, 1 hidden, 0 outside;
        (n, 4) boxes x, y, width, height around what is seen. Only people of whom something is seen.
    """
    rng = np.random.default_rng([19, seed])
    scene = draw_scene_plan(PROFILES[kind], split, (split, 8), rng, size_wh)
    with one_thread():
        drawn = draw(scene, grain_seed=seed)
    seen = drawn.mask_area > 0
    keypoints = drawn.keypoints[seen]
    keypoints[keypoints[:, :, 2] == 0] = 0.0
    return drawn.picture, keypoints, drawn.boxes_xywh[seen]
