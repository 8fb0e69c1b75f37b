"""People drawn on pictures: a window around one, enlarged, with limbs, joints and hidden joints.

The same strokes suit a person of 24 px and one of 600: the picture is brought to the tile's size
first and the strokes are measured by the tile. Colours are the person's own sides: orange left,
blue right, near-white in the middle, each with a thin dark line around it.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.core.skeleton import Skeleton

RgbImage = NDArray[np.uint8]
Colour = tuple[int, int, int]
Floats = NDArray[np.float64]

LEFT: Colour = (255, 152, 30)
RIGHT: Colour = (64, 196, 255)
MIDDLE: Colour = (250, 246, 228)
OUTLINE: Colour = (18, 20, 26)
PAD: Colour = (32, 35, 42)
SIDES = {"left": LEFT, "right": RIGHT, "middle": MIDDLE}

_FINE = 16  # OpenCV draws at 1/16 px: 4 fractional bits
_BITS = 4
_TURN = np.linspace(0, 2 * np.pi, 24, endpoint=False)
_ROUND = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)
MIN_DOT_STROKE = 1.5  # px of a limb; where it is thinner, joints get no dots

# Where a source lacks the joint in the middle, its neighbours are joined directly: COCO has no
# chest and no pelvis, AI Challenger no nose, PoseTrack no chest.
SUBSTITUTE_LIMBS = (
    ("left_shoulder", "right_shoulder", ("chest",)),
    ("left_shoulder", "left_hip", ("chest", "pelvis")),
    ("right_shoulder", "right_hip", ("chest", "pelvis")),
    ("left_hip", "right_hip", ("pelvis",)),
    ("head_top", "head_bottom", ("nose",)),
    ("head_bottom", "left_shoulder", ("chest",)),
    ("head_bottom", "right_shoulder", ("chest",)),
    ("nose", "chest", ("head_bottom",)),
)


@dataclass(frozen=True)
class Window:
    """A part of a picture and the tile it is shown on.

    Args:
        left, top, width, height: whole px of the picture; may reach beyond it.
        tile_wh: px of the tile.
    """

    left: int
    top: int
    width: int
    height: int
    tile_wh: tuple[int, int]

    @property
    def scale(self) -> tuple[float, float]:
        """Tile px per picture px, along x and y."""
        return self.tile_wh[0] / self.width, self.tile_wh[1] / self.height

    def to_tile(self, xy: Floats) -> Floats:
        """(…, 2) picture px to tile px; pixel centres are integers in both."""
        corner = np.array([self.left, self.top]) - 0.5
        return np.asarray((xy - corner) * np.array(self.scale) - 0.5)

    def cut(self, picture: RgbImage) -> RgbImage:
        """The tile: smooth when enlarged, averaged when reduced, dark beyond the picture."""
        height, width = picture.shape[:2]
        x0, y0 = max(self.left, 0), max(self.top, 0)
        x1, y1 = min(self.left + self.width, width), min(self.top + self.height, height)
        part = np.empty((self.height, self.width, 3), dtype=np.uint8)
        part[:] = PAD
        if x1 > x0 and y1 > y0:
            part[y0 - self.top : y1 - self.top, x0 - self.left : x1 - self.left] = picture[
                y0:y1, x0:x1
            ]
        how = cv2.INTER_CUBIC if self.scale[0] > 1 else cv2.INTER_AREA
        return np.asarray(cv2.resize(part, self.tile_wh, interpolation=how), dtype=np.uint8)


def place_window(
    box_xywh: Floats, picture_wh: tuple[int, int], tile_wh: tuple[int, int], margin: float = 0.14
) -> Window:
    """The window that shows a box with some of its surroundings, in the tile's proportions.

    Args:
        box_xywh: (4,) px of the picture.
        margin: of the box's longer side, added on every side.
    """
    x, y, w, h = box_xywh.tolist()
    room = 2 * margin * max(w, h)
    ratio = tile_wh[0] / tile_wh[1]
    tight, roomy = max(h, w / ratio, 8.0), max(h + room, (w + room) / ratio)
    # A large person gives up his surroundings before the window leaves the picture.
    height = max(tight, min(roomy, picture_wh[1], picture_wh[0] / ratio))
    size = max(round(height * ratio), 2), max(round(height), 2)
    corner = [
        _shift_inside(middle - side / 2, side, limit)
        for middle, side, limit in zip((x + w / 2, y + h / 2), size, picture_wh, strict=True)
    ]
    return Window(corner[0], corner[1], size[0], size[1], tile_wh)


def _shift_inside(start: float, side: int, limit: int) -> int:
    """A window is moved rather than padded; a picture smaller than it lies in its middle."""
    if side >= limit:
        return -((side - limit) // 2)
    return int(min(max(round(start), 0), limit - side))


def list_limbs(skeleton: Skeleton, there: NDArray[np.bool_]) -> list[tuple[int, int, str]]:
    """Which joints to join, and on whose side: (from, to, "left" | "right" | "middle").

    Args:
        there: (k,) joints that can be drawn.
    """
    pairs = [edge for edge in skeleton.edges if there[edge[0]] and there[edge[1]]]
    names = skeleton.joints
    number = {name: i for i, name in enumerate(names) if there[i]}
    for a, b, instead_of in SUBSTITUTE_LIMBS:
        if a in number and b in number and any(n not in number for n in instead_of):
            pairs.append((number[a], number[b]))
    once = {(min(pair), max(pair)): None for pair in pairs}
    return [(a, b, _find_limb_side(names[a], names[b])) for a, b in once]


def find_joint_side(name: str) -> str:
    """ "left", "right" or "middle"."""
    start = name.split("_", 1)[0]
    return start if start in ("left", "right") else "middle"


def _find_limb_side(a: str, b: str) -> str:
    sides = {find_joint_side(a), find_joint_side(b)} - {"middle"}
    return sides.pop() if len(sides) == 1 else "middle"


def draw_pose(
    tile: RgbImage,
    points: Floats,
    skeleton: Skeleton,
    *,
    hidden: NDArray[np.bool_] | None = None,
    there: NDArray[np.bool_] | None = None,
    stroke: float | None = None,
) -> None:
    """Draw one person into the tile.

    Args:
        tile: (h, w, 3) RGB, changed.
        points: (k, 2) px of the tile.
        hidden: (k,) joints drawn as rings (v = 1).
        there: (k,) joints drawn at all.
        stroke: width of a limb, px; by the tile's height without it. Thin ones go without dots,
            which would hide a small person's head and hands.
    """
    there = np.ones(len(points), dtype=bool) if there is None else there
    hidden = np.zeros(len(points), dtype=bool) if hidden is None else hidden
    # Far beyond the tile nothing can be seen, and OpenCV's fixed point would overflow.
    reach = 4.0 * max(tile.shape[:2])
    points = np.clip(points, -reach, reach)
    stroke = max(tile.shape[0] / 95, 1.6) if stroke is None else stroke
    edge = min(max(stroke * 0.45, 0.6), 2.2)
    joined = list_limbs(skeleton, there)
    for a, b, side in joined:
        # A limb to a hidden joint is thinner, so that hidden parts do not look seen.
        width = stroke * (0.6 if hidden[a] or hidden[b] else 1.0)
        _draw_line(tile, points[a], points[b], width + 2 * edge, OUTLINE)
        _draw_line(tile, points[a], points[b], width, SIDES[side])
    radius = stroke * 0.95
    dotted = there.copy()
    if stroke < MIN_DOT_STROKE:
        dotted[[end for a, b, _ in joined for end in (a, b)]] = False
    for i in np.flatnonzero(dotted):
        colour = SIDES[find_joint_side(skeleton.joints[i])]
        if hidden[i]:
            _draw_ring(tile, points[i], radius, stroke * 0.55 + 2 * edge, OUTLINE)
            _draw_ring(tile, points[i], radius, stroke * 0.55, colour)
        else:
            _draw_dot(tile, points[i], radius + edge, OUTLINE)
            _draw_dot(tile, points[i], radius, colour)


def draw_box(tile: RgbImage, corners: Floats, colour: Colour = MIDDLE) -> None:
    """A thin box; corners (2, 2) are two opposite ones, px of the tile."""
    (x0, y0), (x1, y1) = corners
    around = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    stroke = max(tile.shape[0] / 200, 1.0)
    for width, ink in ((stroke * 2.6, OUTLINE), (stroke, colour)):
        for a, b in zip(around, np.roll(around, -1, axis=0), strict=True):
            _draw_line(tile, a, b, width, ink)


def draw_person_tile(
    picture: RgbImage,
    box_xywh: Floats,
    tile_wh: tuple[int, int],
    skeleton: Skeleton,
    keypoints: Floats | None,
    *,
    predicted: bool = False,
) -> RgbImage:
    """One person enlarged, with keypoints drawn.

    Args:
        picture: (h, w, 3) RGB of the whole image.
        box_xywh: (4,) px, what the window shows.
        keypoints: (k, 3) px of the image and v, or scores when `predicted`; None for none.
    """
    window = place_window(box_xywh, (picture.shape[1], picture.shape[0]), tile_wh)
    tile = window.cut(picture)
    if keypoints is not None:
        v = np.full(len(keypoints), 2.0) if predicted else keypoints[:, 2]
        points = window.to_tile(keypoints[:, :2])
        draw_pose(tile, points, skeleton, hidden=v == 1, there=v > 0)
    return tile


def choose_stroke_width(tall: float) -> float:
    """Width of the limbs of a person so tall on the drawing, px: thin and never vanishing."""
    return float(np.clip(tall / 85, 1.0, 7.0))


def _build_circle(at: Floats, radius: float) -> NDArray[np.int32]:
    """A polygon in OpenCV's fixed point; its own small circles come out as diamonds."""
    return np.rint((at + radius * _ROUND) * _FINE).astype(np.int32)


