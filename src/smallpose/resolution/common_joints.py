"""The joints on which models with different ones are compared: those that all of them have."""

from collections.abc import Mapping

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.skeleton import Skeleton


def find_common_joints(skeletons: Mapping[str, Skeleton], truth: Skeleton) -> tuple[str, ...]:
    """Return the labelled joints that all models have; none where all have the same ones.

    Raises: InputError when models have no joint in common.
    """
    scored = [tuple(j for j in truth.joints if j in one.joints) for one in skeletons.values()]
    if len(set(scored)) == 1:
        return ()
    common = tuple(joint for joint in scored[0] if all(joint in joints for joints in scored))
    if not common:
        raise InputError(
            f"models {', '.join(skeletons)}",
            "have no labelled joint in common",
            "measure them one by one, each with its own --out",
        )
    return common


def describe_common_joints(skeletons: Mapping[str, Skeleton], joints: tuple[str, ...]) -> str:
    """Say on which joints models with different ones are scored; "" where they are the same."""
    if not joints:
        return ""
    counts = ", ".join(f"{name} {len(skeleton)}" for name, skeleton in skeletons.items())
    return (
        f"The models have different joints ({counts}), so all are scored on the "
        f"{format_count(len(joints), 'joint')} that all have: {', '.join(joints)}."
    )
