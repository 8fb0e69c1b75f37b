"""Define the pose modes, one table row each: angles in radians and how they swing.

Set by hand; no recorded motion is used.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Spread = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Mode:
    """One kind of pose.

    Args:
        angles: mean and deviation by angle; a paired name without side is drawn for each side.
        swing: amplitude and phase of a motion by angle (with its side).
        rate: cycles per second of that motion.
        speed: body heights walked per second.
        seat: what carries the person: "", "chair", "bicycle", "floor".
    """

    angles: Spread
    swing: Spread
    rate: float = 0.0
    speed: float = 0.0
    seat: str = ""


_EASY: Spread = {
    "lean": (0.03, 0.05),
    "side": (0.0, 0.05),
    "twist": (0.0, 0.12),
    "neck_yaw": (0.0, 0.35),
    "neck_pitch": (0.08, 0.16),
    "neck_roll": (0.0, 0.08),
    "arm_flex": (0.0, 0.16),
    "arm_abduct": (0.13, 0.08),
    "arm_twist": (0.1, 0.3),
    "elbow": (0.28, 0.2),
    "hip_flex": (0.0, 0.07),
    "hip_abduct": (0.06, 0.05),
    "hip_twist": (0.12, 0.12),
    "knee": (0.06, 0.06),
    "ankle": (0.0, 0.06),
}
_PI = np.pi


def _swing_of_gait(stride: float, knee: float, arms: float) -> Spread:
    """Return the swing of arms and legs in a walk: the right arm moves with the left leg."""
    return {
        "l_hip_flex": (stride, 0.0),
        "r_hip_flex": (stride, _PI),
        "l_knee": (knee, 0.9),
        "r_knee": (knee, 0.9 + _PI),
        "l_ankle": (0.2, 2.4),
        "r_ankle": (0.2, 2.4 + _PI),
        "l_arm_flex": (arms, _PI),
        "r_arm_flex": (arms, 0.0),
        "twist": (0.12, _PI),
    }


_SWAY: Spread = {
    "side": (0.03, 0.0),
    "neck_yaw": (0.25, 1.0),
    "l_arm_flex": (0.08, 0.5),
    "r_arm_flex": (0.08, 2.0),
    "r_elbow": (0.2, 1.0),
}
_PLAY: Spread = {
    **_SWAY,
    "twist": (0.25, 0.0),
    "r_arm_flex": (0.5, 0.0),
    "l_arm_abduct": (0.25, 1.0),
    "l_knee": (0.25, 0.3),
    "r_knee": (0.25, 2.0),
}


def _make_mode(
    changes: Spread,
    swing: Spread = _SWAY,
    rate: float = 0.12,
    speed: float = 0.0,
    seat: str = "",
) -> Mode:
    return Mode({**_EASY, **changes}, swing, rate, speed, seat)


_SIT: Spread = {
    "hip_flex": (1.45, 0.1),
    "knee": (1.45, 0.18),
    "lean": (0.05, 0.15),
    "hip_abduct": (0.12, 0.1),
}


MODES = {
    "stand": _make_mode({}),
    "hands_on_hips": _make_mode(
        {"arm_abduct": (0.75, 0.1), "arm_twist": (1.2, 0.1), "elbow": (1.75, 0.1)}
    ),
    "arms_crossed": _make_mode(
        {"arm_flex": (0.5, 0.08), "arm_twist": (1.3, 0.08), "elbow": (1.75, 0.1)}
    ),
    "phone": _make_mode(
        {
            "r_arm_flex": (0.55, 0.1),
            "r_elbow": (1.75, 0.15),
            "r_arm_twist": (0.5, 0.15),
            "neck_pitch": (0.45, 0.12),
        }
    ),
    "hand_on_head": _make_mode(
        {"r_arm_flex": (1.2, 0.2), "r_arm_abduct": (1.7, 0.2), "r_elbow": (2.2, 0.15)}
    ),
    "walk": _make_mode(
        {
            "lean": (0.06, 0.04),
            "knee": (0.32, 0.08),
            "elbow": (0.45, 0.2),
            "hip_flex": (0.05, 0.05),
        },
        _swing_of_gait(0.42, 0.34, 0.4),
        0.9,
        0.75,
    ),
    "stroll": _make_mode({"knee": (0.25, 0.06)}, _swing_of_gait(0.3, 0.25, 0.22), 0.7, 0.45),
    "run": _make_mode(
        {
            "lean": (0.22, 0.06),
            "knee": (0.85, 0.15),
            "elbow": (1.45, 0.2),
            "hip_flex": (0.3, 0.08),
            "arm_twist": (0.35, 0.1),
        },
        _swing_of_gait(0.75, 0.75, 0.75),
        1.4,
        1.8,
    ),
    "reach": _make_mode(
        {
            "arm_flex": (1.5, 0.6),
            "arm_abduct": (0.5, 0.4),
            "elbow": (0.5, 0.4),
            "lean": (0.15, 0.15),
        }
    ),
    "wave": _make_mode(
        {"r_arm_abduct": (2.2, 0.25), "r_elbow": (0.7, 0.35), "r_arm_flex": (0.2, 0.2)},
        {"r_elbow": (0.4, 0.0), "neck_yaw": (0.15, 0.0)},
        0.5,
    ),
    "cheer": _make_mode(
        {"arm_abduct": (2.4, 0.2), "elbow": (0.4, 0.3), "knee": (0.15, 0.1)}, _PLAY, 0.3
    ),
    "kick": _make_mode(
        {
            "r_hip_flex": (0.9, 0.4),
            "r_knee": (0.4, 0.3),
            "l_knee": (0.25, 0.1),
            "lean": (-0.1, 0.12),
            "arm_abduct": (0.8, 0.3),
            "l_arm_flex": (0.6, 0.3),
        },
        _PLAY,
        0.4,
    ),
    "ready": _make_mode(
        {
            "lean": (0.55, 0.12),
            "hip_flex": (0.65, 0.12),
            "knee": (0.95, 0.15),
            "elbow": (1.1, 0.25),
            "arm_flex": (0.7, 0.2),
            "arm_abduct": (0.4, 0.15),
            "hip_abduct": (0.3, 0.08),
            "neck_pitch": (-0.35, 0.1),
        },
        _PLAY,
        0.35,
    ),
    "throw": _make_mode(
        {
            "r_arm_abduct": (1.7, 0.25),
            "r_arm_flex": (-0.2, 0.3),
            "r_elbow": (1.3, 0.3),
            "l_arm_flex": (1.2, 0.3),
            "twist": (-0.35, 0.15),
            "l_hip_flex": (0.45, 0.15),
            "r_hip_flex": (-0.25, 0.1),
            "knee": (0.35, 0.15),
        },
        _PLAY,
        0.4,
    ),
    "lunge": _make_mode(
        {
            "l_hip_flex": (1.0, 0.2),
            "l_knee": (1.1, 0.2),
            "r_hip_flex": (-0.35, 0.12),
            "r_knee": (0.3, 0.15),
            "lean": (0.25, 0.15),
            "arm_abduct": (0.7, 0.35),
            "elbow": (0.6, 0.3),
        },
        _PLAY,
        0.3,
    ),
    "dance": _make_mode(
        {
            "arm_abduct": (1.1, 0.5),
            "arm_flex": (0.5, 0.5),
            "elbow": (0.9, 0.5),
            "side": (0.0, 0.2),
            "hip_flex": (0.25, 0.25),
            "knee": (0.4, 0.3),
            "hip_abduct": (0.2, 0.12),
        },
        _PLAY,
        0.5,
    ),
    "sit": _make_mode({**_SIT, "elbow": (1.0, 0.3), "arm_flex": (0.35, 0.15)}, seat="chair"),
    "sit_phone": _make_mode(
        {
            **_SIT,
            "elbow": (1.7, 0.2),
            "arm_flex": (0.5, 0.12),
            "arm_twist": (0.5, 0.15),
            "neck_pitch": (0.45, 0.12),
            "lean": (0.2, 0.1),
        },
        seat="chair",
    ),
    "sit_back": _make_mode({**_SIT, "lean": (-0.25, 0.08), "knee": (1.15, 0.15)}, seat="chair"),
    "sit_floor": _make_mode(
        {
            "hip_flex": (1.6, 0.15),
            "knee": (1.5, 0.4),
            "lean": (0.0, 0.15),
            "hip_abduct": (0.25, 0.12),
            "arm_flex": (0.55, 0.2),
            "elbow": (0.5, 0.25),
        },
        seat="floor",
    ),
    "squat": _make_mode(
        {
            "hip_flex": (1.9, 0.1),
            "knee": (2.2, 0.1),
            "lean": (0.6, 0.12),
            "arm_flex": (1.1, 0.25),
            "elbow": (0.7, 0.3),
            "hip_abduct": (0.3, 0.1),
            "ankle": (0.4, 0.1),
        }
    ),
    "bend": _make_mode(
        {"lean": (1.1, 0.2), "hip_flex": (0.5, 0.15), "knee": (0.25, 0.12), "arm_flex": (1.3, 0.25)}
    ),
    "lie_back": _make_mode(
        {
            "root_pitch": (-1.5, 0.06),
            "arm_abduct": (0.5, 0.4),
            "elbow": (0.6, 0.5),
            "hip_flex": (0.25, 0.25),
            "knee": (0.45, 0.4),
            "neck_pitch": (0.3, 0.15),
        },
        seat="floor",
    ),
    "lie_front": _make_mode(
        {
            "root_pitch": (1.42, 0.06),
            "arm_flex": (1.9, 0.3),
            "elbow": (1.5, 0.3),
            "lean": (-0.3, 0.08),
            "neck_pitch": (-0.5, 0.12),
            "knee": (0.3, 0.4),
        },
        seat="floor",
    ),
    "crawl": _make_mode(
        {
            "root_pitch": (1.2, 0.08),
            "arm_flex": (1.45, 0.15),
            "elbow": (0.15, 0.1),
            "hip_flex": (1.35, 0.15),
            "knee": (1.6, 0.12),
            "neck_pitch": (-0.5, 0.15),
        },
        {
            "l_arm_flex": (0.25, 0.0),
            "r_arm_flex": (0.25, _PI),
            "l_hip_flex": (0.3, _PI),
            "r_hip_flex": (0.3, 0.0),
        },
        0.4,
        0.2,
    ),
    "cycle": _make_mode(
        {
            "lean": (0.62, 0.1),
            "arm_flex": (1.25, 0.08),
            "elbow": (0.35, 0.12),
            "hip_flex": (1.05, 0.03),
            "knee": (1.15, 0.03),
            "neck_pitch": (-0.3, 0.1),
            "hip_abduct": (0.02, 0.02),
        },
        {
            "l_hip_flex": (0.4, 0.0),
            "r_hip_flex": (0.4, _PI),
            "l_knee": (0.55, 0.5),
            "r_knee": (0.55, 0.5 + _PI),
        },
        0.9,
        2.2,
        seat="bicycle",
    ),
}


# Families of modes; a place asks for families, not for modes.
FAMILIES = {
    "stand": ("stand", "stand", "hands_on_hips", "arms_crossed", "phone", "hand_on_head", "wave"),
    "walk": ("walk", "walk", "walk", "stroll"),
    "action": ("run", "run", "reach", "kick", "ready", "throw", "lunge", "dance", "cheer"),
    "sit": ("sit", "sit", "sit_phone", "sit_back"),
    "low": ("squat", "bend", "sit_floor", "lie_back", "lie_front", "crawl", "lunge"),
    "cycle": ("cycle",),
}
# Stand and walk .45, action .25, sit .18, others .12 (the synthetic data's specification, 6.2).
USUAL = {"stand": 0.21, "walk": 0.24, "action": 0.25, "sit": 0.18, "low": 0.09, "cycle": 0.03}