def _draw_line(tile: RgbImage, a: Floats, b: Floats, width: float, colour: Colour) -> None:
    """A round-ended line; polygons and discs, because OpenCV's widths are whole pixels."""
    along = b - a
    length = float(np.hypot(*along))
    if length > 1e-6:
        across = np.array([-along[1], along[0]]) * (width / 2 / length)
        corners = np.array([a + across, b + across, b - across, a - across])
        fixed = np.rint(corners * _FINE).astype(np.int32)
        cv2.fillConvexPoly(tile, fixed, colour, cv2.LINE_AA, _BITS)
    for end in (a, b):
        _draw_dot(tile, end, width / 2, colour)


def _draw_dot(tile: RgbImage, at: Floats, radius: float, colour: Colour) -> None:
    cv2.fillConvexPoly(tile, _build_circle(at, radius), colour, cv2.LINE_AA, _BITS)


def _draw_ring(tile: RgbImage, at: Floats, radius: float, width: float, colour: Colour) -> None:
    """`radius` of the middle of the ring's width; what it surrounds stays to be seen."""
    outer, inner = (
        _build_circle(at, radius + width / 2),
        _build_circle(at, max(radius - width / 2, 0.0)),
    )
    cv2.fillPoly(tile, [outer, inner], colour, cv2.LINE_AA, _BITS)
