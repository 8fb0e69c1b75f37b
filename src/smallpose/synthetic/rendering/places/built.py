"""Paint façades, walls in perspective, lamps and other built objects."""

import cv2
import numpy as np
from numpy.typing import NDArray

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
    jitter_colour,
)

WALLS = (
    (206, 190, 166),
    (188, 150, 122),
    (214, 206, 192),
    (170, 112, 92),
    (196, 178, 128),
    (168, 176, 180),
    (150, 136, 124),
    (222, 200, 178),
    (142, 158, 160),
    (186, 128, 104),
)
AWNINGS = (
    (168, 58, 52),
    (46, 94, 92),
    (206, 160, 66),
    (58, 76, 122),
    (120, 60, 84),
    (224, 216, 200),
)
PX = 26  # per metre of a façade


def paint_facade(rng: np.random.Generator, wide_m: float, floors: int, shop: bool = True) -> Bytes:
    """Paint the front of a house, `PX` per metre, with its foot at the lowest row."""
    storey = 3.1
    tall = 3.8 + storey * (floors - 1) + 0.7
    w, h = int(wide_m * PX), int(tall * PX)
    wall = jitter_colour(WALLS[int(rng.integers(len(WALLS)))], 9, rng)
    house = np.empty((h, w, 3), np.float32)
    house[:] = wall
    house *= 1 + 0.035 * draw_noise((h, w), 6, rng, 4)[:, :, None]
    image = np.clip(house, 0, 255).astype(np.uint8)
    trim, glass = np.clip(wall * 1.14 + 8, 0, 250), jitter_colour((74, 90, 106), 12, rng)
    columns = max(2, int(wide_m / rng.uniform(1.7, 2.6)))
    pitch = w / columns
    win_w, win_h = pitch * rng.uniform(0.4, 0.58), storey * PX * rng.uniform(0.48, 0.62)
    balcony = rng.random() < 0.3
    for floor in range(1, floors):
        foot = h - (3.8 + storey * (floor - 1)) * PX
        cv2.rectangle(image, (0, int(foot - 3)), (w, int(foot)), (wall * 0.86).tolist(), -1)
        for c in range(columns):
            x1, y1 = pitch * (c + 0.5) - win_w / 2, foot - storey * PX * 0.8
            box = (int(x1), int(y1), int(x1 + win_w), int(y1 + win_h))
            cv2.rectangle(
                image, (box[0] - 3, box[1] - 3), (box[2] + 3, box[3] + 3), trim.tolist(), -1
            )
            pane = np.clip(glass * rng.uniform(0.6, 1.35), 0, 240)
            if rng.random() < 0.12:
                pane = np.array([236.0, 206.0, 148.0])
            cv2.rectangle(image, box[:2], box[2:], pane.tolist(), -1)
            cv2.line(
                image,
                (box[0], box[3]),
                (box[2], box[1]),
                np.clip(pane * 1.12 + 6, 0, 250).tolist(),
                3,
            )
            middle = (box[0] + box[2]) // 2
            cv2.line(image, (middle, box[1]), (middle, box[3]), trim.tolist(), 2)
            cv2.rectangle(
                image,
                (box[0] - 5, box[3] + 3),
                (box[2] + 5, box[3] + 6),
                (wall * 0.8).tolist(),
                -1,
            )
            if balcony and c % 2:
                rail = (int(x1 - 6), int(box[3] - 8), int(x1 + win_w + 6), int(box[3] + 8))
                cv2.rectangle(image, rail[:2], rail[2:], (60, 62, 66), 2)
    cv2.rectangle(image, (0, 0), (w, int(0.35 * PX)), (wall * 0.78).tolist(), -1)
    cv2.rectangle(image, (0, int(0.35 * PX)), (w, int(0.5 * PX)), trim.tolist(), -1)
    if shop:
        _paint_shop(image, rng, wall)
    return image


