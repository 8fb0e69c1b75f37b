"""Poses and motions: joint angles drawn from the table of `modes`.

A pose is a row of angles in radians, in the order of `ANGLES`; a motion adds a sine to each, so
that a still is a motion at time 0 and a video the same motion later.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.synthetic.people.pose_modes import FAMILIES, MODES, Spread

Floats = NDArray[np.float64]

MIDDLE = ("root_pitch", "root_roll", "lean", "side", "twist", "neck_yaw", "neck_pitch", "neck_roll")
PAIRED = (
    "arm_flex",
    "arm_abduct",
    "arm_twist",
    "elbow",
    "hip_flex",
    "hip_abduct",
    "hip_twist",
    "knee",
    "ankle",
)
ANGLES = (*MIDDLE, *(f"l_{a}" for a in PAIRED), *(f"r_{a}" for a in PAIRED))
COLUMN = {name: number for number, name in enumerate(ANGLES)}
# These change sign in a mirror; paired angles are measured outwards, so they only change sides.
_SIGNED = ("root_roll", "side", "twist", "neck_yaw", "neck_roll")

# What a joint can do, radians; samples are cut to it.
LIMITS = {
    "lean": (-0.5, 1.5),
    "side": (-0.6, 0.6),
    "twist": (-0.7, 0.7),
    "neck_yaw": (-1.2, 1.2),
    "neck_pitch": (-0.7, 0.9),
    "neck_roll": (-0.5, 0.5),
    "arm_flex": (-0.9, 3.1),
    "arm_abduct": (-0.3, 2.9),
    "arm_twist": (-1.5, 1.5),
    "elbow": (0.0, 2.5),
    "hip_flex": (-0.6, 2.2),
    "hip_abduct": (-0.25, 0.9),
    "hip_twist": (-0.7, 0.8),
    "knee": (0.0, 2.5),
    "ankle": (-0.5, 0.9),
}


@dataclass(frozen=True)
class Motions:
    """The motion of n people.

    Args:
        modes: (n,) names in `MODES`.
        base, swing, phase: (n, a) radians; at time t, base + swing sin(phase + 2 pi rate t).
        rate: (n,) cycles per second.
    """

    modes: tuple[str, ...]
    base: Floats
    swing: Floats
    phase: Floats
    rate: Floats

    def at(self, time_s: float) -> Floats:
        """Return (n, a) angles within the joints' limits."""
        turn = self.phase + (2 * np.pi * time_s) * self.rate[:, None]
        return np.clip(self.base + self.swing * np.sin(turn), _LOW, _HIGH)


def _joint_limits() -> tuple[Floats, Floats]:
    limits = [LIMITS.get(n.removeprefix("l_").removeprefix("r_"), (-4.0, 4.0)) for n in ANGLES]
    return np.array([a for a, _ in limits]), np.array([b for _, b in limits])


def _to_columns(spread: Spread) -> tuple[Floats, Floats]:
    """Return two (a,) rows, first and second value of each angle; sided names override others."""
    first, second = np.zeros(len(ANGLES)), np.zeros(len(ANGLES))
    for sided in (False, True):
        for name, (a, b) in spread.items():
            targets = [name] if name in COLUMN else [f"l_{name}", f"r_{name}"]
            if (name.startswith(("l_", "r_"))) == sided:
                for target in targets:
                    first[COLUMN[target]], second[COLUMN[target]] = a, b
    return first, second


_LOW, _HIGH = _joint_limits()
# (modes, 4, a): mean and deviation of each angle, amplitude and phase of its swing.
_TABLE = np.array([(*_to_columns(m.angles), *_to_columns(m.swing)) for m in MODES.values()])
_RATE = np.array([m.rate for m in MODES.values()])
_ROW = {name: row for row, name in enumerate(MODES)}
_MIRROR = np.array(
    [COLUMN[{"l": "r_", "r": "l_"}.get(n[0], "") + n[2:] if n[1] == "_" else n] for n in ANGLES]
)
_SIGN = np.where(np.isin(ANGLES, _SIGNED), -1.0, 1.0)


def mirror_angles(angles: Floats) -> Floats:
    """Return (n, a) angles of the mirrored people."""
    return angles[:, _MIRROR] * _SIGN


def draw_motions(modes: tuple[str, ...], rng: np.random.Generator) -> Motions:
    """Draw angles for people in the given modes, half of them mirrored."""
    n = len(modes)
    if not n:
        empty = np.zeros((0, len(ANGLES)))
        return Motions((), empty, empty, empty, np.zeros(0))
    rows = [_ROW[m] for m in modes]
    mean, deviation, swing, offset = _TABLE[rows].swapaxes(0, 1)
    base = mean + deviation * np.clip(rng.standard_normal(mean.shape), -2, 2)
    swing = swing * rng.uniform(0.75, 1.2, (n, 1))
    phase = offset + rng.uniform(0, 2 * np.pi, (n, 1))
    rate = _RATE[rows] * rng.uniform(0.85, 1.2, n)
    left = rng.random(n) < 0.5
    base[left] = mirror_angles(base[left])
    # The mirrored swing keeps its amplitude; a negative one is half a turn of phase.
    swing[left], phase[left] = mirror_angles(swing[left]), phase[left][:, _MIRROR]
    return Motions(modes, np.clip(base, _LOW, _HIGH), swing, phase, rate)


def draw_modes(n: int, weights: Mapping[str, float], rng: np.random.Generator) -> tuple[str, ...]:
    """Draw n modes, families by weight."""
    families = list(weights)
    upto = np.cumsum(list(weights.values()))
    family, member = rng.random((2, n))
    picks = np.searchsorted(upto[:-1], family * upto[-1], side="right").tolist()
    of = [FAMILIES[families[pick]] for pick in picks]
    return tuple(names[int(m * len(names))] for names, m in zip(of, member.tolist(), strict=True))
