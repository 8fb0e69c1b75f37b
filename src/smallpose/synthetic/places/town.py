"""Street, plaza and hall: places with walls."""

import cv2
import numpy as np

from smallpose.synthetic.places.brush import (
    EYE,
    FOCAL,
    HORIZON,
    MIDDLE,
    PLATE_WH,
    Bytes,
    as_bytes,
    fill_ground,
    ground_maps,
    ground_speckle,
    haze,
    jitter,
    noise,
    stripe,
    tiles,
    tint,
)
from smallpose.synthetic.places.built import (
    PX,
    front_wall,
    lamp,
    row_of_houses,
    side_wall,
)
from smallpose.synthetic.places.green import tree, treeline
from smallpose.synthetic.places.sky import sky

_STONES = ((182, 172, 158), (164, 160, 154), (196, 184, 164), (150, 146, 142), (188, 164, 142))


def street(rng: np.random.Generator, side: float, sun: float) -> Bytes:
    """A road between two rows of houses."""
    picture, air = sky(rng, side, sun)
    low = int(rng.integers(2, 5))
    houses, there = row_of_houses(rng, 60, low, low + 3)
    front_wall(picture, houses, there, 78, 0.95, air)
    treeline(picture, rng, 26, air, side, away=72)
    half = rng.uniform(3.2, 4.6)
    walk = rng.uniform(2.4, 4.0)
    across, away, _ = ground_maps()
    asphalt = tint(
        jitter((112, 112, 114), 8, rng), ground_speckle(0, 60) + 0.5 * ground_speckle(3, 9), 0.05
    )
    worn = np.exp(-((np.abs(np.abs(across) - half / 2) - 0.8) ** 2) * 3)[:, :, None]
    asphalt = asphalt * (1 - 0.07 * worn)
    joints, value = tiles(0.75, 0.75, 0.018, rng, brick=rng.random() < 0.5)
    stone = tint(jitter(_STONES[int(rng.integers(len(_STONES)))], 7, rng), value, 0.03)
    stone = stone * (1 - 0.2 * joints[:, :, None]) * (1 + 0.03 * ground_speckle(0, 60)[:, :, None])
    kerb = np.clip((np.abs(across) - half) * 12, 0, 1)[:, :, None]
    ground = asphalt + (stone - asphalt) * kerb
    edge = np.clip(1 - np.abs(np.abs(across) - half - 0.09) * 9, 0, 1)[:, :, None]
    ground = ground + (np.array([196.0, 192, 184]) - ground) * edge * 0.7
    picture[HORIZON:] = as_bytes(np.asarray(ground, dtype=np.float32))
    white = (224, 222, 214)
    for z in range(2, 60, 5):
        stripe(picture, (0, z), (0, z + 2.4), 0.14, white)
    if rng.random() < 0.75:
        z = rng.uniform(4.5, 11)
        for x in np.arange(-half + 0.4, half - 0.3, 0.95).tolist():
            fill_ground(picture, [(x, z), (x + 0.5, z), (x + 0.5, z + 2.6), (x, z + 2.6)], white)
    for _ in range(int(rng.integers(1, 4))):
        z, x = rng.uniform(3, 12), rng.uniform(-half + 0.6, half - 0.6)
        ring = np.linspace(0, 2 * np.pi, 20)
        fill_ground(
            picture, [(x + 0.32 * np.cos(t), z + 0.32 * np.sin(t)) for t in ring], (84, 84, 86)
        )
    del away
    for s in (-1, 1):
        houses, there = row_of_houses(rng, 74, low, low + 3)
        tone = 0.8 + 0.28 * max(-s * side, 0) * sun
        side_wall(picture, houses, there, s * (half + walk), 1.2, 76, tone, air)
    if rng.random() < 0.7:
        for z in (44.0, 34.0, 26.0, 20.0, 15.0):
            for s in (-1, 1):
                if rng.random() < 0.75:
                    tree(picture, rng, s * (half + 0.7), z, air, side, rng.uniform(4.2, 5.6))
    for z in (52.0, 38.0, 29.0, 17.0, 11.0):
        lamp(picture, (half + 0.35) * (1 if int(z) % 2 else -1), z, 4.0, (58, 62, 68))
    _parked(picture, rng, half)
    haze(picture, air, 0.3)
    return picture


