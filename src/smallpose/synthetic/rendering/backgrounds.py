"""Paint backgrounds: a place made of noise and geometry, used in many images.

Backgrounds are identified by pool and number. Train and test use different pools, so a background
of the training images never occurs in test images.

Plates are named by pool and number; train and test draw from different pools, so a background
seen in training never comes back in a test.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from smallpose.synthetic.rendering.image_style import draw_light
from smallpose.synthetic.rendering.places import indoors, outdoors, sports, town
from smallpose.synthetic.rendering.places.brush import HORIZON, PLATE_WH

__all__ = ["HORIZON", "PLATE_WH", "paint_background"]

_PAINTERS = {
    "street": town.paint_street,
    "plaza": town.paint_plaza,
    "hall": indoors.paint_hall,
    "park": outdoors.paint_park,
    "meadow": outdoors.paint_meadow,
    "pitch": sports.paint_pitch,
    "beach": outdoors.paint_beach,
    "snow": outdoors.paint_snow,
}


@lru_cache(maxsize=160)
def paint_background(place: str, pool: str, number: int) -> NDArray[np.uint8]:
    """Return (1040, 1152, 3) RGB with the horizon at row `HORIZON`; deterministic."""
    rng = np.random.default_rng([11, len(pool), *pool.encode(), number])
    side, sun = draw_light(pool, number)
    image = _PAINTERS[place](rng, side, sun)
    image.flags.writeable = False
    return image
