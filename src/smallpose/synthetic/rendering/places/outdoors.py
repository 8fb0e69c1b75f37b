"""Beach, snow, meadow, park, pitch: places without houses, or with few."""

import cv2
import numpy as np

from smallpose.synthetic.rendering.places.brush import (
    EYE,
    FOCAL,
    HORIZON,
    MIDDLE,
    PLATE_WH,
    Bytes,
    add_haze,
    draw_noise,
    fill_ground,
    fill_polygon,
    jitter_colour,
    make_colour,
    map_ground,
    project_speckle,
    tint_colour,
    to_bytes,
)
from smallpose.synthetic.rendering.places.built import paint_houses, paint_lamp, place_front_wall
from smallpose.synthetic.rendering.places.green import (
    LEAVES,
    paint_grass,
    paint_pine,
    paint_tree,
    paint_treeline,
)
from smallpose.synthetic.rendering.places.sky import paint_ridge, paint_sky

_GRASS = ((108, 138, 66), (96, 132, 72), (122, 142, 76), (86, 122, 62), (134, 140, 82))


def paint_park(rng: np.random.Generator, side: float, sun: float) -> Bytes:
    """Paint lawns, a path, trees near and far, and lamps."""
    image, air = paint_sky(rng, side, sun)
    if rng.random() < 0.6:
        paint_ridge(image, rng, rng.uniform(30, 70), (132, 152, 166))
    if rng.random() < 0.4:
        houses, wall_mask = paint_houses(rng, 110, 3, 7, shop=False)
        place_front_wall(image, houses, wall_mask, 95, 0.95, air)
    paint_treeline(image, rng, rng.uniform(40, 90), air, side)
    ground = paint_grass(rng, jitter_colour(_GRASS[int(rng.integers(len(_GRASS)))], 6, rng))
    across, away, _ = map_ground()
    bend = rng.uniform(-0.25, 0.25)
    offset = rng.uniform(-4, 4)
    centre = offset + bend * away + rng.uniform(-2, 2) * np.sin(away / 9)
    wide = rng.uniform(1.4, 3.2)
    fray = 0.12 * project_speckle(1, 16)
    path = np.clip((wide - np.abs(across - centre) + fray) * 9, 0, 1)[:, :, None]
    gravel = tint_colour(
        jitter_colour((196, 178, 148), 9, rng),
        project_speckle(0, 55) + project_speckle(2, 12),
        0.06,
    )
    rim = np.clip(1 - np.abs(np.abs(across - centre) - wide) * 7, 0, 1)[:, :, None]
    ground = (ground + (gravel - ground) * path) * (1 - 0.16 * rim)
    image[HORIZON:] = _keep_above_horizon(image, to_bytes(ground))
    add_haze(image, air, 0.5)
    leaves = None if rng.random() < 0.6 else LEAVES[int(rng.integers(len(LEAVES)))]
    for z in np.sort(rng.uniform(9, 55, int(rng.integers(6, 14))))[::-1].tolist():
        x = rng.uniform(-0.8, 0.8) * z
        if abs(x - (offset + bend * z)) > wide + 1.2:
            _paint_ground_shadow(image, x, z, 2.4, side, sun)
            paint_tree(
                image=image,
                rng=rng,
                x_m=x,
                away=z,
                air=air,
                side=side,
                height_m=rng.uniform(4.5, 8.5),
                leaves=leaves,
            )
    for z in (34.0, 22.0, 14.0):
        paint_lamp(image, offset + bend * z + wide + 0.6, z, 3.2, (58, 66, 62))
    return image


def paint_meadow(rng: np.random.Generator, side: float, sun: float) -> Bytes:
    """Paint open grass with flowers before hills."""
    image, air = paint_sky(rng, side, sun)
    for height, colour in ((110, (150, 168, 184)), (72, (124, 150, 148)), (42, (104, 134, 98))):
        paint_ridge(image, rng, height * rng.uniform(0.5, 1.2), jitter_colour(colour, 8, rng), 3)
    if rng.random() < 0.7:
        paint_treeline(image, rng, rng.uniform(22, 46), air, side)
    ground = paint_grass(
        rng,
        jitter_colour(
            ((132, 148, 78), (148, 150, 88), (112, 140, 70))[int(rng.integers(3))], 7, rng
        ),
    )
    image[HORIZON:] = _keep_above_horizon(image, to_bytes(ground))
    colours = np.array([[238, 226, 120], [240, 240, 236], [196, 120, 160], [150, 132, 200]])
    kinds = colours[rng.permutation(4)[:2]]
    z = 3 / rng.uniform(0.06, 1.25, 1500)
    x = rng.uniform(-0.85, 0.85, 1500) * z
    patch = np.sin(0.7 * x + rng.uniform(0, 6)) + np.sin(0.5 * z + rng.uniform(0, 6)) > 0.2
    for a, b, k in zip(
        x[patch].tolist(), z[patch].tolist(), rng.integers(0, 2, int(patch.sum())), strict=True
    ):
        metre = FOCAL / b
        at = (round(MIDDLE + a * metre), round(HORIZON + EYE * metre - 0.1 * metre))
        cv2.circle(image, at, max(1, round(0.018 * metre)), kinds[k].tolist(), -1, cv2.LINE_AA)
    add_haze(image, air, 0.6)
    for far in np.sort(rng.uniform(18, 70, int(rng.integers(2, 6))))[::-1].tolist():
        x_m = rng.uniform(-0.8, 0.8) * far
        _paint_ground_shadow(image, x_m, far, 2.6, side, sun)
        paint_tree(image, rng, x_m, far, air, side, rng.uniform(5, 9))
    return image