def _parked(picture: Bytes, rng: np.random.Generator, half: float) -> None:
    """Cars along the kerb, seen from behind."""
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
        body = jitter(colours[int(rng.integers(len(colours)))], 8, rng)

        def box(x1: float, y1: float, x2: float, y2: float, colour: list[float], m: float = m,
                x: float = x, y: float = y) -> None:  # fmt: skip
            cv2.rectangle(picture, (round(x + x1 * m), round(y - y1 * m)),
                          (round(x + x2 * m), round(y - y2 * m)), colour, -1)  # fmt: skip

        box(-0.95, 0.0, 0.95, 0.12, [40, 40, 44])
        box(-0.86, 0.3, 0.86, 0.95, body.tolist())
        box(-0.7, 0.95, 0.7, 1.45, (body * 0.9).tolist())
        box(-0.6, 0.98, 0.6, 1.36, [88, 104, 118])
        box(-0.86, 0.3, 0.86, 0.45, (body * 0.7).tolist())
        box(-0.82, 0.68, -0.58, 0.86, [196, 52, 44])
        box(0.58, 0.68, 0.82, 0.86, [196, 52, 44])
        box(-0.84, 0.0, -0.6, 0.32, [30, 30, 34])
        box(0.6, 0.0, 0.84, 0.32, [30, 30, 34])


def plaza(rng: np.random.Generator, side: float, sun: float) -> Bytes:
    """A paved square before houses, with trees and bollards."""
    picture, air = sky(rng, side, sun)
    low = int(rng.integers(3, 6))
    away_m = rng.uniform(32, 55)
    houses, there = row_of_houses(rng, away_m * 1.9, low, low + 3)
    front_wall(picture, houses, there, away_m, 0.92 + 0.12 * sun, air)
    size = rng.uniform(0.7, 1.8)
    joints, value = tiles(size, size * rng.uniform(0.7, 1.4), 0.02, rng, brick=rng.random() < 0.4)
    stone = jitter(_STONES[int(rng.integers(len(_STONES)))], 8, rng)
    across, away, _ = ground_maps()
    ground = tint(stone, value, 0.035) * (1 - 0.2 * joints[:, :, None])
    ground = ground * (1 + 0.035 * (ground_speckle(0, 60) + ground_speckle(3, 7))[:, :, None])
    style = int(rng.integers(3))
    band_of = across if style == 0 else away
    broad = rng.uniform(5, 8)
    band = np.clip(1.0 - np.abs(((band_of + 40) % broad) - broad / 2) / 0.35, 0, 1)
    if style == 2:
        radius = np.hypot(across, away - 13)
        band = np.clip(1.0 - np.abs(((radius + 0.5) % 3.4) - 1.7) / 0.4, 0, 1)
    accent = jitter(((142, 86, 70), (96, 98, 104), (214, 206, 190))[int(rng.integers(3))], 8, rng)
    share = np.clip(band * 3, 0, 1)[:, :, None] * 0.75
    ground = ground * (1 - share) + (accent * (1 + 0.04 * value[:, :, None])) * share
    far = np.clip((away - away_m + 0.5) * 3, 0, 1)[:, :, None]
    ground = ground * (1 - 0.3 * far)
    picture_ground = as_bytes(np.asarray(ground, dtype=np.float32))
    foot = int(EYE * FOCAL / away_m)
    picture[HORIZON + foot :] = picture_ground[foot:]
    haze(picture, air, 0.2)
    for z in np.sort(rng.uniform(12, away_m - 4, int(rng.integers(2, 8))))[::-1].tolist():
        x = rng.uniform(-0.8, 0.8) * z
        _bed(picture, x, z, rng)
        tree(picture, rng, x, z, air, side, rng.uniform(4, 6))
    for k in range(7):
        lamp(picture, -9 + 3.0 * k, away_m * 0.62, 0.8, (72, 70, 68))
    for x in (-7.0, 7.5):
        lamp(picture, x, 20.0, 4.2, (52, 56, 60))
    return picture


def _bed(picture: Bytes, x: float, z: float, rng: np.random.Generator) -> None:
    half = 0.9
    corners = [
        (x - half, z - half),
        (x + half, z - half),
        (x + half, z + half),
        (x - half, z + half),
    ]
    fill_ground(picture, corners, (170, 162, 150))
    inner = [(x + 0.85 * (a - x), z + 0.85 * (b - z)) for a, b in corners]
    fill_ground(picture, inner, jitter((96, 112, 66), 8, rng))