def _paint_shop(image: Bytes, rng: np.random.Generator, wall: Image) -> None:
    h, w = image.shape[:2]
    top = h - int(3.1 * PX)
    x = int(0.4 * PX)
    while x < w - 2 * PX:
        wide = int(rng.uniform(2.2, 4.2) * PX)
        end = min(x + wide, w - int(0.4 * PX))
        cv2.rectangle(image, (x, top), (end, h - int(0.25 * PX)), (52, 58, 64), -1)
        pane = jitter_colour((118, 128, 132), 16, rng)
        cv2.rectangle(image, (x + 4, top + 14), (end - 4, h - int(0.6 * PX)), pane.tolist(), -1)
        for _ in range(7):  # what stands in the window
            a, b = (
                int(rng.integers(x + 5, max(end - 12, x + 6))),
                int(rng.integers(top + 30, h - 20)),
            )
            thing = jitter_colour(AWNINGS[int(rng.integers(len(AWNINGS)))], 20, rng)
            cv2.rectangle(
                image, (a, b), (a + int(rng.integers(4, 14)), h - 18), (0.75 * thing).tolist(), -1
            )
        colour = jitter_colour(AWNINGS[int(rng.integers(len(AWNINGS)))], 8, rng)
        if rng.random() < 0.6:
            drop = int(0.75 * PX)
            fold = int(0.35 * PX)
            for k, a in enumerate(range(x - 4, end + 4, fold)):
                band = colour if k % 2 else np.clip(colour * 0.4 + 140, 0, 245)
                cv2.rectangle(
                    image, (a, top - 6), (min(a + fold, end + 4), top + drop), band.tolist(), -1
                )
            cv2.rectangle(image, (x - 4, top + drop), (end + 4, top + drop + 5), (40, 40, 44), -1)
        else:
            cv2.rectangle(image, (x, top - 14), (end, top + 6), colour.tolist(), -1)
            for a in range(x + 8, end - 12, 9):  # an unreadable shop sign
                tall = int(rng.integers(4, 10))
                cv2.rectangle(image, (a, top - 9), (a + 5, top - 9 + tall), (238, 232, 220), -1)
        x = end + int(rng.uniform(0.3, 1.3) * PX)
    del wall


def paint_houses(
    rng: np.random.Generator, wide_m: float, low: int, high: int, shop: bool = True
) -> tuple[Bytes, Bytes]:
    """Paint houses side by side; return them and their mask (255) against the sky."""
    houses = []
    total = 0.0
    while total < wide_m:
        wide = rng.uniform(6.0, 13.0)
        houses.append(paint_facade(rng, wide, int(rng.integers(low, high + 1)), shop))
        total += wide
    tall = max(h.shape[0] for h in houses)
    wide_px = sum(h.shape[1] for h in houses)
    image, wall_mask = np.zeros((tall, wide_px, 3), np.uint8), np.zeros((tall, wide_px), np.uint8)
    x = 0
    for house in houses:
        h, w = house.shape[:2]
        image[tall - h :, x : x + w], wall_mask[tall - h :, x : x + w] = house, 255
        x += w
    return image, wall_mask


