"""Paint skies, distant hills and mountains."""

import cv2
import numpy as np

from smallpose.synthetic.rendering.places.brush import (
    HORIZON,
    PLATE_WH,
    Bytes,
    Colour,
    draw_noise,
    to_bytes,
)

# Zenith and horizon colours of a few kinds of day.
_DAYS = (
    ((84, 142, 205), (206, 224, 236)),
    ((112, 160, 208), (228, 232, 230)),
    ((150, 166, 182), (214, 217, 220)),
    ((96, 128, 176), (246, 214, 178)),
    ((122, 150, 190), (240, 226, 206)),
    ((70, 124, 196), (186, 214, 236)),
)


def paint_sky(rng: np.random.Generator, sun_side: float, sun: float) -> tuple[Bytes, Colour]:
    """Return (1040, 1152, 3) with sky above the horizon, and the colour of the air there."""
    w = PLATE_WH[0]
    top, low = (np.array(c, dtype=np.float32) for c in _DAYS[int(rng.integers(len(_DAYS)))])
    if sun < 0.35:
        grey = top.mean() * np.array([0.97, 1.0, 1.03], dtype=np.float32)
        top, low = 0.35 * top + 0.65 * grey + 18, 0.5 * low + 0.5 * low.mean()
    share = np.linspace(0, 1, HORIZON, dtype=np.float32)[:, None, None] ** 1.25
    small = (HORIZON // 2, w // 2)
    above = np.asarray(cv2.resize(top + (low - top) * share, (w // 2, small[0])))
    rows = np.linspace(0.15, 1, small[0], dtype=np.float32)[:, None]
    field = draw_noise(small, rng.uniform(2.5, 5.0), rng, 5, stretch=rng.uniform(1.6, 3.2))
    cover = np.clip((field - rng.uniform(-0.1, 0.9) + 0.9 * (sun < 0.35)) * 0.9, 0, 1) * rows**0.4
    lit = 246 + 6 * draw_noise(small, 9, rng, 2)[:, :, None]
    shade = np.clip(field, 0, 2)[:, :, None] * np.array([16, 13, 8], dtype=np.float32)
    above = above + (np.minimum(lit - shade, 252) - above) * (0.85 * cover[:, :, None])
    columns = np.linspace(-1, 1, w // 2, dtype=np.float32)[None]
    glow = np.exp(-((columns - sun_side) ** 2) * 2.2 - ((rows - 0.55) ** 2) * 2.5)[:, :, None]
    above = above + glow * sun * np.array([34, 26, 8], dtype=np.float32)
    image = np.zeros((PLATE_WH[1], w, 3), np.uint8)
    image[:HORIZON] = cv2.resize(to_bytes(above), (w, HORIZON), interpolation=cv2.INTER_LINEAR)
    image[HORIZON:] = low
    return image, [float(c) for c in low]


def paint_ridge(
    image: Bytes,
    rng: np.random.Generator,
    height: float,
    colour: Colour,
    rough: int = 4,
    snow: bool = False,
    base: int = HORIZON,
) -> None:
    """Paint a line of hills or mountains on row `base`, up to `height` px high."""
    w = PLATE_WH[0]
    profile = draw_noise((2, w), rng.uniform(2, 4), rng, rough)[0]
    profile = np.abs(profile) if snow else profile * 0.5 + 0.8
    top = base - np.clip(height * (0.35 + 0.45 * profile), 3, base - 8)
    low = max(int(top.min()) - 1, 0)
    rows = np.arange(low, base, dtype=np.float32)[:, None]
    inside = np.clip(rows - top[None].astype(np.float32), 0, 1)[:, :, None]
    deep = np.clip((rows - top[None]) / max(height, 1), 0, 1)[:, :, None]
    rock = np.asarray(colour, dtype=np.float32)
    body = rock * (0.92 + 0.16 * deep)
    if snow:
        slope = np.asarray(
            cv2.GaussianBlur(np.gradient(profile)[None].astype(np.float32), (0, 0), 2)
        )
        folds = draw_noise((len(rows), w), 14, rng, 4)
        side = np.clip(0.5 + 60 * slope + 0.28 * folds, 0, 1)[:, :, None]
        white = np.array([172, 188, 212]) + side * np.array([74, 62, 38])
        line = np.clip(1.6 - 2.2 * deep + 0.35 * folds[:, :, None], 0, 1)
        body = body * (1 - line) + white * line
    else:
        body = body * (1 + 0.05 * draw_noise((len(rows), w), 50, rng, 3)[:, :, None])
    part = image[low:base].astype(np.float32)
    image[low:base] = to_bytes(np.asarray(part + (body - part) * inside, dtype=np.float32))
