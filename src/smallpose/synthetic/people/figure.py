"""Figures as flat outlines: posed bodies seen by a camera become polygons, sorted far to near.

Limbs are tapered capsules, heads ellipsoids, trunks and skirts hulls of elliptical rings; all
people of a image are worked out together, and only filling the polygons is left to `render`.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from smallpose.synthetic.people.body import (
    HALF_SHOULDERS,
    HEAD_AXES,
    HIP_TO_CHEST,
    JOINT,
    Bodies,
)
from smallpose.synthetic.people.body_parts import PART
from smallpose.synthetic.people.clothes import Outfits

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_CAP = 6  # points of each half circle
_TURN = np.linspace(np.pi / 2, 1.5 * np.pi, _CAP)
_TURN = np.concatenate([_TURN, _TURN + np.pi])
_CAPS = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)  # both ends, along and across the limb
_ROUND = np.linspace(0, 2 * np.pi, 12, endpoint=False)

# part, from, to, radii (heights), how much nearer it is drawn than it is.
_CAPSULES = (
    ("neck", "chest", "head_bottom", 0.034, 0.030, -0.02),
    *(
        row
        for s, side in (("l", "left"), ("r", "right"))
        for row in (
            (f"{s}_upper_arm", f"{side}_shoulder", f"{side}_elbow", 0.031, 0.025, 0.012),
            (f"{s}_forearm", f"{side}_elbow", f"{side}_wrist", 0.025, 0.018, 0.014),
            (f"{s}_hand", f"{side}_wrist", f"{s}_hand", 0.016, 0.017, 0.016),
            (f"{s}_thigh", f"{side}_hip", f"{side}_knee", 0.050, 0.034, -0.030),
            (f"{s}_shin", f"{side}_knee", f"{side}_ankle", 0.034, 0.021, -0.028),
            (f"{s}_foot", f"{s}_heel", f"{s}_toe", 0.024, 0.017, -0.022),
            (f"{s}_sleeve", f"{side}_shoulder", f"{s}_cuff", 0.038, 0.034, 0.020),
            (f"{s}_leg_cloth", f"{side}_hip", f"{s}_hem", 0.058, 0.056, -0.020),
        )
    ),
    ("hair", "hair_root", "hair_end", 0.060, 0.048, 0.0),
    ("hat", "brim_root", "brim_end", 0.045, 0.030, 0.035),
    ("bag", "bag_top", "bag_bottom", 0.075, 0.085, 0.0),
    ("bag", "bag_strap", "bag_hip", 0.009, 0.009, 0.06),
    # Nearer than the trunk from in front (behind for the number), farther from the other side.
    ("detail", "front_top", "front_end", 0.020, 0.020, 0.022),
    ("number", "badge_top", "badge_end", 0.015, 0.015, 0.024),
    # Two strokes, unlike the round prints of fronts.
    ("number", "number_top_l", "number_end_l", 0.012, 0.012, 0.022),
    ("number", "number_top_r", "number_end_r", 0.012, 0.012, 0.022),
)
# By kind of front: where its capsule begins and ends, and the factor on its radius.
_FRONTS = np.array([(0.0, 0.0, 1.0), (0.03, -0.05, 1.2), (0.0, -0.25, 1.0), (-0.07, -0.11, 2.4)])
# part, centre in the head's frame, axes, nearer by.
_ELLIPSOIDS = (
    ("hair", (0.0, 0.010, -0.012), (0.070, 0.080, 0.074), 0.0),
    ("face", (0.0, -0.016, 0.012), (0.058, 0.066, 0.060), 0.012),
    ("fringe", (0.0, 0.050, 0.006), (0.064, 0.036, 0.064), 0.016),
    ("hat", (0.0, 0.052, -0.004), (0.072, 0.046, 0.076), 0.03),
    ("ear", (0.060, -0.006, -0.004), (0.010, 0.019, 0.014), 0.05),
    ("ear", (-0.060, -0.006, -0.004), (0.010, 0.019, 0.014), 0.05),
    ("nose", (0.0, -0.016, 0.070), (0.009, 0.014, 0.011), 0.06),
    ("mouth", (0.0, -0.047, 0.056), (0.019, 0.0055, 0.010), 0.06),
    ("white", (0.026, 0.010, 0.060), (0.012, 0.0066, 0.006), 0.061),
    ("white", (-0.026, 0.010, 0.060), (0.012, 0.0066, 0.006), 0.061),
    ("eye", (0.026, 0.010, 0.062), (0.0072, 0.0082, 0.006), 0.062),
    ("eye", (-0.026, 0.010, 0.062), (0.0072, 0.0082, 0.006), 0.062),
    ("brow", (0.026, 0.029, 0.060), (0.015, 0.003, 0.006), 0.062),
    ("brow", (-0.026, 0.029, 0.060), (0.015, 0.003, 0.006), 0.062),
)
_FACE_FROM = 6  # ellipsoids from here on are marks of the face, seen from in front only
# frame (0 pelvis, 1 chest), place along pelvis-chest, half width, half depth.
_RINGS = (
    (1, 1.10, 0.045, 0.034),
    (1, 0.985, 1.0, 0.048),  # half width: the shoulders'
    (1, 0.66, 0.100, 0.064),
    (1, 0.36, 0.082, 0.056),
    (0, 0.06, 0.092, 0.064),
    (0, -0.14, 0.088, 0.062),
    (0, -0.62, 0.115, 0.100),  # skirts only
)
# part, the two rings joined, nearer by.
_HULLS = (
    ("hips", 4, 5, 0.0),  # above it the shirt hides them
    ("shirt", 0, 1, 0.006),
    ("shirt", 1, 2, 0.004),
    ("shirt", 2, 3, 0.004),
    ("shirt", 3, 4, 0.004),
    ("skirt", 4, 6, 0.012),
)
_FLAT = [PART[p] for p in ("ear", "nose", "mouth", "eye", "white", "brow", "l_hand", "r_hand")]
_CIRCLE = np.stack([np.cos(_ROUND), np.sin(_ROUND)], axis=1)
_FAINT = 72.0  # px: below this height, marks on faces and cloth are under a pixel


def choose_oversampling(height: float) -> int:
    """Return the factor by which an object of that height, px, is drawn larger before averaging."""
    if height < 48:
        return 4
    return 2 if height < 180 else 1


@dataclass(frozen=True)
class Shapes:
    """Outlines of n figures, px of the image.

    Args:
        parts: (m,) numbers into `PARTS`, the same list for all people.
        outlines: (n, m, p, 2) polygons; hulls still need the convex hull of their points.
        lit: (n, m, p, 2) the brighter inner part of each.
        is_hull: (m,).
        trunk: the numbers of the pieces of the trunk, one after the other.
        is_flat: (m,) too small to have a lit part of their own.
        key: (n, m) nearness; far ones are drawn first.
        drawn: (n, m) whether to draw at all.
        dim: (n, m) 0 to 1, brightness by depth inside the figure.
    """

    parts: NDArray[np.int64]
    outlines: Floats
    lit: Floats
    is_hull: Mask
    trunk: tuple[int, ...]
    is_flat: Mask
    key: Floats
    drawn: Mask
    dim: Floats

    def of(self, rows: slice) -> "Shapes":
        """Those of the given figures."""
        return Shapes(
            parts=self.parts,
            outlines=self.outlines[rows],
            lit=self.lit[rows],
            is_hull=self.is_hull,
            trunk=self.trunk,
            is_flat=self.is_flat,
            key=self.key[rows],
            drawn=self.drawn[rows],
            dim=self.dim[rows],
        )

    @cached_property
    def around(self) -> Floats:
        """(n, 4) x1, y1, x2, y2 around all that is drawn of each figure."""
        # Point by point: NumPy is slow at the least of a short axis.
        low, high = self.outlines[:, :, 0].copy(), self.outlines[:, :, 0].copy()
        for k in range(1, self.outlines.shape[2]):
            np.minimum(low, self.outlines[:, :, k], out=low)
            np.maximum(high, self.outlines[:, :, k], out=high)
        drawn = self.drawn[:, :, None]
        low, high = np.where(drawn, low, np.inf), np.where(drawn, high, -np.inf)
        return np.concatenate([low.min(axis=1), high.max(axis=1)], axis=1)


@dataclass(frozen=True)
class Views:
    """The camera of n bodies (weak perspective).

    Args:
        yaw: (n,) radians; 0 faces the camera.
        pitch: (n,) radians the camera looks down by.
        scale: (n,) px per body height.
        anchor: (n, 2) px of the floor below the pelvis.
    """

    yaw: Floats
    pitch: Floats
    scale: Floats
    anchor: Floats

    @cached_property
    def turn(self) -> Floats:
        """(n, 3, 3) from the body's frame to right, down, towards the camera."""
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        cp, sp = np.cos(self.pitch), np.sin(self.pitch)
        turn = np.zeros((len(c), 3, 3))
        turn[:, 0, 0], turn[:, 0, 2] = c, s
        turn[:, 1, 0], turn[:, 1, 1], turn[:, 1, 2] = -s * sp, -cp, c * sp
        turn[:, 2, 0], turn[:, 2, 1], turn[:, 2, 2] = -s * cp, sp, c * cp
        return turn

    def see(self, bodies: Bodies, points: Floats) -> Floats:
        """(n, p, 3) points of the bodies to x, y in px and nearness in body heights."""
        origin = bodies.joints[:, JOINT["pelvis"]] * np.array([1.0, 0.0, 1.0])
        seen = (points - origin[:, None]) @ self.turn.transpose(0, 2, 1)
        seen[:, :, :2] = self.anchor[:, None] + self.scale[:, None, None] * seen[:, :, :2]
        return np.asarray(seen)


