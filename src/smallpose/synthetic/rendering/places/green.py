"""Trees, pines, hedges and grass."""

import cv2
import numpy as np

from smallpose.synthetic.rendering.places.brush import (
    EYE,
    FOCAL,
    HORIZON,
    MIDDLE,
    PLATE_WH,
    Bytes,
    Colour,
    Image,
    map_ground,
    project_speckle,
    tint_colour,
)

LEAVES = (
    (70, 108, 52),
    (86, 124, 58),
    (58, 96, 62),
    (110, 128, 62),
    (146, 122, 54),
    (92, 116, 74),
    (168, 108, 52),
    (78, 116, 84),
)
_FINE = 16  # fractions of a px that circles are placed to


def _paint_dots(image: Bytes, x: Image, y: Image, r: Image, colours: Image) -> None:
    """Paint many soft discs in background px."""
    fixed = np.rint(np.stack([x, y, r], axis=1) * _FINE).astype(int)
    for (cx, cy, cr), colour in zip(fixed.tolist(), colours.tolist(), strict=True):
        cv2.circle(image, (cx, cy), max(cr, _FINE // 2), colour, -1, cv2.LINE_AA, 4)


def _blend_air(colour: Colour, away: float, air: Colour) -> Image:
    share = 1 - np.exp(-away / 110)
    base = np.asarray(colour, dtype=np.float32)
    return np.asarray(base + (np.asarray(air, dtype=np.float32) - base) * share, dtype=np.float32)


def paint_tree(
    image: Bytes,
    rng: np.random.Generator,
    x_m: float,
    away: float,
    air: Colour,
    side: float,
    height_m: float = 6.5,
    leaves: Colour | None = None,
) -> None:
    """Paint a broad-leaved tree on the ground, lit from `side` (-1 left, 1 right)."""
    metre = FOCAL / away
    x, y = MIDDLE + x_m * metre, HORIZON + EYE * metre
    tall = height_m * metre
    green = _blend_air(
        LEAVES[int(rng.integers(len(LEAVES)))] if leaves is None else leaves, away, air
    )
    bark = _blend_air((84, 66, 50), away, air)
    wide = max(1.0, 0.032 * tall)
    trunk = np.array(
        [
            [x - wide, y],
            [x + wide, y],
            [x + 0.5 * wide, y - 0.55 * tall],
            [x - 0.5 * wide, y - 0.55 * tall],
        ]
    )
    cv2.fillPoly(image, [np.rint(trunk * 16).astype(np.int32)], bark.tolist(), cv2.LINE_AA, 4)
    n = int(np.clip(tall / 4, 14, 60))
    turn, reach = rng.uniform(0, 2 * np.pi, n), np.sqrt(rng.random(n))
    cx = x + 0.26 * tall * reach * np.cos(turn)
    cy = y - 0.68 * tall + 0.25 * tall * reach * np.sin(turn)
    r = tall * rng.uniform(0.06, 0.115, n)
    for layer, (shift, size, light) in enumerate(
        ((0.0, 1.15, 0.62), (0.022, 0.92, 0.86), (0.045, 0.62, 1.1), (0.06, 0.32, 1.3))
    ):
        keep = rng.random(n) < (1.0, 1.0, 0.85, 0.6)[layer]
        above = np.clip((y - 0.4 * tall - cy) / (0.55 * tall), 0, 1)
        tone = light * (0.8 + 0.28 * above + 0.12 * side * (cx - x) / (0.3 * tall))
        tone = tone * rng.uniform(0.92, 1.08, n)
        colours = np.clip(green * tone[:, None] + [4, 4, 0], 0, 255)
        ox = cx + side * shift * tall + rng.normal(0, 0.02, n) * tall
        oy = cy - 0.8 * shift * tall + rng.normal(0, 0.02, n) * tall
        _paint_dots(image, ox[keep], oy[keep], (r * size)[keep], colours[keep])
    m = int(np.clip(tall * 0.7, 0, 260))
    if m > 20:
        turn, reach = rng.uniform(0, 2 * np.pi, m), np.sqrt(rng.random(m))
        ox = x + 0.33 * tall * reach * np.cos(turn)
        oy = y - 0.69 * tall + 0.31 * tall * reach * np.sin(turn)
        tone = rng.uniform(0.75, 1.35, m) * (0.85 + 0.3 * (y - 0.5 * tall - oy) / (0.5 * tall))
        colours = np.clip(green * tone[:, None], 0, 255)
        _paint_dots(image, ox, oy, np.full(m, 0.011 * tall + 0.4), colours)


def paint_pine(
    image: Bytes,
    rng: np.random.Generator,
    x_m: float,
    away: float,
    air: Colour,
    side: float,
    height_m: float = 9.0,
    snowy: bool = False,
) -> None:
    """Paint a conifer of stacked boughs."""
    metre = FOCAL / away
    x, y = MIDDLE + x_m * metre, HORIZON + EYE * metre
    tall = height_m * metre
    green = _blend_air((52, 82, 66), away, air)
    bark = _blend_air((74, 58, 46), away, air).tolist()
    top = (int(x), int(y - 0.2 * tall))
    cv2.line(image, (int(x), int(y)), top, bark, max(1, int(0.03 * tall)), cv2.LINE_AA)
    boughs = 9
    for k in range(boughs):
        low = y - tall * (0.08 + 0.86 * k / boughs)
        half = 0.21 * tall * (1 - k / boughs) ** 0.85 * rng.uniform(0.88, 1.12)
        rise = 0.17 * tall
        for tone, shrink, shift in ((0.78, 1.0, 0.0), (1.08, 0.62, 0.2 * side)):
            spread = half * shrink
            points = [[x, low - rise]]
            for j in range(7):
                t = 1 - j / 3
                sag = (0.05 if j % 2 else 0.0) * tall * (1 - k / boughs)
                points.append(
                    [x + (t + shift) * spread, low - 0.25 * rise * (1 - abs(t)) + sag * 0.4]
                )
            colour = np.clip(green * tone, 0, 255)
            fixed = np.rint(np.array(points) * 16).astype(np.int32)
            cv2.fillPoly(image, [fixed], colour.tolist(), cv2.LINE_AA, 4)
        if snowy:
            cap = [
                [x, low - rise],
                [x + 0.62 * half, low - 0.3 * rise],
                [x + 0.1 * half, low - 0.48 * rise],
                [x - 0.5 * half, low - 0.32 * rise],
            ]
            fixed = np.rint(np.array(cap) * 16).astype(np.int32)
            cv2.fillPoly(
                image, [fixed], _blend_air((232, 238, 246), away, air).tolist(), cv2.LINE_AA, 4
            )


def paint_treeline(
    image: Bytes,
    rng: np.random.Generator,
    height: float,
    air: Colour,
    side: float,
    leaves: Colour | None = None,
    away: float = 70.0,
) -> None:
    """Paint a distant wood along the horizon, about `height` px high."""
    green = np.asarray(LEAVES[int(rng.integers(4))] if leaves is None else leaves, dtype=np.float32)
    row = HORIZON + EYE * FOCAL / away
    for tone, lift, size in ((0.66, 0.62, 0.34), (0.82, 0.5, 0.3), (0.98, 0.36, 0.26)):
        n = int(PLATE_WH[0] / (0.16 * height + 2))
        x = np.linspace(-10, PLATE_WH[0] + 10, n) + rng.normal(0, 0.2 * height, n)
        y = row - height * lift + rng.normal(0, 0.14 * height, n)
        colours = np.clip(
            _blend_air(green, away, air) * tone * rng.uniform(0.88, 1.12, (n, 1)), 0, 255
        )
        _paint_dots(image, x, y, height * size * rng.uniform(0.7, 1.2, n), colours)
        m = 3 * n
        x, y = rng.uniform(0, PLATE_WH[0], m), row - height * lift * rng.uniform(0.2, 1.5, m)
        colours = np.clip(
            _blend_air(green, away, air) * tone * rng.uniform(0.85, 1.3, (m, 1)), 0, 255
        )
        _paint_dots(image, x + side * 2, y - 1, height * rng.uniform(0.03, 0.09, m), colours)
    low = _blend_air(green * 0.6, away, air)
    cv2.rectangle(image, (0, int(row - 0.3 * height)), (PLATE_WH[0], int(row)), low.tolist(), -1)


def paint_grass(rng: np.random.Generator, colour: Colour) -> Image:
    """Paint (h, w, 3) ground covered with grass."""
    across, away, near = map_ground()
    blades = 0.5 * project_speckle(0, 60, 3.0) + 0.6 * project_speckle(1, 22, rng.uniform(0, 9))
    patches = project_speckle(3, 9, rng.uniform(0, 50)) + 0.7 * project_speckle(
        2, 5, rng.uniform(0, 50)
    )
    turf = tint_colour(colour, blades * (0.35 + 0.65 * near), 0.13)
    turf *= 1 + 0.055 * patches[:, :, None] * np.array([1.3, 0.9, 0.7], dtype=np.float32)
    del across, away
    return np.asarray(turf * (0.97 + 0.06 * (1 - near[:, :, None])), dtype=np.float32)
