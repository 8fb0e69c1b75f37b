"""Render scenes with the exact joint positions and their visibility."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.synthetic.people.body import JOINT
from smallpose.synthetic.people.body_parts import CARRIED, SHOWS, SHOWS_NEAR
from smallpose.synthetic.rendering.backgrounds import paint_background
from smallpose.synthetic.rendering.image_style import crop_background
from smallpose.synthetic.rendering.polygon_fill import Sprite, composite_sprite
from smallpose.synthetic.rendering.raster import build_tone_table, draw_figures, draw_occluder
from smallpose.synthetic.scenes.layout import Scene
from smallpose.synthetic.scenes.occluders import draw_polygons
from smallpose.synthetic.scenes.people_in_scene import PosedPeople, pose_people

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

NO_PERSON = 0
_NOTHING = (1, 0)
_SHARP = 0.5  # px of deviation up to which a image is left as sharp as it was drawn
_NEAR_SIDE = 0.03  # heights a shoulder or hip may lie behind the middle and still be the near one
_SHOWN = np.stack([SHOWS, SHOWS_NEAR])
_FACE_JOINTS = [JOINT[j] for j in ("nose", "left_eye", "right_eye", "left_ear", "right_ear")]
IMAGES_PER_BATCH = 8  # images whose people are posed in one go


@dataclass(frozen=True)
class RenderedImage:
    """An image and its exact labels, before any annotator.

    Args:
        image: (h, w, 3) RGB.
        keypoints: (n, 21, 3) px; v is 2 seen, 1 hidden, 0 outside of the image.
        owner: (h, w) number of the person on top of each pixel, from 1; 0 no person.
        boxes_xywh: (n, 4) tight around what is seen of each person; zeros where nothing is.
        mask_area: (n,) seen px².
        whole_xyxy: (n, 4) around the whole body, hidden and outside parts too.
        heads_xyxy: (n, 4) around the head.
        height: (n,) px per body height.
    """

    image: Bytes
    keypoints: Floats
    owner: NDArray[np.int16]
    boxes_xywh: Floats
    mask_area: Floats
    whole_xyxy: Floats
    heads_xyxy: Floats
    height: Floats


@dataclass(frozen=True)
class Shot:
    """A scene, its time, and the seed of the sensor noise (videos use another one per frame)."""

    scene: Scene
    time_s: float = 0.0
    grain_seed: int = 0


def render_scene(scene: Scene, time_s: float = 0.0, grain_seed: int = 0) -> RenderedImage:
    """Render the scene at that time."""
    return next(render_shots([Shot(scene, time_s, grain_seed)]))


def render_shots(shots: Sequence[Shot]) -> Iterator[RenderedImage]:
    """Render each shot; people are posed `IMAGES_PER_BATCH` images at a time."""
    for first in range(0, len(shots), IMAGES_PER_BATCH):
        some = shots[first : first + IMAGES_PER_BATCH]
        scenes = [s.scene.at(s.time_s) if s.time_s else s.scene for s in some]
        casts = pose_people(scenes, [s.time_s for s in some])
        for shot, scene, people in zip(some, scenes, casts, strict=True):
            yield _render_shot(scene, people, shot.grain_seed)


def _render_shot(scene: Scene, people: PosedPeople, grain_seed: int) -> RenderedImage:
    tones = build_tone_table(scene.look.shade, scene.look.warmth)
    figures = draw_figures(
        people.shapes, scene.outfits.palette, scene.scale, scene.size_wh, tones, people.seats
    )
    sprites: list[tuple[float, int, Sprite]] = [
        (float(scene.anchor[row, 1]), row + 1, s) for row, s in enumerate(figures) if s is not None
    ]
    for thing in scene.things:
        paints, palette, tall = draw_polygons(thing)
        sprite = draw_occluder(paints, palette, tall, scene.size_wh, tones)
        if sprite is not None:
            sprites.append((thing.y, -1, sprite))
    image = render_background(scene)
    cast_shadows(image, scene, people.contact, sprites)
    owner = np.zeros(image.shape[:2], np.int16)
    parts = np.zeros(image.shape[:2], np.uint8)
    for _, number, sprite in sorted(sprites, key=lambda s: s[0]):
        # A chair hides what is behind it but is no part of the person on it.
        seated = number > 0 and people.seats[number - 1] is not None
        composite_sprite(image, owner, parts, sprite, number, CARRIED if seated else _NOTHING)
    keypoints = _find_visibility(scene, people, owner, parts)
    boxes, areas = _measure_masks(owner, figures)
    if scene.blur_faces:
        _blur_faces(image, people.heads)
    return RenderedImage(
        image=apply_camera(image, scene, grain_seed),
        keypoints=keypoints,
        owner=owner,
        boxes_xywh=boxes,
        mask_area=areas,
        whole_xyxy=people.around,
        heads_xyxy=people.heads,
        height=scene.scale,
    )


def render_background(scene: Scene) -> Bytes:
    """Return the scene's part of its background, with the horizons aligned."""
    look, (width, height) = scene.look, scene.size_wh
    window = crop_background(look, scene.size_wh, scene.horizon)
    painted = paint_background(look.place, look.pool, look.number)
    rows = slice(int(window.y), int(window.y + window.tall))
    part = painted[rows, int(window.x) : int(window.x + window.wide)]
    how = cv2.INTER_AREA if window.zoom < 0.6 else cv2.INTER_LINEAR
    sized = np.asarray(cv2.resize(part, (width, height), interpolation=how), dtype=np.uint8)
    if look.flip:
        cv2.flip(sized, 1, dst=sized)
    return sized


