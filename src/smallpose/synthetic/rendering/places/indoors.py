"""A hall: sports hall, station, gallery."""

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
    draw_noise,
    draw_stripe,
    draw_tiles,
    fill_ground,
    jitter_colour,
    map_ground,
    project_speckle,
    tint_colour,
    to_bytes,
)
from smallpose.synthetic.rendering.places.built import PX, place_front_wall, place_side_wall


def paint_hall(rng: np.random.Generator, side: float, sun: float) -> Bytes:
    """Paint an indoor hall: a sports hall, a station, a gallery."""
    del sun
    w = PLATE_WH[0]
    image = np.zeros((PLATE_WH[1], w, 3), np.uint8)
    sporty = rng.random() < 0.5
    away_m, half, tall = rng.uniform(20, 34), rng.uniform(8, 12), rng.uniform(6.0, 9.0)
    wall = jitter_colour(
        ((222, 214, 200), (204, 212, 216), (214, 200, 178), (190, 202, 196))[int(rng.integers(4))],
        7,
        rng,
    )
    trim = jitter_colour(
        ((176, 74, 58), (66, 96, 128), (92, 116, 96), (120, 98, 76))[int(rng.integers(4))], 8, rng
    )
    image[:HORIZON] = wall * 0.9
    _paint_ceiling(image, rng, wall, away_m, half, tall)
    for s in (-1, 1):
        panel, wall_mask = _paint_inner_wall(
            rng, away_m + 2, tall, wall * (1.02 if s * side < 0 else 0.88), trim
        )
        place_side_wall(
            image=image,
            wall=panel,
            wall_mask=wall_mask,
            x_m=s * half,
            z1=1.0,
            z2=away_m,
            tone=1.0,
            air=(226, 224, 218),
        )
    panel, wall_mask = _paint_inner_wall(rng, 2 * half, tall, wall, trim)
    place_front_wall(image, panel, wall_mask, away_m, 1.0, (232, 230, 224))
    ground = _paint_floor(rng, sporty)
    foot = HORIZON + int(EYE * FOCAL / away_m)
    depth = min(PLATE_WH[1] - foot, foot)
    mirror = np.asarray(cv2.blur(image[foot - depth : foot][::-1], (5, 61)), dtype=np.float32)
    floor = ground[foot - HORIZON :].copy()
    fade = np.linspace(0.30, 0.05, depth, dtype=np.float32)[:, None, None]
    floor[:depth] = floor[:depth] * (1 - fade) + mirror * fade
    image[foot:] = to_bytes(floor)
    if sporty:
        _paint_court(image, rng, away_m, half)
    return image


def _paint_floor(rng: np.random.Generator, sporty: bool) -> Image:
    if sporty:
        joints, value = draw_tiles(0.12, 1.6, 0.004, rng, brick=True)
        base = jitter_colour(
            ((206, 162, 108), (190, 146, 98), (214, 178, 128))[int(rng.integers(3))], 6, rng
        )
        ground = tint_colour(base, value, 0.045) * (1 - 0.22 * joints[:, :, None])
    else:
        side = rng.uniform(0.5, 1.1)
        joints, value = draw_tiles(side, side, 0.006, rng)
        base = jitter_colour(
            ((200, 194, 184), (176, 178, 180), (196, 178, 152), (150, 152, 150))[
                int(rng.integers(4))
            ],
            6,
            rng,
        )
        across, away, _ = map_ground()
        checks = (np.floor(across / side) + np.floor(away / side)) % 2 - 0.5
        dark = checks * (0.16 if rng.random() < 0.4 else 0.03) * np.clip(9 / away, 0, 1)
        ground = (
            tint_colour(base, value, 0.02)
            * (1 - 0.18 * joints[:, :, None])
            * (1 + dark[:, :, None])
        )
    return np.asarray(ground * (1 + 0.015 * project_speckle(3, 9)[:, :, None]), dtype=np.float32)


