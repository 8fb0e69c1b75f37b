"""Define measures by joint names: `angle:left_elbow`, `tilt:trunk`, `length:nose/left_ankle`.

A point is a joint or the middle of two, as in `left_hip+right_hip`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.joint_names import parse_joint_name
from smallpose.core.skeleton import Skeleton

Point = tuple[str, ...]  # one joint, or two whose middle it is

NUM_POINTS = {"angle": 3, "tilt": 2, "length": 2}
UNITS = {"angle": "degrees", "tilt": "degrees", "length": "px"}
MAX_MEASURES = 100

_ANGLES = {
    "shoulder": ("hip", "shoulder", "elbow"),
    "elbow": ("shoulder", "elbow", "wrist"),
    "hip": ("shoulder", "hip", "knee"),
    "knee": ("hip", "knee", "ankle"),
}
_LIMBS = {
    "upper_arm": ("shoulder", "elbow"),
    "forearm": ("elbow", "wrist"),
    "thigh": ("hip", "knee"),
    "shin": ("knee", "ankle"),
}
_AXES: dict[str, tuple[Point, Point]] = {
    "trunk": (("left_hip", "right_hip"), ("left_shoulder", "right_shoulder")),
    "shoulders": (("left_shoulder",), ("right_shoulder",)),
    "hips": (("left_hip",), ("right_hip",)),
    "head": (("head_bottom",), ("head_top",)),
}
_SIDES = ("left", "right")
_EXAMPLE = ("left_hip", "left_knee", "left_ankle")


@dataclass(frozen=True)
class Measure:
    """A quantity that is read from a pose.

    Args:
        name: as the user wrote it.
        kind: `angle` at the second of three points, 0 to 180 degrees; `tilt` of the axis through
            two points from vertical, -90 to 90 degrees, positive with the upper end to the right
            in the image; `length` between two points, px.
        points: 3 for an angle, 2 for the others.
    """

    name: str
    kind: str
    points: tuple[Point, ...]

    @property
    def joints(self) -> tuple[str, ...]:
        """Return the joints that must be labelled, each once."""
        return tuple(dict.fromkeys(joint for point in self.points for joint in point))

    @property
    def unit(self) -> str:
        """Return `degrees` or `px`."""
        return UNITS[self.kind]

    def describe(self) -> str:
        """Return the points, such as `left_shoulder / left_elbow / left_wrist`."""
        return " / ".join("+".join(point) for point in self.points)


def list_known_measures() -> list[str]:
    """List the measures that have a name of their own."""
    angles = [f"angle:{side}_{joint}" for joint in _ANGLES for side in _SIDES]
    axes = [*_AXES, *(f"{side}_{limb}" for limb in _LIMBS for side in _SIDES)]
    return angles + [f"{kind}:{axis}" for kind in ("tilt", "length") for axis in axes]


def parse_measures(text: str, skeleton: Skeleton) -> tuple[Measure, ...]:
    """Parse measures with commas between, for people labelled with `skeleton`.

    Raises: InputError for anything that is no measure of these joints, and for repeats.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        raise InputError(
            f"--measure {text!r}",
            "a measure is empty",
            "write them as in angle:left_elbow,tilt:trunk",
        )
    if len(words) > MAX_MEASURES:
        raise InputError(
            f"--measure with {format_count(len(words), 'measure')}",
            f"more than {MAX_MEASURES}",
            "ask for fewer at a time",
        )
    measures = tuple(_parse_measure(word, skeleton) for word in words)
    known: dict[tuple[str, tuple[Point, ...]], str] = {}
    for measure in measures:
        first = known.setdefault((measure.kind, _normalize_points(measure.points)), measure.name)
        if first is not measure.name:
            raise InputError(
                f"--measure {measure.name}", f"it is the same as {first}", "name each measure once"
            )
    return measures