def shape_figures(bodies: Bodies, outfits: Outfits, views: Views, light: Floats) -> Shapes:
    """Compute the outlines of all figures at once.

    Args:
        light: (n, 2) where light comes from in the image, x to the right, y down, length 1.
    """
    points = _place_capsule_ends(bodies, outfits)
    names = list(points)
    seen = views.see(bodies, np.stack([points[p] for p in names], axis=1))
    turn, scale = views.turn, views.scale
    capsules = _outline_capsules(seen, names, bodies, outfits, scale, light)
    heads = _outline_ellipsoids(bodies, views, turn, light)
    hulls = _outline_hulls(bodies, outfits, views, light)
    outlines, lit, key = (
        np.concatenate(x, axis=1) for x in zip(capsules, heads, hulls, strict=True)
    )
    rows = [*_CAPSULES, *_ELLIPSOIDS, *_HULLS]
    parts = np.array([PART[str(r[0])] for r in rows])
    is_hull = np.arange(len(rows)) >= len(_CAPSULES) + len(_ELLIPSOIDS)
    trunk = seen[:, names.index("chest"), 2:]
    dim = np.clip(0.95 + 0.35 * (key - trunk), 0.72, 1.0)
    drawn = _is_drawn(outfits, turn, bodies, scale, parts)
    pieces = tuple(np.flatnonzero(is_hull & (parts == PART["shirt"])).tolist())
    flat = np.isin(parts, _FLAT)
    return Shapes(
        parts=parts,
        outlines=outlines,
        lit=lit,
        is_hull=is_hull,
        trunk=pieces,
        is_flat=flat,
        key=key,
        drawn=drawn,
        dim=dim,
    )


