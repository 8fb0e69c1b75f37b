"""Background plates: a place painted once from noise and geometry, used in many pictures.

Plates are named by pool and number; train and test draw from different pools, so a background
seen in training never comes back in a test.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from smallpose.synthetic.rendering.image_style import plate_light
from smallpose.synthetic.rendering.places import indoors, outdoors, sports, town
from smallpose.synthetic.rendering.places.brush import HORIZON, PLATE_WH

__all__ = ["HORIZON", "PLATE_WH", "plate"]

_PAINTERS = {
    "street": town.street,
    "plaza": town.plaza,
    "hall": indoors.hall,
    "park": outdoors.park,
    "meadow": outdoors.meadow,
    "pitch": sports.pitch,
    "beach": outdoors.beach,
    "snow": outdoors.snow,
}


@lru_cache(maxsize=160)
def plate(place: str, pool: str, number: int) -> NDArray[np.uint8]:
    """(1040, 1152, 3) RGB with its horizon on row `HORIZON`; the same bytes each time."""
    rng = np.random.default_rng([11, len(pool), *pool.encode(), number])
    side, sun = plate_light(pool, number)
    picture = _PAINTERS[place](rng, side, sun)
    picture.flags.writeable = False
    return picture