def paint_beach(rng: np.random.Generator, side: float, sun: float) -> Bytes:
    """Paint sand, surf and sea with a headland and parasols far away."""
    image, air = paint_sky(rng, side, sun)
    if rng.random() < 0.7:
        paint_ridge(image, rng, rng.uniform(25, 60), (138, 156, 164), 3)
        # A headland does not run all along the horizon: sky grows back over one half.
        clear, _ = paint_sky(np.random.default_rng(int(rng.integers(2**31))), side, sun)
        ramp = np.clip((np.linspace(-1, 1, PLATE_WH[0]) * rng.choice([-1, 1]) + 0.1) * 5, 0, 1)
        share = ramp[None, :, None].astype(np.float32)
        part = image[:HORIZON].astype(np.float32)
        image[:HORIZON] = to_bytes(part + (clear[:HORIZON] - part) * share)
    across, away, near = map_ground()
    sand = jitter_colour(
        ((222, 198, 156), (230, 212, 176), (206, 180, 140))[int(rng.integers(3))], 6, rng
    )
    dunes = project_speckle(3, 12, rng.uniform(0, 30)) + 0.8 * project_speckle(
        2, 14, rng.uniform(0, 30)
    )
    ground = tint_colour(sand, dunes, 0.05) * (1 + 0.05 * project_speckle(0, 70)[:, :, None])
    dents = np.clip(project_speckle(2, 40, 2.0) - 1.1, 0, 1)[:, :, None]
    ground = ground * (1 - 0.16 * dents)
    line = rng.uniform(11, 24)
    shore = line + 1.3 * np.sin(across / 7 + rng.uniform(0, 6)) + 0.35 * np.sin(across / 1.9)
    wet = np.clip((away - shore + 3.2) / 2.2, 0, 1)[:, :, None]
    ground = ground * (1 - 0.27 * wet * make_colour(0.9, 1.0, 1.05))
    deep, shallow = make_colour(38.0, 96, 128), make_colour(112.0, 176, 176)
    far = np.clip((away - shore) / 45, 0, 1)[:, :, None]
    height, width = away.shape
    swell = draw_noise((height, width), 5, rng, 4, stretch=9.0) * np.clip(near * 30, 0.15, 1)
    water = (shallow + (deep - shallow) * far**0.6) * (1 + 0.09 * swell[:, :, None])
    water = water + np.clip(swell - 1.3, 0, 1)[:, :, None] * 60
    sea = np.clip((away - shore) * 4, 0, 1)[:, :, None]
    ground = ground + (water - ground) * sea
    for back in (0.0, 2.5, 7.0, 14.0):
        surf = np.exp(
            -(((away - shore - back - 0.3 * np.sin(across / 3)) / (0.22 + 0.06 * back)) ** 2)
        )
        foam = (surf * np.clip(0.75 + 0.5 * swell, 0, 1))[:, :, None]
        ground = ground + (make_colour(244.0, 246, 244) - ground) * foam * (0.95 - 0.05 * back)
    image[HORIZON:] = to_bytes(np.asarray(ground, dtype=np.float32))
    add_haze(image, air, 0.35)
    colours = ((206, 70, 60), (240, 196, 80), (60, 120, 150), (236, 232, 222), (90, 150, 120))
    for z in np.sort(rng.uniform(6, 12, int(rng.integers(1, 5))))[::-1].tolist():
        x = rng.uniform(-0.75, 0.75) * z
        _paint_ground_shadow(image, x, z, 1.5, side, sun)
        _paint_parasol(image, x, z, colours[int(rng.integers(len(colours)))])
        towel = jitter_colour(colours[int(rng.integers(len(colours)))], 10, rng)
        fill_ground(
            image, [(x + 0.7, z), (x + 1.5, z), (x + 1.6, z - 1.3), (x + 0.8, z - 1.3)], towel
        )
    return image


