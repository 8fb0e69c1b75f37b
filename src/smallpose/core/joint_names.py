"""Read joint names as people write them: the side, the pairs, and which known joint is meant.

`left_shoulder`, `LShoulder`, `shoulder.L`, `left shoulder` and `lsho` are names of one joint.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

# Words of a name: an upper-case run (the L of LShoulder), a word, a number, letters of any script.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
_SIDE_WORDS = {"left": "left", "right": "right"}
_SIDE_LETTERS = {"l": "left", "r": "right", "lt": "left", "rt": "right"}
# A bare letter is a side only before or after one of these: `lsho`, but not `lower` or `rib`.
_BODY_PARTS = (
    "eye",
    "ear",
    "brow",
    "cheek",
    "mouth",
    "sho",
    "clav",
    "collar",
    "arm",
    "forearm",
    "elb",
    "wri",
    "hand",
    "finger",
    "thumb",
    "index",
    "middle",
    "ring",
    "pinky",
    "hip",
    "thigh",
    "kne",
    "leg",
    "shin",
    "calf",
    "ank",
    "foot",
    "feet",
    "heel",
    "toe",
    "big",
    "paw",
    "fin",
    "wing",
)
_SHORT = {
    "sho": "shoulder",
    "elb": "elbow",
    "wri": "wrist",
    "kne": "knee",
    "ank": "ankle",
    "pelv": "pelvis",
    "thor": "thorax",
}
_MIDDLE_WORDS = {"mid", "middle", "midline", "center", "centre"}
MAX_SERIES = 4  # spine1 to spine4 may be on the midline; face0 to face67 are not


class JointName(NamedTuple):
    """A name without its spelling.

    Args:
        side: "left", "right" or "".
        part: the other words in lower case, without separators.
    """

    side: str
    part: str


def parse_joint_name(name: str) -> JointName:
    """Split a joint's name into its side and the rest.

    >>> parse_joint_name("LShoulder"), parse_joint_name("hip.R")
    (JointName(side='left', part='shoulder'), JointName(side='right', part='hip'))
    """
    words = [word.lower() for word in _WORD.findall(name)]
    if len(words) > 1:
        for sides in (_SIDE_WORDS, _SIDE_LETTERS):
            index = next((i for i, word in enumerate(words) if word in sides), None)
            if index is not None:
                return JointName(sides[words[index]], "".join(words[:index] + words[index + 1 :]))
    return _split_single_word("".join(words))


def _split_single_word(word: str) -> JointName:
    for side in _SIDE_WORDS:
        if word.startswith(side) and word != side:
            return JointName(side, word.removeprefix(side))
        if word.endswith(side) and word != side:
            return JointName(side, word.removesuffix(side))
    if word[:1] in ("l", "r") and word[1:].startswith(_BODY_PARTS):
        return JointName(_SIDE_LETTERS[word[0]], word[1:])
    if word[-1:] in ("l", "r") and word[:-1] in _BODY_PARTS:
        return JointName(_SIDE_LETTERS[word[-1]], word[:-1])
    return JointName("", word)


def recognize_joints(
    names: Sequence[str], known: Iterable[str], synonyms: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the known joint that each name means; others keep their own spelling.

    Where two names mean the same joint, the one that is spelled like it has it, and else neither.

    Args:
        known: names to return.
        synonyms: other name to known name.
    """
    known = tuple(known)
    by_name = {parse_joint_name(name): name for name in known}
    for other, name in synonyms.items():
        by_name.setdefault(parse_joint_name(other), name)
    resolved = []
    for name in names:
        side, part = parse_joint_name(name)
        resolved.append(by_name.get(JointName(side, _SHORT.get(part, part)), name.strip()))
    return tuple(
        joint
        if name == joint or (resolved.count(joint) == 1 and joint not in names)
        else name.strip()
        for name, joint in zip(names, resolved, strict=True)
    )


def find_pairs(names: Sequence[str]) -> list[tuple[int, int]]:
    """Return the indices of the left and the right joint of each pair that the names tell."""
    indices: dict[JointName, list[int]] = {}
    for index, name in enumerate(names):
        indices.setdefault(parse_joint_name(name), []).append(index)
    pairs = []
    for joint, left in indices.items():
        right = indices.get(JointName("right", joint.part), [])
        if joint.side == "left" and len(left) == len(right) == 1:
            pairs.append((left[0], right[0]))
    return pairs


def are_numbered(names: Sequence[str]) -> bool:
    """Return whether names tell nothing but a position, such as 1, 2 or joint_1, joint_2."""
    return len({re.sub(r"\d+", "#", name) for name in names}) == 1 < len(names)


def is_called_middle(name: str) -> bool:
    """Return whether a name says that the joint is on the midline.

    >>> [is_called_middle(name) for name in ("mid_hip", "MidHip", "spine_center", "middle_finger")]
    [True, True, True, False]
    """
    words = {word.lower() for word in _WORD.findall(name)}
    is_finger = bool(words & {"finger", "toe"})
    return bool(words & _MIDDLE_WORDS) and not is_finger


def find_joint_of_unknown_side(names: Sequence[str]) -> str | None:
    """Return a joint that may have a mirrored one which its name does not tell.

    That is a joint called left or right without its other side, or one of a long series of numbers.
    """
    paired = {index for pair in find_pairs(names) for index in pair}
    single = [name for index, name in enumerate(names) if index not in paired]
    for name in single:
        if {"left", "right"} & {word.lower() for word in _WORD.findall(name)}:
            return name
    stems = [re.sub(r"\d+", "#", name) if re.search(r"\d", name) else None for name in single]
    for name, stem in zip(single, stems, strict=True):
        if stem is not None and stems.count(stem) > MAX_SERIES:
            return name
    return None