def cast_shadows(
    image: Bytes, scene: Scene, contact: Floats, sprites: list[tuple[float, int, Sprite]]
) -> None:
    """Darken the ground: cast the outlines away from the light, and darken under the feet.

    Args:
        contact: see `Cast`.
    """
    height, width = image.shape[:2]
    half = (width // 2, height // 2)
    shadow = np.zeros((half[1], half[0]), np.uint8)
    look = scene.look
    if look.sun > 0.2:
        lean = -look.light[0] * 0.75 / max(-look.light[1], 0.3)
        flat = 0.22 + 0.5 * np.sin(scene.pitch) if scene.pitch > 0 else 0.22
        for foot, _, sprite in sprites:
            _project_shadow(shadow, sprite, foot, lean, -flat)
        shadow = np.asarray(cv2.convertScaleAbs(shadow, alpha=0.55 * look.sun), dtype=np.uint8)
    soft = np.zeros_like(shadow)
    squash = 0.28 + 0.6 * abs(np.sin(scene.pitch))
    feet = contact[:, :4].reshape(-1, 2, 2, 2).mean(axis=2)
    spots = np.rint(np.concatenate([feet, contact[:, 4:]], axis=1) / 2).astype(int).tolist()
    reach = 0.025 * scene.scale[:, None] * np.array([1.3, squash, 2.6, 2.2 * squash])
    axes = np.maximum(np.rint(reach), 1).astype(int).tolist()
    for (left, right, middle), (wide, tall, wider, taller) in zip(spots, axes, strict=True):
        cv2.ellipse(
            soft, left, (wide, tall), angle=0, startAngle=0, endAngle=360, color=120, thickness=-1
        )
        cv2.ellipse(
            soft, right, (wide, tall), angle=0, startAngle=0, endAngle=360, color=120, thickness=-1
        )
        cv2.ellipse(
            soft,
            middle,
            (wider, taller),
            angle=0,
            startAngle=0,
            endAngle=360,
            color=70,
            thickness=-1,
        )
    size = max(3, int(0.01 * width) | 1)
    x, y, w, h = cv2.boundingRect(cv2.max(shadow, soft))
    if not w:
        return
    x1, y1 = max(x - size, 0), max(y - size, 0)
    x2, y2 = min(x + w + size, half[0]), min(y + h + size, half[1])
    hard, soft = cv2.blur(shadow[y1:y2, x1:x2], (3, 3)), cv2.blur(soft[y1:y2, x1:x2], (size, size))
    under = image[2 * y1 : 2 * y2, 2 * x1 : 2 * x2]
    keep = cv2.resize(cv2.bitwise_not(cv2.max(hard, soft)), (under.shape[1], under.shape[0]))
    cv2.multiply(under, cv2.cvtColor(keep, cv2.COLOR_GRAY2BGR), dst=under, scale=1 / 255)


def _project_shadow(shadow: Bytes, sprite: Sprite, foot: float, lean: float, flat: float) -> None:
    """Shear and flatten the sprite's outline about its foot row into the half-size mask."""
    h, w = sprite.cover.shape
    above = foot - sprite.y
    # x' = (x + lean * (foot - y)) / 2, y' = (foot + flat * (foot - y)) / 2
    xs = np.array([sprite.x, sprite.x + w]) / 2
    shift = lean * np.array([above, above - h]) / 2
    ys = (foot + flat * np.array([above, above - h])) / 2
    x1, x2 = int(np.floor(xs[0] + shift.min())), int(np.ceil(xs[1] + shift.max()))
    y1, y2 = int(np.floor(ys.min())), int(np.ceil(ys.max()))
    x1, y1 = max(x1, 0), max(y1, 0)
    x2, y2 = min(x2, shadow.shape[1]), min(y2, shadow.shape[0])
    if x2 - x1 < 1 or y2 - y1 < 1:
        return
    matrix = np.array(
        [
            [0.5, -lean / 2, (sprite.x + lean * above) / 2 - x1],
            [0.0, -flat / 2, (foot + flat * above) / 2 - y1],
        ]
    )
    laid = cv2.warpAffine(sprite.cover, matrix, (x2 - x1, y2 - y1), flags=cv2.INTER_LINEAR)
    region = shadow[y1:y2, x1:x2]
    cv2.max(region, laid, dst=region)


def _find_visibility(
    scene: Scene, people: PosedPeople, owner: NDArray[np.int16], parts: Bytes
) -> Floats:
    """Return (n, 21, 3) with v 2 where a part of the joint is on top, 1 hidden, 0 outside."""
    width, height = scene.size_wh
    seen = people.joints
    x, y = np.rint(seen[:, :, 0]).astype(int), np.rint(seen[:, :, 1]).astype(int)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    # Two px of the drawing: one px of the image where it was drawn two or more times as large.
    reach = np.arange(-1, 2)
    ys = np.clip(y[:, :, None, None] + reach[:, None], 0, height - 1)
    xs = np.clip(x[:, :, None, None] + reach, 0, width - 1)
    spot = ys * width + xs
    mine = owner.ravel()[spot] == np.arange(1, len(scene) + 1)[:, None, None, None]
    trunk = (seen[:, [JOINT["chest"]], 2] + seen[:, [JOINT["pelvis"]], 2]) / 2
    near = seen[:, :, 2] > trunk - _NEAR_SIDE
    joint = np.arange(seen.shape[1])[:, None, None]
    own = _SHOWN[near[:, :, None, None].astype(np.intp), joint, parts.ravel()[spot]]
    shown = (mine & own).any(axis=(2, 3))
    shown[:, _FACE_JOINTS] &= people.facing
    v = np.where(inside, np.where(shown, 2.0, 1.0), 0.0)
    return np.concatenate([seen[:, :, :2], v[:, :, None]], axis=2)


def _measure_masks(
    owner: NDArray[np.int16], figures: Sequence[Sprite | None]
) -> tuple[Floats, Floats]:
    boxes, areas = np.zeros((len(figures), 4)), np.zeros(len(figures))
    for row, sprite in enumerate(figures):
        if sprite is None:
            continue
        height, width = sprite.parts.shape
        window = owner[sprite.y : sprite.y + height, sprite.x : sprite.x + width]
        mask = (window == row + 1).view(np.uint8)
        x, y, w, h = cv2.boundingRect(mask)
        boxes[row] = (sprite.x + x, sprite.y + y, w, h) if w else (0, 0, 0, 0)
        areas[row] = cv2.countNonZero(mask)
    return boxes, areas


def _blur_faces(image: Bytes, heads: Floats) -> None:
    height, width = image.shape[:2]
    for x1, y1, x2, y2 in heads.tolist():
        a, b = max(int(x1), 0), max(int(y1), 0)
        c, d = min(int(x2) + 1, width), min(int(y2) + 1, height)
        if c - a > 5 and d - b > 5:
            size = max(3, (c - a) // 3 | 1)
            image[b:d, a:c] = cv2.blur(image[b:d, a:c], (size, size))


@lru_cache(maxsize=1)
def _make_grain() -> Bytes:
    """Return (1024, 1024, 3) noise about 128, mostly fine, as after demosaicking."""
    rng = np.random.default_rng(5)
    fine = rng.standard_normal((1024, 1024, 3)).astype(np.float32)
    coarse = cv2.GaussianBlur(fine, (0, 0), 1.1)
    luma = fine.mean(axis=2, keepdims=True) * 1.7
    mixed = 128 + 16 * (0.35 * fine + 0.9 * coarse + 0.7 * luma)
    return np.asarray(np.clip(mixed, 0, 255), dtype=np.uint8)


def apply_camera(image: Bytes, scene: Scene, grain_seed: int) -> Bytes:
    """Simulate optics and sensor: blur, exposure, contrast, grain; changes the image in place."""
    height, width = image.shape[:2]
    if scene.blur > _SHARP:
        # The kernels that OpenCV has quick paths for: deviations of about 0.8 and 1.1 px.
        reach = 3 if scene.blur < 0.9 else 5
        cv2.GaussianBlur(image, (reach, reach), 0, dst=image)
    strength = 0.1 + 0.42 * scene.noise
    y, x = divmod(zlib.crc32(b"grain%d" % grain_seed) % 65_536, 256)
    grain = _cut_grain(_make_grain(), x, y, width, height)
    # Contrast about middle grey, exposure and grain are one weighted sum.
    gain = scene.look.contrast * scene.look.exposure
    lift = 128 * scene.look.exposure * (1 - scene.look.contrast)
    cv2.addWeighted(image, gain, grain, strength, lift - 128 * strength, dst=image)
    return image


def _cut_grain(grain: Bytes, x: int, y: int, width: int, height: int) -> Bytes:
    part: Bytes = grain[y : y + height, x : x + width]
    if part.shape[:2] != (height, width):
        down, across = height - part.shape[0], width - part.shape[1]
        part = np.asarray(cv2.copyMakeBorder(part, 0, down, 0, across, cv2.BORDER_REFLECT))
    return part