def _place_capsule_ends(bodies: Bodies, outfits: Outfits) -> dict[str, Floats]:
    """Return the named (n, 3) points that capsules connect."""
    points = {name: bodies.joints[:, number] for name, number in JOINT.items()}
    head, chest, size = bodies.head_frame, bodies.chest_frame, bodies.build.head[:, None]

    def on_head(x: float, y: float, z: float) -> Floats:
        return np.asarray(bodies.head_centre + size * (head @ np.array([x, y, z])))

    def on_chest(x: float, y: float, z: float) -> Floats:
        return np.asarray(points["chest"] + chest @ np.array([x, y, z]))

    reach = np.where(outfits.legs == 3, 0.12, np.where(outfits.striped, 0.78, 0.62))[:, None]
    for side, (s, name) in enumerate((("l", "left"), ("r", "right"))):
        points[f"{s}_hand"] = bodies.hands[:, side]
        points[f"{s}_heel"] = bodies.heels[:, side]
        points[f"{s}_toe"] = bodies.toes[:, side]
        shoulder, elbow = points[f"{name}_shoulder"], points[f"{name}_elbow"]
        hip, knee = points[f"{name}_hip"], points[f"{name}_knee"]
        points[f"{s}_cuff"] = shoulder + 0.55 * (elbow - shoulder)
        points[f"{s}_hem"] = hip + reach * (knee - hip)
    points["hair_root"] = on_head(0, 0.0, -0.030)
    points["hair_end"] = on_head(0, -0.150, -0.040)
    points["brim_root"] = on_head(0, 0.042, 0.050)
    points["brim_end"] = on_head(0, 0.036, 0.105)
    points["bag_top"] = on_chest(0, -0.04, -0.075)
    points["bag_bottom"] = on_chest(0, -0.17, -0.085)
    points["bag_strap"] = on_chest(0.06, 0.01, 0.03)
    points["bag_hip"] = on_chest(0.08, -0.14, 0.05)
    begin, end = _FRONTS[outfits.front, 0, None], _FRONTS[outfits.front, 1, None]
    deep = 0.042 * bodies.build.girth[:, None]
    middle = points["chest"] + deep * chest[:, :, 2]
    points["front_top"] = middle + begin * chest[:, :, 1]
    points["front_end"] = middle + end * chest[:, :, 1]
    points["badge_top"] = on_chest(0.055, -0.045, 0.042)
    points["badge_end"] = on_chest(0.055, -0.060, 0.042)
    for s, x in (("l", 0.024), ("r", -0.024)):
        points[f"number_top_{s}"] = on_chest(x, -0.055, -0.045)
        points[f"number_end_{s}"] = on_chest(x, -0.135, -0.045)
    return points


