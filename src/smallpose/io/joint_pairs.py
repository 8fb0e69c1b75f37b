"""Declare which joints are the left and the right one of a pair, where their names do not tell."""

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.joint_order import list_joints
from smallpose.core.skeleton import Skeleton

Pair = tuple[int | str, int | str]


def find_declared_pairs(
    where: str, joints: Sequence[str], swap: Sequence[Pair], first: int = 0
) -> tuple[tuple[int, int], ...]:
    """Return the indices of the joints of each pair.

    Args:
        swap: the left and the right joint of each pair, by name or by number.
        first: the number of the first joint.
    Raises: InputError for a pair that names no two joints, and a joint in two pairs.
    """
    pairs = []
    for pair in swap:
        a, b = (_find_joint(end, joints, first) for end in pair)
        if a is None or b is None or a == b:
            raise InputError(
                where,
                f"the pair {list(pair)} under swap names no two of "
                f"{format_count(len(joints), 'joint')}",
                f"name two of {list_joints(tuple(joints))}",
            )
        pairs.append((a, b))
    ends = [index for pair in pairs for index in pair]
    repeated = [joints[index] for index in ends if ends.count(index) > 1]
    if repeated:
        raise InputError(
            where, f"joint {repeated[0]!r} is in two pairs under swap", "keep one of them"
        )
    return tuple(pairs)


def _find_joint(joint: int | str, joints: Sequence[str], first: int) -> int | None:
    """Return the index of a joint that is given by its name or by its number."""
    if isinstance(joint, str):
        return joints.index(joint) if joint in joints else None
    return joint - first if 0 <= joint - first < len(joints) else None


def parse_swap(text: str) -> tuple[tuple[str, str], ...]:
    """Parse `left:right,left:right`; `none` declares that no joint has another side.

    Raises: InputError for anything else.
    """
    if text == "none":
        return ()
    pairs = [tuple(word.strip().split(":")) for word in text.split(",")]
    if not all(len(pair) == 2 and all(pair) for pair in pairs):
        raise InputError(
            f"--swap {text}",
            "is not a list of pairs of joints",
            "write it as in left_paw:right_paw,near_ear:far_ear, or none",
        )
    return tuple((a, b) for a, b in pairs)


def set_pairs(skeleton: Skeleton, swap: Sequence[tuple[str, str]] | None) -> Skeleton:
    """Give a skeleton the pairs of `--swap`, if they were given; all others stay in place.

    Names are compared as the file spells them, then as the skeleton does.
    """
    if swap is None:
        return skeleton
    spelled = skeleton.spelled_joints
    _refuse_unknown_joints([end for pair in swap for end in pair], spelled, skeleton.joints)
    by_index = [
        tuple(spelled.index(end) if end in spelled else end for end in pair) for pair in swap
    ]
    pairs: list[Pair] = [(a, b) for a, b in by_index]
    return replace(skeleton, custom_pairs=find_declared_pairs("--swap", skeleton.joints, pairs))


def _refuse_unknown_joints(
    names: Sequence[str], spelled: Sequence[str], joints: Sequence[str]
) -> None:
    """Raise InputError for a name that no joint has, with the most similar ones."""
    unknown = [name for name in names if name not in spelled and name not in joints]
    if not unknown:
        return
    similar = get_close_matches(unknown[0], spelled, n=2)
    remedy = (
        f"did you mean {' or '.join(map(repr, similar))}?"
        if similar
        else f"its joints are {', '.join(spelled)}"
    )
    raise InputError("--swap", f"{unknown[0]!r} is no joint of this skeleton", remedy)


def set_pairs_of_people(people: Instances, swap: Sequence[tuple[str, str]] | None) -> Instances:
    """Give a table the pairs of `--swap`, if they were given."""
    return people if swap is None else replace(people, skeleton=set_pairs(people.skeleton, swap))


def describe_mirroring(skeleton: Skeleton) -> str:
    """Say which joints stay in place in mirrored images although they may have a side; "" if none.

    Those that are known to be on the midline are not named.
    """
    joints = skeleton.joints_of_no_side
    if not joints:
        return ""
    names = ", ".join(skeleton.spelled_joints[index] for index in joints)
    return (
        f"in mirrored images these joints stay in place, because their names have no left and "
        f"right: {names}; if they have two sides, add --swap left:right,… (--swap none confirms it)"
    )
