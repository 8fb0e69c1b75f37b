"""The people of many images, posed and seen all at once: arrays cost little, calls cost much.

A still of ten people or a frame of a video is too small for NumPy to be fast on it alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from smallpose.synthetic.people.body import JOINT, Bodies, pose_bodies
from smallpose.synthetic.people.figure import Shapes, Views, head_boxes, shape_figures
from smallpose.synthetic.rendering.raster import Quads
from smallpose.synthetic.scenes.layout import Scene
from smallpose.synthetic.scenes.props import place_seats

Floats = NDArray[np.float64]
T = TypeVar("T")

_FACE_LIMIT = np.array([-0.05, 0.0, 0.0, -0.1, -0.1])  # how far a normal may point away


@dataclass(frozen=True)
class PosedPeople:
    """The n people of one image.

    Args:
        shapes: their outlines.
        seats: what carries each of them.
        joints: (n, 21, 3) x, y in px and nearness in body heights.
        facing: (n, 5) whether nose, eyes and ears are turned to the camera.
        contact: (n, 5, 2) px of both heels, both toes and the pelvis, laid down on the floor.
        heads: (n, 4) x1, y1, x2, y2 around each head, px.
        around: (n, 4) the same around the whole body.
    """

    shapes: Shapes
    seats: list[Quads | None]
    joints: Floats
    facing: NDArray[np.bool_]
    contact: Floats
    heads: Floats
    around: Floats


def pose_people(scenes: Sequence[Scene], times_s: Sequence[float]) -> list[PosedPeople]:
    """Pose the people of each scene, which is already at its time; their motions continue.

    Args:
        times_s: where in their motions the people are.
    """
    count = [len(s) for s in scenes]
    angles = np.concatenate([s.motions.at(t) for s, t in zip(scenes, times_s, strict=True)])
    bodies = pose_bodies(angles, _concatenate_records([s.build for s in scenes]))
    views = Views(
        np.concatenate([s.yaw for s in scenes]),
        np.repeat([s.pitch for s in scenes], count),
        np.concatenate([s.scale for s in scenes]),
        np.concatenate([s.anchor for s in scenes]),
    )
    light = np.repeat([s.look.light for s in scenes], count, axis=0)
    shapes = shape_figures(bodies, _concatenate_records([s.outfits for s in scenes]), views, light)
    modes = tuple(mode for s in scenes for mode in s.motions.modes)
    carried, around = place_seats(modes, bodies, views), shapes.around
    joints, heads = views.see(bodies, bodies.joints), head_boxes(bodies, views)
    towards = (bodies.face_normals @ views.turn[:, 2, :, None])[:, :, 0]
    facing, contact = towards > _FACE_LIMIT, _find_ground_contact(bodies, views)
    ends = np.cumsum(count).tolist()
    rows = [slice(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
    return [
        PosedPeople(shapes.of(r), carried[r], joints[r], facing[r], contact[r], heads[r], around[r])
        for r in rows
    ]


def _find_ground_contact(bodies: Bodies, views: Views) -> Floats:
    points = [bodies.heels, bodies.toes, bodies.joints[:, [JOINT["pelvis"]]]]
    laid = np.concatenate(points, axis=1) * np.array([1.0, 0.0, 1.0])
    return views.see(bodies, laid)[:, :, :2]


def _concatenate_records(records: Sequence[T]) -> T:
    """Concatenate dataclasses whose fields have one row per person."""
    if len(records) == 1:
        return records[0]
    first: Any = records[0]
    make: Callable[..., T] = type(first)
    names = [f.name for f in fields(first)]
    return make(*(np.concatenate([getattr(r, name) for r in records]) for name in names))