def _outline_capsules(
    seen: Floats,
    names: list[str],
    bodies: Bodies,
    outfits: Outfits,
    scale: Floats,
    light: Floats,
) -> tuple[Floats, Floats, Floats]:
    start = seen[:, [names.index(r[1]) for r in _CAPSULES]]
    end = seen[:, [names.index(r[2]) for r in _CAPSULES]]
    radii = np.array([r[3:5] for r in _CAPSULES])[None] * scale[:, None, None]
    radii = radii * _scale_radii(bodies, outfits)[:, :, None]
    along = end[:, :, :2] - start[:, :, :2]
    length = np.hypot(along[..., 0], along[..., 1])
    along[length < 1e-9] = 1e-9, 0.0  # seen from straight ahead: any direction will do
    along /= np.maximum(length, 1e-9)[..., None]
    aside = np.stack([-along[..., 1], along[..., 0]], axis=2)
    ring = along[:, :, None] * _CAPS[:, :1] + aside[:, :, None] * _CAPS[:, 1:]
    r = np.repeat(radii, _CAP, axis=2)[..., None]
    middle = np.repeat(np.stack([start[:, :, :2], end[:, :, :2]], axis=2), _CAP, axis=2)
    key = (start[:, :, 2] + end[:, :, 2]) / 2 + np.array([r[5] for r in _CAPSULES])
    outline = r * ring
    lit = 0.52 * outline + r * (0.36 * light[:, None, None])
    outline += middle
    lit += middle
    return outline, lit, key


def _scale_radii(bodies: Bodies, outfits: Outfits) -> Floats:
    """Return (n, capsules) factors on the radii: girth, loose clothes, a child's or large head."""
    girth = bodies.build.girth
    columns = []
    for part in [row[0] for row in _CAPSULES]:
        if part in ("hair", "hat"):
            columns.append(bodies.build.head)
        elif part[2:] in ("upper_arm", "forearm"):
            columns.append(girth * np.where(outfits.sleeves == 2, outfits.loose * 1.12, 1.0))
        elif part[2:] in ("thigh", "shin"):
            columns.append(girth * np.where(outfits.legs == 1, outfits.loose * 1.08, 1.0))
        elif part[2:] in ("sleeve", "leg_cloth"):
            columns.append(girth * outfits.loose * np.where(outfits.legs == 3, 0.92, 0.98))
        elif part == "detail":
            columns.append(np.sqrt(girth) * _FRONTS[outfits.front, 2])
        else:
            columns.append(np.sqrt(girth))
    return np.stack(columns, axis=1)


def _outline_ellipsoids(
    bodies: Bodies, views: Views, turn: Floats, light: Floats
) -> tuple[Floats, Floats, Floats]:
    size = bodies.build.head
    offsets = np.array([e[1] for e in _ELLIPSOIDS])
    centres = bodies.head_centre[:, None] + size[:, None, None] * (
        offsets @ bodies.head_frame.swapaxes(1, 2)
    )
    seen = views.see(bodies, centres)
    # The outline of a projected ellipsoid: the support of M = (projection · frame · axes)².
    flat = turn[:, :2] @ bodies.head_frame
    axes = np.array([e[2] for e in _ELLIPSOIDS])
    half = flat[:, None] * axes[None, :, None, :] * (size * views.scale)[:, None, None, None]
    reach = _CIRCLE @ half  # (n, e, 12, 3)
    length = np.sqrt(np.einsum("nepi,nepi->nep", reach, reach))[..., None] + 1e-9
    ring = (reach / length) @ half.swapaxes(2, 3)
    middle = seen[:, :, None, :2]
    radius = np.sqrt(np.einsum("neai,neai->nea", half, half).max(axis=2))[:, :, None, None]
    key = seen[:, :, 2] + np.array([e[3] for e in _ELLIPSOIDS])
    return middle + ring, middle + 0.6 * ring + 0.3 * radius * light[:, None, None], key