def _paint_parasol(image: Bytes, x_m: float, away: float, colour: tuple[int, int, int]) -> None:
    metre = FOCAL / away
    x, y = MIDDLE + x_m * metre, HORIZON + EYE * metre
    cv2.line(
        image,
        (round(x), round(y)),
        (round(x), round(y - 2.1 * metre)),
        (226, 222, 214),
        max(1, round(0.05 * metre)),
        cv2.LINE_AA,
    )
    edge = np.linspace(-1.3, 1.3, 9)
    for k in range(8):
        a, b = edge[k], edge[k + 1]
        tone = np.array(colour, dtype=float) if k % 2 else make_colour(240.0, 236, 226)
        tone = tone * (1.04 - 0.035 * k)
        rim = [y - (1.75 - 0.1 * (1 - abs(t) / 1.3)) * metre for t in (a, b)]
        points = np.array(
            [
                [x, y - 2.35 * metre],
                [x + 0.62 * a * metre, y - 2.14 * metre],
                [x + a * metre, rim[0]],
                [x + b * metre, rim[1]],
                [x + 0.62 * b * metre, y - 2.14 * metre],
            ]
        )
        fill_polygon(image, points, np.clip(tone, 0, 250))


def paint_snow(rng: np.random.Generator, side: float, sun: float) -> Bytes:
    """Paint a snow field before mountains and firs."""
    image, air = paint_sky(rng, side, sun)
    paint_ridge(image, rng, rng.uniform(150, 260), (112, 122, 140), 5, snow=True)
    paint_ridge(image, rng, rng.uniform(40, 90), (196, 206, 220), 3)
    for z in np.sort(rng.uniform(45, 95, 46))[::-1].tolist():
        paint_pine(
            image, rng, rng.uniform(-0.85, 0.85) * z, z, air, side, rng.uniform(6, 11), snowy=True
        )
    across, away, near = map_ground()
    drift = project_speckle(3, 8, rng.uniform(0, 40)) + 0.6 * project_speckle(
        2, 6, rng.uniform(0, 40)
    )
    base = make_colour(228.0, 234, 243) - (1 - sun) * make_colour(14.0, 10, 4)
    ground = (
        tint_colour(base, drift, 0.035, (1.3, 1.0, 0.7)) + 2.2 * project_speckle(0, 60)[:, :, None]
    )
    for _ in range(int(rng.integers(2, 6))):
        middle = (
            rng.uniform(-8, 8) + rng.uniform(-0.3, 0.3) * away + np.sin(away / rng.uniform(4, 9))
        )
        for gap in (-0.22, 0.22):
            groove = np.exp(-(((across - middle - gap) / 0.07) ** 2)) * np.clip(near * 14, 0, 1)
            ground = ground - groove[:, :, None] * make_colour(30.0, 22, 10)
    pits = np.clip(project_speckle(2, 36, 5.0) - 1.25, 0, 1)[:, :, None]
    ground = ground - pits * make_colour(34.0, 26, 14)
    image[HORIZON:] = _keep_above_horizon(image, to_bytes(np.asarray(ground, dtype=np.float32)))
    add_haze(image, air, 0.3)
    for z in np.sort(rng.uniform(12, 40, int(rng.integers(3, 9))))[::-1].tolist():
        x = rng.uniform(-0.8, 0.8) * z
        _paint_ground_shadow(image, x, z, 2.0, side, sun * 0.6)
        paint_pine(image, rng, x, z, air, side, rng.uniform(5, 9), snowy=True)
    return image


def _keep_above_horizon(image: Bytes, ground: Bytes) -> Bytes:
    """Return the ground, except where the foot of a distant object already covers it."""
    strip = 20
    # Nothing far stands as low as this row, so it holds the bare colour of the air.
    air = image[HORIZON + 200, :1].astype(np.int16)
    far = image[HORIZON : HORIZON + strip]
    something = np.abs(far - air).max(axis=2, keepdims=True) > 6
    out = ground.copy()
    out[:strip] = np.where(something, far, ground[:strip])
    return out


def _paint_ground_shadow(
    image: Bytes, x_m: float, away: float, radius_m: float, side: float, sun: float
) -> None:
    """Paint the shadow of a tall object, cast away from the light."""
    metre = FOCAL / away
    x = MIDDLE + (x_m - side * radius_m * 0.9) * metre
    y = HORIZON + EYE * metre
    half = (radius_m * metre * 1.5, max(radius_m * metre * 0.2, 1.0))
    x1, x2 = int(max(x - half[0], 0)), int(min(x + half[0] + 1, PLATE_WH[0]))
    y1, y2 = int(max(y - half[1], 0)), int(min(y + half[1] + 1, PLATE_WH[1]))
    if x2 - x1 < 2 or y2 - y1 < 1:
        return
    gx = (np.arange(x1, x2) - x) / half[0]
    gy = (np.arange(y1, y2) - y)[:, None] / half[1]
    keep = 1 - (0.16 + 0.3 * sun) * np.clip(1.25 - 1.25 * (gx**2 + gy**2), 0, 1)[:, :, None]
    image[y1:y2, x1:x2] = image[y1:y2, x1:x2] * keep