def check_min_joint_score(score: float) -> None:
    """Raise InputError for a minimum score of joints that is negative or no number."""
    if not 0 <= score < math.inf:
        raise InputError(f"--min-joint-score {score:g}", "it is below zero or no number", "use 0.3")


def _normalize_points(points: tuple[Point, ...]) -> tuple[Point, ...]:
    """Return the points in an order that is the same from both ends."""
    whole = tuple(tuple(sorted(point)) for point in points)
    return min(whole, whole[::-1])


def _parse_measure(word: str, skeleton: Skeleton) -> Measure:
    kind, _, subject = word.partition(":")
    if kind not in NUM_POINTS or not subject:
        raise InputError(
            f"--measure {word}",
            "it does not begin with angle:, tilt: or length:",
            "write it as in angle:left_elbow, tilt:trunk or length:nose/left_ankle",
        )
    points = _find_named_points(kind, subject) or _split_points(word, kind, subject)
    resolved = tuple(
        tuple(_resolve_joint(word, joint, skeleton) for joint in point) for point in points
    )
    if len({tuple(sorted(point)) for point in resolved}) < len(resolved) or any(
        len(set(point)) < len(point) for point in resolved
    ):
        raise InputError(
            f"--measure {word}", "a point is repeated", "name points that differ from each other"
        )
    return Measure(name=word, kind=kind, points=resolved)


def _find_named_points(kind: str, subject: str) -> tuple[Point, ...] | None:
    """Return the points of a joint's angle or of a body part; None where the name is neither."""
    if "/" in subject or "+" in subject:
        return None
    name = parse_joint_name(subject)
    part = {known.replace("_", ""): known for known in (*_ANGLES, *_LIMBS)}.get(name.part)
    if kind == "angle" and part in _ANGLES and name.side:
        return tuple((f"{name.side}_{joint}",) for joint in _ANGLES[part])
    if kind != "angle" and part in _LIMBS and name.side:
        return tuple((f"{name.side}_{joint}",) for joint in _LIMBS[part])
    if kind != "angle":
        return _AXES.get(subject)
    return None


def _split_points(word: str, kind: str, subject: str) -> tuple[Point, ...]:
    points = tuple(
        tuple(joint.strip() for joint in point.split("+")) for point in subject.split("/")
    )
    if len(points) == 1:
        known = [one for one in list_known_measures() if one.startswith(f"{kind}:")]
        names = ", ".join(one.removeprefix(f"{kind}:") for one in known)
        raise InputError(
            f"--measure {word}",
            f"no such {kind}",
            f"use one of {names}, or name {NUM_POINTS[kind]} joints with / between",
        )
    if len(points) != NUM_POINTS[kind] or any(len(point) > 2 or not all(point) for point in points):
        raise InputError(
            f"--measure {word}",
            f"a {kind} has {NUM_POINTS[kind]} points, each a joint or two joined by +",
            f"write it as in {kind}:{'/'.join(_EXAMPLE[: NUM_POINTS[kind]])}",
        )
    return points


def _resolve_joint(word: str, joint: str, skeleton: Skeleton) -> str:
    """Return the skeleton's name of a joint, however it is spelled."""
    if joint in skeleton.joints:
        return joint
    for name, spelled in zip(skeleton.joints, skeleton.spelled_joints, strict=True):
        if joint == spelled or parse_joint_name(joint) == parse_joint_name(name):
            return name
    raise InputError(
        f"--measure {word}",
        f"the ground truth has no joint {joint}",
        f"use its joints: {', '.join(skeleton.spelled_joints)}",
    )


def refuse_missing_joints(measures: Sequence[Measure], predicted: Skeleton) -> None:
    """Raise InputError where the results have no such joint."""
    for measure in measures:
        for joint in measure.joints:
            if joint not in predicted.joints:
                raise InputError(
                    f"--measure {measure.name}",
                    f"the results have no joint {joint}",
                    f"use joints that they have: {', '.join(predicted.spelled_joints)}",
                )
