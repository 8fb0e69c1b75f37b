"""Draw people on images: a window around one person, enlarged, with limbs and joints.

The image is brought to the tile's size first and strokes scale with the tile, so the same strokes
suit a person of 24 px and one of 600. Colours mark the person's own sides: orange left, blue right,
near-white in the middle, each with a thin dark outline.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.core.skeleton import Skeleton
from smallpose.dataloading.images import ImageArray

Colour = tuple[int, int, int]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

LEFT: Colour = (255, 152, 30)
RIGHT: Colour = (64, 196, 255)
MIDDLE: Colour = (250, 246, 228)
OUTLINE: Colour = (18, 20, 26)
PAD: Colour = (32, 35, 42)
SIDES = {"left": LEFT, "right": RIGHT, "middle": MIDDLE}

_FRACTION_BITS = 4  # OpenCV draws at 1/16 px
_SUBPIXELS = 1 << _FRACTION_BITS
_ANGLES = np.linspace(0, 2 * np.pi, 24, endpoint=False)
_UNIT_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
MIN_DOT_STROKE = 1.5  # px of a limb; joints of thinner ones are drawn without dots

# If a source lacks the joint in the middle, its neighbours are joined directly: COCO has no
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
    """A part of an image and the tile it is shown on.

    Args:
        left, top, width, height: integer px of the image; may reach beyond it.
        tile_wh: px of the tile.
    """

    left: int
    top: int
    width: int
    height: int
    tile_wh: tuple[int, int]

    @property
    def scale(self) -> tuple[float, float]:
        """Return tile px per image px, along x and y."""
        return self.tile_wh[0] / self.width, self.tile_wh[1] / self.height

    def to_tile(self, xy: Floats) -> Floats:
        """Convert (…, 2) image px to tile px; pixel centres are integers in both."""
        corner = np.array([self.left, self.top]) - 0.5
        return np.asarray((xy - corner) * np.array(self.scale) - 0.5)

    def cut(self, image: ImageArray) -> ImageArray:
        """Cut the tile: smooth when enlarged, averaged when reduced, dark beyond the image."""
        height, width = image.shape[:2]
        x0, y0 = max(self.left, 0), max(self.top, 0)
        x1, y1 = min(self.left + self.width, width), min(self.top + self.height, height)
        part = np.empty((self.height, self.width, 3), dtype=np.uint8)
        part[:] = PAD
        if x1 > x0 and y1 > y0:
            part[y0 - self.top : y1 - self.top, x0 - self.left : x1 - self.left] = image[
                y0:y1, x0:x1
            ]
        method = cv2.INTER_CUBIC if self.scale[0] > 1 else cv2.INTER_AREA
        return np.asarray(cv2.resize(part, self.tile_wh, interpolation=method), dtype=np.uint8)


def place_window(
    box_xywh: Floats, image_wh: tuple[int, int], tile_wh: tuple[int, int], margin: float = 0.14
) -> Window:
    """Place a window of the tile's proportions around a box, with some surroundings.

    Args:
        box_xywh: (4,) px of the image.
        margin: of the box's longer side, added on every side.
    """
    rows = place_windows(box_xywh[None], np.array([image_wh]), tile_wh, margin)
    left, top, width, height = rows[0].tolist()
    return Window(left=left, top=top, width=width, height=height, tile_wh=tile_wh)


def place_windows(
    boxes_xywh: Floats, image_wh: Ints, tile_wh: tuple[int, int], margin: float = 0.14
) -> Ints:
    """Place a window around each box, as `place_window` does.

    Args:
        boxes_xywh: (n, 4) px of the images.
        image_wh: (n, 2) px of each box's image.

    Returns: (n, 4) left, top, width, height in px of the images; may reach beyond them.
    """
    x, y, w, h = boxes_xywh.T
    extra = 2 * margin * np.maximum(w, h)
    ratio = tile_wh[0] / tile_wh[1]
    min_height = np.maximum(np.maximum(h, w / ratio), 8.0)
    wanted_height = np.maximum(h + extra, (w + extra) / ratio)
    limit = np.minimum(image_wh[:, 1], image_wh[:, 0] / ratio)
    # A large person gets less surroundings, so that the window stays inside the image.
    height = np.maximum(min_height, np.minimum(wanted_height, limit))
    size = np.maximum(np.rint(np.stack([height * ratio, height], axis=1)), 2)
    start = np.rint(np.stack([x + w / 2, y + h / 2], axis=1) - size / 2)
    # Shifted into the image rather than padded; centred on a smaller image.
    space = image_wh - size
    corner = np.where(space > 0, np.clip(start, 0, np.maximum(space, 0)), np.ceil(space / 2))
    return np.concatenate([corner, size], axis=1).astype(np.int64)


def list_limbs(skeleton: Skeleton, is_drawn: Mask) -> list[tuple[int, int, str]]:
    """List the pairs of joints to join, with their side: (from, to, "left" | "right" | "middle").

    Args:
        is_drawn: (k,) joints that can be drawn.
    """
    pairs = [edge for edge in skeleton.edges if is_drawn[edge[0]] and is_drawn[edge[1]]]
    names = skeleton.joints
    index = {name: i for i, name in enumerate(names) if is_drawn[i]}
    for a, b, instead_of in SUBSTITUTE_LIMBS:
        if a in index and b in index and any(name not in index for name in instead_of):
            pairs.append((index[a], index[b]))
    unique = dict.fromkeys((min(pair), max(pair)) for pair in pairs)
    return [(a, b, _find_limb_side(names[a], names[b])) for a, b in unique]


def find_joint_side(name: str) -> str:
    """Return "left", "right" or "middle"."""
    start = name.split("_", 1)[0]
    return start if start in ("left", "right") else "middle"


def _find_limb_side(a: str, b: str) -> str:
    sides = {find_joint_side(a), find_joint_side(b)} - {"middle"}
    return sides.pop() if len(sides) == 1 else "middle"


def draw_pose(
    tile: ImageArray,
    points: Floats,
    skeleton: Skeleton,
    *,
    is_occluded: Mask | None = None,
    is_drawn: Mask | None = None,
    stroke: float | None = None,
) -> None:
    """Draw one person into the tile.

    Args:
        tile: (h, w, 3) RGB, changed.
        points: (k, 2) px of the tile.
        is_occluded: (k,) joints drawn as rings (v = 1).
        is_drawn: (k,) joints drawn at all.
        stroke: width of a limb, px (default: by the tile's height). Thin limbs are drawn without
            dots, which would cover a small person's head and hands.
    """
    is_drawn = np.ones(len(points), dtype=bool) if is_drawn is None else is_drawn
    is_occluded = np.zeros(len(points), dtype=bool) if is_occluded is None else is_occluded
    # Far beyond the tile nothing is visible, and OpenCV's fixed-point numbers would overflow.
    limit = 4.0 * max(tile.shape[:2])
    points = np.clip(points, -limit, limit)
    stroke = max(tile.shape[0] / 95, 1.6) if stroke is None else stroke
    edge = min(max(stroke * 0.45, 0.6), 2.2)
    limbs = list_limbs(skeleton, is_drawn)
    for a, b, side in limbs:
        # A limb to an occluded joint is thinner, so that occluded parts do not look visible.
        width = stroke * (0.6 if is_occluded[a] or is_occluded[b] else 1.0)
        _draw_line(tile, points[a], points[b], width + 2 * edge, OUTLINE)
        _draw_line(tile, points[a], points[b], width, SIDES[side])
    radius = stroke * 0.95
    has_dot = is_drawn.copy()
    if stroke < MIN_DOT_STROKE:
        has_dot[[end for a, b, _ in limbs for end in (a, b)]] = False
    for i in np.flatnonzero(has_dot):
        colour = SIDES[find_joint_side(skeleton.joints[i])]
        if is_occluded[i]:
            _draw_ring(tile, points[i], radius, stroke * 0.55 + 2 * edge, OUTLINE)
            _draw_ring(tile, points[i], radius, stroke * 0.55, colour)
        else:
            _draw_dot(tile, points[i], radius + edge, OUTLINE)
            _draw_dot(tile, points[i], radius, colour)


def draw_person_tile(
    image: ImageArray,
    box_xywh: Floats,
    tile_wh: tuple[int, int],
    skeleton: Skeleton,
    keypoints: Floats | None,
    *,
    predicted: bool = False,
    with_box: bool = False,
) -> ImageArray:
    """Draw one person enlarged, with their keypoints.

    Args:
        image: (h, w, 3) RGB, the full image.
        box_xywh: (4,) px, shown in the window.
        keypoints: (k, 3) px of the image and v, or scores when `predicted`; None for none.
        with_box: draw the box, too.
    """
    window = place_window(box_xywh, (image.shape[1], image.shape[0]), tile_wh)
    tile = window.cut(image)
    if with_box:
        draw_box(tile, window, box_xywh)
    if keypoints is not None:
        v = np.full(len(keypoints), 2.0) if predicted else keypoints[:, 2]
        points = window.to_tile(keypoints[:, :2])
        draw_pose(tile, points, skeleton, is_occluded=v == 1, is_drawn=v > 0)
    return tile


def draw_box(tile: ImageArray, window: Window, box_xywh: Floats) -> None:
    """Draw a box on a tile, a thin white line with a dark outline.

    Args:
        box_xywh: (4,) px of the image.
    """
    x, y, w, h = box_xywh.tolist()
    # The edges of a box lie between pixels, half a pixel before the centres of the first ones.
    corners = np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h)]) - 0.5
    points = np.rint(window.to_tile(corners) * _SUBPIXELS).astype(np.int32)
    for colour, thickness in ((OUTLINE, 4), (MIDDLE, 2)):
        cv2.polylines(tile, [points], True, colour, thickness, cv2.LINE_AA, _FRACTION_BITS)


def choose_stroke_width(height_px: float) -> float:
    """Choose the width of the limbs of a person of that height: thin, but visible."""
    return float(np.clip(height_px / 85, 1.0, 7.0))


def _build_circle(centre: Floats, radius: float) -> NDArray[np.int32]:
    """Build a polygon in OpenCV's fixed point; its own small circles are drawn as diamonds."""
    return np.rint((centre + radius * _UNIT_CIRCLE) * _SUBPIXELS).astype(np.int32)


def _draw_line(tile: ImageArray, a: Floats, b: Floats, width: float, colour: Colour) -> None:
    """Draw a round-ended line of polygons, because OpenCV's widths are whole pixels."""
    along = b - a
    length = float(np.hypot(*along))
    if length > 1e-6:
        across = np.array([-along[1], along[0]]) * (width / 2 / length)
        corners = np.array([a + across, b + across, b - across, a - across])
        fixed = np.rint(corners * _SUBPIXELS).astype(np.int32)
        cv2.fillConvexPoly(tile, fixed, colour, cv2.LINE_AA, _FRACTION_BITS)
    for end in (a, b):
        _draw_dot(tile, end, width / 2, colour)


def _draw_dot(tile: ImageArray, centre: Floats, radius: float, colour: Colour) -> None:
    circle = _build_circle(centre, radius)
    cv2.fillConvexPoly(tile, circle, colour, cv2.LINE_AA, _FRACTION_BITS)


def _draw_ring(
    tile: ImageArray, centre: Floats, radius: float, width: float, colour: Colour
) -> None:
    """Draw a ring whose mean radius is `radius`; the image inside it stays visible."""
    outer = _build_circle(centre, radius + width / 2)
    inner = _build_circle(centre, max(radius - width / 2, 0.0))
    cv2.fillPoly(tile, [outer, inner], colour, cv2.LINE_AA, _FRACTION_BITS)
