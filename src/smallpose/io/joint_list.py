"""Check the joint names that a file lists."""

from collections.abc import Sequence

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError

MAX_JOINTS = 2_000  # of a person; no skeleton has more


def check_joint_list(where: str, names: Sequence[str], order: str) -> None:
    """Check that there are joints, not too many, and each is named once, whatever the case.

    Args:
        where: the list in messages.
        order: what the order of the names decides, such as "the order of the keypoints".
    Raises: InputError.
    """
    remedy = f"name each joint once, in {order}"
    if not names:
        raise InputError(where, "names no joints", remedy)
    if len(names) > MAX_JOINTS:
        raise InputError(
            where,
            f"names {format_count(len(names), 'joint')}",
            f"give at most {MAX_JOINTS:,} for each person",
        )
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        other_index = first.setdefault(name.strip().casefold(), index)
        if other_index < index:
            other = names[other_index]
            what = f"names the joint {other!r} twice"
            raise InputError(where, what if name == other else f"{what}, also as {name!r}", remedy)
