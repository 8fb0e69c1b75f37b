"""A sports ground: mown stripes or a hard court, lines, a stand or trees."""

from itertools import pairwise

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
    draw_stripe,
    fill_polygon,
    jitter_colour,
    map_ground,
    project_speckle,
    tint_colour,
    to_bytes,
)
from smallpose.synthetic.rendering.places.built import paint_houses, place_front_wall
from smallpose.synthetic.rendering.places.green import paint_grass, paint_treeline
from smallpose.synthetic.rendering.places.sky import paint_sky


def paint_pitch(rng: np.random.Generator, side: float, sun: float) -> Bytes:
    """Paint a sports ground: mown stripes, white lines, boards, a stand or trees."""
    image, air = paint_sky(rng, side, sun)
    if rng.random() < 0.6:
        _paint_stand(image, rng)
    else:
        if rng.random() < 0.5:
            houses, wall_mask = paint_houses(rng, 120, 2, 5, shop=False)
            place_front_wall(image, houses, wall_mask, 85, 1.0, air)
        paint_treeline(image, rng, rng.uniform(50, 95), air, side)
    kind = int(rng.integers(4))
    turf = jitter_colour(
        ((92, 138, 64), (84, 128, 70), (166, 92, 70), (62, 112, 150))[kind], 5, rng
    )
    across, away, near = map_ground()
    if kind < 2:
        ground = paint_grass(rng, turf)
        broad = rng.uniform(3.0, 5.5)
        along = across if rng.random() < 0.5 else away
        soft = np.clip(np.sin(np.pi * along / broad) * 6, -1, 1) * np.clip(near * 7, 0, 1)
        ground = ground * (1 + 0.055 * soft[:, :, None])
    else:
        ground = tint_colour(turf, project_speckle(0, 50) + 0.6 * project_speckle(2, 8), 0.045)
    image[HORIZON:] = to_bytes(np.asarray(ground, dtype=np.float32))
    white = (236, 240, 232)
    far, half, x0 = rng.uniform(26, 40), rng.uniform(14, 22), rng.uniform(-5, 5)
    for a, b in (
        ((x0 - half, far), (x0 + half, far)),
        ((x0 - half, 0.8), (x0 - half, far)),
        ((x0 + half, 0.8), (x0 + half, far)),
        ((x0 - half, far / 2.6), (x0 + half, far / 2.6)),
        ((x0 - 6, far), (x0 - 6, far - 7)),
        ((x0 + 6, far), (x0 + 6, far - 7)),
        ((x0 - 6, far - 7), (x0 + 6, far - 7)),
    ):
        draw_stripe(image, a, b, 0.13, white)
    ring = np.linspace(0, 2 * np.pi, 49)
    for t, s in pairwise(ring):
        a, b = ((x0 + 4.5 * np.cos(u), far / 2.6 + 4.5 * np.sin(u)) for u in (t, s))
        if min(a[1], b[1]) > 1.5:
            draw_stripe(image, a, b, 0.13, white)
    metre = FOCAL / far
    y, left, right = HORIZON + EYE * metre, MIDDLE + (x0 - 2) * metre, MIDDLE + (x0 + 2) * metre
    for a, b in (
        ((left, y), (left, y - 1.6 * metre)),
        ((right, y), (right, y - 1.6 * metre)),
        ((left, y - 1.6 * metre), (right, y - 1.6 * metre)),
    ):
        cv2.line(
            image,
            (round(a[0]), round(a[1])),
            (round(b[0]), round(b[1])),
            (244, 244, 244),
            2,
            cv2.LINE_AA,
        )
    add_haze(image, air, 0.25)
    return image


def _paint_stand(image: Bytes, rng: np.random.Generator) -> None:
    """Paint rows of empty seats behind boards; spectators would be unlabelled people."""
    base, top = HORIZON + 26, HORIZON - int(rng.uniform(70, 130))
    seat = jitter_colour(
        ((176, 60, 56), (58, 84, 140), (206, 204, 198), (60, 120, 110))[int(rng.integers(4))],
        8,
        rng,
    )
    rows = 14
    for k in range(rows):
        y1, y2 = (round(top + (base - top) * j / rows) for j in (k, k + 1))
        cv2.rectangle(image, (0, y1), (PLATE_WH[0], y2), (seat * (0.62 + 0.02 * k)).tolist(), -1)
        for x in range(0, PLATE_WH[0], 8):
            tone = seat * (0.86 + 0.02 * k) * rng.uniform(0.93, 1.07)
            cv2.rectangle(image, (x, y1 + 1), (x + 5, y2 - 3), np.clip(tone, 0, 250).tolist(), -1)
    for x in range(60, PLATE_WH[0], 230):
        cv2.rectangle(image, (x, top), (x + 12, base), (150, 152, 156), -1)
    roof = np.array(
        [[0, top - 46], [PLATE_WH[0], top - 58], [PLATE_WH[0], top - 26], [0, top - 18]]
    )
    cv2.rectangle(image, (0, top - 24), (PLATE_WH[0], top), (62, 68, 78), -1)
    fill_polygon(image, roof.astype(np.float64), (214, 218, 222))
    x = 0
    while x < PLATE_WH[0]:
        wide = int(rng.integers(90, 190))
        board = jitter_colour(
            ((36, 62, 120), (176, 48, 52), (240, 236, 226), (34, 112, 84), (232, 176, 60))[
                int(rng.integers(5))
            ],
            8,
            rng,
        )
        cv2.rectangle(image, (x, base - 6), (x + wide - 2, base + 17), board.tolist(), -1)
        ink = (244, 242, 236) if board.mean() < 150 else (40, 44, 60)
        for a in range(x + 12, x + wide - 22, 13):
            cv2.rectangle(image, (a, base), (a + int(rng.integers(5, 10)), base + 11), ink, -1)
        x += wide
    cv2.rectangle(image, (0, base + 17), (PLATE_WH[0], HORIZON + 44), (120, 116, 112), -1)
