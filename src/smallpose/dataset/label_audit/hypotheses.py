"""The label errors that the pose network tells apart, and the joints that each one names."""

from typing import Final

from smallpose.core.skeleton import SMALLPOSE

Hypothesis = tuple[str, tuple[str, ...]]

NEIGHBOURS: Final[tuple[tuple[str, str], ...]] = tuple(
    (f"{side}_{inner}", f"{side}_{outer}")
    for inner, outer in (
        ("shoulder", "elbow"),
        ("elbow", "wrist"),
        ("hip", "knee"),
        ("knee", "ankle"),
    )
    for side in ("left", "right")
)


def _list_joints(parts: str, sides: tuple[str, ...] = ("left", "right")) -> tuple[str, ...]:
    return tuple(f"{side}_{part}" for side in sides for part in parts.split())


_FACE = ("nose", *_list_joints("eye ear"))
_HEAD = (*_FACE, "head_top", "head_bottom")
_UPPER = (*_HEAD, "chest", *_list_joints("shoulder elbow wrist"))
# Parts of a pose that may belong to another person, small ones first.
PARTS: Final[dict[str, tuple[str, ...]]] = {
    "left forearm": _list_joints("elbow wrist", ("left",)),
    "right forearm": _list_joints("elbow wrist", ("right",)),
    "left lower leg": _list_joints("knee ankle", ("left",)),
    "right lower leg": _list_joints("knee ankle", ("right",)),
    "left arm": _list_joints("shoulder elbow wrist", ("left",)),
    "right arm": _list_joints("shoulder elbow wrist", ("right",)),
    "left leg": _list_joints("hip knee ankle", ("left",)),
    "right leg": _list_joints("hip knee ankle", ("right",)),
    "head": _HEAD,
    "both lower legs": _list_joints("knee ankle"),
    "legs": (*_list_joints("hip knee ankle"), "pelvis"),
    "left side": _list_joints("shoulder elbow wrist hip knee ankle", ("left",)),
    "right side": _list_joints("shoulder elbow wrist hip knee ankle", ("right",)),
    "upper body": _UPPER,
}

# In the order of the network's outputs; the first is a sound label.
HYPOTHESES: Final[tuple[Hypothesis, ...]] = (
    ("sound", ()),
    ("sides", ()),
    ("arms", ()),
    ("legs", ()),
    ("face", ()),
    *(("neighbours", pair) for pair in NEIGHBOURS),
    *(("moved", (joint,)) for joint in SMALLPOSE.joints),
    ("two_people", ()),
)