def _paint_inner_wall(
    rng: np.random.Generator, wide_m: float, tall_m: float, wall: Colour, trim: Colour
) -> tuple[Bytes, Bytes]:
    w, h = int(wide_m * PX), int(tall_m * PX)
    base, accent = np.asarray(wall, dtype=np.float32), np.asarray(trim, dtype=np.float32)
    shade = np.linspace(0.86, 1.06, h, dtype=np.float32)[:, None, None]
    image = to_bytes(base * shade * (1 + 0.015 * draw_noise((h, w), 4, rng, 3)[:, :, None]))
    cv2.rectangle(image, (0, h - int(1.2 * PX)), (w, h), accent.tolist(), -1)
    cv2.rectangle(
        image, (0, h - int(1.26 * PX)), (w, h - int(1.2 * PX)), (accent * 0.7).tolist(), -1
    )
    pitch = int(rng.uniform(2.8, 4.5) * PX)
    kind = int(rng.integers(3))
    for x in range(pitch // 3, w - pitch // 3, pitch):
        if kind == 0:  # high windows, bright with day
            box = (x, int(0.8 * PX), x + int(0.68 * pitch), int(0.45 * h))
            cv2.rectangle(image, box[:2], box[2:], (236, 242, 246), -1)
            cv2.rectangle(image, box[:2], box[2:], (140, 146, 150), 3)
            for k in (1, 2):
                a = box[0] + k * (box[2] - box[0]) // 3
                cv2.line(image, (a, box[1]), (a, box[3]), (150, 156, 160), 2)
        elif kind == 1:  # banners
            colour = jitter_colour(
                ((180, 60, 56), (52, 90, 140), (222, 178, 72), (60, 120, 96))[int(rng.integers(4))],
                9,
                rng,
            )
            box = (x, int(0.16 * h), x + int(0.36 * pitch), int(0.6 * h))
            cv2.rectangle(image, box[:2], box[2:], colour.tolist(), -1)
            cv2.rectangle(
                image, (box[0] + 8, box[1] + 14), (box[2] - 8, box[1] + 34), (240, 236, 228), -1
            )
        else:  # doors and images
            cv2.rectangle(image, (x, h - int(2.3 * PX)), (x + int(1.6 * PX), h), (96, 84, 74), -1)
            cv2.rectangle(
                image, (x + 4, h - int(2.2 * PX)), (x + int(1.6 * PX) - 4, h), (142, 122, 100), -1
            )
        cv2.rectangle(
            image,
            (x + int(0.78 * pitch), 0),
            (x + int(0.86 * pitch), h),
            (base * 0.8).tolist(),
            -1,
        )
    return image, np.full((h, w), 255, np.uint8)


def _paint_ceiling(
    image: Bytes, rng: np.random.Generator, wall: Colour, away_m: float, half: float, tall: float
) -> None:
    """Paint beams and lamps overhead in perspective."""
    base = np.asarray(wall, dtype=np.float64)
    rise = tall - EYE

    def at(x: float, z: float) -> list[float]:
        return [MIDDLE + FOCAL * x / z, HORIZON - FOCAL * rise / z]

    def panel(x1: float, x2: float, z1: float, z2: float, colour: list[float]) -> None:
        corners = np.array([at(x1, z1), at(x2, z1), at(x2, z2), at(x1, z2)])
        fixed = np.clip(np.rint(corners * 16), -(10**6), 10**6).astype(np.int32)
        cv2.fillPoly(image, [fixed], colour, cv2.LINE_AA, 4)

    panel(-half, half, 1.0, away_m, (base * 0.82).tolist())
    step = rng.uniform(2.4, 3.6)
    for z in np.arange(away_m, 2.0, -step).tolist():
        panel(-half, half, z, max(z - 0.35, 1.0), (base * 0.64).tolist())
        for x in np.linspace(-0.7, 0.7, 4).tolist():
            panel(x * half - 0.8, x * half + 0.8, z - 0.9, max(z - 1.5, 1.0), [250, 248, 238])


def _paint_court(image: Bytes, rng: np.random.Generator, away_m: float, half: float) -> None:
    """Paint lines and a coloured area on a sports hall's floor."""
    x, z1, z2 = 0.72 * half, 1.0, away_m - 2.5
    colour = jitter_colour(
        ((58, 108, 146), (164, 78, 62), (72, 122, 92))[int(rng.integers(3))], 8, rng
    )
    overlay = image.copy()
    deep = z2 - 5.5
    fill_ground(overlay, [(-2.4, deep), (2.4, deep), (2.4, z2), (-2.4, z2)], colour)
    image[:] = cv2.addWeighted(image, 0.25, overlay, 0.75, 0)
    lines = (
        ((-x, z1), (-x, z2)),
        ((x, z1), (x, z2)),
        ((-x, z2), (x, z2)),
        ((-x, z2 / 2), (x, z2 / 2)),
        ((-2.4, deep), (2.4, deep)),
        ((-2.4, deep), (-2.4, z2)),
        ((2.4, deep), (2.4, z2)),
    )
    for a, b in lines:
        draw_stripe(image, a, b, 0.09, (244, 242, 234))
    metre = FOCAL / (z2 + 0.6)
    y = HORIZON + EYE * metre
    left, right = (round(MIDDLE + k * metre) for k in (-0.9, 0.9))
    board = (left, round(y - 3.9 * metre)), (right, round(y - 2.9 * metre))
    foot, rim = (round(MIDDLE), round(y)), (round(MIDDLE), round(y - 3.05 * metre))
    cv2.line(image, foot, rim, (92, 96, 102), max(1, round(0.15 * metre)))
    cv2.rectangle(image, *board, (246, 246, 244), -1)
    cv2.rectangle(image, *board, (60, 64, 70), 1)
    hoop = (max(2, round(0.23 * metre)), 2)
    cv2.ellipse(
        image,
        rim,
        hoop,
        angle=0,
        startAngle=0,
        endAngle=360,
        color=(222, 96, 44),
        thickness=2,
        lineType=cv2.LINE_AA,
    )