def place_wall(
    image: Bytes,
    wall: Bytes,
    wall_mask: Bytes,
    corners: NDArray[np.float64],
    tone: float,
    air: Colour,
    fog: tuple[float, float],
) -> None:
    """Place a flat wall in the background.

    Args:
        corners: (4, 2) plate px of its upper left, upper right, lower right, lower left corner.
        fog: share of air at its left and right end.
    """
    h, w = wall.shape[:2]
    ramp = np.linspace(*fog, w, dtype=np.float32)[None, :, None]
    lit = wall.astype(np.float32) * tone
    lit += (np.asarray(air, dtype=np.float32) - lit) * ramp
    source = np.array([[0, 0], [w, 0], [w, h], [0, h]], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform(source, corners.astype(np.float32))
    low = np.floor(np.clip(corners.min(axis=0), 0, PLATE_WH)).astype(int)
    high = np.ceil(np.clip(corners.max(axis=0), 0, PLATE_WH)).astype(int)
    if (high - low < 2).any():
        return
    shift = np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1]], dtype=np.float64)
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    bytes_ = np.clip(lit, 0, 255).astype(np.uint8)
    shrink = min(1.0, 1.6 * max(size) / max(w, h))
    if shrink < 0.7:  # averaged first, or far windows would flicker
        to = (max(2, int(w * shrink)), max(2, int(h * shrink)))
        bytes_ = np.asarray(cv2.resize(bytes_, to, interpolation=cv2.INTER_AREA))
        wall_mask = np.asarray(cv2.resize(wall_mask, to, interpolation=cv2.INTER_AREA))
        source = np.array([[0, 0], [to[0], 0], to, [0, to[1]]], dtype=np.float32)
        matrix = cv2.getPerspectiveTransform(source, corners.astype(np.float32))
    laid = cv2.warpPerspective(bytes_, shift @ matrix, size, flags=cv2.INTER_LINEAR)
    mask = cv2.warpPerspective(wall_mask, shift @ matrix, size, flags=cv2.INTER_LINEAR)
    part = image[low[1] : high[1], low[0] : high[0]]
    share = mask.astype(np.float32)[:, :, None] / 255
    part[:] = part + (laid.astype(np.float32) - part) * share


def place_side_wall(
    image: Bytes,
    wall: Bytes,
    wall_mask: Bytes,
    x_m: float,
    z1: float,
    z2: float,
    tone: float,
    air: Colour,
) -> None:
    """Place a wall parallel to the view, `x_m` to the side, from z1 to z2 metres away."""
    tall = wall.shape[0] / PX
    left, right = (z1, z2) if x_m < 0 else (z2, z1)

    def at(z: float, y: float) -> tuple[float, float]:
        return MIDDLE + FOCAL * x_m / z, HORIZON + FOCAL * (EYE - y) / z

    corners = np.array([at(left, tall), at(right, tall), at(right, 0), at(left, 0)])
    fog = tuple(1 - np.exp(-z / 130) for z in (left, right))
    place_wall(image, wall, wall_mask, corners, tone, air, (float(fog[0]), float(fog[1])))


def place_front_wall(
    image: Bytes,
    wall: Bytes,
    wall_mask: Bytes,
    away: float,
    tone: float,
    air: Colour,
    x_m: float | None = None,
) -> None:
    """Place a wall square to the view; `x_m` is its left end, without it the wall is centred."""
    metre = FOCAL / away
    tall, wide = wall.shape[0] / PX * metre, wall.shape[1] / PX * metre
    x = MIDDLE - wide / 2 if x_m is None else MIDDLE + x_m * metre
    y = HORIZON + EYE * metre
    corners = np.array([[x, y - tall], [x + wide, y - tall], [x + wide, y], [x, y]])
    fog = float(1 - np.exp(-away / 130))
    place_wall(image, wall, wall_mask, corners, tone, air, (fog, fog))


def paint_lamp(image: Bytes, x_m: float, away: float, tall_m: float, colour: Colour) -> None:
    """Paint a post with a ball on top, which resembles a person."""
    metre = FOCAL / away
    x, y = MIDDLE + x_m * metre, HORIZON + EYE * metre
    dark = [float(c) for c in colour]
    wide = max(1, round(0.1 * metre))
    cv2.line(
        image,
        (round(x), round(y)),
        (round(x), round(y - tall_m * metre)),
        dark,
        wide,
        cv2.LINE_AA,
    )
    ball = max(1, round(0.17 * metre))
    centre = (round(x), round(y - (tall_m + 0.1) * metre))
    cv2.circle(image, centre, ball, (238, 234, 220), -1, cv2.LINE_AA)