def hall(rng: np.random.Generator, side: float, sun: float) -> Bytes:
    """An indoor hall: a sports hall, a station, a gallery."""
    del sun
    w = PLATE_WH[0]
    picture = np.zeros((PLATE_WH[1], w, 3), np.uint8)
    sporty = rng.random() < 0.5
    away_m, half, tall = rng.uniform(20, 34), rng.uniform(8, 12), rng.uniform(6.0, 9.0)
    wall = jitter(
        ((222, 214, 200), (204, 212, 216), (214, 200, 178), (190, 202, 196))[int(rng.integers(4))],
        7,
        rng,
    )
    trim = jitter(
        ((176, 74, 58), (66, 96, 128), (92, 116, 96), (120, 98, 76))[int(rng.integers(4))], 8, rng
    )
    picture[:HORIZON] = wall * 0.9
    _ceiling(picture, rng, wall, away_m, half, tall)
    for s in (-1, 1):
        panel, there = _inner_wall(
            rng, away_m + 2, tall, wall * (1.02 if s * side < 0 else 0.88), trim
        )
        side_wall(picture, panel, there, s * half, 1.0, away_m, 1.0, (226, 224, 218))
    panel, there = _inner_wall(rng, 2 * half, tall, wall, trim)
    front_wall(picture, panel, there, away_m, 1.0, (232, 230, 224))
    ground = _hall_floor(rng, sporty)
    foot = HORIZON + int(EYE * FOCAL / away_m)
    depth = min(PLATE_WH[1] - foot, foot)
    mirror = np.asarray(cv2.blur(picture[foot - depth : foot][::-1], (5, 61)), dtype=np.float32)
    floor = ground[foot - HORIZON :].copy()
    fade = np.linspace(0.30, 0.05, depth, dtype=np.float32)[:, None, None]
    floor[:depth] = floor[:depth] * (1 - fade) + mirror * fade
    picture[foot:] = as_bytes(floor)
    if sporty:
        _court(picture, rng, away_m, half)
    return picture


def _hall_floor(
    rng: np.random.Generator, sporty: bool
) -> np.ndarray[tuple[int, int, int], np.dtype[np.float32]]:
    if sporty:
        joints, value = tiles(0.12, 1.6, 0.004, rng, brick=True)
        base = jitter(
            ((206, 162, 108), (190, 146, 98), (214, 178, 128))[int(rng.integers(3))], 6, rng
        )
        ground = tint(base, value, 0.045) * (1 - 0.22 * joints[:, :, None])
    else:
        side = rng.uniform(0.5, 1.1)
        joints, value = tiles(side, side, 0.006, rng)
        base = jitter(
            ((200, 194, 184), (176, 178, 180), (196, 178, 152), (150, 152, 150))[
                int(rng.integers(4))
            ],
            6,
            rng,
        )
        across, away, _ = ground_maps()
        checks = (np.floor(across / side) + np.floor(away / side)) % 2 - 0.5
        dark = checks * (0.16 if rng.random() < 0.4 else 0.03) * np.clip(9 / away, 0, 1)
        ground = tint(base, value, 0.02) * (1 - 0.18 * joints[:, :, None]) * (1 + dark[:, :, None])
    return np.asarray(ground * (1 + 0.015 * ground_speckle(3, 9)[:, :, None]), dtype=np.float32)


