"""Street and plaza: places among houses."""

import cv2
import numpy as np

from smallpose.synthetic.rendering.places.brush import (
    EYE,
    FOCAL,
    HORIZON,
    MIDDLE,
    Bytes,
    add_haze,
    draw_stripe,
    draw_tiles,
    fill_ground,
    jitter_colour,
    make_colour,
    map_ground,
    project_speckle,
    tint_colour,
    to_bytes,
)
from smallpose.synthetic.rendering.places.built import (
    paint_houses,
    paint_lamp,
    place_front_wall,
    place_side_wall,
)
from smallpose.synthetic.rendering.places.green import paint_tree, paint_treeline
from smallpose.synthetic.rendering.places.sky import paint_sky

_STONES = ((182, 172, 158), (164, 160, 154), (196, 184, 164), (150, 146, 142), (188, 164, 142))


def paint_street(rng: np.random.Generator, side: float, sun: float) -> Bytes:
    """Paint a road between two rows of houses."""
    image, air = paint_sky(rng, side, sun)
    low = int(rng.integers(2, 5))
    houses, wall_mask = paint_houses(rng, 60, low, low + 3)
    place_front_wall(image, houses, wall_mask, 78, 0.95, air)
    paint_treeline(image, rng, 26, air, side, away=72)
    half = rng.uniform(3.2, 4.6)
    walk = rng.uniform(2.4, 4.0)
    across, _, _ = map_ground()
    asphalt = tint_colour(
        jitter_colour((112, 112, 114), 8, rng),
        project_speckle(0, 60) + 0.5 * project_speckle(3, 9),
        0.05,
    )
    worn = np.exp(-((np.abs(np.abs(across) - half / 2) - 0.8) ** 2) * 3)[:, :, None]
    asphalt = asphalt * (1 - 0.07 * worn)
    joints, value = draw_tiles(0.75, 0.75, 0.018, rng, brick=rng.random() < 0.5)
    stone = tint_colour(
        jitter_colour(_STONES[int(rng.integers(len(_STONES)))], 7, rng), value, 0.03
    )
    stone = stone * (1 - 0.2 * joints[:, :, None]) * (1 + 0.03 * project_speckle(0, 60)[:, :, None])
    kerb = np.clip((np.abs(across) - half) * 12, 0, 1)[:, :, None]
    ground = asphalt + (stone - asphalt) * kerb
    edge = np.clip(1 - np.abs(np.abs(across) - half - 0.09) * 9, 0, 1)[:, :, None]
    ground = ground + (make_colour(196.0, 192, 184) - ground) * edge * 0.7
    image[HORIZON:] = to_bytes(np.asarray(ground, dtype=np.float32))
    white = (224, 222, 214)
    for z in np.arange(2.0, 60.0, 5.0).tolist():
        draw_stripe(image, (0, z), (0, z + 2.4), 0.14, white)
    if rng.random() < 0.75:
        z = rng.uniform(4.5, 11)
        for x in np.arange(-half + 0.4, half - 0.3, 0.95).tolist():
            fill_ground(image, [(x, z), (x + 0.5, z), (x + 0.5, z + 2.6), (x, z + 2.6)], white)
    for _ in range(int(rng.integers(1, 4))):
        z, x = rng.uniform(3, 12), rng.uniform(-half + 0.6, half - 0.6)
        ring = np.linspace(0, 2 * np.pi, 20)
        fill_ground(
            image, [(x + 0.32 * np.cos(t), z + 0.32 * np.sin(t)) for t in ring], (84, 84, 86)
        )
    add_haze(image, air, 0.3)
    for s in (-1, 1):
        houses, wall_mask = paint_houses(rng, 74, low, low + 3)
        tone = 0.8 + 0.28 * max(-s * side, 0) * sun
        place_side_wall(
            image=image,
            wall=houses,
            wall_mask=wall_mask,
            x_m=s * (half + walk),
            z1=1.2,
            z2=76,
            tone=tone,
            air=air,
        )
    if rng.random() < 0.7:
        for z in (44.0, 34.0, 26.0, 20.0, 15.0):
            for s in (-1, 1):
                if rng.random() < 0.75:
                    paint_tree(image, rng, s * (half + 0.7), z, air, side, rng.uniform(4.2, 5.6))
    for z in (52.0, 38.0, 29.0, 17.0, 11.0):
        paint_lamp(image, (half + 0.35) * (1 if int(z) % 2 else -1), z, 4.0, (58, 62, 68))
    _paint_parked_cars(image, rng, half)
    return image


