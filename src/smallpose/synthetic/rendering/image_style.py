"""Choose the style of an image: place, background and light."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from smallpose.synthetic.rendering.places.brush import EYE, HORIZON, MIDDLE, PLATE_WH

Floats = NDArray[np.float64]

# Clothes worn at each place.
PLACES = {
    "street": "city",
    "park": "summer",
    "pitch": "sport",
    "hall": "city",
    "beach": "beach",
    "snow": "winter",
    "plaza": "city",
    "meadow": "summer",
}


@dataclass(frozen=True)
class ImageStyle:
    """A background and how it is used in one image.

    Args:
        place: a key of `PLACES`.
        pool: plates of different pools share nothing.
        number: of the plate in its pool.
        flip: mirrored.
        zoom: px of the image per px of the plate.
        shift: 0 to 1, which part of the plate across.
        light: (2,) where light comes from in the image, x right, y down, length 1.
        sun: 0 overcast to 1 bright: how dark shadows are.
        shade, warmth: (3,) RGB factors of dark and lit sides.
        exposure, contrast: of the whole image.
        style: of clothes.
    """

    place: str
    pool: str
    number: int
    flip: bool
    zoom: float
    shift: float
    light: Floats
    sun: float
    shade: Floats
    warmth: Floats
    exposure: float
    contrast: float
    style: str


@dataclass(frozen=True)
class BackgroundCrop:
    """The part of a background that an image shows: corner and size in its px, and the zoom."""

    x: float
    y: float
    wide: float
    tall: float
    zoom: float


def crop_background(look: ImageStyle, size_wh: tuple[int, int], horizon: float) -> BackgroundCrop:
    """Return the part of the background that aligns its horizon with the image's."""
    width, height = size_wh
    zoom = max(look.zoom * max(width, height) / 640, width / PLATE_WH[0], height / PLATE_WH[1])
    tall, wide = height / zoom, width / zoom
    y = float(np.clip(HORIZON - horizon / zoom, 0, max(PLATE_WH[1] - tall, 0)))
    return BackgroundCrop(look.shift * max(PLATE_WH[0] - wide, 0), y, wide, tall, zoom)


def find_walls(look: ImageStyle, size_wh: tuple[int, int], horizon: float) -> tuple[float, float]:
    """Return the column of the vanishing point and the reach to both sides per row below it.

    The reach is infinite where the place has no walls.

    Infinity where no wall stands beside the way.
    """
    window = crop_background(look, size_wh, horizon)
    middle = (MIDDLE - window.x) * window.zoom
    # As far as the narrowest street and hall of `places` reach, metres.
    half = {"street": 5.4, "hall": 7.6}.get(look.place, np.inf)
    return (size_wh[0] - middle if look.flip else middle), half / EYE


@lru_cache(maxsize=1024)
def draw_light(pool: str, number: int) -> tuple[float, float]:
    """Return the side of the sun, -1 (left) to 1 (right), and its strength, 0 to 1."""
    rng = np.random.default_rng([7, len(pool), *pool.encode(), number])
    side = rng.uniform(0.35, 1.0) * (1 if rng.random() < 0.5 else -1)
    return float(side), float(np.clip(rng.beta(1.6, 1.0), 0.05, 1.0))


def choose_place(places: tuple[str, ...], pool: str, number: int) -> str:
    """Return the place of a background; the backgrounds of a pool take turns."""
    return places[(number + sum(pool.encode())) % len(places)]


def draw_image_style(
    places: tuple[str, ...], plates: tuple[str, int], rng: np.random.Generator
) -> ImageStyle:
    """Draw a background of the pool and a way to use it."""
    pool, count = plates
    number = int(rng.integers(count))
    side, sun = draw_light(pool, number)
    place = choose_place(places, pool, number)
    flip = bool(rng.random() < 0.5)
    indoors = place == "hall"
    light = np.array([-side if flip else side, -1.15 if indoors else -0.85])
    warm = rng.uniform(-0.5, 1.0) * (0.3 if indoors else 1.0)
    strength = 0.25 if indoors else sun
    return ImageStyle(
        place=place,
        pool=pool,
        number=number,
        flip=flip,
        zoom=float(rng.uniform(0.82, 1.25)),
        shift=float(rng.random()),
        light=light / np.linalg.norm(light),
        sun=strength,
        shade=1.0 - np.array([0.10, 0.05, -0.06]) * (0.4 + strength),
        warmth=1.0 + np.array([0.07, 0.03, -0.05]) * warm * strength + 0.06 * strength,
        exposure=float(np.clip(rng.normal(1.02, 0.05), 0.88, 1.15)),
        contrast=float(np.clip(rng.normal(1.04, 0.06), 0.88, 1.25)),
        style=PLACES[place],
    )