def _inner_wall(
    rng: np.random.Generator, wide_m: float, tall_m: float, wall: object, trim: object
) -> tuple[Bytes, Bytes]:
    w, h = int(wide_m * PX), int(tall_m * PX)
    base, accent = np.asarray(wall, dtype=np.float32), np.asarray(trim, dtype=np.float32)
    shade = np.linspace(0.86, 1.06, h, dtype=np.float32)[:, None, None]
    picture = as_bytes(base * shade * (1 + 0.015 * noise((h, w), 4, rng, 3)[:, :, None]))
    cv2.rectangle(picture, (0, h - int(1.2 * PX)), (w, h), accent.tolist(), -1)
    cv2.rectangle(
        picture, (0, h - int(1.26 * PX)), (w, h - int(1.2 * PX)), (accent * 0.7).tolist(), -1
    )
    pitch = int(rng.uniform(2.8, 4.5) * PX)
    kind = int(rng.integers(3))
    for x in range(pitch // 3, w - pitch // 3, pitch):
        if kind == 0:  # high windows, bright with day
            box = (x, int(0.8 * PX), x + int(0.68 * pitch), int(0.45 * h))
            cv2.rectangle(picture, box[:2], box[2:], (236, 242, 246), -1)
            cv2.rectangle(picture, box[:2], box[2:], (140, 146, 150), 3)
            for k in (1, 2):
                a = box[0] + k * (box[2] - box[0]) // 3
                cv2.line(picture, (a, box[1]), (a, box[3]), (150, 156, 160), 2)
        elif kind == 1:  # banners
            colour = jitter(
                ((180, 60, 56), (52, 90, 140), (222, 178, 72), (60, 120, 96))[int(rng.integers(4))],
                9,
                rng,
            )
            box = (x, int(0.16 * h), x + int(0.36 * pitch), int(0.6 * h))
            cv2.rectangle(picture, box[:2], box[2:], colour.tolist(), -1)
            cv2.rectangle(
                picture, (box[0] + 8, box[1] + 14), (box[2] - 8, box[1] + 34), (240, 236, 228), -1
            )
        else:  # doors and pictures
            cv2.rectangle(picture, (x, h - int(2.3 * PX)), (x + int(1.6 * PX), h), (96, 84, 74), -1)
            cv2.rectangle(
                picture, (x + 4, h - int(2.2 * PX)), (x + int(1.6 * PX) - 4, h), (142, 122, 100), -1
            )
        cv2.rectangle(
            picture,
            (x + int(0.78 * pitch), 0),
            (x + int(0.86 * pitch), h),
            (base * 0.8).tolist(),
            -1,
        )
    return picture, np.full((h, w), 255, np.uint8)


def _ceiling(
    picture: Bytes, rng: np.random.Generator, wall: object, away_m: float, half: float, tall: float
) -> None:
    """Beams and lamps overhead, in perspective."""
    base = np.asarray(wall, dtype=np.float64)
    rise = tall - EYE

    def at(x: float, z: float) -> list[float]:
        return [MIDDLE + FOCAL * x / z, HORIZON - FOCAL * rise / z]

    def panel(x1: float, x2: float, z1: float, z2: float, colour: list[float]) -> None:
        corners = np.array([at(x1, z1), at(x2, z1), at(x2, z2), at(x1, z2)])
        fixed = np.clip(np.rint(corners * 16), -(10**6), 10**6).astype(np.int32)
        cv2.fillPoly(picture, [fixed], colour, cv2.LINE_AA, 4)

    panel(-half, half, 1.0, away_m, (base * 0.82).tolist())
    step = rng.uniform(2.4, 3.6)
    for z in np.arange(away_m, 2.0, -step).tolist():
        panel(-half, half, z, max(z - 0.35, 1.0), (base * 0.64).tolist())
        for x in np.linspace(-0.7, 0.7, 4).tolist():
            panel(x * half - 0.8, x * half + 0.8, z - 0.9, max(z - 1.5, 1.0), [250, 248, 238])


def _court(picture: Bytes, rng: np.random.Generator, away_m: float, half: float) -> None:
    """Lines and a coloured area of a sports hall's floor."""
    x, z1, z2 = 0.72 * half, 1.0, away_m - 2.5
    colour = jitter(((58, 108, 146), (164, 78, 62), (72, 122, 92))[int(rng.integers(3))], 8, rng)
    overlay = picture.copy()
    deep = z2 - 5.5
    fill_ground(overlay, [(-2.4, deep), (2.4, deep), (2.4, z2), (-2.4, z2)], colour)
    picture[:] = cv2.addWeighted(picture, 0.25, overlay, 0.75, 0)
    for a, b in (((-x, z1), (-x, z2)), ((x, z1), (x, z2)), ((-x, z2), (x, z2)), ((-x, z2 / 2), (x, z2 / 2)),
                 ((-2.4, deep), (2.4, deep)), ((-2.4, deep), (-2.4, z2)), ((2.4, deep), (2.4, z2))):  # fmt: skip
        stripe(picture, a, b, 0.09, (244, 242, 234))
    metre = FOCAL / (z2 + 0.6)
    y = HORIZON + EYE * metre
    left, right = (round(MIDDLE + k * metre) for k in (-0.9, 0.9))
    board = (left, round(y - 3.9 * metre)), (right, round(y - 2.9 * metre))
    cv2.line(picture, (round(MIDDLE), round(y)), (round(MIDDLE), round(y - 3.2 * metre)), (92, 96, 102),
             max(1, round(0.15 * metre)))  # fmt: skip
    cv2.rectangle(picture, *board, (246, 246, 244), -1)
    cv2.rectangle(picture, *board, (60, 64, 70), 1)
    cv2.ellipse(picture, (round(MIDDLE), round(y - 3.05 * metre)), (max(2, round(0.23 * metre)), 2), 0, 0, 360,
                (222, 96, 44), 2, cv2.LINE_AA)  # fmt: skip