def _paint_parked_cars(image: Bytes, rng: np.random.Generator, half: float) -> None:
    """Paint cars along the kerb, seen from behind."""
    colours = (
        (150, 46, 42),
        (52, 74, 116),
        (198, 200, 202),
        (52, 56, 62),
        (186, 156, 70),
        (92, 118, 104),
    )
    for z in np.sort(rng.uniform(12, 50, int(rng.integers(3, 9))))[::-1].tolist():
        s = 1 if rng.random() < 0.5 else -1
        x, y = MIDDLE + s * (half - 1.0) * FOCAL / z, HORIZON + EYE * FOCAL / z
        m = FOCAL / z
        body = jitter_colour(colours[int(rng.integers(len(colours)))], 8, rng)

        def box(
            x1: float,
            y1: float,
            x2: float,
            y2: float,
            colour: list[float],
            m: float = m,
            x: float = x,
            y: float = y,
        ) -> None:
            cv2.rectangle(
                image,
                (round(x + x1 * m), round(y - y1 * m)),
                (round(x + x2 * m), round(y - y2 * m)),
                colour,
                -1,
            )

        box(-0.95, 0.0, 0.95, 0.12, [40, 40, 44])
        box(-0.86, 0.3, 0.86, 0.95, body.tolist())
        box(-0.7, 0.95, 0.7, 1.45, (body * 0.9).tolist())
        box(-0.6, 0.98, 0.6, 1.36, [88, 104, 118])
        box(-0.86, 0.3, 0.86, 0.45, (body * 0.7).tolist())
        box(-0.82, 0.68, -0.58, 0.86, [196, 52, 44])
        box(0.58, 0.68, 0.82, 0.86, [196, 52, 44])
        box(-0.84, 0.0, -0.6, 0.32, [30, 30, 34])
        box(0.6, 0.0, 0.84, 0.32, [30, 30, 34])


def paint_plaza(rng: np.random.Generator, side: float, sun: float) -> Bytes:
    """Paint a paved square before houses, with trees and bollards."""
    image, air = paint_sky(rng, side, sun)
    low = int(rng.integers(3, 6))
    away_m = rng.uniform(32, 55)
    houses, wall_mask = paint_houses(rng, away_m * 1.9, low, low + 3)
    place_front_wall(image, houses, wall_mask, away_m, 0.92 + 0.12 * sun, air)
    size = rng.uniform(0.7, 1.8)
    joints, value = draw_tiles(
        size, size * rng.uniform(0.7, 1.4), 0.02, rng, brick=rng.random() < 0.4
    )
    stone = jitter_colour(_STONES[int(rng.integers(len(_STONES)))], 8, rng)
    across, away, _ = map_ground()
    ground = tint_colour(stone, value, 0.035) * (1 - 0.2 * joints[:, :, None])
    ground = ground * (1 + 0.035 * (project_speckle(0, 60) + project_speckle(3, 7))[:, :, None])
    style = int(rng.integers(3))
    band_of = across if style == 0 else away
    broad = rng.uniform(5, 8)
    band = np.clip(1.0 - np.abs(((band_of + 40) % broad) - broad / 2) / 0.35, 0, 1)
    if style == 2:
        radius = np.hypot(across, away - 13)
        band = np.clip(1.0 - np.abs(((radius + 0.5) % 3.4) - 1.7) / 0.4, 0, 1)
    accent = jitter_colour(
        ((142, 86, 70), (96, 98, 104), (214, 206, 190))[int(rng.integers(3))], 8, rng
    )
    share = np.clip(band * 3, 0, 1)[:, :, None] * 0.75
    ground = ground * (1 - share) + (accent * (1 + 0.04 * value[:, :, None])) * share
    far = np.clip((away - away_m + 0.5) * 3, 0, 1)[:, :, None]
    ground = ground * (1 - 0.3 * far)
    picture_ground = to_bytes(np.asarray(ground, dtype=np.float32))
    foot = int(EYE * FOCAL / away_m)
    image[HORIZON + foot :] = picture_ground[foot:]
    add_haze(image, air, 0.2)
    for z in np.sort(rng.uniform(12, away_m - 4, int(rng.integers(2, 8))))[::-1].tolist():
        x = rng.uniform(-0.8, 0.8) * z
        _paint_flower_bed(image, x, z, rng)
        paint_tree(image, rng, x, z, air, side, rng.uniform(4, 6))
    for k in range(7):
        paint_lamp(image, -9 + 3.0 * k, away_m * 0.62, 0.8, (72, 70, 68))
    for x in (-7.0, 7.5):
        paint_lamp(image, x, 20.0, 4.2, (52, 56, 60))
    return image


def _paint_flower_bed(image: Bytes, x: float, z: float, rng: np.random.Generator) -> None:
    half = 0.9
    corners = [
        (x - half, z - half),
        (x + half, z - half),
        (x + half, z + half),
        (x - half, z + half),
    ]
    fill_ground(image, corners, (170, 162, 150))
    inner = [(x + 0.85 * (a - x), z + 0.85 * (b - z)) for a, b in corners]
    fill_ground(image, inner, jitter_colour((96, 112, 66), 8, rng))
