"""Bring the joints of a custom source to the 21: by the user's map, else by their names."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from smallpose.core.counts import choose_verb, format_count
from smallpose.core.errors import InputError
from smallpose.core.instances import CUSTOM_SOURCE_JOINTS, Instances, custom_source
from smallpose.core.skeleton import SMALLPOSE, Skeleton, find_joint_indices, find_synonyms
from smallpose.system.json_decode import read_json

MAX_NAMES = 12  # joints left out that a note lists


def read_joint_map(path: Path | None) -> dict[str, str]:
    """Read a map of the source's joint names to ours from a JSON object; empty without a file.

    Raises: InputError when a name on the right is none of the 21 joints, or is repeated.
    """
    if path is None:
        return {}
    joints = read_json(path, dict[str, str])
    wrong = [ours for ours in joints.values() if ours not in SMALLPOSE.joints]
    if wrong:
        raise InputError(
            str(path),
            f"{wrong[0]!r} is none of the 21 joints",
            f"use one of {', '.join(SMALLPOSE.joints)}",
        )
    twice = [ours for ours in joints.values() if list(joints.values()).count(ours) > 1]
    if twice:
        raise InputError(str(path), f"two joints are mapped to {twice[0]}", "keep one of them")
    return joints


def rename_joints(
    where: str, people: Instances, joint_map: Mapping[str, str]
) -> tuple[Instances, list[str]]:
    """Return the people with our joint names only, and notes on what was left out or renamed.

    Args:
        where: names the source in errors.
    Raises: InputError where no joint is one of the 21, or the map names a joint that is missing.
    """
    ours = _choose_our_names(where, people.skeleton, joint_map)
    kept = [index for index, name in enumerate(ours) if name in SMALLPOSE.joints]
    if not kept:
        raise InputError(
            where,
            "none of its joints is one of the 21",
            "give --map with a JSON object of its names to ours",
        )
    renamed, notes = keep_joints(people, kept, [ours[index] for index in kept])
    mapped = find_joint_indices(people.skeleton, Skeleton("map", tuple(joint_map)))
    named = {index: ours[index] for index in kept if index not in mapped}
    return renamed, [*notes, *_describe_synonyms(people.skeleton, named)]


def _describe_synonyms(skeleton: Skeleton, names: Mapping[int, str]) -> list[str]:
    """Name the joints that are taken for one of the 21 with another name."""
    spelled = skeleton.spelled_joints
    synonyms = find_synonyms(spelled)
    taken = [
        f"{spelled[index]} as {name}"
        for index, name in names.items()
        if synonyms.get(spelled[index]) == name
    ]
    if not taken:
        return []
    remedy = "for a folder, --map FILE.json says otherwise"
    return [f"joints with other names: {', '.join(taken)} ({remedy})"]


def keep_joints(
    people: Instances, kept: Sequence[int], names: Sequence[str]
) -> tuple[Instances, list[str]]:
    """Return the people with some of their joints under new names, and notes on the others.

    K of Eq. 3 stays the number of joints that people were labelled with, unless there are more
    than a custom source may have, such as those of hands and faces; then it is that of the kept.

    Args:
        kept: (k,) indices of the joints to keep.
        names: (k,) their new names.
    """
    spelled = people.skeleton.spelled_joints
    is_too_many = len(spelled) > CUSTOM_SOURCE_JOINTS[-1]
    code = custom_source(len(kept) if is_too_many else len(spelled))
    num_kept = np.count_nonzero(people.keypoints[:, kept, 2] > 0, axis=1)
    images = people.images
    renamed = replace(
        people,
        skeleton=Skeleton(people.skeleton.name, tuple(names)),
        keypoints=people.keypoints[:, kept],
        num_keypoints=np.where(people.num_keypoints > 0, num_kept, 0),
        source=np.full(len(people), code, dtype=np.int8),
        images=replace(images, source=np.full(len(images), code, dtype=np.int8)),
    )
    dropped = [name for index, name in enumerate(spelled) if index not in set(kept)]
    if not dropped:
        return renamed, []
    note = f"joints left out: {', '.join(dropped[:MAX_NAMES])}"
    if len(dropped) > MAX_NAMES:
        note += f" and {len(dropped) - MAX_NAMES:,} more"
    if is_too_many:
        note += (
            f"; of {format_count(len(spelled), 'joint')} {len(kept)} "
            f"{choose_verb(len(kept), 'are')} kept, which is K of Eq. 3"
        )
    notes = [note]
    num_without = int(np.count_nonzero((people.num_keypoints > 0) & (num_kept == 0)))
    if num_without:
        who = format_count(num_without, "person has", "people have")
        notes.append(
            f"{who} none of the kept joints, only joints left out, and no labelled keypoint in the "
            "set; give joints the names of the 21 (--map FILE.json for a folder)"
        )
    return renamed, notes


def _choose_our_names(where: str, skeleton: Skeleton, joint_map: Mapping[str, str]) -> list[str]:
    """Return our name of each joint: the map's, else that of the 21 which it is recognised as.

    Names of the map are compared in any spelling where none is the same. A joint that the map gives
    to one name is no other's.
    """
    indices = find_joint_indices(skeleton, Skeleton("map", tuple(joint_map)))
    names: dict[int, str] = {}
    for theirs, index in zip(joint_map, indices, strict=True):
        if index is None:
            raise InputError(
                where,
                f"it has no joint {theirs!r}, which the map names",
                f"use its names: {', '.join(skeleton.spelled_joints)}",
            )
        names[index] = joint_map[theirs]
    taken = set(joint_map.values())
    return [
        names.get(index, "" if joint in taken else joint)
        for index, joint in enumerate(skeleton.joints)
    ]