def _outline_hulls(
    bodies: Bodies, outfits: Outfits, views: Views, light: Floats
) -> tuple[Floats, Floats, Floats]:
    n, build = len(bodies), bodies.build
    joints = bodies.joints
    pelvis, chest = joints[:, JOINT["pelvis"]], joints[:, JOINT["chest"]]
    rings = np.zeros((n, len(_RINGS), 6, 3))
    corner = np.linspace(0, 2 * np.pi, 6, endpoint=False) + np.pi / 6
    knees = (joints[:, JOINT["left_knee"]] + joints[:, JOINT["right_knee"]]) / 2
    for number, (upper, place, wide, deep) in enumerate(_RINGS):
        frame = bodies.chest_frame if upper else bodies.pelvis_frame
        centre = pelvis + place * (chest - pelvis) * upper
        if not upper:
            centre = pelvis + place * HIP_TO_CHEST * bodies.pelvis_frame[:, :, 1]
        if number == len(_RINGS) - 1:
            centre = pelvis + 0.8 * (knees - pelvis)
        half = np.full(n, wide) if wide < 1 else HALF_SHOULDERS * build.shoulders + 0.018
        cloth = np.sqrt(build.girth) * (0.5 + 0.5 * outfits.loose)
        x = half * (cloth if wide < 1 else 1.0)
        y = deep * build.girth * (0.5 + 0.5 * outfits.loose)
        rings[:, number] = (
            centre[:, None]
            + (x[:, None] * np.cos(corner))[..., None] * frame[:, None, :, 0]
            + (y[:, None] * np.sin(corner))[..., None] * frame[:, None, :, 2]
        )
    seen = views.see(bodies, rings.reshape(n, -1, 3)).reshape(n, len(_RINGS), 6, 3)
    pairs = np.array([(a, b) for _, a, b, _ in _HULLS])
    points = seen[:, pairs].reshape(n, len(_HULLS), 12, 3)
    outline = points[..., :2]
    middle = outline.mean(axis=2, keepdims=True)
    width = (views.scale * 0.05)[:, None, None, None]
    # All of the trunk is one thing: it is sorted by its middle, in the order listed.
    key = seen[:, 2:5, :, 2].mean(axis=(1, 2))[:, None] + np.array([h[3] for h in _HULLS])
    squeeze = np.array([0.6, 0.98])  # keep lit parts joined from ring to ring
    shift = width * (light * [1.0, 0.3])[:, None, None]
    return outline, middle + squeeze * (outline - middle) + shift, key


def _is_drawn(
    outfits: Outfits, turn: Floats, bodies: Bodies, scale: Floats, parts: NDArray[np.int64]
) -> Mask:
    n = len(scale)
    facing = np.einsum("nij,nj->ni", turn, bodies.head_frame[:, :, 2])[:, 2]
    sideways = np.einsum("nij,nj->ni", turn, bodies.head_frame[:, :, 0])[:, 2]
    drawn = np.ones((n, len(parts)), dtype=bool)

    def only(name: str, rows: Mask) -> None:
        drawn[:, parts == PART[name]] &= rows[:, None]

    for side in "lr":
        only(f"{side}_sleeve", outfits.sleeves == 1)
        only(f"{side}_leg_cloth", (outfits.legs == 0) | (outfits.legs == 3))
    only("skirt", outfits.legs == 2)
    only("bag", outfits.bag)
    only("hat", outfits.hat)
    only("detail", outfits.front > 0)
    names = [str(row[1]) for row in _CAPSULES]
    drawn[:, names.index("badge_top")] &= outfits.badge
    for side in "lr":
        drawn[:, names.index(f"number_top_{side}")] &= outfits.numbered
    drawn[:, [i for i, r in enumerate(_CAPSULES) if r[1] == "hair_root"]] &= outfits.long_hair[
        :, None
    ]
    drawn[:, len(_CAPSULES) + 2] &= ~outfits.bald & ~outfits.hat
    clear = scale > _FAINT
    first = len(_CAPSULES)
    for number in range(4, len(_ELLIPSOIDS)):
        normal_x = np.sign(_ELLIPSOIDS[number][1][0])
        if number < _FACE_FROM:
            seen = (normal_x * sideways > -0.15) & ~outfits.long_hair
        else:
            seen = facing + 0.45 * normal_x * sideways > 0.12
        drawn[:, first + number] &= seen & clear
    return drawn


def head_boxes(bodies: Bodies, views: Views) -> Floats:
    """Return (n, 4) x1, y1, x2, y2 around each head, px."""
    turn = views.turn
    centre = views.see(bodies, bodies.head_centre[:, None])[:, 0, :2]
    half = np.einsum("nij,njk->nik", turn[:, :2], bodies.head_frame) * HEAD_AXES
    reach = np.linalg.norm(half, axis=2) * (bodies.build.head * views.scale)[:, None]
    return np.concatenate([centre - reach, centre + reach], axis=1)
