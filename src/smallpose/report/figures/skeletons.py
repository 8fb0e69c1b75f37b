"""Draw a skeleton: joints with their numbers (Fig. 1c)."""

import numpy as np
from matplotlib.figure import Figure

from smallpose.core.skeleton import SMALLPOSE, Skeleton
from smallpose.report.figures.style import (
    LIGHT,
    ON_COLOUR,
    SMALL_TYPE,
    apply_theme,
    create_figure,
)
from smallpose.report.images.pose_drawing import find_joint_side, list_limbs

# A person who stands facing the viewer: their left side is on the right.
_STANDING = {
    "nose": (0, 8.35),
    "head_top": (0, 9.3),
    "left_eye": (0.28, 8.65),
    "right_eye": (-0.28, 8.65),
    "left_ear": (0.62, 8.45),
    "right_ear": (-0.62, 8.45),
    "head_bottom": (0, 7.5),
    "chest": (0, 6.75),
    "left_shoulder": (1.15, 6.75),
    "right_shoulder": (-1.15, 6.75),
    "left_elbow": (1.75, 5.45),
    "right_elbow": (-1.75, 5.45),
    "left_wrist": (2.2, 4.25),
    "right_wrist": (-2.2, 4.25),
    "left_hip": (0.68, 4.35),
    "right_hip": (-0.68, 4.35),
    "pelvis": (0, 4.35),
    "left_knee": (0.85, 2.35),
    "right_knee": (-0.85, 2.35),
    "left_ankle": (0.95, 0.35),
    "right_ankle": (-0.95, 0.35),
}


_SIDE_INK = {"left": "#E69F00", "right": "#0072B2", "middle": "#8C96A3"}


def can_draw_skeleton(skeleton: Skeleton) -> bool:
    """Return whether all joints have a place in the drawing, as those of the 21 have."""
    return set(skeleton.joints) <= set(_STANDING)


def draw_skeleton(skeleton: Skeleton = SMALLPOSE) -> Figure:
    """Draw the joints, numbered in the skeleton's order, and the limbs (Fig. 1c)."""
    figure = create_figure(5.8, 4.8)
    axes = figure.add_axes((0.02, 0.02, 0.5, 0.96))
    axes.set_axis_off()
    axes.set(xlim=(-2.9, 2.9), ylim=(-0.2, 9.8), aspect="equal")
    xy = np.array([_STANDING[name] for name in skeleton.joints], dtype=np.float64)
    for a, b, side in list_limbs(skeleton, np.ones(len(skeleton), dtype=bool)):
        axes.plot(*xy[[a, b]].T, color=_SIDE_INK[side], lw=3, solid_capstyle="round", zorder=1)
    for number, (name, (x, y)) in enumerate(zip(skeleton.joints, xy, strict=True), 1):
        colour = _SIDE_INK[find_joint_side(name)]
        axes.scatter([x], [y], s=190, color=colour, edgecolor=LIGHT.paper, lw=1.2, zorder=2)
        axes.text(
            x,
            y - 0.01,
            str(number),
            ha="center",
            va="center",
            size=SMALL_TYPE,
            color=ON_COLOUR,
            weight="bold",
        )
    legend = figure.add_axes((0.54, 0.04, 0.45, 0.92))
    legend.set_axis_off()
    legend.set(xlim=(0, 1), ylim=(len(skeleton) + 0.5, 0))
    for number, name in enumerate(skeleton.spelled_joints, 1):
        legend.scatter([0.05], [number], s=42, color=_SIDE_INK[find_joint_side(name)])
        legend.text(
            0.17, number, str(number), va="center", ha="right", size=SMALL_TYPE, color=LIGHT.muted
        )
        legend.text(
            0.22, number, name.replace("_", " "), va="center", size=SMALL_TYPE, color=LIGHT.ink
        )
    return apply_theme(figure)
